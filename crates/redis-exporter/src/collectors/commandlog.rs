//! The command log of Valkey 8.1 and later, from COMMANDLOG LEN and CONFIG GET.

use crate::client::{Pipeline, Value, reply};
use crate::samples::Samples;
use exporter_core::dialect::strconv::parse_int;
use exporter_core::exposition::Family;

/// The three logs by their names in commands.
static LENGTHS: [(&str, Family); 3] = [
    (
        "slow",
        Family::gauge(
            "redis_commandlog_slow_length",
            &[],
            "Entries in the log of slow commands.",
        ),
    ),
    (
        "large-request",
        Family::gauge(
            "redis_commandlog_large_request_length",
            &[],
            "Entries in the log of large requests.",
        ),
    ),
    (
        "large-reply",
        Family::gauge(
            "redis_commandlog_large_reply_length",
            &[],
            "Entries in the log of large replies.",
        ),
    ),
];

/// Settings by their names.
static SETTINGS: [(&str, Family); 6] = [
    (
        "commandlog-execution-slower-than",
        Family::gauge(
            "redis_commandlog_execution_slower_than",
            &[],
            "Time from which on commands are logged in microseconds, negative for never.",
        ),
    ),
    (
        "commandlog-slow-execution-max-len",
        Family::gauge(
            "redis_commandlog_slow_execution_max_len",
            &[],
            "Slow commands that are kept.",
        ),
    ),
    (
        "commandlog-request-larger-than",
        Family::gauge(
            "redis_commandlog_request_larger_than",
            &[],
            "Size from which on requests are logged in bytes, negative for never.",
        ),
    ),
    (
        "commandlog-large-request-max-len",
        Family::gauge(
            "redis_commandlog_large_request_max_len",
            &[],
            "Large requests that are kept.",
        ),
    ),
    (
        "commandlog-reply-larger-than",
        Family::gauge(
            "redis_commandlog_reply_larger_than",
            &[],
            "Size from which on replies are logged in bytes, negative for never.",
        ),
    ),
    (
        "commandlog-large-reply-max-len",
        Family::gauge(
            "redis_commandlog_large_reply_max_len",
            &[],
            "Large replies that are kept.",
        ),
    ),
];

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    LENGTHS.iter().chain(&SETTINGS).map(|f| &f.1).collect()
}

/// Whether the reply to COMMAND INFO COMMANDLOG says that there is such a command.
pub fn is_known(command_info: &Value) -> bool {
    let first = reply::list(command_info).and_then(<[Value]>::first);
    first.is_some_and(|command| *command != Value::Nil)
}

/// What to ask; `config` is what CONFIG is called, if it may be asked.
pub fn commands(config: Option<&str>) -> Pipeline {
    let mut pipeline = Pipeline::new();
    for (log, _) in &LENGTHS {
        pipeline.command(&["COMMANDLOG", "LEN", log]);
    }
    if let Some(config) = config {
        pipeline.command(&[config, "GET", "commandlog-*"]);
    }
    pipeline
}

/// Puts the replies to [`commands`].
pub fn put(replies: &[Value], out: &mut Samples<'_>) {
    for ((_, family), reply) in LENGTHS.iter().zip(replies) {
        if let Some(length) = reply::integer(reply) {
            out.put(family, &[], length as f64);
        }
    }
    for (key, value) in replies
        .get(LENGTHS.len())
        .map(reply::pairs)
        .unwrap_or_default()
    {
        let family = SETTINGS.iter().find(|s| s.0 == key);
        let value = reply::text(value).and_then(|text| parse_int(text, 10));
        if let (Some((_, family)), Some(value)) = (family, value) {
            out.put(family, &[], value as f64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::testing::exposed;

    #[test]
    fn lengths_and_settings() {
        let settings =
            b"*4\r\n$28\r\ncommandlog-reply-larger-than\r\n$2\r\n-1\r\n$1\r\nx\r\n$1\r\n1\r\n";
        let settings = redis::parse_redis_value(settings).unwrap();
        let replies = [Value::Int(1), Value::Nil, Value::Int(3), settings];
        let expected = "redis_commandlog_large_reply_length 3\n\
            redis_commandlog_reply_larger_than -1\nredis_commandlog_slow_length 1\n";
        assert_eq!(exposed(|out| put(&replies, out)), expected);
        assert_eq!(commands(Some("CONFIG")).len(), 4);
        assert_eq!(commands(None).len(), 3);
    }

    #[test]
    fn old_servers_do_not_know_it() {
        assert!(!is_known(&Value::Array(vec![Value::Nil])));
        assert!(!is_known(&Value::Nil));
        assert!(is_known(&Value::Array(vec![Value::Array(vec![])])));
    }
}
