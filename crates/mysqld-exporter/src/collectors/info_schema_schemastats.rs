//! Statistics of schemas, from `information_schema.table_statistics` (MariaDB and Percona Server with
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
    "mysql_info_schema_schema_statistics_rows_read_total",
    &["schema"],
    "Rows read.",
);
static CHANGED: Family = Family::counter(
    "mysql_info_schema_schema_statistics_rows_changed_total",
    &["schema"],
    "Rows changed.",
);
static CHANGED_INDEXES: Family = Family::counter(
    "mysql_info_schema_schema_statistics_rows_changed_x_indexes_total",
    &["schema"],
    "Rows changed, each times the number of indexes.",
);

const LABELS: &[Label] = &[Label::Column(0)];
static VALUES: [Value; 3] = [
    Value::new(&READ, LABELS, 1),
    Value::new(&CHANGED, LABELS, 2),
    Value::new(&CHANGED_INDEXES, LABELS, 3),
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

const SQL: &str = "SELECT TABLE_SCHEMA, SUM(ROWS_READ), SUM(ROWS_CHANGED), SUM(ROWS_CHANGED_X_INDEXES) \
        FROM information_schema.table_statistics GROUP BY TABLE_SCHEMA";
