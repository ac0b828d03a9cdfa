//! Values of custom resources as numbers and as label values.

use crate::object::unix_seconds;
use crate::quantity::Quantity;
use exporter_core::dialect::strconv;
use exporter_core::exposition::number;
use serde_json::Value;
use std::borrow::Cow;

/// The number of a value: that of a truth value, a word for one, a time in Unix seconds, a quantity,
/// a percentage of whole percents, or a float.
///
/// # Errors
/// The value is none of these.
pub fn number(value: &Value) -> Result<f64, String> {
    match value {
        Value::Bool(value) => Ok(f64::from(u8::from(*value))),
        Value::Number(number) => Ok(number.as_f64().unwrap_or(f64::NAN)),
        Value::String(text) => number_of_text(text).ok_or_else(|| {
            format!("expected a number, a time, a quantity or a word such as true, found {text:?}")
        }),
        Value::Null => Err("expected a number, found null".to_owned()),
        Value::Array(_) => Err("expected a number, found a list".to_owned()),
        Value::Object(_) => Err("expected a number, found a map".to_owned()),
    }
}

/// The same for text alone.
pub fn number_of_text(text: &str) -> Option<f64> {
    if ["true", "yes"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word))
    {
        return Some(1.0);
    }
    if ["false", "no", "unknown"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word))
    {
        return Some(0.0);
    }
    time(text)
        .or_else(|| Quantity::parse(text).map(Quantity::approximate))
        .or_else(|| percentage(text))
        .or_else(|| strconv::parse_float(text))
}

fn time(text: &str) -> Option<f64> {
    // What jiff reads beyond RFC 3339 has no T in this place, or no time at all.
    if text.as_bytes().get(10) != Some(&b'T') {
        return None;
    }
    unix_seconds(text).map(|seconds| seconds as f64)
}

fn percentage(text: &str) -> Option<f64> {
    let digits = text.strip_suffix('%')?;
    let whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let percent: f64 = digits.parse().ok().filter(|_| whole)?;
    Some(percent / 100.0)
}

/// A value as a label value. `None` for null.
pub fn text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(Cow::Borrowed(text)),
        other => {
            let mut out = Vec::new();
            push(&mut out, other);
            Some(Cow::Owned(String::from_utf8_lossy(&out).into_owned()))
        }
    }
}

/// Appends a value as Go's `%v` prints it, maps by key.
fn push(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.extend_from_slice(b"<nil>"),
        Value::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        Value::String(text) => out.extend_from_slice(text.as_bytes()),
        Value::Number(value) => match value.as_i64() {
            Some(whole) => number::push_integer(out, whole),
            None => number::push(out, value.as_f64().unwrap_or(f64::NAN)),
        },
        Value::Array(list) => {
            out.push(b'[');
            for (at, value) in list.iter().enumerate() {
                if at > 0 {
                    out.push(b' ');
                }
                push(out, value);
            }
            out.push(b']');
        }
        Value::Object(map) => {
            let mut pairs: Vec<_> = map.iter().collect();
            pairs.sort_by_key(|(key, _)| *key);
            out.extend_from_slice(b"map[");
            for (at, (key, value)) in pairs.into_iter().enumerate() {
                if at > 0 {
                    out.push(b' ');
                }
                out.extend_from_slice(key.as_bytes());
                out.push(b':');
                push(out, value);
            }
            out.push(b']');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn numbers() {
        for (value, expected) in [
            (json!(true), 1.0),
            (json!(false), 0.0),
            (json!(-3), -3.0),
            (json!(1.5), 1.5),
            (json!("True"), 1.0),
            (json!("YES"), 1.0),
            (json!("no"), 0.0),
            (json!("Unknown"), 0.0),
            (json!("2024-02-29T10:34:56Z"), 1_709_202_896.0),
            (json!("2024-02-29T10:34:56.9+00:00"), 1_709_202_896.0),
            (json!("100m"), 0.1),
            (json!("2Ki"), 2048.0),
            (json!("1e3"), 1000.0),
            (json!("39%"), 0.39),
            (json!("0x1p-2"), 0.25),
            (json!("+Inf"), f64::INFINITY),
        ] {
            assert_eq!(number(&value), Ok(expected), "{value}");
        }
        assert!(number(&json!("nan")).unwrap().is_nan());
        for value in [
            json!(null),
            json!([]),
            json!({}),
            json!(""),
            json!("1.5%"),
            json!("%"),
            json!("x"),
        ] {
            assert!(number(&value).is_err(), "{value}");
        }
    }

    #[test]
    fn texts() {
        for (value, expected) in [
            (json!("a b"), "a b"),
            (json!(1_000_000), "1000000"),
            (json!(1_500_000.0), "1.5e+06"),
            (json!(0.5), "0.5"),
            (
                json!(18_446_744_073_709_551_615_u64),
                "1.8446744073709552e+19",
            ),
            (json!(true), "true"),
            (json!([]), "[]"),
            (json!(["x", 1, null, [2]]), "[x 1 <nil> [2]]"),
            (json!({"b": 2, "a": {"c": null}}), "map[a:map[c:<nil>] b:2]"),
        ] {
            assert_eq!(text(&value).as_deref(), Some(expected));
        }
        assert_eq!(text(&Value::Null), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}") {
            let _ = number_of_text(&text);
        }
    }
}
