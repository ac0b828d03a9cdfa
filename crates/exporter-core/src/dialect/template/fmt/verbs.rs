//! How each type of value prints by each verb.

use super::Flags;
use super::number::{
    push_character, push_code_point, push_complex, push_float, push_integer, push_quoted_character,
};
use super::text::{pad, push_hexadecimal, push_quoted, push_text};
use crate::dialect::duration;
use crate::dialect::template::value::{Record, Value, Whole};
use crate::dialect::template::{methods, time};
use jiff::Zoned;
use jiff::tz::TimeZone;

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
        Value::Float(number) => match verb {
            'v' | 'b' | 'g' | 'G' | 'f' | 'F' | 'e' | 'E' | 'x' | 'X' => {
                push_float(out, *number, verb, flags);
            }
            _ => push_wrong(out, value, verb, flags),
        },
        Value::Complex(real, imaginary) => match verb {
            'v' | 'b' | 'g' | 'G' | 'f' | 'F' | 'e' | 'E' | 'x' | 'X' => {
                push_complex(out, (*real, *imaginary), verb, flags);
            }
            _ => push_wrong(out, value, verb, flags),
        },
        Value::Text(text) => push_string(out, text, verb, flags),
        Value::Bytes(bytes) => push_bytes(out, bytes, verb, flags),
        Value::Time(when) => push_time(out, when, verb, flags),
        Value::Location(zone) => push_location(out, zone, verb, flags),
        Value::List(items) => {
            let items = items.iter().map(|item| Value::Text(item.clone()));
            push_items(out, "[]string", items, verb, flags);
        }
        Value::Map(map) => {
            push_sequence(
                out,
                ("map", "map[string]string"),
                map.iter(),
                flags,
                |out, (k, v)| {
                    push(out, &Value::Text(k.clone()), verb, flags);
                    out.push(b':');
                    push(out, &Value::Text(v.clone()), verb, flags);
                },
            );
        }
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

fn push_string(out: &mut Vec<u8>, text: &[u8], verb: char, flags: Flags) {
    match verb {
        'v' if flags.source => push_quoted(out, text, flags),
        'v' | 's' => push_text(out, text, flags),
        'q' => push_quoted(out, text, flags),
        'x' | 'X' => push_hexadecimal(out, text, verb, flags),
        _ => push_wrong(out, &Value::text(text), verb, flags),
    }
}

fn push_whole(out: &mut Vec<u8>, kind: Whole, number: i64, verb: char, flags: Flags) {
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

/// A field that templates cannot reach, but that is printed where a struct is printed whole.
enum Hidden<'a> {
    Text(&'a str),
    Unsigned(u64),
    Signed(i64),
    EmptyList(&'static str),
    NilPointer(&'static str),
}

/// A time without its method.
fn push_time(out: &mut Vec<u8>, when: &Zoned, verb: char, flags: Flags) {
    let (seconds, nanoseconds) = time::parts(when);
    let fields = [
        ("wall", Hidden::Unsigned(nanoseconds.unsigned_abs().into())),
        ("ext", Hidden::Signed(seconds)),
        ("loc", Hidden::NilPointer("*time.Location")),
    ];
    push_struct(out, "time.Time", fields.iter(), flags, |out, field| {
        push_hidden(out, field, verb, flags);
    });
}

/// A location without its method.
fn push_location(out: &mut Vec<u8>, zone: &TimeZone, verb: char, flags: Flags) {
    let fields = [
        ("name", Hidden::Text(time::location_name(zone))),
        ("zone", Hidden::EmptyList("[]time.zone")),
        ("tx", Hidden::EmptyList("[]time.zoneTrans")),
        ("extend", Hidden::Text("")),
        ("cacheStart", Hidden::Signed(0)),
        ("cacheEnd", Hidden::Signed(0)),
        ("cacheZone", Hidden::NilPointer("*time.zone")),
    ];
    out.push(b'&');
    push_struct(out, "time.Location", fields.iter(), flags, |out, field| {
        push_hidden(out, field, verb, flags);
    });
}

fn push_hidden(out: &mut Vec<u8>, field: &Hidden<'_>, verb: char, flags: Flags) {
    match field {
        Hidden::Text(text) => push_string(out, text.as_bytes(), verb, flags),
        Hidden::Signed(number) => push_whole(out, Whole::Int64, *number, verb, flags),
        // None is so large that it would be negative.
        Hidden::Unsigned(number) => push_whole(out, Whole::Uint64, *number as i64, verb, flags),
        Hidden::EmptyList(kind) if flags.source => {
            out.extend_from_slice(format!("{kind}(nil)").as_bytes());
        }
        Hidden::EmptyList(_) => out.extend_from_slice(b"[]"),
        Hidden::NilPointer(kind) => match verb {
            'v' if flags.source => out.extend_from_slice(format!("({kind})(nil)").as_bytes()),
            'v' => pad(out, b"<nil>", flags),
            'd' | 'b' | 'o' | 'x' | 'X' => push_integer(out, 0, verb, flags),
            _ => {
                out.extend_from_slice(format!("%!{verb}({kind}=").as_bytes());
                pad(out, b"<nil>", flags);
                out.push(b')');
            }
        },
    }
}

pub(super) fn push_record(out: &mut Vec<u8>, record: &Record, verb: char, flags: Flags) {
    push_struct(
        out,
        record.kind,
        record.fields.iter(),
        flags,
        |out, value| {
            push(out, value, verb, flags);
        },
    );
}

/// A struct: its fields, with their names where that is asked for.
fn push_struct<'f, T: 'f>(
    out: &mut Vec<u8>,
    kind: &str,
    fields: impl Iterator<Item = &'f (&'static str, T)>,
    flags: Flags,
    mut each: impl FnMut(&mut Vec<u8>, &T),
) {
    let names = flags.source || flags.named;
    push_enclosed(
        out,
        ("", kind),
        ["{", "}"],
        fields,
        flags,
        |out, (name, value)| {
            if names {
                out.extend_from_slice(name.as_bytes());
                out.push(b':');
            }
            each(out, value);
        },
    );
}

fn push_items(
    out: &mut Vec<u8>,
    kind: &str,
    items: impl Iterator<Item = Value>,
    verb: char,
    flags: Flags,
) {
    push_sequence(out, ("", kind), items, flags, |out, item| {
        push(out, &item, verb, flags);
    });
}

fn push_sequence<T>(
    out: &mut Vec<u8>,
    kinds: (&str, &str),
    items: impl Iterator<Item = T>,
    flags: Flags,
    each: impl FnMut(&mut Vec<u8>, T),
) {
    let brackets = if flags.source { ["{", "}"] } else { ["[", "]"] };
    push_enclosed(out, kinds, brackets, items, flags, each);
}

/// Items between brackets, behind the first of `kinds`, or the second in the source of a program.
fn push_enclosed<T>(
    out: &mut Vec<u8>,
    kinds: (&str, &str),
    brackets: [&str; 2],
    items: impl Iterator<Item = T>,
    flags: Flags,
    mut each: impl FnMut(&mut Vec<u8>, T),
) {
    let (kind, between) = match flags.source {
        true => (kinds.1, ", "),
        false => (kinds.0, " "),
    };
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(brackets[0].as_bytes());
    for (at, item) in items.enumerate() {
        if at > 0 {
            out.extend_from_slice(between.as_bytes());
        }
        each(out, item);
    }
    out.extend_from_slice(brackets[1].as_bytes());
}
