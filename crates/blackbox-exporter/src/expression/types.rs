//! What type each part of an expression has, found before any body is there.
//!
//! The rules are those of the CEL specification as cel-go applies them: a function is a set of
//! overloads, what is dynamic fits everywhere, and type parameters are found by unification.
//! <https://github.com/google/cel-spec/blob/master/doc/langdef.md>

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue};
use std::collections::HashMap;
use std::fmt;

/// The type of an expression.
#[derive(Clone, Debug, PartialEq)]
enum Type {
    Bool,
    Int,
    Uint,
    Double,
    Text,
    Bytes,
    Null,
    Timestamp,
    Duration,
    /// Known only when there is a body.
    Dynamic,
    List(Box<Type>),
    Map(Box<Type>, Box<Type>),
    /// What the name of a type is.
    Of(Box<Type>),
    /// A parameter that stands for some type.
    Parameter(u32),
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Type::Bool => "bool",
            Type::Int => "int",
            Type::Uint => "uint",
            Type::Double => "double",
            Type::Text => "string",
            Type::Bytes => "bytes",
            Type::Null => "null",
            Type::Timestamp => "timestamp",
            Type::Duration => "duration",
            Type::Dynamic => "dyn",
            Type::List(item) => return write!(f, "list({item})"),
            Type::Map(key, value) => return write!(f, "map({key}, {value})"),
            Type::Of(of) => return write!(f, "type({of})"),
            Type::Parameter(_) => "_",
        })
    }
}

/// A type in a signature; `A` and `B` are its parameters.
#[derive(Clone, Copy)]
enum Sign {
    Bool,
    Int,
    Uint,
    Double,
    Text,
    Bytes,
    Timestamp,
    Duration,
    Dynamic,
    A,
    B,
    ListA,
    MapAB,
    TypeA,
}

use Sign::{
    A, B, Bool, Bytes, Double, Duration, Dynamic, Int, ListA, MapAB, Text, Timestamp, Uint,
};

/// One overload: whether it is called on its first argument, its arguments and its result.
type Overload = (bool, &'static [Sign], Sign);

const CALLED: bool = false;
const METHOD: bool = true;

/// Types of both sides of a comparison by order.
const ORDER: &[Overload] = &[
    (CALLED, &[Bool, Bool], Bool),
    (CALLED, &[Int, Int], Bool),
    (CALLED, &[Uint, Uint], Bool),
    (CALLED, &[Double, Double], Bool),
    (CALLED, &[Text, Text], Bool),
    (CALLED, &[Bytes, Bytes], Bool),
    (CALLED, &[Timestamp, Timestamp], Bool),
    (CALLED, &[Duration, Duration], Bool),
];
const EQUALITY: &[Overload] = &[(CALLED, &[A, A], Bool)];
const NUMBERS: &[Overload] = &[
    (CALLED, &[Double, Double], Double),
    (CALLED, &[Int, Int], Int),
    (CALLED, &[Uint, Uint], Uint),
];
const OF_TEXTS: &[Overload] = &[(METHOD, &[Text, Text], Bool)];
const OF_DATES: &[Overload] = &[
    (METHOD, &[Timestamp], Int),
    (METHOD, &[Timestamp, Text], Int),
];
const OF_TIMES: &[Overload] = &[
    (METHOD, &[Timestamp], Int),
    (METHOD, &[Timestamp, Text], Int),
    (METHOD, &[Duration], Int),
];

/// Operators and functions of the standard library. The logical ones and the condition are not
/// here: they are typed by rules of their own.
const FUNCTIONS: &[(&str, &[Overload])] = &[
    ("!_", &[(CALLED, &[Bool], Bool)]),
    ("-_", &[(CALLED, &[Double], Double), (CALLED, &[Int], Int)]),
    (
        "_+_",
        &[
            (CALLED, &[Bytes, Bytes], Bytes),
            (CALLED, &[Double, Double], Double),
            (CALLED, &[Duration, Duration], Duration),
            (CALLED, &[Duration, Timestamp], Timestamp),
            (CALLED, &[Timestamp, Duration], Timestamp),
            (CALLED, &[Int, Int], Int),
            (CALLED, &[ListA, ListA], ListA),
            (CALLED, &[Text, Text], Text),
            (CALLED, &[Uint, Uint], Uint),
        ],
    ),
    (
        "_-_",
        &[
            (CALLED, &[Double, Double], Double),
            (CALLED, &[Duration, Duration], Duration),
            (CALLED, &[Int, Int], Int),
            (CALLED, &[Timestamp, Duration], Timestamp),
            (CALLED, &[Timestamp, Timestamp], Duration),
            (CALLED, &[Uint, Uint], Uint),
        ],
    ),
    ("_*_", NUMBERS),
    ("_/_", NUMBERS),
    (
        "_%_",
        &[(CALLED, &[Int, Int], Int), (CALLED, &[Uint, Uint], Uint)],
    ),
    ("_==_", EQUALITY),
    ("_!=_", EQUALITY),
    ("_<_", ORDER),
    ("_<=_", ORDER),
    ("_>_", ORDER),
    ("_>=_", ORDER),
    (
        "_[_]",
        &[(CALLED, &[ListA, Int], A), (CALLED, &[MapAB, A], B)],
    ),
    (
        "@in",
        &[(CALLED, &[A, ListA], Bool), (CALLED, &[A, MapAB], Bool)],
    ),
    ("_?_:_", &[(CALLED, &[Bool, A, A], A)]),
    ("@not_strictly_false", &[(CALLED, &[Bool], Bool)]),
    (
        "size",
        &[
            (CALLED, &[Text], Int),
            (METHOD, &[Text], Int),
            (CALLED, &[Bytes], Int),
            (METHOD, &[Bytes], Int),
            (CALLED, &[ListA], Int),
            (METHOD, &[ListA], Int),
            (CALLED, &[MapAB], Int),
            (METHOD, &[MapAB], Int),
        ],
    ),
    ("bool", &[(CALLED, &[Bool], Bool), (CALLED, &[Text], Bool)]),
    (
        "bytes",
        &[(CALLED, &[Bytes], Bytes), (CALLED, &[Text], Bytes)],
    ),
    (
        "double",
        &[
            (CALLED, &[Double], Double),
            (CALLED, &[Int], Double),
            (CALLED, &[Text], Double),
            (CALLED, &[Uint], Double),
        ],
    ),
    (
        "duration",
        &[(CALLED, &[Duration], Duration), (CALLED, &[Text], Duration)],
    ),
    ("dyn", &[(CALLED, &[A], Dynamic)]),
    (
        "int",
        &[
            (CALLED, &[Int], Int),
            (CALLED, &[Double], Int),
            (CALLED, &[Duration], Int),
            (CALLED, &[Text], Int),
            (CALLED, &[Timestamp], Int),
            (CALLED, &[Uint], Int),
        ],
    ),
    (
        "string",
        &[
            (CALLED, &[Text], Text),
            (CALLED, &[Bool], Text),
            (CALLED, &[Bytes], Text),
            (CALLED, &[Double], Text),
            (CALLED, &[Duration], Text),
            (CALLED, &[Int], Text),
            (CALLED, &[Timestamp], Text),
            (CALLED, &[Uint], Text),
        ],
    ),
    (
        "timestamp",
        &[
            (CALLED, &[Timestamp], Timestamp),
            (CALLED, &[Int], Timestamp),
            (CALLED, &[Text], Timestamp),
        ],
    ),
    ("type", &[(CALLED, &[A], Sign::TypeA)]),
    (
        "uint",
        &[
            (CALLED, &[Uint], Uint),
            (CALLED, &[Double], Uint),
            (CALLED, &[Int], Uint),
            (CALLED, &[Text], Uint),
        ],
    ),
    ("contains", OF_TEXTS),
    ("endsWith", OF_TEXTS),
    ("startsWith", OF_TEXTS),
    (
        "matches",
        &[(CALLED, &[Text, Text], Bool), (METHOD, &[Text, Text], Bool)],
    ),
    ("getDate", OF_DATES),
    ("getDayOfMonth", OF_DATES),
    ("getDayOfWeek", OF_DATES),
    ("getDayOfYear", OF_DATES),
    ("getFullYear", OF_DATES),
    ("getMonth", OF_DATES),
    ("getHours", OF_TIMES),
    ("getMilliseconds", OF_TIMES),
    ("getMinutes", OF_TIMES),
    ("getSeconds", OF_TIMES),
];

/// Parts within parts, so that neither this nor evaluation outgrows its stack.
const DEEPEST: usize = 400;

/// Checks an expression over the dynamic variable `body`.
pub fn check(expression: &IdedExpr) -> Result<(), String> {
    let mut checker = Checker {
        scope: vec![("body", Type::Dynamic)],
        found: Found::default(),
        depth: 0,
    };
    checker.infer(expression).map(drop)
}

/// What is known of type parameters.
#[derive(Clone, Default)]
struct Found {
    by_number: HashMap<u32, Type>,
    next: u32,
}

struct Checker<'e> {
    scope: Vec<(&'e str, Type)>,
    found: Found,
    depth: usize,
}

impl<'e> Checker<'e> {
    fn infer(&mut self, node: &'e IdedExpr) -> Result<Type, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(format!("more than {DEEPEST} parts within one another"));
        }
        let inferred = self.infer_part(node)?;
        self.depth -= 1;
        Ok(inferred)
    }

    fn infer_part(&mut self, node: &'e IdedExpr) -> Result<Type, String> {
        match &node.expr {
            Expr::Literal(literal) => Ok(literal_type(literal)),
            Expr::Ident(name) => self.variable(name),
            Expr::Call(call) => self.call(call),
            Expr::Comprehension(over) => self.comprehension(over),
            Expr::List(list) => {
                let mut of = None;
                for element in &list.elements {
                    let element = self.infer(element)?;
                    of = Some(self.found.join(of, element));
                }
                let of = of.unwrap_or_else(|| self.found.fresh());
                Ok(Type::List(Box::new(of)))
            }
            Expr::Map(map) => {
                let (mut keys, mut values) = (None, None);
                for entry in &map.entries {
                    let EntryExpr::MapEntry(entry) = &entry.expr else {
                        continue;
                    };
                    let key = self.infer(&entry.key)?;
                    let value = self.infer(&entry.value)?;
                    keys = Some(self.found.join(keys, key));
                    values = Some(self.found.join(values, value));
                }
                let keys = keys.unwrap_or_else(|| self.found.fresh());
                let values = values.unwrap_or_else(|| self.found.fresh());
                Ok(Type::Map(Box::new(keys), Box::new(values)))
            }
            Expr::Select(select) => {
                if !select.test
                    && self.is_free(node)
                    && let Some(named) = message_type(node)
                {
                    return Ok(Type::Of(Box::new(named)));
                }
                let operand = self.infer(&select.operand)?;
                let selected = match self.found.resolve(&operand) {
                    Type::Map(_, value) => *value,
                    Type::Dynamic | Type::Parameter(_) => Type::Dynamic,
                    other => return Err(format!("{other} has no field {:?}", select.field)),
                };
                Ok(if select.test { Type::Bool } else { selected })
            }
            Expr::Struct(_) => Err("messages are not supported".to_owned()),
            Expr::Unspecified => Err("there is nothing".to_owned()),
        }
    }

    /// Whether the first name of a qualified one is no variable of a macro.
    fn is_free(&self, node: &IdedExpr) -> bool {
        match &node.expr {
            Expr::Ident(name) => !self.scope.iter().any(|s| s.0 == name),
            Expr::Select(select) => self.is_free(&select.operand),
            _ => false,
        }
    }

    fn variable(&self, name: &str) -> Result<Type, String> {
        // A leading dot means the outermost name.
        let (name, scope) = match name.strip_prefix('.') {
            Some(name) => (name, &self.scope[..1]),
            None => (name, &self.scope[..]),
        };
        if let Some((_, known)) = scope.iter().rev().find(|s| s.0 == name) {
            return Ok(known.clone());
        }
        let any = || Box::new(Type::Dynamic);
        let of = match name {
            "bool" => Type::Bool,
            "bytes" => Type::Bytes,
            "double" => Type::Double,
            "int" => Type::Int,
            "list" => Type::List(any()),
            "map" => Type::Map(any(), any()),
            "null_type" => Type::Null,
            "string" => Type::Text,
            "type" => Type::Of(any()),
            "uint" => Type::Uint,
            _ => return Err(format!("undeclared reference to {name:?}")),
        };
        Ok(Type::Of(Box::new(of)))
    }

    fn call(&mut self, call: &'e CallExpr) -> Result<Type, String> {
        let name = call.func_name.trim_start_matches('.');
        let mut arguments = Vec::with_capacity(call.args.len() + 1);
        let overloads = FUNCTIONS.iter().find(|f| f.0 == name).map(|f| f.1);
        let is_logical = matches!(name, "_&&_" | "_||_");
        if overloads.is_none() && !is_logical {
            return Err(format!("undeclared reference to {name:?}"));
        }
        for argument in call.target.as_deref().into_iter().chain(&call.args) {
            arguments.push(self.infer(argument)?);
        }
        let mismatch = |found: &Found| {
            let told: Vec<_> = arguments
                .iter()
                .map(|a| found.resolve(a).to_string())
                .collect();
            format!("no overload of {name:?} takes ({})", told.join(", "))
        };
        if is_logical {
            let fits = arguments
                .iter()
                .all(|a| self.found.accept(&[(a, &Type::Bool)]));
            return fits
                .then_some(Type::Bool)
                .ok_or_else(|| mismatch(&self.found));
        }
        if let ("_[_]", [_, index]) = (name, &call.args[..])
            && let Expr::Literal(LiteralValue::Null | LiteralValue::Bytes(_)) = &index.expr
        {
            return Err(format!("no index is {}", arguments[1]));
        }
        let is_method = call.target.is_some();
        let mut result: Option<Type> = None;
        for (method, signs, returned) in overloads.unwrap_or_default() {
            if *method != is_method || signs.len() != arguments.len() {
                continue;
            }
            let (a, b) = (self.found.fresh(), self.found.fresh());
            let wanted: Vec<_> = signs.iter().map(|s| s.with(&a, &b)).collect();
            let pairs: Vec<_> = arguments.iter().zip(&wanted).collect();
            if !self.found.accept(&pairs) {
                continue;
            }
            let returned = self.found.resolve(&returned.with(&a, &b));
            result = match result {
                Some(first) if first != returned => Some(Type::Dynamic),
                _ => Some(returned),
            };
        }
        result.ok_or_else(|| mismatch(&self.found))
    }

    fn comprehension(&mut self, over: &'e ComprehensionExpr) -> Result<Type, String> {
        let range = self.infer(&over.iter_range)?;
        let range = self.found.resolve(&range);
        let start = self.infer(&over.accu_init)?;
        let item = match &range {
            Type::List(item) => (**item).clone(),
            Type::Map(key, _) => (**key).clone(),
            Type::Dynamic => Type::Dynamic,
            Type::Parameter(_) => {
                self.found.accept(&[(&Type::Dynamic, &range)]);
                Type::Dynamic
            }
            other => return Err(format!("expected a list or map to go over, got {other}")),
        };
        let outer = self.scope.len();
        self.scope.push((&over.accu_var, start.clone()));
        self.scope.push((&over.iter_var, item));
        let condition = self.infer(&over.loop_cond)?;
        let step = self.infer(&over.loop_step)?;
        for (got, wanted) in [(&condition, &Type::Bool), (&step, &start)] {
            if !self.found.accept(&[(got, wanted)]) {
                let (got, wanted) = (self.found.resolve(got), self.found.resolve(wanted));
                return Err(format!("expected {wanted} of each item, got {got}"));
            }
        }
        self.scope.truncate(outer + 1);
        let result = self.infer(&over.result)?;
        self.scope.truncate(outer);
        Ok(self.found.resolve(&result))
    }
}

fn literal_type(literal: &LiteralValue) -> Type {
    match literal {
        LiteralValue::Boolean(_) => Type::Bool,
        LiteralValue::Bytes(_) => Type::Bytes,
        LiteralValue::Double(_) => Type::Double,
        LiteralValue::Int(_) => Type::Int,
        LiteralValue::Null => Type::Null,
        LiteralValue::String(_) => Type::Text,
        LiteralValue::UInt(_) => Type::Uint,
    }
}

/// The two types whose names have dots.
fn message_type(node: &IdedExpr) -> Option<Type> {
    match super::qualified_name(node)?.as_str() {
        super::value::TIMESTAMP => Some(Type::Timestamp),
        super::value::DURATION => Some(Type::Duration),
        _ => None,
    }
}

impl Sign {
    fn with(self, a: &Type, b: &Type) -> Type {
        let boxed = |t: &Type| Box::new(t.clone());
        match self {
            Sign::Bool => Type::Bool,
            Sign::Int => Type::Int,
            Sign::Uint => Type::Uint,
            Sign::Double => Type::Double,
            Sign::Text => Type::Text,
            Sign::Bytes => Type::Bytes,
            Sign::Timestamp => Type::Timestamp,
            Sign::Duration => Type::Duration,
            Sign::Dynamic => Type::Dynamic,
            Sign::A => a.clone(),
            Sign::B => b.clone(),
            Sign::ListA => Type::List(boxed(a)),
            Sign::MapAB => Type::Map(boxed(a), boxed(b)),
            Sign::TypeA => Type::Of(boxed(a)),
        }
    }
}

impl Found {
    fn fresh(&mut self) -> Type {
        self.next += 1;
        Type::Parameter(self.next)
    }

    /// A type with parameters replaced by what they are known to stand for.
    fn resolve(&self, of: &Type) -> Type {
        match of {
            Type::Parameter(number) => match self.by_number.get(number) {
                Some(known) => self.resolve(known),
                None => of.clone(),
            },
            Type::List(item) => Type::List(Box::new(self.resolve(item))),
            Type::Map(key, value) => {
                Type::Map(Box::new(self.resolve(key)), Box::new(self.resolve(value)))
            }
            Type::Of(of) => Type::Of(Box::new(self.resolve(of))),
            other => other.clone(),
        }
    }

    /// Whether each type fits the other of its pair; if all do, what that tells of parameters is kept.
    fn accept(&mut self, pairs: &[(&Type, &Type)]) -> bool {
        let mut trial = self.clone();
        let fits = pairs.iter().all(|(got, wanted)| trial.fits(got, wanted));
        if fits {
            *self = trial;
        }
        fits
    }

    fn fits(&mut self, got: &Type, wanted: &Type) -> bool {
        if let Type::Parameter(number) = wanted {
            let (fits, known) = self.substitute(*number, wanted, got);
            if fits || known {
                return fits;
            }
        }
        if let Type::Parameter(number) = got {
            return self.substitute(*number, got, wanted).0;
        }
        match (got, wanted) {
            (Type::Dynamic, _) | (_, Type::Dynamic) => true,
            (Type::Null, other) | (other, Type::Null) => {
                matches!(other, Type::Null | Type::Timestamp | Type::Duration)
            }
            (Type::Of(_), Type::Of(_)) => true,
            (Type::List(got), Type::List(wanted)) => self.fits(got, wanted),
            (Type::Map(key, value), Type::Map(wanted_key, wanted_value)) => {
                self.fits(key, wanted_key) && self.fits(value, wanted_value)
            }
            (got, wanted) => got == wanted,
        }
    }

    /// Lets a parameter stand for a type. Gives whether it can, and whether it had stood for one.
    fn substitute(&mut self, number: u32, parameter: &Type, by: &Type) -> (bool, bool) {
        if parameter == by {
            return (true, true);
        }
        if let Some(known) = self.by_number.get(&number).cloned() {
            if known == *by {
                return (true, true);
            }
            if !self.fits(by, &known) {
                return (false, true);
            }
            let wider = if is_wider(by, &known) {
                by.clone()
            } else {
                known
            };
            if !self.refers(&wider, number) {
                self.by_number.insert(number, wider);
            }
            return (true, true);
        }
        if self.refers(by, number) {
            return (false, false);
        }
        self.by_number.insert(number, by.clone());
        (true, false)
    }

    /// Whether a type has a parameter in it.
    fn refers(&self, of: &Type, number: u32) -> bool {
        match of {
            Type::Parameter(other) => {
                *other == number
                    || self
                        .by_number
                        .get(other)
                        .is_some_and(|known| self.refers(known, number))
            }
            Type::List(item) | Type::Of(item) => self.refers(item, number),
            Type::Map(key, value) => self.refers(key, number) || self.refers(value, number),
            _ => false,
        }
    }

    /// The type of elements of a list that so far were of one type and now are of another.
    fn join(&mut self, before: Option<Type>, now: Type) -> Type {
        let Some(before) = before else {
            return now;
        };
        if !self.accept(&[(&before, &now)]) {
            return Type::Dynamic;
        }
        if is_wider(&before, &now) { before } else { now }
    }
}

/// Whether a type is as wide as another or wider.
fn is_wider(first: &Type, second: &Type) -> bool {
    match (first, second) {
        (Type::Dynamic | Type::Parameter(_), _) => true,
        (_, Type::Dynamic | Type::Parameter(_)) => false,
        (Type::List(first), Type::List(second)) => is_wider(first, second),
        (Type::Map(key, value), Type::Map(other_key, other_value)) => {
            is_wider(key, other_key) && is_wider(value, other_value)
        }
        (Type::Of(_), Type::Of(_)) => true,
        (first, second) => first == second,
    }
}
