//! File operations by event, from `performance_schema.file_summary_by_event_name`.

use super::grid::{self, Grid, Label, Value};
use super::{Collector, Grant, PERFORMANCE_SCHEMA};
use exporter_core::cli::{Flag, Matches};
use exporter_core::exposition::Family;

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];
/// What it needs.
pub const GRANT: Grant = PERFORMANCE_SCHEMA;

static COUNT: Family = Family::counter(
    "mysql_perf_schema_file_events_total",
    &["event_name", "mode"],
    "File operations, by event and mode.",
);
static TIME: Family = Family::counter(
    "mysql_perf_schema_file_events_seconds_total",
    &["event_name", "mode"],
    "Time of file operations in seconds, by event and mode.",
);
static BYTES: Family = Family::counter(
    "mysql_perf_schema_file_events_bytes_total",
    &["event_name", "mode"],
    "Bytes read and written, by event and mode.",
);

const READ: &[Label] = &[Label::Column(0), Label::Word("read")];
const WRITE: &[Label] = &[Label::Column(0), Label::Word("write")];
const MISC: &[Label] = &[Label::Column(0), Label::Word("misc")];
static VALUES: [Value; 8] = [
    Value::new(&COUNT, READ, 1),
    Value::pico(&TIME, READ, 2),
    Value::new(&BYTES, READ, 3),
    Value::new(&COUNT, WRITE, 4),
    Value::pico(&TIME, WRITE, 5),
    Value::new(&BYTES, WRITE, 6),
    Value::new(&COUNT, MISC, 7),
    Value::pico(&TIME, MISC, 8),
];

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    grid::families(&VALUES)
}

/// Makes the collector.
pub fn new(_: &Matches) -> Result<Box<dyn Collector>, String> {
    let statement = |_| {
        "SELECT EVENT_NAME, COUNT_READ, SUM_TIMER_READ, SUM_NUMBER_OF_BYTES_READ, COUNT_WRITE, \
         SUM_TIMER_WRITE, SUM_NUMBER_OF_BYTES_WRITE, COUNT_MISC, SUM_TIMER_MISC \
         FROM performance_schema.file_summary_by_event_name"
            .to_owned()
    };
    Ok(Grid::boxed(statement, &VALUES))
}
