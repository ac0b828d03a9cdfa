//! Waits for input and output of indexes, from
//! `performance_schema.table_io_waits_summary_by_index_usage`.

use super::grid::{self, Grid, Label, Value};
use super::{Collector, Grant, PERFORMANCE_SCHEMA};
use exporter_core::cli::{Flag, Matches};
use exporter_core::exposition::Family;

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];
/// What it needs.
pub const GRANT: Grant = PERFORMANCE_SCHEMA;

static COUNT: Family = Family::counter(
    "mysql_perf_schema_index_io_waits_total",
    &["index", "name", "operation", "schema"],
    "Waits for input and output of an index, by operation.",
);
static TIME: Family = Family::counter(
    "mysql_perf_schema_index_io_waits_seconds_total",
    &["index", "name", "operation", "schema"],
    "Time of waits for input and output of an index in seconds, by operation.",
);

const FETCH: &[Label] = &[
    Label::Column(2),
    Label::Column(1),
    Label::Word("fetch"),
    Label::Column(0),
];
const INSERT: &[Label] = &[
    Label::Column(2),
    Label::Column(1),
    Label::Word("insert"),
    Label::Column(0),
];
const UPDATE: &[Label] = &[
    Label::Column(2),
    Label::Column(1),
    Label::Word("update"),
    Label::Column(0),
];
const DELETE: &[Label] = &[
    Label::Column(2),
    Label::Column(1),
    Label::Word("delete"),
    Label::Column(0),
];
static VALUES: [Value; 8] = [
    Value::new(&COUNT, FETCH, 3),
    Value::pico(&TIME, FETCH, 7),
    Value::new(&COUNT, INSERT, 4),
    Value::pico(&TIME, INSERT, 8),
    Value::new(&COUNT, UPDATE, 5),
    Value::pico(&TIME, UPDATE, 9),
    Value::new(&COUNT, DELETE, 6),
    Value::pico(&TIME, DELETE, 10),
];

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    grid::families(&VALUES)
}

/// Makes the collector.
pub fn new(_: &Matches) -> Result<Box<dyn Collector>, String> {
    // Inserts are counted where no index is used.
    let statement = |_| {
        "SELECT OBJECT_SCHEMA, OBJECT_NAME, IFNULL(INDEX_NAME, 'NONE'), COUNT_FETCH, \
         IF(INDEX_NAME IS NULL, COUNT_INSERT, NULL), COUNT_UPDATE, COUNT_DELETE, SUM_TIMER_FETCH, \
         IF(INDEX_NAME IS NULL, SUM_TIMER_INSERT, NULL), SUM_TIMER_UPDATE, SUM_TIMER_DELETE \
         FROM performance_schema.table_io_waits_summary_by_index_usage \
         WHERE OBJECT_SCHEMA NOT IN ('mysql', 'performance_schema')"
            .to_owned()
    };
    Ok(Grid::boxed(statement, &VALUES))
}
