//! Evaluates a checked expression.

use super::value::{Map, Value};
use super::{qualified_name, time};
use cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SelectExpr,
};
use exporter_core::dialect::regexp;
use std::cmp::Ordering;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering as Memory};

/// The value of a part, or why it has none.
type Outcome = Result<Value, String>;

/// Evaluates an expression over a body, until `abandoned` is set.
pub fn evaluate(expression: &IdedExpr, body: Value, abandoned: &AtomicBool) -> Outcome {
    let mut evaluation = Evaluation {
        scope: vec![("body", Ok(body))],
        abandoned,
    };
    evaluation.value(expression)
}

struct Evaluation<'e> {
    scope: Vec<(&'e str, Outcome)>,
    abandoned: &'e AtomicBool,
}

impl<'e> Evaluation<'e> {
    fn value(&mut self, node: &'e IdedExpr) -> Outcome {
        match &node.expr {
            Expr::Literal(literal) => Ok(literal_value(literal)),
            Expr::Ident(name) => self.variable(name),
            Expr::Call(call) => self.call(call),
            Expr::Select(select) => self.select(node, select),
            Expr::Comprehension(over) => self.comprehension(over),
            Expr::List(list) => {
                let items: Result<Vec<_>, _> =
                    list.elements.iter().map(|e| self.value(e)).collect();
                Ok(Value::List(Arc::new(items?)))
            }
            Expr::Map(map) => {
                let mut entries = Map::default();
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        entries.push(self.value(&entry.key)?, self.value(&entry.value)?);
                    }
                }
                Ok(Value::Map(Arc::new(entries)))
            }
            Expr::Struct(_) | Expr::Unspecified => Err("messages are not supported".to_owned()),
        }
    }

    fn variable(&self, name: &str) -> Outcome {
        let (name, scope) = match name.strip_prefix('.') {
            Some(name) => (name, &self.scope[..1]),
            None => (name, &self.scope[..]),
        };
        if let Some((_, value)) = scope.iter().rev().find(|s| s.0 == name) {
            return value.clone();
        }
        let known = [
            "bool",
            "bytes",
            "double",
            "int",
            "list",
            "map",
            "null_type",
            "string",
            "type",
            "uint",
        ];
        let known = known.into_iter().find(|t| *t == name);
        known
            .map(Value::Type)
            .ok_or_else(|| format!("undeclared reference to {name:?}"))
    }

    fn select(&mut self, node: &'e IdedExpr, select: &'e SelectExpr) -> Outcome {
        let free = |scope: &[(&str, Outcome)], root: &str| !scope.iter().any(|s| s.0 == root);
        if let Some(name) = qualified_name(node)
            && let Some((root, _)) = name.split_once('.')
            && free(&self.scope, root)
            && let Some(known) = [super::value::TIMESTAMP, super::value::DURATION]
                .into_iter()
                .find(|t| *t == name)
        {
            return Ok(Value::Type(known));
        }
        let operand = self.value(&select.operand)?;
        let Value::Map(map) = &operand else {
            // What cannot have fields has not this one; of a list it may not even be asked.
            if select.test && !matches!(operand, Value::List(_)) {
                return Ok(Value::Bool(false));
            }
            return Err(format!("{} has no fields", operand.type_name()));
        };
        let found = map.get(&Value::text(&select.field));
        match select.test {
            true => Ok(Value::Bool(found.is_some())),
            false => found
                .cloned()
                .ok_or_else(|| format!("no such key: {}", select.field)),
        }
    }

    fn call(&mut self, call: &'e CallExpr) -> Outcome {
        let name = call.func_name.trim_start_matches('.');
        match (name, &call.args[..]) {
            ("_&&_", sides) => return self.logical(sides, false),
            ("_||_", sides) => return self.logical(sides, true),
            ("_?_:_", [condition, yes, no]) => {
                return match self.value(condition)? {
                    Value::Bool(true) => self.value(yes),
                    Value::Bool(false) => self.value(no),
                    other => Err(no_overload(name, &[other])),
                };
            }
            ("@not_strictly_false", [value]) => {
                return Ok(Value::Bool(!matches!(
                    self.value(value),
                    Ok(Value::Bool(false))
                )));
            }
            ("_+_", [sum, added]) if is_sum(sum) => return self.extend(added),
            _ => {}
        }
        let target = call.target.as_deref().into_iter();
        let arguments: Result<Vec<_>, _> = target
            .chain(&call.args)
            .map(|argument| self.value(argument))
            .collect();
        function(name, &arguments?)
    }

    /// Both sides are equals: one that decides does so whatever is wrong with the others.
    fn logical(&mut self, sides: &'e [IdedExpr], deciding: bool) -> Outcome {
        let mut wrong = None;
        for side in sides {
            match self.value(side) {
                Ok(Value::Bool(truth)) if truth == deciding => return Ok(Value::Bool(deciding)),
                Ok(Value::Bool(_)) => {}
                Ok(other) => wrong = wrong.or(Some(no_overload("logical operator", &[other]))),
                Err(why) => wrong = wrong.or(Some(why)),
            }
        }
        match wrong {
            None => Ok(Value::Bool(!deciding)),
            Some(why) => Err(why),
        }
    }

    /// Adds to what a macro gathers, in place: it is taken from the scope, to which the loop returns
    /// it, so that the list has one owner.
    fn extend(&mut self, added: &'e IdedExpr) -> Outcome {
        let gathered = self.scope.iter_mut().rev().find(|s| s.0 == SUM);
        let taken = std::mem::replace(
            &mut gathered.ok_or("there is nothing to add to")?.1,
            Ok(Value::Null),
        )?;
        let added = self.value(added)?;
        match (taken, added) {
            (Value::List(mut items), Value::List(more)) => {
                Arc::make_mut(&mut items).extend(more.iter().cloned());
                Ok(Value::List(items))
            }
            (taken, added) => function("_+_", &[taken, added]),
        }
    }

    fn comprehension(&mut self, over: &'e ComprehensionExpr) -> Outcome {
        let range = self.value(&over.iter_range)?;
        let items: Arc<Vec<Value>> = match &range {
            Value::List(items) => Arc::clone(items),
            Value::Map(map) => Arc::new(map.keys().cloned().collect()),
            other => return Err(format!("{} has no items", other.type_name())),
        };
        let start = self.value(&over.accu_init);
        let place = self.scope.len();
        self.scope.push((&over.accu_var, start));
        for item in items.iter() {
            if self.abandoned.load(Memory::Relaxed) {
                self.scope.truncate(place);
                return Err("the time is up".to_owned());
            }
            self.scope.push((&over.iter_var, Ok(item.clone())));
            let goes_on = self.value(&over.loop_cond);
            if !matches!(goes_on, Ok(Value::Bool(true))) {
                self.scope.truncate(place + 1);
                break;
            }
            let next = self.value(&over.loop_step);
            self.scope.truncate(place + 1);
            self.scope[place].1 = next;
        }
        let result = self.value(&over.result);
        self.scope.truncate(place);
        result
    }
}

/// The name under which macros gather. No user's name has its first letter.
const SUM: &str = "@result";

fn is_sum(node: &IdedExpr) -> bool {
    matches!(&node.expr, Expr::Ident(name) if name == SUM)
}

fn literal_value(literal: &LiteralValue) -> Value {
    match literal {
        LiteralValue::Boolean(truth) => Value::Bool(*truth.inner()),
        LiteralValue::Bytes(bytes) => Value::Bytes(bytes.inner().into()),
        LiteralValue::Double(number) => Value::Double(*number.inner()),
        LiteralValue::Int(number) => Value::Int(*number.inner()),
        LiteralValue::Null => Value::Null,
        LiteralValue::String(text) => Value::text(text.inner()),
        LiteralValue::UInt(number) => Value::Uint(*number.inner()),
    }
}

fn no_overload(name: &str, arguments: &[Value]) -> String {
    let told: Vec<_> = arguments.iter().map(Value::type_name).collect();
    format!("no overload of {name:?} takes ({})", told.join(", "))
}

/// Calls a function or an operator; a method has its object first.
fn function(name: &str, arguments: &[Value]) -> Outcome {
    match (name, arguments) {
        ("_==_", [a, b]) => Ok(Value::Bool(a.equals(b))),
        ("_!=_", [a, b]) => Ok(Value::Bool(!a.equals(b))),
        ("_<_", [a, b]) => ordered(name, a, b, Ordering::is_lt),
        ("_<=_", [a, b]) => ordered(name, a, b, Ordering::is_le),
        ("_>_", [a, b]) => ordered(name, a, b, Ordering::is_gt),
        ("_>=_", [a, b]) => ordered(name, a, b, Ordering::is_ge),
        ("!_", [Value::Bool(truth)]) => Ok(Value::Bool(!truth)),
        ("-_", [Value::Int(n)]) => n.checked_neg().map(Value::Int).ok_or_else(overflow),
        ("-_", [Value::Double(n)]) => Ok(Value::Double(-n)),
        ("_+_" | "_-_" | "_*_" | "_/_" | "_%_", [a, b]) => arithmetic(name, a, b),
        ("_[_]", [Value::List(items), index]) => item(items, index),
        ("_[_]", [Value::Map(map), key]) if !matches!(key, Value::Null) => map
            .get(key)
            .cloned()
            .ok_or_else(|| "no such key".to_owned()),
        ("@in", [value, Value::List(items)]) => {
            Ok(Value::Bool(items.iter().any(|i| i.equals(value))))
        }
        ("@in", [key, Value::Map(map)]) => Ok(Value::Bool(map.get(key).is_some())),
        ("size", [value]) => size(value).ok_or_else(|| no_overload(name, arguments)),
        ("contains", [Value::Text(a), Value::Text(b)]) => Ok(Value::Bool(a.contains(&**b))),
        ("startsWith", [Value::Text(a), Value::Text(b)]) => Ok(Value::Bool(a.starts_with(&**b))),
        ("endsWith", [Value::Text(a), Value::Text(b)]) => Ok(Value::Bool(a.ends_with(&**b))),
        ("matches", [Value::Text(text), Value::Text(pattern)]) => {
            regexp::compile(pattern).map(|regex| Value::Bool(regex.is_match(text)))
        }
        (_, [Value::Timestamp(at)]) if name.starts_with("get") => {
            time::part(name, at.at, None).map(Value::Int)
        }
        (_, [Value::Timestamp(at), Value::Text(zone)]) if name.starts_with("get") => {
            time::part(name, at.at, Some(zone)).map(Value::Int)
        }
        (_, [Value::Duration(span)]) if name.starts_with("get") => {
            time::span_part(name, *span).map(Value::Int)
        }
        (
            "bool" | "bytes" | "double" | "duration" | "dyn" | "int" | "string" | "timestamp"
            | "type" | "uint",
            [value],
        ) => value.convert(name),
        _ => Err(no_overload(name, arguments)),
    }
}

fn overflow() -> String {
    "the result is out of range".to_owned()
}

fn ordered(name: &str, a: &Value, b: &Value, holds: fn(Ordering) -> bool) -> Outcome {
    let order = a.compare(b);
    order
        .map(|order| Value::Bool(holds(order)))
        .ok_or_else(|| no_overload(name, &[a.clone(), b.clone()]))
}

/// Of two whole numbers of one kind; `None` where the result is out of range.
macro_rules! whole {
    ($name:expr, $a:expr, $b:expr) => {
        match $name {
            "_/_" | "_%_" if $b == 0 => return Err("division by zero".to_owned()),
            "_+_" => $a.checked_add($b),
            "_-_" => $a.checked_sub($b),
            "_*_" => $a.checked_mul($b),
            "_/_" => $a.checked_div($b),
            _ => $a.checked_rem($b),
        }
    };
}

fn arithmetic(name: &str, a: &Value, b: &Value) -> Outcome {
    let result = match (a, b) {
        (Value::Int(a), Value::Int(b)) => whole!(name, *a, *b).map(Value::Int),
        (Value::Uint(a), Value::Uint(b)) => whole!(name, *a, *b).map(Value::Uint),
        (Value::Double(a), Value::Double(b)) if name != "_%_" => Some(Value::Double(match name {
            "_+_" => a + b,
            "_-_" => a - b,
            "_*_" => a * b,
            _ => a / b,
        })),
        _ => return sum_or_difference(name, a, b),
    };
    result.ok_or_else(overflow)
}

/// Of texts, lists and times.
fn sum_or_difference(name: &str, a: &Value, b: &Value) -> Outcome {
    match (name, a, b) {
        ("_+_", Value::Text(a), Value::Text(b)) => Ok(Value::text(&format!("{a}{b}"))),
        ("_+_", Value::Bytes(a), Value::Bytes(b)) => Ok(Value::Bytes([&**a, &**b].concat().into())),
        ("_+_", Value::List(a), Value::List(b)) => {
            Ok(Value::List(Arc::new([&***a, &***b].concat())))
        }
        ("_+_", Value::Timestamp(at), Value::Duration(span))
        | ("_+_", Value::Duration(span), Value::Timestamp(at)) => {
            at.later(i128::from(*span)).map(Value::Timestamp)
        }
        ("_-_", Value::Timestamp(at), Value::Duration(span)) => {
            at.later(-i128::from(*span)).map(Value::Timestamp)
        }
        ("_-_", Value::Timestamp(a), Value::Timestamp(b)) => i64::try_from(a.at - b.at)
            .map(Value::Duration)
            .map_err(|_| overflow()),
        ("_+_", Value::Duration(a), Value::Duration(b)) => {
            a.checked_add(*b).map(Value::Duration).ok_or_else(overflow)
        }
        ("_-_", Value::Duration(a), Value::Duration(b)) => {
            a.checked_sub(*b).map(Value::Duration).ok_or_else(overflow)
        }
        _ => Err(no_overload(name, &[a.clone(), b.clone()])),
    }
}

/// An item of a list; a double without decimals will do for its place.
fn item(items: &[Value], index: &Value) -> Outcome {
    let place = match index {
        Value::Int(n) => usize::try_from(*n).ok(),
        Value::Uint(n) => usize::try_from(*n).ok(),
        Value::Double(n) if n.fract() == 0.0 && *n >= 0.0 => Some(*n as usize),
        other => return Err(no_overload("_[_]", std::slice::from_ref(other))),
    };
    let found = place.and_then(|place| items.get(place));
    found
        .cloned()
        .ok_or_else(|| format!("no item {index:?} in a list of {}", items.len()))
}

/// Characters of a text, bytes, items or entries.
fn size(value: &Value) -> Option<Value> {
    let size = match value {
        Value::Text(text) => text.chars().count(),
        Value::Bytes(bytes) => bytes.len(),
        Value::List(items) => items.len(),
        Value::Map(map) => map.len(),
        _ => return None,
    };
    i64::try_from(size).ok().map(Value::Int)
}
