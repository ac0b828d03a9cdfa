//! Go's `text/template`, as far as users' files hold it: actions, pipelines, variables, `if`,
//! `with`, `range`, `define`, `block` and `template`, fields, maps and the built-in functions.
//!
//! [`Template::parse`] tells syntax errors, unknown functions and unknown variables;
//! [`Template::render`] stops at a run-time error and leaves what was written before it.

mod eval;
mod fmt;
mod functions;
mod layout;
mod lex;
mod methods;
mod number;
mod parse;
#[cfg(test)]
mod tests;
mod time;
mod value;

pub use value::{Record, Text, Value, Whole};

use number::Number;
use std::collections::HashMap;

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

    /// Appends to `out`, which need not be UTF-8 then. After an error `out` holds what was written
    /// before it.
    pub fn render(&self, data: &Value, out: &mut Vec<u8>) -> Result<(), String> {
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

impl Branch {
    fn taken(&self, truth: bool) -> &[Node] {
        match truth {
            true => &self.then,
            false => &self.otherwise,
        }
    }
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
    Number(Number),
    Function(&'static str, Vec<String>),
    Field(Vec<String>),
    Variable(String, Vec<String>),
    /// A parenthesis and the fields behind it.
    Nested(Box<Pipe>, Vec<String>),
}
