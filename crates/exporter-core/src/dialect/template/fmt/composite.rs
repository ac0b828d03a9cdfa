//! Values of several parts: structs, lists and maps.

use super::Flags;
use super::number::push_integer;
use super::text::pad;
use super::verbs::{push, push_string, push_whole};
use crate::dialect::template::time;
use crate::dialect::template::value::{Record, Text, Value, Whole};
use jiff::Zoned;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;

/// A map in the order of its keys.
pub fn push_map(out: &mut Vec<u8>, map: &BTreeMap<Text, Text>, verb: char, flags: Flags) {
    let kinds = ("map", "map[string]string");
    push_sequence(out, kinds, map.iter(), flags, |out, (key, value)| {
        push_string(out, key, verb, flags);
        out.push(b':');
        push_string(out, value, verb, flags);
    });
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
pub fn push_time(out: &mut Vec<u8>, when: &Zoned, verb: char, flags: Flags) {
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
pub fn push_location(out: &mut Vec<u8>, zone: &TimeZone, verb: char, flags: Flags) {
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

pub fn push_record(out: &mut Vec<u8>, record: &Record, verb: char, flags: Flags) {
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

pub fn push_items(
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

pub fn push_sequence<T>(
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
