//! Threads by what they do, from `information_schema.processlist`.

use super::{Asking, Collector, Grant, PROCESS};
use crate::server::{Rows, Session};
use exporter_core::cli::{Flag, Matches};
use exporter_core::exposition::{Arena, Family};
use std::collections::BTreeMap;

exporter_core::flags! {
    /// Flags of this collector.
    pub struct Flags {
        /// Least time in seconds that a thread has been in its state to be counted.
        "collect.info_schema.processlist.min_time" min_time: i64 = ["0"];
        /// Count threads by user too.
        "collect.info_schema.processlist.processes_by_user" by_user: bool = ["true"];
        /// Count threads by client host too.
        "collect.info_schema.processlist.processes_by_host" by_host: bool = ["true"];
    }
}

/// Flags of this collector.
pub const FLAGS: &[Flag] = Flags::TABLE;
/// What it needs.
pub const GRANT: Grant = PROCESS;

static THREADS: Family = Family::gauge(
    "mysql_info_schema_processlist_threads",
    &["command", "state"],
    "Threads, by command and state.",
);
static SECONDS: Family = Family::gauge(
    "mysql_info_schema_processlist_seconds",
    &["command", "state"],
    "Time that threads have been in their state, summed, in seconds.",
);
static BY_HOST: Family = Family::gauge(
    "mysql_info_schema_processlist_processes_by_host",
    &["client_host"],
    "Threads, by host of the client.",
);
static BY_USER: Family = Family::gauge(
    "mysql_info_schema_processlist_processes_by_user",
    &["mysql_user"],
    "Threads, by user.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&THREADS, &SECONDS, &BY_HOST, &BY_USER]
}

/// Makes the collector.
pub fn new(matches: &Matches) -> Result<Box<dyn Collector>, String> {
    Ok(Box::new(Processlist {
        flags: Flags::read(matches)?,
    }))
}

struct Processlist {
    flags: Flags,
}

impl Collector for Processlist {
    fn collect<'a>(&'a self, session: &'a mut Session, out: &'a mut Arena) -> Asking<'a> {
        Box::pin(async move {
            let sql = format!(
                "SELECT USER, HOST, COMMAND, STATE, COUNT(*), SUM(GREATEST(TIME, 0)) \
                 FROM information_schema.processlist \
                 WHERE ID != CONNECTION_ID() AND TIME >= {} \
                 GROUP BY USER, HOST, COMMAND, STATE",
                self.flags.min_time
            );
            put(&session.query(sql).await?, &self.flags, out);
            Ok(())
        })
    }
}

fn put(rows: &Rows, flags: &Flags, out: &mut Arena) {
    let mut states: BTreeMap<(String, String), (f64, f64)> = BTreeMap::new();
    let mut hosts: BTreeMap<&str, f64> = BTreeMap::new();
    let mut users: BTreeMap<&str, f64> = BTreeMap::new();
    for row in rows.iter() {
        let count = row.number(4).unwrap_or(0.0);
        let seconds = row.number(5).unwrap_or(0.0);
        let state = (word(row.text(2)), word(row.text(3)));
        let sums = states.entry(state).or_default();
        sums.0 += count;
        sums.1 += seconds;
        *hosts.entry(host(row.text(1))).or_default() += count;
        *users.entry(row.text(0)).or_default() += count;
    }
    for ((command, state), (count, seconds)) in &states {
        out.put(&THREADS, &[command, state], *count);
        out.put(&SECONDS, &[command, state], *seconds);
    }
    if flags.by_host {
        for (host, count) in hosts {
            out.put(&BY_HOST, &[host], count);
        }
    }
    if flags.by_user {
        for (user, count) in users {
            out.put(&BY_USER, &[user], count);
        }
    }
}

/// A command or state as a label: lower case, without punctuation, underscores for blanks.
fn word(text: &str) -> String {
    if text.is_empty() {
        return "unknown".to_owned();
    }
    let kept = text
        .chars()
        .filter(|c| !matches!(c, ';' | ',' | ':' | '.' | '(' | ')'));
    let replaced = kept.map(|c| if matches!(c, ' ' | '-') { '_' } else { c });
    replaced.flat_map(char::to_lowercase).collect()
}

/// A client's address without its port.
fn host(text: &str) -> &str {
    let host = match text.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => text,
    };
    match host {
        "" => "unknown",
        host => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{expose, rows};

    const COLUMNS: [&str; 6] = ["USER", "HOST", "COMMAND", "STATE", "COUNT", "TIME"];

    fn flags(by: bool) -> Flags {
        Flags {
            min_time: 0,
            by_user: by,
            by_host: by,
        }
    }

    #[test]
    fn threads_are_counted_three_ways() {
        let threads = rows(
            &COLUMNS,
            &[
                &[Some("app"), Some("10.0.0.1:1"), Some("Sleep"), None, Some("2"), Some("9")],
                &[Some("app"), Some("10.0.0.1:2"), Some("Sleep"), Some(""), Some("1"), Some("1")],
                &[Some("root"), Some("::1:77"), Some("Query"), Some("Sending data; (x)"), Some("1"), None],
                &[Some("root"), Some(""), Some("Binlog-Dump"), Some("a"), Some("1"), Some("4294967296")],
            ],
        );
        assert_eq!(
            expose(|out| put(&threads, &flags(true), out)),
            "mysql_info_schema_processlist_processes_by_host{client_host=\"10.0.0.1\"} 3\n\
             mysql_info_schema_processlist_processes_by_host{client_host=\"::1\"} 1\n\
             mysql_info_schema_processlist_processes_by_host{client_host=\"unknown\"} 1\n\
             mysql_info_schema_processlist_processes_by_user{mysql_user=\"app\"} 3\n\
             mysql_info_schema_processlist_processes_by_user{mysql_user=\"root\"} 2\n\
             mysql_info_schema_processlist_seconds{command=\"binlog_dump\",state=\"a\"} 4.294967296e+09\n\
             mysql_info_schema_processlist_seconds{command=\"query\",state=\"sending_data_x\"} 0\n\
             mysql_info_schema_processlist_seconds{command=\"sleep\",state=\"unknown\"} 10\n\
             mysql_info_schema_processlist_threads{command=\"binlog_dump\",state=\"a\"} 1\n\
             mysql_info_schema_processlist_threads{command=\"query\",state=\"sending_data_x\"} 1\n\
             mysql_info_schema_processlist_threads{command=\"sleep\",state=\"unknown\"} 3\n"
        );
        let short = expose(|out| put(&threads, &flags(false), out));
        assert!(!short.contains("processes_by"));
    }
}
