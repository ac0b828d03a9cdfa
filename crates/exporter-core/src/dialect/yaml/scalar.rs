//! What scalars mean: the core schema of YAML 1.2 and the words that Go keeps of 1.1.
//!
//! Beyond what Go takes, a truth value or a number may be quoted: files copied from wikis have it
//! so, and there is only one thing that `"true"` can mean where a truth value is expected.

use super::{Node, Problems, Value};
use crate::dialect::{duration, strconv};
use base64::Engine;
use std::borrow::Cow;

/// A truth value.
pub fn boolean(node: &Node, problems: &mut Problems) -> Option<bool> {
    problems.expected(node.text().and_then(truth), node, "true or false")
}

/// What a word says of the truth.
pub(super) fn truth(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" | "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => {
            Some(true)
        }
        "false" | "False" | "FALSE" | "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => {
            Some(false)
        }
        _ => None,
    }
}

/// A whole number. Fractions are cut off where the number is written plainly.
pub fn integer(node: &Node, problems: &mut Problems) -> Option<i64> {
    let value = node.text().and_then(|text| {
        let fits = |f: f64| (-9.2e18..9.2e18).contains(&f).then_some(f.trunc() as i64);
        strconv::parse_int(text, 0).or_else(|| match node.value {
            Value::Scalar { plain: true, .. } => strconv::parse_float(text).and_then(fits),
            _ => None,
        })
    });
    problems.expected(value, node, "a whole number")
}

/// Any scalar as it is written; `!!binary` is decoded.
pub fn bytes(node: &Node, problems: &mut Problems) -> Option<Vec<u8>> {
    let Value::Scalar { text, tag, .. } = &node.value else {
        return problems.expected(None, node, "a text");
    };
    if tag.as_deref() != Some("binary") {
        return Some(text.clone().into_bytes());
    }
    problems.expected(decoded(text), node, "base64")
}

/// What base64 says, blanks left out.
pub(super) fn decoded(text: &str) -> Option<Vec<u8>> {
    let packed: String = text.split_whitespace().collect();
    base64::engine::general_purpose::STANDARD
        .decode(packed)
        .ok()
}

/// Any scalar as text.
pub fn string(node: &Node, problems: &mut Problems) -> Option<String> {
    let bytes = bytes(node, problems)?;
    Some(match String::from_utf8_lossy(&bytes) {
        Cow::Borrowed(_) => String::from_utf8(bytes).unwrap_or_default(),
        Cow::Owned(text) => text,
    })
}

/// A Go duration, such as `1m30s`, in nanoseconds. A number without unit is none.
pub fn go_duration(node: &Node, problems: &mut Problems) -> Option<i64> {
    let is_number = |text: &str| {
        matches!(node.value, Value::Scalar { plain: true, .. })
            && strconv::parse_float(text).is_some()
    };
    let value = node
        .text()
        .filter(|text| !is_number(text))
        .and_then(|text| duration::parse(text).ok());
    problems.expected(value, node, "a duration with unit, such as 5s or 1m30s")
}
