//! Whole numbers, floats and complex numbers.

use super::Flags;
use super::text::pad;
use crate::dialect::{strconv, unicode};

/// Digits before the point from which on the shortest form of a number is scientific.
const SHORTEST_LIMIT: i32 = 6;

fn sign(negative: bool, flags: Flags) -> &'static str {
    match negative {
        true => "-",
        false if flags.plus => "+",
        false if flags.space => " ",
        false => "",
    }
}

fn pad_with_blanks(out: &mut Vec<u8>, text: &[u8], flags: Flags) {
    let flags = Flags {
        zero: false,
        ..flags
    };
    pad(out, text, flags);
}

/// The verbs of whole numbers but for `%c`, `%q` and `%U`.
pub fn push_integer(out: &mut Vec<u8>, number: i64, verb: char, flags: Flags) {
    let size = number.unsigned_abs();
    let sign = sign(number < 0, flags);
    if flags.precision == Some(0) && number == 0 {
        return pad_with_blanks(out, b"", flags);
    }
    let mut digits = match verb {
        'b' => format!("{size:b}"),
        'o' | 'O' => format!("{size:o}"),
        'x' => format!("{size:x}"),
        'X' => format!("{size:X}"),
        _ => size.to_string(),
    };
    // Zeros to the left are digits; a sign takes the place of one.
    let least = match (flags.precision, flags.width) {
        (Some(precision), _) => precision,
        (None, Some(width)) if flags.zero => width.saturating_sub(sign.len()),
        _ => 0,
    };
    if digits.len() < least {
        digits.insert_str(0, &"0".repeat(least - digits.len()));
    }
    let prefix = match verb {
        'b' if flags.sharp => "0b",
        'o' if flags.sharp && !digits.starts_with('0') => "0",
        'O' if flags.sharp && !digits.starts_with('0') => "0o0",
        'O' => "0o",
        'x' if flags.sharp => "0x",
        'X' if flags.sharp => "0X",
        _ => "",
    };
    let text = format!("{sign}{prefix}{digits}");
    pad_with_blanks(out, text.as_bytes(), flags);
}

fn character(number: i64) -> char {
    let code = u32::try_from(number).ok();
    code.and_then(char::from_u32)
        .unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// `%c`
pub fn push_character(out: &mut Vec<u8>, number: i64, flags: Flags) {
    pad(
        out,
        character(number).encode_utf8(&mut [0; 4]).as_bytes(),
        flags,
    );
}

/// `%q`
pub fn push_quoted_character(out: &mut Vec<u8>, number: i64, flags: Flags) {
    let mut quoted = "'".to_owned();
    strconv::push_escaped(&mut quoted, character(number), '\'', flags.plus);
    quoted.push('\'');
    pad(out, quoted.as_bytes(), flags);
}

/// `%U`
pub fn push_code_point(out: &mut Vec<u8>, number: i64, flags: Flags) {
    let least = flags.precision.unwrap_or(0).max(4);
    let mut text = format!("U+{:0>least$}", format!("{:X}", number as u64));
    let shown = u32::try_from(number).ok().and_then(char::from_u32);
    if let Some(c) = shown.filter(|c| flags.sharp && unicode::is_print(*c)) {
        text.push_str(&format!(" '{c}'"));
    }
    pad_with_blanks(out, text.as_bytes(), flags);
}

/// The verbs of floats.
pub fn push_float(out: &mut Vec<u8>, number: f64, verb: char, flags: Flags) {
    let negative = number.is_sign_negative() && !number.is_nan();
    let sign = sign(negative, flags);
    if !number.is_finite() {
        let word = if number.is_nan() { "NaN" } else { "Inf" };
        let sign = match sign {
            "" if number.is_infinite() => "+",
            sign => sign,
        };
        let text = format!("{sign}{word}");
        return pad_with_blanks(out, text.as_bytes(), flags);
    }
    let mut digits = digits(number.abs(), verb, flags);
    if flags.sharp && verb != 'b' {
        digits = with_point(&digits, verb, flags.precision);
    }
    if flags.zero && !sign.is_empty() {
        // Zeros stand behind the sign.
        out.extend_from_slice(sign.as_bytes());
        let width = flags.width.map(|width| width.saturating_sub(1));
        return pad(out, digits.as_bytes(), Flags { width, ..flags });
    }
    pad(out, format!("{sign}{digits}").as_bytes(), flags);
}

/// The verbs of complex numbers, those of their parts.
pub fn push_complex(out: &mut Vec<u8>, parts: (f64, f64), verb: char, flags: Flags) {
    out.push(b'(');
    push_float(out, parts.0, verb, flags);
    push_float(
        out,
        parts.1,
        verb,
        Flags {
            plus: true,
            ..flags
        },
    );
    out.extend_from_slice(b"i)");
}

fn digits(size: f64, verb: char, flags: Flags) -> String {
    match verb {
        'b' => binary(size),
        'x' => hexadecimal(size, flags.precision),
        'X' => hexadecimal(size, flags.precision).to_uppercase(),
        'f' | 'F' => format!("{size:.*}", flags.precision.unwrap_or(6)),
        'e' => exponent(&format!("{size:.*e}", flags.precision.unwrap_or(6))),
        'E' => exponent(&format!("{size:.*e}", flags.precision.unwrap_or(6))).to_uppercase(),
        'G' => general(size, flags.precision).to_uppercase(),
        _ => general(size, flags.precision),
    }
}

/// `%g`: the shortest digits, or so many; scientific below 1e-4 and from that many digits on.
fn general(size: f64, precision: Option<usize>) -> String {
    let scientific = match precision {
        Some(digits) => format!("{size:.*e}", digits.max(1) - 1),
        None => format!("{size:e}"),
    };
    let (mantissa, power) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let power: i32 = power.parse().unwrap_or(0);
    let trimmed = match mantissa.contains('.') {
        true => mantissa.trim_end_matches('0').trim_end_matches('.'),
        false => mantissa,
    };
    let digits = trimmed.len() as i32 - i32::from(trimmed.contains('.'));
    let limit = match precision {
        // Digits that are not there do not count, unless all before the point are.
        Some(most) if most as i32 > digits && digits > power => digits,
        Some(most) => (most.max(1)) as i32,
        None => SHORTEST_LIMIT,
    };
    if size != 0.0 && (power < -4 || power >= limit) {
        return exponent(&format!("{trimmed}e{power}"));
    }
    let decimals = (digits - 1 - power).max(0) as usize;
    match precision {
        Some(_) => format!("{size:.decimals$}"),
        None => format!("{size}"),
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

/// `%#g` and the like: a point always, and the zeros at the end.
fn with_point(text: &str, verb: char, precision: Option<usize>) -> String {
    let ends = |c: char| match verb {
        'x' | 'X' => matches!(c, 'p' | 'P'),
        _ => matches!(c, 'e' | 'E'),
    };
    let end = text.find(ends).unwrap_or(text.len());
    let (mantissa, tail) = text.split_at(end);
    let mut out = mantissa.to_owned();
    let wanted = match verb {
        'v' | 'g' | 'G' => precision.unwrap_or(6),
        'x' => precision.unwrap_or(6),
        _ => 0,
    };
    let significant = mantissa.trim_start_matches(['0', '.']);
    let mut count = significant.chars().filter(|c| *c != '.').count();
    if !mantissa.contains('.') {
        count += usize::from(mantissa == "0");
        out.push('.');
    }
    out.push_str(&"0".repeat(wanted.saturating_sub(count)));
    out + tail
}

/// The 53 bits of the mantissa and the power of two that they stand for.
fn mantissa(size: f64) -> (u64, i32) {
    let bits = size.to_bits();
    let fraction = bits & ((1 << 52) - 1);
    match (bits >> 52 & 0x7ff) as i32 {
        0 => (fraction, -1074),
        power => (fraction | 1 << 52, power - 1075),
    }
}

/// `%b`: `4503599627370496p-52`
fn binary(size: f64) -> String {
    let (mantissa, power) = mantissa(size);
    format!("{mantissa}p{power:+}")
}

/// `%x`: `0x1.8p+01`
fn hexadecimal(size: f64, precision: Option<usize>) -> String {
    let (mut mantissa, mut power) = mantissa(size);
    if mantissa == 0 {
        power = -52;
    }
    // The first bit before the point, 52 behind it.
    while mantissa != 0 && mantissa < 1 << 52 {
        mantissa <<= 1;
        power -= 1;
    }
    if let Some(digits) = precision.filter(|digits| *digits < 13) {
        let unit = 1u64 << (52 - 4 * digits);
        let (kept, rest) = (mantissa / unit, mantissa % unit);
        let up = rest > unit / 2 || rest == unit / 2 && kept % 2 == 1;
        mantissa = (kept + u64::from(up)) * unit;
        if mantissa >= 1 << 53 {
            mantissa >>= 1;
            power += 1;
        }
    }
    let fraction = format!("{:013x}", mantissa & ((1 << 52) - 1));
    let fraction = match precision {
        None => fraction.trim_end_matches('0').to_owned(),
        Some(digits) => format!("{fraction:0<digits$}")[..digits].to_owned(),
    };
    let point = if fraction.is_empty() { "" } else { "." };
    let power = power + 52;
    let sign = if power < 0 { '-' } else { '+' };
    format!(
        "0x{}{point}{fraction}p{sign}{:02}",
        mantissa >> 52,
        power.abs()
    )
}
