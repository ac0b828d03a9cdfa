//! Go's `fmt` over the values of templates.

use super::{Value, time};
use crate::dialect::strconv;
use std::fmt::Write;

/// Widths and precisions above this are errors in Go too.
const WIDEST: usize = 1_000_000;
/// What a width or precision is cut to, so that a template cannot fill the memory.
const WIDEST_WRITTEN: usize = 4096;
/// Digits before the point from which on the shortest form of a number is scientific.
const SHORTEST_LIMIT: i32 = 6;

/// The Go type of a value.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Nil => "<nil>",
        Value::Bool(_) => "bool",
        Value::Int(_) => "int",
        Value::Named { kind, .. } => kind,
        Value::Float(_) => "float64",
        Value::Text(_) => "string",
        Value::Time(_) => "time.Time",
        Value::List(_) => "[]string",
        Value::Map(_) => "map[string]string",
        Value::Record(_) => "struct",
    }
}

/// `%v`
pub(super) fn push(out: &mut String, value: &Value) {
    // Writing to a String cannot fail.
    let _ = match value {
        Value::Nil => write!(out, "<nil>"),
        Value::Bool(value) => write!(out, "{value}"),
        Value::Named {
            text: Some(text), ..
        } => write!(out, "{text}"),
        Value::Int(number) | Value::Named { number, .. } => write!(out, "{number}"),
        Value::Float(number) => {
            out.push_str(&general(*number, None));
            Ok(())
        }
        Value::Text(text) => write!(out, "{text}"),
        Value::Time(instant) => write!(out, "{}", time::text(*instant)),
        Value::List(items) => write!(out, "[{}]", items.join(" ")),
        Value::Map(map) => {
            let pairs: Vec<_> = map.iter().map(|(k, v)| format!("{k}:{v}")).collect();
            write!(out, "map[{}]", pairs.join(" "))
        }
        Value::Record(fields) => {
            out.push('{');
            for (index, (_, value)) in fields.iter().enumerate() {
                if index > 0 {
                    out.push(' ');
                }
                push(out, value);
            }
            write!(out, "}}")
        }
    };
}

/// `Sprint`: blanks between operands of which neither is a string.
pub(super) fn print(values: &[Value]) -> String {
    let mut out = String::new();
    let mut after_text = true;
    for (index, value) in values.iter().enumerate() {
        let is_text = matches!(value, Value::Text(_));
        if index > 0 && !is_text && !after_text {
            out.push(' ');
        }
        push(&mut out, value);
        after_text = is_text;
    }
    out
}

/// `Sprintln`: blanks between all operands.
pub(super) fn println(values: &[Value]) -> String {
    let mut out = String::new();
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            out.push(' ');
        }
        push(&mut out, value);
    }
    out.push('\n');
    out
}

#[derive(Clone, Copy, Default)]
struct Flags {
    minus: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

/// The operands of a format, and which of them is next.
struct Operands<'a> {
    values: &'a [Value],
    next: usize,
    /// An index was written, so that operands that are left are none too many.
    reordered: bool,
}

impl<'a> Operands<'a> {
    fn take(&mut self) -> Option<&'a Value> {
        let value = self.values.get(self.next);
        self.next += usize::from(value.is_some());
        value
    }

    /// Reads `[2]`, which says the next operand; whether it was good, and what follows it.
    fn index<'t>(&mut self, text: &'t str) -> (bool, &'t str) {
        let Some(inside) = text.strip_prefix('[') else {
            return (true, text);
        };
        self.reordered = true;
        let Some((number, rest)) = inside.split_once(']') else {
            return (false, &text[1..]);
        };
        let index = number.parse::<usize>().ok().and_then(|n| n.checked_sub(1));
        match index.filter(|index| *index < self.values.len()) {
            Some(index) => {
                self.next = index;
                (true, rest)
            }
            None => (false, rest),
        }
    }
}

/// `Sprintf`.
pub(super) fn printf(format: &str, values: &[Value]) -> String {
    let mut out = String::with_capacity(format.len() + 16);
    let mut operands = Operands {
        values,
        next: 0,
        reordered: false,
    };
    let mut rest = format;
    while let Some((text, directive)) = rest.split_once('%') {
        out.push_str(text);
        let (flags, tail, bad) = flags(directive, &mut operands);
        out.push_str(bad);
        let (good_index, tail) = operands.index(tail);
        let Some(verb) = tail.chars().next() else {
            out.push_str("%!(NOVERB)");
            rest = "";
            continue;
        };
        rest = &tail[verb.len_utf8()..];
        // Writing to a String cannot fail.
        let _ = match (verb, good_index) {
            ('%', _) => write!(out, "%"),
            (verb, false) => write!(out, "%!{verb}(BADINDEX)"),
            (verb, true) => match operands.take() {
                Some(value) => {
                    push_verb(&mut out, value, verb, flags);
                    Ok(())
                }
                None => write!(out, "%!{verb}(MISSING)"),
            },
        };
    }
    out.push_str(rest);
    let extra: Vec<_> = values[operands.next..].iter().map(described).collect();
    if !extra.is_empty() && !operands.reordered {
        let _ = write!(out, "%!(EXTRA {})", extra.join(", "));
    }
    out
}

fn described(value: &Value) -> String {
    let mut out = String::new();
    push(&mut out, value);
    match value {
        Value::Nil => out,
        value => format!("{}={out}", kind(value)),
    }
}

/// Flags, width and precision, what follows them, and what was wrong with them.
fn flags<'a>(text: &'a str, operands: &mut Operands<'_>) -> (Flags, &'a str, &'static str) {
    let mut flags = Flags::default();
    let mut rest = text;
    let mut bad = "";
    while let Some(c) = rest.chars().next() {
        match c {
            '-' => flags.minus = true,
            '+' => flags.plus = true,
            '#' => flags.sharp = true,
            ' ' => flags.space = true,
            '0' => flags.zero = true,
            _ => break,
        }
        rest = &rest[1..];
    }
    (flags.width, rest) = size(rest, operands, &mut bad, "%!(BADWIDTH)");
    if let Some(after) = rest.strip_prefix('.') {
        let (precision, tail) = size(after, operands, &mut bad, "%!(BADPREC)");
        flags.precision = Some(precision.unwrap_or(0));
        rest = tail;
    }
    flags.zero &= !flags.minus;
    (flags, rest, bad)
}

fn size<'a>(
    text: &'a str,
    operands: &mut Operands<'_>,
    bad: &mut &'static str,
    complaint: &'static str,
) -> (Option<usize>, &'a str) {
    let star = match text.split_once(']') {
        Some((_, after)) if text.starts_with('[') && after.starts_with('*') => {
            operands.index(text).1
        }
        _ => text,
    };
    if let Some(rest) = star.strip_prefix('*') {
        let value = match operands.take() {
            Some(Value::Int(number)) => usize::try_from(*number).ok(),
            _ => None,
        };
        if value.is_none() {
            *bad = complaint;
        }
        return (value.map(|v| v.min(WIDEST_WRITTEN)), rest);
    }
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at(end);
    let number = digits.parse::<usize>().ok().filter(|n| *n <= WIDEST);
    (number.map(|n| n.min(WIDEST_WRITTEN)), rest)
}

fn push_verb(out: &mut String, value: &Value, verb: char, flags: Flags) {
    match verb {
        'T' => return pad(out, kind(value), flags, false),
        'v' if flags.sharp => {
            if let Value::Text(text) = value {
                let mut quoted = String::new();
                strconv::push_quoted(&mut quoted, text);
                return pad(out, &quoted, flags, false);
            }
        }
        _ => {}
    }
    // A value with a name of its own prints as it where text is wanted.
    let named = match value {
        Value::Named {
            text: Some(text), ..
        } => Some((*text).to_owned()),
        Value::Time(instant) => Some(time::text(*instant)),
        _ => None,
    };
    if let (Some(text), 'v' | 's' | 'q' | 'x' | 'X') = (named, verb) {
        return push_verb(out, &Value::Text(text), verb, flags);
    }
    match (value, verb) {
        (Value::Text(text), 'v' | 's') => pad(out, cut(text, flags), flags, false),
        (Value::Text(text), 'q') => {
            let text = cut(text, flags);
            let mut quoted = String::new();
            match flags.sharp
                && !text.contains('`')
                && !text.chars().any(|c| c.is_control() && c != '\t')
            {
                true => {
                    let _ = write!(quoted, "`{text}`");
                }
                false => strconv::push_quoted(&mut quoted, text),
            }
            pad(out, &quoted, flags, false);
        }
        (Value::Text(text), 'x' | 'X') => {
            let bytes = text.as_bytes();
            let bytes = &bytes[..flags.precision.unwrap_or(bytes.len()).min(bytes.len())];
            let digits: Vec<_> = bytes
                .iter()
                .map(|b| match verb {
                    'x' => format!("{b:02x}"),
                    _ => format!("{b:02X}"),
                })
                .collect();
            let prefix = match (flags.sharp, bytes.is_empty()) {
                (true, false) if verb == 'x' => "0x",
                (true, false) => "0X",
                _ => "",
            };
            let between = if flags.space { " " } else { "" };
            let joined = match flags.space && !prefix.is_empty() {
                true => digits
                    .iter()
                    .map(|d| format!("{prefix}{d}"))
                    .collect::<Vec<_>>()
                    .join(" "),
                false => format!("{prefix}{}", digits.join(between)),
            };
            pad(out, &joined, flags, false);
        }
        (Value::Bool(value), 'v' | 't') => {
            pad(out, if *value { "true" } else { "false" }, flags, false)
        }
        (
            Value::Int(number) | Value::Named { number, .. },
            'v' | 'd' | 'b' | 'o' | 'O' | 'x' | 'X' | 'c' | 'q' | 'U',
        ) => {
            integer(out, *number, verb, flags);
        }
        (Value::Float(number), 'v' | 'g' | 'G' | 'f' | 'F' | 'e' | 'E') => {
            float(out, *number, verb, flags)
        }
        (Value::List(items), _) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(' ');
                }
                push_verb(out, &Value::Text(item.clone()), verb, flags);
            }
            out.push(']');
        }
        (Value::Map(map), _) => {
            out.push_str("map[");
            for (index, (key, value)) in map.iter().enumerate() {
                if index > 0 {
                    out.push(' ');
                }
                push_verb(out, &Value::Text(key.clone()), verb, flags);
                out.push(':');
                push_verb(out, &Value::Text(value.clone()), verb, flags);
            }
            out.push(']');
        }
        (Value::Nil, 'v') => pad(out, "<nil>", flags, false),
        (Value::Record(fields), 'v' | 's' | 'd') => {
            out.push('{');
            for (index, (_, value)) in fields.iter().enumerate() {
                if index > 0 {
                    out.push(' ');
                }
                push_verb(out, value, verb, flags);
            }
            out.push('}');
        }
        (value, verb) => {
            let _ = write!(out, "%!{verb}({})", described(value));
        }
    }
}

/// The first characters of a text, as many as the precision says.
fn cut(text: &str, flags: Flags) -> &str {
    let end = flags.precision.and_then(|n| text.char_indices().nth(n));
    end.map_or(text, |(at, _)| &text[..at])
}

fn pad(out: &mut String, text: &str, flags: Flags, numeric: bool) {
    let width = flags.width.unwrap_or(0);
    let missing = width.saturating_sub(text.chars().count());
    let filler = |out: &mut String, c: char| out.extend(std::iter::repeat_n(c, missing));
    if flags.minus {
        out.push_str(text);
        filler(out, ' ');
    } else if flags.zero {
        // Zeros stand behind the sign of a number.
        let (sign, digits) = match text.strip_prefix(['-', '+', ' ']) {
            Some(digits) if numeric => text.split_at(text.len() - digits.len()),
            _ => ("", text),
        };
        out.push_str(sign);
        filler(out, '0');
        out.push_str(digits);
    } else {
        filler(out, ' ');
        out.push_str(text);
    }
}

fn sign(negative: bool, flags: Flags) -> &'static str {
    match negative {
        true => "-",
        false if flags.plus => "+",
        false if flags.space => " ",
        false => "",
    }
}

fn integer(out: &mut String, number: i64, verb: char, mut flags: Flags) {
    let size = number.unsigned_abs();
    let code = u32::try_from(number).ok().and_then(char::from_u32);
    let code = code.unwrap_or(char::REPLACEMENT_CHARACTER);
    let (prefix, mut digits) = match verb {
        'c' => return pad(out, code.encode_utf8(&mut [0; 4]), flags, false),
        'q' => {
            let text = match code {
                '\'' => "'\\''".to_owned(),
                code => {
                    let mut quoted = String::new();
                    strconv::push_quoted(&mut quoted, code.encode_utf8(&mut [0; 4]));
                    let inner = quoted.get(1..quoted.len() - 1).unwrap_or_default();
                    format!("'{}'", inner.replace("\\\"", "\""))
                }
            };
            return pad(out, &text, flags, false);
        }
        'U' if flags.sharp => {
            return pad(out, &format!("U+{size:04X} '{code}'"), flags, false);
        }
        'U' => return pad(out, &format!("U+{size:04X}"), flags, false),
        'b' => (if flags.sharp { "0b" } else { "" }, format!("{size:b}")),
        'o' => (if flags.sharp { "0" } else { "" }, format!("{size:o}")),
        'O' => ("0o", format!("{size:o}")),
        'x' => (if flags.sharp { "0x" } else { "" }, format!("{size:x}")),
        'X' => (if flags.sharp { "0X" } else { "" }, format!("{size:X}")),
        _ => ("", size.to_string()),
    };
    if let Some(precision) = flags.precision {
        if precision == 0 && number == 0 {
            digits.clear();
        }
        digits = format!("{digits:0>precision$}");
        flags.zero = false;
    }
    let text = format!("{}{prefix}{digits}", sign(number < 0, flags));
    pad(out, &text, flags, true);
}

fn float(out: &mut String, number: f64, verb: char, mut flags: Flags) {
    let text = if number.is_nan() {
        "NaN".to_owned()
    } else if number.is_infinite() {
        "Inf".to_owned()
    } else {
        let size = number.abs();
        let text = match verb {
            'f' | 'F' => format!("{size:.*}", flags.precision.unwrap_or(6)),
            'e' | 'E' => exponent(&format!("{size:.*e}", flags.precision.unwrap_or(6))),
            _ => general(size, flags.precision),
        };
        match verb {
            'E' | 'G' => text.to_uppercase(),
            _ => text,
        }
    };
    if !number.is_finite() {
        flags.zero = false;
    }
    let text = format!(
        "{}{text}",
        sign(number.is_sign_negative() && !number.is_nan(), flags)
    );
    pad(out, &text, flags, true);
}

/// `%g`: the shortest digits, or so many; scientific below 1e-4 and from 1e6 or that many digits on.
fn general(number: f64, precision: Option<usize>) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = match precision {
        Some(digits) => format!("{number:.*e}", digits.max(1) - 1),
        None => format!("{number:e}"),
    };
    let (mantissa, power) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let power: i32 = power.parse().unwrap_or(0);
    let limit = precision.map_or(SHORTEST_LIMIT, |digits| digits.max(1) as i32);
    let trimmed = match mantissa.contains('.') {
        true => mantissa.trim_end_matches('0').trim_end_matches('.'),
        false => mantissa,
    };
    if number != 0.0 && (power < -4 || power >= limit) {
        return exponent(&format!("{trimmed}e{power}"));
    }
    match precision {
        Some(digits) => {
            let decimals = (digits.max(1) as i32 - 1 - power).max(0) as usize;
            let text = format!("{number:.decimals$}");
            match text.contains('.') {
                true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
                false => text,
            }
        }
        None => format!("{number}"),
    }
}

/// Rust's `1e5` as Go's `1e+05`.
fn exponent(text: &str) -> String {
    let (mantissa, power) = text.split_once('e').unwrap_or((text, "0"));
    let (sign, digits) = match power.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', power),
    };
    format!("{mantissa}e{sign}{digits:0>2}")
}
