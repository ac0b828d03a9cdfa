//! The `grpc` section.

use super::Notes;
use super::script::tls_config;
use super::tls::TlsOptions;
use super::values::{HIDDEN, IpChoice, Section, free_map, is_credential};
use exporter_core::dialect::yaml::{Fields, Node, Tree, list, scalar};

/// How a health check is called.
#[derive(Clone, Debug, Default)]
pub struct Grpc {
    /// Service to ask for, empty for the whole server.
    pub service: String,
    /// Whether TLS is spoken.
    pub tls: bool,
    /// How.
    pub tls_config: TlsOptions,
    /// Which address is used.
    pub ip: IpChoice,
    /// Address to send from.
    pub source_ip_address: String,
    /// Metadata to send.
    pub metadata: Vec<(String, Vec<Vec<u8>>)>,
    is_given: bool,
}

impl Grpc {
    pub(crate) fn read(node: &Node, notes: &mut Notes<'_>) -> Self {
        let mut fields = Fields::of(node, "grpc", notes.problems);
        let grpc = Grpc {
            service: fields
                .get("service", notes.problems, scalar::string)
                .unwrap_or_default(),
            tls: fields
                .get("tls", notes.problems, scalar::boolean)
                .unwrap_or(false),
            tls_config: tls_config(&mut fields, notes),
            ip: IpChoice::read(&mut fields, notes.problems),
            source_ip_address: fields
                .get("source_ip_address", notes.problems, scalar::string)
                .unwrap_or_default(),
            metadata: fields
                .get("metadata", notes.problems, |n, p| {
                    free_map(n, p, |n, p| match n.is_null() {
                        true => Some(Vec::new()),
                        false => list(n, p, scalar::bytes),
                    })
                })
                .unwrap_or_default(),
            is_given: true,
        };
        fields.finish(notes.problems);
        grpc
    }

    /// Prints the section, nothing where the file has none.
    pub fn tree(&self) -> Tree {
        let mut section = Section::default();
        if !self.is_given {
            return section.into_tree();
        }
        section.text("service", &self.service);
        section.flag("tls", self.tls);
        section.section("tls_config", self.tls_config.tree());
        self.ip.put(&mut section);
        section.text("source_ip_address", &self.source_ip_address);
        let shown = |(name, values): &(String, Vec<Vec<u8>>)| {
            let hidden = is_credential(name);
            let value = |v: &Vec<u8>| match hidden {
                true => Tree::Text(HIDDEN.to_owned()),
                false => Tree::bytes(v),
            };
            (name.clone(), Tree::List(values.iter().map(value).collect()))
        };
        section.section(
            "metadata",
            Tree::Map(self.metadata.iter().map(shown).collect()),
        );
        section.into_tree()
    }
}
