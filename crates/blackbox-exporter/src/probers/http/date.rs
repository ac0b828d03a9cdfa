//! Dates of `Last-Modified` (RFC 9110, section 5.6.7) and of cookies, with the latitude of Go's `http.ParseTime`:
//! any weekday, any case, a fraction of a second, and a zone that has no effect.

use jiff::civil::Date;

/// Seconds since the epoch; `None` where the text has none of the three forms.
pub fn parse(text: &str) -> Option<i64> {
    [imf, rfc850, asctime].iter().find_map(|form| {
        let mut rest = Rest(text);
        let seconds = form(&mut rest)?;
        rest.0.is_empty().then_some(seconds)
    })
}

/// Seconds since the epoch of when a cookie ends; hyphens may stand in its date.
pub fn parse_expires(text: &str) -> Option<i64> {
    [" ", "-"].iter().find_map(|separator| {
        let mut rest = Rest(text);
        let seconds = long(&mut rest, separator)?;
        rest.literal(" ")?;
        rest.zone()?;
        rest.0.is_empty().then_some(seconds)
    })
}

/// `Wed, 21 Oct 2015 07:28:00 GMT`
fn imf(rest: &mut Rest<'_>) -> Option<i64> {
    let seconds = long(rest, " ")?;
    rest.literal(" GMT")?;
    Some(seconds)
}

/// `Wed, 21 Oct 2015 07:28:00`
fn long(rest: &mut Rest<'_>, separator: &str) -> Option<i64> {
    rest.word(&DAYS.map(|day| &day[..3]))?;
    rest.literal(", ")?;
    let day = rest.two_digits()?;
    rest.literal(separator)?;
    let month = rest.word(&MONTHS)? + 1;
    rest.literal(separator)?;
    let year = rest.year()?;
    rest.literal(" ")?;
    let time = rest.time()?;
    seconds(year, month, day, time)
}

/// `Wednesday, 21-Oct-15 07:28:00 GMT`
fn rfc850(rest: &mut Rest<'_>) -> Option<i64> {
    rest.word(&DAYS)?;
    rest.literal(", ")?;
    let day = rest.two_digits()?;
    rest.literal("-")?;
    let month = rest.word(&MONTHS)? + 1;
    rest.literal("-")?;
    let year = rest.two_digits()?;
    rest.literal(" ")?;
    let time = rest.time()?;
    rest.literal(" ")?;
    rest.zone()?;
    let century = if year >= 69 { 1900 } else { 2000 };
    seconds(century + year, month, day, time)
}

/// `Wed Oct 21 07:28:00 2015`
fn asctime(rest: &mut Rest<'_>) -> Option<i64> {
    rest.word(&DAYS.map(|day| &day[..3]))?;
    rest.literal(" ")?;
    let month = rest.word(&MONTHS)? + 1;
    rest.literal(" ")?;
    let day = rest.digits()?;
    rest.literal(" ")?;
    let time = rest.time()?;
    rest.literal(" ")?;
    let year = rest.year()?;
    seconds(year, month, day, time)
}

const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

fn seconds(year: i16, month: i16, day: i16, time: i64) -> Option<i64> {
    let date = Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    let epoch = Date::constant(1970, 1, 1);
    Some(date.duration_since(epoch).as_secs() + time)
}

/// What is still to be read.
struct Rest<'t>(&'t str);

impl Rest<'_> {
    /// A text; blanks in it stand for any number of blanks.
    fn literal(&mut self, text: &str) -> Option<()> {
        for wanted in text.chars() {
            let rest = self.0.strip_prefix(wanted)?;
            self.0 = match wanted {
                ' ' => rest.trim_start_matches(' '),
                _ => rest,
            };
        }
        Some(())
    }

    /// The place of a word in a list.
    fn word(&mut self, words: &[&str]) -> Option<i16> {
        let starts = |word: &&str| {
            let head = self.0.get(..word.len());
            head.is_some_and(|head| head.eq_ignore_ascii_case(word))
        };
        let at = words.iter().position(starts)?;
        self.0 = &self.0[words[at].len()..];
        i16::try_from(at).ok()
    }

    fn number(&mut self, length: usize) -> Option<i16> {
        let digits = self.0.get(..length)?;
        let all = digits.bytes().all(|b| b.is_ascii_digit());
        self.0 = &self.0[length..];
        digits.parse().ok().filter(|_| all)
    }

    fn two_digits(&mut self) -> Option<i16> {
        self.number(2)
    }

    fn year(&mut self) -> Option<i16> {
        self.number(4)
    }

    /// One digit or two.
    fn digits(&mut self) -> Option<i16> {
        let two = self.0.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
        self.number(if two { 2 } else { 1 })
    }

    /// `07:28:00` in seconds; what follows a point or comma is dropped.
    fn time(&mut self) -> Option<i64> {
        let hour = self.digits().filter(|hour| *hour < 24)?;
        self.literal(":")?;
        let minute = self.two_digits().filter(|minute| *minute < 60)?;
        self.literal(":")?;
        let second = self.two_digits().filter(|second| *second < 60)?;
        if let Some(fraction) = self.0.strip_prefix(['.', ',']) {
            let rest = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
            self.0 = if rest == fraction { self.0 } else { rest };
        }
        Some((i64::from(hour) * 60 + i64::from(minute)) * 60 + i64::from(second))
    }

    /// Three to five capital letters, four and five with a T at the end.
    fn zone(&mut self) -> Option<()> {
        let rest = self.0.trim_start_matches(|c: char| c.is_ascii_uppercase());
        let name = &self.0[..self.0.len() - rest.len()];
        self.0 = rest;
        (name.len() == 3 || matches!(name.len(), 4 | 5) && name.ends_with('T')).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn three_forms_and_their_latitude() {
        let seconds = Some(1_445_412_480);
        for (text, expected) in [
            ("Wed, 21 Oct 2015 07:28:00 GMT", seconds),
            ("mon,  21 OCT 2015 7:28:00.75 GMT", seconds),
            ("Wednesday, 21-Oct-15 07:28:00 GMT", seconds),
            ("Wednesday, 21-Oct-15 07:28:00 PST", seconds),
            ("Wed Oct 21 07:28:00,5 2015", seconds),
            ("Thu Oct  1 07:28:00 2015", Some(1_443_684_480)),
            ("Thu, 21 Oct 1965 07:28:00 GMT", Some(-132_424_320)),
            ("Sat, 21 Oct 0000 07:28:00 GMT", Some(-62_141_790_720)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(253_402_300_799)),
            ("Wed, 21 Oct 2015 07:28:00 UTC", None),
            ("Wed, 1 Oct 2015 07:28:00 GMT", None),
            ("Wed, 31 Sep 2015 07:28:00 GMT", None),
            ("Wed, 21 Oct 2015 07:28:60 GMT", None),
            ("Wed, 21 Oct 2015 24:28:00 GMT", None),
            ("Wednesday, 21-Oct-15 07:28:00 CEASTX", None),
            ("Wed Oct 21 07:28:00 2015 GMT", None),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    #[test]
    fn ends_of_cookies() {
        let end = Some(1_445_412_480);
        assert_eq!(parse_expires("Wed, 21 Oct 2015 07:28:00 UTC"), end);
        assert_eq!(parse_expires("Wed, 21-Oct-2015 07:28:00 GMT"), end);
        assert_eq!(parse_expires("Wed, 21-Oct-15 07:28:00 GMT"), None);
        assert_eq!(parse_expires("Wed, 21 Oct 2015 07:28:00"), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = (parse(&text), parse_expires(&text));
        }
    }
}
