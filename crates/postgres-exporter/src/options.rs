//! The flags of the exporter itself.

use crate::discovery::Filter;
use crate::sql::list;
use exporter_core::cli::Flag;
use exporter_core::dialect::duration;
use exporter_core::web::flags::MetricsFlags;
use std::path::PathBuf;
use std::time::Duration;

exporter_core::flags! {
    /// The flags of the exporter itself.
    pub struct Flags {
        /// File with credentials for /probe.
        "config.file" config_file: PathBuf = ["postgres_exporter.yml"];
        /// Leave out pg_static and pg_stat_database_conflicts.
        "disable-default-metrics" [env("PG_EXPORTER_DISABLE_DEFAULT_METRICS")] disable_default_metrics: bool = ["false"];
        /// Leave out pg_settings. Former name of --no-collector.settings.
        "disable-settings-metrics" [env("PG_EXPORTER_DISABLE_SETTINGS_METRICS"), hidden()] disable_settings_metrics: bool = ["false"];
        /// Ask custom queries on every database of a server (deprecated).
        "auto-discover-databases" [env("PG_EXPORTER_AUTO_DISCOVER_DATABASES")] auto_discover_databases: bool = ["false"];
        /// Make the collectors of tables and indexes with a label datname (stat_user_tables,
        /// statio_user_tables, stat_user_indexes) look into every database of the server.
        "collector.all-databases" all_databases: bool = ["false"];
        /// Ask every configured server by the collectors, not the first only, and put the label
        /// server on their metrics and on pg_up.
        "collector.server-label" by_server: bool = ["false"];
        /// File of custom queries (deprecated).
        "extend.query-path" [env("PG_EXPORTER_EXTEND_QUERY_PATH")] query_path: String = [""];
        /// Print the built-in metrics that --extend.query-path can replace, and end.
        "dumpmaps" dump_maps: bool = ["false"];
        /// Labels of all metrics that are not from collectors, name=value between commas (deprecated).
        "constantLabels" [env("PG_EXPORTER_CONSTANT_LABELS")] constant_labels: String = [""];
        /// Databases that are left out of pg_database and of --auto-discover-databases, between
        /// commas.
        "exclude-databases" [env("PG_EXPORTER_EXCLUDE_DATABASES")] exclude_databases: String = [""];
        /// Databases that --auto-discover-databases is restricted to, between commas (deprecated).
        "include-databases" [env("PG_EXPORTER_INCLUDE_DATABASES")] include_databases: String = [""];
        /// What stands for pg in names of built-in and custom query metrics (deprecated).
        "metric-prefix" [env("PG_EXPORTER_METRIC_PREFIX")] metric_prefix: String = ["pg"];
        /// Longest time that a scrape may take, also where Prometheus would wait longer.
        "collection-timeout" [env("PG_EXPORTER_COLLECTION_TIMEOUT")] collection_timeout: String = ["1m"];
        /// Connections to one server at a time. A second one is opened only where the first is busy.
        "connections.max" connections: i64 = ["2"];
        /// Print all metrics as a table, and end.
        "list-metrics" list_metrics: bool = ["false"];
    }
}

/// The flags of the telemetry path: with the variable that this exporter has for it, without a limit
/// of scrapes, and with `--collection-timeout` in the place of `--collector.timeout`.
pub fn metrics_flags() -> Vec<Flag> {
    let flags = MetricsFlags::TABLE.iter().cloned();
    flags
        .map(|flag| match flag.name {
            "web.telemetry-path" => flag.env("PG_EXPORTER_WEB_TELEMETRY_PATH"),
            "collector.timeout" => flag.hidden(),
            "web.max-requests" => Flag {
                default: &["0"],
                ..flag
            },
            _ => flag,
        })
        .collect()
}

/// What the flags mean.
#[derive(Clone, Debug)]
pub struct Options {
    /// Longest time of a scrape.
    pub timeout: Duration,
    /// Connections to one server.
    pub connections: usize,
    /// Labels of everything but collectors.
    pub constant_labels: Vec<(String, String)>,
    /// Databases that discovery finds.
    pub filter: Filter,
}

impl Options {
    /// Checks what flags say.
    pub fn read(flags: &Flags) -> Result<Self, String> {
        if flags.metric_prefix.is_empty() {
            return Err("--metric-prefix: expected at least one letter".to_owned());
        }
        let connections = usize::try_from(flags.connections).ok();
        let connections = connections.filter(|c| (1..=64).contains(c));
        Ok(Options {
            timeout: timeout(&flags.collection_timeout)?,
            connections: connections
                .ok_or("--connections.max: expected a whole number from 1 to 64")?,
            constant_labels: constant_labels(&flags.constant_labels),
            filter: Filter {
                exclude: list(&flags.exclude_databases),
                include: list(&flags.include_databases),
            },
        })
    }
}

fn timeout(text: &str) -> Result<Duration, String> {
    let expected = "--collection-timeout: expected a duration of at least 1ms, such as 30s";
    let told = |why: &dyn std::fmt::Display| format!("{expected}, got {text:?}: {why}");
    let nanoseconds = duration::parse(text).map_err(|why| told(&why))?;
    let nanoseconds = u64::try_from(nanoseconds).map_err(|_| told(&"it is negative"))?;
    let timeout = Duration::from_nanos(nanoseconds);
    if timeout < Duration::from_millis(1) {
        return Err(told(&"it is too short"));
    }
    Ok(timeout)
}

/// `name=value` between commas; what is none is told and left out, later ones win.
fn constant_labels(text: &str) -> Vec<(String, String)> {
    let mut labels: Vec<(String, String)> = Vec::new();
    for item in text.split(',').map(str::trim).filter(|i| !i.is_empty()) {
        let parts: Vec<&str> = item.split('=').map(str::trim).collect();
        let [name, value] = parts[..] else {
            tracing::error!(item, "--constantLabels: expected name=value, left out");
            continue;
        };
        if name.is_empty() || value.is_empty() {
            continue;
        }
        labels.retain(|(k, _)| k != name);
        labels.push((name.to_owned(), value.to_owned()));
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;
    use exporter_core::cli::{Matches, Source};

    fn read(given: &[(&'static str, &str)]) -> Result<Options, String> {
        let mut matches = Matches::defaults(Flags::TABLE);
        for (name, value) in given {
            matches.set(name, Source::CommandLine, vec![(*value).to_owned()]);
        }
        Options::read(&Flags::read(&matches)?)
    }

    #[test]
    fn what_is_refused() {
        for (name, value) in [
            ("metric-prefix", ""),
            ("collection-timeout", "soon"),
            ("collection-timeout", "0s"),
            ("collection-timeout", "-1s"),
            ("collection-timeout", "999us"),
            ("connections.max", "0"),
            ("connections.max", "65"),
        ] {
            let error = read(&[(name, value)]).unwrap_err();
            assert!(error.starts_with(&format!("--{name}: expected")), "{error}");
        }
    }

    #[test]
    fn lists_and_labels() {
        let options = read(&[
            ("collection-timeout", "1m30s"),
            ("exclude-databases", "a, b,"),
            ("constantLabels", " a=1, b = 2 ,c,d=1=2,=x,e=,a=3"),
        ])
        .unwrap();
        assert_eq!(options.timeout, Duration::from_secs(90));
        assert_eq!(options.filter.exclude, ["a", "b"]);
        assert!(options.filter.include.is_empty());
        let labels: Vec<_> = options
            .constant_labels
            .iter()
            .map(|(k, v)| format!("{k}={v}"))
            .collect();
        assert_eq!(labels, ["b=2", "a=3"]);
    }
}
