//! The rules of yaml.v2 for the fields of structs: keys may stand twice, unknown ones are nobody's
//! business, and any scalar is a text. Errors begin with line and column.

use super::{Node, Value, scalar, tree};
use crate::dialect::strconv;
use std::borrow::Cow;

/// The text of a file: UTF-8, or UTF-16 behind a byte order mark.
pub fn decoded(bytes: &[u8]) -> Result<Cow<'_, str>, String> {
    let unit = match bytes {
        [0xff, 0xfe, ..] => u16::from_le_bytes,
        [0xfe, 0xff, ..] => u16::from_be_bytes,
        _ => {
            let text = std::str::from_utf8(bytes);
            let text = text.map_err(|e| format!("byte {} is no UTF-8", e.valid_up_to() + 1));
            return text.map(Cow::Borrowed);
        }
    };
    let (pairs, rest) = bytes[2..].as_chunks::<2>();
    let units: Vec<u16> = pairs.iter().copied().map(unit).collect();
    match String::from_utf16(&units) {
        Ok(text) if rest.is_empty() => Ok(Cow::Owned(text)),
        _ => Err("this is no UTF-16".to_owned()),
    }
}

/// The first document of a text; `None` where there is none. What follows it is not looked at.
pub fn first_document(text: &str) -> Result<Option<Node>, String> {
    tree::read(text)
}

/// The entries of a mapping in their order, what merge keys bring in the place of those; of entries
/// with the same key the last counts. Nothing has none.
pub fn entries(node: &Node) -> Result<Vec<(String, &Node)>, String> {
    let mut entries = Vec::new();
    if !is_nothing(node)? {
        push_entries(&mut entries, node)?;
    }
    Ok(entries)
}

fn push_entries<'n>(entries: &mut Vec<(String, &'n Node)>, node: &'n Node) -> Result<(), String> {
    let Value::Mapping(written) = &node.value else {
        return Err(expected("a mapping", node));
    };
    for (key, value) in written {
        match key.is_merge_key() {
            true => merge(entries, value)?,
            false => entries.push((text(key)?.unwrap_or_default(), value)),
        }
    }
    Ok(())
}

/// Of several mappings the first counts most.
fn merge<'n>(entries: &mut Vec<(String, &'n Node)>, node: &'n Node) -> Result<(), String> {
    let Value::Sequence(nodes) = &node.value else {
        return push_entries(entries, node);
    };
    let mut nodes = nodes.iter().rev();
    nodes.try_for_each(|node| push_entries(entries, node))
}

/// The items of a sequence; `None` for nothing.
pub fn list(node: &Node) -> Result<Option<&[Node]>, String> {
    match &node.value {
        Value::Sequence(items) => Ok(Some(items)),
        _ if is_nothing(node)? => Ok(None),
        _ => Err(expected("a list", node)),
    }
}

/// Whether it stands for nothing, as its tag may say, which then must be true.
fn is_nothing(node: &Node) -> Result<bool, String> {
    match node.value {
        Value::Scalar { .. } => Ok(text(node)?.is_none()),
        _ => Ok(false),
    }
}

/// The text of a scalar, which must be what its tag says; `None` for nothing.
pub fn text(node: &Node) -> Result<Option<String>, String> {
    let Value::Scalar { text, tag, .. } = &node.value else {
        return Err(expected("a text", node));
    };
    let fits = match tag.as_deref() {
        Some("int") => is_int(text),
        Some("float") => is_int(text) || is_float(text),
        Some("bool") => scalar::truth(text).is_some(),
        Some("null") => matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"),
        Some("timestamp") => is_timestamp(text),
        _ => true,
    };
    let tag = tag.as_deref().unwrap_or_default();
    if !fits {
        return Err(format!("{}: {text:?} is no {tag}", node.place));
    }
    if tag == "binary" {
        let decoded = scalar::decoded(text).ok_or_else(|| expected("base64", node))?;
        return Ok(Some(String::from_utf8_lossy(&decoded).into_owned()));
    }
    Ok(Some(text.clone()).filter(|_| !node.is_null()))
}

fn expected(what: &str, node: &Node) -> String {
    format!("{}: expected {what}, got {}", node.place, node.kind())
}

fn is_int(text: &str) -> bool {
    let plain = text.replace('_', "");
    strconv::parse_int(&plain, 0).is_some() || strconv::parse_uint(&plain, 0).is_some()
}

fn is_float(text: &str) -> bool {
    let plain = text.replace('_', "");
    let is_decimal = plain
        .bytes()
        .all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    let word = plain.strip_prefix(['+', '-']).unwrap_or(&plain);
    is_decimal && strconv::parse_float(&plain).is_some()
        || matches!(word, ".inf" | ".Inf" | ".INF")
        || matches!(plain.as_str(), ".nan" | ".NaN" | ".NAN")
}

/// A date, or a date and a time.
fn is_timestamp(text: &str) -> bool {
    use jiff::civil::{Date, DateTime};
    text.parse::<Date>().is_ok() || text.parse::<DateTime>().is_ok()
}
