//! Flags, and what they and the configuration file come to together.

use crate::labels::Selector;
use crate::resources::RESOURCES;
use crate::resources::Resource;
use crate::selection::{Filter, KeyLists, Selection};
use crate::sharding::Shard;
use crate::world::Scope;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

exporter_core::flags! {
    /// All flags but those of logging.
    pub struct Options {
        /// URL of the API server, instead of that of the kubeconfig or of the cluster around.
        "apiserver" apiserver: String = [""];
        /// Let the API server authenticate and authorise requests for metrics.
        "auth-filter" auth_filter: bool = ["false"];
        /// Accepted for compatibility; memory is bounded by design here.
        "auto-gomemlimit" auto_gomemlimit: bool = ["false"];
        /// Accepted for compatibility, like --auto-gomemlimit.
        "auto-gomemlimit-ratio" auto_gomemlimit_ratio: f64 = ["0.9"];
        /// YAML file with options, which count more than flags.
        "config" config: PathBuf = [""];
        /// Start without the file of --config if it cannot be read, and wait for it.
        "continue-without-config" continue_without_config: bool = ["false"];
        /// Start without the file of --custom-resource-state-config-file if it is missing.
        "continue-without-custom-resource-state-config-file"
            continue_without_custom_resource_state_config_file: bool = ["false"];
        /// Configuration of custom-resource metrics, as YAML text.
        "custom-resource-state-config" custom_resource_state_config: String = [""];
        /// The same as a file.
        "custom-resource-state-config-file" custom_resource_state_config_file: PathBuf = [""];
        /// Expose custom-resource metrics only.
        "custom-resource-state-only" custom_resource_state_only: bool = ["false"];
        /// Compress metrics of the main port for clients that ask for gzip.
        "enable-gzip-encoding" enable_gzip_encoding: bool = ["false"];
        /// Address that metrics are served on.
        "host" host: String = ["::"];
        /// Kubeconfig file.
        "kubeconfig" kubeconfig: PathBuf = [""];
        /// Label selectors of the objects to expose, as in pods:app=web,tier!=db;nodes:pool=main.
        "label-selectors" label_selectors: String = [""];
        /// Print all metrics as a Markdown table.
        "list-metrics" list_metrics: bool = ["false"];
        /// Regular expressions of the only metrics to expose. Not together with --metric-denylist.
        "metric-allowlist" metric_allowlist: Vec<String> = [];
        /// Kubernetes annotations to expose, as in pods=[a,b-*],nodes=[*].
        "metric-annotations-allowlist" metric_annotations_allowlist: String = [""];
        /// Regular expressions of metrics to leave out.
        "metric-denylist" metric_denylist: Vec<String> = [];
        /// Kubernetes labels to expose, as in pods=[a,b-*],nodes=[*].
        "metric-labels-allowlist" metric_labels_allowlist: String = [""];
        /// Regular expressions of metrics to expose that are off by default.
        "metric-opt-in-list" metric_opt_in_list: Vec<String> = [];
        /// Namespaces to watch; all by default.
        "namespaces" namespaces: Vec<String> = [];
        /// Namespaces to leave out.
        "namespaces-denylist" namespaces_denylist: Vec<String> = [];
        /// Node whose pods to expose, for an instance on each node.
        "node" node: String = [""];
        /// Most objects to take of a list, 0 for all.
        "object-limit" object_limit: i64 = ["0"];
        /// Read objects from these YAML or JSON files or directories instead of an API server.
        "objects-from" objects_from: Vec<String> = [];
        /// Name of the pod that this runs in, to find its share in a StatefulSet.
        "pod" pod: String = [""];
        /// Namespace of the pod that this runs in.
        "pod-namespace" pod_namespace: String = [""];
        /// Port that metrics are served on.
        "port" port: i64 = ["8080"];
        /// Answer /readyz of the telemetry port with 503 until all lists were complete once.
        "ready-when-synced" ready_when_synced: bool = ["false"];
        /// Resources to expose instead of those that are by default.
        "resources" resources: Vec<String> = [];
        /// How long connections of the main port may rest; 0 is --server-read-timeout.
        "server-idle-timeout" server_idle_timeout: Duration = ["5m"];
        /// How long the head of a request to the main port may take; 0 is --server-read-timeout.
        "server-read-header-timeout" server_read_header_timeout: Duration = ["5s"];
        /// How long a request to the main port may take to arrive; 0 is without bound.
        "server-read-timeout" server_read_timeout: Duration = ["1m"];
        /// How long an answer of the main port may take; 0 is without bound.
        "server-write-timeout" server_write_timeout: Duration = ["1m"];
        /// Number of this instance, from 0.
        "shard" shard: i64 = ["0"];
        /// Expose on the telemetry port how fresh each resource is.
        "sync-metrics" sync_metrics: bool = ["false"];
        /// Address that metrics of the exporter itself are served on.
        "telemetry-host" telemetry_host: String = ["::"];
        /// Port that metrics of the exporter itself are served on.
        "telemetry-port" telemetry_port: i64 = ["8081"];
        /// Web configuration file of both ports: TLS, passwords, headers.
        "tls-config" tls_config: PathBuf = [""];
        /// Number of instances that share the objects.
        "total-shards" total_shards: i64 = ["1"];
        /// Expose pods that have no node, beside instances with --node.
        "track-unscheduled-pods" track_unscheduled_pods: bool = ["false"];
        /// Read lists from the cache of the API server.
        "use-apiserver-cache" use_apiserver_cache: bool = ["false"];
    }
}

exporter_core::flags! {
    /// Flags of logging. Lines go to standard error; those that would send them elsewhere are
    /// accepted and have no effect.
    pub struct LogOptions {
        /// Verbosity.
        "v" [short('v')] verbosity: i64 = ["0"];
        /// No effect.
        "add_dir_header" add_dir_header: bool = ["false"];
        /// No effect.
        "alsologtostderr" alsologtostderr: bool = ["false"];
        /// No effect.
        "alsologtostderrthreshold" alsologtostderrthreshold: String = ["INFO"];
        /// No effect.
        "legacy_stderr_threshold_behavior" legacy_stderr_threshold_behavior: bool = ["false"];
        /// No effect.
        "log_backtrace_at" log_backtrace_at: String = [":0"];
        /// No effect.
        "log_dir" log_dir: String = [""];
        /// No effect.
        "log_file" log_file: String = [""];
        /// No effect.
        "log_file_max_size" log_file_max_size: i64 = ["1800"];
        /// No effect.
        "logtostderr" logtostderr: bool = ["true"];
        /// No effect.
        "one_output" one_output: bool = ["false"];
        /// No effect.
        "skip_headers" skip_headers: bool = ["false"];
        /// No effect.
        "skip_log_headers" skip_log_headers: bool = ["false"];
        /// No effect.
        "stderrthreshold" stderrthreshold: String = ["INFO"];
        /// No effect.
        "vmodule" vmodule: String = [""];
    }
}

impl Options {
    /// Resources to expose, by plural name.
    ///
    /// # Errors
    /// A name that is none.
    pub fn resources(&self) -> Result<Vec<&'static Resource>, String> {
        if self.custom_resource_state_only {
            return Ok(Vec::new());
        }
        let names = trimmed(&self.resources);
        for name in &names {
            if Resource::find(name).is_none() {
                let known: Vec<_> = RESOURCES.iter().map(|r| r.plural).collect();
                let known = known.join(", ");
                return Err(format!(
                    "resource {name} does not exist. Available resources: {known}"
                ));
            }
        }
        let wanted = |resource: &&Resource| match names.is_empty() {
            true => resource.default,
            false => names.iter().any(|name| name == resource.plural),
        };
        Ok(RESOURCES.iter().filter(wanted).collect())
    }

    /// Families, labels and annotations to expose.
    ///
    /// # Errors
    /// A list that cannot be read, with the flag.
    pub fn selection(&self) -> Result<Selection, String> {
        let filter = Filter::new(
            &trimmed(&self.metric_allowlist),
            &trimmed(&self.metric_denylist),
            &trimmed(&self.metric_opt_in_list),
        )?;
        let lists = |flag: &str, text: &str| {
            let lists = KeyLists::parse(text).map_err(|why| format!("--{flag}: {why}"))?;
            match lists
                .0
                .keys()
                .find(|name| *name != "*" && Resource::find(name).is_none())
            {
                Some(name) => Err(format!("--{flag}: resource {name} does not exist")),
                None => Ok(lists),
            }
        };
        Ok(Selection {
            filter,
            labels: lists("metric-labels-allowlist", &self.metric_labels_allowlist)?,
            annotations: lists(
                "metric-annotations-allowlist",
                &self.metric_annotations_allowlist,
            )?,
        })
    }

    /// Objects to expose.
    ///
    /// # Errors
    /// A label selector without a known resource.
    pub fn scope(&self) -> Result<Scope, String> {
        let node = Some(self.node.clone()).filter(|node| !node.is_empty());
        Ok(Scope {
            labels: self.labels_by_resource()?,
            denied: trimmed(&self.namespaces_denylist),
            node: if self.track_unscheduled_pods {
                Some(String::new())
            } else {
                node
            },
            shard: Shard {
                ordinal: self.shard,
                total: self.total_shards,
            },
        })
    }

    fn labels_by_resource(&self) -> Result<BTreeMap<String, String>, String> {
        let mut selectors = BTreeMap::new();
        let entries = self.label_selectors.split(';').map(str::trim);
        for entry in entries.filter(|entry| !entry.is_empty()) {
            let (name, selector) = entry.split_once(':').unwrap_or((entry, ""));
            if Resource::find(name).is_none() || selector.is_empty() {
                return Err(format!(
                    "--label-selectors: {entry:?}: expected a resource, a colon and a selector"
                ));
            }
            Selector::parse(selector).map_err(|why| format!("--label-selectors: {name}: {why}"))?;
            selectors.insert(name.to_owned(), selector.to_owned());
        }
        Ok(selectors)
    }

    /// Files to read objects from.
    pub fn object_files(&self) -> Vec<PathBuf> {
        trimmed(&self.objects_from)
            .into_iter()
            .map(PathBuf::from)
            .collect()
    }
}

/// Entries without blanks around, and without empty ones.
pub fn trimmed(list: &[String]) -> Vec<String> {
    let entries = list.iter().map(|entry| entry.trim().to_owned());
    entries.filter(|entry| !entry.is_empty()).collect()
}

/// `host:port`, the host in brackets where it is an address of IP version 6.
pub fn address(host: &str, port: i64) -> String {
    match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use exporter_core::cli::{Matches, Source};

    fn options(flags: &[(&'static str, &[&str])]) -> Options {
        let mut matches = Matches::defaults(Options::TABLE);
        for (name, values) in flags {
            let values = values.iter().map(|v| (*v).to_owned()).collect();
            matches.set(name, Source::CommandLine, values);
        }
        Options::read(&matches).unwrap()
    }

    #[test]
    fn resources_by_default_and_by_name() {
        let names = |options: &Options| -> Vec<_> {
            options
                .resources()
                .unwrap()
                .iter()
                .map(|r| r.plural)
                .collect()
        };
        assert!(names(&options(&[])).contains(&"pods"));
        let some = options(&[("resources", &["pods", " nodes", ""])]);
        assert_eq!(names(&some), ["nodes", "pods"]);
        let wrong = options(&[("resources", &["pod"])]).resources();
        let why = wrong.err().unwrap();
        assert!(
            why.starts_with("resource pod does not exist. Available resources: "),
            "{why}"
        );
    }

    #[test]
    fn lists_name_resources() {
        let wrong = options(&[("metric-labels-allowlist", &["pod=[*]"])]).selection();
        assert_eq!(
            wrong.err().unwrap(),
            "--metric-labels-allowlist: resource pod does not exist"
        );
        let all = options(&[("metric-annotations-allowlist", &["*=[a],pods=[b]"])]);
        let keys = all.selection().unwrap().annotations.keys("pods");
        assert!(keys.contains("a") && !keys.contains("b"));
    }

    #[test]
    fn label_selectors() {
        let selected = options(&[("label-selectors", &["pods:app=a,b!=c; nodes:x"])]);
        let labels = selected.scope().unwrap().labels;
        assert_eq!(labels["pods"], "app=a,b!=c");
        assert_eq!(labels["nodes"], "x");
        for wrong in ["pod:a=b", "pods", "pods:", "pods:a=b=c"] {
            assert!(
                options(&[("label-selectors", &[wrong])]).scope().is_err(),
                "{wrong}"
            );
        }
    }

    #[test]
    fn addresses() {
        assert_eq!(address("::", 8080), "[::]:8080");
        assert_eq!(address("", 8080), ":8080");
        assert_eq!(address("127.0.0.1", 1), "127.0.0.1:1");
    }
}
