//! Small caches of the server, from `pg_stat_slru` of PostgreSQL 13 and later. Upstream has no such
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
        [ $( ($column, Family::counter(concat!("pg_stat_slru_", $name, "_total"), &["name"], $help)), )* ]
    };
}

static COLUMNS: [Column; 7] = counters! {
    "blks_zeroed" "blocks_zeroed" "Blocks that were cleared for new use.",
    "blks_hit" "blocks_hit" "Blocks that were found in the cache.",
    "blks_read" "blocks_read" "Blocks that were read.",
    "blks_written" "blocks_written" "Blocks that were written.",
    "blks_exists" "blocks_exists" "Blocks that were looked for on disk.",
    "flushes" "flushes" "Times that the cache was written out.",
    "truncates" "truncates" "Times that the cache's files were cut.",
};

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    COLUMNS.iter().map(|c| &c.1).collect()
}

/// Makes the collector.
pub fn new(_: &Setup) -> Result<Statements, String> {
    let all: Vec<_> = COLUMNS.iter().collect();
    let sql = format!("SELECT name, {} FROM pg_stat_slru", columns::select(&all));
    Ok(Statements::one(
        move |version| match version < Version::major(13) {
            true => Question::Skip("stat_slru asks servers of version 13 and later only"),
            false => sql.clone().into(),
        },
        move |rows, _, out| columns::put_known(rows, 1, &all, out),
    ))
}

#[cfg(test)]
mod tests {
    use crate::testing::{NEWEST, collector, samples};

    #[test]
    fn caches() {
        let row = ["notify", "1", "2", "3", "4", "5", "6", "NULL"];
        let text = samples(&collector("stat_slru", &[]), NEWEST, &[&[&["x"; 8], &row]]);
        assert_eq!(text.lines().count(), 6);
        assert!(
            text.contains("pg_stat_slru_blocks_read_total{name=\"notify\"} 3\n"),
            "{text}"
        );
    }
}
