//! Indexes of the connected database and their sizes, from `pg_stat_user_indexes`. Upstream has no such
//! collector.

use super::columns::{self, Column};
use super::stat_user_tables::LOCKED;
use super::{Question, Setup, Statements};
use exporter_core::cli::Flag;
use exporter_core::exposition::{Family, Kind};

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

macro_rules! columns {
    ($( $column:literal $kind:ident $name:literal $help:literal, )*) => {
        [ $( ($column, Family::new(Kind::$kind, concat!("pg_stat_user_indexes_", $name), &["datname", "indexrelname", "relname", "schemaname"], $help)), )* ]
    };
}

static COLUMNS: [Column; 4] = columns! {
    "idx_scan" Counter "idx_scan_total" "Scans of the index.",
    "idx_tup_read" Counter "idx_tup_read_total" "Entries that scans of the index returned.",
    "idx_tup_fetch" Counter "idx_tup_fetch_total" "Rows that simple scans of the index fetched.",
    "CASE WHEN k.id IS NULL THEN pg_relation_size(t.indexrelid) END" Gauge "size_bytes" "Disk space that the index takes, in bytes; left out while its table is locked.",
};

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    COLUMNS.iter().map(|c| &c.1).collect()
}

/// Makes the collector.
pub fn new(_: &Setup) -> Result<Statements, String> {
    let all: Vec<_> = COLUMNS.iter().collect();
    let head = "SELECT current_database(), t.indexrelname, t.relname, t.schemaname";
    let with = format!(
        "{head}, {} FROM pg_stat_user_indexes t LEFT JOIN ({LOCKED}) k ON k.id = t.relid",
        columns::select(&all)
    );
    let without = format!(
        "{head}, {}, NULL FROM pg_stat_user_indexes t",
        columns::select(&all[..3])
    );
    Ok(Statements::one(
        move |_| Question::from(with.clone()),
        move |rows, _, out| columns::put_known(rows, 4, &all, out),
    )
    .or_without_locks(move |_| Question::from(without.clone()))
    .patient())
}

#[cfg(test)]
mod tests {
    use crate::testing::{NEWEST, collector, samples};

    #[test]
    fn locked_ones_have_no_size() {
        let row = ["db", "i", "t", "s", "1", "2", "3", "NULL"];
        let text = samples(
            &collector("stat_user_indexes", &[]),
            NEWEST,
            &[&[&["x"; 8], &row]],
        );
        assert_eq!(text.lines().count(), 3);
        let line = "pg_stat_user_indexes_idx_scan_total{datname=\"db\",indexrelname=\"i\",\
                    relname=\"t\",schemaname=\"s\"} 1\n";
        assert!(text.contains(line), "{text}");
    }
}
