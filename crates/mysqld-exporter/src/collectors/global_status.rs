//! Global status variables, from `SHOW GLOBAL STATUS`.

use super::{Asking, Collector, Grant, names, status_value};
use crate::server::{Rows, Session, number};
use exporter_core::cli::{Flag, Matches};
use exporter_core::exposition::{Arena, Dynamic, Family, Kind};

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];
/// What it needs.
pub const GRANT: Grant = Grant::both("USAGE ON *.*");

static OTHER: Family = Family::untyped(
    "mysql_global_status_<variable>",
    &[],
    "Status variable of the server.",
);
static COMMANDS: Family = Family::counter(
    "mysql_global_status_commands_total",
    &["command"],
    "Statements executed, by kind (Com_<kind>).",
);
static HANDLERS: Family = Family::counter(
    "mysql_global_status_handlers_total",
    &["handler"],
    "Calls of storage engine handlers, by kind (Handler_<kind>).",
);
static CONNECTION_ERRORS: Family = Family::counter(
    "mysql_global_status_connection_errors_total",
    &["error"],
    "Connections that failed, by error (Connection_errors_<error>).",
);
static POOL_PAGES: Family = Family::gauge(
    "mysql_global_status_buffer_pool_pages",
    &["state"],
    "Pages of the InnoDB buffer pool, by state.",
);
static POOL_DIRTY: Family = Family::gauge(
    "mysql_global_status_buffer_pool_dirty_pages",
    &[],
    "Pages of the InnoDB buffer pool that are changed and not yet written.",
);
static POOL_CHANGES: Family = Family::counter(
    "mysql_global_status_buffer_pool_page_changes_total",
    &["operation"],
    "Changes of the state of pages in the InnoDB buffer pool, by operation.",
);
static ROW_OPERATIONS: Family = Family::counter(
    "mysql_global_status_innodb_row_ops_total",
    &["operation"],
    "Rows that InnoDB worked on, by operation (Innodb_rows_<operation>).",
);
static LOST: Family = Family::counter(
    "mysql_global_status_performance_schema_lost_total",
    &["instrumentation"],
    "What the performance schema could not keep, by instrumentation (Performance_schema_<...>).",
);
static GALERA: Family = Family::gauge(
    "mysql_galera_status_info",
    &[
        "wsrep_cluster_state_uuid",
        "wsrep_local_state_uuid",
        "wsrep_provider_version",
    ],
    "State identifiers and provider version of a Galera node; always 1.",
);
static LATENCIES: [Family; 5] = [
    Family::gauge(
        "mysql_galera_evs_repl_latency_min_seconds",
        &[],
        "Least latency of Galera group communication in seconds.",
    ),
    Family::gauge(
        "mysql_galera_evs_repl_latency_avg_seconds",
        &[],
        "Mean latency of Galera group communication in seconds.",
    ),
    Family::gauge(
        "mysql_galera_evs_repl_latency_max_seconds",
        &[],
        "Greatest latency of Galera group communication in seconds.",
    ),
    Family::gauge(
        "mysql_galera_evs_repl_latency_stdev",
        &[],
        "Standard deviation of the latency of Galera group communication.",
    ),
    Family::gauge(
        "mysql_galera_evs_repl_latency_sample_size",
        &[],
        "Number of samples that the latencies of Galera group communication stand for.",
    ),
];

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    let mut families = vec![
        &OTHER,
        &COMMANDS,
        &HANDLERS,
        &CONNECTION_ERRORS,
        &POOL_PAGES,
        &POOL_DIRTY,
        &POOL_CHANGES,
        &ROW_OPERATIONS,
        &LOST,
        &GALERA,
    ];
    families.extend(&LATENCIES);
    families
}

/// Makes the collector.
pub fn new(_: &Matches) -> Result<Box<dyn Collector>, String> {
    Ok(Box::new(GlobalStatus))
}

struct GlobalStatus;

impl Collector for GlobalStatus {
    fn collect<'a>(&'a self, session: &'a mut Session, out: &'a mut Arena) -> Asking<'a> {
        Box::pin(async move {
            put(&session.query("SHOW GLOBAL STATUS").await?, out);
            Ok(())
        })
    }
}

fn put(rows: &Rows, out: &mut Arena) {
    let mut galera = Galera::default();
    let mut name = String::new();
    let mut metric = String::new();
    for row in rows.iter() {
        let (variable, text) = (row.text(0), row.text(1));
        match status_value::parse(text) {
            Some(value) => {
                names::sanitised(variable, &mut name);
                put_variable(&name, value, &mut metric, out);
            }
            None => galera.keep(variable, text),
        }
    }
    galera.put(out);
}

fn put_variable(name: &str, value: f64, metric: &mut String, out: &mut Arena) {
    match place(name) {
        Place::Label(family, label) => out.put(family, &[label], value),
        Place::Single(family) => out.put(family, &[], value),
        Place::Nowhere => {}
        Place::Itself => {
            let family = Dynamic {
                name: names::joined("mysql_global_status_", name, metric),
                help: OTHER.help,
                kind: Kind::Untyped,
            };
            out.put_dynamic(family, &[], value);
        }
    }
}

/// Where a variable goes.
enum Place<'a> {
    Label(&'static Family, &'a str),
    Single(&'static Family),
    Nowhere,
    Itself,
}

fn place(name: &str) -> Place<'_> {
    let Some((prefix, _)) = name.split_once('_') else {
        return Place::Itself;
    };
    let (family, rest) = match prefix {
        "com" => (&COMMANDS, name.strip_prefix("com_")),
        "handler" => (&HANDLERS, name.strip_prefix("handler_")),
        "connection" => (&CONNECTION_ERRORS, name.strip_prefix("connection_errors_")),
        "performance" => (&LOST, name.strip_prefix("performance_schema_")),
        "innodb" => match name.strip_prefix("innodb_buffer_pool_pages_") {
            Some(state) => return pool_pages(state),
            None => (&ROW_OPERATIONS, name.strip_prefix("innodb_rows_")),
        },
        _ => return Place::Itself,
    };
    match rest {
        Some(label) => Place::Label(family, label),
        None => Place::Itself,
    }
}

fn pool_pages(state: &str) -> Place<'_> {
    match state {
        "data" | "free" | "misc" | "old" => Place::Label(&POOL_PAGES, state),
        "dirty" => Place::Single(&POOL_DIRTY),
        // The sum of the others.
        "total" => Place::Nowhere,
        operation => Place::Label(&POOL_CHANGES, operation),
    }
}

/// Texts that describe a Galera node.
#[derive(Default)]
struct Galera<'a> {
    local_state: &'a str,
    cluster_state: &'a str,
    provider_version: &'a str,
    latency: &'a str,
}

impl<'a> Galera<'a> {
    fn keep(&mut self, variable: &str, text: &'a str) {
        match variable {
            "wsrep_local_state_uuid" => self.local_state = text,
            "wsrep_cluster_state_uuid" => self.cluster_state = text,
            "wsrep_provider_version" => self.provider_version = text,
            "wsrep_evs_repl_latency" => self.latency = text,
            _ => {}
        }
    }

    fn put(&self, out: &mut Arena) {
        if !self.local_state.is_empty() {
            let labels = [self.cluster_state, self.local_state, self.provider_version];
            out.put(&GALERA, &labels, 1.0);
        }
        if let Some(latencies) = latencies(self.latency) {
            for (family, value) in LATENCIES.iter().zip(latencies) {
                out.put(family, &[], value);
            }
        }
    }
}

/// `0.00019/0.00021/0.00025/1.9e-05/4`: least, mean, greatest, deviation, number of samples.
fn latencies(text: &str) -> Option<[f64; 5]> {
    let mut parts = text.split('/');
    let mut values = [0.0; 5];
    for value in &mut values {
        *value = number(parts.next()?)?;
    }
    parts.next().is_none().then_some(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{expose, pairs};
    use proptest::prelude::*;

    #[test]
    fn variables_find_their_families() {
        let rows = pairs(&[
            ("Aborted_clients", "3"),
            ("Com_select", "10"),
            ("Com_", "1"),
            ("Compression", "OFF"),
            ("Connection_errors_internal", "2"),
            ("Handler_read_first", "4"),
            ("Innodb_buffer_pool_pages_data", "100"),
            ("Innodb_buffer_pool_pages_dirty", "7"),
            ("Innodb_buffer_pool_pages_flushed", "8"),
            ("Innodb_buffer_pool_pages_total", "8191"),
            ("Innodb_rows_read", "5"),
            ("Innodb_system_rows_read", "6"),
            ("Performance_schema_digest_lost", "0"),
            ("Rsa_public_key", "no number"),
            ("Ssl_server_not_after", "Mar  4 05:06:07 2031 GMT"),
            ("wsrep_cluster_status", "Primary"),
        ]);
        assert_eq!(
            expose(|out| put(&rows, out)),
            "mysql_global_status_aborted_clients 3\n\
             mysql_global_status_buffer_pool_dirty_pages 7\n\
             mysql_global_status_buffer_pool_page_changes_total{operation=\"flushed\"} 8\n\
             mysql_global_status_buffer_pool_pages{state=\"data\"} 100\n\
             mysql_global_status_commands_total{command=\"\"} 1\n\
             mysql_global_status_commands_total{command=\"select\"} 10\n\
             mysql_global_status_compression 0\n\
             mysql_global_status_connection_errors_total{error=\"internal\"} 2\n\
             mysql_global_status_handlers_total{handler=\"read_first\"} 4\n\
             mysql_global_status_innodb_row_ops_total{operation=\"read\"} 5\n\
             mysql_global_status_innodb_system_rows_read 6\n\
             mysql_global_status_performance_schema_lost_total{instrumentation=\"digest_lost\"} 0\n\
             mysql_global_status_ssl_server_not_after 1.930367167e+09\n\
             mysql_global_status_wsrep_cluster_status 1\n"
        );
    }

    #[test]
    fn a_galera_node() {
        let rows = pairs(&[
            ("wsrep_local_state_uuid", "6c06e583"),
            ("wsrep_cluster_state_uuid", "6c06e584"),
            ("wsrep_provider_version", "3.16(r5c765eb)"),
            ("wsrep_evs_repl_latency", "0.1/0.2/0.5/1e-05/4"),
        ]);
        assert_eq!(
            expose(|out| put(&rows, out)),
            "mysql_galera_evs_repl_latency_avg_seconds 0.2\n\
             mysql_galera_evs_repl_latency_max_seconds 0.5\n\
             mysql_galera_evs_repl_latency_min_seconds 0.1\n\
             mysql_galera_evs_repl_latency_sample_size 4\n\
             mysql_galera_evs_repl_latency_stdev 1e-05\n\
             mysql_galera_status_info{wsrep_cluster_state_uuid=\"6c06e584\",\
             wsrep_local_state_uuid=\"6c06e583\",wsrep_provider_version=\"3.16(r5c765eb)\"} 1\n"
        );
        assert_eq!(latencies("0/0/0/0"), None);
        assert_eq!(latencies("0/0/0/0/0/0"), None);
        assert_eq!(latencies("0/0/x/0/0"), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(name: String, value: String) {
            expose(|out| put(&pairs(&[(&name, &value)]), out));
        }
    }
}
