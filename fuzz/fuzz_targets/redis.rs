//! No bytes of a server and no text of a user make the Redis exporter panic.

#![no_main]

use exporter_core::exposition::Arena;
use libfuzzer_sys::fuzz_target;
use redis_exporter::client::{Value, reply};
use redis_exporter::collectors::info::Info;
use redis_exporter::collectors::{self, clients, cluster, key_groups, modules};
use redis_exporter::samples::{Names, Samples};
use redis_exporter::{address::Url, key_list};
use std::sync::LazyLock;

static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new("redis", collectors::families()));

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let mut out = Samples::new(Arena::new(), &NAMES);
    let info = Info::parse(data);
    info.put(&mut out, true);
    collectors::instance::put(&info, &mut out);
    collectors::keyspace::put(&info, 2, &mut out);
    collectors::replication::put(&info, &mut out);
    collectors::sentinel::put_info(&info, &mut out);
    let commands = collectors::commandstats::parse(&info);
    collectors::latency::put_percentiles(&info, &commands, &mut out);
    clients::put(&text, true, 0.0, &mut out);
    cluster::put(&text, &mut out);
    modules::put(&text, &mut out);
    let value = Value::BulkString(data.to_vec());
    let _ = (reply::integer(&value), reply::pairs(&value));
    let _ = (key_list::parse(&text), key_groups::parse_patterns(&text));
    if let Ok(url) = Url::parse(&text) {
        let _ = (url.endpoint(), url.redacted(), url.password_key("u"));
    }
    out.into_arena().seal();
});
