//! What a server is: start, role, version, from several sections of INFO.

use super::info::Info;
use crate::samples::Samples;
use exporter_core::dialect::strconv::{parse_float, parse_int};
use exporter_core::exposition::Family;
use std::time::{SystemTime, UNIX_EPOCH};

static START: Family = Family::gauge(
    "redis_start_time_seconds",
    &[],
    "Start of the server in seconds since the epoch, to the second.",
);
static CONFIGURED_HZ: Family = Family::gauge(
    "redis_configured_hz",
    &[],
    "Background cycles a second that the server is configured for.",
);
static HZ: Family = Family::gauge("redis_hz", &[], "Background cycles a second.");
/// `valkey_version` and `valkey_release_stage` are there only where the server tells them.
static INSTANCE: Family = Family::gauge(
    "redis_instance_info",
    &[
        "master_replid",
        "maxmemory_policy",
        "os",
        "process_id",
        "redis_build_id",
        "redis_mode",
        "redis_version",
        "role",
        "run_id",
        "tcp_port",
        "valkey_release_stage",
        "valkey_version",
    ],
    "Constant 1, labelled with what the server is.",
);
static SLAVE: Family = Family::gauge(
    "redis_slave_info",
    &["master_host", "master_port", "read_only"],
    "Constant 1 on a replica, labelled with its master.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&START, &CONFIGURED_HZ, &HZ, &INSTANCE, &SLAVE]
}

/// Puts them.
pub fn put(info: &Info<'_>, out: &mut Samples<'_>) {
    for line in info.section("Server") {
        match line.field {
            "uptime_in_seconds" => {
                if let Some(uptime) = parse_float(line.value) {
                    out.put(&START, &[], now() - uptime);
                }
            }
            "configured_hz" | "hz" => {
                let family = if line.field == "hz" {
                    &HZ
                } else {
                    &CONFIGURED_HZ
                };
                if let Some(value) = parse_int(line.value, 10) {
                    out.put(family, &[], value as f64);
                }
            }
            _ => {}
        }
    }
    put_instance(info, out);
    if info.get("role") == Some("slave") {
        let label = |field| info.get(field).unwrap_or("");
        let (host, port) = (label("master_host"), label("master_port"));
        out.put(&SLAVE, &[host, port, label("slave_read_only")], 1.0);
    }
}

fn put_instance(info: &Info<'_>, out: &mut Samples<'_>) {
    let mut pairs = Vec::with_capacity(INSTANCE.labels.len());
    for name in INSTANCE.labels {
        match info.get(name) {
            Some(value) => pairs.push((*name, value)),
            None if name.starts_with("valkey_") => {}
            None => pairs.push((*name, "")),
        }
    }
    out.put_pairs(&INSTANCE, &pairs, 1.0);
}

/// Whole seconds since the epoch.
pub fn now() -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0.0, |t| t.as_secs() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::testing::exposed;

    #[test]
    fn a_replica() {
        let text = "# Server\nredis_version:7.0.15\nhz:10\nconfigured_hz:1.5\nrole:x\n\
            # Replication\nrole:slave\nmaster_host:10.0.0.1\nmaster_port:6379\nslave_read_only:1\n";
        let info = Info::parse(text.as_bytes());
        let expected = "redis_hz 10\nredis_instance_info{master_replid=\"\",maxmemory_policy=\"\",\
            os=\"\",process_id=\"\",redis_build_id=\"\",redis_mode=\"\",redis_version=\"7.0.15\",\
            role=\"slave\",run_id=\"\",tcp_port=\"\"} 1\n\
            redis_slave_info{master_host=\"10.0.0.1\",master_port=\"6379\",read_only=\"1\"} 1\n";
        assert_eq!(exposed(|out| put(&info, out)), expected);
    }

    #[test]
    fn valkey_says_more() {
        let info = Info::parse(b"valkey_version:9.0.0\n# Server\nuptime_in_seconds:1\n");
        let text = exposed(|out| put(&info, out));
        assert!(
            text.contains(",valkey_version=\"9.0.0\"} 1\n") && !text.contains("stage"),
            "{text}"
        );
        assert!(text.contains("redis_start_time_seconds 1."), "{text}");
    }
}
