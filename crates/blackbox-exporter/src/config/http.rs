//! The `http` section.

use super::Notes;
use super::client::Client;
use super::encoding;
use super::values::{IpChoice, Pattern, Section, pattern, patterns, string_map, strings};
use crate::expression::Expression;
use exporter_core::dialect::yaml::{Fields, Node, Problems, Tree, list, scalar};

/// A rule on a header of the answer.
#[derive(Clone, Debug)]
pub struct HeaderRule {
    /// Name of the header.
    pub header: String,
    /// Pattern of its values.
    pub pattern: Pattern,
    /// Whether the rule is left out where the header is not there.
    pub allow_missing: bool,
}

impl HeaderRule {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut fields = Fields::of(node, "the header rule", problems);
        let header = fields
            .get("header", problems, scalar::string)
            .unwrap_or_default();
        let found = fields.get("regexp", problems, pattern);
        let allow_missing = fields
            .get("allow_missing", problems, scalar::boolean)
            .unwrap_or(false);
        if header.is_empty() {
            problems.push(
                node.place,
                "header name must be set for HTTP header matchers",
            );
        }
        if found.as_ref().is_none_or(|p| p.text.is_empty()) {
            problems.push(node.place, "regexp must be set for HTTP header matchers");
        }
        fields.finish(problems);
        Some(HeaderRule {
            header,
            pattern: found?,
            allow_missing,
        })
    }

    fn tree(&self) -> Tree {
        let mut section = Section::default();
        section.text("header", &self.header);
        section.text("regexp", &self.pattern.text);
        section.flag("allow_missing", self.allow_missing);
        section.into_tree()
    }
}

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// gzip
    Gzip,
    /// Brotli
    Brotli,
    /// Raw deflate, without the zlib frame.
    Deflate,
    /// Not at all.
    Identity,
    /// A word that names none.
    Unknown,
}

/// What is requested and what is expected.
#[derive(Clone, Debug, Default)]
pub struct Http {
    /// Which address is used.
    pub ip: IpChoice,
    /// Status codes that are success, empty for 200 to 299.
    pub valid_status_codes: Vec<i64>,
    /// Classes of status codes that are success, such as 4 of `4xx`.
    pub valid_status_classes: Vec<i64>,
    /// Protocol versions that are success, empty for any.
    pub valid_http_versions: Vec<String>,
    /// Leave the name to the proxy.
    pub skip_resolve_phase_with_proxy: bool,
    /// TLS is a failure.
    pub fail_if_ssl: bool,
    /// The lack of TLS is a failure.
    pub fail_if_not_ssl: bool,
    /// Address to send from, of the family of the target's.
    pub source_ip_address: String,
    /// Method, empty for GET.
    pub method: String,
    /// Headers of the request.
    pub headers: Vec<(String, String)>,
    /// Patterns that the body may not match.
    pub fail_if_body_matches: Vec<Pattern>,
    /// Patterns that the body must match.
    pub fail_if_body_not_matches: Vec<Pattern>,
    /// Expression that may not be true of the body.
    pub fail_if_json_matches: Option<Expression>,
    /// Expression that must be true of the body.
    pub fail_if_json_not_matches: Option<Expression>,
    /// Rules on headers that may not match.
    pub fail_if_header_matches: Vec<HeaderRule>,
    /// Rules on headers that must match.
    pub fail_if_header_not_matches: Vec<HeaderRule>,
    /// Body of the request.
    pub body: Vec<u8>,
    /// File of the same.
    pub body_file: String,
    /// Compression of the answer as written; empty for none that is looked at.
    pub compression: String,
    /// Most bytes of the body, `None` without limit.
    pub body_size_limit: Option<u64>,
    size_text: String,
    /// HTTP/3 only.
    pub enable_http3: bool,
    /// Credentials, TLS, proxy and further headers.
    pub client: Client,
}

impl Http {
    pub(crate) fn read(node: &Node, notes: &mut Notes<'_>) -> Self {
        let mut fields = Fields::of(node, "http", notes.problems);
        let mut http = Http {
            client: Client::read(&mut fields, notes),
            ..Http::default()
        };
        let problems = &mut *notes.problems;
        http.ip = IpChoice::read(&mut fields, problems);
        http.source_ip_address = fields
            .get("source_ip_address", problems, scalar::string)
            .unwrap_or_default();
        http.read_expectations(&mut fields, problems);
        http.read_request(&mut fields, problems);
        http.read_sizes(&mut fields, problems);
        http.enable_http3 = fields
            .get("enable_http3", problems, scalar::boolean)
            .unwrap_or(false);
        let no_follow = fields.get("no_follow_redirects", problems, scalar::boolean);
        http.check(&fields, problems);
        fields.finish(problems);
        if let Some(no_follow) = no_follow {
            http.client.follow_redirects = !no_follow;
            notes.warn(
                "no_follow_redirects is deprecated and will be removed, use follow_redirects",
            );
        }
        if http.enable_http3 {
            notes.warn("HTTP/3 is not supported, probes of this module fail");
        }
        http
    }

    fn read_expectations(&mut self, fields: &mut Fields<'_>, problems: &mut Problems) {
        if let Some(node) = fields.node("valid_status_codes") {
            self.read_codes(node, problems);
        }
        let mut flag = |key, problems: &mut Problems| {
            fields.get(key, problems, scalar::boolean).unwrap_or(false)
        };
        self.fail_if_ssl = flag("fail_if_ssl", problems);
        self.fail_if_not_ssl = flag("fail_if_not_ssl", problems);
        self.skip_resolve_phase_with_proxy = flag("skip_resolve_phase_with_proxy", problems);
        self.valid_http_versions = fields
            .get("valid_http_versions", problems, strings)
            .unwrap_or_default();
        let mut regexps =
            |key, problems: &mut Problems| fields.get(key, problems, patterns).unwrap_or_default();
        self.fail_if_body_matches = regexps("fail_if_body_matches_regexp", problems);
        self.fail_if_body_not_matches = regexps("fail_if_body_not_matches_regexp", problems);
        let mut rules = |key, problems: &mut Problems| {
            let rules = fields.get(key, problems, |n, p| list(n, p, HeaderRule::read));
            rules.unwrap_or_default()
        };
        self.fail_if_header_matches = rules("fail_if_header_matches", problems);
        self.fail_if_header_not_matches = rules("fail_if_header_not_matches", problems);
        self.fail_if_json_matches =
            fields.get("fail_if_body_json_matches_cel", problems, read_expression);
        self.fail_if_json_not_matches = fields.get(
            "fail_if_body_json_not_matches_cel",
            problems,
            read_expression,
        );
    }

    /// Codes, and as an addition to the original's grammar classes such as `4xx`.
    fn read_codes(&mut self, node: &Node, problems: &mut Problems) {
        let classes = &mut self.valid_status_classes;
        let codes = list(node, problems, |node, problems| {
            let text = node.text().unwrap_or_default();
            match text.as_bytes() {
                [digit @ b'1'..=b'5', b'x' | b'X', b'x' | b'X'] => {
                    classes.push(i64::from(digit - b'0'));
                    None
                }
                _ => scalar::integer(node, problems),
            }
        });
        self.valid_status_codes = codes.unwrap_or_default();
    }

    fn read_request(&mut self, fields: &mut Fields<'_>, problems: &mut Problems) {
        let mut text = |key, problems: &mut Problems| {
            fields
                .get(key, problems, scalar::string)
                .unwrap_or_default()
        };
        self.method = text("method", problems);
        self.body_file = text("body_file", problems);
        self.compression = text("compression", problems);
        self.body = fields
            .get("body", problems, scalar::bytes)
            .unwrap_or_default();
        self.headers = fields
            .get("headers", problems, string_map)
            .unwrap_or_default();
    }

    fn read_sizes(&mut self, fields: &mut Fields<'_>, problems: &mut Problems) {
        if let Some(node) = fields.node("body_size_limit") {
            let text = scalar::string(node, problems).unwrap_or_default();
            let size = super::size::parse(&text);
            let what = "a size with unit, such as 10MB or 1.5GiB";
            let bytes = problems.expected(size, node, what).unwrap_or(0);
            self.size_text = super::size::format(bytes);
            self.body_size_limit = (bytes > 0).then_some(bytes);
        }
    }

    fn check(&self, fields: &Fields<'_>, problems: &mut Problems) {
        let mut mistake = |key, what: &str| problems.push(fields.place_of(key), what);
        if !self.body.is_empty() && !self.body_file.is_empty() {
            mistake(
                "body_file",
                "setting body and body_file both is not allowed",
            );
        }
        let versions = &self.valid_http_versions;
        let names = |version: &str| versions.iter().any(|v| v == version);
        if !self.enable_http3 && names("HTTP/3.0") {
            mistake("valid_http_versions", "HTTP/3.0 needs enable_http3");
        }
        if self.enable_http3 && (names("HTTP/2.0") || names("HTTP/1.1")) {
            mistake(
                "valid_http_versions",
                "enable_http3 excludes HTTP/1.1 and HTTP/2.0",
            );
        } else if self.enable_http3 && self.client.enable_http2 {
            mistake("enable_http3", "enable_http3 needs enable_http2: false");
        }
        for (name, value) in &self.headers {
            let relevant = name.eq_ignore_ascii_case("accept-encoding");
            if relevant
                && !self.compression.is_empty()
                && !value.is_empty()
                && !encoding::admits(value, &self.compression)
            {
                mistake(
                    "compression",
                    &format!(
                        "invalid configuration \"{name}: {value}\", \"compression: {}\"",
                        self.compression
                    ),
                );
            }
        }
    }

    /// The compression that the answer is expected in.
    pub fn compression(&self) -> Option<Compression> {
        let word = self.compression.to_ascii_lowercase();
        Some(match word.as_str() {
            "" => return None,
            "gzip" => Compression::Gzip,
            "br" => Compression::Brotli,
            "deflate" => Compression::Deflate,
            "identity" => Compression::Identity,
            _ => Compression::Unknown,
        })
    }

    /// Prints the section.
    pub fn tree(&self) -> Tree {
        let mut section = Section::default();
        let codes = self
            .valid_status_codes
            .iter()
            .map(|c| Tree::Bare(c.to_string()));
        let classes = self
            .valid_status_classes
            .iter()
            .map(|c| Tree::Text(format!("{c}xx")));
        let codes: Vec<_> = codes.chain(classes).collect();
        if !codes.is_empty() {
            section.put("valid_status_codes", Tree::List(codes));
        }
        section.texts(
            "valid_http_versions",
            self.valid_http_versions.iter().map(String::as_str),
        );
        self.ip.put(&mut section);
        section.text("source_ip_address", &self.source_ip_address);
        section.flag(
            "skip_resolve_phase_with_proxy",
            self.skip_resolve_phase_with_proxy,
        );
        section.flag("fail_if_ssl", self.fail_if_ssl);
        section.flag("fail_if_not_ssl", self.fail_if_not_ssl);
        section.text("method", &self.method);
        section.headers("headers", &self.headers);
        section.patterns("fail_if_body_matches_regexp", &self.fail_if_body_matches);
        section.patterns(
            "fail_if_body_not_matches_regexp",
            &self.fail_if_body_not_matches,
        );
        for (key, expression) in [
            ("fail_if_body_json_matches_cel", &self.fail_if_json_matches),
            (
                "fail_if_body_json_not_matches_cel",
                &self.fail_if_json_not_matches,
            ),
        ] {
            section.text(key, expression.as_ref().map_or("", |e| e.text()));
        }
        for (key, rules) in [
            ("fail_if_header_matches", &self.fail_if_header_matches),
            (
                "fail_if_header_not_matches",
                &self.fail_if_header_not_matches,
            ),
        ] {
            if !rules.is_empty() {
                section.put(
                    key,
                    Tree::List(rules.iter().map(HeaderRule::tree).collect()),
                );
            }
        }
        if !self.body.is_empty() {
            section.put("body", Tree::bytes(&self.body));
        }
        section.text("body_file", &self.body_file);
        self.client.put(&mut section);
        section.text("compression", &self.compression);
        section.text("body_size_limit", &self.size_text);
        section.flag("enable_http3", self.enable_http3);
        section.into_tree()
    }
}

fn read_expression(node: &Node, problems: &mut Problems) -> Option<Expression> {
    let text = scalar::string(node, problems)?;
    match Expression::compile(&text) {
        Ok(expression) => Some(expression),
        Err(error) => {
            problems.push(node.place, error);
            None
        }
    }
}
