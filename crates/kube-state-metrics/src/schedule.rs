//! Schedules of cron jobs, read and evaluated as the Kubernetes controller does: five fields or a
//! descriptor, perhaps behind `TZ=zone`; where both the day of the month and that of the week are
//! restricted, either will do.

use exporter_core::dialect::duration;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan, Zoned};

/// When something is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    zone: TimeZone,
    when: When,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum When {
    Fields(Fields),
    /// Every so many seconds.
    Every(i64),
}

/// Each field as bits of what matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fields {
    minute: u64,
    hour: u64,
    day: u64,
    month: u64,
    weekday: u64,
    /// Whether the day of the month, or that of the week, is `*` or `?`.
    any_day: bool,
    any_weekday: bool,
}

/// The values of a field, and their names.
struct Bounds {
    least: u32,
    most: u32,
    names: &'static [&'static str],
}

const MINUTES: Bounds = Bounds {
    least: 0,
    most: 59,
    names: &[],
};
const HOURS: Bounds = Bounds {
    least: 0,
    most: 23,
    names: &[],
};
const DAYS: Bounds = Bounds {
    least: 1,
    most: 31,
    names: &[],
};
const MONTHS: Bounds = Bounds {
    least: 1,
    most: 12,
    names: &[
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ],
};
const WEEKDAYS: Bounds = Bounds {
    least: 0,
    most: 6,
    names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
};

/// How far ahead a time is looked for.
const YEARS: i16 = 5;

impl Schedule {
    /// Reads `spec.schedule` with `spec.timeZone`; `None` where it is none.
    pub fn parse(text: &str, zone: Option<&str>) -> Option<Self> {
        if let Some(zone) = zone {
            return Some(Schedule {
                zone: load(zone)?,
                when: when(text)?,
            });
        }
        let prefixed = text
            .strip_prefix("TZ=")
            .or_else(|| text.strip_prefix("CRON_TZ="));
        let (zone, rest) = match prefixed {
            Some(prefixed) => {
                let (zone, rest) = prefixed.split_once(' ')?;
                (load(zone)?, rest.trim())
            }
            None => (TimeZone::system(), text),
        };
        Some(Schedule {
            zone,
            when: when(rest)?,
        })
    }

    /// The first time after this one, in Unix seconds; `None` where there is none within years.
    pub fn next(&self, after: i64) -> Option<i64> {
        match &self.when {
            When::Every(seconds) => after.checked_add(*seconds),
            When::Fields(fields) => {
                let after = Timestamp::from_second(after)
                    .ok()?
                    .to_zoned(self.zone.clone());
                Some(fields.next(&after)?.timestamp().as_second())
            }
        }
    }
}

/// A zone by its exact name.
fn load(name: &str) -> Option<TimeZone> {
    match name {
        "" | "UTC" => return Some(TimeZone::UTC),
        "Local" => return Some(TimeZone::system()),
        _ => {}
    }
    let zone = TimeZone::get(name).ok()?;
    (zone.iana_name() == Some(name)).then_some(zone)
}

fn when(text: &str) -> Option<When> {
    if let Some(every) = text.strip_prefix("@every ") {
        let nanoseconds = duration::parse(every).ok()?;
        // At least a second, and whole ones.
        return Some(When::Every((nanoseconds / 1_000_000_000).max(1)));
    }
    let fields = match text {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * 0",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        _ if text.starts_with('@') => return None,
        _ => text,
    };
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let [minute, hour, day, month, weekday] = fields.as_slice() else {
        return None;
    };
    let (minute, _) = field(minute, &MINUTES)?;
    let (hour, _) = field(hour, &HOURS)?;
    let (day, any_day) = field(day, &DAYS)?;
    let (month, _) = field(month, &MONTHS)?;
    let (weekday, any_weekday) = field(weekday, &WEEKDAYS)?;
    Some(When::Fields(Fields {
        minute,
        hour,
        day,
        month,
        weekday,
        any_day,
        any_weekday,
    }))
}

/// The bits of a field, and whether one of its parts is a star. Empty parts do not count.
fn field(text: &str, bounds: &Bounds) -> Option<(u64, bool)> {
    let mut all = (0, false);
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (bits, star) = range(part, bounds)?;
        all = (all.0 | bits, all.1 | star);
    }
    Some(all)
}

/// `*`, `n`, `a-b`, each perhaps with `/step`.
fn range(text: &str, bounds: &Bounds) -> Option<(u64, bool)> {
    let mut parts = text.split('/');
    let (ends, step) = (parts.next()?, parts.next());
    if parts.next().is_some() {
        return None;
    }
    let mut values = ends.split('-');
    let (first, second) = (values.next()?, values.next());
    if values.next().is_some() {
        return None;
    }
    let (mut star, single) = (false, second.is_none());
    let (least, mut most) = match (first, second) {
        // What stands behind the dash of a star does not matter there either.
        ("*" | "?", _) => {
            star = true;
            (bounds.least, bounds.most)
        }
        (one, None) => (value(one, bounds)?, value(one, bounds)?),
        (first, Some(second)) => (value(first, bounds)?, value(second, bounds)?),
    };
    let step = match step {
        None => 1,
        Some(step) => {
            if single {
                most = bounds.most;
            }
            number(step)?
        }
    };
    star &= step <= 1;
    if least < bounds.least || most > bounds.most || least > most || step == 0 {
        return None;
    }
    let steps = (least..=most).step_by(step as usize);
    Some((steps.fold(0, |bits, value| bits | 1 << value), star))
}

fn value(text: &str, bounds: &Bounds) -> Option<u32> {
    let lower = text.to_ascii_lowercase();
    match bounds.names.iter().position(|name| *name == lower) {
        Some(at) => Some(at as u32 + bounds.least),
        None => number(text),
    }
}

fn number(text: &str) -> Option<u32> {
    text.parse().ok()
}

fn has(bits: u64, value: i8) -> bool {
    bits & 1 << value != 0
}

impl Fields {
    fn matches(&self, date: Date) -> bool {
        let day = has(self.day, date.day());
        let weekday = has(self.weekday, date.weekday().to_sunday_zero_offset());
        match self.any_day || self.any_weekday {
            true => day && weekday,
            false => day || weekday,
        }
    }

    /// Goes from field to field, each time that one overflows from the start again.
    fn next(&self, after: &Zoned) -> Option<Zoned> {
        let last = after.year().checked_add(YEARS)?;
        let mut date = after.date();
        let mut time = add(after, 1.seconds())?;
        if time.second() != 0 {
            time = add(&time, i64::from(60 - time.second()).seconds())?;
        }
        if time.date() > date {
            date = time.date();
        }
        loop {
            if date.year() > last {
                return None;
            }
            if !has(self.month, date.month()) {
                date = date.first_of_month().checked_add(1.month()).ok()?;
            } else if !self.matches(date) {
                date = date.tomorrow().ok()?;
            } else {
                if time.date() < date {
                    time = date.to_zoned(after.time_zone().clone()).ok()?;
                }
                match self.within(date, time)? {
                    Ok(found) => return Some(found),
                    Err(next) => time = next,
                }
                date = date.tomorrow().ok()?;
            }
        }
    }

    /// The first time of a day from `time` on, or the first one behind the day.
    fn within(&self, date: Date, mut time: Zoned) -> Option<Result<Zoned, Zoned>> {
        while time.date() == date {
            if !has(self.hour, time.hour()) {
                let minutes = 60 - i64::from(time.minute());
                time = add(&time, minutes.minutes())?;
            } else if !has(self.minute, time.minute()) {
                time = add(&time, 1.minute())?;
            } else {
                return Some(Ok(time));
            }
        }
        Some(Err(time))
    }
}

/// Moves on the clock of the world, not on that of the wall.
fn add(time: &Zoned, span: Span) -> Option<Zoned> {
    let moved = time.timestamp().checked_add(span).ok()?;
    Some(moved.to_zoned(time.time_zone().clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn next(schedule: &str, zone: Option<&str>, after: &str) -> Option<String> {
        let after: Timestamp = after.parse().unwrap();
        let schedule = Schedule::parse(schedule, zone).unwrap();
        let next = schedule.next(after.as_second())?;
        Some(Timestamp::from_second(next).unwrap().to_string())
    }

    #[test]
    fn next_times() {
        // 2026-03-01 is a Sunday.
        for (schedule, zone, after, expected) in [
            (
                "*/15 * * * *",
                "UTC",
                "2026-03-01T00:00:00Z",
                "2026-03-01T00:15:00Z",
            ),
            (
                "*/15 * * * *",
                "UTC",
                "2026-03-01T00:14:59Z",
                "2026-03-01T00:15:00Z",
            ),
            (
                "0 0 1 * 1",
                "UTC",
                "2026-03-01T00:00:00Z",
                "2026-03-02T00:00:00Z",
            ),
            (
                "0 0 1 * *",
                "UTC",
                "2026-03-01T00:00:00Z",
                "2026-04-01T00:00:00Z",
            ),
            (
                "0 0 */2 * 1",
                "UTC",
                "2026-03-01T00:00:00Z",
                "2026-03-02T00:00:00Z",
            ),
            (
                "0 0 31 * *",
                "UTC",
                "2026-03-31T00:00:00Z",
                "2026-05-31T00:00:00Z",
            ),
            (
                "0 0 29 2 *",
                "UTC",
                "2026-03-01T00:00:00Z",
                "2028-02-29T00:00:00Z",
            ),
            (
                "59 23 31 DEC ?",
                "UTC",
                "2026-03-01T00:00:00Z",
                "2026-12-31T23:59:00Z",
            ),
            (
                "5/20 1-3 * * sat,SUN",
                "UTC",
                "2026-03-02T00:00:00Z",
                "2026-03-07T01:05:00Z",
            ),
            (
                "@weekly",
                "UTC",
                "2026-03-01T00:00:00Z",
                "2026-03-08T00:00:00Z",
            ),
            (
                "@every 1h30m0.9s",
                "UTC",
                "2026-03-01T00:00:00Z",
                "2026-03-01T01:30:00Z",
            ),
            (
                "0 9 * * *",
                "Europe/Berlin",
                "2026-03-01T09:00:00Z",
                "2026-03-02T08:00:00Z",
            ),
            // The clock goes from 2 to 3 on March 29, and from 3 to 2 on October 25.
            (
                "30 2 * * *",
                "Europe/Berlin",
                "2026-03-28T12:00:00Z",
                "2026-03-30T00:30:00Z",
            ),
            (
                "30 2 * * *",
                "Europe/Berlin",
                "2026-10-24T12:00:00Z",
                "2026-10-25T00:30:00Z",
            ),
            (
                "30 2 * * *",
                "Europe/Berlin",
                "2026-10-25T00:30:00Z",
                "2026-10-25T01:30:00Z",
            ),
        ] {
            let actual = next(schedule, Some(zone), after);
            assert_eq!(
                actual.as_deref(),
                Some(expected),
                "{schedule} after {after}"
            );
        }
        assert_eq!(
            next("0 0 30 2 *", Some("UTC"), "2026-03-01T00:00:00Z"),
            None
        );
        let zoned = next("CRON_TZ=Asia/Tokyo 0 9 * * *", None, "2026-03-01T00:00:00Z");
        assert_eq!(zoned.as_deref(), Some("2026-03-02T00:00:00Z"));
        let apart = next("TZ=UTC  @daily ", None, "2026-03-01T00:00:00Z");
        assert_eq!(apart.as_deref(), Some("2026-03-02T00:00:00Z"));
    }

    #[test]
    fn what_is_no_schedule() {
        for (schedule, zone) in [
            ("", None),
            ("* * * *", None),
            ("* * * * * *", None),
            ("60 * * * *", None),
            ("* 24 * * *", None),
            ("* * 0 * *", None),
            ("* * * 13 *", None),
            ("* * * * 7", None),
            ("* * * * mond", None),
            ("5-1 * * * *", None),
            ("*/0 * * * *", None),
            ("1-2-3 * * * *", None),
            ("1/2/3 * * * *", None),
            ("-1 * * * *", None),
            ("@reboot", None),
            ("@every soon", None),
            ("@Daily", None),
            ("* * * * *", Some("Mars/Olympus")),
            ("* * * * *", Some("europe/berlin")),
            ("TZ=UTC * * * * *", Some("UTC")),
            ("TZ=UTC", None),
        ] {
            assert_eq!(
                Schedule::parse(schedule, zone),
                None,
                "{schedule:?} {zone:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[-*?/,0-9@a-z ]{0,30}", after: i64) {
            if let Some(schedule) = Schedule::parse(&text, None) {
                let _ = schedule.next(after);
            }
        }
    }
}
