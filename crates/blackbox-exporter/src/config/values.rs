//! Kinds of values that several sections share.

use exporter_core::dialect::regexp;
use exporter_core::dialect::yaml::{Fields, Node, Problems, Tree, Value, list, scalar};
use regex::Regex;
use std::fmt;

/// A text that never shows.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

/// What stands in the place of a secret.
pub const HIDDEN: &str = "<secret>";

/// A regular expression and its text.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// As it is written.
    pub text: String,
    /// Compiled.
    pub regex: Regex,
}

/// Reads a regular expression, compiled at once.
pub fn pattern(node: &Node, problems: &mut Problems) -> Option<Pattern> {
    let text = scalar::string(node, problems)?;
    match regexp::compile(&text) {
        Ok(regex) => Some(Pattern { text, regex }),
        Err(error) => {
            problems.push(node.place, error);
            None
        }
    }
}

/// Reads a list of them.
pub fn patterns(node: &Node, problems: &mut Problems) -> Option<Vec<Pattern>> {
    list(node, problems, pattern)
}

/// Reads a list of texts.
pub fn strings(node: &Node, problems: &mut Problems) -> Option<Vec<String>> {
    list(node, problems, scalar::string)
}

/// Reads a secret.
pub fn secret(node: &Node, problems: &mut Problems) -> Option<Secret> {
    scalar::string(node, problems).map(Secret)
}

/// Reads a mapping whose keys are free, in the order of the file. `read` gets the node of each value,
/// which may stand for nothing.
pub fn free_map<T>(
    node: &Node,
    problems: &mut Problems,
    mut read: impl FnMut(&Node, &mut Problems) -> Option<T>,
) -> Option<Vec<(String, T)>> {
    let Value::Mapping(entries) = &node.value else {
        return problems.expected(None, node, "a mapping");
    };
    let mut read_entry =
        |key: &Node, value: &Node| Some((key.text()?.to_owned(), read(value, problems)?));
    Some(
        entries
            .iter()
            .filter_map(|(k, v)| read_entry(k, v))
            .collect(),
    )
}

/// Reads a mapping of texts; nothing is the empty text.
pub fn string_map(node: &Node, problems: &mut Problems) -> Option<Vec<(String, String)>> {
    free_map(node, problems, |node, problems| match node.is_null() {
        true => Some(String::new()),
        false => scalar::string(node, problems),
    })
}

/// Which address of a name is used.
#[derive(Clone, Debug)]
pub struct IpChoice {
    /// As it is written.
    pub preferred: String,
    /// Whether the other family will do.
    pub fallback: bool,
    /// Name or address that is dialled in place of the target's; empty for the target's.
    pub dial_address: String,
    /// Whether the address is told in a label.
    pub address_info: bool,
}

impl Default for IpChoice {
    fn default() -> Self {
        IpChoice {
            preferred: String::new(),
            fallback: true,
            dial_address: String::new(),
            address_info: false,
        }
    }
}

impl IpChoice {
    /// Takes the keys.
    pub fn read(fields: &mut Fields<'_>, problems: &mut Problems) -> Self {
        IpChoice {
            preferred: fields
                .get("preferred_ip_protocol", problems, scalar::string)
                .unwrap_or_default(),
            fallback: fields
                .get("ip_protocol_fallback", problems, scalar::boolean)
                .unwrap_or(true),
            dial_address: fields
                .get("dial_address", problems, scalar::string)
                .unwrap_or_default(),
            address_info: fields
                .get("address_info", problems, scalar::boolean)
                .unwrap_or(false),
        }
    }

    /// Whether IPv6 is preferred: `ip6` or nothing; any other word means IPv4.
    pub fn prefers_v6(&self) -> bool {
        matches!(self.preferred.as_str(), "" | "ip6")
    }

    /// Prints the keys.
    pub fn put(&self, section: &mut Section) {
        section.text("preferred_ip_protocol", &self.preferred);
        section.flag("ip_protocol_fallback", self.fallback);
        section.text("dial_address", &self.dial_address);
        section.flag("address_info", self.address_info);
    }
}

/// A section being printed: zero values are left out.
#[derive(Default)]
pub struct Section(Vec<(String, Tree)>);

impl Section {
    /// A text, unless empty.
    pub fn text(&mut self, key: &str, value: &str) {
        if !value.is_empty() {
            self.put(key, Tree::Text(value.to_owned()));
        }
    }

    /// A number or the like.
    pub fn bare(&mut self, key: &str, value: impl fmt::Display) {
        self.put(key, Tree::Bare(value.to_string()));
    }

    /// A truth value, if true.
    pub fn flag(&mut self, key: &str, value: bool) {
        if value {
            self.bare(key, true);
        }
    }

    /// A number, unless 0.
    pub fn number(&mut self, key: &str, value: i64) {
        if value != 0 {
            self.bare(key, value);
        }
    }

    /// That a secret is there.
    pub fn secret(&mut self, key: &str, value: &Secret) {
        if !value.0.is_empty() {
            self.text(key, HIDDEN);
        }
    }

    /// A list of texts, unless empty.
    pub fn texts<'t>(&mut self, key: &str, values: impl IntoIterator<Item = &'t str>) {
        let items: Vec<_> = values
            .into_iter()
            .map(|v| Tree::Text(v.to_owned()))
            .collect();
        if !items.is_empty() {
            self.put(key, Tree::List(items));
        }
    }

    /// A list of regular expressions, unless empty.
    pub fn patterns(&mut self, key: &str, values: &[Pattern]) {
        self.texts(key, values.iter().map(|p| p.text.as_str()));
    }

    /// A mapping of texts, unless empty; credentials are hidden.
    pub fn headers(&mut self, key: &str, values: &[(String, String)]) {
        let shown = |(name, value): &(String, String)| {
            let value = if is_credential(name) && !value.is_empty() {
                HIDDEN
            } else {
                value
            };
            (name.clone(), Tree::Text(value.to_owned()))
        };
        if !values.is_empty() {
            self.put(key, Tree::Map(values.iter().map(shown).collect()));
        }
    }

    /// A section, unless empty.
    pub fn section(&mut self, key: &str, tree: Tree) {
        if !matches!(&tree, Tree::Map(entries) if entries.is_empty()) {
            self.put(key, tree);
        }
    }

    /// Anything.
    pub fn put(&mut self, key: &str, tree: Tree) {
        self.0.push((key.to_owned(), tree));
    }

    /// The keys of another section.
    pub fn extend(&mut self, other: Section) {
        self.0.extend(other.0);
    }

    /// The whole.
    pub fn into_tree(self) -> Tree {
        Tree::Map(self.0)
    }
}

/// Whether a header of this name carries credentials.
pub fn is_credential(name: &str) -> bool {
    ["authorization", "proxy-authorization", "cookie"]
        .iter()
        .any(|n| n.eq_ignore_ascii_case(name))
}
