//! How far auto-increment columns have come, from `information_schema.columns` and `tables`.

use super::grid::{self, Grid, Label, Value};
use super::{Collector, Grant, SELECT};
use exporter_core::cli::{Flag, Matches};
use exporter_core::exposition::Family;

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];
/// What it needs.
pub const GRANT: Grant = SELECT;

static NEXT: Family = Family::gauge(
    "mysql_info_schema_auto_increment_column",
    &["column", "schema", "table"],
    "Next value of an auto-increment column.",
);
static MOST: Family = Family::gauge(
    "mysql_info_schema_auto_increment_column_max",
    &["column", "schema", "table"],
    "Greatest value that fits an auto-increment column.",
);

const LABELS: &[Label] = &[Label::Column(2), Label::Column(0), Label::Column(1)];
static VALUES: [Value; 2] = [
    Value::new(&NEXT, LABELS, 3),
    // A type that is no integer has no such value.
    Value::new(&MOST, LABELS, 4),
];

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    grid::families(&VALUES)
}

/// Makes the collector.
pub fn new(_: &Matches) -> Result<Box<dyn Collector>, String> {
    let statement = |_| {
        "SELECT c.TABLE_SCHEMA, c.TABLE_NAME, c.COLUMN_NAME, t.AUTO_INCREMENT, \
         POW(2, CASE c.DATA_TYPE WHEN 'tinyint' THEN 7 WHEN 'smallint' THEN 15 \
         WHEN 'mediumint' THEN 23 WHEN 'int' THEN 31 WHEN 'bigint' THEN 63 END \
         + (c.COLUMN_TYPE LIKE '% unsigned')) - 1 \
         FROM information_schema.columns c STRAIGHT_JOIN information_schema.tables t \
         ON BINARY c.TABLE_SCHEMA = t.TABLE_SCHEMA AND BINARY c.TABLE_NAME = t.TABLE_NAME \
         WHERE c.EXTRA = 'auto_increment' AND t.AUTO_INCREMENT IS NOT NULL"
            .to_owned()
    };
    Ok(Grid::boxed(statement, &VALUES))
}
