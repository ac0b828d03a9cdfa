//! YAML as it is printed.

use std::fmt::Write;

/// A document to print.
#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    /// A number or a truth value.
    Bare(String),
    /// A text, quoted where it would be read as something else.
    Text(String),
    /// Bytes that are no text.
    Binary(Vec<u8>),
    /// A sequence.
    List(Vec<Tree>),
    /// A mapping.
    Map(Vec<(String, Tree)>),
}

impl Tree {
    /// Text where it is valid UTF-8, else `!!binary`.
    pub fn bytes(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Tree::Text(text.to_owned()),
            Err(_) => Tree::Binary(bytes.to_owned()),
        }
    }

    /// Prints the document, each level indented by so many blanks.
    pub fn print(&self, indent: usize) -> String {
        let mut out = String::new();
        match self {
            Tree::Map(entries) if !entries.is_empty() => push_map(&mut out, entries, 0, indent, ""),
            Tree::List(items) if !items.is_empty() => push_list(&mut out, items, 0, indent),
            other => {
                push_inline(&mut out, other);
                out.push('\n');
            }
        }
        out
    }
}

/// The first line of a list item's mapping begins with `first` in place of its blanks.
fn push_map(
    out: &mut String,
    entries: &[(String, Tree)],
    depth: usize,
    indent: usize,
    first: &str,
) {
    for (at, (key, value)) in entries.iter().enumerate() {
        match (at, first) {
            (0, first) if !first.is_empty() => out.push_str(first),
            _ => push_blanks(out, depth),
        }
        push_text(out, key);
        out.push(':');
        match value {
            Tree::Map(entries) if !entries.is_empty() => {
                out.push('\n');
                push_map(out, entries, depth + indent, indent, "");
            }
            Tree::List(items) if !items.is_empty() => {
                out.push('\n');
                push_list(out, items, depth + indent, indent);
            }
            other => {
                out.push(' ');
                push_inline(out, other);
                out.push('\n');
            }
        }
    }
}

fn push_list(out: &mut String, items: &[Tree], depth: usize, indent: usize) {
    for item in items {
        push_blanks(out, depth);
        match item {
            Tree::Map(entries) if !entries.is_empty() => {
                push_map(out, entries, depth + 2, indent, "- ");
            }
            other => {
                out.push_str("- ");
                push_inline(out, other);
                out.push('\n');
            }
        }
    }
}

fn push_blanks(out: &mut String, count: usize) {
    out.extend(std::iter::repeat_n(' ', count));
}

fn push_inline(out: &mut String, tree: &Tree) {
    match tree {
        Tree::Bare(text) => out.push_str(text),
        Tree::Text(text) => push_text(out, text),
        Tree::Binary(bytes) => {
            use base64::Engine;
            let packed = base64::engine::general_purpose::STANDARD.encode(bytes);
            out.push_str("!!binary ");
            out.push_str(&packed);
        }
        Tree::Map(entries) if entries.is_empty() => out.push_str("{}"),
        Tree::List(items) if items.is_empty() => out.push_str("[]"),
        Tree::List(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at > 0 { ", " } else { "" });
                push_inline(out, item);
            }
            out.push(']');
        }
        Tree::Map(entries) => {
            out.push('{');
            for (at, (key, value)) in entries.iter().enumerate() {
                out.push_str(if at > 0 { ", " } else { "" });
                push_text(out, key);
                out.push_str(": ");
                push_inline(out, value);
            }
            out.push('}');
        }
    }
}

fn push_text(out: &mut String, text: &str) {
    if is_plain(text) {
        out.push_str(text);
        return;
    }
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() || c == '\u{feff}' || matches!(c, '\u{2028}' | '\u{2029}') => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Whether a text means itself without quotes. Rather too few than too many do.
fn is_plain(text: &str) -> bool {
    const WORDS: &[&str] = &[
        "true", "false", "yes", "no", "on", "off", "y", "n", "null", "nan", "inf",
    ];
    let Some(first) = text.chars().next() else {
        return false;
    };
    let safe = |c: char| c.is_alphanumeric() || " _-./+,()<>=$^;*?|\\%@~".contains(c);
    (first.is_alphabetic() || "/<_^$".contains(first))
        && !text.ends_with(' ')
        && text.chars().all(|c| safe(c) || c == ':')
        && !text.contains(": ")
        && !text.ends_with(':')
        && !text.contains(" #")
        && !WORDS.iter().any(|w| text.eq_ignore_ascii_case(w))
}

#[cfg(test)]
mod tests {
    use super::super::{Node, Value, first_document};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn documents() {
        let text = |t: &str| Tree::Text(t.to_owned());
        let map = |entries: &[(&str, Tree)]| {
            Tree::Map(
                entries
                    .iter()
                    .map(|e| (e.0.to_owned(), e.1.clone()))
                    .collect(),
            )
        };
        let tree = map(&[
            (
                "a",
                map(&[("b", text("x: y")), ("c", Tree::Bare("1".to_owned()))]),
            ),
            (
                "l",
                Tree::List(vec![
                    map(&[("k", text("v")), ("w", text("true"))]),
                    text("<secret>"),
                ]),
            ),
            ("e", map(&[])),
        ]);
        assert_eq!(
            tree.print(2),
            "a:\n  b: \"x: y\"\n  c: 1\nl:\n  - k: v\n    w: \"true\"\n  - <secret>\ne: {}\n"
        );
        assert_eq!(Tree::Map(Vec::new()).print(2), "{}\n");
        assert_eq!(Tree::bytes(b"\xff\x00").print(2), "!!binary /wA=\n");
    }

    fn texts(node: &Node) -> Vec<String> {
        match &node.value {
            Value::Mapping(entries) => entries
                .iter()
                .flat_map(|e| [texts(&e.0), texts(&e.1)].concat())
                .collect(),
            Value::Sequence(items) => items.iter().flat_map(texts).collect(),
            Value::Scalar { text, .. } => vec![text.clone()],
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_again(key in "[a-z]{1,5}", value: String, item in "[ -~]{0,12}") {
            let tree = Tree::Map(vec![(
                key.clone(),
                Tree::List(vec![Tree::Text(value.clone()), Tree::Text(item.clone())]),
            )]);
            let node = first_document(&tree.print(4)).unwrap().unwrap();
            prop_assert_eq!(texts(&node), vec![key, value, item]);
        }
    }
}
