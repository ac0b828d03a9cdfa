//! Points in time and spans, in nanoseconds.

use exporter_core::dialect::strconv;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// A point in time.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Nanoseconds since 1970.
    pub at: i128,
    /// Seconds east of Greenwich of the clock it was read from, which only its text tells.
    pub east: i64,
}

impl Moment {
    /// So many nanoseconds later; refused before the year 1 and after 9999.
    pub fn later(self, nanoseconds: i128) -> Result<Self, String> {
        let at = checked(self.at + nanoseconds)?;
        Ok(Moment { at, ..self })
    }
}

/// Nanoseconds of a second.
pub const SECOND: i128 = 1_000_000_000;

/// The first and the last second there is: the years 1 to 9999.
const FIRST: i128 = -62_135_596_800;
const LAST: i128 = 253_402_300_799;

/// Refuses what is before the year 1 or after 9999.
pub fn checked(at: i128) -> Result<i128, String> {
    let seconds = at.div_euclid(SECOND);
    match (FIRST..=LAST).contains(&seconds) {
        true => Ok(at),
        false => Err("the time is out of the range of a timestamp".to_owned()),
    }
}

/// Whole seconds since 1970.
pub fn seconds(at: i128) -> i64 {
    at.div_euclid(SECOND) as i64
}

/// Reads RFC 3339, as strictly as it is written.
pub fn parse(text: &str) -> Result<Moment, String> {
    read(text)
        .ok_or_else(|| format!("expected a time such as 2006-01-02T15:04:05Z, got {text:?}"))
        .and_then(|moment| moment.later(0))
}

fn read(text: &str) -> Option<Moment> {
    let (clock, rest) = text.split_at_checked(19)?;
    let shape = clock.bytes().enumerate().all(|(i, b)| match i {
        4 | 7 => b == b'-',
        10 => b == b'T',
        13 | 16 => b == b':',
        _ => b.is_ascii_digit(),
    });
    let field = |at: usize, len: usize| clock[at..at + len].parse::<i16>().ok();
    if !shape || field(17, 2)? > 59 {
        return None;
    }
    let small = |at: usize| field(at, 2).map(|n| n as i8);
    let civil = DateTime::new(
        field(0, 4)?,
        small(5)?,
        small(8)?,
        small(11)?,
        small(14)?,
        small(17)?,
        0,
    )
    .ok()?;
    let (fraction, zone) = match rest.strip_prefix('.') {
        Some(rest) => {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            (digits > 0).then(|| rest.split_at(digits))?
        }
        None => ("", rest),
    };
    let nanos: i128 = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
    let seconds = i128::from(civil.duration_since(epoch()).as_secs());
    let east = offset(zone)?;
    Some(Moment {
        at: (seconds - i128::from(east)) * SECOND + nanos,
        east,
    })
}

/// `Z` or `+hh:mm`, in seconds.
fn offset(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let bytes = zone.as_bytes();
    let [sign, h1, h2, b':', m1, m2] = *bytes else {
        return None;
    };
    let digits = |a: u8, b: u8| {
        let number = |d: u8| d.is_ascii_digit().then(|| i64::from(d - b'0'));
        Some(number(a)? * 10 + number(b)?)
    };
    let (hours, minutes) = (digits(h1, h2)?, digits(m1, m2)?);
    let total = (hours < 24 && minutes < 60).then_some(hours * 3600 + minutes * 60)?;
    match sign {
        b'+' => Some(total),
        b'-' => Some(-total),
        _ => None,
    }
}

fn epoch() -> DateTime {
    jiff::civil::date(1970, 1, 1).at(0, 0, 0, 0)
}

/// What a clock shows so many seconds east of Greenwich, and the nanoseconds.
fn civil(at: i128, east: i64) -> Result<DateTime, String> {
    let span = SignedDuration::new(seconds(at) + east, at.rem_euclid(SECOND) as i32);
    epoch()
        .checked_add(span)
        .map_err(|_| "the time is out of the range of a calendar".to_owned())
}

/// RFC 3339 with as many decimals as there are.
pub fn format(moment: Moment) -> String {
    let Moment { at, east } = moment;
    let Ok(civil) = civil(at, east) else {
        return String::new();
    };
    let mut text = civil.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    let nanos = at.rem_euclid(SECOND);
    if nanos != 0 {
        text.push_str(format!(".{nanos:09}").trim_end_matches('0'));
    }
    let minutes = east.abs() / 60;
    match east {
        0 => text.push('Z'),
        _ => text.push_str(&format!(
            "{}{:02}:{:02}",
            if east < 0 { '-' } else { '+' },
            minutes / 60,
            minutes % 60
        )),
    }
    text
}

/// A span as decimal seconds.
pub fn format_seconds(span: i64) -> String {
    let sign = if span < 0 { "-" } else { "" };
    let (whole, nanos) = (
        span.unsigned_abs() / 1_000_000_000,
        span.unsigned_abs() % 1_000_000_000,
    );
    // As precise as a double is, as the original has it.
    let seconds = whole as f64 + nanos as f64 / 1e9;
    format!("{sign}{seconds}s")
}

/// One part of a point in time, read in a time zone: UTC where none is named.
pub fn part(name: &str, at: i128, zone: Option<&str>) -> Result<i64, String> {
    let east = match zone {
        Some(zone) => seconds_east(at, zone)?,
        None => 0,
    };
    let civil = civil(at, east)?;
    Ok(match name {
        "getFullYear" => i64::from(civil.year()),
        "getMonth" => i64::from(civil.month()) - 1,
        "getDate" => i64::from(civil.day()),
        "getDayOfMonth" => i64::from(civil.day()) - 1,
        "getDayOfWeek" => i64::from(civil.weekday().to_sunday_zero_offset()),
        "getDayOfYear" => i64::from(civil.day_of_year()) - 1,
        "getHours" => i64::from(civil.hour()),
        "getMinutes" => i64::from(civil.minute()),
        "getSeconds" => i64::from(civil.second()),
        "getMilliseconds" => i64::from(civil.millisecond()),
        _ => return Err(format!("a timestamp has no {name}")),
    })
}

/// The whole of a span in a unit.
pub fn span_part(name: &str, span: i64) -> Result<i64, String> {
    Ok(match name {
        "getHours" => span / 3_600_000_000_000,
        "getMinutes" => span / 60_000_000_000,
        "getSeconds" => span / 1_000_000_000,
        "getMilliseconds" => span / 1_000_000,
        _ => return Err(format!("a duration has no {name}")),
    })
}

/// A zone is `+hh:mm`, also without its sign, or a name of the time zone database.
fn seconds_east(at: i128, zone: &str) -> Result<i64, String> {
    let unknown = || format!("unknown time zone {zone:?}");
    if let Some((hours, minutes)) = zone.split_once(':') {
        let sign = if hours.starts_with('-') { -1 } else { 1 };
        let number = |text: &str| strconv::parse_int(text, 10).ok_or_else(unknown);
        let (hours, minutes) = (number(hours)?, number(minutes)?);
        if !(-23..=23).contains(&hours) || !(0..=59).contains(&minutes) {
            return Err(unknown());
        }
        return Ok(hours * 3600 + sign * minutes * 60);
    }
    if matches!(zone, "" | "UTC") {
        return Ok(0);
    }
    let zone = match zone {
        "Local" => TimeZone::system(),
        name => TimeZone::get(name).map_err(|_| unknown())?,
    };
    // The rules of a zone do not change in the last hours before its end.
    let at = Timestamp::from_second(seconds(at)).unwrap_or(if at < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    });
    Ok(i64::from(zone.to_offset(at).seconds()))
}
