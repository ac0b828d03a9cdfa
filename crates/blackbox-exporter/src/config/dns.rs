//! The `dns` section.

use super::Notes;
use super::script::tls_config;
use super::tls::TlsOptions;
use super::values::{IpChoice, Section, strings};
use crate::dns::names::{CLASSES, TYPES};
use exporter_core::dialect::yaml::{Fields, Node, Problems, Tree, scalar};

/// Patterns that the records of one section of an answer are held against. They are compiled when
/// they are first used, as the original does it.
#[derive(Clone, Debug, Default)]
pub struct RecordRules {
    /// No record may match any of these.
    pub fail_if_matches: Vec<String>,
    /// Despite its name: every record must match all of these.
    pub fail_if_all_match: Vec<String>,
    /// Every record must match all of these, and there must be one.
    pub fail_if_not_matches: Vec<String>,
    /// Some record must match one of these, and there must be one.
    pub fail_if_none_matches: Vec<String>,
}

impl RecordRules {
    const KEYS: [&'static str; 4] = [
        "fail_if_matches_regexp",
        "fail_if_all_match_regexp",
        "fail_if_not_matches_regexp",
        "fail_if_none_matches_regexp",
    ];

    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut fields = Fields::of(node, "the record rules", problems);
        let [matches, all, not, none] =
            Self::KEYS.map(|key| fields.get(key, problems, strings).unwrap_or_default());
        fields.finish(problems);
        Some(RecordRules {
            fail_if_matches: matches,
            fail_if_all_match: all,
            fail_if_not_matches: not,
            fail_if_none_matches: none,
        })
    }

    fn tree(&self) -> Tree {
        let mut section = Section::default();
        let lists = [
            &self.fail_if_matches,
            &self.fail_if_all_match,
            &self.fail_if_not_matches,
            &self.fail_if_none_matches,
        ];
        for (key, list) in Self::KEYS.iter().zip(lists) {
            section.texts(key, list.iter().map(String::as_str));
        }
        section.into_tree()
    }
}

/// What is asked and what is expected.
#[derive(Clone, Debug)]
pub struct Dns {
    /// Which address is used.
    pub ip: IpChoice,
    /// Address to send from.
    pub source_ip_address: String,
    /// `udp` or `tcp`, checked at the probe.
    pub transport_protocol: String,
    /// Whether TLS is spoken.
    pub dns_over_tls: bool,
    /// How.
    pub tls_config: TlsOptions,
    /// Name to ask for.
    pub query_name: String,
    /// Type as written, empty for `ANY`.
    pub query_type: String,
    /// Class as written, empty for `IN`.
    pub query_class: String,
    /// Whether name and type are told in labels.
    pub query_info: bool,
    /// Whether the server may ask others.
    pub recursion_desired: bool,
    /// Codes that are success, `None` for NOERROR only.
    pub valid_rcodes: Option<Vec<String>>,
    /// Rules of the answer section.
    pub answer: RecordRules,
    /// Rules of the authority section.
    pub authority: RecordRules,
    /// Rules of the additional section.
    pub additional: RecordRules,
}

impl Default for Dns {
    fn default() -> Self {
        Dns {
            ip: IpChoice::default(),
            source_ip_address: String::new(),
            transport_protocol: String::new(),
            dns_over_tls: false,
            tls_config: TlsOptions::default(),
            query_name: String::new(),
            query_type: String::new(),
            query_class: String::new(),
            query_info: false,
            recursion_desired: true,
            valid_rcodes: None,
            answer: RecordRules::default(),
            authority: RecordRules::default(),
            additional: RecordRules::default(),
        }
    }
}

impl Dns {
    pub(crate) fn read(node: &Node, notes: &mut Notes<'_>) -> Self {
        let mut fields = Fields::of(node, "dns", notes.problems);
        let tls_config = tls_config(&mut fields, notes);
        let problems = &mut *notes.problems;
        let mut text = |key| {
            fields
                .get(key, problems, scalar::string)
                .unwrap_or_default()
        };
        let mut dns = Dns {
            source_ip_address: text("source_ip_address"),
            transport_protocol: text("transport_protocol"),
            query_name: text("query_name"),
            query_type: text("query_type"),
            query_class: text("query_class"),
            tls_config,
            ..Dns::default()
        };
        dns.ip = IpChoice::read(&mut fields, problems);
        dns.dns_over_tls = fields
            .get("dns_over_tls", problems, scalar::boolean)
            .unwrap_or(false);
        dns.query_info = fields
            .get("query_info", problems, scalar::boolean)
            .unwrap_or(false);
        dns.recursion_desired = fields
            .get("recursion_desired", problems, scalar::boolean)
            .unwrap_or(true);
        dns.valid_rcodes = fields.get("valid_rcodes", problems, strings);
        let mut rules = |key| {
            fields
                .get(key, problems, RecordRules::read)
                .unwrap_or_default()
        };
        dns.answer = rules("validate_answer_rrs");
        dns.authority = rules("validate_authority_rrs");
        dns.additional = rules("validate_additional_rrs");
        dns.check(&fields, problems);
        fields.finish(problems);
        dns
    }

    fn check(&self, fields: &Fields<'_>, problems: &mut Problems) {
        if !self.query_type.is_empty() && !TYPES.iter().any(|t| t.0 == self.query_type) {
            let what = format!("query type {:?} is not valid", self.query_type);
            problems.push(fields.place_of("query_type"), what);
        }
        if !self.query_class.is_empty() && !CLASSES.iter().any(|c| c.0 == self.query_class) {
            let what = format!(
                "query class {:?} is not valid, expected IN, CS, CH, HS, NONE or ANY",
                self.query_class
            );
            problems.push(fields.place_of("query_class"), what);
        }
    }

    /// Prints the section.
    pub fn tree(&self) -> Tree {
        let mut section = Section::default();
        self.ip.put(&mut section);
        section.flag("dns_over_tls", self.dns_over_tls);
        section.section("tls_config", self.tls_config.tree());
        section.text("source_ip_address", &self.source_ip_address);
        section.text("transport_protocol", &self.transport_protocol);
        section.text("query_class", &self.query_class);
        section.text("query_name", &self.query_name);
        section.text("query_type", &self.query_type);
        section.flag("query_info", self.query_info);
        section.flag("recursion_desired", self.recursion_desired);
        let codes = self.valid_rcodes.iter().flatten().map(String::as_str);
        section.texts("valid_rcodes", codes);
        section.section("validate_answer_rrs", self.answer.tree());
        section.section("validate_authority_rrs", self.authority.tree());
        section.section("validate_additional_rrs", self.additional.tree());
        section.into_tree()
    }
}
