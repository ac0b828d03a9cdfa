//! The background writer, from `pg_stat_bgwriter`; before PostgreSQL 17 checkpoints too.

use super::columns::{self, Column};
use super::{Setup, Statements};
use crate::version::Version;
use exporter_core::cli::Flag;
use exporter_core::exposition::Family;

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

macro_rules! counters {
    ($( $column:literal $name:literal $help:literal, )*) => {
        [ $( ($column, Family::counter(concat!("pg_stat_bgwriter_", $name, "_total"), &[], $help)), )* ]
    };
}

static WRITER: [Column; 4] = counters! {
    "buffers_clean" "buffers_clean" "Buffers that the background writer wrote.",
    "maxwritten_clean" "maxwritten_clean" "Times that the background writer stopped because it had written as much as it may at a time.",
    "buffers_alloc" "buffers_alloc" "Buffers that were allocated.",
    "floor(extract(epoch FROM stats_reset))" "stats_reset" "When these statistics were reset last, in seconds since the epoch.",
};

/// Columns that are in `pg_stat_checkpointer` or `pg_stat_io` since PostgreSQL 17.
static CHECKPOINTS: [Column; 7] = counters! {
    "checkpoints_timed" "checkpoints_timed" "Checkpoints that were due by time.",
    "checkpoints_req" "checkpoints_req" "Checkpoints that were asked for.",
    "checkpoint_write_time" "checkpoint_write_time" "Time that checkpoints spent writing, in milliseconds.",
    "checkpoint_sync_time" "checkpoint_sync_time" "Time that checkpoints spent bringing files to disk, in milliseconds.",
    "buffers_checkpoint" "buffers_checkpoint" "Buffers that checkpoints wrote.",
    "buffers_backend" "buffers_backend" "Buffers that sessions wrote by themselves.",
    "buffers_backend_fsync" "buffers_backend_fsync" "Times that sessions had to call fsync by themselves.",
};

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    all(Version::default()).iter().map(|c| &c.1).collect()
}

fn all(version: Version) -> Vec<&'static Column> {
    let mut all: Vec<_> = WRITER.iter().collect();
    if version < Version::major(17) {
        all.extend(&CHECKPOINTS);
    }
    all
}

/// Makes the collector.
pub fn new(_: &Setup) -> Result<Statements, String> {
    Ok(Statements::one(
        |version| {
            let columns = columns::select(&all(version));
            format!("SELECT {columns} FROM pg_stat_bgwriter").into()
        },
        |rows, version, out| columns::put(rows, 0, &all(version), out),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NEWEST, collector, samples};

    #[test]
    fn columns_by_version() {
        let collector = collector("stat_bgwriter", &[]);
        let new = samples(
            &collector,
            NEWEST,
            &[&[&["c", "m", "a", "r"], &["1", "2", "3", "NULL"]]],
        );
        assert_eq!(
            new,
            "pg_stat_bgwriter_buffers_alloc_total 3\npg_stat_bgwriter_buffers_clean_total 1\n\
             pg_stat_bgwriter_maxwritten_clean_total 2\npg_stat_bgwriter_stats_reset_total 0\n"
        );
        let old = samples(
            &collector,
            Version::major(16),
            &[&[&["x"; 11], &["7.5"; 11]]],
        );
        assert_eq!(old.lines().count(), 11);
        assert!(old.contains("pg_stat_bgwriter_checkpoint_write_time_total 7.5\n"));
    }
}
