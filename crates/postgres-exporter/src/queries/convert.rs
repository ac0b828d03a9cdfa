//! From values of any type to numbers and labels.

use exporter_core::dialect::strconv::parse_float;
use exporter_core::exposition::number;
use std::borrow::Cow;

// Object ids of types that are not converted by their text, as in `pg_type`.
const BOOL: u32 = 16;
const BYTEA: u32 = 17;
const INT8: u32 = 20;
const INT2: u32 = 21;
const INT4: u32 = 23;
const FLOAT4: u32 = 700;
const FLOAT8: u32 = 701;
const DATE: u32 = 1082;
const TIME: u32 = 1083;
const TIMESTAMP: u32 = 1114;
const TIMESTAMPTZ: u32 = 1184;
const TIMETZ: u32 = 1266;

/// A sample's value; `None` where the text is no number. Null is not a number, literally.
pub fn value(text: Option<&str>, type_oid: u32) -> Option<f64> {
    let Some(text) = text else {
        return Some(f64::NAN);
    };
    match type_oid {
        BOOL => Some(f64::from(u8::from(text == "t"))),
        INT2 | INT4 | INT8 | FLOAT4 | FLOAT8 => text.parse().ok(),
        DATE | TIME | TIMETZ | TIMESTAMP | TIMESTAMPTZ => seconds(text, type_oid),
        BYTEA => parse_float(&bytes(text)),
        _ => parse_float(text),
    }
}

/// A label's value; null is empty.
pub fn label(text: Option<&str>, type_oid: u32) -> Cow<'_, str> {
    let Some(text) = text else {
        return Cow::Borrowed("");
    };
    match type_oid {
        BOOL => Cow::Borrowed(if text == "t" { "true" } else { "false" }),
        FLOAT4 | FLOAT8 => match text.parse() {
            Ok(value) => {
                let mut digits = Vec::new();
                number::push(&mut digits, value);
                Cow::Owned(String::from_utf8_lossy(&digits).into_owned())
            }
            Err(_) => Cow::Borrowed(text),
        },
        DATE | TIME | TIMETZ | TIMESTAMP | TIMESTAMPTZ => match seconds(text, type_oid) {
            Some(seconds) if seconds.is_finite() => Cow::Owned((seconds as i64).to_string()),
            _ => Cow::Borrowed(text),
        },
        BYTEA => bytes(text),
        _ => Cow::Borrowed(text),
    }
}

/// The bytes of `\x6162`, where they are text.
fn bytes(text: &str) -> Cow<'_, str> {
    let Some(digits) = text.strip_prefix("\\x") else {
        return Cow::Borrowed(text);
    };
    let pairs = digits.as_bytes().chunks_exact(2);
    let byte = |pair: &[u8]| {
        let digit = |b: u8| char::from(b).to_digit(16).unwrap_or(0) as u8;
        digit(pair[0]) * 16 + digit(pair[1])
    };
    let bytes: Vec<u8> = pairs.map(byte).collect();
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

/// Whole seconds since the epoch of `2024-02-03 04:05:06.7+01:30 BC` or a part of it. A time of day
/// alone counts from the first day of the year 0.
fn seconds(text: &str, type_oid: u32) -> Option<f64> {
    match text {
        "infinity" => return Some(f64::INFINITY),
        "-infinity" => return Some(f64::NEG_INFINITY),
        _ => {}
    }
    let (text, before_christ) = match text.strip_suffix(" BC") {
        Some(text) => (text, true),
        None => (text, false),
    };
    let (date, time) = match type_oid {
        TIME | TIMETZ => ("0000-01-01", text),
        _ => text.split_once(' ').unwrap_or((text, "00:00:00")),
    };
    let mut parts = date.splitn(3, '-');
    let mut part = || parts.next()?.parse::<i64>().ok();
    let (year, month, day) = (part()?, part()?, part()?);
    let year = if before_christ { 1 - year } else { year };
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || year.abs() > 1_000_000 {
        return None;
    }
    let zone_at = time.find(['+', '-']).unwrap_or(time.len());
    let offset = offset(&time[zone_at..])?;
    // Fractions are dropped, which is towards the past here.
    Some((days(year, month, day) * 86400 + time_of_day(&time[..zone_at])? - offset) as f64)
}

fn time_of_day(text: &str) -> Option<i64> {
    let whole = text.split('.').next()?;
    let mut sum = 0;
    let mut count = 0;
    for (part, unit) in whole.split(':').zip([3600, 60, 1]) {
        sum += i64::from(part.parse::<u16>().ok()?) * unit;
        count += 1;
    }
    (count >= 2).then_some(sum)
}

/// Seconds east of Greenwich of `+01`, `-03:30` or nothing.
fn offset(text: &str) -> Option<i64> {
    let (sign, text) = match (text.strip_prefix('+'), text.strip_prefix('-')) {
        (Some(text), _) => (1, text),
        (_, Some(text)) => (-1, text),
        _ => return Some(0),
    };
    let mut sum = 0;
    for (part, unit) in text.split(':').zip([3600, 60, 1]) {
        sum += i64::from(part.parse::<u16>().ok()?) * unit;
    }
    Some(sign * sum)
}

/// Days from 1970-01-01 of a day of the proleptic Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March, so that the day that comes and goes is the last.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The elements of an array such as `{1,2.5,NULL}`; `None` where it is none, or one has no number.
pub fn array(text: &str) -> Option<Vec<f64>> {
    let inside = text.strip_prefix('{')?.strip_suffix('}')?;
    if inside.is_empty() {
        return Some(Vec::new());
    }
    let elements = inside.split(',').map(|e| e.trim_matches('"').parse().ok());
    elements.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values() {
        for (text, oid, expected) in [
            ("t", BOOL, Some(1.0)),
            ("f", BOOL, Some(0.0)),
            ("-7", INT8, Some(-7.0)),
            ("Infinity", FLOAT8, Some(f64::INFINITY)),
            ("1.5", 1700, Some(1.5)),
            ("0x1p-2", 25, Some(0.25)),
            ("inf", 25, Some(f64::INFINITY)),
            (" 1", 25, None),
            ("12 kB", 25, None),
            ("{1}", 1007, None),
            ("\\x312e35", BYTEA, Some(1.5)),
            ("1970-01-02", DATE, Some(86400.0)),
            ("2001-09-09 01:46:40.9", TIMESTAMP, Some(1e9)),
            ("2001-09-09 03:16:40+01:30", TIMESTAMPTZ, Some(1e9)),
            ("2001-09-08 23:46:40-02", TIMESTAMPTZ, Some(1e9)),
            ("1969-12-31 23:59:59.5", TIMESTAMP, Some(-1.0)),
            ("0001-01-01 00:00:00 BC", TIMESTAMP, Some(-62167219200.0)),
            ("-infinity", TIMESTAMP, Some(f64::NEG_INFINITY)),
            ("00:00:05", TIME, Some(-62167219195.0)),
            ("01:00:05+01", TIMETZ, Some(-62167219195.0)),
            ("1 day", 1186, None),
        ] {
            assert_eq!(value(Some(text), oid), expected, "{text}");
        }
        assert!(value(None, INT4).unwrap().is_nan());
    }

    #[test]
    fn labels() {
        for (text, oid, expected) in [
            (Some("t"), BOOL, "true"),
            (Some("1000000"), INT8, "1000000"),
            (Some("1000000"), FLOAT8, "1e+06"),
            (Some("0.5"), FLOAT4, "0.5"),
            (Some("1000000"), 1700, "1000000"),
            (Some("1970-01-02"), DATE, "86400"),
            (Some("\\x6162"), BYTEA, "ab"),
            (Some("x"), 25, "x"),
            (None, 25, ""),
        ] {
            assert_eq!(label(text, oid), expected, "{text:?}");
        }
    }

    #[test]
    fn arrays() {
        assert_eq!(array("{1,2.5,\"3\"}"), Some(vec![1.0, 2.5, 3.0]));
        assert_eq!(array("{}"), Some(vec![]));
        assert_eq!(array("{1,NULL}"), None);
        assert_eq!(array("1"), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            for oid in [BOOL, BYTEA, INT4, FLOAT8, DATE, TIME, TIMETZ, TIMESTAMP, TIMESTAMPTZ, 25] {
                let _ = (value(Some(&text), oid), label(Some(&text), oid));
            }
            let _ = array(&text);
        }

        #[test]
        fn no_date_makes_it_panic(text in "[0-9]{1,20}-[0-9]{1,3}-[0-9]{1,3}( [0-9:.]{0,12}[+-]?[0-9:]{0,6})?( BC)?") {
            let _ = seconds(&text, TIMESTAMPTZ);
        }
    }
}
