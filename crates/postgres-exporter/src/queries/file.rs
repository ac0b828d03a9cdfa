//! The file: namespaces, each with a query and what its columns mean.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// What a column means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// A label.
    Label,
    /// A counter.
    Counter,
    /// A gauge.
    Gauge,
    /// A gauge whose name ends in `_milliseconds`.
    Duration,
    /// Upper bounds of a histogram.
    Histogram,
    /// Not exposed.
    Discard,
}

/// One query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// First part of the names of its metrics.
    pub name: String,
    /// Statements; empty switches the namespace off.
    pub query: String,
    /// Declared columns: usage and help.
    pub columns: BTreeMap<String, (Usage, String)>,
    /// Whether it is asked on configured data sources only, not on discovered databases.
    pub master: bool,
    /// How long an answer is used again.
    pub cache: Duration,
}

/// Lenient, as upstream: keys that are not known do not matter.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Definition {
    query: Option<String>,
    metrics: Option<Vec<BTreeMap<String, Option<Options>>>>,
    master: Option<String>,
    cache_seconds: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Options {
    usage: Option<String>,
    description: Option<String>,
    /// Checked and not used, as upstream.
    #[serde(rename = "metric_mapping")]
    _mapping: Option<BTreeMap<String, f64>>,
    pg_version: Option<serde::de::IgnoredAny>,
}

/// Parses the file. Of namespaces of one name the last counts. The error begins with line and
/// column.
pub fn load(text: &str) -> Result<Vec<Namespace>, String> {
    let comment = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
    if text.lines().all(comment) {
        return Ok(Vec::new());
    }
    let options = serde_saphyr::options! {
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::LastWins,
    };
    let definitions: BTreeMap<String, Option<Definition>> =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| {
            let place = error.location();
            let (line, column) = place.map_or((1, 1), |l| (l.line(), l.column()));
            let message = error.without_snippet().to_string();
            let sentence = message.split(" at line ").next().unwrap_or_default();
            format!("{line}:{column}: {}", sentence.trim())
        })?;
    let all = definitions.into_iter();
    all.map(|(name, definition)| namespace(name, definition.unwrap_or_default()))
        .collect()
}

fn namespace(name: String, definition: Definition) -> Result<Namespace, String> {
    let mut columns = BTreeMap::new();
    for (column, options) in definition.metrics.into_iter().flatten().flatten() {
        let options = options.unwrap_or_default();
        if options.pg_version.is_some() {
            return Err(format!(
                "{name}, column {column}: pg_version is not supported, leave it out"
            ));
        }
        let usage = usage(options.usage.as_deref().unwrap_or_default());
        columns.insert(column, (usage, options.description.unwrap_or_default()));
    }
    let master = definition.master.unwrap_or_default();
    Ok(Namespace {
        master: boolean(&master)
            .ok_or_else(|| format!("{name}: master: expected true or false, got {master:?}"))?,
        query: definition.query.unwrap_or_default(),
        cache: Duration::from_secs(definition.cache_seconds.unwrap_or(0)),
        columns,
        name,
    })
}

fn usage(word: &str) -> Usage {
    match word {
        "LABEL" => Usage::Label,
        "COUNTER" => Usage::Counter,
        "GAUGE" | "MAPPEDMETRIC" => Usage::Gauge,
        "DURATION" => Usage::Duration,
        "HISTOGRAM" => Usage::Histogram,
        _ => Usage::Discard,
    }
}

/// The words that YAML 1.1 has for booleans.
fn boolean(word: &str) -> Option<bool> {
    match word {
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "y" | "Y" => {
            Some(true)
        }
        "" | "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "n"
        | "N" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FILE: &str = "pg_a:\n  query: SELECT 0\npg_a:\n  query: \"SELECT 1 AS x, 'l' AS l\"\n  \
                        master: yes\n  cache_seconds: 30\n  runonserver: \">=9\"\n  metrics:\n    \
                        - l:\n        usage: \"LABEL\"\n        description: \"L\"\n    - x: {usage: \
                        COUNTER}\n      y:\n        usage: counter\npg_b:\n";

    #[test]
    fn namespaces() {
        let all = load(FILE).unwrap();
        assert_eq!(all.len(), 2);
        let a = &all[0];
        assert_eq!(a.query, "SELECT 1 AS x, 'l' AS l");
        assert!(a.master);
        assert_eq!(a.cache, Duration::from_secs(30));
        assert_eq!(a.columns["l"], (Usage::Label, "L".to_owned()));
        assert_eq!(a.columns["x"].0, Usage::Counter);
        assert_eq!(a.columns["y"].0, Usage::Discard);
        assert_eq!(all[1].query, "");
        assert!(load("").unwrap().is_empty());
    }

    #[test]
    fn errors_reject_the_file() {
        for (text, part) in [
            ("a:\n  query: [1]\n", "2:"),
            ("a:\n  query: x\n  cache_seconds: -1\n", "3:"),
            (
                "a:\n  query: x\n  metrics:\n    - c:\n        pg_version: \">=9\"\n",
                "pg_version",
            ),
            ("a:\n  query: x\n  master: perhaps\n", "perhaps"),
            (
                "a:\n  metrics:\n    - c:\n        metric_mapping: {x: word}\n",
                "4:",
            ),
            ("- a\n", "1:"),
            (": [", ""),
        ] {
            let error = load(text).unwrap_err();
            assert!(error.contains(part), "{text:?}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = load(&text);
        }
    }
}
