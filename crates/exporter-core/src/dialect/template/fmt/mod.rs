//! Go's `fmt` over the values of templates.

mod composite;
mod format;
mod number;
mod text;
mod verbs;

pub(super) use format::printf;

use super::value::Value;

/// What stands between the percent sign and the verb.
#[derive(Clone, Copy, Default)]
struct Flags {
    minus: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
    /// `%+v`: names of fields.
    named: bool,
    /// `%#v`: as in the source of a program.
    source: bool,
    /// A value is shown because the verb does not fit it: methods are not asked.
    erring: bool,
}

/// What an action prints: `%v`, but for nothing and for pointers.
pub(super) fn push_printable(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Nil => out.extend_from_slice(b"<no value>"),
        Value::Record(record) => composite::push_record(out, record, 'v', Flags::default()),
        value => verbs::push(out, value, 'v', Flags::default()),
    }
}

/// `Sprint`
pub(super) fn print(values: &[Value]) -> Vec<u8> {
    spaced(values, |out, value| {
        verbs::push(out, value, 'v', Flags::default());
        matches!(value, Value::Text(_))
    })
}

/// `Sprint` of what actions print.
pub(super) fn print_printable(values: &[Value]) -> Vec<u8> {
    spaced(values, |out, value| {
        push_printable(out, value);
        matches!(value, Value::Text(_) | Value::Nil)
    })
}

/// Blanks between operands of which neither is a string, as `push` tells.
fn spaced(values: &[Value], push: impl Fn(&mut Vec<u8>, &Value) -> bool) -> Vec<u8> {
    let mut out = Vec::new();
    let mut after_text = true;
    for value in values {
        let end = out.len();
        let is_text = push(&mut out, value);
        if !is_text && !after_text {
            out.insert(end, b' ');
        }
        after_text = is_text;
    }
    out
}

/// `Sprintln`: blanks between all operands.
pub(super) fn println(values: &[Value]) -> Vec<u8> {
    let mut out = Vec::new();
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        verbs::push(&mut out, value, 'v', Flags::default());
    }
    out.push(b'\n');
    out
}
