//! The built-in functions.

use super::Value;
use super::eval::truth;
use super::fmt;
use std::cmp::Ordering;
use std::fmt::Write;

const NAMES: [&str; 19] = [
    "and", "or", "not", "len", "index", "slice", "print", "printf", "println", "html", "js",
    "urlquery", "eq", "ne", "lt", "le", "gt", "ge", "call",
];

/// The name of a built-in function, if this is one.
pub(super) fn find(name: &str) -> Option<&'static str> {
    NAMES.iter().find(|known| **known == name).copied()
}

/// Calls a function. `and` and `or` with arguments are the evaluator's.
pub(super) fn call(name: &str, arguments: &[Value]) -> Result<Value, String> {
    match (name, arguments) {
        ("not", [value]) => Ok(Value::Bool(!truth(value))),
        ("len", [value]) => length(value),
        ("index", [value, keys @ ..]) => index(value, keys),
        ("slice", [value, bounds @ ..]) => slice(value, bounds),
        ("print", values) => Ok(Value::Text(fmt::print(values))),
        ("println", values) => Ok(Value::Text(fmt::println(values))),
        ("printf", [Value::Text(format), values @ ..]) => {
            Ok(Value::Text(fmt::printf(format, values)))
        }
        ("html", values) => Ok(Value::Text(html(&one_text(values)))),
        ("js", values) => Ok(Value::Text(js(&one_text(values)))),
        ("urlquery", values) => Ok(Value::Text(urlquery(&one_text(values)))),
        ("eq", [first, others @ ..]) if !others.is_empty() => equal(first, others),
        ("ne", [a, b]) => Ok(Value::Bool(!same(a, b)?)),
        ("lt", [a, b]) => Ok(Value::Bool(order(a, b)?.is_lt())),
        ("le", [a, b]) => Ok(Value::Bool(order(a, b)?.is_le())),
        ("gt", [a, b]) => Ok(Value::Bool(order(a, b)?.is_gt())),
        ("ge", [a, b]) => Ok(Value::Bool(order(a, b)?.is_ge())),
        ("call", _) => Err("call wants a function".to_owned()),
        _ => Err(format!("wrong number or types of arguments for {name}")),
    }
}

fn one_text(values: &[Value]) -> String {
    match values {
        [Value::Text(text)] => text.clone(),
        values => fmt::print(values),
    }
}

fn length(value: &Value) -> Result<Value, String> {
    let length = match value {
        Value::Text(text) => text.len(),
        Value::List(items) => items.len(),
        Value::Map(map) => map.len(),
        other => return Err(format!("len of {}", fmt::kind(other))),
    };
    Ok(Value::Int(length as i64))
}

/// A position in something of `length`; `length` itself is one for slices only.
fn position(value: &Value, length: usize, inclusive: bool) -> Result<usize, String> {
    let (Value::Int(number) | Value::Named { number, .. }) = value else {
        return Err(format!("cannot index with {}", fmt::kind(value)));
    };
    let found = usize::try_from(*number).ok();
    let found = found.filter(|n| *n < length || inclusive && *n == length);
    found.ok_or_else(|| format!("index out of range: {number}"))
}

fn index(value: &Value, keys: &[Value]) -> Result<Value, String> {
    let mut value = value.clone();
    for key in keys {
        value = match (&value, key) {
            // The zero value of the map's element, not nothing.
            (Value::Map(map), Value::Text(key)) => {
                Value::Text(map.get(key).cloned().unwrap_or_default())
            }
            (Value::List(items), key) => {
                Value::Text(items[position(key, items.len(), false)?].clone())
            }
            (Value::Text(text), key) => Value::Named {
                number: i64::from(text.as_bytes()[position(key, text.len(), false)?]),
                text: None,
                kind: "uint8",
            },
            (other, _) => return Err(format!("can't index {}", fmt::kind(other))),
        };
    }
    match value {
        Value::Nil => Err("index of nothing".to_owned()),
        value => Ok(value),
    }
}

fn slice(value: &Value, bounds: &[Value]) -> Result<Value, String> {
    let length = match value {
        Value::Text(_) if bounds.len() > 2 => {
            return Err("cannot 3-index slice a string".to_owned());
        }
        Value::Text(text) => text.len(),
        Value::List(items) => items.len(),
        other => return Err(format!("can't slice {}", fmt::kind(other))),
    };
    let mut range = [0, length, length];
    if bounds.len() > range.len() {
        return Err("too many slice indexes".to_owned());
    }
    for (bound, value) in range.iter_mut().zip(bounds) {
        *bound = position(value, length, true)?;
    }
    let [from, to, most] = range;
    if from > to || to > most {
        return Err(format!("invalid slice index: {from} > {to}"));
    }
    Ok(match value {
        Value::List(items) => Value::List(items[from..to].to_vec()),
        Value::Text(text) => {
            let bytes = &text.as_bytes()[from..to];
            Value::Text(crate::exposition::names::lossy(bytes).into_owned())
        }
        _ => Value::Nil,
    })
}

fn equal(first: &Value, others: &[Value]) -> Result<Value, String> {
    for other in others {
        if same(first, other)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

fn same(a: &Value, b: &Value) -> Result<bool, String> {
    match (a, b) {
        (Value::Nil, Value::Nil) => Ok(true),
        (Value::List(_) | Value::Map(_) | Value::Record(_), _)
        | (_, Value::List(_) | Value::Map(_) | Value::Record(_)) => {
            Err("values of this type cannot be compared".to_owned())
        }
        (Value::Nil, _) | (_, Value::Nil) => Ok(false),
        (Value::Bool(a), Value::Bool(b)) => Ok(a == b),
        (Value::Time(a), Value::Time(b)) => Ok(a == b),
        (a, b) => order(a, b).map(|order| order == Ordering::Equal),
    }
}

fn order(a: &Value, b: &Value) -> Result<Ordering, String> {
    match (a, b) {
        (
            Value::Int(a) | Value::Named { number: a, .. },
            Value::Int(b) | Value::Named { number: b, .. },
        ) => Ok(a.cmp(b)),
        (Value::Float(a), Value::Float(b)) => Ok(a.total_cmp(b)),
        (Value::Text(a), Value::Text(b)) => Ok(a.cmp(b)),
        _ => Err("incompatible types for comparison".to_owned()),
    }
}

fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\0' => out.push('\u{fffd}'),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c => out.push(c),
        }
    }
    out
}

fn js(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        // Writing to a String cannot fail.
        let _ = match c {
            '\\' => write!(out, "\\\\"),
            '\'' => write!(out, "\\'"),
            '"' => write!(out, "\\\""),
            '<' | '>' | '&' | '=' => write!(out, "\\u{:04X}", u32::from(c)),
            c if c < ' ' => write!(out, "\\u{:04X}", u32::from(c)),
            c => write!(out, "{c}"),
        };
    }
    out
}

fn urlquery(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            byte => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}
