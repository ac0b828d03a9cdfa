//! Waits for table locks, from `performance_schema.table_lock_waits_summary_by_table`.

use super::grid::{self, Grid, Label, Value};
use super::{Collector, Grant, PERFORMANCE_SCHEMA};
use exporter_core::cli::{Flag, Matches};
use exporter_core::exposition::Family;

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];
/// What it needs.
pub const GRANT: Grant = PERFORMANCE_SCHEMA;

static SQL_COUNT: Family = Family::counter(
    "mysql_perf_schema_sql_lock_waits_total",
    &["name", "operation", "schema"],
    "Waits for SQL locks of a table, by operation.",
);
static SQL_TIME: Family = Family::counter(
    "mysql_perf_schema_sql_lock_waits_seconds_total",
    &["name", "operation", "schema"],
    "Time of waits for SQL locks of a table in seconds, by operation.",
);
static EXTERNAL_COUNT: Family = Family::counter(
    "mysql_perf_schema_external_lock_waits_total",
    &["name", "operation", "schema"],
    "Waits for external locks of a table, by operation.",
);
static EXTERNAL_TIME: Family = Family::counter(
    "mysql_perf_schema_external_lock_waits_seconds_total",
    &["name", "operation", "schema"],
    "Time of waits for external locks of a table in seconds, by operation.",
);

const SQL_READ_NORMAL: &[Label] = &[Label::Column(1), Label::Word("read_normal"), Label::Column(0)];
const SQL_READ_WITH_SHARED_LOCKS: &[Label] = &[Label::Column(1), Label::Word("read_with_shared_locks"), Label::Column(0)];
const SQL_READ_HIGH_PRIORITY: &[Label] = &[Label::Column(1), Label::Word("read_high_priority"), Label::Column(0)];
const SQL_READ_NO_INSERT: &[Label] = &[Label::Column(1), Label::Word("read_no_insert"), Label::Column(0)];
const SQL_WRITE_NORMAL: &[Label] = &[Label::Column(1), Label::Word("write_normal"), Label::Column(0)];
const SQL_WRITE_ALLOW_WRITE: &[Label] = &[Label::Column(1), Label::Word("write_allow_write"), Label::Column(0)];
const SQL_WRITE_CONCURRENT_INSERT: &[Label] = &[Label::Column(1), Label::Word("write_concurrent_insert"), Label::Column(0)];
const SQL_WRITE_LOW_PRIORITY: &[Label] = &[Label::Column(1), Label::Word("write_low_priority"), Label::Column(0)];
const EXTERNAL_READ: &[Label] = &[Label::Column(1), Label::Word("read"), Label::Column(0)];
const EXTERNAL_WRITE: &[Label] = &[Label::Column(1), Label::Word("write"), Label::Column(0)];
static VALUES: [Value; 20] = [
    Value::new(&SQL_COUNT, SQL_READ_NORMAL, 2),
    Value::pico(&SQL_TIME, SQL_READ_NORMAL, 12),
    Value::new(&SQL_COUNT, SQL_READ_WITH_SHARED_LOCKS, 3),
    Value::pico(&SQL_TIME, SQL_READ_WITH_SHARED_LOCKS, 13),
    Value::new(&SQL_COUNT, SQL_READ_HIGH_PRIORITY, 4),
    Value::pico(&SQL_TIME, SQL_READ_HIGH_PRIORITY, 14),
    Value::new(&SQL_COUNT, SQL_READ_NO_INSERT, 5),
    Value::pico(&SQL_TIME, SQL_READ_NO_INSERT, 15),
    Value::new(&EXTERNAL_COUNT, EXTERNAL_READ, 6),
    Value::pico(&EXTERNAL_TIME, EXTERNAL_READ, 16),
    Value::new(&SQL_COUNT, SQL_WRITE_ALLOW_WRITE, 7),
    Value::pico(&SQL_TIME, SQL_WRITE_ALLOW_WRITE, 17),
    Value::new(&SQL_COUNT, SQL_WRITE_CONCURRENT_INSERT, 8),
    Value::pico(&SQL_TIME, SQL_WRITE_CONCURRENT_INSERT, 18),
    Value::new(&SQL_COUNT, SQL_WRITE_LOW_PRIORITY, 9),
    Value::pico(&SQL_TIME, SQL_WRITE_LOW_PRIORITY, 19),
    Value::new(&SQL_COUNT, SQL_WRITE_NORMAL, 10),
    Value::pico(&SQL_TIME, SQL_WRITE_NORMAL, 20),
    Value::new(&EXTERNAL_COUNT, EXTERNAL_WRITE, 11),
    Value::pico(&EXTERNAL_TIME, EXTERNAL_WRITE, 21),
];

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    grid::families(&VALUES)
}

/// Makes the collector.
pub fn new(_: &Matches) -> Result<Box<dyn Collector>, String> {
    let statement = |_| {
        "SELECT OBJECT_SCHEMA, OBJECT_NAME, COUNT_READ_NORMAL, COUNT_READ_WITH_SHARED_LOCKS, \
         COUNT_READ_HIGH_PRIORITY, COUNT_READ_NO_INSERT, COUNT_READ_EXTERNAL, \
         COUNT_WRITE_ALLOW_WRITE, COUNT_WRITE_CONCURRENT_INSERT, COUNT_WRITE_LOW_PRIORITY, \
         COUNT_WRITE_NORMAL, COUNT_WRITE_EXTERNAL, SUM_TIMER_READ_NORMAL, \
         SUM_TIMER_READ_WITH_SHARED_LOCKS, SUM_TIMER_READ_HIGH_PRIORITY, \
         SUM_TIMER_READ_NO_INSERT, SUM_TIMER_READ_EXTERNAL, SUM_TIMER_WRITE_ALLOW_WRITE, \
         SUM_TIMER_WRITE_CONCURRENT_INSERT, SUM_TIMER_WRITE_LOW_PRIORITY, \
         SUM_TIMER_WRITE_NORMAL, SUM_TIMER_WRITE_EXTERNAL FROM \
         performance_schema.table_lock_waits_summary_by_table WHERE OBJECT_SCHEMA NOT IN \
         ('mysql', 'performance_schema', 'information_schema')"
            .to_owned()
    };
    Ok(Grid::boxed(statement, &VALUES))
}
