//! The methods of Go's `time.Time` that templates call, in UTC.

use super::{Value, fmt};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use std::fmt::Write;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// How a time prints.
const DEFAULT_LAYOUT: &str = "2006-01-02 15:04:05.999999999 -0700 MST";

pub(super) fn method(instant: Timestamp, name: &str, arguments: &[Value]) -> Result<Value, String> {
    let when = instant.to_zoned(TimeZone::UTC);
    let int = |number: i64| Ok(Value::Int(number));
    let int64 = |number: i64| {
        Ok(Value::Named {
            number,
            text: None,
            kind: "int64",
        })
    };
    match (name, arguments) {
        ("Format", [Value::Text(layout)]) => Ok(Value::Text(format(&when, layout))),
        ("String", []) => Ok(Value::Text(text(instant))),
        ("Unix", []) => int64(instant.as_second()),
        ("UnixMilli", []) => int64(instant.as_millisecond()),
        ("UnixMicro", []) => int64(instant.as_microsecond()),
        ("UnixNano", []) => int64(i64::try_from(instant.as_nanosecond()).unwrap_or(0)),
        ("Year", []) => int(i64::from(when.year())),
        ("Day", []) => int(i64::from(when.day())),
        ("Hour", []) => int(i64::from(when.hour())),
        ("Minute", []) => int(i64::from(when.minute())),
        ("Second", []) => int(i64::from(when.second())),
        ("Nanosecond", []) => int(i64::from(when.subsec_nanosecond())),
        ("YearDay", []) => int(i64::from(when.day_of_year())),
        ("Month", []) => Ok(Value::Named {
            number: i64::from(when.month()),
            text: Some(month(&when)),
            kind: "time.Month",
        }),
        ("Weekday", []) => Ok(Value::Named {
            number: i64::from(when.weekday().to_sunday_zero_offset()),
            text: Some(weekday(&when)),
            kind: "time.Weekday",
        }),
        ("UTC", []) => Ok(Value::Time(instant)),
        ("Location", []) => Ok(Value::Text("UTC".to_owned())),
        ("IsZero", []) => Ok(Value::Bool(false)),
        _ => Err(format!(
            "a time has no method {name} that takes {} arguments of {}",
            arguments.len(),
            arguments.first().map_or("any type", fmt::kind)
        )),
    }
}

/// `2006-01-02 15:04:05.99 +0000 UTC`
pub(super) fn text(instant: Timestamp) -> String {
    format(&instant.to_zoned(TimeZone::UTC), DEFAULT_LAYOUT)
}

fn month(when: &Zoned) -> &'static str {
    MONTHS[usize::from(when.month().unsigned_abs()) - 1]
}

fn weekday(when: &Zoned) -> &'static str {
    DAYS[usize::from(when.weekday().to_sunday_zero_offset().unsigned_abs())]
}

/// The pieces of a layout; the first that the rest begins with is taken.
const PIECES: [&str; 35] = [
    "January",
    "Jan",
    "Monday",
    "Mon",
    "MST",
    "2006",
    "_2006",
    "__2",
    "_2",
    "002",
    "01",
    "02",
    "03",
    "04",
    "05",
    "06",
    "15",
    "PM",
    "pm",
    "-07:00:00",
    "-070000",
    "-07:00",
    "-0700",
    "-07",
    "Z07:00:00",
    "Z070000",
    "Z07:00",
    "Z0700",
    "Z07",
    "1",
    "2",
    "3",
    "4",
    "5",
    ".",
];

fn format(when: &Zoned, layout: &str) -> String {
    let mut out = String::with_capacity(layout.len() + 8);
    let mut rest = layout;
    while let Some(c) = rest.chars().next() {
        if let Some(len) = fraction(rest) {
            push_fraction(&mut out, when, &rest[..len]);
            rest = &rest[len..];
            continue;
        }
        let piece = PIECES.iter().find(|p| rest.starts_with(**p));
        // `Jan` and `Mon` within a longer word are that word's.
        let piece = piece.filter(|p| {
            let next = rest[p.len()..].chars().next();
            !matches!(**p, "Jan" | "Mon") || !next.is_some_and(|c| c.is_ascii_lowercase())
        });
        match piece {
            Some(piece) => {
                push_piece(&mut out, when, piece);
                rest = &rest[piece.len()..];
            }
            None => {
                out.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    out
}

/// The length of `.000`, `,000`, `.999` or `,999` with any number of digits.
fn fraction(text: &str) -> Option<usize> {
    let digits = text.strip_prefix(['.', ','])?;
    let digit = digits.chars().next().filter(|c| matches!(c, '0' | '9'))?;
    let count = digits.len() - digits.trim_start_matches(digit).len();
    let next = digits[count..].chars().next();
    (!next.is_some_and(|c| c.is_ascii_digit())).then_some(count + 1)
}

fn push_fraction(out: &mut String, when: &Zoned, piece: &str) {
    let count = (piece.len() - 1).min(9);
    let all = format!("{:09}", when.subsec_nanosecond());
    let mut digits = &all[..count];
    if piece.ends_with('9') {
        digits = digits.trim_end_matches('0');
    }
    if !digits.is_empty() {
        out.push_str(&piece[..1]);
        out.push_str(digits);
    }
}

fn push_piece(out: &mut String, when: &Zoned, piece: &str) {
    let hour12 = match when.hour() % 12 {
        0 => 12,
        hour => hour,
    };
    // Writing to a String cannot fail.
    let _ = match piece {
        "January" => write!(out, "{}", month(when)),
        "Jan" => write!(out, "{}", &month(when)[..3]),
        "Monday" => write!(out, "{}", weekday(when)),
        "Mon" => write!(out, "{}", &weekday(when)[..3]),
        "MST" => write!(out, "UTC"),
        "2006" => write!(out, "{:04}", when.year()),
        "_2006" => write!(out, "_{:04}", when.year()),
        "__2" => write!(out, "{:3}", when.day_of_year()),
        "_2" => write!(out, "{:2}", when.day()),
        "002" => write!(out, "{:03}", when.day_of_year()),
        "01" => write!(out, "{:02}", when.month()),
        "02" => write!(out, "{:02}", when.day()),
        "03" => write!(out, "{hour12:02}"),
        "04" => write!(out, "{:02}", when.minute()),
        "05" => write!(out, "{:02}", when.second()),
        "06" => write!(out, "{:02}", when.year().rem_euclid(100)),
        "15" => write!(out, "{:02}", when.hour()),
        "PM" => write!(out, "{}", if when.hour() >= 12 { "PM" } else { "AM" }),
        "pm" => write!(out, "{}", if when.hour() >= 12 { "pm" } else { "am" }),
        "1" => write!(out, "{}", when.month()),
        "2" => write!(out, "{}", when.day()),
        "3" => write!(out, "{hour12}"),
        "4" => write!(out, "{}", when.minute()),
        "5" => write!(out, "{}", when.second()),
        zone if zone.starts_with('Z') => write!(out, "Z"),
        zone if zone.starts_with('-') => write!(out, "+{}", zone[1..].replace('7', "0")),
        other => write!(out, "{other}"),
    };
}
