//! The file of `--custom-resource-state-config-file`.

use exporter_core::config::{or_default, parse_lenient};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Steps of a path.
pub type Steps = Vec<String>;
/// Label names and where their values are.
pub type Paths = BTreeMap<String, Steps>;
/// Label names and values.
pub type Labels = BTreeMap<String, String>;

/// The whole file.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct Config {
    /// What counts.
    #[serde(deserialize_with = "or_default")]
    pub spec: Spec,
}

/// `spec`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct Spec {
    /// Custom resources and their metrics.
    #[serde(deserialize_with = "or_default")]
    pub resources: Vec<Entry>,
}

/// Metrics of a custom resource, or of all that its wildcards stand for.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "camelCase")]
pub struct Entry {
    /// Which resource.
    #[serde(deserialize_with = "or_default")]
    pub group_version_kind: GroupVersionKind,
    /// What names begin with, before a `_`. Nothing where it is empty.
    pub metric_name_prefix: Option<String>,
    /// Labels of all series.
    #[serde(deserialize_with = "or_default")]
    pub common_labels: Labels,
    /// Labels of all series, by paths from the object.
    #[serde(deserialize_with = "or_default")]
    pub labels_from_path: Paths,
    /// Verbosity from which errors of objects are logged.
    #[serde(rename = "errorLogV", deserialize_with = "or_default")]
    pub error_verbosity: i64,
    /// Its metrics.
    #[serde(deserialize_with = "or_default")]
    pub metrics: Vec<Generator>,
}

/// A type of objects. Version and kind may be wildcards: empty, or `*`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct GroupVersionKind {
    /// API group.
    #[serde(deserialize_with = "or_default")]
    pub group: String,
    /// API version.
    #[serde(deserialize_with = "or_default")]
    pub version: String,
    /// Kind.
    #[serde(deserialize_with = "or_default")]
    pub kind: String,
}

/// One metric.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "camelCase")]
pub struct Generator {
    /// Name behind the prefix.
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    /// Text of the HELP line.
    #[serde(deserialize_with = "or_default")]
    pub help: String,
    /// Labels of its series; they count more than those of the resource.
    #[serde(deserialize_with = "or_default")]
    pub common_labels: Labels,
    /// The same by paths from the object.
    #[serde(deserialize_with = "or_default")]
    pub labels_from_path: Paths,
    /// Verbosity from which errors are logged, where it is not 0.
    #[serde(rename = "errorLogV", deserialize_with = "or_default")]
    pub error_verbosity: i64,
    /// Its series.
    #[serde(deserialize_with = "or_default")]
    pub each: Each,
}

/// Where the series of a metric are.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "camelCase")]
pub struct Each {
    /// `Gauge`, `Info` or `StateSet`, in any case.
    #[serde(deserialize_with = "or_default")]
    pub r#type: String,
    /// Of a gauge.
    pub gauge: Option<Part>,
    /// Of an info.
    pub info: Option<Part>,
    /// Of a state set.
    pub state_set: Option<Part>,
}

/// The keys of all three types.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "camelCase")]
pub struct Part {
    /// From the object to the value, or to a list or map of elements.
    #[serde(deserialize_with = "or_default")]
    pub path: Steps,
    /// From an element to its value. Not of an info.
    #[serde(deserialize_with = "or_default")]
    pub value_from: Steps,
    /// Label that holds the key of an element. Not of a state set.
    #[serde(deserialize_with = "or_default")]
    pub label_from_key: String,
    /// Labels by paths from the element.
    #[serde(deserialize_with = "or_default")]
    pub labels_from_path: Paths,
    /// Whether what is absent is 0. Of a gauge.
    #[serde(deserialize_with = "or_default")]
    pub nil_is_zero: bool,
    /// Label that holds the state. Of a state set.
    #[serde(deserialize_with = "or_default")]
    pub label_name: String,
    /// All states. Of a state set.
    #[serde(deserialize_with = "or_default")]
    pub list: Vec<String>,
}

impl Config {
    /// Reads a file. Unknown keys are ignored, and all but the first document.
    ///
    /// # Errors
    /// `line:column:` and what was expected there.
    pub fn parse(text: &str) -> Result<Self, String> {
        parse_lenient(text)
    }
}

impl GroupVersionKind {
    /// Whether a kind is one of these. An empty group is none.
    pub fn matches(&self, group: &str, version: &str, kind: &str) -> bool {
        let takes = |pattern: &str, text: &str| matches!(pattern, "" | "*") || pattern == text;
        self.group == group && takes(&self.version, version) && takes(&self.kind, kind)
    }

    /// Whether it is one type, without wildcards.
    pub fn is_exact(&self) -> bool {
        !matches!(self.version.as_str(), "" | "*") && !matches!(self.kind.as_str(), "" | "*")
    }
}

impl std::fmt::Display for GroupVersionKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}, Kind={}", self.group, self.version, self.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn all_keys() {
        let text = "kind: CustomResourceStateMetrics
spec:
  resources:
  - groupVersionKind: {group: example.com, version: v1, kind: Foo}
    resourcePlural: foos
    metricNamePrefix: \"\"
    commonLabels: {team: a, number: 1}
    labelsFromPath:
      name: [metadata, name]
    errorLogV: 5
    metrics:
    - name: ready
      help: Whether it is ready.
      commonLabels:
      each:
        type: gauge
        gauge:
          path: [status, conditions, 0]
          valueFrom: [status]
          labelFromKey: key
          labelsFromPath: {type: [type]}
          nilIsZero: true
    - name: phase
      each:
        type: StateSet
        stateSet: {labelName: phase, path: [status, phase], list: [A, true]}
  - metricNamePrefix:
---
spec: second documents do not count
";
        let config = Config::parse(text).unwrap();
        let [first, second] = config.spec.resources.as_slice() else {
            panic!("{config:?}");
        };
        assert_eq!(first.metric_name_prefix.as_deref(), Some(""));
        assert_eq!(second.metric_name_prefix, None);
        assert_eq!(
            first.group_version_kind.to_string(),
            "example.com/v1, Kind=Foo"
        );
        assert_eq!(
            (first.error_verbosity, &first.common_labels["number"][..]),
            (5, "1")
        );
        let gauge = first.metrics[0].each.gauge.as_ref().unwrap();
        assert_eq!(gauge.path, ["status", "conditions", "0"]);
        assert!(gauge.nil_is_zero && gauge.labels_from_path["type"] == ["type"]);
        let states = first.metrics[1].each.state_set.as_ref().unwrap();
        assert_eq!(
            (states.label_name.as_str(), &states.list[..]),
            ("phase", &["A".to_owned(), "true".to_owned()][..])
        );
        assert_eq!(Config::parse("# nothing\n"), Ok(Config::default()));
    }

    #[test]
    fn errors_have_a_place() {
        let why = Config::parse("spec:\n  resources:\n  - metrics: 5\n").unwrap_err();
        assert!(why.starts_with("3:"), "{why}");
        assert!(Config::parse("spec: [").is_err());
    }

    #[test]
    fn wildcards() {
        let any = GroupVersionKind {
            group: "a".to_owned(),
            version: "*".to_owned(),
            kind: String::new(),
        };
        assert!(any.matches("a", "v1", "B") && !any.matches("b", "v1", "B") && !any.is_exact());
        let one = GroupVersionKind {
            version: "v1".to_owned(),
            kind: "B".to_owned(),
            ..any
        };
        assert!(one.matches("a", "v1", "B") && !one.matches("a", "v2", "B") && one.is_exact());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[-a-z:\\[\\]{} \n]{0,80}") {
            let _ = Config::parse(&text);
        }
    }
}
