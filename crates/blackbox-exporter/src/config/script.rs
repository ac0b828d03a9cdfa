//! The `tcp` and `unix` sections and their `query_response`.

use super::Notes;
use super::tls::TlsOptions;
use super::values::{IpChoice, Pattern, Section, pattern};
use exporter_core::dialect::yaml::{Fields, Node, Problems, Tree, list, scalar};

/// One step of a conversation: expect, then send, then perhaps TLS.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// Pattern of a line to wait for.
    pub expect: Option<Pattern>,
    /// Bytes to wait for.
    pub expect_bytes: Vec<u8>,
    /// Labels of `probe_expect_info`, `None` where the key is absent.
    pub labels: Option<Vec<(String, Vec<u8>)>>,
    /// What to send.
    pub send: Vec<u8>,
    /// Whether a TLS handshake follows.
    pub starttls: bool,
}

impl Step {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut fields = Fields::of(node, "the step", problems);
        let step = Step {
            expect: fields.get("expect", problems, pattern),
            expect_bytes: fields
                .get("expect_bytes", problems, scalar::bytes)
                .unwrap_or_default(),
            labels: fields.get("labels", problems, |n, p| list(n, p, read_label)),
            send: fields
                .get("send", problems, scalar::bytes)
                .unwrap_or_default(),
            starttls: fields
                .get("starttls", problems, scalar::boolean)
                .unwrap_or(false),
        };
        if step.expect.is_some() && !step.expect_bytes.is_empty() {
            problems.push(node.place, "a step takes either expect or expect_bytes");
        }
        fields.finish(problems);
        Some(step)
    }

    fn tree(&self) -> Tree {
        let mut section = Section::default();
        if let Some(expect) = &self.expect {
            section.put("expect", Tree::Text(expect.text.clone()));
        }
        if !self.expect_bytes.is_empty() {
            section.put("expect_bytes", Tree::bytes(&self.expect_bytes));
        }
        let labels = self.labels.iter().flatten().map(|(name, value)| {
            let mut label = Section::default();
            label.text("name", name);
            if !value.is_empty() {
                label.put("value", Tree::bytes(value));
            }
            label.into_tree()
        });
        let labels: Vec<_> = labels.collect();
        if !labels.is_empty() {
            section.put("labels", Tree::List(labels));
        }
        if !self.send.is_empty() {
            section.put("send", Tree::bytes(&self.send));
        }
        section.flag("starttls", self.starttls);
        section.into_tree()
    }
}

fn read_label(node: &Node, problems: &mut Problems) -> Option<(String, Vec<u8>)> {
    let mut fields = Fields::of(node, "the label", problems);
    let name = fields
        .get("name", problems, scalar::string)
        .unwrap_or_default();
    let value = fields
        .get("value", problems, scalar::bytes)
        .unwrap_or_default();
    fields.finish(problems);
    Some((name, value))
}

/// Reads `query_response`.
pub fn steps(fields: &mut Fields<'_>, problems: &mut Problems) -> Vec<Step> {
    let steps = fields.get("query_response", problems, |n, p| list(n, p, Step::read));
    steps.unwrap_or_default()
}

/// Prints `query_response`.
pub fn put_steps(section: &mut Section, steps: &[Step]) {
    if !steps.is_empty() {
        section.put(
            "query_response",
            Tree::List(steps.iter().map(Step::tree).collect()),
        );
    }
}

/// The `tcp` section.
#[derive(Clone, Debug, Default)]
pub struct Tcp {
    /// Which address is used.
    pub ip: IpChoice,
    /// Address to connect from.
    pub source_ip_address: String,
    /// The conversation.
    pub steps: Vec<Step>,
    /// Whether it begins with a TLS handshake.
    pub tls: bool,
    /// How TLS is spoken.
    pub tls_config: TlsOptions,
}

impl Tcp {
    pub(crate) fn read(node: &Node, notes: &mut Notes<'_>) -> Self {
        let mut fields = Fields::of(node, "tcp", notes.problems);
        let tcp = Tcp {
            ip: IpChoice::read(&mut fields, notes.problems),
            source_ip_address: fields
                .get("source_ip_address", notes.problems, scalar::string)
                .unwrap_or_default(),
            steps: steps(&mut fields, notes.problems),
            tls: fields
                .get("tls", notes.problems, scalar::boolean)
                .unwrap_or(false),
            tls_config: tls_config(&mut fields, notes),
        };
        fields.finish(notes.problems);
        tcp
    }

    /// Prints the section.
    pub fn tree(&self) -> Tree {
        let mut section = Section::default();
        self.ip.put(&mut section);
        section.text("source_ip_address", &self.source_ip_address);
        put_steps(&mut section, &self.steps);
        section.flag("tls", self.tls);
        section.section("tls_config", self.tls_config.tree());
        section.into_tree()
    }
}

/// Reads `tls_config` where it is there.
pub(crate) fn tls_config(fields: &mut Fields<'_>, notes: &mut Notes<'_>) -> TlsOptions {
    let node = fields.node("tls_config");
    node.map(|node| TlsOptions::read(node, notes))
        .unwrap_or_default()
}

/// The `unix` section.
#[derive(Clone, Debug, Default)]
pub struct Unix {
    /// The conversation.
    pub steps: Vec<Step>,
    /// Whether it begins with a TLS handshake.
    pub tls: bool,
    /// How TLS is spoken.
    pub tls_config: TlsOptions,
}

impl Unix {
    pub(crate) fn read(node: &Node, notes: &mut Notes<'_>) -> Self {
        let mut fields = Fields::of(node, "unix", notes.problems);
        let unix = Unix {
            steps: steps(&mut fields, notes.problems),
            tls: fields
                .get("tls", notes.problems, scalar::boolean)
                .unwrap_or(false),
            tls_config: tls_config(&mut fields, notes),
        };
        fields.finish(notes.problems);
        unix
    }

    /// Prints the section.
    pub fn tree(&self) -> Tree {
        let mut section = Section::default();
        put_steps(&mut section, &self.steps);
        section.flag("tls", self.tls);
        section.section("tls_config", self.tls_config.tree());
        section.into_tree()
    }
}
