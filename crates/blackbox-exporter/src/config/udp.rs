//! The `udp` section.

use super::Notes;
use super::script::{Step, put_steps, steps};
use super::values::{IpChoice, Section};
use exporter_core::dialect::yaml::{Fields, Node, Tree, scalar};

/// A conversation in datagrams.
#[derive(Clone, Debug, Default)]
pub struct Udp {
    /// Which address is used.
    pub ip: IpChoice,
    /// Address to send from.
    pub source_ip_address: String,
    /// The conversation.
    pub steps: Vec<Step>,
}

impl Udp {
    pub(crate) fn read(node: &Node, notes: &mut Notes<'_>) -> Self {
        let problems = &mut *notes.problems;
        let mut fields = Fields::of(node, "udp", problems);
        let udp = Udp {
            ip: IpChoice::read(&mut fields, problems),
            source_ip_address: fields
                .get("source_ip_address", problems, scalar::string)
                .unwrap_or_default(),
            steps: steps(&mut fields, problems),
        };
        if udp.steps.iter().any(|step| step.starttls) {
            let place = fields.place_of("query_response");
            problems.push(
                place,
                "starttls: there is no TLS over UDP, take it out or use the tcp prober",
            );
        }
        fields.finish(problems);
        udp
    }

    /// Prints the section.
    pub fn tree(&self) -> Tree {
        let mut section = Section::default();
        self.ip.put(&mut section);
        section.text("source_ip_address", &self.source_ip_address);
        put_steps(&mut section, &self.steps);
        section.into_tree()
    }
}
