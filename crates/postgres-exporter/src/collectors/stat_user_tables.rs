//! Tables of the connected database, from `pg_stat_user_tables`, and their sizes.
//!
//! The functions that tell sizes wait for locks. A table that somebody has locked exclusively is
//! told without its sizes; one that is locked in that moment costs a second at most.

use super::columns::Column;
use super::{Question, Setup, Statements};
use crate::rows::Rows;
use exporter_core::cli::Flag;
use exporter_core::collector::Error;
use exporter_core::exposition::{Arena, Family, Kind};

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

macro_rules! columns {
    ($( $column:literal $kind:ident $name:literal $help:literal, )*) => {
        [ $( ($column, Family::new(Kind::$kind, concat!("pg_stat_user_tables_", $name), &["datname", "relname", "schemaname"], $help)), )* ]
    };
}

static COLUMNS: [Column; 19] = columns! {
    "seq_scan" Counter "seq_scan" "Scans of the whole table.",
    "seq_tup_read" Counter "seq_tup_read" "Rows that scans of the whole table read.",
    "idx_scan" Counter "idx_scan" "Scans of indexes of the table.",
    "idx_tup_fetch" Counter "idx_tup_fetch" "Rows that scans of indexes fetched.",
    "n_tup_ins" Counter "n_tup_ins" "Rows that were inserted.",
    "n_tup_upd" Counter "n_tup_upd" "Rows that were updated.",
    "n_tup_del" Counter "n_tup_del" "Rows that were deleted.",
    "n_tup_hot_upd" Counter "n_tup_hot_upd" "Rows that were updated without a change to indexes.",
    "n_live_tup" Gauge "n_live_tup" "Rows that live, estimated.",
    "n_dead_tup" Gauge "n_dead_tup" "Rows that are dead and not vacuumed, estimated.",
    "n_mod_since_analyze" Gauge "n_mod_since_analyze" "Rows that were changed since the table was analysed last, estimated.",
    "floor(extract(epoch FROM last_vacuum))" Gauge "last_vacuum" "When the table was vacuumed by hand last, in seconds since the epoch, 0 for never.",
    "floor(extract(epoch FROM last_autovacuum))" Gauge "last_autovacuum" "When autovacuum vacuumed the table last, in seconds since the epoch, 0 for never.",
    "floor(extract(epoch FROM last_analyze))" Gauge "last_analyze" "When the table was analysed by hand last, in seconds since the epoch, 0 for never.",
    "floor(extract(epoch FROM last_autoanalyze))" Gauge "last_autoanalyze" "When autovacuum analysed the table last, in seconds since the epoch, 0 for never.",
    "vacuum_count" Counter "vacuum_count" "Times that the table was vacuumed by hand.",
    "autovacuum_count" Counter "autovacuum_count" "Times that autovacuum vacuumed the table.",
    "analyze_count" Counter "analyze_count" "Times that the table was analysed by hand.",
    "autoanalyze_count" Counter "autoanalyze_count" "Times that autovacuum analysed the table.",
};

static SIZES: [Column; 2] = columns! {
    "pg_indexes_size" Gauge "index_size_bytes" "Disk space that the indexes of the table take, in bytes.",
    "pg_table_size" Gauge "table_size_bytes" "Disk space that the table takes without its indexes, in bytes.",
};

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    COLUMNS.iter().chain(&SIZES).map(|c| &c.1).collect()
}

/// Makes the collector.
pub fn new(_: &Setup) -> Result<Statements, String> {
    let with = question(true);
    let without = question(false);
    Ok(
        Statements::one(move |_| with.clone(), |rows, _, out| put(rows, out))
            .or_without_locks(move |_| without.clone())
            .patient(),
    )
}

/// Tables that are locked, or about to be, or whose indexes are.
pub(super) const LOCKED: &str = "SELECT DISTINCT COALESCE(i.indrelid, l.relation) AS id FROM pg_locks l LEFT \
                      JOIN pg_index i ON i.indexrelid = l.relation WHERE l.locktype = 'relation' \
                      AND l.mode = 'AccessExclusiveLock' AND l.database = (SELECT oid FROM \
                      pg_database WHERE datname = current_database())";

fn question(sizes: bool) -> Question {
    let columns: Vec<_> = COLUMNS.iter().map(|c| c.0).collect();
    let columns = columns.join(", ");
    let head = "SELECT current_database(), t.relname, t.schemaname";
    if !sizes {
        let nulls = "NULL, NULL";
        return format!("{head}, {columns}, {nulls} FROM pg_stat_user_tables t").into();
    }
    let size = |function: &str| format!("CASE WHEN k.id IS NULL THEN {function}(t.relid) END");
    let (indexes, table) = (size(SIZES[0].0), size(SIZES[1].0));
    format!(
        "{head}, {columns}, {indexes}, {table} FROM pg_stat_user_tables t LEFT JOIN ({LOCKED}) k \
         ON k.id = t.relid"
    )
    .into()
}

fn put(rows: &Rows, out: &mut Arena) -> Result<(), Error> {
    let mut tables = Vec::new();
    for row in rows.iter() {
        let labels: [&str; 3] = std::array::from_fn(|column| row.text_or(column, "unknown"));
        let mut values = [0.0; COLUMNS.len()];
        for (index, value) in values.iter_mut().enumerate() {
            *value = row.number_or_zero(3 + index)?;
        }
        let first = 3 + COLUMNS.len();
        let sizes = [row.number(first)?, row.number(first + 1)?];
        tables.push((labels, values, sizes));
    }
    for (labels, values, sizes) in tables {
        for (column, value) in COLUMNS.iter().zip(values) {
            out.put(&column.1, &labels, value);
        }
        for (column, size) in SIZES.iter().zip(sizes) {
            if let Some(size) = size {
                out.put(&column.1, &labels, size);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::{NEWEST, collector, samples};

    #[test]
    fn nulls_and_unknown_sizes() {
        let head = &["x"; 24][..];
        let mut full = vec!["3"; 24];
        full[..3].copy_from_slice(&["db", "t", "public"]);
        let mut nulls = vec!["NULL"; 24];
        nulls[1] = "u";
        let text = samples(
            &collector("stat_user_tables", &[]),
            NEWEST,
            &[&[head, &full, &nulls]],
        );
        assert_eq!(text.lines().count(), 21 + 19);
        for line in [
            "pg_stat_user_tables_n_dead_tup{datname=\"db\",relname=\"t\",schemaname=\"public\"} 3\n",
            "pg_stat_user_tables_table_size_bytes{datname=\"db\",relname=\"t\",schemaname=\"public\"} 3\n",
            "pg_stat_user_tables_last_vacuum{datname=\"unknown\",relname=\"u\",schemaname=\"unknown\"} 0\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
    }
}
