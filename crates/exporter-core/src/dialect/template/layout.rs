//! How Go's `time.Time` prints by a layout that shows the time 2006-01-02 15:04:05 -07:00.

use jiff::Zoned;
use jiff::tz::TimeZone;
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

/// How a time prints where no layout is given.
pub(super) const DEFAULT: &str = "2006-01-02 15:04:05.999999999 -0700 MST";
/// RFC 3339, with as many digits of the second as it has.
pub(super) const RFC3339: &str = "2006-01-02T15:04:05.999999999Z07:00";

/// The name of a month, of which the first is 1.
pub(super) fn month(number: i64) -> Option<&'static str> {
    let index = usize::try_from(number).ok()?.checked_sub(1)?;
    MONTHS.get(index).copied()
}

/// The name of a day of the week, of which the first is 0, Sunday.
pub(super) fn weekday(number: i64) -> Option<&'static str> {
    DAYS.get(usize::try_from(number).ok()?).copied()
}

fn month_of(when: &Zoned) -> &'static str {
    month(i64::from(when.month())).unwrap_or_default()
}

fn weekday_of(when: &Zoned) -> &'static str {
    weekday(i64::from(when.weekday().to_sunday_zero_offset())).unwrap_or_default()
}

/// The pieces of a layout; the first that the rest begins with is taken.
const PIECES: [&str; 34] = [
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
];

/// Prints a time by a layout.
pub(super) fn format(when: &Zoned, layout: &str) -> String {
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
        "January" => write!(out, "{}", month_of(when)),
        "Jan" => write!(out, "{}", &month_of(when)[..3]),
        "Monday" => write!(out, "{}", weekday_of(when)),
        "Mon" => write!(out, "{}", &weekday_of(when)[..3]),
        "MST" => write!(out, "{}", abbreviation(when)),
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
        zone => {
            push_offset(out, when.offset().seconds(), zone);
            Ok(())
        }
    };
}

/// `-0700`, or `Z0700` for which UTC is `Z`; with colons or seconds where the layout has them.
fn push_offset(out: &mut String, offset: i32, layout: &str) {
    if layout.starts_with('Z') && offset == 0 {
        out.push('Z');
        return;
    }
    out.push(if offset < 0 { '-' } else { '+' });
    let seconds = offset.unsigned_abs();
    let colon = if layout.contains(':') { ":" } else { "" };
    let parts = [seconds / 3600, seconds / 60 % 60, seconds % 60];
    let count = layout.bytes().filter(u8::is_ascii_digit).count() / 2;
    let parts: Vec<_> = parts
        .iter()
        .take(count)
        .map(|p| format!("{p:02}"))
        .collect();
    out.push_str(&parts.join(colon));
}

fn abbreviation(when: &Zoned) -> String {
    let zone = when.time_zone();
    match *zone == TimeZone::UTC {
        true => "UTC".to_owned(),
        false => zone
            .to_offset_info(when.timestamp())
            .abbreviation()
            .to_owned(),
    }
}
