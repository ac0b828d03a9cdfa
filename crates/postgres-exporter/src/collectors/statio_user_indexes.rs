//! Blocks of indexes of the connected database, from `pg_statio_user_indexes`.

use super::columns::{self, Column};
use super::{Setup, Statements};
use exporter_core::cli::Flag;
use exporter_core::exposition::Family;

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

const LABELS: &[&str] = &["indexrelname", "relname", "schemaname"];

static COLUMNS: [Column; 2] = [
    (
        "idx_blks_read",
        Family::counter(
            "pg_statio_user_indexes_idx_blks_read_total",
            LABELS,
            "Blocks of the index that were read from the system.",
        ),
    ),
    (
        "idx_blks_hit",
        Family::counter(
            "pg_statio_user_indexes_idx_blks_hit_total",
            LABELS,
            "Blocks of the index that were found in the shared buffers.",
        ),
    ),
];

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    COLUMNS.iter().map(|c| &c.1).collect()
}

/// Makes the collector.
pub fn new(_: &Setup) -> Result<Statements, String> {
    let all: Vec<_> = COLUMNS.iter().collect();
    let sql = format!(
        "SELECT indexrelname, relname, schemaname, {} FROM pg_statio_user_indexes",
        columns::select(&all)
    );
    Ok(Statements::one(
        move |_| sql.clone().into(),
        move |rows, _, out| columns::put(rows, 3, &all, out),
    ))
}

#[cfg(test)]
mod tests {
    use crate::testing::{NEWEST, collector, samples};

    #[test]
    fn nulls() {
        let answer: &[&[&str]] = &[&["i", "r", "s", "a", "b"], &["NULL"; 5]];
        let labels = "{indexrelname=\"unknown\",relname=\"unknown\",schemaname=\"unknown\"} 0\n";
        assert_eq!(
            samples(&collector("statio_user_indexes", &[]), NEWEST, &[answer]),
            format!(
                "pg_statio_user_indexes_idx_blks_hit_total{labels}\
                 pg_statio_user_indexes_idx_blks_read_total{labels}"
            )
        );
    }
}
