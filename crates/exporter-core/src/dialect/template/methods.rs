//! Methods: which there are, and what they are given.

use super::Operand;
use super::eval::Machine;
use super::functions::Given;
use super::layout;
use super::time;
use super::value::{Value, Whole};
use crate::dialect::duration;
use jiff::Zoned;
use jiff::tz::TimeZone;

/// Go types of parameters.
#[derive(Clone, Copy, Debug)]
pub(super) enum Parameter {
    Text,
    Bytes,
    Int,
    Duration,
    Time,
    Location,
}

/// Name, parameters and what it does with a receiver.
pub(super) type Method<T> = (
    &'static str,
    &'static [Parameter],
    fn(&T, &Arguments) -> Result<Value, String>,
);

/// A method that was found for a receiver.
pub(super) enum Found {
    Time(&'static Method<Zoned>),
    Location(&'static Method<TimeZone>),
    Whole(&'static Method<i64>),
}

/// The method of this name, if the type of the receiver has it.
pub(super) fn find(receiver: &Value, name: &str) -> Option<Found> {
    fn named<T>(methods: &'static [Method<T>], name: &str) -> Option<&'static Method<T>> {
        methods.iter().find(|method| method.0 == name)
    }
    match receiver {
        Value::Time(_) => named(time::TIME, name).map(Found::Time),
        Value::Location(_) => named(time::LOCATION, name).map(Found::Location),
        Value::Whole(Whole::Month, _) => named(MONTH, name).map(Found::Whole),
        Value::Whole(Whole::Weekday, _) => named(WEEKDAY, name).map(Found::Whole),
        Value::Whole(Whole::Duration, _) => named(DURATION, name).map(Found::Whole),
        _ => None,
    }
}

/// Calls a method that [`find`] has found for this receiver.
pub(super) fn call<'a>(
    machine: &mut Machine<'a>,
    receiver: &Value,
    method: Found,
    given: Given<'a>,
    dot: &Value,
) -> Result<Value, String> {
    let (name, parameters) = match &method {
        Found::Time(method) => (method.0, method.1),
        Found::Location(method) => (method.0, method.1),
        Found::Whole(method) => (method.0, method.1),
    };
    let arguments = arguments(machine, name, parameters, given, dot)?;
    match (receiver, method) {
        (Value::Time(when), Found::Time(method)) => method.2(when, &arguments),
        (Value::Location(zone), Found::Location(method)) => method.2(zone, &arguments),
        (Value::Whole(_, number), Found::Whole(method)) => method.2(number, &arguments),
        (other, _) => Err(format!("{} has no method {name}", other.kind())),
    }
}

fn arguments<'a>(
    machine: &mut Machine<'a>,
    name: &str,
    parameters: &[Parameter],
    given: Given<'a>,
    dot: &Value,
) -> Result<Arguments, String> {
    let (want, got) = (parameters.len(), given.len());
    if want != got {
        return Err(format!("{name} takes {want} arguments, not {got}"));
    }
    let mut values = Vec::with_capacity(want);
    for (operand, parameter) in given.operands.iter().zip(parameters) {
        values.push(match operand {
            Operand::Number(number) => constant(number.whole, *parameter)?,
            operand => fitting(machine.operand(operand, dot)?, *parameter)?,
        });
    }
    if let (Some(last), Some(parameter)) = (given.last, parameters.last()) {
        values.push(fitting(last, *parameter)?);
    }
    Ok(Arguments(values))
}

/// A constant takes the type of the parameter.
fn constant(whole: Option<i64>, parameter: Parameter) -> Result<Value, String> {
    let whole = whole.ok_or("expected a whole number")?;
    match parameter {
        Parameter::Int => Ok(Value::int(whole)),
        Parameter::Duration => Ok(Value::Whole(Whole::Duration, whole)),
        other => Err(format!("a number is given where {other:?} is expected")),
    }
}

/// Any other value must be of the type, or nothing where that can be nil.
fn fitting(value: Value, parameter: Parameter) -> Result<Value, String> {
    let fits = matches!(
        (&value, parameter),
        (Value::Text(_), Parameter::Text)
            | (Value::Bytes(_) | Value::Nil, Parameter::Bytes)
            | (Value::Whole(Whole::Int, _), Parameter::Int)
            | (Value::Whole(Whole::Duration, _), Parameter::Duration)
            | (Value::Time(_), Parameter::Time)
            | (Value::Location(_) | Value::Nil, Parameter::Location)
    );
    match fits {
        true => Ok(value),
        false => Err(format!("expected {parameter:?}, got {}", value.kind())),
    }
}

/// Arguments of the types of the parameters.
pub(super) struct Arguments(Vec<Value>);

impl Arguments {
    pub fn text(&self, at: usize) -> String {
        match self.0.get(at) {
            Some(Value::Text(text)) => crate::exposition::names::lossy(text).into_owned(),
            _ => String::new(),
        }
    }

    /// Nothing where the argument is nil, or is none.
    pub fn bytes(&self, at: usize) -> Vec<u8> {
        match self.0.get(at) {
            Some(Value::Bytes(bytes)) => bytes.clone(),
            _ => Vec::new(),
        }
    }

    pub fn whole(&self, at: usize) -> i64 {
        match self.0.get(at) {
            Some(Value::Whole(_, number)) => *number,
            _ => 0,
        }
    }

    pub fn time(&self, at: usize) -> Result<Zoned, String> {
        match self.0.get(at) {
            Some(Value::Time(when)) => Ok(when.clone()),
            _ => Err("expected a time".to_owned()),
        }
    }

    pub fn location(&self, at: usize) -> Result<TimeZone, String> {
        match self.0.get(at) {
            Some(Value::Location(zone)) => Ok(zone.clone()),
            _ => Err("expected a location".to_owned()),
        }
    }
}

const MONTH: &[Method<i64>] = &[("String", &[], |n, _| Ok(Value::text(month(*n))))];

const WEEKDAY: &[Method<i64>] = &[("String", &[], |n, _| Ok(Value::text(weekday(*n))))];

const DURATION: &[Method<i64>] = &[
    ("String", &[], |d, _| Ok(Value::text(duration::format(*d)))),
    ("Nanoseconds", &[], |d, _| {
        Ok(Value::Whole(Whole::Int64, *d))
    }),
    ("Microseconds", &[], |d, _| {
        Ok(Value::Whole(Whole::Int64, *d / 1_000))
    }),
    ("Milliseconds", &[], |d, _| {
        Ok(Value::Whole(Whole::Int64, *d / 1_000_000))
    }),
    ("Seconds", &[], |d, _| Ok(fraction(*d, 1_000_000_000))),
    ("Minutes", &[], |d, _| Ok(fraction(*d, 60_000_000_000))),
    ("Hours", &[], |d, _| Ok(fraction(*d, 3_600_000_000_000))),
    ("Abs", &[], |d, _| Ok(nanoseconds(d.saturating_abs()))),
    ("Truncate", &[Parameter::Duration], |d, a| {
        Ok(nanoseconds(d - past(*d, a.whole(0))))
    }),
    ("Round", &[Parameter::Duration], |d, a| {
        Ok(nanoseconds(rounded(*d, a.whole(0))))
    }),
];

fn nanoseconds(number: i64) -> Value {
    Value::Whole(Whole::Duration, number)
}

/// Whole units and the rest are divided one by one, as Go does it, for the same last digit.
fn fraction(duration: i64, unit: i64) -> Value {
    Value::Float((duration / unit) as f64 + (duration % unit) as f64 / unit as f64)
}

/// What is left of a duration behind the last multiple towards zero.
fn past(duration: i64, unit: i64) -> i64 {
    match unit {
        ..=0 => 0,
        unit => duration % unit,
    }
}

/// The nearest multiple, away from zero from half of it on.
fn rounded(duration: i64, unit: i64) -> i64 {
    let past = past(duration, unit);
    let down = duration - past;
    match past.unsigned_abs() {
        0 => duration,
        size if size < unit.unsigned_abs() - size => down,
        _ => down.saturating_add(unit * duration.signum()),
    }
}

pub(super) fn month(number: i64) -> String {
    let name = layout::month(number).map(str::to_owned);
    name.unwrap_or_else(|| format!("%!Month({})", number as u64))
}

pub(super) fn weekday(number: i64) -> String {
    let name = layout::weekday(number).map(str::to_owned);
    name.unwrap_or_else(|| format!("%!Weekday({})", number as u64))
}
