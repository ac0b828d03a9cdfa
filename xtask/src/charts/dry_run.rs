//! What a Kubernetes API server says of every chart, without keeping anything.

use crate::run;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// APIs that charts ask for before they write objects of them.
pub const OPTIONAL_APIS: [&str; 2] = [
    "--api-versions=monitoring.coreos.com/v1",
    "--api-versions=autoscaling.k8s.io/v1",
];

/// Kinds that a server knows, by group and kind, with the versions that it serves.
type Kinds = BTreeMap<(String, String), Vec<String>>;

/// Sends what each chart renders from each set of values to the server of the current context as a
/// dry run. Objects of kinds that the server does not know are told of, not sent.
pub fn run(charts: &Path, names: &[String]) -> Result<(), String> {
    if !run::exists("kubectl") {
        return Err("--server-dry-run wants kubectl, which is not installed".to_owned());
    }
    let kinds = kinds()?;
    let mut unknown = BTreeSet::new();
    let mut older = BTreeSet::new();
    let mut refused = Vec::new();
    let mut sent = 0;
    for name in names {
        let chart = charts.join(name);
        for values in super::values_of(&chart)? {
            let place = values.as_ref().map_or_else(
                || format!("{name} with its defaults"),
                |file| format!("{name} with {file}"),
            );
            let mut known = Vec::new();
            for mut document in documents(&chart, values.as_deref())? {
                match served(&kinds, &mut document) {
                    Served::Same => known.push(document),
                    Served::Older(told) => {
                        older.insert(told);
                        known.push(document);
                    }
                    Served::Unknown(told) => {
                        unknown.insert(told);
                    }
                }
            }
            sent += known.len();
            if let Err(why) = apply(known) {
                refused.push(format!("{place}:\n{why}"));
            }
        }
    }
    for told in older {
        println!("sent as the version that this server knows: {told}");
    }
    for told in unknown {
        println!("not sent, as this server does not know it: {told}");
    }
    println!("{sent} objects sent");
    match refused.is_empty() {
        true => Ok(()),
        false => Err(format!("the server refuses\n{}", refused.join("\n"))),
    }
}

/// How a server stands to a document.
enum Served {
    Same,
    /// In another version of its group, which the document now names.
    Older(String),
    Unknown(String),
}

fn served(kinds: &Kinds, document: &mut Value) -> Served {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (api, kind) = (text(&document["apiVersion"]), text(&document["kind"]));
    let (group, version) = split(&api);
    let told = format!("{api} {kind}");
    match kinds.get(&(group.to_owned(), kind)).map(Vec::as_slice) {
        None | Some([]) => Served::Unknown(told),
        Some(versions) if versions.iter().any(|v| v == version) => Served::Same,
        Some([first, ..]) => {
            let other = format!("{group}/{first}");
            let told = format!("{told} as {other}");
            document["apiVersion"] = json!(other);
            Served::Older(told)
        }
    }
}

/// Group and version of an `apiVersion`; the core group has no name.
fn split(api: &str) -> (&str, &str) {
    api.split_once('/').unwrap_or(("", api))
}

fn kinds() -> Result<Kinds, String> {
    let mut kubectl = Command::new("kubectl");
    let text = run::text(kubectl.args(["api-resources", "--no-headers"]))?;
    let mut kinds = Kinds::new();
    for line in text.lines() {
        // Short names, the second column, may be missing; the last three columns never are.
        let mut columns = line.split_whitespace().rev();
        let (Some(kind), Some(_), Some(api)) = (columns.next(), columns.next(), columns.next())
        else {
            continue;
        };
        let (group, version) = split(api);
        let versions = kinds.entry((group.to_owned(), kind.to_owned()));
        versions.or_default().push(version.to_owned());
    }
    Ok(kinds)
}

/// What a chart renders. Every object is in the namespace `default`, which every cluster has: the
/// namespaces that values name do not exist, and none should be made for a dry run.
fn documents(chart: &Path, values: Option<&str>) -> Result<Vec<Value>, String> {
    let mut helm = Command::new("helm");
    helm.current_dir(chart).args(["template", "release", "."]);
    if let Some(file) = values {
        helm.args(["--values", file]).args(OPTIONAL_APIS);
    }
    let text = run::text(&mut helm)?;
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text)
        .map_err(|e| format!("{}: what helm renders: {e}", chart.display()))?;
    let mut objects: Vec<Value> = documents.into_iter().filter(|d| !d.is_null()).collect();
    for object in &mut objects {
        if object["metadata"]["namespace"].is_string() {
            object["metadata"]["namespace"] = json!("default");
        }
    }
    Ok(objects)
}

fn apply(objects: Vec<Value>) -> Result<(), String> {
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": objects });
    let mut kubectl = Command::new("kubectl");
    kubectl
        .args(["apply", "--dry-run=server", "--validate=strict"])
        .args(["--namespace=default", "--filename=-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let told = |e: std::io::Error| format!("kubectl: {e}");
    let mut child = kubectl.spawn().map_err(told)?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(list.to_string().as_bytes()).map_err(told)?;
    }
    let output = child.wait_with_output().map_err(told)?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_that_a_server_knows() {
        let mut kinds = Kinds::new();
        let mut know = |group: &str, kind: &str, version: &str| {
            let versions = kinds.entry((group.to_owned(), kind.to_owned()));
            versions.or_default().push(version.to_owned());
        };
        know("", "Service", "v1");
        know("policy", "PodDisruptionBudget", "v1beta1");
        let object = |api: &str, kind: &str| json!({ "apiVersion": api, "kind": kind });
        assert!(matches!(
            served(&kinds, &mut object("v1", "Service")),
            Served::Same
        ));
        let mut budget = object("policy/v1", "PodDisruptionBudget");
        assert!(matches!(served(&kinds, &mut budget), Served::Older(_)));
        assert_eq!(budget["apiVersion"], "policy/v1beta1");
        assert!(matches!(
            served(&kinds, &mut object("apps/v1", "Service")),
            Served::Unknown(_)
        ));
    }
}
