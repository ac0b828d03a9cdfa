//! A replica's link to its master (or masters, on KeyDB) and a master's replicas, from the section
//! Replication of INFO.

use super::info::{Info, Line};
use crate::samples::Samples;
use exporter_core::dialect::strconv::{parse_float, parse_int};
use exporter_core::exposition::Family;

const MASTER: &[&str] = &["master_host", "master_port"];
const REPLICA: &[&str] = &["slave_ip", "slave_port", "slave_state"];

static LINK_UP: Family = Family::gauge(
    "redis_master_link_up",
    MASTER,
    "Whether the link to the master is up.",
);
static LAST_IO: Family = Family::gauge(
    "redis_master_last_io_seconds_ago",
    MASTER,
    "Time since the master was last heard of in seconds, -1 where the link is down.",
);
static SYNCING: Family = Family::gauge(
    "redis_master_sync_in_progress",
    MASTER,
    "Whether the replica is being synchronised with its master.",
);
static OFFSET: Family = Family::gauge(
    "redis_slave_repl_offset",
    MASTER,
    "Replication offset of this replica.",
);
static REPLICA_OFFSET: Family = Family::gauge(
    "redis_connected_slave_offset_bytes",
    REPLICA,
    "Replication offset of a connected replica.",
);
static REPLICA_LAG: Family = Family::gauge(
    "redis_connected_slave_lag_seconds",
    REPLICA,
    "Time since a connected replica was last heard of in seconds.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![
        &LINK_UP,
        &LAST_IO,
        &SYNCING,
        &OFFSET,
        &REPLICA_OFFSET,
        &REPLICA_LAG,
    ]
}

/// Puts them. Lines of a master follow those that name it.
pub fn put(info: &Info<'_>, out: &mut Samples<'_>) {
    let (mut host, mut port) = ("", "");
    for line in info.section("Replication") {
        let integer = || parse_int(line.value, 10).unwrap_or(0) as f64;
        match of_a_master(line.field) {
            Some("host") => host = line.value,
            Some("port") => port = line.value,
            Some(what) if what.starts_with("link_status") => {
                let up = f64::from(u8::from(line.value == "up"));
                out.put(&LINK_UP, &[host, port], up);
            }
            Some(what) if what.starts_with("last_io_seconds_ago") => {
                out.put(&LAST_IO, &[host, port], integer());
            }
            Some(what) if what.starts_with("sync_in_progress") => {
                out.put(&SYNCING, &[host, port], integer());
            }
            _ if line.field.starts_with("slave_repl_offset") => {
                out.put(&OFFSET, &[host, port], integer());
            }
            _ => put_replica(line, out),
        }
    }
}

/// What follows `master_` or, on KeyDB, `master_<number>_`.
fn of_a_master(field: &str) -> Option<&str> {
    let rest = field.strip_prefix("master_")?;
    match rest.split_once('_') {
        Some((number, what))
            if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) =>
        {
            Some(what)
        }
        _ => Some(rest),
    }
}

fn put_replica(line: Line<'_>, out: &mut Samples<'_>) {
    if let Some(replica) = parse_replica(line) {
        let labels = [replica.ip, replica.port, replica.state];
        out.put(&REPLICA_OFFSET, &labels, replica.offset);
        if let Some(lag) = replica.lag {
            out.put(&REPLICA_LAG, &labels, lag);
        }
    }
}

#[derive(Debug, Default, PartialEq)]
struct Replica<'a> {
    ip: &'a str,
    port: &'a str,
    state: &'a str,
    offset: f64,
    lag: Option<f64>,
}

/// Reads `slave0:ip=…,port=…,state=…,offset=…,lag=…`; servers before Redis 3 tell no lag.
fn parse_replica(line: Line<'_>) -> Option<Replica<'_>> {
    let number = line.field.strip_prefix("slave")?;
    if !number.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let mut replica = Replica::default();
    let mut offset = None;
    for item in line.value.split(',') {
        let (name, value) = super::item(item)?;
        match name {
            "ip" => replica.ip = value,
            "port" => replica.port = value,
            "state" => replica.state = value,
            "offset" => offset = Some(parse_float(value)?),
            "lag" => replica.lag = Some(parse_float(value)?),
            _ => {}
        }
    }
    replica.offset = offset?;
    Some(replica)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::testing::exposed;

    fn run(lines: &str) -> String {
        let text = format!("# Replication\n{lines}");
        let info = Info::parse(text.as_bytes());
        exposed(|out| put(&info, out))
    }

    #[test]
    fn a_replica_of_two_masters() {
        let text = "role:active-replica\nmaster_host:a\nmaster_port:1\nmaster_link_status:up\n\
            master_last_io_seconds_ago:-1\nmaster_sync_in_progress:x\nslave_repl_offset:9\n\
            master_1_host:b\nmaster_1_port:2\nmaster_1_link_status:down\n";
        let expected = "redis_master_last_io_seconds_ago{master_host=\"a\",master_port=\"1\"} -1\n\
            redis_master_link_up{master_host=\"a\",master_port=\"1\"} 1\n\
            redis_master_link_up{master_host=\"b\",master_port=\"2\"} 0\n\
            redis_master_sync_in_progress{master_host=\"a\",master_port=\"1\"} 0\n\
            redis_slave_repl_offset{master_host=\"a\",master_port=\"1\"} 9\n";
        assert_eq!(run(text), expected);
    }

    #[test]
    fn replicas_of_a_master() {
        let text = "slave0:ip=10.0.0.2,port=6380,state=online,offset=14,lag=1\n\
            slave1:ip=10.0.0.3,offset=15\nslave2:ip=x,offset=y\nslave3:ip=x,offset=1,lag=y\n\
            slave4:ip,offset=1\nslave_priority:100\n";
        let expected = "redis_connected_slave_lag_seconds{slave_ip=\"10.0.0.2\",slave_port=\"6380\",slave_state=\"online\"} 1\n\
            redis_connected_slave_offset_bytes{slave_ip=\"10.0.0.2\",slave_port=\"6380\",slave_state=\"online\"} 14\n\
            redis_connected_slave_offset_bytes{slave_ip=\"10.0.0.3\",slave_port=\"\",slave_state=\"\"} 15\n";
        assert_eq!(run(text), expected);
    }
}
