//! Numbers as the exposition formats print them.

/// Appends a value by the rule of text format 0.0.4: the shortest digits that read back as the
/// same float, in scientific form below 1e-4 and from 1e6 up.
pub fn push(out: &mut Vec<u8>, value: f64) {
    if value.fract() == 0.0 && value.abs() < 1e6 {
        // A zero loses its sign.
        let mut buffer = itoa::Buffer::new();
        out.extend_from_slice(buffer.format(value as i32).as_bytes());
    } else if value.is_finite() {
        push_digits(out, value);
    } else if value.is_nan() {
        out.extend_from_slice(b"NaN");
    } else {
        out.extend_from_slice(if value > 0.0 { b"+Inf" } else { b"-Inf" });
    }
}

/// Appends a value by the rule of OpenMetrics: as [`push`], with `.0` where it would read as an
/// integer.
pub fn push_open_metrics(out: &mut Vec<u8>, value: f64) {
    let start = out.len();
    push(out, value);
    let digits = &out[start..];
    if value.is_finite() && !digits.iter().any(|b| matches!(b, b'.' | b'e')) {
        out.extend_from_slice(b".0");
    }
}

/// Appends a whole number.
pub fn push_integer(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn push_digits(out: &mut Vec<u8>, value: f64) {
    let mut buffer = zmij::Buffer::new();
    let text = buffer.format_finite(value);
    if value < 0.0 {
        out.push(b'-');
    }
    let mut digits = [0u8; 32];
    let (count, exponent) = split(text, &mut digits);
    let digits = &digits[..count];
    if (-4..6).contains(&exponent) {
        push_plain(out, digits, exponent);
    } else {
        push_scientific(out, digits, exponent);
    }
}

/// Takes `-12.5e-7` apart: significant digits without zeros at either end, and the power of ten of
/// the first.
fn split(text: &str, digits: &mut [u8; 32]) -> (usize, i32) {
    let mut count = 0;
    let mut point = None;
    let mut exponent = 0;
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'0'..=b'9' => {
                if let Some(place) = digits.get_mut(count) {
                    *place = *byte;
                    count += 1;
                }
            }
            b'.' => point = Some(count as i32),
            b'e' | b'E' => {
                exponent = text[at + 1..].parse().unwrap_or(0);
                break;
            }
            _ => {}
        }
    }
    let mut first = point.unwrap_or(count as i32) - 1 + exponent;
    let zeros = digits[..count].iter().take_while(|d| **d == b'0').count();
    digits.copy_within(zeros..count, 0);
    count -= zeros;
    first -= zeros as i32;
    while count > 1 && digits[count - 1] == b'0' {
        count -= 1;
    }
    (count, first)
}

fn push_plain(out: &mut Vec<u8>, digits: &[u8], exponent: i32) {
    if exponent < 0 {
        out.extend_from_slice(b"0.");
        out.extend(std::iter::repeat_n(b'0', (-exponent - 1) as usize));
        out.extend_from_slice(digits);
        return;
    }
    let whole = exponent as usize + 1;
    if digits.len() <= whole {
        out.extend_from_slice(digits);
        out.extend(std::iter::repeat_n(b'0', whole - digits.len()));
    } else {
        out.extend_from_slice(&digits[..whole]);
        out.push(b'.');
        out.extend_from_slice(&digits[whole..]);
    }
}

fn push_scientific(out: &mut Vec<u8>, digits: &[u8], exponent: i32) {
    out.extend_from_slice(&digits[..1]);
    if digits.len() > 1 {
        out.push(b'.');
        out.extend_from_slice(&digits[1..]);
    }
    out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
    if exponent.abs() < 10 {
        out.push(b'0');
    }
    push_integer(out, i64::from(exponent.abs()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(value: f64) -> String {
        let mut out = Vec::new();
        push(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn edges() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (-17.0, "-17"),
            (999_999.0, "999999"),
            (1e6, "1e+06"),
            (-1e6, "-1e+06"),
            (1_234_567.0, "1.234567e+06"),
            (10_000_001.0, "1.0000001e+07"),
            (999_999.5, "999999.5"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (0.1, "0.1"),
            (123.456, "123.456"),
            (1e21, "1e+21"),
            (1e100, "1e+100"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (18446744073709551615.0, "1.8446744073709552e+19"),
            (9653.880000000001, "9653.880000000001"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(text(value), expected);
        }
    }

    #[test]
    fn open_metrics_numbers_are_floats() {
        for (value, expected) in [
            (1.0, "1.0"),
            (1.5, "1.5"),
            (1e6, "1e+06"),
            (f64::NAN, "NaN"),
        ] {
            let mut out = Vec::new();
            push_open_metrics(&mut out, value);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    proptest! {
        #[test]
        fn reads_back(bits: u64) {
            let value = f64::from_bits(bits);
            if value.is_finite() {
                prop_assert_eq!(text(value).parse::<f64>().unwrap(), value);
            }
        }

        #[test]
        fn is_as_short_as_can_be(value: f64) {
            let digits = |t: &str| t.split(['e', 'E']).next().unwrap().chars()
                .filter(char::is_ascii_digit).collect::<String>().trim_matches('0').len();
            prop_assert_eq!(digits(&text(value)), digits(&format!("{value:e}")));
        }
    }
}
