//! Constants of numbers and characters, whose type depends on where they stand.

use super::value::Value;
use crate::dialect::strconv;

/// A constant.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Number {
    /// What it is where any type will do; `None` where that is too large.
    pub ideal: Option<Value>,
    /// What it is where a whole number is wanted.
    pub whole: Option<i64>,
}

impl Number {
    /// A character stands for its code.
    pub fn character(code: u32) -> Self {
        Number::whole(i64::from(code))
    }

    fn whole(number: i64) -> Self {
        Number {
            ideal: Some(Value::int(number)),
            whole: Some(number),
        }
    }

    fn complex(real: f64, imaginary: f64) -> Self {
        Number {
            ideal: Some(Value::Complex(real, imaginary)),
            whole: whole(real).filter(|_| imaginary == 0.0),
        }
    }

    /// Reads what [`length`] has found.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bad = || format!("bad number {text:?}");
        if let Some(imaginary) = text.strip_suffix('i') {
            let (real, imaginary) = parts(imaginary);
            let part = |text: &str| strconv::parse_float(text).ok_or_else(bad);
            return Ok(Number::complex(part(real)?, part(imaginary)?));
        }
        if let Some(number) = strconv::parse_int(text, 0) {
            return Ok(match is_float(text) {
                true => Number {
                    ideal: Some(Value::Float(number as f64)),
                    whole: Some(number),
                },
                false => Number::whole(number),
            });
        }
        // Between the largest of the signed and of the unsigned numbers.
        if strconv::parse_uint(text, 0).is_some() {
            return Ok(Number {
                ideal: None,
                whole: None,
            });
        }
        let float = strconv::parse_float(text).filter(|_| is_float(text));
        let float = float.ok_or_else(bad)?;
        Ok(Number {
            ideal: Some(Value::Float(float)),
            whole: whole(float),
        })
    }
}

/// The number if it has no fraction.
fn whole(number: f64) -> Option<i64> {
    let fits = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&number);
    (fits && number.fract() == 0.0).then_some(number as i64)
}

/// Whether it is written like a float. Signs before `0x` make one of it too.
fn is_float(text: &str) -> bool {
    let is_hexadecimal = text.starts_with("0x") || text.starts_with("0X");
    match is_hexadecimal {
        true => text.contains(['p', 'P']),
        false => text.contains(['.', 'e', 'E', 'p', 'P']),
    }
}

/// The real and the imaginary part of a constant without its `i`.
fn parts(text: &str) -> (&str, &str) {
    let inner_sign = |at: &usize| {
        let before = text.as_bytes()[*at - 1];
        let is_hexadecimal = text[..*at].contains(['x', 'X']);
        match before {
            b'p' | b'P' => false,
            b'e' | b'E' => is_hexadecimal,
            _ => true,
        }
    };
    let signs = text.match_indices(['+', '-']).map(|found| found.0);
    let split = signs.skip_while(|at| *at == 0).find(inner_sign);
    match split {
        Some(at) => text.split_at(at),
        None => ("0", text),
    }
}

/// How many bytes at the start of a text are a number, if what follows can stand there.
pub(super) fn length(text: &str) -> usize {
    let first = part_length(text);
    let rest = &text[first..];
    if rest.starts_with(['+', '-']) && !text[..first].ends_with('i') {
        let second = part_length(rest);
        if rest[..second].ends_with('i') {
            return first + second;
        }
    }
    first
}

fn part_length(text: &str) -> usize {
    let mut rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    let mut skip = |set: &str, most: usize| {
        let count = rest
            .bytes()
            .take(most)
            .take_while(|b| set.contains(char::from(*b)));
        let count = count.count();
        rest = &rest[count..];
        count > 0
    };
    const DECIMAL: &str = "0123456789_";
    let (digits, exponent) = match skip("0", 1) {
        true if skip("xX", 1) => ("0123456789abcdefABCDEF_", "pP"),
        true if skip("oO", 1) => ("01234567_", ""),
        true if skip("bB", 1) => ("01_", ""),
        _ => (DECIMAL, "eE"),
    };
    skip(digits, usize::MAX);
    if skip(".", 1) {
        skip(digits, usize::MAX);
    }
    if skip(exponent, 1) {
        skip("+-", 1);
        skip(DECIMAL, usize::MAX);
    }
    skip("i", 1);
    text.len() - rest.len()
}
