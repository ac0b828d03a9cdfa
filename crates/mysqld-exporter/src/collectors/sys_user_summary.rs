//! What each user does, from the view `sys.x$user_summary`.

use super::grid::{self, Grid, Label, Value};
use super::{Collector, Grant};
use exporter_core::cli::{Flag, Matches};
use exporter_core::exposition::Family;

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];
/// What it needs.
pub const GRANT: Grant =
    Grant::both("SELECT ON sys.*, SELECT ON performance_schema.*, EXECUTE ON sys.*");

static STATEMENTS: Family = Family::counter(
    "mysql_sys_statements_total",
    &["user"],
    "Statements that a user ran.",
);
static LATENCY: Family = Family::counter(
    "mysql_sys_statement_latency",
    &["user"],
    "Time that statements of a user took in seconds.",
);
static SCANS: Family = Family::counter(
    "mysql_sys_table_scans_total",
    &["user"],
    "Table scans of a user.",
);
static IOS: Family = Family::counter(
    "mysql_sys_file_ios_total",
    &["user"],
    "File operations of a user.",
);
static IO_TIME: Family = Family::counter(
    "mysql_sys_file_io_seconds_total",
    &["user"],
    "Time of a user's file operations in seconds.",
);
static CURRENT: Family = Family::gauge(
    "mysql_sys_current_connections",
    &["user"],
    "Connections of a user that are open now.",
);
static CONNECTIONS: Family = Family::counter(
    "mysql_sys_connections_total",
    &["user"],
    "Connections that a user made.",
);
static HOSTS: Family = Family::counter(
    "mysql_sys_unique_hosts_total",
    &["user"],
    "Hosts that a user connected from.",
);
static MEMORY: Family = Family::gauge(
    "mysql_sys_current_memory_bytes",
    &["user"],
    "Memory that a user's connections hold now in bytes.",
);
static ALLOCATED: Family = Family::counter(
    "mysql_sys_memory_allocated_bytes_total",
    &["user"],
    "Memory that a user's connections allocated in bytes.",
);

const LABELS: &[Label] = &[Label::Column(0)];
static VALUES: [Value; 10] = [
    Value::new(&STATEMENTS, LABELS, 1),
    Value::pico(&LATENCY, LABELS, 2),
    Value::new(&SCANS, LABELS, 3),
    Value::new(&IOS, LABELS, 4),
    Value::pico(&IO_TIME, LABELS, 5),
    Value::new(&CURRENT, LABELS, 6),
    Value::new(&CONNECTIONS, LABELS, 7),
    Value::new(&HOSTS, LABELS, 8),
    Value::new(&MEMORY, LABELS, 9),
    Value::new(&ALLOCATED, LABELS, 10),
];

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    grid::families(&VALUES)
}

/// Makes the collector.
pub fn new(_: &Matches) -> Result<Box<dyn Collector>, String> {
    let statement = |_| {
        "SELECT user, statements, statement_latency, table_scans, file_ios, file_io_latency, \
         current_connections, total_connections, unique_hosts, current_memory, \
         total_memory_allocated FROM sys.`x$user_summary`"
            .to_owned()
    };
    Ok(Grid::boxed(statement, &VALUES))
}
