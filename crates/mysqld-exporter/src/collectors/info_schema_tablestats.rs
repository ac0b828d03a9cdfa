//! Statistics of tables, from `information_schema.table_statistics` (MariaDB and Percona Server with
//! `userstat` on).

use super::grid::{self, Grid, Label, Value};
use super::user_statistics::WhileKept;
use super::{Collector, Grant, SELECT};
use exporter_core::cli::{Flag, Matches};
use exporter_core::exposition::Family;

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];
/// What it needs.
pub const GRANT: Grant = SELECT;

static READ: Family = Family::counter(
    "mysql_info_schema_table_statistics_rows_read_total",
    &["schema", "table"],
    "Rows read.",
);
static CHANGED: Family = Family::counter(
    "mysql_info_schema_table_statistics_rows_changed_total",
    &["schema", "table"],
    "Rows changed.",
);
static CHANGED_INDEXES: Family = Family::counter(
    "mysql_info_schema_table_statistics_rows_changed_x_indexes_total",
    &["schema", "table"],
    "Rows changed, each times the number of indexes.",
);

const LABELS: &[Label] = &[Label::Column(0), Label::Column(1)];
static VALUES: [Value; 3] = [
    Value::new(&READ, LABELS, 2),
    Value::new(&CHANGED, LABELS, 3),
    Value::new(&CHANGED_INDEXES, LABELS, 4),
];

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    grid::families(&VALUES)
}

/// Makes the collector.
pub fn new(_: &Matches) -> Result<Box<dyn Collector>, String> {
    Ok(Box::new(WhileKept(Grid {
        statement: |_| SQL.to_owned(),
        values: &VALUES,
    })))
}

const SQL: &str = "SELECT TABLE_SCHEMA, TABLE_NAME, ROWS_READ, ROWS_CHANGED, ROWS_CHANGED_X_INDEXES \
        FROM information_schema.table_statistics";
