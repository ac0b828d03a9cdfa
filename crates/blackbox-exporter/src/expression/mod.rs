//! Expressions in CEL over a JSON body.

mod evaluate;
mod time;
mod types;
mod value;

use self::value::Value;
use cel::common::ast::{Expr, IdedExpr};
use cel::parser::PrattParser;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

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

impl Expression {
    /// Compiles an expression. The error is a sentence.
    pub fn compile(text: &str) -> Result<Self, String> {
        // The parser that is written by hand: half as large as the generated one.
        let parsed = PrattParser::new()
            .enable_ident_escape_syntax(true)
            .max_recursion_depth(250)
            .parse(text)
            .map_err(|e| format!("bad CEL expression: {}", first_line(&e.to_string())))?;
        types::check(&parsed).map_err(|why| format!("bad CEL expression: {why}"))?;
        Ok(Expression {
            text: text.to_owned(),
            parsed: Arc::new(parsed),
        })
    }

    /// As it is written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Evaluates it, until `abandoned` is set. What is no truth value is an error.
    pub fn evaluate(
        &self,
        body: &serde_json::Value,
        abandoned: &AtomicBool,
    ) -> Result<bool, String> {
        match evaluate::evaluate(&self.parsed, Value::from_json(body), abandoned)? {
            Value::Bool(truth) => Ok(truth),
            other => Err(format!("expected a truth value, got {}", other.type_name())),
        }
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// Names joined by dots, as they are written.
fn qualified_name(node: &IdedExpr) -> Option<String> {
    match &node.expr {
        Expr::Ident(name) => Some(name.trim_start_matches('.').to_owned()),
        Expr::Select(select) if !select.test => Some(format!(
            "{}.{}",
            qualified_name(&select.operand)?,
            select.field
        )),
        _ => None,
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
            ("body.object.x ? body.count == 3 : false", Some(true)),
            // A side that decides does so whatever is wrong with the other.
            ("body.missing == 1 || body.count == 3", Some(true)),
            ("body.missing == 1 || body.count == 4", None),
            ("body.count && false", Some(false)),
            ("[0, 1].exists(x, 1 / x > 0)", Some(true)),
            ("[0, 1].all(x, 1 / x > 0)", None),
            (
                "body.list.map(i, [1, 2].map(j, j)) == [[1, 2], [1, 2]]",
                Some(true),
            ),
            (
                "{1: 'a', 1: 'b'}[1] == 'b' && {1: 'a'}[dyn(1.0)] == 'a'",
                Some(true),
            ),
            ("dyn(1) == 1u && dyn(1) < 1.5 && dyn(1) != '1'", Some(true)),
            ("9223372036854775807 + 1 == 0", None),
            ("int('42') == 42 && int('0x10') == 16", None),
            (
                "string(1e20) == '1e+20' && string(-0.0) == '-0'",
                Some(true),
            ),
            ("has(body.count.x)", Some(false)),
            ("has(body.list.x)", None),
        ] {
            let expression = Expression::compile(text).unwrap();
            assert_eq!(
                expression.evaluate(&body, &AtomicBool::new(false)).ok(),
                truth,
                "{text}"
            );
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
            "1 == 1.0",
            "1 < 1.5",
            "1 == '1'",
            "null == 1",
            "1 + 'a' == 2",
            "size(1) == 1",
            "'abc'.contains(1)",
            "contains('abc', 'b')",
            "!1",
            "true || 1",
            "1 ? true : false",
            "true ? 1 : 'a'",
            "[1].all(x, x)",
            "[1].map(x, x + 'a') == []",
            "'a'.all(x, true)",
            "[1][0u] == 1",
            "{null: 1}[null] == 1",
            "timestamp(1.5) == timestamp(1)",
            "timestamp(0).getHours(1) == 1",
            "duration(1) == duration('1ns')",
            "duration('1h').getFullYear() == 1",
            "timestamp(0) + timestamp(0) == timestamp(0)",
            "google.protobuf.Duration{seconds: 1} == duration('1s')",
        ] {
            assert!(Expression::compile(text).is_err(), "{text}");
        }
    }

    #[test]
    fn of_any_type_but_checked_for_truth_later() {
        for text in [
            "1",
            "'a'",
            "body.x",
            "type(1)",
            "timestamp(0)",
            "[1, 'a']",
            "{}",
        ] {
            assert!(Expression::compile(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn times() {
        let body = serde_json::json!({
            "at": "2024-02-29T12:34:56.789Z", "east": "2023-11-05T01:30:00-04:00", "span": "1h30m",
        });
        for (text, truth) in [
            ("timestamp(body.at).getFullYear() == 2024", Some(true)),
            ("timestamp(body.at).getMonth() == 1", Some(true)),
            ("timestamp(body.at).getDate() == 29", Some(true)),
            ("timestamp(body.at).getDayOfMonth() == 28", Some(true)),
            ("timestamp(body.at).getDayOfWeek() == 4", Some(true)),
            ("timestamp(body.at).getDayOfYear() == 59", Some(true)),
            ("timestamp(body.at).getHours() == 12", Some(true)),
            ("timestamp(body.at).getHours('+05:30') == 18", Some(true)),
            ("timestamp(body.at).getMinutes('05:30') == 4", Some(true)),
            ("timestamp(body.at).getMinutes('-00:30') == 4", Some(true)),
            ("timestamp(body.at).getHours('24:00') == 12", None),
            ("timestamp(body.at).getHours('+5') == 12", None),
            ("timestamp(body.at).getHours('No/Where') == 12", None),
            ("timestamp(body.at).getMilliseconds() == 789", Some(true)),
            (
                "timestamp(body.at) - timestamp(body.east) > duration('2000h')",
                Some(true),
            ),
            (
                "timestamp(body.at) + duration(body.span) < timestamp(body.at)",
                Some(false),
            ),
            ("string(timestamp(body.at)) == body.at", Some(true)),
            (
                "string(timestamp(body.east) + duration('1s')) == '2023-11-05T01:30:01-04:00'",
                Some(true),
            ),
            (
                "timestamp(body.east) == timestamp('2023-11-05T05:30:00Z')",
                Some(true),
            ),
            ("int(timestamp(body.at)) == 1709210096", Some(true)),
            ("timestamp(1709210096) < timestamp(body.at)", Some(true)),
            ("timestamp(253402300800) == timestamp(0)", None),
            ("timestamp('2024-02-30T00:00:00Z') == timestamp(0)", None),
            ("timestamp('2024-02-29 12:34:56Z') == timestamp(0)", None),
            (
                "timestamp('9999-12-31T23:59:59Z') + duration('1s') == timestamp(0)",
                None,
            ),
            (
                "timestamp('9999-12-31T23:59:59Z').getFullYear('+01:00') == 1",
                None,
            ),
            ("duration(body.span).getMinutes() == 90", Some(true)),
            ("duration('1.5s').getMilliseconds() == 1500", Some(true)),
            ("string(duration(body.span)) == '5400s'", Some(true)),
            ("string(duration('-1.5s')) == '-1.5s'", Some(true)),
            ("duration('1d') == duration('24h')", None),
            (
                "type(timestamp(0)) == google.protobuf.Timestamp",
                Some(true),
            ),
            (
                "type(duration('1s')) == google.protobuf.Duration",
                Some(true),
            ),
            ("timestamp(body.span) == timestamp(0)", None),
        ] {
            let expression = Expression::compile(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            let got = expression.evaluate(&body, &AtomicBool::new(false)).ok();
            assert_eq!(got, truth, "{text}");
        }
    }

    #[test]
    fn an_evaluation_that_is_abandoned_ends() {
        let body = serde_json::json!([1, 2]);
        let expression = Expression::compile("body.all(x, x > 0)").unwrap();
        assert_eq!(
            expression.evaluate(&body, &AtomicBool::new(false)),
            Ok(true)
        );
        assert!(expression.evaluate(&body, &AtomicBool::new(true)).is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[a-z0-9.()\\[\\]{}'\"&|!=<>+? ,:-]{0,30}") {
            if let Ok(expression) = Expression::compile(&text) {
                let _ = expression.evaluate(&serde_json::Value::Null, &AtomicBool::new(false));
            }
        }

        #[test]
        fn no_row_of_tokens_makes_it_panic(tokens in prop::collection::vec(prop::sample::select(vec![
            "body", ".a", "[0]", "['a']", "(", ")", "[", "]", "{", "}", ":", ",", "?", "!", "-",
            "==", "<", "+", "-", "*", "/", "%", "&&", "||", " in ", "1", "2u", "1.5", "'a'", "null",
            "9223372036854775807", "timestamp(", "duration('1h')", "body.t", ".getHours('+01:00')",
            "int(", "string(", "has(", ".all(x, ", ".map(x, x", ".size()", "true", "x",
        ]), 0..10)) {
            if let Ok(expression) = Expression::compile(&tokens.concat()) {
                let body = serde_json::json!({"a": [1, "b", null], "t": "2024-02-29T12:34:56Z"});
                let _ = expression.evaluate(&body, &AtomicBool::new(false));
            }
        }
    }
}
