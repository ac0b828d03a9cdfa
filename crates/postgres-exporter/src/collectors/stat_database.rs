//! Activity by database, from `pg_stat_database`.

use super::columns::{self, Column};
use super::{Setup, Statements};
use crate::rows::Rows;
use crate::version::Version;
use exporter_core::cli::Flag;
use exporter_core::collector::Error;
use exporter_core::exposition::{Arena, Family, Kind};

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

macro_rules! columns {
    ($( $column:literal $kind:ident $name:literal $help:literal, )*) => {
        [ $( ($column, Family::new(Kind::$kind, concat!("pg_stat_database_", $name), &["datid", "datname"], $help)), )* ]
    };
}

static COLUMNS: [Column; 17] = columns! {
    "numbackends" Gauge "numbackends" "Sessions with the database.",
    "xact_commit" Counter "xact_commit" "Transactions that were committed.",
    "xact_rollback" Counter "xact_rollback" "Transactions that were rolled back.",
    "blks_read" Counter "blks_read" "Blocks that were read from the system.",
    "blks_hit" Counter "blks_hit" "Blocks that were found in the shared buffers.",
    "tup_returned" Counter "tup_returned" "Rows that scans returned.",
    "tup_fetched" Counter "tup_fetched" "Rows that index scans fetched.",
    "tup_inserted" Counter "tup_inserted" "Rows that were inserted.",
    "tup_updated" Counter "tup_updated" "Rows that were updated.",
    "tup_deleted" Counter "tup_deleted" "Rows that were deleted.",
    "conflicts" Counter "conflicts" "Statements that were cancelled because they were in the way of recovery.",
    "temp_files" Counter "temp_files" "Temporary files that statements made.",
    "temp_bytes" Counter "temp_bytes" "Bytes that statements wrote to temporary files.",
    "deadlocks" Counter "deadlocks" "Deadlocks that were found.",
    "blk_read_time" Counter "blk_read_time" "Time that sessions spent reading blocks, in milliseconds.",
    "blk_write_time" Counter "blk_write_time" "Time that sessions spent writing blocks, in milliseconds.",
    "floor(extract(epoch FROM stats_reset))" Counter "stats_reset" "When these statistics were reset last, in seconds since the epoch.",
};

static ACTIVE: Column = (
    "active_time / 1000",
    Family::counter(
        "pg_stat_database_active_time_seconds_total",
        &["datid", "datname"],
        "Time that sessions spent with statements, in seconds.",
    ),
);

/// The one that may be null.
const STATS_RESET: usize = 16;

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    all(Version::major(14)).iter().map(|c| &c.1).collect()
}

fn all(version: Version) -> Vec<&'static Column> {
    let mut all: Vec<_> = COLUMNS.iter().collect();
    if version >= Version::major(14) {
        all.push(&ACTIVE);
    }
    all
}

/// Makes the collector.
pub fn new(_: &Setup) -> Result<Statements, String> {
    Ok(Statements::one(
        |version| {
            let columns = columns::select(&all(version));
            format!("SELECT datid, datname, {columns} FROM pg_stat_database").into()
        },
        put,
    ))
}

/// A row with a null anywhere but in `stats_reset` is left out, such as that of shared objects,
/// which has no name.
fn put(rows: &Rows, version: Version, out: &mut Arena) -> Result<(), Error> {
    let all = all(version);
    let mut databases = Vec::new();
    'rows: for row in rows.iter() {
        let (Some(id), Some(name)) = (row.text(0), row.text(1)) else {
            continue;
        };
        let mut values = Vec::with_capacity(all.len());
        for index in 0..all.len() {
            match row.number(2 + index)? {
                Some(value) => values.push(value),
                None if index == STATS_RESET => values.push(0.0),
                None => continue 'rows,
            }
        }
        databases.push(([id, name], values));
    }
    for (labels, values) in databases {
        for (column, value) in all.iter().zip(values) {
            out.put(&column.1, &labels, value);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NEWEST, collector, samples};

    #[test]
    fn rows_with_a_null_are_left_out() {
        let mut full = vec!["5"; 20];
        full[1] = "a";
        full[2 + STATS_RESET] = "NULL";
        let mut nameless = vec!["1"; 20];
        nameless[1] = "NULL";
        let mut partly = vec!["1"; 20];
        partly[10] = "NULL";
        let head = &["x"; 20][..];
        let answer: &[&[&str]] = &[head, &full, &nameless, &partly];
        let text = samples(&collector("stat_database", &[]), NEWEST, &[answer]);
        assert_eq!(text.lines().count(), 18);
        assert!(text.contains("pg_stat_database_stats_reset{datid=\"5\",datname=\"a\"} 0\n"));
        assert_eq!(COLUMNS[STATS_RESET].1.name, "pg_stat_database_stats_reset");
        let text = samples(
            &collector("stat_database", &[]),
            Version::major(13),
            &[answer],
        );
        assert_eq!(text.lines().count(), 17);
    }
}
