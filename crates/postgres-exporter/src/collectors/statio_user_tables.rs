//! Blocks of tables of the connected database, from `pg_statio_user_tables`.

use super::columns::{self, Column};
use super::{Setup, Statements};
use exporter_core::cli::Flag;
use exporter_core::exposition::Family;

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

macro_rules! counters {
    ($( $column:literal $name:literal $help:literal, )*) => {
        [ $( ($column, Family::counter(concat!("pg_statio_user_tables_", $name), &["datname", "relname", "schemaname"], $help)), )* ]
    };
}

static COLUMNS: [Column; 8] = counters! {
    "heap_blks_read" "heap_blocks_read" "Blocks of the table that were read from the system.",
    "heap_blks_hit" "heap_blocks_hit" "Blocks of the table that were found in the shared buffers.",
    "idx_blks_read" "idx_blocks_read" "Blocks of its indexes that were read from the system.",
    "idx_blks_hit" "idx_blocks_hit" "Blocks of its indexes that were found in the shared buffers.",
    "toast_blks_read" "toast_blocks_read" "Blocks of its TOAST table that were read from the system.",
    "toast_blks_hit" "toast_blocks_hit" "Blocks of its TOAST table that were found in the shared buffers.",
    "tidx_blks_read" "tidx_blocks_read" "Blocks of the indexes of its TOAST table that were read from the system.",
    "tidx_blks_hit" "tidx_blocks_hit" "Blocks of the indexes of its TOAST table that were found in the shared buffers.",
};

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    COLUMNS.iter().map(|c| &c.1).collect()
}

/// Makes the collector.
pub fn new(_: &Setup) -> Result<Statements, String> {
    let all: Vec<_> = COLUMNS.iter().collect();
    let sql = format!(
        "SELECT current_database(), relname, schemaname, {} FROM pg_statio_user_tables",
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
    fn eight_counters() {
        let row = ["db", "t", "s", "1", "2", "3", "4", "5", "6", "7", "NULL"];
        let text = samples(
            &collector("statio_user_tables", &[]),
            NEWEST,
            &[&[&["x"; 11], &row]],
        );
        assert_eq!(text.lines().count(), 8);
        let labels = "{datname=\"db\",relname=\"t\",schemaname=\"s\"}";
        let line = format!("pg_statio_user_tables_toast_blocks_read{labels} 5\n");
        assert!(text.contains(&line), "{text}");
        let line = format!("pg_statio_user_tables_tidx_blocks_hit{labels} 0\n");
        assert!(text.contains(&line), "{text}");
    }
}
