//! What a binary is made of: licence list and CycloneDX software bill of materials.

use crate::packages::Exporter;
use crate::run;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// One crate that is linked in.
pub struct Package {
    name: String,
    version: String,
    licence: String,
    source: String,
}

/// All crates that an exporter links, itself included, in order of their names.
pub fn dependencies(exporter: &Exporter) -> Result<Vec<Package>, String> {
    let mut cargo = run::cargo();
    cargo.args(["metadata", "--format-version=1", "--locked"]);
    cargo.args(["--filter-platform", &crate::dist::triple()?]);
    let metadata: Value =
        serde_json::from_slice(&run::output(&mut cargo)?).map_err(|e| e.to_string())?;
    let by_id: BTreeMap<&str, &Value> = entries(&metadata["packages"]);
    let nodes: BTreeMap<&str, &Value> = entries(&metadata["resolve"]["nodes"]);
    let root = by_id
        .iter()
        .find(|(_, p)| p["name"] == exporter.name)
        .map(|(id, _)| *id)
        .ok_or_else(|| format!("cargo metadata knows no package {}", exporter.name))?;
    let mut seen = BTreeSet::new();
    let mut open = vec![root];
    while let Some(id) = open.pop() {
        if seen.insert(id) {
            open.extend(linked(nodes.get(id).copied().unwrap_or(&Value::Null)));
        }
    }
    let text = |value: &Value, or: &str| value.as_str().unwrap_or(or).to_owned();
    let mut packages: Vec<Package> = seen
        .into_iter()
        .filter_map(|id| by_id.get(id))
        .map(|p| Package {
            name: text(&p["name"], ""),
            version: text(&p["version"], ""),
            licence: text(&p["license"], "see its licence file"),
            source: text(&p["repository"], ""),
        })
        .collect();
    packages.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    Ok(packages)
}

fn entries(list: &Value) -> BTreeMap<&str, &Value> {
    let list = list.as_array().map_or(&[][..], Vec::as_slice);
    list.iter()
        .filter_map(|entry| Some((entry["id"].as_str()?, entry)))
        .collect()
}

/// Dependencies of a node that are neither for its tests nor for its build script.
fn linked(node: &Value) -> Vec<&str> {
    let list = node["deps"].as_array().map_or(&[][..], Vec::as_slice);
    list.iter()
        .filter(|dep| {
            let kinds = dep["dep_kinds"].as_array().map_or(&[][..], Vec::as_slice);
            kinds.iter().any(|kind| kind["kind"].is_null())
        })
        .filter_map(|dep| dep["pkg"].as_str())
        .collect()
}

/// The list that goes with a binary.
pub fn licences(packages: &[Package]) -> String {
    let mut text = "# Licences of what is linked in\n\n| crate | version | licence | source |\n|---|---|---|---|\n".to_owned();
    for p in packages {
        text += &format!(
            "| {} | {} | {} | {} |\n",
            p.name, p.version, p.licence, p.source
        );
    }
    text
}

/// The bill of materials, CycloneDX 1.5.
pub fn cyclonedx(exporter: &Exporter, packages: &[Package]) -> String {
    let component = |p: &Package| {
        json!({
            "type": "library",
            "name": p.name,
            "version": p.version,
            "purl": format!("pkg:cargo/{}@{}", p.name, p.version),
            "licenses": [{ "expression": p.licence.replace('/', " OR ") }],
        })
    };
    let is_self = |p: &&Package| p.name == exporter.name;
    let bom = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "name": exporter.binary,
                "version": packages.iter().find(is_self).map_or("", |p| p.version.as_str()),
            }
        },
        "components": packages.iter().filter(|p| !is_self(p)).map(component).collect::<Vec<_>>(),
    });
    format!("{bom:#}\n")
}
