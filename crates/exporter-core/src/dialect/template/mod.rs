//! Go's `text/template`, as far as users' files hold it: actions, pipelines, variables, `if`,
//! `with`, `range`, `define`, `block` and `template`, fields, maps and the built-in functions.
//!
//! [`Template::parse`] tells syntax errors, unknown functions and unknown variables;
//! [`Template::render`] stops at a run-time error and leaves what was written before it.

mod eval;
mod fmt;
mod functions;
mod lex;
mod parse;
mod time;

use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap};

/// What a template is given, and what its parts evaluate to.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing: a missing key, or nil.
    Nil,
    /// A boolean.
    Bool(bool),
    /// A Go `int`.
    Int(i64),
    /// A whole number of another Go type, with the name that it prints as, if it has one.
    Named {
        /// The number.
        number: i64,
        /// What it prints as.
        text: Option<&'static str>,
        /// Its Go type.
        kind: &'static str,
    },
    /// A Go `float64`.
    Float(f64),
    /// A string.
    Text(String),
    /// A point in time, in UTC.
    Time(Timestamp),
    /// A Go `[]string`.
    List(Vec<String>),
    /// A Go `map[string]string`: a key that is missing is [`Value::Nil`].
    Map(BTreeMap<String, String>),
    /// Named fields; any other name is an error.
    Record(Vec<(&'static str, Value)>),
}

/// A parsed template and those it defines.
#[derive(Clone, Debug)]
pub struct Template {
    main: Vec<Node>,
    defined: HashMap<String, Vec<Node>>,
}

impl Template {
    /// Parses a template. The error is a sentence without the template's name.
    pub fn parse(text: &str) -> Result<Self, String> {
        parse::parse(text)
    }

    /// Appends to `out`. After an error `out` holds what was written before it.
    pub fn render(&self, data: &Value, out: &mut String) -> Result<(), String> {
        eval::render(self, data, out)
    }
}

#[derive(Clone, Debug)]
enum Node {
    Text(String),
    Action(Pipe),
    If(Branch),
    With(Branch),
    Range(Branch),
    Call {
        name: String,
        argument: Option<Pipe>,
    },
    Break,
    Continue,
}

#[derive(Clone, Debug)]
struct Branch {
    pipe: Pipe,
    then: Vec<Node>,
    otherwise: Vec<Node>,
}

/// Commands, each fed with the value of the one before, and the variables that take the last.
#[derive(Clone, Debug)]
struct Pipe {
    variables: Vec<String>,
    /// `=` in place of `:=`.
    assigns: bool,
    commands: Vec<Command>,
}

#[derive(Clone, Debug)]
struct Command {
    first: Operand,
    arguments: Vec<Operand>,
}

#[derive(Clone, Debug)]
enum Operand {
    Dot,
    Nil,
    Literal(Value),
    Function(&'static str),
    Field(Vec<String>),
    Variable(String, Vec<String>),
    /// A parenthesis and the fields behind it.
    Nested(Box<Pipe>, Vec<String>),
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn data() -> Value {
        let matches = [("", "last"), ("Cfgfile", "/etc/x.cf"), ("n", "7")];
        let matches = matches.map(|(k, v)| (k.to_owned(), v.to_owned()));
        Value::Record(vec![
            ("Comm", Value::Text("cat".to_owned())),
            ("PID", Value::Int(42)),
            ("Matches", Value::Map(BTreeMap::from(matches))),
            (
                "StartTime",
                Value::Time("2026-03-04T05:06:07.08Z".parse().unwrap()),
            ),
            (
                "Cgroups",
                Value::List(vec!["/a".to_owned(), "/b/c".to_owned()]),
            ),
        ])
    }

    fn render(text: &str) -> (String, bool) {
        let template = Template::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        let mut out = String::new();
        let result = template.render(&data(), &mut out);
        (out, result.is_ok())
    }

    #[test]
    fn renders() {
        for (text, expected) in [
            ("plain", "plain"),
            ("{{.Comm | }}", "cat"),
            ("{{.Comm}}:{{.PID}}", "cat:42"),
            (" {{- .Comm -}} \n x", "catx"),
            ("a{{/* note */}}b {{- /* note */ -}} c", "abc"),
            (
                "{{.Matches.Cfgfile}} {{.Matches.none}}",
                "/etc/x.cf <no value>",
            ),
            (
                "{{index .Matches \"none\"}}|{{index .Matches \"\"}}",
                "|last",
            ),
            ("{{index .Cgroups 1}} {{len .Cgroups}}", "/b/c 2"),
            ("{{slice .Comm 1}} {{slice .Comm 0 2}}", "at ca"),
            (
                "{{.Matches}} {{.Cgroups}}",
                "map[:last Cfgfile:/etc/x.cf n:7] [/a /b/c]",
            ),
            ("{{with .Matches.none}}x{{else}}y{{end}}", "y"),
            ("{{with $x := .Comm}}{{.}}{{$x}}{{end}}", "catcat"),
            (
                "{{if eq .Comm \"dog\" \"cat\"}}1{{else if true}}2{{end}}",
                "1",
            ),
            (
                "{{if gt .PID 100}}1{{else if gt .PID 40}}2{{else}}3{{end}}",
                "2",
            ),
            (
                "{{range $i, $c := .Cgroups}}{{$i}}={{$c}};{{end}}",
                "0=/a;1=/b/c;",
            ),
            (
                "{{range .Cgroups}}{{if eq . \"/b/c\"}}{{break}}{{end}}{{.}}{{end}}",
                "/a",
            ),
            (
                "{{range .Cgroups}}{{if eq . \"/a\"}}{{continue}}{{end}}{{.}}{{end}}",
                "/b/c",
            ),
            (
                "{{range $k, $v := .Matches}}{{$k}}:{{$v}},{{end}}",
                ":last,Cfgfile:/etc/x.cf,n:7,",
            ),
            ("{{range 3}}{{.}}{{end}}", "012"),
            ("{{range .Matches.none}}x{{else}}none{{end}}", "none"),
            (
                "{{define \"t\"}}<{{.}}>{{end}}{{template \"t\" .Comm}}",
                "<cat>",
            ),
            ("{{block \"t\" .PID}}[{{.}}]{{end}}", "[42]"),
            ("{{$x := 1}}{{if true}}{{$x = 2}}{{end}}{{$x}}", "2"),
            ("{{$x := 1}}{{if true}}{{$x := 2}}{{end}}{{$x}}", "1"),
            ("{{.Comm | printf \"%s-%d\" \"a\" | len}}", "17"),
            (
                "{{printf \"%05d|%-4s|%4s|%q|%x|%.2f|%t|%T|%%\" .PID .Comm \"é\" \"a\\\"\" \"hi\" 1.5 true .PID}}",
                "00042|cat |   é|\"a\\\"\"|6869|1.50|true|int|%",
            ),
            (
                "{{printf \"%v %v %v %[2]v %[9]d\" .Matches.none 1.0 1e6}}",
                "<nil> 1 1e+06 1 %!d(BADINDEX)",
            ),
            ("{{printf \"%d %s\" .Comm}}", "%!d(string=cat) %!s(MISSING)"),
            ("{{printf \"%s\" 1 2}}", "%!s(int=1)%!(EXTRA int=2)"),
            ("{{print 1 2 \"a\" \"b\" 3}}", "1 2ab3"),
            ("{{println .Comm 1}}", "cat 1\n"),
            (
                "{{html \"<a>&'\"}} {{urlquery \"a b/\"}} {{js \"it's\"}}",
                "&lt;a&gt;&amp;&#39; a+b%2F it\\'s",
            ),
            (
                "{{and .Comm 0 .PID}} {{or \"\" .Matches.none .PID}} {{not .Comm}}",
                "0 42 false",
            ),
            ("{{or true (index .Cgroups 9)}}", "true"),
            ("{{.StartTime}}", "2026-03-04 05:06:07.08 +0000 UTC"),
            (
                "{{.StartTime.Unix}} {{.StartTime.Month}} {{printf \"%d\" .StartTime.Month}}",
                "1772600767 March 3",
            ),
            (
                "{{.StartTime.Format \"Mon Jan _2 15:04:05.000 2006 MST -07:00 Z07:00 02/1/06 3PM 002\"}}",
                "Wed Mar  4 05:06:07.080 2026 UTC +00:00 Z 04/3/26 5AM 063",
            ),
            (
                "{{(index .Cgroups 0) | printf \"%q\"}} {{`raw\\n`}} {{'a'}} {{0x1F}} {{1_000}}",
                "\"/a\" raw\\n 97 31 1000",
            ),
            (
                "{{(.StartTime).Year}} {{$.Comm}} {{$s := .}}{{$s.PID}}",
                "2026 cat 42",
            ),
        ] {
            assert_eq!(render(text), (expected.to_owned(), true), "{text}");
        }
    }

    #[test]
    fn errors_at_run_time_keep_what_was_written() {
        for (text, expected) in [
            ("a{{.Nope}}b", "a"),
            ("a{{nil}}b", "a"),
            ("a{{$x = 1}}b", "a"),
            ("a{{index .Cgroups 9}}b", "a"),
            ("a{{slice .Comm 9}}b", "a"),
            ("a{{template \"nope\"}}b", "a"),
            ("a{{len 3}}b", "a"),
            ("a{{lt 1 1.5}}b", "a"),
            ("a{{eq 1 \"x\"}}b", "a"),
            ("a{{.Comm 1}}b", "a"),
            ("a{{call .Comm}}b", "a"),
            ("a{{.StartTime.Nope}}b", "a"),
            ("a{{.Comm.Nope}}b", "a"),
            ("{{define \"t\"}}x{{template \"t\"}}{{end}}a{{len 1}}", "a"),
        ] {
            assert_eq!(render(text), (expected.to_owned(), false), "{text}");
        }
    }

    #[test]
    fn errors_of_syntax() {
        for text in [
            "{{",
            "{{.Comm",
            "{{nope .Comm}}",
            "{{$x}}",
            "{{end}}",
            "{{if true}}",
            "{{else}}",
            "{{if}}x{{end}}",
            "{{/* open",
            "{{\"open}}",
            "{{| }}",
            "{{| .Comm}}",
            "{{08}}",
            "{{define \"a\"}}1{{end}}{{define \"a\"}}2{{end}}",
            "{{range .}}{{else}}{{else}}{{end}}",
            "{{break}}",
            "{{define t}}{{end}}",
            "{{(1}}",
            "{{1)}}",
            "{{template .Comm}}",
            "{{.Comm | 1}}",
            "{{ 'ab' }}",
            "{{1x}}",
            "{{.a$b}}",
            "{{$x, $y := 1}}",
            "{{if true}}{{define \"x\"}}{{end}}{{end}}",
            "{{end .}}",
        ] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn templates_that_never_end_are_stopped() {
        let endless = "{{define \"t\"}}{{template \"t\"}}{{end}}{{template \"t\"}}";
        assert!(!render(endless).1);
        assert!(!render("{{range 1000000000}}x{{end}}").1);
        assert!(Template::parse(&format!("{{{{{}", "(".repeat(100_000))).is_err());
        assert!(Template::parse(&"{{if 1}}".repeat(100_000)).is_err());
        assert!(Template::parse(&"{{if 1}}{{else ".repeat(50_000)).is_err());
        assert!(!render("{{printf \"%999999999d\" 1}}").0.contains("  "));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(
            text: String,
            actions in "(\\{\\{[-a-z.$|()\"%0-9 :=]{0,12}\\}\\}|x){0,6}",
            format in "[%a-z0-9.*+# -]{0,10}",
        ) {
            let printf = format!("{{{{printf {format:?} .PID .Comm .StartTime .Cgroups 1.5}}}}");
            let layout = format!("{{{{.StartTime.Format {format:?}}}}}");
            for text in [&text, &actions, &format!("{{{{{text}}}}}"), &printf, &layout] {
                if let Ok(template) = Template::parse(text) {
                    let _ = template.render(&data(), &mut String::new());
                }
            }
        }
    }
}
