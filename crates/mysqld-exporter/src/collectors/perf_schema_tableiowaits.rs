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

const FETCH: &[Label] = &[Label::Column(0), Label::Word("fetch"), Label::Column(1)];
const INSERT: &[Label] = &[Label::Column(0), Label::Word("insert"), Label::Column(1)];
const UPDATE: &[Label] = &[Label::Column(0), Label::Word("update"), Label::Column(1)];
const DELETE: &[Label] = &[Label::Column(0), Label::Word("delete"), Label::Column(1)];
static VALUES: [Value; 8] = [
    Value::new(&COUNT, FETCH, 2),
    Value::pico(&TIME, FETCH, 3),
    Value::new(&COUNT, INSERT, 4),
    Value::pico(&TIME, INSERT, 5),
    Value::new(&COUNT, UPDATE, 6),
    Value::pico(&TIME, UPDATE, 7),
    Value::new(&COUNT, DELETE, 8),
    Value::pico(&TIME, DELETE, 9),
];

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    grid::families(&VALUES)
}

/// Makes the collector.
pub fn new(_: &Matches) -> Result<Box<dyn Collector>, String> {
    let statement = |_| {
        "SELECT OBJECT_NAME, OBJECT_SCHEMA, COUNT_FETCH, SUM_TIMER_FETCH, COUNT_INSERT, \
         SUM_TIMER_INSERT, COUNT_UPDATE, SUM_TIMER_UPDATE, COUNT_DELETE, SUM_TIMER_DELETE \
         FROM performance_schema.table_io_waits_summary_by_table \
         WHERE OBJECT_SCHEMA NOT IN ('mysql', 'performance_schema')"
            .to_owned()
    };
    Ok(Grid::boxed(statement, &VALUES))
}
