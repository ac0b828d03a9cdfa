//! The exporter's own flags.

use std::path::PathBuf;

exporter_core::flags! {
    /// Flags that belong to no collector.
    pub struct Options {
        /// Seconds to take off the scrape timeout that Prometheus sends.
        "timeout-offset" timeout_offset: f64 = ["0.25"];
        /// File with the accounts to log in with.
        "config.my-cnf" my_cnf: PathBuf = [".my.cnf"];
        /// Server of the section client where the file names none: host:port or unix://PATH.
        "mysqld.address" address: String = ["localhost:3306"];
        /// User of the section client where the file names none.
        "mysqld.username" username: String = [""];
        /// Believe any server certificate, where a section does not say otherwise.
        "tls.insecure-skip-verify" skip_verify: bool = ["false"];
        /// Seconds that a statement waits for a metadata lock.
        "exporter.lock_wait_timeout" lock_wait_timeout: i64 = ["2"];
        /// Set lock_wait_timeout for the exporter's sessions.
        "exporter.enable_lock_wait_timeout" enable_lock_wait_timeout: bool = ["true"];
        /// Set log_slow_filter for the exporter's sessions, which MariaDB and Percona Server know.
        "exporter.log_slow_filter" log_slow_filter: bool = ["false"];
        /// Seconds from which the exporter's statements count as slow, 0 for the server's value.
        "exporter.long_query_time" long_query_time: i64 = ["0"];
        /// Longest time in seconds that a collector may take, 0 for the whole scrape.
        "exporter.query_timeout" query_timeout: i64 = ["0"];
        /// Most connections to one server.
        "exporter.max_open_connections" max_open_connections: i64 = ["2"];
        /// Regular expression of the targets that requests may name. May be repeated; without it
        /// every target is allowed.
        "probe.allowed-targets" allowed_targets: Vec<String> = [];
        /// Print one scrape to standard output and end.
        "once" once: bool = ["false"];
        /// Print every family with its type, labels and collector, and end.
        "list-metrics" list_metrics: bool = ["false"];
        /// Check flags, credentials file and web configuration, and end.
        "config.check" config_check: bool = ["false"];
    }
}

impl Options {
    /// Checks what no parser can.
    ///
    /// # Errors
    /// The flag and what was expected.
    pub fn check(&self) -> Result<(), String> {
        if self.query_timeout < 0 {
            return Err("--exporter.query_timeout: expected 0 or more seconds".to_owned());
        }
        if self.max_open_connections < 1 {
            return Err("--exporter.max_open_connections: expected 1 or more".to_owned());
        }
        Ok(())
    }
}
