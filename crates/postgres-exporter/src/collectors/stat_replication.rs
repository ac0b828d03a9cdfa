//! Standbys and other receivers of the write-ahead log, from `pg_stat_replication`.

use super::{Question, Setup, Statements};
use crate::rows::Rows;
use crate::version::Version;
use exporter_core::cli::Flag;
use exporter_core::collector::Error;
use exporter_core::exposition::{Arena, Family};

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

const LABELS: &[&str] = &[
    "application_name",
    "client_addr",
    "pid",
    "slot_name",
    "state",
];

static CURRENT: Family = Family::gauge(
    "pg_stat_replication_pg_current_wal_lsn_bytes",
    LABELS,
    "Where the server's write-ahead log stands, in bytes from its beginning.",
);
static BEHIND: Family = Family::gauge(
    "pg_stat_replication_pg_wal_lsn_diff",
    LABELS,
    "Write-ahead log that the receiver has not replayed yet, in bytes.",
);
static OLD_BEHIND: Family = Family::gauge(
    "pg_stat_replication_pg_xlog_location_diff",
    LABELS,
    "Write-ahead log that the receiver has not replayed yet, in bytes (before PostgreSQL 10).",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&CURRENT, &BEHIND, &OLD_BEHIND]
}

/// Makes the collector.
pub fn new(_: &Setup) -> Result<Statements, String> {
    Ok(Statements::one(question, put))
}

/// The address is cast to text, which appends the length of the network mask.
fn question(version: Version) -> Question {
    if version < Version(9, 2, 0) {
        return Question::Nothing;
    }
    if version >= Version::major(10) {
        return Question::from(
            "SELECT r.application_name, r.client_addr::text, r.pid, s.slot_name, r.state, \
             pg_wal_lsn_diff(c.lsn, r.replay_lsn), c.lsn - '0/0' FROM pg_stat_replication r LEFT \
             JOIN pg_replication_slots s ON s.active_pid = r.pid CROSS JOIN (SELECT CASE WHEN \
             pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END AS \
             lsn) c",
        );
    }
    let (slot, join) = match version < Version(9, 5, 0) {
        true => ("NULL::text", ""),
        false => (
            "s.slot_name",
            " LEFT JOIN pg_replication_slots s ON s.active_pid = r.pid",
        ),
    };
    Question::from(format!(
        "SELECT r.application_name, r.client_addr::text, r.pid, {slot}, r.state, \
         pg_xlog_location_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_xlog_receive_location() \
         ELSE pg_current_xlog_location() END, r.replay_location) FROM pg_stat_replication r{join}"
    ))
}

fn put(rows: &Rows, version: Version, out: &mut Arena) -> Result<(), Error> {
    let behind = match version < Version::major(10) {
        true => &OLD_BEHIND,
        false => &BEHIND,
    };
    let mut receivers = Vec::new();
    for row in rows.iter() {
        let labels: [&str; 5] = std::array::from_fn(|column| row.text_or(column, ""));
        receivers.push((labels, row.number(5)?, row.number(6)?));
    }
    for (labels, diff, current) in receivers {
        if let Some(diff) = diff {
            out.put(behind, &labels, diff);
        }
        if let Some(current) = current {
            out.put(&CURRENT, &labels, current);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NEWEST, collector, samples};

    #[test]
    fn receivers() {
        let answer: &[&[&str]] = &[
            &["app", "addr", "pid", "slot", "state", "diff", "current"],
            &["w", "127.0.0.1/32", "7", "NULL", "streaming", "16", "1024"],
            &["b", "NULL", "8", "s", "backup", "NULL", "NULL"],
        ];
        assert_eq!(
            samples(&collector("stat_replication", &[]), NEWEST, &[answer]),
            "pg_stat_replication_pg_current_wal_lsn_bytes{application_name=\"w\",\
             client_addr=\"127.0.0.1/32\",pid=\"7\",slot_name=\"\",state=\"streaming\"} 1024\n\
             pg_stat_replication_pg_wal_lsn_diff{application_name=\"w\",\
             client_addr=\"127.0.0.1/32\",pid=\"7\",slot_name=\"\",state=\"streaming\"} 16\n"
        );
    }

    #[test]
    fn versions() {
        let sql = |version| match question(version) {
            Question::Ask(sql) => sql.into_owned(),
            other => format!("{other:?}"),
        };
        assert_eq!(sql(Version(9, 1, 0)), "Nothing");
        assert!(!sql(Version(9, 4, 0)).contains("slots"));
        assert!(sql(Version(9, 5, 0)).contains("xlog") && sql(Version(9, 5, 0)).contains("slots"));
        assert!(!sql(NEWEST).contains("xlog"));
    }
}
