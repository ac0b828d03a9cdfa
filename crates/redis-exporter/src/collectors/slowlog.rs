//! Slow commands, from SLOWLOG LEN and SLOWLOG GET 1.

use crate::client::{Value, reply};
use crate::samples::Samples;
use exporter_core::exposition::Family;

/// Number of entries.
pub static LENGTH: Family = Family::gauge(
    "redis_slowlog_length",
    &[],
    "Entries in the log of slow commands.",
);
static LAST_ID: Family = Family::gauge(
    "redis_slowlog_last_id",
    &[],
    "Number of the latest slow command.",
);
static LAST_DURATION: Family = Family::gauge(
    "redis_last_slow_execution_duration_seconds",
    &[],
    "Time that the latest slow command took in seconds.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&LENGTH, &LAST_ID, &LAST_DURATION]
}

/// Puts both replies, where they are what they should be.
pub fn put(length: &Value, latest: &Value, out: &mut Samples<'_>) {
    if let Some(length) = reply::integer(length) {
        out.put(&LENGTH, &[], length as f64);
    }
    let Some(entries) = reply::list(latest) else {
        return;
    };
    let (id, microseconds) = entries.first().and_then(parse_entry).unwrap_or((0, 0));
    out.put(&LAST_ID, &[], id as f64);
    out.put(&LAST_DURATION, &[], microseconds as f64 / 1e6);
}

/// Number, time, duration in microseconds, then what was called.
fn parse_entry(entry: &Value) -> Option<(i64, i64)> {
    let [id, _, microseconds, ..] = reply::list(entry)? else {
        return None;
    };
    Some((reply::integer(id)?, reply::integer(microseconds)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::testing::exposed;

    #[test]
    fn the_latest_entry() {
        let value = |bytes: &[u8]| redis::parse_redis_value(bytes).unwrap();
        let latest = value(b"*1\r\n*4\r\n:14\r\n:1700000000\r\n:15000\r\n*1\r\n$4\r\nKEYS\r\n");
        let expected = "redis_last_slow_execution_duration_seconds 0.015\n\
            redis_slowlog_last_id 14\nredis_slowlog_length 3\n";
        assert_eq!(exposed(|out| put(&Value::Int(3), &latest, out)), expected);
        let empty = value(b"*0\r\n");
        let expected = "redis_last_slow_execution_duration_seconds 0\n\
            redis_slowlog_last_id 0\nredis_slowlog_length 0\n";
        assert_eq!(exposed(|out| put(&Value::Int(0), &empty, out)), expected);
        let refused = value(b"-NOPERM no\r\n");
        assert_eq!(exposed(|out| put(&refused, &refused, out)), "");
    }
}
