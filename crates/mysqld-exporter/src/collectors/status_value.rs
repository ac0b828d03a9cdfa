//! Values of status and system variables, which are text to the server: words, dates, numbers.

use exporter_core::dialect::strconv;

/// The value as a number; `None` where it is some other text.
pub fn parse(text: &str) -> Option<f64> {
    if text.is_empty() {
        return None;
    }
    word(text)
        .or_else(|| certificate_date(text))
        .or_else(|| date(text))
        .or_else(|| number(text))
}

fn word(text: &str) -> Option<f64> {
    let is = |words: &[&str]| words.iter().any(|w| text.eq_ignore_ascii_case(w));
    if is(&["yes", "on", "primary"]) {
        return Some(1.0);
    }
    let zero = [
        "no",
        "off",
        "disabled",
        "connecting",
        "non-primary",
        "disconnected",
    ];
    is(&zero).then_some(0.0)
}

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];

/// `Jan  2 15:04:05 2006 GMT`, as certificates tell their dates. A zone must be there, and counts as
/// UTC whatever it says.
fn certificate_date(text: &str) -> Option<f64> {
    if text.starts_with(' ') || text.ends_with(' ') {
        return None;
    }
    let mut parts = text.split(' ').filter(|p| !p.is_empty());
    let month = parts.next()?.to_ascii_lowercase();
    let month = MONTHS.iter().position(|m| *m == month)? + 1;
    let day = digits(parts.next()?, 1..=2)?;
    let time = clock(parts.next()?)?;
    let year = digits(parts.next()?, 4..=4)?;
    let ends = is_zone(parts.next()?) && parts.next().is_none();
    ends.then(|| seconds((year, month as i64, day), time))?
}

/// What Go takes for the abbreviation of a time zone.
fn is_zone(text: &str) -> bool {
    if let Some(offset) = text.strip_prefix("GMT").filter(|o| !o.is_empty()) {
        return is_offset(offset);
    }
    let upper = text.bytes().all(|b| b.is_ascii_uppercase());
    match text.len() {
        _ if is_offset(text) => true,
        3 => upper,
        4 => (upper && text.ends_with('T')) || ["WITA", "ChST", "MeST"].contains(&text),
        5 => upper && text.ends_with('T'),
        _ => false,
    }
}

/// A sign and hours.
fn is_offset(text: &str) -> bool {
    let hours = text.strip_prefix(['+', '-']).unwrap_or("");
    digits(hours, 1..=2).is_some_and(|hours| hours <= 23)
}

/// `2006-01-02 15:04:05`, as UTC.
pub fn date(text: &str) -> Option<f64> {
    let (date, time) = text.split_once(' ')?;
    let mut parts = date.split('-');
    let year = digits(parts.next()?, 4..=4)?;
    let month = digits(parts.next()?, 2..=2)?;
    let day = digits(parts.next()?, 2..=2)?;
    if parts.next().is_some() {
        return None;
    }
    seconds((year, month, day), clock(time.trim_start_matches(' '))?)
}

/// `15:04:05`; the hour may have one digit, and a fraction of the second is dropped.
fn clock(text: &str) -> Option<(i64, i64, i64)> {
    let (text, fraction) = text.split_once(['.', ',']).unwrap_or((text, "0"));
    if fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let mut parts = text.split(':');
    let hour = digits(parts.next()?, 1..=2)?;
    let minute = digits(parts.next()?, 2..=2)?;
    let second = digits(parts.next()?, 2..=2)?;
    parts.next().is_none().then_some((hour, minute, second))
}

fn digits(text: &str, length: std::ops::RangeInclusive<usize>) -> Option<i64> {
    let fits = length.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    fits.then(|| text.parse().ok())?
}

/// Unix time of a date that exists.
fn seconds(
    (year, month, day): (i64, i64, i64),
    (hour, minute, second): (i64, i64, i64),
) -> Option<f64> {
    let date = jiff::civil::Date::new(year as i16, month as i8, day as i8).ok()?;
    let time = jiff::civil::Time::new(hour as i8, minute as i8, second as i8, 0).ok()?;
    let zoned = date
        .to_datetime(time)
        .to_zoned(jiff::tz::TimeZone::UTC)
        .ok()?;
    Some(zoned.timestamp().as_second() as f64)
}

/// A number in Go's syntax. Of a text whose last line ends in a point and digits only that line
/// counts; a log file's name with a number at its end is none.
fn number(text: &str) -> Option<f64> {
    let last = text.rsplit('\n').next().unwrap_or(text);
    let candidate = match last.rsplit_once('.') {
        Some((before, after))
            if !before.is_empty()
                && !after.is_empty()
                && after.bytes().all(|b| b.is_ascii_digit()) =>
        {
            last
        }
        _ => text,
    };
    strconv::parse_float(candidate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_dates_and_numbers() {
        for (text, expected) in [
            ("Yes", Some(1.0)),
            ("ON", Some(1.0)),
            ("Primary", Some(1.0)),
            ("non-Primary", Some(0.0)),
            ("Connecting", Some(0.0)),
            ("Disconnected", Some(0.0)),
            ("DISABLED", Some(0.0)),
            ("ENABLED", None),
            ("Preparing", None),
            ("true", None),
            ("", None),
            ("17", Some(17.0)),
            ("-0.5", Some(-0.5)),
            ("1e3", Some(1000.0)),
            ("0x1p4", Some(16.0)),
            ("0x_1p4", Some(16.0)),
            ("1_000", Some(1000.0)),
            ("1__0", None),
            ("_1", None),
            ("1_", None),
            ("1_.5", None),
            ("inf", Some(f64::INFINITY)),
            (" 1", None),
            ("1e400", None),
            ("18446744073709551615", Some(1.8446744073709552e19)),
            ("mysql-bin.000042", None),
            ("first line\n2.5", Some(2.5)),
            ("first line\n25", None),
            ("1.5\nlast", None),
            ("10.11.14", None),
            ("2021-03-04 05:06:07", Some(1614834367.0)),
            ("2021-03-04  05:06:07.891", Some(1614834367.0)),
            ("2021-13-04 05:06:07", None),
            ("2021-02-30 05:06:07", None),
            ("0000-00-00 00:00:00", None),
            ("2021-03-04", None),
            ("Mar  4 05:06:07 2031 GMT", Some(1930367167.0)),
            ("mar 04 05:06:07 2031 CET", Some(1930367167.0)),
            ("Mar 4 05:06:07.5 2031 GMT+1", Some(1930367167.0)),
            ("Mar 4 05:06:07 2031 GMT+24", None),
            ("Mar 4 05:06:07 2031 +01", Some(1930367167.0)),
            ("Mar 4 05:06:07 2031 CEST", Some(1930367167.0)),
            ("Mar 4 05:06:07 2031 MESZ", None),
            ("Mar 4 05:06:07 2031 gmt", None),
            (" Mar 4 05:06:07 2031 GMT", None),
            ("Mar 4 05:06:07 2031", None),
            ("Mar 4 5:6:07 2031 GMT", None),
            ("241124 20:00:00", None),
        ] {
            assert_eq!(parse(text), expected, "{text:?}");
        }
        assert!(parse("NaN").is_some_and(f64::is_nan));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            parse(&text);
        }

        #[test]
        fn no_date_makes_it_panic(text in "(Mar|Feb) [0-9]{1,3} [0-9:]{5,9} [0-9]{3,5} [A-Z+-]{0,5}|[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:.]{5,12}") {
            parse(&text);
        }
    }
}
