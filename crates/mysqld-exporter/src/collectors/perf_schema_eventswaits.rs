//! Waits by event, from `performance_schema.events_waits_summary_global_by_event_name`.

use super::grid::{self, Grid, Label, Value};
use super::{Collector, Grant, PERFORMANCE_SCHEMA};
use exporter_core::cli::{Flag, Matches};
use exporter_core::exposition::Family;

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];
/// What it needs.
pub const GRANT: Grant = PERFORMANCE_SCHEMA;

static COUNT: Family = Family::counter(
    "mysql_perf_schema_events_waits_total",
    &["event_name"],
    "Waits, by event.",
);
static TIME: Family = Family::counter(
    "mysql_perf_schema_events_waits_seconds_total",
    &["event_name"],
    "Time of waits in seconds, by event.",
);

const LABELS: &[Label] = &[Label::Column(0)];
static VALUES: [Value; 2] = [
    Value::new(&COUNT, LABELS, 1),
    Value::pico(&TIME, LABELS, 2),
];

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    grid::families(&VALUES)
}

/// Makes the collector.
pub fn new(_: &Matches) -> Result<Box<dyn Collector>, String> {
    let statement = |_| {
        "SELECT EVENT_NAME, COUNT_STAR, SUM_TIMER_WAIT \
         FROM performance_schema.events_waits_summary_global_by_event_name"
            .to_owned()
    };
    Ok(Grid::boxed(statement, &VALUES))
}
