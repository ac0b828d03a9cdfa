//! The options file of `--config`. What it says counts more than flags.

use crate::options::Options;
use exporter_core::config::parse_lenient;
use exporter_core::dialect::duration;
use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, Unexpected, Visitor};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// A mapping of which only keys count.
type Set = BTreeMap<String, IgnoredAny>;
/// Keys of labels or annotations by resource.
type Lists = BTreeMap<String, Vec<String>>;

/// The file. Keys are named as they always were, so that not all of them look alike.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct OptionsFile {
    apiserver: Option<String>,
    auth_filter: Option<bool>,
    #[serde(rename = "auto-gomemlimit")]
    auto_gomemlimit: Option<bool>,
    #[serde(rename = "auto-gomemlimit-ratio")]
    auto_gomemlimit_ratio: Option<f64>,
    continue_without_config: Option<bool>,
    continue_without_custom_resource_state_config_file: Option<bool>,
    #[serde(rename = "custom_resource_config")]
    custom_resource_state_config: Option<String>,
    custom_resource_state_config_file: Option<PathBuf>,
    custom_resource_config_file: Option<PathBuf>,
    #[serde(rename = "custom_resources_only")]
    custom_resource_state_only: Option<bool>,
    enable_gzip_encoding: Option<bool>,
    host: Option<String>,
    kubeconfig: Option<PathBuf>,
    labels_allow_list: Option<Lists>,
    annotations_allow_list: Option<Lists>,
    metric_allowlist: Option<Set>,
    metric_denylist: Option<Set>,
    metric_opt_in_list: Option<Set>,
    namespaces: Option<Vec<String>>,
    namespaces_denylist: Option<Vec<String>>,
    node: Option<String>,
    object_limit: Option<i64>,
    pod: Option<String>,
    #[serde(rename = "namespace")]
    pod_namespace: Option<String>,
    port: Option<i64>,
    resources: Option<Set>,
    server_idle_timeout: Option<Period>,
    server_read_header_timeout: Option<Period>,
    server_read_timeout: Option<Period>,
    server_write_timeout: Option<Period>,
    shard: Option<i64>,
    telemetry_host: Option<String>,
    telemetry_port: Option<i64>,
    tls_config: Option<PathBuf>,
    total_shards: Option<i64>,
    track_unscheduled_pods: Option<bool>,
    #[serde(rename = "use_api_server_cache")]
    use_apiserver_cache: Option<bool>,
}

/// A duration as text, or as nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Period(Duration);

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = Period;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as 60s, or nanoseconds")
            }
            fn visit_u64<E>(self, value: u64) -> Result<Period, E> {
                Ok(Period(Duration::from_nanos(value)))
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Period, E> {
                let invalid = || E::invalid_value(Unexpected::Signed(value), &self);
                u64::try_from(value)
                    .map_err(|_| invalid())
                    .map(|v| Period(Duration::from_nanos(v)))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Period, E> {
                let invalid = || E::invalid_value(Unexpected::Str(text), &self);
                duration::parse_non_negative(text)
                    .map(Period)
                    .map_err(|_| invalid())
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// Takes the fields of the file that are there over into the options.
macro_rules! replace {
    ($file:ident, $options:ident, $($field:ident),* $(,)?) => {
        $(if let Some(value) = $file.$field { $options.$field = value; })*
    };
}

impl OptionsFile {
    /// Reads a file. Unknown keys are ignored.
    ///
    /// # Errors
    /// `line:column:` and what was expected there.
    pub fn parse(text: &str) -> Result<Self, String> {
        parse_lenient(text)
    }

    /// Puts what the file says in place of what flags say.
    pub fn apply(self, options: &mut Options) {
        replace_sets(&self, options);
        let renamed = self.custom_resource_config_file.clone();
        let file = self;
        replace!(
            file,
            options,
            apiserver,
            auth_filter,
            auto_gomemlimit,
            auto_gomemlimit_ratio,
            continue_without_config,
            continue_without_custom_resource_state_config_file,
            custom_resource_state_config,
            custom_resource_state_config_file,
            custom_resource_state_only,
            enable_gzip_encoding,
            host,
            kubeconfig,
            namespaces,
            namespaces_denylist,
            node,
            object_limit,
            pod,
            pod_namespace,
            port,
            shard,
            telemetry_host,
            telemetry_port,
            tls_config,
            total_shards,
            track_unscheduled_pods,
            use_apiserver_cache,
        );
        let times = [
            (file.server_idle_timeout, &mut options.server_idle_timeout),
            (
                file.server_read_header_timeout,
                &mut options.server_read_header_timeout,
            ),
            (file.server_read_timeout, &mut options.server_read_timeout),
            (file.server_write_timeout, &mut options.server_write_timeout),
        ];
        for (time, option) in times {
            if let Some(Period(time)) = time {
                *option = time;
            }
        }
        let known = &mut options.custom_resource_state_config_file;
        if let Some(renamed) = renamed.filter(|_| known.as_os_str().is_empty()) {
            tracing::warn!(
                "custom_resource_config_file is deprecated; call it custom_resource_state_config_file"
            );
            *known = renamed;
        }
    }
}

/// Sets and lists of keys, which an empty one of the file does not replace.
fn replace_sets(file: &OptionsFile, options: &mut Options) {
    let sets = [
        (&file.resources, &mut options.resources),
        (&file.metric_allowlist, &mut options.metric_allowlist),
        (&file.metric_denylist, &mut options.metric_denylist),
        (&file.metric_opt_in_list, &mut options.metric_opt_in_list),
    ];
    for (set, option) in sets {
        if let Some(set) = set.as_ref().filter(|set| !set.is_empty()) {
            *option = set.keys().cloned().collect();
        }
    }
    let lists = [
        (
            &file.labels_allow_list,
            &mut options.metric_labels_allowlist,
        ),
        (
            &file.annotations_allow_list,
            &mut options.metric_annotations_allowlist,
        ),
    ];
    for (lists, option) in lists {
        if let Some(lists) = lists.as_ref().filter(|lists| !lists.is_empty()) {
            let list =
                |(name, keys): (&String, &Vec<String>)| format!("{name}=[{}]", keys.join(","));
            *option = lists.iter().map(list).collect::<Vec<_>>().join(",");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use exporter_core::cli::Matches;
    use proptest::prelude::*;

    fn applied(text: &str) -> Options {
        let mut options = Options::read(&Matches::defaults(Options::TABLE)).unwrap();
        options.resources = vec!["nodes".to_owned()];
        options.port = 1;
        OptionsFile::parse(text).unwrap().apply(&mut options);
        options
    }

    #[test]
    fn the_file_counts_more_than_flags() {
        let text = "port: 9090\nhost: 127.0.0.1\nauth_filter: true\nnamespace: ns\npod: p-0\n\
                    auto-gomemlimit-ratio: 0.5\nserver_idle_timeout: 90s\nserver_read_timeout: 1000000000\n\
                    namespaces: [a, b]\nuse_api_server_cache: true\ncustom_resources_only: true\n\
                    custom_resource_config: 'spec: {}'\nunknown_key: [1]\n\
                    resources:\n  pods:\n  services: {}\nmetric_denylist: {}\n\
                    labels_allow_list:\n  pods: [app, 'tier-*']\n  nodes: ['*']\n";
        let options = applied(text);
        assert_eq!((options.port, options.host.as_str()), (9090, "127.0.0.1"));
        assert!(
            options.auth_filter
                && options.use_apiserver_cache
                && options.custom_resource_state_only
        );
        assert_eq!(
            (options.pod.as_str(), options.pod_namespace.as_str()),
            ("p-0", "ns")
        );
        assert_eq!(options.auto_gomemlimit_ratio, 0.5);
        assert_eq!(options.server_idle_timeout, Duration::from_secs(90));
        assert_eq!(options.server_read_timeout, Duration::from_secs(1));
        assert_eq!(options.namespaces, ["a", "b"]);
        assert_eq!(options.resources, ["pods", "services"]);
        assert_eq!(
            options.metric_labels_allowlist,
            "nodes=[*],pods=[app,tier-*]"
        );
        assert_eq!(options.custom_resource_state_config, "spec: {}");
        assert!(options.selection().is_ok());
    }

    #[test]
    fn what_is_not_there_stays() {
        let options = applied("resources: {}\nnamespaces:\n");
        assert_eq!(
            (options.port, &options.resources[..]),
            (1, &["nodes".to_owned()][..])
        );
        assert_eq!(applied("").port, 1);
    }

    #[test]
    fn the_old_name_of_the_custom_resource_file() {
        let file = |text: &str| applied(text).custom_resource_state_config_file;
        assert_eq!(
            file("custom_resource_config_file: old.yml"),
            PathBuf::from("old.yml")
        );
        let both =
            "custom_resource_config_file: old.yml\ncustom_resource_state_config_file: new.yml";
        assert_eq!(file(both), PathBuf::from("new.yml"));
    }

    #[test]
    fn errors_have_a_place() {
        for text in [
            "port: 1\nresources: [pods]\n",
            "port: 1\nserver_idle_timeout: soon\n",
            "port: 1\nauth_filter: 3\n",
        ] {
            let why = OptionsFile::parse(text).unwrap_err();
            assert!(why.starts_with("2:"), "{why}");
        }
        let two = applied("labels_allow_list: {pods: ['a*b*']}").selection();
        assert!(two.is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[-a-z_:\\[\\]{}0-9 \n]{0,80}") {
            let _ = OptionsFile::parse(&text);
        }
    }
}
