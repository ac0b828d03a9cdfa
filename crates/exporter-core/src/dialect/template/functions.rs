//! The built-in functions.

use super::eval::Machine;
use super::value::{Value, Whole};
use super::{Operand, fmt};
use crate::dialect::unicode;
use std::cmp::Ordering;
use std::io::Write;

/// The functions, with the fewest and the most arguments that they take.
const FUNCTIONS: [(&str, usize, usize); 19] = [
    ("and", 1, usize::MAX),
    ("or", 1, usize::MAX),
    ("not", 1, 1),
    ("len", 1, 1),
    ("index", 1, usize::MAX),
    ("slice", 1, usize::MAX),
    ("print", 0, usize::MAX),
    ("printf", 1, usize::MAX),
    ("println", 0, usize::MAX),
    ("html", 0, usize::MAX),
    ("js", 0, usize::MAX),
    ("urlquery", 0, usize::MAX),
    ("eq", 1, usize::MAX),
    ("ne", 2, 2),
    ("lt", 2, 2),
    ("le", 2, 2),
    ("gt", 2, 2),
    ("ge", 2, 2),
    ("call", 1, usize::MAX),
];

/// The name of a built-in function, if this is one.
pub(super) fn find(name: &str) -> Option<&'static str> {
    let known = FUNCTIONS.iter().find(|known| known.0 == name);
    known.map(|known| known.0)
}

/// What is given to a function or a method: operands, and what the command before left.
#[derive(Default)]
pub(super) struct Given<'a> {
    pub operands: &'a [Operand],
    pub last: Option<Value>,
}

impl Given<'_> {
    pub fn len(&self) -> usize {
        self.operands.len() + usize::from(self.last.is_some())
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Calls a function.
pub(super) fn call<'a>(
    machine: &mut Machine<'a>,
    name: &str,
    given: Given<'a>,
    dot: &Value,
) -> Result<Value, String> {
    let known = FUNCTIONS.iter().find(|known| known.0 == name);
    if !known.is_some_and(|known| (known.1..=known.2).contains(&given.len())) {
        return Err(format!("wrong number of arguments for {name}"));
    }
    if matches!(name, "and" | "or") {
        return short_circuit(machine, name == "or", given, dot);
    }
    let mut values = Vec::with_capacity(given.len());
    for operand in given.operands {
        values.push(machine.operand(operand, dot)?);
    }
    values.extend(given.last);
    apply(name, &values)
}

/// `and` and `or` evaluate no further than they must.
fn short_circuit<'a>(
    machine: &mut Machine<'a>,
    stops_at: bool,
    given: Given<'a>,
    dot: &Value,
) -> Result<Value, String> {
    let mut value = Value::Nil;
    for operand in given.operands {
        value = machine.operand(operand, dot)?;
        if value.truth() == stops_at {
            return Ok(value);
        }
    }
    Ok(given.last.unwrap_or(value))
}

fn apply(name: &str, arguments: &[Value]) -> Result<Value, String> {
    let text = |text: Vec<u8>| Ok(Value::Text(text));
    let ordered = |found: fn(Ordering) -> bool| match arguments {
        [a, b] => order(a, b).map(|order| Value::Bool(order.is_some_and(found))),
        _ => Err(format!("{name} wants two arguments")),
    };
    match (name, arguments) {
        ("not", [value]) => Ok(Value::Bool(!value.truth())),
        ("len", [value]) => length(value),
        ("index", [value, keys @ ..]) => index(value, keys),
        ("slice", [value, bounds @ ..]) => slice(value, bounds),
        ("print", values) => text(fmt::print(values)),
        ("println", values) => text(fmt::println(values)),
        ("printf", [Value::Text(format), values @ ..]) => text(fmt::printf(format, values)),
        ("html", values) => text(html(&one_text(values))),
        ("js", values) => text(js(&one_text(values))),
        ("urlquery", values) => text(urlquery(&one_text(values))),
        ("eq", [first, others @ ..]) => equal(first, others),
        ("ne", [a, b]) => same(a, b).map(|same| Value::Bool(!same)),
        ("lt", _) => ordered(Ordering::is_lt),
        ("le", _) => ordered(Ordering::is_le),
        ("gt", _) => ordered(Ordering::is_gt),
        ("ge", _) => ordered(Ordering::is_ge),
        ("call", _) => Err("call wants a function".to_owned()),
        _ => Err(format!("wrong types of arguments for {name}")),
    }
}

fn one_text(values: &[Value]) -> Vec<u8> {
    match values {
        [Value::Text(text)] => text.clone(),
        values => fmt::print_printable(values),
    }
}

fn length(value: &Value) -> Result<Value, String> {
    let length = match value {
        Value::Text(bytes) | Value::Bytes(bytes) => bytes.len(),
        Value::List(items) => items.len(),
        Value::Map(map) => map.len(),
        other => return Err(format!("len of {}", other.kind())),
    };
    Ok(Value::int(length as i64))
}

/// A position in something of `length`; `length` itself is one for slices only.
fn position(value: &Value, length: usize, inclusive: bool) -> Result<usize, String> {
    let Value::Whole(_, number) = value else {
        return Err(format!("cannot index with {}", value.kind()));
    };
    let found = usize::try_from(*number).ok();
    let found = found.filter(|n| *n < length || inclusive && *n == length);
    found.ok_or_else(|| format!("index out of range: {number}"))
}

fn index(value: &Value, keys: &[Value]) -> Result<Value, String> {
    let mut value = value.clone();
    if value == Value::Nil {
        return Err("index of nothing".to_owned());
    }
    for key in keys {
        value = match (&value, key) {
            // The zero value of the map's element, not nothing.
            (Value::Map(map), Value::Text(key)) => {
                Value::Text(map.get(key).cloned().unwrap_or_default())
            }
            (Value::List(items), key) => {
                Value::Text(items[position(key, items.len(), false)?].clone())
            }
            (Value::Text(bytes) | Value::Bytes(bytes), key) => {
                let byte = bytes[position(key, bytes.len(), false)?];
                Value::Whole(Whole::Uint8, i64::from(byte))
            }
            (other, _) => return Err(format!("can't index {}", other.kind())),
        };
    }
    Ok(value)
}

fn slice(value: &Value, bounds: &[Value]) -> Result<Value, String> {
    let length = match value {
        Value::Text(_) if bounds.len() > 2 => {
            return Err("cannot 3-index slice a string".to_owned());
        }
        Value::Text(bytes) | Value::Bytes(bytes) => bytes.len(),
        Value::List(items) => items.len(),
        other => return Err(format!("can't slice {}", other.kind())),
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
        Value::List(items) => Value::List(items[from..to].into()),
        Value::Bytes(bytes) => Value::Bytes(bytes[from..to].to_vec()),
        Value::Text(bytes) => Value::Text(bytes[from..to].to_vec()),
        _ => Value::Nil,
    })
}

fn equal(first: &Value, others: &[Value]) -> Result<Value, String> {
    if others.is_empty() {
        return Err("eq wants something to compare with".to_owned());
    }
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
        (Value::Nil, _) | (_, Value::Nil) => Ok(false),
        (Value::Bool(a), Value::Bool(b)) => Ok(a == b),
        (Value::Complex(..), Value::Complex(..)) => Ok(a == b),
        (Value::Time(a), Value::Time(b)) => Ok(a == b && a.time_zone() == b.time_zone()),
        (Value::Location(a), Value::Location(b)) => Ok(a == b),
        (Value::Record(a), Value::Record(b)) => Ok(std::sync::Arc::ptr_eq(a, b)),
        (a, b) => order(a, b).map(|order| order == Some(Ordering::Equal)),
    }
}

/// The order of two values; numbers that are none have no order.
fn order(a: &Value, b: &Value) -> Result<Option<Ordering>, String> {
    match (a, b) {
        (Value::Whole(_, a), Value::Whole(_, b)) => Ok(Some(a.cmp(b))),
        (Value::Float(a), Value::Float(b)) => Ok(a.partial_cmp(b)),
        (Value::Text(a), Value::Text(b)) => Ok(Some(a.cmp(b))),
        _ => Err("values of these types cannot be compared".to_owned()),
    }
}

fn html(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        out.extend_from_slice(match byte {
            0 => "\u{fffd}".as_bytes(),
            b'"' => b"&#34;",
            b'\'' => b"&#39;",
            b'&' => b"&amp;",
            b'<' => b"&lt;",
            b'>' => b"&gt;",
            byte => std::slice::from_ref(byte),
        });
    }
    out
}

fn js(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            // Writing to a Vec cannot fail.
            let _ = match c {
                '\\' => write!(out, "\\\\"),
                '\'' => write!(out, "\\'"),
                '"' => write!(out, "\\\""),
                '<' | '>' | '&' | '=' => write!(out, "\\u{:04X}", u32::from(c)),
                '\u{7f}' => write!(out, "{c}"),
                c if !unicode::is_print(c) => write!(out, "\\u{:04X}", u32::from(c)),
                c => write!(out, "{c}"),
            };
        }
        out.extend_from_slice(chunk.invalid());
    }
    out
}

fn urlquery(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        match byte {
            b' ' => out.push(b'+'),
            b'-' | b'_' | b'.' | b'~' => out.push(*byte),
            byte if byte.is_ascii_alphanumeric() => out.push(*byte),
            byte => {
                // Writing to a Vec cannot fail.
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}
