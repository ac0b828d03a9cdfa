//! How far a standby is behind, from the functions of recovery.

use super::columns::{self, Column};
use super::{Setup, Statements};
use crate::version::Version;
use exporter_core::cli::Flag;
use exporter_core::exposition::Family;

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

static LAG: Column = (
    "lag",
    Family::gauge(
        "pg_replication_lag_seconds",
        &[],
        "How long ago the last transaction that was replayed was committed, in seconds; 0 on a primary and where all that was received is replayed.",
    ),
);
/// The name that the former had before upstream's release 0.13; alerts still ask for it.
static OLD_LAG: Column = (
    "lag",
    Family::gauge(
        "pg_replication_lag",
        &[],
        "The same as pg_replication_lag_seconds, under its former name.",
    ),
);
static REPLICA: Column = (
    "replica",
    Family::gauge(
        "pg_replication_is_replica",
        &[],
        "Whether the server is in recovery.",
    ),
);
static REPLAY: Column = (
    "replay",
    Family::gauge(
        "pg_replication_last_replay_seconds",
        &[],
        "How long ago the last transaction that was replayed was committed, in seconds; 0 on a primary.",
    ),
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&LAG.1, &OLD_LAG.1, &REPLICA.1, &REPLAY.1]
}

/// Makes the collector.
pub fn new(_: &Setup) -> Result<Statements, String> {
    Ok(Statements::one(
        |version| question(version).into(),
        |rows, _, out| columns::put(rows, 0, &[&LAG, &OLD_LAG, &REPLICA, &REPLAY], out),
    ))
}

fn question(version: Version) -> String {
    let (received, replayed) = match version < Version::major(10) {
        true => (
            "pg_last_xlog_receive_location()",
            "pg_last_xlog_replay_location()",
        ),
        false => ("pg_last_wal_receive_lsn()", "pg_last_wal_replay_lsn()"),
    };
    format!(
        "SELECT CASE WHEN NOT replica OR {received} = {replayed} THEN 0 ELSE since END AS lag, \
         CASE WHEN NOT replica OR {received} = {replayed} THEN 0 ELSE since END AS old_lag, \
         CASE WHEN replica THEN 1 ELSE 0 END AS replica, \
         CASE WHEN replica THEN since ELSE 0 END AS replay FROM (SELECT pg_is_in_recovery() AS \
         replica, GREATEST(0, extract(epoch FROM now() - pg_last_xact_replay_timestamp())) AS \
         since) s"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NEWEST, collector, samples};

    #[test]
    fn both_names() {
        let answer: &[&[&str]] = &[&["l", "o", "r", "p"], &["11.5", "11.5", "1", "12"]];
        assert_eq!(
            samples(&collector("replication", &[]), NEWEST, &[answer]),
            "pg_replication_is_replica 1\npg_replication_lag 11.5\n\
             pg_replication_lag_seconds 11.5\npg_replication_last_replay_seconds 12\n"
        );
        let nulls: &[&[&str]] = &[&["l", "o", "r", "p"], &["NULL"; 4]];
        let text = samples(&collector("replication", &[]), NEWEST, &[nulls]);
        assert_eq!(text.matches(" 0\n").count(), 4);
    }

    #[test]
    fn functions_by_version() {
        assert!(question(Version(9, 6, 0)).contains("xlog"));
        assert!(!question(NEWEST).contains("xlog"));
    }
}
