//! Checkpoints, from `pg_stat_checkpointer` of PostgreSQL 17 and later.

use super::columns::{self, Column};
use super::{Question, Setup, Statements};
use crate::version::Version;
use exporter_core::cli::Flag;
use exporter_core::exposition::Family;

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

macro_rules! counters {
    ($( $column:literal $name:literal $help:literal, )*) => {
        [ $( ($column, Family::counter(concat!("pg_stat_checkpointer_", $name, "_total"), &[], $help)), )* ]
    };
}

static COLUMNS: [Column; 9] = counters! {
    "num_timed" "num_timed" "Checkpoints that were due by time.",
    "num_requested" "num_requested" "Checkpoints that were asked for.",
    "restartpoints_timed" "restartpoints_timed" "Restart points that were due by time.",
    "restartpoints_req" "restartpoints_req" "Restart points that were asked for.",
    "restartpoints_done" "restartpoints_done" "Restart points that were performed.",
    "write_time" "write_time" "Time that checkpoints and restart points spent writing, in milliseconds.",
    "sync_time" "sync_time" "Time that checkpoints and restart points spent bringing files to disk, in milliseconds.",
    "buffers_written" "buffers_written" "Buffers that checkpoints and restart points wrote.",
    "floor(extract(epoch FROM stats_reset))" "stats_reset" "When these statistics were reset last, in seconds since the epoch.",
};

/// Columns since PostgreSQL 18, which upstream does not tell.
static NEW_COLUMNS: [Column; 2] = counters! {
    "num_done" "num_done" "Checkpoints that were performed.",
    "slru_written" "slru_written" "Buffers of the caches of transaction states and the like (SLRU) that checkpoints and restart points wrote.",
};

fn all(version: Version) -> Vec<&'static Column> {
    let mut all: Vec<_> = COLUMNS.iter().collect();
    if version >= Version::major(18) {
        all.extend(&NEW_COLUMNS);
    }
    all
}

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    let all = COLUMNS.iter().chain(&NEW_COLUMNS);
    all.map(|c| &c.1).collect()
}

/// Makes the collector.
pub fn new(_: &Setup) -> Result<Statements, String> {
    Ok(Statements::one(
        |version| match version < Version::major(17) {
            true => Question::Skip("stat_checkpointer asks servers of version 17 and later only"),
            false => {
                let columns = columns::select(&all(version));
                format!("SELECT {columns} FROM pg_stat_checkpointer").into()
            }
        },
        |rows, version, out| columns::put(rows, 0, &all(version), out),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NEWEST, collector, samples};

    #[test]
    fn nulls_are_zero() {
        let collector = collector("stat_checkpointer", &[]);
        let text = samples(
            &collector,
            Version::major(17),
            &[&[&["x"; 9], &["NULL"; 9]]],
        );
        assert_eq!(text.matches("_total 0\n").count(), 9);
        let text = samples(&collector, NEWEST, &[&[&["x"; 11], &["NULL"; 11]]]);
        assert_eq!(text.matches("_total 0\n").count(), 11);
        let [Question::Skip(_)] = collector.questions(Version::major(16))[..] else {
            panic!()
        };
    }
}
