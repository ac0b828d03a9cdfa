//! Durations as Go writes them: `1h30m`, `1.5s`, `300ms`.

use std::time::Duration;

/// Nanoseconds of the units; kingpin knows days and weeks too.
const UNITS: [(&str, i128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];
const LONG_UNITS: [(&str, i128); 2] = [("d", 86_400_000_000_000), ("w", 604_800_000_000_000)];

/// Parses a Go duration into nanoseconds. The error is a sentence.
pub fn parse(text: &str) -> Result<i64, String> {
    parse_with(text, &[])
}

/// The same with the units `d` and `w`, as flags of kingpin 2.4 take them.
pub fn parse_flag(text: &str) -> Result<i64, String> {
    parse_with(text, &LONG_UNITS)
}

/// Parses a duration that may not be negative.
pub fn parse_non_negative(text: &str) -> Result<Duration, String> {
    let nanoseconds = parse_flag(text)?;
    u64::try_from(nanoseconds)
        .map(Duration::from_nanos)
        .map_err(|_| format!("expected a duration that is not negative, got {text:?}"))
}

fn parse_with(text: &str, more: &[(&str, i128)]) -> Result<i64, String> {
    let invalid = || format!("expected a duration such as 300ms, 1.5s or 1h30m, got {text:?}");
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let (value, tail) = part(rest, more).ok_or_else(invalid)?;
        total = total.checked_add(value).ok_or_else(invalid)?;
        rest = tail;
    }
    i64::try_from(if negative { -total } else { total }).map_err(|_| invalid())
}

/// One number and its unit, in nanoseconds, and what is left.
fn part<'a>(text: &'a str, more: &[(&str, i128)]) -> Option<(i128, &'a str)> {
    let is_digit = |b: &u8| b.is_ascii_digit();
    let whole_len = text.bytes().take_while(|b| is_digit(b)).count();
    let (whole, rest) = text.split_at(whole_len);
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(rest.bytes().take_while(|b| is_digit(b)).count()),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let unit_len = rest
        .bytes()
        .take_while(|b| !is_digit(b) && *b != b'.')
        .count();
    let (word, rest) = rest.split_at_checked(unit_len)?;
    let unit = UNITS.iter().chain(more).find(|u| u.0 == word)?.1;
    let whole: i128 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    // Eighteen digits of a fraction are more than a nanosecond can show.
    let digits = &fraction[..fraction.len().min(18)];
    let scaled: i128 = if digits.is_empty() {
        0
    } else {
        digits.parse().ok()?
    };
    let divisor = 10i128.pow(digits.len() as u32);
    let value = whole
        .checked_mul(unit)?
        .checked_add(scaled * unit / divisor)?;
    Some((value, rest))
}

/// Prints nanoseconds as Go does: `1h5m0s`, `1.5s`, `300ms`, `2µs`, `0s`.
pub fn format(nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let magnitude = nanoseconds.unsigned_abs();
    let small = |unit: u64, word: &str| {
        format!(
            "{sign}{}{word}",
            decimal(magnitude / unit, magnitude % unit, unit)
        )
    };
    match magnitude {
        0 => "0s".to_owned(),
        1..1_000 => small(1, "ns"),
        1_000..1_000_000 => small(1_000, "µs"),
        1_000_000..1_000_000_000 => small(1_000_000, "ms"),
        _ => {
            let seconds = magnitude / 1_000_000_000;
            let rest = decimal(seconds % 60, magnitude % 1_000_000_000, 1_000_000_000);
            match (seconds / 3600, seconds / 60 % 60) {
                (0, 0) => format!("{sign}{rest}s"),
                (0, minutes) => format!("{sign}{minutes}m{rest}s"),
                (hours, minutes) => format!("{sign}{hours}h{minutes}m{rest}s"),
            }
        }
    }
}

fn decimal(whole: u64, fraction: u64, unit: u64) -> String {
    if fraction == 0 {
        return whole.to_string();
    }
    let width = unit.ilog10() as usize;
    let digits = format!("{fraction:0width$}");
    format!("{whole}.{}", digits.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts() {
        for (text, nanoseconds) in [
            ("0", Some(0)),
            ("300ms", Some(300_000_000)),
            ("1.5h", Some(5_400_000_000_000)),
            ("1h30m", Some(5_400_000_000_000)),
            ("-2s", Some(-2_000_000_000)),
            (".5s", Some(500_000_000)),
            ("1.s", Some(1_000_000_000)),
            ("2µs", Some(2_000)),
            ("3.46608s", Some(3_466_080_000)),
            ("5", None),
            ("", None),
            ("s", None),
            ("1d", None),
            ("1 s", None),
            ("9999999h", None),
        ] {
            assert_eq!(parse(text).ok(), nanoseconds, "{text}");
        }
        assert_eq!(parse_flag("1w1d"), Ok(691_200_000_000_000));
        assert!(parse_non_negative("-1s").is_err());
    }

    #[test]
    fn printed() {
        for (nanoseconds, text) in [
            (0, "0s"),
            (1, "1ns"),
            (2_000, "2µs"),
            (1_500_000, "1.5ms"),
            (1_500_000_000, "1.5s"),
            (300_000_000_000, "5m0s"),
            (-3_600_000_000_000, "-1h0m0s"),
        ] {
            assert_eq!(format(nanoseconds), text);
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = parse_flag(&text);
        }

        #[test]
        fn reads_what_it_prints(nanoseconds: i64) {
            prop_assert_eq!(parse(&format(nanoseconds)), Ok(nanoseconds));
        }
    }
}
