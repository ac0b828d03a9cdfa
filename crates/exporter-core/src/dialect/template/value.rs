//! What a template is given, and what its parts evaluate to.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A Go string, which need not be UTF-8.
pub type Text = Vec<u8>;

/// A value of one of the Go types that templates meet.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing: a missing key, or nil.
    Nil,
    /// A boolean.
    Bool(bool),
    /// A whole number.
    Whole(Whole, i64),
    /// A Go `float64`.
    Float(f64),
    /// A Go `complex128`: the real and the imaginary part.
    Complex(f64, f64),
    /// A Go `string`.
    Text(Text),
    /// A Go `[]byte`.
    Bytes(Vec<u8>),
    /// A Go `time.Time`.
    Time(Zoned),
    /// A Go `*time.Location`.
    Location(TimeZone),
    /// A Go `[]string`.
    List(Arc<[Text]>),
    /// A Go `map[string]string`: a key that is missing is [`Value::Nil`].
    Map(Arc<BTreeMap<Text, Text>>),
    /// A pointer to a struct.
    Record(Arc<Record>),
}

/// Go types of whole numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whole {
    /// `int`
    Int,
    /// `int64`
    Int64,
    /// `uint8`
    Uint8,
    /// `uint64`, of which no value here needs the last bit.
    Uint64,
    /// `time.Month`
    Month,
    /// `time.Weekday`
    Weekday,
    /// `time.Duration`
    Duration,
}

/// A Go struct; any field but these is an error.
#[derive(Debug, PartialEq)]
pub struct Record {
    /// Its type, such as `config.Params`.
    pub kind: &'static str,
    /// Names and values in Go's order.
    pub fields: Vec<(&'static str, Value)>,
}

impl Value {
    /// A Go `int`.
    pub fn int(number: i64) -> Self {
        Value::Whole(Whole::Int, number)
    }

    /// A Go `string`.
    pub fn text(text: impl Into<Text>) -> Self {
        Value::Text(text.into())
    }

    /// A Go `[]string`.
    pub fn list(items: impl IntoIterator<Item = String>) -> Self {
        Value::List(items.into_iter().map(Text::from).collect())
    }

    /// A Go `map[string]string`.
    pub fn map(entries: impl IntoIterator<Item = (String, String)>) -> Self {
        let entries = entries.into_iter();
        let entries = entries.map(|(key, value)| (key.into(), value.into()));
        Value::Map(Arc::new(entries.collect()))
    }

    /// A pointer to a Go struct of this type, with its fields in Go's order.
    pub fn record(kind: &'static str, fields: Vec<(&'static str, Value)>) -> Self {
        Value::Record(Arc::new(Record { kind, fields }))
    }

    /// A Go `time.Time` in UTC.
    pub fn time(instant: Timestamp) -> Self {
        Value::Time(instant.to_zoned(TimeZone::UTC))
    }

    /// Its Go type.
    pub(super) fn kind(&self) -> String {
        let kind = match self {
            Value::Nil => "<nil>",
            Value::Bool(_) => "bool",
            Value::Whole(whole, _) => whole.kind(),
            Value::Float(_) => "float64",
            Value::Complex(..) => "complex128",
            Value::Text(_) => "string",
            Value::Bytes(_) => "[]uint8",
            Value::Time(_) => "time.Time",
            Value::Location(_) => "*time.Location",
            Value::List(_) => "[]string",
            Value::Map(_) => "map[string]string",
            Value::Record(record) => return format!("*{}", record.kind),
        };
        kind.to_owned()
    }

    /// Whether Go's templates take it for true.
    pub(super) fn truth(&self) -> bool {
        match self {
            Value::Nil => false,
            Value::Bool(value) => *value,
            Value::Whole(_, number) => *number != 0,
            Value::Float(number) => *number != 0.0,
            Value::Complex(real, imaginary) => *real != 0.0 || *imaginary != 0.0,
            Value::Text(bytes) | Value::Bytes(bytes) => !bytes.is_empty(),
            Value::List(items) => !items.is_empty(),
            Value::Map(map) => !map.is_empty(),
            Value::Time(_) | Value::Location(_) | Value::Record(_) => true,
        }
    }
}

impl Whole {
    fn kind(self) -> &'static str {
        match self {
            Whole::Int => "int",
            Whole::Int64 => "int64",
            Whole::Uint8 => "uint8",
            Whole::Uint64 => "uint64",
            Whole::Month => "time.Month",
            Whole::Weekday => "time.Weekday",
            Whole::Duration => "time.Duration",
        }
    }
}
