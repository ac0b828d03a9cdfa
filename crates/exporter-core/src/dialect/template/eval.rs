//! From nodes and data to text.

use super::functions::{self, Given};
use super::methods;
use super::value::{Value, Whole};
use super::{Branch, Command, Node, Operand, Pipe, Template, fmt};

/// Templates that call each other; a template that calls itself for ever ends here.
const DEPTH: usize = 100;
/// Nodes and bytes of one rendering.
const STEPS: usize = 100_000;

pub(super) struct Machine<'a> {
    template: &'a Template,
    variables: Vec<(&'a str, Value)>,
    out: &'a mut Vec<u8>,
    depth: usize,
    steps: usize,
}

/// What a loop does next.
#[derive(Clone, Copy, PartialEq)]
enum Flow {
    On,
    Break,
    Continue,
}

pub(super) fn render(template: &Template, data: &Value, out: &mut Vec<u8>) -> Result<(), String> {
    let mut machine = Machine {
        template,
        variables: vec![("$", data.clone())],
        out,
        depth: 0,
        steps: 0,
    };
    machine.nodes(&template.main, data).map(drop)
}

impl<'a> Machine<'a> {
    fn nodes(&mut self, nodes: &'a [Node], dot: &Value) -> Result<Flow, String> {
        for node in nodes {
            let flow = self.node(node, dot)?;
            if flow != Flow::On {
                return Ok(flow);
            }
        }
        Ok(Flow::On)
    }

    fn step(&mut self) -> Result<(), String> {
        self.steps += 1;
        match self.steps > STEPS || self.out.len() > STEPS {
            true => Err("the template does not come to an end".to_owned()),
            false => Ok(()),
        }
    }

    fn node(&mut self, node: &'a Node, dot: &Value) -> Result<Flow, String> {
        self.step()?;
        let scope = self.variables.len();
        let flow = match node {
            Node::Text(text) => {
                self.out.extend_from_slice(text.as_bytes());
                return Ok(Flow::On);
            }
            Node::Action(pipe) => {
                let value = self.pipe(pipe, dot)?;
                if pipe.variables.is_empty() {
                    fmt::push_printable(self.out, &value);
                }
                return Ok(Flow::On);
            }
            Node::If(branch) => {
                let value = self.pipe(&branch.pipe, dot)?;
                self.nodes(branch.taken(value.truth()), dot)?
            }
            Node::With(branch) => {
                let value = self.pipe(&branch.pipe, dot)?;
                let truth = value.truth();
                self.nodes(branch.taken(truth), if truth { &value } else { dot })?
            }
            Node::Range(branch) => self.range(branch, dot)?,
            Node::Call { name, argument } => {
                self.call(name, argument.as_ref(), dot)?;
                Flow::On
            }
            Node::Break => Flow::Break,
            Node::Continue => Flow::Continue,
        };
        self.variables.truncate(scope);
        Ok(flow)
    }

    fn call(&mut self, name: &str, argument: Option<&'a Pipe>, dot: &Value) -> Result<(), String> {
        let nodes = self.template.defined.get(name);
        let nodes = nodes.ok_or_else(|| format!("template {name:?} is not defined"))?;
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(format!("templates call each other more than {DEPTH} deep"));
        }
        let value = match argument {
            Some(pipe) => self.pipe(pipe, dot)?,
            None => Value::Nil,
        };
        let outside = std::mem::replace(&mut self.variables, vec![("$", value.clone())]);
        self.nodes(nodes, &value)?;
        self.variables = outside;
        self.depth -= 1;
        Ok(())
    }

    fn range(&mut self, branch: &'a Branch, dot: &Value) -> Result<Flow, String> {
        // Until there is an element, the variables hold the whole.
        let whole = self.pipe(&branch.pipe, dot)?;
        let declared = branch.pipe.variables.len();
        if matches!(whole, Value::Whole(..)) && declared > 1 {
            return Err("range over a number takes one variable".to_owned());
        }
        let scope = self.variables.len();
        let mut empty = true;
        for (key, value) in elements(&whole)? {
            empty = false;
            self.step()?;
            self.set_range(&branch.pipe, key, &value)?;
            let flow = self.nodes(&branch.then, &value)?;
            self.variables.truncate(scope);
            if flow == Flow::Break {
                break;
            }
        }
        let flow = match empty {
            true => self.nodes(&branch.otherwise, dot)?,
            false => Flow::On,
        };
        // A break ends this range even where it has no element; to continue concerns the next outer.
        Ok(match flow {
            Flow::Break => Flow::On,
            flow => flow,
        })
    }

    /// Gives an element to the variables of a range.
    fn set_range(&mut self, pipe: &'a Pipe, key: Value, value: &Value) -> Result<(), String> {
        let values = match pipe.variables.len() {
            1 => vec![value.clone()],
            _ => vec![key, value.clone()],
        };
        let first = self.variables.len().saturating_sub(pipe.variables.len());
        for (at, (name, value)) in pipe.variables.iter().zip(values).enumerate() {
            match pipe.assigns {
                true => self.assign(name, value)?,
                false => self.variables[first + at].1 = value,
            }
        }
        Ok(())
    }

    fn assign(&mut self, name: &str, value: Value) -> Result<(), String> {
        let known = self.variables.iter_mut().rev().find(|v| v.0 == name);
        let known = known.ok_or_else(|| format!("undefined variable {name:?}"))?;
        known.1 = value;
        Ok(())
    }

    pub(super) fn pipe(&mut self, pipe: &'a Pipe, dot: &Value) -> Result<Value, String> {
        let mut value = None;
        for command in &pipe.commands {
            value = Some(self.command(command, dot, value)?);
        }
        let value = value.unwrap_or(Value::Nil);
        for name in &pipe.variables {
            match pipe.assigns {
                true => self.assign(name, value.clone())?,
                false => self.variables.push((name, value.clone())),
            }
        }
        Ok(value)
    }

    fn command(
        &mut self,
        command: &'a Command,
        dot: &Value,
        last: Option<Value>,
    ) -> Result<Value, String> {
        let given = Given {
            operands: &command.arguments,
            last,
        };
        match &command.first {
            Operand::Function(name, names) if names.is_empty() => {
                return functions::call(self, name, given, dot);
            }
            Operand::Field(names) => return self.chain(dot.clone(), names, given, dot),
            Operand::Function(_, names)
            | Operand::Variable(_, names)
            | Operand::Nested(_, names)
                if !names.is_empty() =>
            {
                let base = self.base(&command.first, dot)?;
                return self.chain(base, names, given, dot);
            }
            Operand::Nil => return Err("nil is not a command".to_owned()),
            _ => {}
        }
        match given.is_empty() {
            true => self.operand(&command.first, dot),
            false => Err("arguments are given to what is no function".to_owned()),
        }
    }

    /// Fields of fields, of which the last may be a method that takes arguments.
    fn chain(
        &mut self,
        base: Value,
        names: &'a [String],
        given: Given<'a>,
        dot: &Value,
    ) -> Result<Value, String> {
        let Some((last, path)) = names.split_last() else {
            return Ok(base);
        };
        let mut receiver = base;
        for name in path {
            receiver = self.member(&receiver, name, Given::default(), dot)?;
        }
        self.member(&receiver, last, given, dot)
    }

    fn member(
        &mut self,
        receiver: &Value,
        name: &str,
        given: Given<'a>,
        dot: &Value,
    ) -> Result<Value, String> {
        if let Some(method) = methods::find(receiver, name) {
            return methods::call(self, receiver, method, given, dot);
        }
        match receiver {
            Value::Nil => return Ok(Value::Nil),
            Value::Map(map) if given.is_empty() => {
                let found = map.get(name.as_bytes()).cloned();
                return Ok(found.map_or(Value::Nil, Value::Text));
            }
            Value::Record(record) if given.is_empty() => {
                let mut fields = record.fields.iter();
                if let Some(field) = fields.find(|field| field.0 == name) {
                    return Ok(field.1.clone());
                }
            }
            _ => {}
        }
        let kind = receiver.kind();
        Err(match given.is_empty() {
            true => format!("there is no field or method {name} in {kind}"),
            false => format!("there is no method {name} of {kind} that takes arguments"),
        })
    }

    /// What the fields of an operand are fields of.
    fn base(&mut self, operand: &'a Operand, dot: &Value) -> Result<Value, String> {
        match operand {
            Operand::Variable(name, _) => {
                let found = self.variables.iter().rev().find(|v| v.0 == name);
                let found = found.map(|v| v.1.clone());
                found.ok_or_else(|| format!("undefined variable {name:?}"))
            }
            Operand::Nested(pipe, _) => self.pipe(pipe, dot),
            Operand::Function(name, _) => functions::call(self, name, Given::default(), dot),
            Operand::Nil => Ok(Value::Nil),
            Operand::Literal(value) => Ok(value.clone()),
            Operand::Number(number) => {
                let ideal = number.ideal.clone();
                ideal.ok_or_else(|| "a number is too large for an int".to_owned())
            }
            Operand::Dot | Operand::Field(_) => Ok(dot.clone()),
        }
    }

    /// An operand that stands where any type will do.
    pub(super) fn operand(&mut self, operand: &'a Operand, dot: &Value) -> Result<Value, String> {
        let base = self.base(operand, dot)?;
        match operand {
            Operand::Field(names)
            | Operand::Function(_, names)
            | Operand::Variable(_, names)
            | Operand::Nested(_, names) => self.chain(base, names, Given::default(), dot),
            _ => Ok(base),
        }
    }
}

/// What a range goes over, with keys or positions.
fn elements(whole: &Value) -> Result<Box<dyn Iterator<Item = (Value, Value)> + '_>, String> {
    let position = |at: usize| Value::int(at as i64);
    Ok(match whole {
        Value::Nil => Box::new(std::iter::empty()),
        Value::List(items) => {
            let items = items.iter().cloned().enumerate();
            Box::new(items.map(move |(at, item)| (position(at), Value::Text(item))))
        }
        Value::Bytes(bytes) => {
            let bytes = bytes.iter().enumerate();
            let number = |byte: &u8| Value::Whole(Whole::Uint8, i64::from(*byte));
            Box::new(bytes.map(move |(at, byte)| (position(at), number(byte))))
        }
        Value::Map(map) => {
            let entries = map.iter();
            Box::new(entries.map(|(k, v)| (Value::Text(k.clone()), Value::Text(v.clone()))))
        }
        Value::Whole(kind, count) => {
            let kind = *kind;
            Box::new((0..*count).map(move |at| (Value::Nil, Value::Whole(kind, at))))
        }
        other => return Err(format!("range can't iterate over {}", other.kind())),
    })
}
