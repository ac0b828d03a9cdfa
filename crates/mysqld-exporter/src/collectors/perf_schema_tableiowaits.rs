//! Waits for input and output of tables, from `performance_schema.table_io_waits_summary_by_table`.

use super::grid::{self, Grid, Label, Value};
use super::{Collector, Grant, PERFORMANCE_SCHEMA};
use exporter_core::cli::{Flag, Matches};
use exporter_core::exposition::Family;

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];
/// What it needs.
pub const GRANT: Grant = PERFORMANCE_SCHEMA;

static COUNT: Family = Family::counter(
    "mysql_perf_schema_table_io_waits_total",
    &["name", "operation", "schema"],
    "Waits for input and output of a table, by operation.",
);
static TIME: Family = Family::counter(
    "mysql_perf_schema_table_io_waits_seconds_total",
    &["name", "operation", "schema"],
    "Time of waits for input and output of a table in seconds, by operation.",
);

const FETCH: &[Label] = &[Label::Column(1), Label::Word("fetch"), Label::Column(0)];
const INSERT: &[Label] = &[Label::Column(1), Label::Word("insert"), Label::Column(0)];
const UPDATE: &[Label] = &[Label::Column(1), Label::Word("update"), Label::Column(0)];
const DELETE: &[Label] = &[Label::Column(1), Label::Word("delete"), Label::Column(0)];
static VALUES: [Value; 8] = [
    Value::new(&COUNT, FETCH, 2),
    Value::pico(&TIME, FETCH, 6),
    Value::new(&COUNT, INSERT, 3),
    Value::pico(&TIME, INSERT, 7),
    Value::new(&COUNT, UPDATE, 4),
    Value::pico(&TIME, UPDATE, 8),
    Value::new(&COUNT, DELETE, 5),
    Value::pico(&TIME, DELETE, 9),
];

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    grid::families(&VALUES)
}

/// Makes the collector.
pub fn new(_: &Matches) -> Result<Box<dyn Collector>, String> {
    let statement = |_| {
        "SELECT OBJECT_SCHEMA, OBJECT_NAME, COUNT_FETCH, COUNT_INSERT, COUNT_UPDATE, COUNT_DELETE, \
         SUM_TIMER_FETCH, SUM_TIMER_INSERT, SUM_TIMER_UPDATE, SUM_TIMER_DELETE \
         FROM performance_schema.table_io_waits_summary_by_table \
         WHERE OBJECT_SCHEMA NOT IN ('mysql', 'performance_schema')"
            .to_owned()
    };
    Ok(Grid::boxed(statement, &VALUES))
}
