//! Dates of `Last-Modified` (RFC 9110, section 5.6.7) and of cookies, read as loosely as Go reads
//! them: the day of the week may be any, and years before 1970 count.

use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::TimeZone;

/// The three forms of HTTP dates.
const DATES: &[&str] = &[
    "%a, %d %b %Y %H:%M:%S GMT",
    "%A, %d-%b-%y %H:%M:%S GMT",
    "%a %b %e %H:%M:%S %Y",
];

/// The forms of the ends of cookies.
const ENDS: &[&str] = &[
    "%a, %d %b %Y %H:%M:%S GMT",
    "%a, %d %b %Y %H:%M:%S UTC",
    "%a, %d-%b-%Y %H:%M:%S GMT",
    "%a, %d-%b-%Y %H:%M:%S UTC",
];

/// Seconds since the epoch; `None` where the text has none of the three forms.
pub fn parse(text: &str) -> Option<i64> {
    one_of(DATES, text)
}

/// Seconds since the epoch of when a cookie ends.
pub fn parse_end(text: &str) -> Option<i64> {
    one_of(ENDS, text)
}

fn one_of(forms: &[&str], text: &str) -> Option<i64> {
    let mut parsed = forms.iter().filter_map(|form| {
        let mut time = BrokenDownTime::parse(form, text).ok()?;
        time.set_weekday(None);
        let time = time.to_datetime().ok()?;
        // Fewer digits than four are no year here.
        let time = (time.year() >= 1000).then(|| time.to_zoned(TimeZone::UTC).ok())??;
        Some(time.timestamp().as_second())
    });
    parsed.next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dates() {
        let time = Some(1_445_412_480);
        assert_eq!(parse("Wed, 21 Oct 2015 07:28:00 GMT"), time);
        assert_eq!(parse("Mon, 21 Oct 2015 07:28:00 GMT"), time);
        assert_eq!(parse("Wednesday, 21-Oct-15 07:28:00 GMT"), time);
        assert_eq!(parse("Wed Oct 21 07:28:00 2015"), time);
        assert_eq!(parse("Fri Jan  2 00:00:00 1970"), Some(86_400));
        assert_eq!(parse("Wed, 31 Dec 1969 23:59:59 GMT"), Some(-1));
        for bad in [
            "",
            "Wed, 21 Oct 2015",
            "Wed, 31 Feb 2015 07:28:00 GMT",
            "Wed, 21 Oct 2015 07:28:00 +0200",
            "21 Oct 2015 07:28:00 GMT",
            "2015-10-21T07:28:00Z",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn ends_of_cookies() {
        let end = Some(1_445_412_480);
        assert_eq!(parse_end("Wed, 21 Oct 2015 07:28:00 UTC"), end);
        assert_eq!(parse_end("Wed, 21-Oct-2015 07:28:00 GMT"), end);
        assert_eq!(parse_end("Wed, 21-Oct-15 07:28:00 GMT"), None);
        assert_eq!(parse_end("Wed, 21 Oct 2015 07:28:00"), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = (parse(&text), parse_end(&text));
        }
    }
}
