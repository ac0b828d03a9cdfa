//! `tls_config`.

use super::Notes;
use super::values::{Secret, Section, secret};
use exporter_core::dialect::yaml::{Fields, Node, Problems, Tree, scalar};

/// Versions of the protocol, in ascending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// 1.0
    Tls10,
    /// 1.1
    Tls11,
    /// 1.2
    Tls12,
    /// 1.3
    Tls13,
}

impl TlsVersion {
    const WORDS: [(&'static str, TlsVersion); 4] = [
        ("TLS10", TlsVersion::Tls10),
        ("TLS11", TlsVersion::Tls11),
        ("TLS12", TlsVersion::Tls12),
        ("TLS13", TlsVersion::Tls13),
    ];

    fn word(self) -> &'static str {
        Self::WORDS[self as usize].0
    }

    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let text = scalar::string(node, problems)?;
        let found = Self::WORDS.iter().find(|w| w.0 == text).map(|w| w.1);
        problems.expected(found, node, "TLS10, TLS11, TLS12 or TLS13")
    }
}

/// How a client speaks TLS.
#[derive(Clone, Debug, Default)]
pub struct TlsOptions {
    /// Authorities, PEM; they replace those of the system.
    pub ca: String,
    /// File of the same.
    pub ca_file: String,
    /// Client certificate, PEM.
    pub cert: String,
    /// File of the same.
    pub cert_file: String,
    /// Key of the client certificate, PEM.
    pub key: Secret,
    /// File of the same.
    pub key_file: String,
    /// Name that the certificate must have; empty for that of the target.
    pub server_name: String,
    /// Accept any certificate.
    pub insecure_skip_verify: bool,
    /// Least version.
    pub min_version: Option<TlsVersion>,
    /// Greatest version.
    pub max_version: Option<TlsVersion>,
    /// A `*_ref` key, which names a secret of a manager that there is none of.
    pub reference: Option<&'static str>,
    refs: [String; 3],
    is_given: bool,
}

impl TlsOptions {
    /// Reads the mapping.
    pub(crate) fn read(node: &Node, notes: &mut Notes<'_>) -> Self {
        let mut fields = Fields::of(node, "tls_config", notes.problems);
        let mut text = |key, problems: &mut Problems| {
            fields
                .get(key, problems, scalar::string)
                .unwrap_or_default()
        };
        let problems = &mut *notes.problems;
        let mut options = TlsOptions {
            ca: text("ca", problems),
            cert: text("cert", problems),
            ca_file: text("ca_file", problems),
            cert_file: text("cert_file", problems),
            key_file: text("key_file", problems),
            refs: [
                text("ca_ref", problems),
                text("cert_ref", problems),
                text("key_ref", problems),
            ],
            server_name: text("server_name", problems),
            key: fields.get("key", problems, secret).unwrap_or_default(),
            insecure_skip_verify: fields
                .get("insecure_skip_verify", problems, scalar::boolean)
                .unwrap_or(false),
            min_version: fields.get("min_version", problems, TlsVersion::read),
            max_version: fields.get("max_version", problems, TlsVersion::read),
            reference: None,
            is_given: true,
        };
        let names = ["ca_ref", "cert_ref", "key_ref"];
        let first = options.refs.iter().position(|r| !r.is_empty());
        options.reference = first.map(|at| names[at]);
        options.check(&fields, notes);
        fields.finish(notes.problems);
        options
    }

    fn check(&self, fields: &Fields<'_>, notes: &mut Notes<'_>) {
        let [ca_ref, cert_ref, key_ref] = &self.refs;
        for (what, sources) in [
            ("ca", [&self.ca, &self.ca_file, ca_ref]),
            ("cert", [&self.cert, &self.cert_file, cert_ref]),
            ("key", [&self.key.0, &self.key_file, key_ref]),
        ] {
            if sources.iter().filter(|s| !s.is_empty()).count() > 1 {
                notes.problems.push(
                    fields.place(),
                    format!("tls_config takes at most one of {what}, {what}_file and {what}_ref"),
                );
            }
        }
        let has = |sources: [&String; 3]| sources.iter().any(|s| !s.is_empty());
        let cert = has([&self.cert, &self.cert_file, cert_ref]);
        let key = has([&self.key.0, &self.key_file, key_ref]);
        if cert != key {
            let (one, other) = if cert {
                ("cert", "key")
            } else {
                ("key", "cert")
            };
            notes.problems.push(
                fields.place(),
                format!("tls_config has a {one} but no {other}"),
            );
        }
        if self.max_version.is_some_and(|v| v < TlsVersion::Tls12) {
            notes.problems.push(
                fields.place_of("max_version"),
                "max_version: TLS 1.0 and 1.1 are not supported, expected TLS12 or TLS13",
            );
        } else if self.min_version.is_some_and(|v| v < TlsVersion::Tls12) {
            notes.warn(
                "min_version: TLS 1.0 and 1.1 are not supported, TLS 1.2 is the least version",
            );
        }
    }

    /// The same for another host than the one that `server_name` is about.
    pub fn elsewhere(&self) -> Self {
        let mut options = self.clone();
        options.server_name.clear();
        options
    }

    /// Prints the mapping; nothing where nothing is set.
    pub fn tree(&self) -> Tree {
        let mut section = Section::default();
        section.text("ca", &self.ca);
        section.text("cert", &self.cert);
        section.secret("key", &self.key);
        section.text("ca_file", &self.ca_file);
        section.text("cert_file", &self.cert_file);
        section.text("key_file", &self.key_file);
        for (key, value) in ["ca_ref", "cert_ref", "key_ref"].iter().zip(&self.refs) {
            section.text(key, value);
        }
        section.text("server_name", &self.server_name);
        if self.is_given {
            section.bare("insecure_skip_verify", self.insecure_skip_verify);
        }
        for (key, version) in [
            ("min_version", self.min_version),
            ("max_version", self.max_version),
        ] {
            section.text(key, version.map_or("", TlsVersion::word));
        }
        match section.into_tree() {
            // Only the switch, at its default.
            Tree::Map(entries) if entries.len() == 1 && !self.insecure_skip_verify => {
                Tree::Map(Vec::new())
            }
            tree => tree,
        }
    }
}
