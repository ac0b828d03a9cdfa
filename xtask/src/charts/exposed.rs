//! Whether the metrics that rules and dashboards name are exposed: they stand in `docs/metrics`.

use super::dashboards;
use crate::run;
use serde_json::Value;
use std::collections::BTreeSet;

/// Chart and its list of metrics.
const LISTS: &[(&str, &str)] = &[
    ("prometheus-node-exporter", "node"),
    ("prometheus-process-exporter", "process"),
    ("kube-state-metrics", "kube-state-metrics"),
    ("prometheus-blackbox-exporter", "blackbox"),
    ("prometheus-mysql-exporter", "mysqld"),
    ("prometheus-postgres-exporter", "postgres"),
    ("prometheus-redis-exporter", "redis"),
];

/// Names that begin the metrics of our exporters.
const PREFIXES: &[&str] = &[
    "node_",
    "namedprocess_",
    "process_exporter_",
    "kube_",
    "probe_",
    "blackbox_",
    "mysql_",
    "pg_",
    "redis_",
];

/// Names in rules and dashboards that no list holds, with the chart.
pub fn missing() -> Result<Vec<String>, String> {
    let mut missing = Vec::new();
    for (chart, list) in LISTS {
        let page = run::root().join(format!("docs/metrics/{list}.md"));
        let page =
            std::fs::read_to_string(&page).map_err(|e| format!("{}: {e}", page.display()))?;
        for name in named(chart)? {
            if !page.contains(&format!("`{name}`")) && !is_pattern_of(&page, &name) {
                missing.push(format!("{chart}: {name}"));
            }
        }
    }
    Ok(missing)
}

/// A listed name with a part in angle brackets stands for all that fit.
fn is_pattern_of(page: &str, name: &str) -> bool {
    let listed = page.split('`').skip(1).step_by(2);
    listed
        .filter_map(|pattern| {
            let (before, after) = pattern.split_once('<')?;
            Some((before, after.split_once('>')?.1))
        })
        .any(|(before, after)| name.starts_with(before) && name.ends_with(after))
}

fn named(chart: &str) -> Result<BTreeSet<String>, String> {
    let mut names = BTreeSet::new();
    for dashboard in dashboards::ALL.iter().filter(|d| d.chart == chart) {
        for expression in dashboard.expressions() {
            collect(expression, &mut names);
        }
    }
    let folder = run::root().join("charts").join(chart).join("rules");
    let told = |e: &dyn std::fmt::Display| format!("{}: {e}", folder.display());
    let mut recorded = BTreeSet::new();
    for entry in std::fs::read_dir(&folder).map_err(|e| told(&e))? {
        let text = std::fs::read_to_string(entry.map_err(|e| told(&e))?.path());
        let rules: Value =
            serde_saphyr::from_str(&text.map_err(|e| told(&e))?).map_err(|e| told(&e))?;
        let groups = rules["groups"].as_array().into_iter().flatten();
        for rule in groups.flat_map(|group| group["rules"].as_array().into_iter().flatten()) {
            collect(rule["expr"].as_str().unwrap_or_default(), &mut names);
            recorded.extend(rule["record"].as_str().map(str::to_owned));
        }
    }
    names.retain(|name| !recorded.contains(name));
    Ok(names)
}

/// Words of an expression that look like metrics of ours.
fn collect(expression: &str, names: &mut BTreeSet<String>) {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    for word in expression.split(|c: char| !is_part(c)) {
        if PREFIXES.iter().any(|prefix| word.starts_with(prefix)) {
            names.insert(word.to_owned());
        }
    }
}
