//! Numbers and words as Go's `strconv` reads them.

use super::unicode;

/// The words of a boolean.
pub fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// A float: decimal, hexadecimal with a `p` exponent, `inf`, `infinity` or `nan` in any case, the
/// last without a sign. Underscores may separate digits. Overflow is an error, as it is there.
pub fn parse_float(text: &str) -> Option<f64> {
    if text.contains('_') {
        return underscores_are_between_digits(text)
            .then(|| parse_float(&text.replace('_', "")))
            .flatten();
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let negative = text.starts_with('-');
    if let Some(hex) = unsigned.strip_prefix("0x").or(unsigned.strip_prefix("0X")) {
        let value = parse_hex_float(hex)?;
        return Some(if negative { -value } else { value });
    }
    let infinite = ["inf", "infinity"];
    let is_word = infinite.iter().any(|w| unsigned.eq_ignore_ascii_case(w))
        || text.eq_ignore_ascii_case("nan");
    if !is_word
        && unsigned
            .bytes()
            .any(|b| b.is_ascii_alphabetic() && !matches!(b, b'e' | b'E'))
    {
        return None;
    }
    let value: f64 = text.parse().ok()?;
    (is_word || value.is_finite()).then_some(value)
}

/// An underscore stands between two digits, or between the prefix of a base and a digit.
fn underscores_are_between_digits(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let hex = unsigned.strip_prefix("0x").or(unsigned.strip_prefix("0X"));
    let is_digit = |c: Option<char>| match hex {
        Some(_) => c.is_some_and(|c| c.is_ascii_hexdigit()),
        None => c.is_some_and(|c| c.is_ascii_digit()),
    };
    // The x of a prefix stands for a digit.
    let mut before = hex.map(|_| '0');
    let mut rest = hex.unwrap_or(unsigned).chars().peekable();
    while let Some(c) = rest.next() {
        if c == '_' && !(is_digit(before) && is_digit(rest.peek().copied())) {
            return false;
        }
        before = Some(c);
    }
    true
}

/// What follows `0x`: digits, an optional point, and a binary exponent that must be there.
fn parse_hex_float(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once(['p', 'P'])?;
    let exponent: i32 = exponent.parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value = 0.0f64;
    for digit in whole.chars().chain(fraction.chars()) {
        value = value * 16.0 + f64::from(digit.to_digit(16)?);
    }
    let shift = exponent.saturating_sub(4i32.saturating_mul(fraction.len() as i32));
    let value = value * 2f64.powi(shift);
    value.is_finite().then_some(value)
}

/// An unsigned whole number of 64 bits. Base 0 goes by prefix (`0x`, `0b`, `0o`, `0`) and allows
/// underscores between digits.
pub fn parse_uint(text: &str, base: u32) -> Option<u64> {
    if base != 0 {
        return digits(text, base);
    }
    let (base, body) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &text[2..]),
        [b'0', b'b' | b'B', ..] => (2, &text[2..]),
        [b'0', b'o' | b'O', ..] => (8, &text[2..]),
        [b'0', _, ..] => (8, &text[1..]),
        _ => return digits(text, 10).or_else(|| underscored(text, 10, false)),
    };
    digits(body, base).or_else(|| underscored(body, base, true))
}

/// A signed whole number of 64 bits, otherwise as [`parse_uint`].
pub fn parse_int(text: &str, base: u32) -> Option<i64> {
    let (negative, body) = match text.strip_prefix('-') {
        Some(body) => (true, body),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let magnitude = i128::from(parse_uint(body, base)?);
    i64::try_from(if negative { -magnitude } else { magnitude }).ok()
}

fn digits(text: &str, base: u32) -> Option<u64> {
    if text.is_empty() || !text.chars().all(|c| c.is_digit(base)) {
        return None;
    }
    u64::from_str_radix(text, base).ok()
}

/// An underscore may stand between digits, and behind a prefix.
fn underscored(text: &str, base: u32, prefixed: bool) -> Option<u64> {
    let misplaced =
        text.ends_with('_') || text.contains("__") || (text.starts_with('_') && !prefixed);
    if misplaced || !text.contains('_') {
        return None;
    }
    digits(&text.replace('_', ""), base)
}

/// Appends a text in double quotes with Go's escapes.
pub fn push_quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        push_escaped(out, c, '"', false);
    }
    out.push('"');
}

/// Appends a character as Go writes it between quotes of this kind, or with ASCII alone.
pub fn push_escaped(out: &mut String, c: char, quote: char, ascii: bool) {
    let shown = unicode::is_print(c) && (c.is_ascii() || !ascii);
    match c {
        '\\' => out.push_str("\\\\"),
        c if c == quote => out.extend(['\\', c]),
        c if shown => out.push(c),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{7}' => out.push_str("\\a"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        '\u{b}' => out.push_str("\\v"),
        c if c.is_ascii() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
        c if c <= '\u{ffff}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
        c => out.push_str(&format!("\\U{:08x}", u32::from(c))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn floats() {
        for (text, value) in [
            ("1e3", Some(1000.0)),
            ("+1.5", Some(1.5)),
            (".5", Some(0.5)),
            ("inf", Some(f64::INFINITY)),
            ("-Infinity", Some(f64::NEG_INFINITY)),
            ("0x1p-2", Some(0.25)),
            ("-0x1.8p1", Some(-3.0)),
            ("0x10", None),
            ("1e400", None),
            ("", None),
            (" 1", None),
            ("1_000", Some(1000.0)),
            ("-1_0.5_0e1_0", Some(-10.5e10)),
            ("0x_1p4", Some(16.0)),
            ("1__0", None),
            ("1_", None),
            ("_1", None),
            ("1_.5", None),
            ("-nan", None),
            ("+nan", None),
            ("0x.p1", None),
            ("infinit", None),
        ] {
            assert_eq!(parse_float(text), value, "{text}");
        }
        assert!(parse_float("NaN").is_some_and(f64::is_nan));
    }

    #[test]
    fn integers() {
        for (text, value) in [
            ("17", Some(17)),
            ("0x1F", Some(31)),
            ("0b101", Some(5)),
            ("0o17", Some(15)),
            ("017", Some(15)),
            ("0", Some(0)),
            ("1_000", Some(1000)),
            ("0x_f", Some(15)),
            ("_1", None),
            ("1__0", None),
            ("1_", None),
            ("09", None),
            ("+1", None),
            ("0x", None),
            ("18446744073709551616", None),
        ] {
            assert_eq!(parse_uint(text, 0), value, "{text}");
        }
        assert_eq!(parse_int("-9223372036854775808", 10), Some(i64::MIN));
        assert_eq!(parse_int("9223372036854775808", 10), None);
        assert_eq!(parse_uint("ff", 16), Some(255));
        assert_eq!(parse_uint("1_0", 10), None);
    }

    #[test]
    fn quotes() {
        let mut out = String::new();
        push_quoted(&mut out, "a\"b\\\n\u{1}é");
        assert_eq!(out, "\"a\\\"b\\\\\\n\\x01é\"");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = (parse_float(&text), parse_uint(&text, 0), parse_int(&text, 0));
            push_quoted(&mut String::new(), &text);
        }
    }
}
