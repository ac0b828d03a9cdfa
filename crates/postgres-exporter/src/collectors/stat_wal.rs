//! Writing of the write-ahead log, from `pg_stat_wal` of PostgreSQL 14 and later. Upstream has no such
//! collector.

use super::columns::{self, Column};
use super::{Question, Setup, Statements};
use crate::version::Version;
use exporter_core::cli::Flag;
use exporter_core::exposition::Family;

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

macro_rules! counters {
    ($( $column:literal $name:literal $help:literal, )*) => {
        [ $( ($column, Family::counter(concat!("pg_stat_wal_", $name, "_total"), &[], $help)), )* ]
    };
}

static COLUMNS: [Column; 4] = counters! {
    "wal_records" "records" "Records that were written.",
    "wal_fpi" "full_page_images" "Images of whole pages that were written.",
    "wal_bytes" "bytes" "Bytes that were written.",
    "wal_buffers_full" "buffers_full" "Times that sessions had to write because buffers were full.",
};

/// Columns that are in `pg_stat_io` since PostgreSQL 18.
static OLD_COLUMNS: [Column; 4] = counters! {
    "wal_write" "writes" "Times that buffers were written out.",
    "wal_sync" "syncs" "Times that files were brought to disk.",
    "wal_write_time / 1000" "write_seconds" "Time that was spent writing buffers out, in seconds.",
    "wal_sync_time / 1000" "sync_seconds" "Time that was spent bringing files to disk, in seconds.",
};

fn all(version: Version) -> Vec<&'static Column> {
    let mut all: Vec<_> = COLUMNS.iter().collect();
    if version < Version::major(18) {
        all.extend(&OLD_COLUMNS);
    }
    all
}

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    all(Version::default()).into_iter().map(|c| &c.1).collect()
}

/// Makes the collector.
pub fn new(_: &Setup) -> Result<Statements, String> {
    Ok(Statements::one(
        |version| match version < Version::major(14) {
            true => Question::Skip("stat_wal asks servers of version 14 and later only"),
            false => format!("SELECT {} FROM pg_stat_wal", columns::select(&all(version))).into(),
        },
        |rows, version, out| columns::put_known(rows, 0, &all(version), out),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NEWEST, collector, samples};

    #[test]
    fn columns_by_version() {
        let collector = collector("stat_wal", &[]);
        let row = &["1", "2", "3", "4", "5", "6", "7.5", "8"][..];
        let old = samples(&collector, Version::major(15), &[&[&["x"; 8], row]]);
        assert_eq!(old.lines().count(), 8);
        assert!(
            old.contains("pg_stat_wal_write_seconds_total 7.5\n"),
            "{old}"
        );
        let new = samples(&collector, NEWEST, &[&[&["x"; 4], &row[..4]]]);
        assert_eq!(new.lines().count(), 4);
    }
}
