//! From nodes and data to text.

use super::fmt;
use super::functions;
use super::time;
use super::{Branch, Command, Node, Operand, Pipe, Template, Value};

/// Templates that call each other; a template that calls itself for ever ends here.
const DEPTH: usize = 100;
/// Nodes and bytes of one rendering.
const STEPS: usize = 100_000;

pub(super) struct Machine<'a> {
    template: &'a Template,
    variables: Vec<(&'a str, Value)>,
    out: &'a mut String,
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

pub(super) fn render(template: &Template, data: &Value, out: &mut String) -> Result<(), String> {
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
        match node {
            Node::Text(text) => self.out.push_str(text),
            Node::Action(pipe) => {
                let value = self.pipe(pipe, dot)?;
                if pipe.variables.is_empty() {
                    match value {
                        Value::Nil => self.out.push_str("<no value>"),
                        value => fmt::push(self.out, &value),
                    }
                }
            }
            Node::If(branch) => {
                let scope = self.variables.len();
                let value = self.pipe(&branch.pipe, dot)?;
                let nodes = match truth(&value) {
                    true => &branch.then,
                    false => &branch.otherwise,
                };
                let flow = self.nodes(nodes, dot)?;
                self.variables.truncate(scope);
                return Ok(flow);
            }
            Node::With(branch) => {
                let scope = self.variables.len();
                let value = self.pipe(&branch.pipe, dot)?;
                let flow = match truth(&value) {
                    true => self.nodes(&branch.then, &value)?,
                    false => self.nodes(&branch.otherwise, dot)?,
                };
                self.variables.truncate(scope);
                return Ok(flow);
            }
            Node::Range(branch) => return self.range(branch, dot),
            Node::Call { name, argument } => self.call(name, argument.as_ref(), dot)?,
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::On)
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
        let scope = self.variables.len();
        let pipe = &branch.pipe;
        // The variables take the elements, not the whole.
        let whole = self.commands(pipe, dot)?;
        let mut empty = true;
        let mut each = |machine: &mut Self, key: Value, value: Value| {
            empty = false;
            machine.step()?;
            match pipe.variables.as_slice() {
                [] => {}
                [one] if matches!(whole, Value::Int(_)) => machine.bind(pipe, one, key)?,
                [one] => machine.bind(pipe, one, value.clone())?,
                [first, second, ..] => {
                    machine.bind(pipe, first, key)?;
                    machine.bind(pipe, second, value.clone())?;
                }
            }
            let inner = machine.variables.len();
            let flow = machine.nodes(&branch.then, &value)?;
            machine.variables.truncate(inner);
            if !pipe.assigns {
                machine.variables.truncate(scope);
            }
            Ok::<bool, String>(flow == Flow::Break)
        };
        match &whole {
            Value::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    let (key, value) = (Value::Int(index as i64), Value::Text(item.clone()));
                    if each(self, key, value)? {
                        break;
                    }
                }
            }
            Value::Map(map) => {
                for (key, value) in map {
                    if each(self, Value::Text(key.clone()), Value::Text(value.clone()))? {
                        break;
                    }
                }
            }
            Value::Int(count) => {
                if *count > 0 && pipe.variables.len() > 1 {
                    return Err("range over a number takes one variable".to_owned());
                }
                for index in 0..*count {
                    if each(self, Value::Int(index), Value::Int(index))? {
                        break;
                    }
                }
            }
            Value::Nil => {}
            other => return Err(format!("range can't iterate over {}", fmt::kind(other))),
        }
        if empty {
            let flow = self.nodes(&branch.otherwise, dot)?;
            self.variables.truncate(scope);
            return Ok(flow);
        }
        self.variables.truncate(scope);
        Ok(Flow::On)
    }

    fn bind(&mut self, pipe: &Pipe, name: &'a str, value: Value) -> Result<(), String> {
        if !pipe.assigns {
            self.variables.push((name, value));
            return Ok(());
        }
        let known = self.variables.iter_mut().rev().find(|v| v.0 == name);
        let known = known.ok_or_else(|| format!("undefined variable {name:?}"))?;
        known.1 = value;
        Ok(())
    }

    pub(super) fn pipe(&mut self, pipe: &'a Pipe, dot: &Value) -> Result<Value, String> {
        let value = self.commands(pipe, dot)?;
        for name in &pipe.variables {
            self.bind(pipe, name, value.clone())?;
        }
        Ok(value)
    }

    fn commands(&mut self, pipe: &'a Pipe, dot: &Value) -> Result<Value, String> {
        let mut value = None;
        for command in &pipe.commands {
            value = Some(self.command(command, dot, value)?);
        }
        Ok(value.unwrap_or(Value::Nil))
    }

    fn command(
        &mut self,
        command: &'a Command,
        dot: &Value,
        last: Option<Value>,
    ) -> Result<Value, String> {
        match &command.first {
            Operand::Function(name @ ("and" | "or")) => {
                return self.short_circuit(name, command, dot, last);
            }
            Operand::Function(name) => {
                let arguments = self.arguments(command, dot, last)?;
                return functions::call(name, &arguments);
            }
            Operand::Field(names) => {
                let (method, path) = names.split_last().ok_or("a field has no name")?;
                let receiver = fields(dot.clone(), path)?;
                return self.member(receiver, method, command, dot, last);
            }
            Operand::Variable(_, names) | Operand::Nested(_, names) if !names.is_empty() => {
                let (method, path) = names.split_last().ok_or("a field has no name")?;
                let receiver = fields(self.base(&command.first, dot)?, path)?;
                return self.member(receiver, method, command, dot, last);
            }
            Operand::Nil => return Err("nil is not a command".to_owned()),
            _ => {}
        }
        if !command.arguments.is_empty() || last.is_some() {
            return Err("arguments are given to what is no function".to_owned());
        }
        self.operand(&command.first, dot)
    }

    fn arguments(
        &mut self,
        command: &'a Command,
        dot: &Value,
        last: Option<Value>,
    ) -> Result<Vec<Value>, String> {
        let mut values = Vec::with_capacity(command.arguments.len() + 1);
        for operand in &command.arguments {
            values.push(self.operand(operand, dot)?);
        }
        values.extend(last);
        Ok(values)
    }

    /// The last field of a path, which may be a method that takes arguments.
    fn member(
        &mut self,
        receiver: Value,
        name: &str,
        command: &'a Command,
        dot: &Value,
        last: Option<Value>,
    ) -> Result<Value, String> {
        if let Value::Time(instant) = receiver {
            let arguments = self.arguments(command, dot, last)?;
            return time::method(instant, name, &arguments);
        }
        if !command.arguments.is_empty() || last.is_some() {
            return Err(format!("{name} has arguments but is no method"));
        }
        field(receiver, name)
    }

    /// `and` and `or` evaluate no further than they must.
    fn short_circuit(
        &mut self,
        name: &str,
        command: &'a Command,
        dot: &Value,
        last: Option<Value>,
    ) -> Result<Value, String> {
        let stops = |value: &Value| truth(value) == (name == "or");
        let mut value = None;
        for operand in &command.arguments {
            let next = self.operand(operand, dot)?;
            if stops(&next) {
                return Ok(next);
            }
            value = Some(next);
        }
        last.or(value)
            .ok_or_else(|| format!("{name} wants at least one argument"))
    }

    fn base(&mut self, operand: &'a Operand, dot: &Value) -> Result<Value, String> {
        match operand {
            Operand::Variable(name, _) => {
                let found = self.variables.iter().rev().find(|v| v.0 == name);
                let found = found.map(|v| v.1.clone());
                found.ok_or_else(|| format!("undefined variable {name:?}"))
            }
            Operand::Nested(pipe, _) => self.pipe(pipe, dot),
            _ => Ok(dot.clone()),
        }
    }

    fn operand(&mut self, operand: &'a Operand, dot: &Value) -> Result<Value, String> {
        match operand {
            Operand::Dot => Ok(dot.clone()),
            Operand::Nil => Ok(Value::Nil),
            Operand::Literal(value) => Ok(value.clone()),
            Operand::Function(name) => functions::call(name, &[]),
            Operand::Field(names) => fields(dot.clone(), names),
            Operand::Variable(_, names) | Operand::Nested(_, names) => {
                let base = self.base(operand, dot)?;
                fields(base, names)
            }
        }
    }
}

fn fields(value: Value, names: &[String]) -> Result<Value, String> {
    names
        .iter()
        .try_fold(value, |value, name| field(value, name))
}

fn field(value: Value, name: &str) -> Result<Value, String> {
    match value {
        Value::Nil => Ok(Value::Nil),
        Value::Map(mut map) => Ok(map.remove(name).map_or(Value::Nil, Value::Text)),
        Value::Record(fields) => {
            let found = fields.into_iter().find(|f| f.0 == name);
            found
                .map(|f| f.1)
                .ok_or_else(|| format!("there is no field {name}"))
        }
        Value::Time(instant) => time::method(instant, name, &[]),
        other => Err(format!(
            "can't evaluate field {name} in {}",
            fmt::kind(&other)
        )),
    }
}

/// Whether Go's templates take a value for true.
pub(super) fn truth(value: &Value) -> bool {
    match value {
        Value::Nil => false,
        Value::Bool(value) => *value,
        Value::Int(number) | Value::Named { number, .. } => *number != 0,
        Value::Float(number) => *number != 0.0,
        Value::Text(text) => !text.is_empty(),
        Value::List(items) => !items.is_empty(),
        Value::Map(map) => !map.is_empty(),
        Value::Time(_) | Value::Record(_) => true,
    }
}
