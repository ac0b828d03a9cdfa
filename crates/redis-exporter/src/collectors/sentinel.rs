//! Masters as a Sentinel sees them, from the section Sentinel of INFO and the SENTINEL command.

use super::info::Info;
use crate::client::{Connection, Error, Pipeline, Value, reply};
use crate::samples::Samples;
use exporter_core::dialect::strconv::{parse_float, parse_int};
use exporter_core::exposition::Family;
use std::time::Instant;

const MASTER: &[&str] = &["master_address", "master_name"];

/// Fields of INFO that are whole numbers.
static FIELDS: [(&str, Family); 5] = [
    (
        "sentinel_masters",
        Family::gauge(
            "redis_sentinel_masters",
            &[],
            "Masters that this Sentinel watches.",
        ),
    ),
    (
        "sentinel_tilt",
        Family::gauge(
            "redis_sentinel_tilt",
            &[],
            "Whether this Sentinel only watches because its clock jumped.",
        ),
    ),
    (
        "sentinel_running_scripts",
        Family::gauge(
            "redis_sentinel_running_scripts",
            &[],
            "Scripts that this Sentinel runs.",
        ),
    ),
    (
        "sentinel_scripts_queue_length",
        Family::gauge(
            "redis_sentinel_scripts_queue_length",
            &[],
            "Scripts that wait to be run.",
        ),
    ),
    (
        "sentinel_simulate_failure_flags",
        Family::gauge(
            "redis_sentinel_simulate_failure_flags",
            &[],
            "Failures that this Sentinel simulates, as bits.",
        ),
    ),
];
static STATUS: Family = Family::gauge(
    "redis_sentinel_master_status",
    &["master_address", "master_name", "master_status"],
    "Whether a master is well.",
);
static SLAVES: Family = Family::gauge(
    "redis_sentinel_master_slaves",
    MASTER,
    "Replicas of a master.",
);
static SENTINELS: Family = Family::gauge(
    "redis_sentinel_master_sentinels",
    MASTER,
    "Sentinels that watch a master.",
);
static CKQUORUM: Family = Family::gauge(
    "redis_sentinel_master_ckquorum_status",
    &["master_name", "message"],
    "Whether enough Sentinels are there to fail a master over, labelled with what was replied.",
);

/// Fields of a master in the reply to SENTINEL MASTERS, and what they are divided by.
static SETTINGS: [(&str, f64, Family); 6] = [
    (
        "quorum",
        1.0,
        Family::gauge(
            "redis_sentinel_master_setting_ckquorum",
            MASTER,
            "Sentinels that have to agree that a master is down.",
        ),
    ),
    (
        "failover-timeout",
        1.0,
        Family::gauge(
            "redis_sentinel_master_setting_failover_timeout",
            MASTER,
            "Limit of a failover in milliseconds.",
        ),
    ),
    (
        "parallel-syncs",
        1.0,
        Family::gauge(
            "redis_sentinel_master_setting_parallel_syncs",
            MASTER,
            "Replicas that are pointed to a new master at a time.",
        ),
    ),
    (
        "down-after-milliseconds",
        1.0,
        Family::gauge(
            "redis_sentinel_master_setting_down_after_milliseconds",
            MASTER,
            "Time without reply after which a master counts as down in milliseconds.",
        ),
    ),
    (
        "config-epoch",
        1.0,
        Family::gauge(
            "redis_sentinel_master_config_epoch",
            MASTER,
            "Version of the configuration of a master.",
        ),
    ),
    (
        "last-ok-ping-reply",
        1000.0,
        Family::gauge(
            "redis_sentinel_master_last_ok_ping_reply_seconds",
            MASTER,
            "Time since a master last replied to a ping in seconds.",
        ),
    ),
];
static OK_SENTINELS: Family = Family::gauge(
    "redis_sentinel_master_ok_sentinels",
    MASTER,
    "Sentinels of a master that are not down, this one included.",
);
static OK_SLAVES: Family = Family::gauge(
    "redis_sentinel_master_ok_slaves",
    MASTER,
    "Replicas of a master that are not down.",
);
static PEER: Family = Family::gauge(
    "redis_sentinel_peer_info",
    &[
        "flags",
        "ip",
        "master_address",
        "master_name",
        "name",
        "port",
        "runid",
    ],
    "Constant 1 for each other Sentinel of a master.",
);
static KEY_VALUE: Family = Family::gauge(
    "redis_sentinel_config_key_value",
    &["key", "value"],
    "Constant 1 for each setting of this Sentinel and its value.",
);
static VALUE: Family = Family::gauge(
    "redis_sentinel_config_value",
    &["key"],
    "Settings of this Sentinel that are numbers.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    let fields = FIELDS.iter().map(|f| &f.1);
    let settings = SETTINGS.iter().map(|s| &s.2);
    fields
        .chain(settings)
        .chain([
            &STATUS,
            &SLAVES,
            &SENTINELS,
            &CKQUORUM,
            &OK_SENTINELS,
            &OK_SLAVES,
            &PEER,
            &KEY_VALUE,
            &VALUE,
        ])
        .collect()
}

/// What of a Sentinel is exported beside the usual.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Whether all settings are.
    pub config: bool,
    /// Whether passwords are left out of those.
    pub redact: bool,
    /// Whether the other Sentinels are.
    pub peers: bool,
}

/// Puts what INFO tells.
pub fn put_info(info: &Info<'_>, out: &mut Samples<'_>) {
    for line in info.section("Sentinel") {
        if let Some((_, family)) = FIELDS.iter().find(|f| f.0 == line.field) {
            let value = parse_int(line.value, 10).unwrap_or(0);
            out.put(family, &[], value as f64);
        } else if line.field.starts_with("master") {
            put_master_line(line.field, line.value, out);
        }
    }
}

/// `master0:name=…,status=…,address=…,slaves=…,sentinels=…`
fn put_master_line(field: &str, text: &str, out: &mut Samples<'_>) {
    let numbered = field
        .trim_start_matches("master")
        .starts_with(|c: char| c.is_ascii_digit());
    if !numbered {
        return;
    }
    let (mut name, mut status, mut address) = ("", "", "");
    let (mut slaves, mut sentinels) = (None, None);
    for (key, value) in text.split(',').filter_map(super::item) {
        match key {
            "name" => name = value,
            "status" => status = value,
            "address" => address = value,
            "slaves" => slaves = parse_float(value),
            "sentinels" => sentinels = parse_float(value),
            _ => {}
        }
    }
    if let (Some(slaves), Some(sentinels)) = (slaves, sentinels) {
        let ok = f64::from(u8::from(status == "ok"));
        out.put(&STATUS, &[address, name, status], ok);
        out.put(&SLAVES, &[address, name], slaves);
        out.put(&SENTINELS, &[address, name], sentinels);
    }
}

/// One master of SENTINEL MASTERS.
#[derive(Debug, PartialEq)]
struct Master {
    name: String,
    address: String,
    numbers: Vec<f64>,
}

/// Asks for the masters and puts what is replied.
pub async fn collect(
    connection: &mut Connection,
    wanted: Wanted,
    deadline: Instant,
    out: &mut Samples<'_>,
) -> Result<(), Error> {
    let mut first = Pipeline::of(&["SENTINEL", "MASTERS"]);
    if wanted.config {
        first.command(&["SENTINEL", "config", "get", "*"]);
    }
    let replies = connection.ask(&first, deadline).await?;
    if let Some(config) = replies.get(1) {
        put_config(config, wanted.redact, out);
    }
    let masters = reply::list(reply::ok(&replies[0])?).unwrap_or_default();
    let masters: Vec<Master> = masters.iter().filter_map(parse_master).collect();
    let mut second = Pipeline::new();
    for master in &masters {
        for what in ["CKQUORUM", "SENTINELS", "SLAVES"] {
            second.command(&["SENTINEL", what, &master.name]);
        }
    }
    let replies = connection.ask(&second, deadline).await?;
    for (master, replies) in masters.iter().zip(replies.chunks_exact(3)) {
        put_master(master, replies, wanted.peers, out);
    }
    Ok(())
}

fn put_config(config: &Value, redact: bool, out: &mut Samples<'_>) {
    if let Some(error) = reply::error(config) {
        tracing::debug!(error, "could not read the settings of the Sentinel");
    }
    for (key, value) in reply::pairs(config) {
        let Some(text) = reply::text(value) else {
            continue;
        };
        if redact && key == "sentinel-pass" {
            continue;
        }
        out.put(&KEY_VALUE, &[key, text], 1.0);
        if let Some(value) = parse_float(text) {
            out.put(&VALUE, &[key], value);
        }
    }
}

fn parse_master(master: &Value) -> Option<Master> {
    let fields = reply::pairs(master);
    let text = |name: &'static str| reply::field(&fields, name).and_then(reply::text);
    let number = |(name, divisor, _): &(&'static str, f64, Family)| {
        let number = text(name).and_then(|text| parse_int(text, 10)).unwrap_or(0);
        number as f64 / divisor
    };
    Some(Master {
        name: text("name")?.to_owned(),
        address: format!("{}:{}", text("ip")?, text("port")?),
        numbers: SETTINGS.iter().map(number).collect(),
    })
}

/// Puts the replies to CKQUORUM, SENTINELS and SLAVES.
fn put_master(master: &Master, replies: &[Value], peers: bool, out: &mut Samples<'_>) {
    let labels = [master.address.as_str(), master.name.as_str()];
    for ((_, _, family), number) in SETTINGS.iter().zip(&master.numbers) {
        out.put(family, &labels, *number);
    }
    let [quorum, sentinels, slaves] = replies else {
        return;
    };
    match reply::error(quorum) {
        Some(error) => out.put(&CKQUORUM, &[&master.name, &error], 0.0),
        None => {
            let message = reply::text(quorum).unwrap_or("");
            out.put(&CKQUORUM, &[&master.name, message], 1.0);
        }
    }
    if let Some(sentinels) = reply::list(sentinels) {
        let well = sentinels.iter().filter(|s| is_well(s)).count();
        out.put(&OK_SENTINELS, &labels, 1.0 + well as f64);
        if peers {
            sentinels
                .iter()
                .for_each(|peer| put_peer(master, peer, out));
        }
    }
    if let Some(slaves) = reply::list(slaves) {
        let well = slaves.iter().filter(|s| is_well(s)).count();
        out.put(&OK_SLAVES, &labels, well as f64);
    }
}

/// Whether an instance has flags and none that says it is down.
fn is_well(instance: &Value) -> bool {
    let fields = reply::pairs(instance);
    let flags = reply::field(&fields, "flags").and_then(reply::text);
    flags.is_some_and(|flags| !flags.contains("o_down") && !flags.contains("s_down"))
}

fn put_peer(master: &Master, peer: &Value, out: &mut Samples<'_>) {
    let fields = reply::pairs(peer);
    let text = |name| {
        reply::field(&fields, name)
            .and_then(reply::text)
            .unwrap_or("")
    };
    let labels = [
        text("flags"),
        text("ip"),
        &master.address,
        &master.name,
        text("name"),
        text("port"),
        text("runid"),
    ];
    out.put(&PEER, &labels, 1.0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::testing::exposed;

    fn list(pairs: &[(&str, &str)]) -> Value {
        let bulk = |text: &str| Value::BulkString(text.into());
        Value::Array(pairs.iter().flat_map(|p| [bulk(p.0), bulk(p.1)]).collect())
    }

    #[test]
    fn the_report() {
        let text = "# Sentinel\nsentinel_masters:1\nsentinel_tilt:x\nsentinel_tilt_since_seconds:-1\n\
            master0:name=m,status=sdown,address=10.0.0.1:6379,slaves=2,sentinels=3\n\
            master1:name=n,status=ok,address=b:1,slaves=x,sentinels=3\n";
        let info = Info::parse(text.as_bytes());
        let expected = "redis_sentinel_master_sentinels{master_address=\"10.0.0.1:6379\",master_name=\"m\"} 3\n\
            redis_sentinel_master_slaves{master_address=\"10.0.0.1:6379\",master_name=\"m\"} 2\n\
            redis_sentinel_master_status{master_address=\"10.0.0.1:6379\",master_name=\"m\",master_status=\"sdown\"} 0\n\
            redis_sentinel_masters 1\nredis_sentinel_tilt 0\n";
        assert_eq!(exposed(|out| put_info(&info, out)), expected);
    }

    #[test]
    fn a_master_and_its_peers() {
        let fields = [
            ("name", "m"),
            ("ip", "10.0.0.1"),
            ("port", "6379"),
            ("quorum", "2"),
            ("last-ok-ping-reply", "500"),
        ];
        let master = parse_master(&list(&fields)).unwrap();
        let peers = Value::Array(vec![
            list(&[("name", "a"), ("flags", "sentinel")]),
            list(&[("name", "b"), ("flags", "s_down,sentinel")]),
        ]);
        let quorum = redis::parse_redis_value(b"-NOQUORUM 1 usable\r\n").unwrap();
        let replies = [quorum, peers, Value::Array(vec![list(&[("name", "c")])])];
        let text = exposed(|out| put_master(&master, &replies, true, out));
        for line in [
            "redis_sentinel_master_ckquorum_status{master_name=\"m\",message=\"NOQUORUM 1 usable\"} 0\n",
            "redis_sentinel_master_ok_sentinels{master_address=\"10.0.0.1:6379\",master_name=\"m\"} 2\n",
            "redis_sentinel_master_ok_slaves{master_address=\"10.0.0.1:6379\",master_name=\"m\"} 0\n",
            "redis_sentinel_master_last_ok_ping_reply_seconds{master_address=\"10.0.0.1:6379\",master_name=\"m\"} 0.5\n",
            "flags=\"s_down,sentinel\",ip=\"\",master_address=\"10.0.0.1:6379\",master_name=\"m\",name=\"b\",port=\"\",runid=\"\"} 1\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
        assert!(parse_master(&list(&[("name", "m")])).is_none());
    }

    #[test]
    fn passwords_stay() {
        let config = list(&[("sentinel-pass", "hunter2"), ("announce-port", "0")]);
        let text = exposed(|out| put_config(&config, true, out));
        assert!(
            !text.contains("hunter2")
                && text.contains("redis_sentinel_config_value{key=\"announce-port\"} 0")
        );
        assert!(exposed(|out| put_config(&config, false, out)).contains("hunter2"));
    }
}
