//! Reads, writes and the like by who does them and where, from `pg_stat_io` of PostgreSQL 16 and later.
//! Upstream has no such collector.

use super::columns::{self, Column};
use super::{Question, Setup, Statements};
use crate::version::Version;
use exporter_core::cli::Flag;
use exporter_core::exposition::Family;

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

macro_rules! counters {
    ($( $column:literal $name:literal $help:literal, )*) => {
        [ $( ($column, Family::counter(concat!("pg_stat_io_", $name, "_total"), &["backend_type", "context", "object"], $help)), )* ]
    };
}

static COLUMNS: [Column; 13] = counters! {
    "reads" "reads" "Reads.",
    "read_time / 1000" "read_seconds" "Time that was spent reading, in seconds.",
    "writes" "writes" "Writes.",
    "write_time / 1000" "write_seconds" "Time that was spent writing, in seconds.",
    "writebacks" "writebacks" "Blocks that the system was asked to bring to disk.",
    "writeback_time / 1000" "writeback_seconds" "Time that was spent asking the system so, in seconds.",
    "extends" "extends" "Extensions of files.",
    "extend_time / 1000" "extend_seconds" "Time that was spent extending files, in seconds.",
    "hits" "hits" "Blocks that were found in the shared buffers.",
    "evictions" "evictions" "Blocks that were put out of buffers to use those for others.",
    "reuses" "reuses" "Buffers of a ring that were used again.",
    "fsyncs" "fsyncs" "Calls of fsync.",
    "fsync_time / 1000" "fsync_seconds" "Time that was spent in fsync, in seconds.",
};

static BYTES: [Column; 3] = counters! {
    "read_bytes" "read_bytes" "Bytes that were read.",
    "write_bytes" "write_bytes" "Bytes that were written.",
    "extend_bytes" "extend_bytes" "Bytes that files were extended by.",
};
/// How PostgreSQL 16 and 17 tell them.
const OLD_BYTES: &str = "reads * op_bytes, writes * op_bytes, extends * op_bytes";

fn all() -> Vec<&'static Column> {
    COLUMNS.iter().chain(&BYTES).collect()
}

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    all().into_iter().map(|c| &c.1).collect()
}

/// Makes the collector.
pub fn new(_: &Setup) -> Result<Statements, String> {
    Ok(Statements::one(question, |rows, _, out| {
        columns::put_known(rows, 3, &all(), out)
    }))
}

fn question(version: Version) -> Question {
    if version < Version::major(16) {
        return Question::Skip("stat_io asks servers of version 16 and later only");
    }
    let counts = columns::select(&COLUMNS.iter().collect::<Vec<_>>());
    let bytes = match version < Version::major(18) {
        true => OLD_BYTES.to_owned(),
        false => columns::select(&BYTES.iter().collect::<Vec<_>>()),
    };
    format!("SELECT backend_type, context, object, {counts}, {bytes} FROM pg_stat_io").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NEWEST, collector, samples};

    #[test]
    fn what_does_not_happen_is_left_out() {
        let mut row = vec!["NULL"; 19];
        row[..5].copy_from_slice(&["walwriter", "normal", "wal", "7", "0.5"]);
        let text = samples(&collector("stat_io", &[]), NEWEST, &[&[&["x"; 19], &row]]);
        let labels = "{backend_type=\"walwriter\",context=\"normal\",object=\"wal\"}";
        assert_eq!(
            text,
            format!(
                "pg_stat_io_read_seconds_total{labels} 0.5\npg_stat_io_reads_total{labels} 7\n"
            )
        );
        let Question::Ask(sql) = question(Version::major(17)) else {
            panic!()
        };
        assert!(sql.contains("reads * op_bytes"), "{sql}");
    }
}
