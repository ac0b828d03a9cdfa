//! From tokens to nodes.

use super::functions;
use super::lex::{self, Token};
use super::{Branch, Command, Node, Operand, Pipe, Template, Value};
use crate::exposition::names::lossy;
use std::collections::HashMap;

/// Parentheses and blocks within each other; far more than anybody writes.
const DEPTH: usize = 100;

/// What ended a list of nodes.
#[derive(Debug, PartialEq)]
enum Stop {
    Text,
    End,
    /// `{{else}}`, `{{else if` or `{{else with`, up to where its pipeline begins.
    Else(Option<&'static str>),
}

struct Tokens {
    all: Vec<Token>,
    at: usize,
}

impl Tokens {
    fn peek(&self) -> Option<&Token> {
        self.all.get(self.at)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.all.get(self.at).cloned();
        self.at += usize::from(token.is_some());
        token
    }

    /// Takes the next token if it is this one.
    fn next_is(&mut self, token: &Token) -> bool {
        let found = self.peek() == Some(token);
        self.at += usize::from(found);
        found
    }
}

struct Parser {
    tokens: Tokens,
    variables: Vec<String>,
    defined: HashMap<String, Vec<Node>>,
    depth: usize,
    ranges: usize,
}

pub(super) fn parse(text: &str) -> Result<Template, String> {
    let mut parser = Parser {
        tokens: Tokens {
            all: lex::tokens(text)?,
            at: 0,
        },
        variables: vec!["$".to_owned()],
        defined: HashMap::new(),
        depth: 0,
        ranges: 0,
    };
    let (main, end) = parser.nodes()?;
    if end != Stop::Text {
        return Err("there is an {{end}} or {{else}} without a block".to_owned());
    }
    Ok(Template {
        main,
        defined: parser.defined,
    })
}

impl Parser {
    fn nodes(&mut self) -> Result<(Vec<Node>, Stop), String> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(format!("blocks are nested more than {DEPTH} deep"));
        }
        let mut nodes = Vec::new();
        let end = loop {
            match self.tokens.next() {
                None => break Stop::Text,
                Some(Token::Text(text)) => nodes.push(Node::Text(text)),
                Some(_) => {
                    self.skip_space();
                    if let Some(end) = self.action(&mut nodes)? {
                        break end;
                    }
                }
            }
        };
        self.depth -= 1;
        Ok((nodes, end))
    }

    /// One action behind its opening braces.
    fn action(&mut self, nodes: &mut Vec<Node>) -> Result<Option<Stop>, String> {
        let word = match self.tokens.peek() {
            Some(Token::Word(word)) => word.clone(),
            _ => String::new(),
        };
        let keywords = [
            "if", "with", "range", "end", "else", "define", "block", "template", "break",
            "continue",
        ];
        if keywords.contains(&word.as_str()) {
            self.tokens.next();
        }
        match word.as_str() {
            "if" => nodes.push(Node::If(self.branch("if")?)),
            "with" => nodes.push(Node::With(self.branch("with")?)),
            "range" => nodes.push(Node::Range(self.branch("range")?)),
            "end" => {
                self.close("end")?;
                return Ok(Some(Stop::End));
            }
            "else" => return self.else_().map(Some),
            "define" => self.define()?,
            "block" => nodes.push(self.block()?),
            "template" => nodes.push(self.template()?),
            "break" | "continue" => {
                self.close(&word)?;
                if self.ranges == 0 {
                    return Err(format!("{{{{{word}}}}} stands outside of a range"));
                }
                nodes.push(match word.as_str() {
                    "break" => Node::Break,
                    _ => Node::Continue,
                });
            }
            _ => {
                let pipe = self.pipe(&Token::Close, 1)?;
                nodes.push(Node::Action(pipe));
            }
        }
        Ok(None)
    }

    fn else_(&mut self) -> Result<Stop, String> {
        self.skip_space();
        for keyword in ["if", "with"] {
            if self.tokens.peek() == Some(&Token::Word(keyword.to_owned())) {
                self.tokens.next();
                return Ok(Stop::Else(Some(keyword)));
            }
        }
        self.close("else")?;
        Ok(Stop::Else(None))
    }

    fn branch(&mut self, keyword: &str) -> Result<Branch, String> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(format!("blocks are nested more than {DEPTH} deep"));
        }
        let scope = self.variables.len();
        let pipe = self.pipe(&Token::Close, if keyword == "range" { 2 } else { 1 })?;
        self.ranges += usize::from(keyword == "range");
        let (then, end) = self.nodes()?;
        self.ranges -= usize::from(keyword == "range");
        let otherwise = match end {
            Stop::End => Vec::new(),
            Stop::Text => return Err(format!("{{{{{keyword}}}}} has no {{{{end}}}}")),
            Stop::Else(None) => {
                let (otherwise, end) = self.nodes()?;
                if end != Stop::End {
                    return Err(format!(
                        "{{{{{keyword}}}}} has no {{{{end}}}} behind its {{{{else}}}}"
                    ));
                }
                otherwise
            }
            Stop::Else(Some(next)) if next == keyword => {
                let branch = self.branch(next)?;
                vec![match next {
                    "if" => Node::If(branch),
                    _ => Node::With(branch),
                }]
            }
            Stop::Else(Some(next)) => {
                return Err(format!(
                    "{{{{else {next}}}}} does not belong to {{{{{keyword}}}}}"
                ));
            }
        };
        self.variables.truncate(scope);
        self.depth -= 1;
        Ok(Branch {
            pipe,
            then,
            otherwise,
        })
    }

    /// The nodes of a named template, which sees no variables of those around it.
    fn body(&mut self) -> Result<Vec<Node>, String> {
        let outside = std::mem::replace(&mut self.variables, vec!["$".to_owned()]);
        let ranges = std::mem::take(&mut self.ranges);
        let (nodes, end) = self.nodes()?;
        if end != Stop::End {
            return Err("a defined template has no {{end}}".to_owned());
        }
        self.variables = outside;
        self.ranges = ranges;
        Ok(nodes)
    }

    fn define(&mut self) -> Result<(), String> {
        if self.depth > 1 {
            return Err("{{define}} stands within a block".to_owned());
        }
        let name = self.name("define")?;
        self.close("define")?;
        let nodes = self.body()?;
        self.add(name, nodes)
    }

    /// Of templates of one name only one may have anything in it.
    fn add(&mut self, name: String, nodes: Vec<Node>) -> Result<(), String> {
        match self.defined.get(&name) {
            Some(known) if !is_empty(known) => match is_empty(&nodes) {
                true => Ok(()),
                false => Err(format!("template {name:?} is defined twice")),
            },
            _ => {
                self.defined.insert(name, nodes);
                Ok(())
            }
        }
    }

    fn block(&mut self) -> Result<Node, String> {
        let name = self.name("block")?;
        let argument = Some(self.pipe(&Token::Close, 1)?);
        let nodes = self.body()?;
        self.add(name.clone(), nodes)?;
        Ok(Node::Call { name, argument })
    }

    fn template(&mut self) -> Result<Node, String> {
        let name = self.name("template")?;
        self.skip_space();
        let argument = match self.tokens.peek() {
            Some(Token::Close) => {
                self.tokens.next();
                None
            }
            _ => Some(self.pipe(&Token::Close, 1)?),
        };
        Ok(Node::Call { name, argument })
    }

    fn name(&mut self, keyword: &str) -> Result<String, String> {
        self.skip_space();
        match self.tokens.next() {
            Some(Token::Quoted(name)) => Ok(lossy(&name).into_owned()),
            _ => Err(format!("expected a quoted name behind {keyword}")),
        }
    }

    fn close(&mut self, keyword: &str) -> Result<(), String> {
        self.skip_space();
        match self.tokens.next() {
            Some(Token::Close) => Ok(()),
            _ => Err(format!("expected nothing behind {keyword}")),
        }
    }

    fn skip_space(&mut self) {
        while self.tokens.next_is(&Token::Space) {}
    }

    /// A pipeline and the token that ends it. `most` variables may take its value.
    fn pipe(&mut self, end: &Token, most: usize) -> Result<Pipe, String> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(format!("parentheses are nested more than {DEPTH} deep"));
        }
        let (variables, assigns) = self.declaration(most)?;
        // Their own pipeline may name them already; what that means is found out when it is run.
        self.variables.extend(variables.iter().cloned());
        let mut commands = Vec::new();
        loop {
            let (command, ended_by) = self.command(end)?;
            match command {
                Some(command) if commands.is_empty() || is_callable(&command.first) => {
                    commands.push(command);
                }
                Some(_) => return Err("a literal stands behind a | and takes no value".to_owned()),
                // Nothing may stand behind the last |.
                None if !commands.is_empty() && ended_by == *end => {}
                None => return Err("a value is missing in an action".to_owned()),
            }
            if ended_by == *end {
                break;
            }
        }
        self.depth -= 1;
        Ok(Pipe {
            variables,
            assigns,
            commands,
        })
    }

    /// `$x :=`, `$i, $x :=` or `$x =`, and whether it is the last. Reads nothing where it is none
    /// of them.
    fn declaration(&mut self, most: usize) -> Result<(Vec<String>, bool), String> {
        self.skip_space();
        let start = self.tokens.at;
        let mut names = Vec::new();
        loop {
            match self.tokens.next() {
                Some(Token::Variable(name)) if names.len() < most => names.push(name),
                _ if names.is_empty() => break,
                _ => return Err("too many variables, or none behind a comma".to_owned()),
            }
            self.skip_space();
            if !self.tokens.next_is(&Token::Punctuation(',')) {
                break;
            }
            self.skip_space();
        }
        let assigns = match self.tokens.peek() {
            Some(Token::Declare) if !names.is_empty() => false,
            Some(Token::Assign) if !names.is_empty() => true,
            _ if names.len() > 1 => return Err("expected := or = behind variables".to_owned()),
            _ => {
                self.tokens.at = start;
                return Ok((Vec::new(), false));
            }
        };
        self.tokens.next();
        Ok((names, assigns))
    }

    /// Operands up to a `|` or the end, and which it was.
    fn command(&mut self, end: &Token) -> Result<(Option<Command>, Token), String> {
        let mut operands = Vec::new();
        let ended_by = loop {
            match self.tokens.next() {
                Some(Token::Space) => {}
                Some(Token::Punctuation('|')) => break Token::Punctuation('|'),
                Some(token) if token == *end => break token,
                Some(token) => {
                    let operand = self.operand(token)?;
                    operands.push(operand);
                    self.expect_separation(end)?;
                }
                None => return Err("an action is not closed".to_owned()),
            }
        };
        let mut operands = operands.into_iter();
        let command = operands.next().map(|first| Command {
            first,
            arguments: operands.collect(),
        });
        Ok((command, ended_by))
    }

    fn expect_separation(&self, end: &Token) -> Result<(), String> {
        match self.tokens.peek() {
            Some(Token::Space | Token::Punctuation('|')) | None => Ok(()),
            Some(token) if token == end => Ok(()),
            Some(_) => Err("two operands stand without white space between them".to_owned()),
        }
    }

    fn operand(&mut self, token: Token) -> Result<Operand, String> {
        Ok(match token {
            Token::Dot => Operand::Dot,
            Token::Field(name) => {
                let mut names = vec![name];
                names.extend(self.fields());
                Operand::Field(names)
            }
            Token::Variable(name) => self.variable(name)?,
            Token::Quoted(text) => Operand::Literal(Value::Text(text)),
            Token::Number(number) => Operand::Number(number),
            Token::Word(word) => match word.as_str() {
                "true" => Operand::Literal(Value::Bool(true)),
                "false" => Operand::Literal(Value::Bool(false)),
                "nil" => Operand::Nil,
                word => {
                    let function = functions::find(word)
                        .ok_or_else(|| format!("function {word:?} is not defined"))?;
                    Operand::Function(function, self.fields())
                }
            },
            Token::Punctuation('(') => {
                let pipe = self.pipe(&Token::Punctuation(')'), 1)?;
                Operand::Nested(Box::new(pipe), self.fields())
            }
            other => return Err(format!("unexpected {} in an action", spelled(&other))),
        })
    }

    fn variable(&mut self, name: String) -> Result<Operand, String> {
        if !self.variables.contains(&name) {
            return Err(format!("undefined variable {name:?}"));
        }
        Ok(Operand::Variable(name, self.fields()))
    }

    /// The fields that follow an operand without white space.
    fn fields(&mut self) -> Vec<String> {
        let mut names = Vec::new();
        while let Some(Token::Field(name)) = self.tokens.peek() {
            names.push(name.clone());
            self.tokens.next();
        }
        names
    }
}

fn is_empty(nodes: &[Node]) -> bool {
    let is_blank = |node: &Node| matches!(node, Node::Text(text) if text.trim().is_empty());
    nodes.iter().all(is_blank)
}

fn is_callable(operand: &Operand) -> bool {
    !matches!(
        operand,
        Operand::Literal(_) | Operand::Number(_) | Operand::Nil | Operand::Dot
    )
}

fn spelled(token: &Token) -> String {
    match token {
        Token::Punctuation(c) => format!("{c:?}"),
        Token::Declare => "\":=\"".to_owned(),
        Token::Assign => "\"=\"".to_owned(),
        Token::Close => "}}".to_owned(),
        _ => "text".to_owned(),
    }
}
