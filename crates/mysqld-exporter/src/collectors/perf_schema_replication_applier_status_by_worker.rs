//! When replication workers committed and applied transactions, from
//! `performance_schema.replication_applier_status_by_worker`.
//!
//! The server converts the times, so they hold in whatever time zone its sessions are. MariaDB's
//! table of this name has other columns; there the collector has nothing to say.

use super::{Asking, Collector, Grant, PERFORMANCE_SCHEMA, status_value};
use crate::server::{Rows, Session};
use exporter_core::cli::{Flag, Matches};
use exporter_core::exposition::{Arena, Family};

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];
/// What it needs.
pub const GRANT: Grant = PERFORMANCE_SCHEMA;

// The member is the number of the worker.
const LABELS: &[&str] = &["channel_name", "member_id"];

/// Families by the column that they are put for.
static TIMES: [(&str, Family); 7] = [
    (
        "LAST_APPLIED_TRANSACTION_ORIGINAL_COMMIT_TIMESTAMP",
        Family::gauge(
            "mysql_perf_schema_last_applied_transaction_original_commit_timestamp_seconds",
            LABELS,
            "Time at which the last transaction applied was committed on its original server, as Unix time.",
        ),
    ),
    (
        "LAST_APPLIED_TRANSACTION_IMMEDIATE_COMMIT_TIMESTAMP",
        Family::gauge(
            "mysql_perf_schema_last_applied_transaction_immediate_commit_timestamp_seconds",
            LABELS,
            "Time at which the last transaction applied was committed on the immediate source, as Unix time.",
        ),
    ),
    (
        "LAST_APPLIED_TRANSACTION_START_APPLY_TIMESTAMP",
        Family::gauge(
            "mysql_perf_schema_last_applied_transaction_start_apply_timestamp_seconds",
            LABELS,
            "Time at which the worker began to apply the last transaction, as Unix time.",
        ),
    ),
    (
        "LAST_APPLIED_TRANSACTION_END_APPLY_TIMESTAMP",
        Family::gauge(
            "mysql_perf_schema_last_applied_transaction_end_apply_timestamp_seconds",
            LABELS,
            "Time at which the worker finished applying the last transaction, as Unix time.",
        ),
    ),
    (
        "APPLYING_TRANSACTION_ORIGINAL_COMMIT_TIMESTAMP",
        Family::gauge(
            "mysql_perf_schema_applying_transaction_original_commit_timestamp_seconds",
            LABELS,
            "Time at which the transaction being applied was committed on its original server, as Unix time.",
        ),
    ),
    (
        "APPLYING_TRANSACTION_IMMEDIATE_COMMIT_TIMESTAMP",
        Family::gauge(
            "mysql_perf_schema_applying_transaction_immediate_commit_timestamp_seconds",
            LABELS,
            "Time at which the transaction being applied was committed on the immediate source, as Unix time.",
        ),
    ),
    (
        "APPLYING_TRANSACTION_START_APPLY_TIMESTAMP",
        Family::gauge(
            "mysql_perf_schema_applying_transaction_start_apply_timestamp_seconds",
            LABELS,
            "Time at which the worker began to apply the current transaction, as Unix time.",
        ),
    ),
];

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    TIMES.iter().map(|(_, family)| family).collect()
}

/// Makes the collector.
pub fn new(_: &Matches) -> Result<Box<dyn Collector>, String> {
    Ok(Box::new(Workers))
}

struct Workers;

impl Collector for Workers {
    fn collect<'a>(&'a self, session: &'a mut Session, out: &'a mut Arena) -> Asking<'a> {
        Box::pin(async move {
            if !session.version().mariadb {
                put(&session.query(statement()).await?, out);
            }
            Ok(())
        })
    }
}

fn statement() -> String {
    let columns = TIMES.iter().map(|(column, _)| format!("UNIX_TIMESTAMP({column})"));
    let columns: Vec<String> = columns.collect();
    format!(
        "SELECT CHANNEL_NAME, WORKER_ID, {} \
         FROM performance_schema.replication_applier_status_by_worker",
        columns.join(", ")
    )
}

fn put(rows: &Rows, out: &mut Arena) {
    for row in rows.iter() {
        for (at, (_, family)) in TIMES.iter().enumerate() {
            let time = row.get(at + 2).map_or(0.0, seconds);
            out.put(family, &[row.text(0), row.text(1)], time);
        }
    }
}

/// `1700000000.123456` as seconds, also as the date in UTC that proxies may put in its place.
/// Nanoseconds are rounded to a float on the way, as in the original, and the last digits show it.
fn seconds(text: &str) -> f64 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let nanoseconds = || {
        let digits = format!("{fraction:0<9}");
        let fraction: i64 = digits.get(..9)?.parse().ok()?;
        let whole = match whole.parse::<i64>() {
            Ok(whole) => whole,
            Err(_) if fraction_is_of_microseconds(text) => status_value::date(text)? as i64,
            Err(_) => return None,
        };
        whole.checked_mul(1_000_000_000)?.checked_add(fraction)
    };
    nanoseconds().map_or(0.0, |n| n as f64 / 1e9)
}

fn fraction_is_of_microseconds(text: &str) -> bool {
    text.split_once('.').is_some_and(|(_, f)| f.len() == 6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{expose, rows};
    use proptest::prelude::*;

    #[test]
    fn times() {
        for (text, expected) in [
            ("1700000000.123456", 1700000000.123456),
            ("0.000000", 0.0),
            ("5", 5.0),
            ("2023-11-14 22:13:20.123456", 1700000000.123456),
            ("2023-11-14 22:13:20", 0.0),
            ("0000-00-00 00:00:00.000000", 0.0),
            ("x", 0.0),
            ("", 0.0),
            ("99999999999999.0", 0.0),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
        let workers = rows(
            &["c"; 9],
            &[&[Some("ch"), Some("3"), Some("1.500000"), None]],
        );
        let text = expose(|out| put(&workers, out));
        assert_eq!(text.lines().count(), 7);
        assert!(text.contains(
            "mysql_perf_schema_last_applied_transaction_original_commit_timestamp_seconds\
             {channel_name=\"ch\",member_id=\"3\"} 1.5\n"
        ));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            seconds(&text);
        }
    }
}
