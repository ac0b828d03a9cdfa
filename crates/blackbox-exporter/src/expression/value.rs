//! Values of expressions: how they compare and turn into one another.

use super::time::{self, Moment};
use exporter_core::dialect::{duration, strconv};
use std::cmp::Ordering;
use std::sync::Arc;

/// Name of the type of points in time.
pub const TIMESTAMP: &str = "google.protobuf.Timestamp";
/// Name of the type of spans.
pub const DURATION: &str = "google.protobuf.Duration";

/// A value.
#[derive(Clone, Debug)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(Arc<str>),
    Bytes(Arc<[u8]>),
    List(Arc<Vec<Value>>),
    Map(Arc<Map>),
    Timestamp(Moment),
    /// Nanoseconds.
    Duration(i64),
    /// The name of a type.
    Type(&'static str),
}

/// Entries of a map.
#[derive(Debug, Default)]
pub struct Map {
    entries: Vec<(Value, Value)>,
    /// Whether all keys are texts and in order.
    sorted: bool,
}

impl Map {
    /// A map of what is written in an expression: the last of equal keys counts.
    pub fn push(&mut self, key: Value, value: Value) {
        let same = |(k, _): &&mut (Value, Value)| k.is_same_key(&key);
        match self.entries.iter_mut().find(same) {
            Some(entry) => entry.1 = value,
            None => self.entries.push((key, value)),
        }
    }

    /// The value of a key. Numbers are found by their value, whatever their type.
    pub fn get(&self, key: &Value) -> Option<&Value> {
        if let (true, Value::Text(text)) = (self.sorted, key) {
            let order = |(k, _): &(Value, Value)| match k {
                Value::Text(k) => k.as_ref().cmp(text),
                _ => Ordering::Less,
            };
            let found = self.entries.binary_search_by(order).ok()?;
            return Some(&self.entries[found].1);
        }
        let exact = self.entries.iter().find(|(k, _)| k.is_same_key(key));
        let found = exact.or_else(|| {
            let number = key.is_number();
            let equal = |(k, _): &&(Value, Value)| number && k.is_number() && k.equals(key);
            self.entries.iter().find(equal)
        });
        found.map(|e| &e.1)
    }

    /// Keys, in order for a JSON object.
    pub fn keys(&self) -> impl Iterator<Item = &Value> {
        self.entries.iter().map(|e| &e.0)
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }
}

impl Value {
    /// Numbers of JSON are doubles.
    pub fn from_json(json: &serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(truth) => Value::Bool(*truth),
            serde_json::Value::Number(number) => Value::Double(number.as_f64().unwrap_or(f64::NAN)),
            serde_json::Value::String(text) => Value::Text(text.as_str().into()),
            serde_json::Value::Array(items) => {
                Value::List(Arc::new(items.iter().map(Value::from_json).collect()))
            }
            serde_json::Value::Object(entries) => {
                let pair = |(key, item): (&String, _)| (Value::text(key), Value::from_json(item));
                let mut entries: Vec<_> = entries.iter().map(pair).collect();
                entries.sort_by(|a, b| a.0.compare(&b.0).unwrap_or(Ordering::Equal));
                Value::Map(Arc::new(Map {
                    entries,
                    sorted: true,
                }))
            }
        }
    }

    /// A text.
    pub fn text(text: &str) -> Self {
        Value::Text(text.into())
    }

    /// The name of its type.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Null => "null_type",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Uint(_) => "uint",
            Value::Double(_) => "double",
            Value::Text(_) => "string",
            Value::Bytes(_) => "bytes",
            Value::List(_) => "list",
            Value::Map(_) => "map",
            Value::Timestamp(_) => TIMESTAMP,
            Value::Duration(_) => DURATION,
            Value::Type(_) => "type",
        }
    }

    fn is_number(&self) -> bool {
        matches!(self, Value::Int(_) | Value::Uint(_) | Value::Double(_))
    }

    /// Whether a key of a map is this one, of the same type.
    fn is_same_key(&self, other: &Value) -> bool {
        let scalar = !matches!(self, Value::List(_) | Value::Map(_) | Value::Bytes(_));
        scalar && self.type_name() == other.type_name() && self.equals(other)
    }

    /// Whether two values are equal. Numbers are by value; values of other types differ.
    pub fn equals(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Null, Value::Null) => true,
            (Value::List(a), Value::List(b)) => {
                a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| a.equals(b))
            }
            (Value::Map(a), Value::Map(b)) => {
                let mut pairs = a.entries.iter();
                a.len() == b.len()
                    && pairs.all(|(key, value)| b.get(key).is_some_and(|found| value.equals(found)))
            }
            (Value::Type(a), Value::Type(b)) => a == b,
            _ => self.compare(other) == Some(Ordering::Equal),
        }
    }

    /// The order of two values, where there is one: NaN has none.
    pub fn compare(&self, other: &Value) -> Option<Ordering> {
        match (self, other) {
            (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
            (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
            (Value::Uint(a), Value::Uint(b)) => Some(a.cmp(b)),
            (Value::Int(a), Value::Uint(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
            (Value::Uint(a), Value::Int(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
            (Value::Double(a), Value::Double(b)) => a.partial_cmp(b),
            (Value::Double(a), Value::Int(b)) => a.partial_cmp(&(*b as f64)),
            (Value::Int(a), Value::Double(b)) => (*a as f64).partial_cmp(b),
            (Value::Double(a), Value::Uint(b)) => a.partial_cmp(&(*b as f64)),
            (Value::Uint(a), Value::Double(b)) => (*a as f64).partial_cmp(b),
            (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
            (Value::Bytes(a), Value::Bytes(b)) => Some(a.cmp(b)),
            (Value::Timestamp(a), Value::Timestamp(b)) => Some(a.at.cmp(&b.at)),
            (Value::Duration(a), Value::Duration(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }

    /// What the function of a type's name makes of a value.
    pub fn convert(&self, to: &str) -> Result<Value, String> {
        let out_of_range = || format!("the value is out of the range of {to}");
        let unreadable = |text: &str| format!("expected {to} in text, got {text:?}");
        Ok(match (to, self) {
            ("dyn", value)
            | ("bool", value @ Value::Bool(_))
            | ("int", value @ Value::Int(_))
            | ("uint", value @ Value::Uint(_))
            | ("double", value @ Value::Double(_))
            | ("string", value @ Value::Text(_))
            | ("bytes", value @ Value::Bytes(_))
            | ("timestamp", value @ Value::Timestamp(_))
            | ("duration", value @ Value::Duration(_)) => value.clone(),
            ("type", value) => Value::Type(value.type_name()),
            ("bool", Value::Text(text)) => {
                Value::Bool(strconv::parse_bool(text).ok_or_else(|| unreadable(text))?)
            }
            ("int", Value::Text(text)) => {
                Value::Int(strconv::parse_int(text, 10).ok_or_else(|| unreadable(text))?)
            }
            ("uint", Value::Text(text)) => {
                Value::Uint(strconv::parse_uint(text, 10).ok_or_else(|| unreadable(text))?)
            }
            ("double", Value::Text(text)) => {
                Value::Double(strconv::parse_float(text).ok_or_else(|| unreadable(text))?)
            }
            ("int", Value::Uint(n)) => Value::Int(i64::try_from(*n).map_err(|_| out_of_range())?),
            ("int", Value::Double(n)) => {
                let fits = *n > i64::MIN as f64 && *n < i64::MAX as f64;
                Value::Int(fits.then_some(*n as i64).ok_or_else(out_of_range)?)
            }
            ("int", Value::Timestamp(at)) => Value::Int(time::seconds(at.at)),
            ("int", Value::Duration(span)) => Value::Int(*span),
            ("uint", Value::Int(n)) => Value::Uint(u64::try_from(*n).map_err(|_| out_of_range())?),
            ("uint", Value::Double(n)) => {
                let fits = *n >= 0.0 && *n < u64::MAX as f64;
                Value::Uint(fits.then_some(*n as u64).ok_or_else(out_of_range)?)
            }
            ("double", Value::Int(n)) => Value::Double(*n as f64),
            ("double", Value::Uint(n)) => Value::Double(*n as f64),
            ("bytes", Value::Text(text)) => Value::Bytes(text.as_bytes().into()),
            ("timestamp", Value::Int(seconds)) => {
                let at = time::checked(i128::from(*seconds) * time::SECOND)?;
                Value::Timestamp(Moment { at, east: 0 })
            }
            ("timestamp", Value::Text(text)) => Value::Timestamp(time::parse(text)?),
            ("duration", Value::Text(text)) => Value::Duration(duration::parse(text)?),
            ("string", value) => Value::text(&value.to_text()?),
            (_, value) => return Err(format!("{to} cannot be made of {}", value.type_name())),
        })
    }

    fn to_text(&self) -> Result<String, String> {
        Ok(match self {
            Value::Bool(truth) => truth.to_string(),
            Value::Int(n) => n.to_string(),
            Value::Uint(n) => n.to_string(),
            Value::Double(n) if *n == 0.0 && n.is_sign_negative() => "-0".to_owned(),
            Value::Double(n) => {
                let mut text = Vec::new();
                exporter_core::exposition::number::push(&mut text, *n);
                String::from_utf8_lossy(&text).into_owned()
            }
            Value::Bytes(bytes) => std::str::from_utf8(bytes)
                .map_err(|_| "the bytes are not UTF-8 text".to_owned())?
                .to_owned(),
            Value::Timestamp(at) => time::format(*at),
            Value::Duration(span) => time::format_seconds(*span),
            other => return Err(format!("string cannot be made of {}", other.type_name())),
        })
    }
}
