//! How each type of value prints by each verb.

use super::Flags;
use super::composite::{push_items, push_location, push_map, push_record, push_time};
use super::number::{
    push_character, push_code_point, push_complex, push_float, push_integer, push_quoted_character,
};
use super::text::{pad, push_hexadecimal, push_quoted, push_text};
use crate::dialect::duration;
use crate::dialect::template::value::{Value, Whole};
use crate::dialect::template::{methods, time};

/// The verbs of floats and of complex numbers.
const OF_FLOATS: &str = "vbgGfFeExX";

/// Any value by any verb.
pub fn push(out: &mut Vec<u8>, value: &Value, verb: char, flags: Flags) {
    match (value, verb) {
        (Value::Nil, 'T' | 'v') => return pad(out, b"<nil>", flags),
        (value, 'T') => return push_text(out, value.kind().as_bytes(), flags),
        (Value::Nil, verb) => return out.extend_from_slice(format!("%!{verb}(<nil>)").as_bytes()),
        _ => {}
    }
    if !flags.erring {
        let whole_is_wrong = match value {
            Value::Bytes(_) => false,
            Value::Time(_) => matches!(verb, 'w' | 'p'),
            _ => verb == 'w',
        };
        if whole_is_wrong {
            return push_wrong(out, value, verb, flags);
        }
        if let Some(text) = by_method(value, verb, flags) {
            return match flags.source {
                true => push_text(out, text.as_bytes(), flags),
                false => push_string(out, text.as_bytes(), verb, flags),
            };
        }
    }
    push_plain(out, value, verb, flags);
}

/// What `String` and `GoString` of the type say.
fn by_method(value: &Value, verb: char, flags: Flags) -> Option<String> {
    if flags.source {
        return match value {
            Value::Time(when) => Some(time::go_string(when)),
            _ => None,
        };
    }
    if !matches!(verb, 'v' | 's' | 'x' | 'X' | 'q') {
        return None;
    }
    match value {
        Value::Time(when) => Some(time::text(when)),
        Value::Location(zone) => Some(time::location_name(zone).to_owned()),
        Value::Whole(Whole::Month, number) => Some(methods::month(*number)),
        Value::Whole(Whole::Weekday, number) => Some(methods::weekday(*number)),
        Value::Whole(Whole::Duration, number) => Some(duration::format(*number)),
        _ => None,
    }
}

fn push_plain(out: &mut Vec<u8>, value: &Value, verb: char, flags: Flags) {
    match value {
        Value::Nil => pad(out, b"<nil>", flags),
        Value::Bool(truth) => match verb {
            'v' | 't' => pad(out, if *truth { b"true" } else { b"false" }, flags),
            _ => push_wrong(out, value, verb, flags),
        },
        Value::Whole(kind, number) => push_whole(out, *kind, *number, verb, flags),
        Value::Float(_) | Value::Complex(..) if !OF_FLOATS.contains(verb) => {
            push_wrong(out, value, verb, flags);
        }
        Value::Float(number) => push_float(out, *number, verb, flags),
        Value::Complex(real, imaginary) => push_complex(out, (*real, *imaginary), verb, flags),
        Value::Text(text) => push_string(out, text, verb, flags),
        Value::Bytes(bytes) => push_bytes(out, bytes, verb, flags),
        Value::Time(when) => push_time(out, when, verb, flags),
        Value::Location(zone) => push_location(out, zone, verb, flags),
        Value::List(items) => {
            let items = items.iter().map(|item| Value::Text(item.clone()));
            push_items(out, "[]string", items, verb, flags);
        }
        Value::Map(map) => push_map(out, map, verb, flags),
        Value::Record(record) => {
            out.push(b'&');
            push_record(out, record, verb, flags);
        }
    }
}

/// A value whose type the verb does not fit.
fn push_wrong(out: &mut Vec<u8>, value: &Value, verb: char, flags: Flags) {
    out.extend_from_slice(format!("%!{verb}({}=", value.kind()).as_bytes());
    let flags = Flags {
        erring: true,
        ..flags
    };
    push(out, value, 'v', flags);
    out.push(b')');
}

/// A string.
pub fn push_string(out: &mut Vec<u8>, text: &[u8], verb: char, flags: Flags) {
    match verb {
        'v' if flags.source => push_quoted(out, text, flags),
        'v' | 's' => push_text(out, text, flags),
        'q' => push_quoted(out, text, flags),
        'x' | 'X' => push_hexadecimal(out, text, verb, flags),
        _ => push_wrong(out, &Value::text(text), verb, flags),
    }
}

/// A whole number.
pub fn push_whole(out: &mut Vec<u8>, kind: Whole, number: i64, verb: char, flags: Flags) {
    match verb {
        'v' if flags.source && matches!(kind, Whole::Uint8 | Whole::Uint64) => {
            let flags = Flags {
                sharp: true,
                ..flags
            };
            push_integer(out, number, 'x', flags);
        }
        'v' | 'd' | 'b' | 'o' | 'O' | 'x' | 'X' => push_integer(out, number, verb, flags),
        'c' => push_character(out, number, flags),
        'q' => push_quoted_character(out, number, flags),
        'U' => push_code_point(out, number, flags),
        _ => push_wrong(out, &Value::Whole(kind, number), verb, flags),
    }
}

fn push_bytes(out: &mut Vec<u8>, bytes: &[u8], verb: char, flags: Flags) {
    match verb {
        's' => push_text(out, bytes, flags),
        'q' => push_quoted(out, bytes, flags),
        'x' | 'X' => push_hexadecimal(out, bytes, verb, flags),
        _ => {
            let numbers = bytes
                .iter()
                .map(|byte| Value::Whole(Whole::Uint8, i64::from(*byte)));
            let kind = if verb == 'v' { "[]byte" } else { "[]uint8" };
            push_items(out, kind, numbers, verb, flags);
        }
    }
}
