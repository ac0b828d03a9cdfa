//! Expressions in CEL over a JSON body.

use cel::common::ast::{EntryExpr, Expr, IdedExpr};
use cel::extractors::This;
use cel::objects::{Key, Map};
use cel::parser::PrattParser;
use cel::{Context, ExecutionError, Value};
use exporter_core::dialect::regexp;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// A compiled expression over the variable `body`.
#[derive(Clone)]
pub struct Expression {
    text: String,
    parsed: Arc<IdedExpr>,
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Names of types, which are values too.
const TYPES: &[&str] = &[
    "bool",
    "bytes",
    "double",
    "dyn",
    "int",
    "list",
    "map",
    "null_type",
    "string",
    "type",
    "uint",
];

/// Functions of the standard library besides operators.
const FUNCTIONS: &[&str] = &[
    "bool",
    "bytes",
    "contains",
    "double",
    "dyn",
    "duration",
    "endsWith",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getFullYear",
    "getHours",
    "getMilliseconds",
    "getMinutes",
    "getMonth",
    "getSeconds",
    "int",
    "matches",
    "size",
    "startsWith",
    "string",
    "timestamp",
    "type",
    "uint",
];

impl Expression {
    /// Compiles an expression. The error is a sentence.
    pub fn compile(text: &str) -> Result<Self, String> {
        // The parser that is written by hand: half as large as the generated one.
        let parsed = PrattParser::new()
            .parse(text)
            .map_err(|e| format!("bad CEL expression: {}", first_line(&e.to_string())))?;
        check(&parsed, &mut vec!["body"]).map_err(|why| format!("bad CEL expression: {why}"))?;
        Ok(Expression {
            text: text.to_owned(),
            parsed: Arc::new(parsed),
        })
    }

    /// As it is written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Evaluates it. What is no truth value is an error.
    pub fn evaluate(&self, body: &serde_json::Value) -> Result<bool, String> {
        let mut context = Context::default();
        context.add_variable_from_value("body", value(body));
        context
            .add_function("matches", matches)
            .map_err(|e| e.to_string())?;
        match context.resolve(&self.parsed) {
            Ok(Value::Bool(truth)) => Ok(truth),
            Ok(other) => Err(format!("expected a truth value, got {:?}", other.type_of())),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// `text.matches(pattern)`, with patterns of the same syntax as elsewhere in the module file.
fn matches(This(text): This<Arc<String>>, pattern: Arc<String>) -> Result<bool, ExecutionError> {
    regexp::compile(&pattern)
        .map(|regex| regex.is_match(&text))
        .map_err(|why| ExecutionError::function_error("matches", why))
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// Numbers of JSON are doubles.
fn value(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(truth) => Value::Bool(*truth),
        serde_json::Value::Number(number) => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        serde_json::Value::String(text) => Value::String(Arc::new(text.clone())),
        serde_json::Value::Array(items) => Value::List(Arc::new(items.iter().map(value).collect())),
        serde_json::Value::Object(entries) => {
            let pair =
                |(key, item): (&String, _)| (Key::String(Arc::new(key.clone())), value(item));
            let map: HashMap<Key, Value> = entries.iter().map(pair).collect();
            Value::Map(Map { map: Arc::new(map) })
        }
    }
}

/// Finds names that are not declared; `known` are the variables in scope.
fn check<'e>(node: &'e IdedExpr, known: &mut Vec<&'e str>) -> Result<(), String> {
    match &node.expr {
        Expr::Ident(name) => {
            let is_known = known.contains(&name.as_str())
                || TYPES.contains(&name.as_str())
                || name.starts_with('@');
            match is_known {
                true => Ok(()),
                false => Err(format!("undeclared reference to {name:?}")),
            }
        }
        Expr::Call(call) => {
            let name = call.func_name.as_str();
            let is_operator = name.starts_with(|c: char| !c.is_ascii_alphabetic());
            if !is_operator && !FUNCTIONS.contains(&name) {
                return Err(format!("undeclared reference to {name:?}"));
            }
            if let Some(target) = &call.target {
                check(target, known)?;
            }
            call.args.iter().try_for_each(|a| check(a, known))
        }
        Expr::Comprehension(over) => {
            check(&over.iter_range, known)?;
            check(&over.accu_init, known)?;
            let outer = known.len();
            known.push(&over.iter_var);
            known.extend(over.iter_var2.as_deref());
            known.push(&over.accu_var);
            let parts = [&over.loop_cond, &over.loop_step, &over.result];
            let checked = parts.into_iter().try_for_each(|p| check(p, known));
            known.truncate(outer);
            checked
        }
        Expr::List(list) => list.elements.iter().try_for_each(|e| check(e, known)),
        Expr::Select(select) => check(&select.operand, known),
        Expr::Map(map) => map
            .entries
            .iter()
            .try_for_each(|e| check_entry(&e.expr, known)),
        Expr::Struct(object) => object
            .entries
            .iter()
            .try_for_each(|e| check_entry(&e.expr, known)),
        Expr::Literal(_) => Ok(()),
        Expr::Unspecified => Err("there is nothing".to_owned()),
    }
}

fn check_entry<'e>(entry: &'e EntryExpr, known: &mut Vec<&'e str>) -> Result<(), String> {
    match entry {
        EntryExpr::StructField(field) => check(&field.value, known),
        EntryExpr::MapEntry(entry) => {
            check(&entry.key, known)?;
            check(&entry.value, known)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn over_a_body() {
        let body = serde_json::json!({
            "status": "ok", "count": 3, "ratio": 1.5, "list": [{"name": "a"}, {"name": "b"}],
            "none": null, "object": {"x": true},
        });
        for (text, truth) in [
            ("body.status == 'ok'", Some(true)),
            ("body.count == 3", Some(true)),
            ("body.count > 2 && body.ratio < 2", Some(true)),
            ("type(body.count) == double", Some(true)),
            ("body.list.exists(i, i.name == 'b')", Some(true)),
            ("body.list.all(i, i.name == 'b')", Some(false)),
            ("size(body.list) == 2", Some(true)),
            ("body.list[0].name == 'a'", Some(true)),
            ("body.list.filter(i, i.name != 'a').size() == 1", Some(true)),
            ("body.list.map(i, i.name) == ['a', 'b']", Some(true)),
            ("has(body.missing)", Some(false)),
            ("'x' in body.object", Some(true)),
            (
                "body.status.startsWith('o') && body.status.matches('^o.$')",
                Some(true),
            ),
            (
                "matches(body.status, 'k') && !body.status.matches('\\\\d')",
                Some(true),
            ),
            ("body.status.matches('(?=x)')", None),
            ("body.none == null", Some(true)),
            ("body.missing == 1", None),
            ("body.count", None),
            ("body.list[7].name == 'a'", None),
            ("body.object.x ? 1 == 1.0 : false", Some(true)),
        ] {
            let expression = Expression::compile(text).unwrap();
            assert_eq!(expression.evaluate(&body).ok(), truth, "{text}");
        }
    }

    #[test]
    fn what_does_not_compile() {
        for text in [
            "",
            "body.",
            "foo == 1",
            "body.list.exists(i, j == 1)",
            "nope(body)",
            "body ==",
            "1 +",
        ] {
            assert!(Expression::compile(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[a-z0-9.()\\[\\]{}'\"&|!=<>+? ,:-]{0,30}") {
            if let Ok(expression) = Expression::compile(&text) {
                let _ = expression.evaluate(&serde_json::Value::Null);
            }
        }
    }
}
