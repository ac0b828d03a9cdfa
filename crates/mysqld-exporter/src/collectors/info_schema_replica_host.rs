//! Replicas of an Aurora cluster, from `information_schema.replica_host_status`.

use super::grid::{self, Label, Value};
use super::{Asking, Collector, Grant, SELECT};
use crate::server::{Session, code};
use exporter_core::cli::{Flag, Matches};
use exporter_core::exposition::{Arena, Family};

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];
/// What it needs.
pub const GRANT: Grant = SELECT;

static CPU: Family = Family::gauge(
    "mysql_info_schema_replica_host_cpu_percent",
    &["role", "server_id"],
    "CPU usage of an instance in percent.",
);
static LATENCY: Family = Family::gauge(
    "mysql_info_schema_replica_host_replica_latency_seconds",
    &["role", "server_id"],
    "Latency between writer and reader in seconds.",
);
static LAG: Family = Family::gauge(
    "mysql_info_schema_replica_host_lag_seconds",
    &["role", "server_id"],
    "Lag of a reader behind the writer in seconds.",
);
static SPEED: Family = Family::gauge(
    "mysql_info_schema_replica_host_log_stream_speed",
    &["role", "server_id"],
    "Speed of the log stream in KiB a second.",
);
static REPLAY: Family = Family::gauge(
    "mysql_info_schema_replica_host_replay_latency_seconds",
    &["role", "server_id"],
    "Latency of replaying the log in seconds.",
);

const LABELS: &[Label] = &[Label::Column(1), Label::Column(0)];

// A product, not a quotient: the last digit differs, and dashboards compare.
fn micro(value: f64) -> f64 {
    value * 0.000_001
}

fn milli(value: f64) -> f64 {
    value * 0.001
}

static VALUES: [Value; 5] = [
    Value::new(&CPU, LABELS, 2),
    Value::scaled(&LATENCY, LABELS, 3, micro),
    Value::scaled(&LAG, LABELS, 4, milli),
    Value::new(&SPEED, LABELS, 5),
    Value::scaled(&REPLAY, LABELS, 6, micro),
];

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    grid::families(&VALUES)
}

/// Makes the collector.
pub fn new(_: &Matches) -> Result<Box<dyn Collector>, String> {
    Ok(Box::new(ReplicaHost))
}

struct ReplicaHost;

const SQL: &str = "SELECT SERVER_ID, IF(SESSION_ID = 'MASTER_SESSION_ID', 'writer', 'reader'), \
     CPU, MASTER_SLAVE_LATENCY_IN_MICROSECONDS, REPLICA_LAG_IN_MILLISECONDS, \
     LOG_STREAM_SPEED_IN_KiB_PER_SECOND, CURRENT_REPLAY_LATENCY_IN_MICROSECONDS \
     FROM information_schema.replica_host_status";

impl Collector for ReplicaHost {
    fn collect<'a>(&'a self, session: &'a mut Session, out: &'a mut Arena) -> Asking<'a> {
        Box::pin(async move {
            match session.query(SQL).await {
                Ok(rows) => grid::put(&rows, &VALUES, out),
                // Not Aurora.
                Err(error) if error.is(code::UNKNOWN_TABLE) => {}
                Err(error) => return Err(error),
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{expose, texts};

    #[test]
    fn units() {
        let columns = ["id", "role", "cpu", "latency", "lag", "speed", "replay"];
        let hosts = texts(&columns, &[&["r1", "reader", "1.5", "30", "21", "3", "7"]]);
        assert_eq!(
            expose(|out| grid::put(&hosts, &VALUES, out)),
            "mysql_info_schema_replica_host_cpu_percent{role=\"reader\",server_id=\"r1\"} 1.5\n\
             mysql_info_schema_replica_host_lag_seconds{role=\"reader\",server_id=\"r1\"} 0.021\n\
             mysql_info_schema_replica_host_log_stream_speed{role=\"reader\",server_id=\"r1\"} 3\n\
             mysql_info_schema_replica_host_replay_latency_seconds{role=\"reader\",server_id=\"r1\"} 7e-06\n\
             mysql_info_schema_replica_host_replica_latency_seconds{role=\"reader\",server_id=\"r1\"} 2.9999999999999997e-05\n"
        );
    }
}
