//! Memory by what allocated it, from `performance_schema.memory_summary_global_by_event_name`.

use super::{Asking, Collector, Grant, PERFORMANCE_SCHEMA};
use crate::server::{Rows, Session};
use exporter_core::cli::{Flag, Matches};
use exporter_core::exposition::{Arena, Family};

exporter_core::flags! {
    /// Flags of this collector.
    pub struct Flags {
        /// Prefix to take off event names.
        "collect.perf_schema.memory_events.remove_prefix" remove_prefix: String = ["memory/"];
    }
}

/// Flags of this collector.
pub const FLAGS: &[Flag] = Flags::TABLE;
/// What it needs.
pub const GRANT: Grant = PERFORMANCE_SCHEMA;

static ALLOCATED: Family = Family::counter(
    "mysql_perf_schema_memory_events_alloc_bytes_total",
    &["event_name"],
    "Bytes allocated, by event.",
);
static FREED: Family = Family::counter(
    "mysql_perf_schema_memory_events_free_bytes_total",
    &["event_name"],
    "Bytes freed, by event.",
);
static USED: Family = Family::gauge(
    "mysql_perf_schema_memory_events_used_bytes",
    &["event_name"],
    "Bytes in use, by event.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&ALLOCATED, &FREED, &USED]
}

/// Makes the collector.
pub fn new(matches: &Matches) -> Result<Box<dyn Collector>, String> {
    Ok(Box::new(MemoryEvents {
        prefix: Flags::read(matches)?.remove_prefix,
    }))
}

struct MemoryEvents {
    prefix: String,
}

const SQL: &str = "SELECT EVENT_NAME, SUM_NUMBER_OF_BYTES_ALLOC, SUM_NUMBER_OF_BYTES_FREE, \
     CURRENT_NUMBER_OF_BYTES_USED FROM performance_schema.memory_summary_global_by_event_name \
     WHERE COUNT_ALLOC > 0";

impl Collector for MemoryEvents {
    fn collect<'a>(&'a self, session: &'a mut Session, out: &'a mut Arena) -> Asking<'a> {
        Box::pin(async move {
            put(&session.query(SQL).await?, &self.prefix, out);
            Ok(())
        })
    }
}

fn put(rows: &Rows, prefix: &str, out: &mut Arena) {
    for row in rows.iter() {
        let name = row.text(0);
        let name = name.strip_prefix(prefix).unwrap_or(name);
        for (at, family) in families().into_iter().enumerate() {
            if let Some(value) = row.number(at + 1) {
                out.put(family, &[name], value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{expose, texts};

    #[test]
    fn signs_and_sizes_survive() {
        let cells = ["memory/sql/TABLE", "18446744073709551615", "7", "-5"];
        let events = texts(&["e", "a", "b", "c"], &[&cells]);
        assert_eq!(
            expose(|out| put(&events, "memory/", out)),
            "mysql_perf_schema_memory_events_alloc_bytes_total{event_name=\"sql/TABLE\"} 1.8446744073709552e+19\n\
             mysql_perf_schema_memory_events_free_bytes_total{event_name=\"sql/TABLE\"} 7\n\
             mysql_perf_schema_memory_events_used_bytes{event_name=\"sql/TABLE\"} -5\n"
        );
    }
}
