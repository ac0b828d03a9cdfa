//! The methods of Go's `time.Time` and `*time.Location`. Those that give several values cannot be
//! called from templates.

use super::layout::{self, format};
use super::methods::{Arguments, Method, Parameter::*};
use super::value::{Value, Whole};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Zoned};

/// Seconds from the year 1, at which Go's times begin, to 1970.
const FROM_YEAR_ONE: i64 = 62_135_596_800;
const NANOSECONDS: i128 = 1_000_000_000;

type Answer = Result<Value, String>;

/// The methods of `time.Time`.
pub(super) const TIME: &[Method<Zoned>] = &[
    ("Format", &[Text], |t, a| {
        Ok(Value::text(format(t, &a.text(0))))
    }),
    ("String", &[], |t, _| Ok(Value::text(text(t)))),
    ("GoString", &[], |t, _| Ok(Value::text(go_string(t)))),
    ("AppendFormat", &[Bytes, Text], |t, a| {
        appended(a, format(t, &a.text(1)))
    }),
    ("MarshalText", &[], |t, a| appended(a, rfc3339(t)?)),
    ("AppendText", &[Bytes], |t, a| appended(a, rfc3339(t)?)),
    ("MarshalJSON", &[], |t, a| {
        appended(a, format!("\"{}\"", rfc3339(t)?))
    }),
    ("MarshalBinary", &[], |t, a| appended(a, binary(t))),
    ("AppendBinary", &[Bytes], |t, a| appended(a, binary(t))),
    ("GobEncode", &[], |t, a| appended(a, binary(t))),
    ("Unix", &[], |t, _| int64(since_epoch(t, NANOSECONDS))),
    ("UnixMilli", &[], |t, _| int64(since_epoch(t, 1_000_000))),
    ("UnixMicro", &[], |t, _| int64(since_epoch(t, 1_000))),
    ("UnixNano", &[], |t, _| int64(since_epoch(t, 1))),
    ("Year", &[], |t, _| int(t.year())),
    ("Month", &[], |t, _| {
        Ok(Value::Whole(Whole::Month, t.month().into()))
    }),
    ("Day", &[], |t, _| int(t.day())),
    ("Hour", &[], |t, _| int(t.hour())),
    ("Minute", &[], |t, _| int(t.minute())),
    ("Second", &[], |t, _| int(t.second())),
    ("Nanosecond", &[], |t, _| int(t.subsec_nanosecond())),
    ("YearDay", &[], |t, _| int(t.day_of_year())),
    ("Weekday", &[], |t, _| {
        Ok(Value::Whole(
            Whole::Weekday,
            t.weekday().to_sunday_zero_offset().into(),
        ))
    }),
    ("UTC", &[], |t, _| {
        Ok(Value::Time(t.with_time_zone(TimeZone::UTC)))
    }),
    ("Local", &[], |t, _| {
        Ok(Value::Time(t.with_time_zone(local())))
    }),
    ("In", &[Location], |t, a| {
        Ok(Value::Time(t.with_time_zone(a.location(0)?)))
    }),
    ("Location", &[], |t, _| {
        Ok(Value::Location(t.time_zone().clone()))
    }),
    ("IsZero", &[], |t, _| {
        Ok(Value::Bool(
            t.timestamp().as_nanosecond() == -NANOSECONDS * i128::from(FROM_YEAR_ONE),
        ))
    }),
    ("IsDST", &[], |t, _| {
        Ok(Value::Bool(
            t.time_zone().to_offset_info(t.timestamp()).dst().is_dst(),
        ))
    }),
    ("Add", &[Duration], |t, a| add(t, i128::from(a.whole(0)))),
    ("AddDate", &[Int, Int, Int], |t, a| {
        add_date(t, [a.whole(0), a.whole(1), a.whole(2)])
    }),
    ("Sub", &[Time], |t, a| {
        Ok(Value::Whole(Whole::Duration, between(t, &a.time(0)?)))
    }),
    ("Before", &[Time], |t, a| Ok(Value::Bool(*t < a.time(0)?))),
    ("After", &[Time], |t, a| Ok(Value::Bool(*t > a.time(0)?))),
    ("Equal", &[Time], |t, a| Ok(Value::Bool(*t == a.time(0)?))),
    ("Compare", &[Time], |t, a| int(t.cmp(&a.time(0)?) as i8)),
    ("Truncate", &[Duration], |t, a| {
        add(t, -since_multiple(t, a.whole(0)))
    }),
    ("Round", &[Duration], |t, a| {
        add(t, to_nearest(t, a.whole(0)))
    }),
];

/// The methods of `*time.Location`.
pub(super) const LOCATION: &[Method<TimeZone>] = &[("String", &[], |zone, _| {
    Ok(Value::text(location_name(zone)))
})];

fn int(number: impl Into<i64>) -> Answer {
    Ok(Value::int(number.into()))
}

fn int64(number: i64) -> Answer {
    Ok(Value::Whole(Whole::Int64, number))
}

/// Whole units since 1970, rounded down; those that are too many wrap around, as in Go.
fn since_epoch(when: &Zoned, unit: i128) -> i64 {
    when.timestamp().as_nanosecond().div_euclid(unit) as i64
}

/// The time zone of the machine; Go's is UTC too where it is not known.
fn local() -> TimeZone {
    TimeZone::try_system().unwrap_or(TimeZone::UTC)
}

/// Bytes behind those of the first argument, if there is one.
fn appended(arguments: &Arguments, more: impl Into<Vec<u8>>) -> Answer {
    let mut bytes = arguments.bytes(0);
    bytes.extend(more.into());
    Ok(Value::Bytes(bytes))
}

/// `2006-01-02 15:04:05.99 +0000 UTC`
pub(super) fn text(when: &Zoned) -> String {
    format(when, layout::DEFAULT)
}

/// `UTC`, or `Local` for that of the machine.
pub(super) fn location_name(zone: &TimeZone) -> &'static str {
    match *zone == TimeZone::UTC {
        true => "UTC",
        false => "Local",
    }
}

/// The Go expression that makes this time.
pub(super) fn go_string(when: &Zoned) -> String {
    format!(
        "time.Date({}, time.{}, {}, {}, {}, {}, {}, time.{})",
        when.year(),
        layout::month(when.month().into()).unwrap_or_default(),
        when.day(),
        when.hour(),
        when.minute(),
        when.second(),
        when.subsec_nanosecond(),
        location_name(when.time_zone()),
    )
}

fn rfc3339(when: &Zoned) -> Result<String, String> {
    match when.year() {
        0..=9999 => Ok(format(when, layout::RFC3339)),
        year => Err(format!("year {year} has no four digits")),
    }
}

/// Seconds since the year 1, as Go's times hold them, and nanoseconds.
pub(super) fn parts(when: &Zoned) -> (i64, i32) {
    let nanoseconds = when.timestamp().as_nanosecond();
    let second = nanoseconds.div_euclid(NANOSECONDS) as i64;
    (
        second + FROM_YEAR_ONE,
        nanoseconds.rem_euclid(NANOSECONDS) as i32,
    )
}

/// A version, seconds since the year 1, nanoseconds and minutes of the offset, -1 for UTC.
fn binary(when: &Zoned) -> Vec<u8> {
    let (seconds, nanoseconds) = parts(when);
    let offset = match *when.time_zone() == TimeZone::UTC {
        true => -1,
        false => (when.offset().seconds() / 60) as i16,
    };
    let mut bytes = vec![1];
    bytes.extend(seconds.to_be_bytes());
    bytes.extend(nanoseconds.to_be_bytes());
    bytes.extend(offset.to_be_bytes());
    bytes
}

fn add(when: &Zoned, nanoseconds: i128) -> Answer {
    let sum = when.checked_add(SignedDuration::from_nanos_i128(nanoseconds));
    sum.map(Value::Time).map_err(|e| e.to_string())
}

/// Years, months and days; a day that the month does not have is one of the next.
fn add_date(when: &Zoned, [years, months, days]: [i64; 3]) -> Answer {
    let date = || {
        let months = months.checked_add(i64::from(when.month()) - 1)?;
        let year = years.checked_add(i64::from(when.year()))?;
        let year = year.checked_add(months.div_euclid(12))?;
        let month = i8::try_from(months.rem_euclid(12) + 1).ok()?;
        let first = Date::new(i16::try_from(year).ok()?, month, 1).ok()?;
        let days = days.checked_add(i64::from(when.day()) - 1)?;
        let hours = days.checked_mul(24)?;
        first
            .checked_add(SignedDuration::try_from_hours(hours)?)
            .ok()
    };
    let date = date().ok_or("this date is out of range")?;
    let moved = date
        .to_datetime(when.time())
        .to_zoned(when.time_zone().clone());
    moved.map(Value::Time).map_err(|e| e.to_string())
}

/// Nanoseconds, at most as many as a duration holds.
fn between(later: &Zoned, earlier: &Zoned) -> i64 {
    let nanoseconds = later.timestamp().as_nanosecond() - earlier.timestamp().as_nanosecond();
    nanoseconds.clamp(i64::MIN.into(), i64::MAX.into()) as i64
}

/// Nanoseconds since the last multiple of `unit` since the year 1.
fn since_multiple(when: &Zoned, unit: i64) -> i128 {
    let begun = when.timestamp().as_nanosecond() + NANOSECONDS * i128::from(FROM_YEAR_ONE);
    match unit {
        ..=0 => 0,
        unit => begun.rem_euclid(unit.into()),
    }
}

/// Nanoseconds to the nearest multiple of `unit` since the year 1, upwards from half of it.
fn to_nearest(when: &Zoned, unit: i64) -> i128 {
    match since_multiple(when, unit) {
        0 => 0,
        past if past * 2 < i128::from(unit) => -past,
        past => i128::from(unit) - past,
    }
}
