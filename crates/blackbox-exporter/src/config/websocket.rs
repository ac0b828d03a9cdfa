//! The `websocket` section.

use super::Notes;
use super::client::{Client, HeaderSources};
use super::script::{Step, put_steps, steps};
use super::values::{IpChoice, Section, free_map};
use exporter_core::dialect::yaml::{Fields, Node, Problems, Tree, scalar};

/// How a web socket is opened and spoken over.
#[derive(Clone, Debug, Default)]
pub struct WebSocket {
    /// Credentials and TLS.
    pub client: Client,
    /// Headers of the request.
    pub headers: Vec<(String, HeaderSources)>,
    /// The conversation.
    pub steps: Vec<Step>,
    /// Which address is used.
    pub ip: IpChoice,
    is_given: bool,
}

impl WebSocket {
    pub(crate) fn read(node: &Node, notes: &mut Notes<'_>) -> Self {
        let mut fields = Fields::of(node, "websocket", notes.problems);
        let client = fields.node("http_config").map(|node| {
            let mut fields = Fields::of(node, "http_config", notes.problems);
            let client = Client::read(&mut fields, notes);
            fields.finish(notes.problems);
            client
        });
        let problems = &mut *notes.problems;
        let websocket = WebSocket {
            client: client.unwrap_or_default(),
            headers: fields
                .get("headers", problems, |n, p| free_map(n, p, read_header))
                .unwrap_or_default(),
            steps: steps(&mut fields, problems),
            ip: IpChoice::read(&mut fields, problems),
            is_given: true,
        };
        fields.finish(problems);
        websocket
    }

    /// Prints the section, nothing where the file has none.
    pub fn tree(&self) -> Tree {
        let mut section = Section::default();
        if !self.is_given {
            return section.into_tree();
        }
        if self.client.is_given() {
            let mut client = Section::default();
            self.client.put(&mut client);
            section.put("http_config", client.into_tree());
        }
        section.section("headers", HeaderSources::print(&self.headers));
        put_steps(&mut section, &self.steps);
        self.ip.put(&mut section);
        section.into_tree()
    }
}

/// A header; a text alone is its one value, as examples have it.
fn read_header(node: &Node, problems: &mut Problems) -> Option<HeaderSources> {
    if node.is_null() || node.text().is_none() {
        return HeaderSources::read(node, problems);
    }
    Some(HeaderSources {
        values: vec![scalar::string(node, problems)?],
        ..HeaderSources::default()
    })
}
