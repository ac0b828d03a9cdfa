//! README and schema, from the values.

use super::values::Entry;
use serde_json::{Map, Value, json};
use std::path::Path;

/// The chart's page: what it is, how it is installed, every value, and what differs from the chart
/// that its users come from (`differences.md`).
pub fn readme(chart: &Path, name: &str, values: &[Entry]) -> Result<String, String> {
    let metadata = chart.join("Chart.yaml");
    let told = |why: String| format!("{}: {why}", metadata.display());
    let text = std::fs::read_to_string(&metadata).map_err(|e| told(e.to_string()))?;
    let metadata: Value = serde_saphyr::from_str(&text).map_err(|e| told(e.to_string()))?;
    let description = metadata["description"].as_str().unwrap_or_default();
    let differences = std::fs::read_to_string(chart.join("differences.md")).unwrap_or_default();
    let mut page = format!(
        "# {name}\n\n{description}\n\n```\nhelm install {name} charts/{name}\n```\n\n\
         Made by `cargo xtask charts` from the comments of `values.yaml`.\n\n"
    );
    if !differences.is_empty() {
        page += &format!("{}\n\n", differences.trim_end());
    }
    page += "## Values\n\n| key | type | default | meaning |\n|---|---|---|---|\n";
    for entry in values {
        if let Some(text) = &entry.text {
            let default = shown(&entry.default);
            let types = types(entry).join(" or ").replace("null", "empty");
            let key = entry.path.join(".");
            page += &format!("| `{key}` | {types} | {default} | {} |\n", cell(text));
        }
    }
    Ok(page)
}

fn shown(default: &Value) -> String {
    match default.to_string() {
        long if long.len() > 120 => "see `values.yaml`".to_owned(),
        text => format!("`{}`", cell(&text)),
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// What a value may be. Numbers may be given as text and the other way round, as templates only
/// print them; anything may be null, which takes a default away.
fn types(entry: &Entry) -> Vec<String> {
    let own: &[&str] = match &entry.default {
        Value::Null => &[],
        Value::Bool(_) => &["boolean"],
        Value::Number(_) => &["integer", "string"],
        Value::String(_) => &["string", "number"],
        Value::Array(_) => &["array"],
        Value::Object(_) => &["object"],
    };
    let mut types: Vec<String> = own.iter().map(|t| (*t).to_owned()).collect();
    for wider in &entry.types {
        if !types.contains(wider) {
            types.push(wider.clone());
        }
    }
    if types.is_empty() {
        return vec!["any".to_owned()];
    }
    types.push("null".to_owned());
    types
}

/// A template with the keys of the values, by which notes of an installation tell of misspelt ones:
/// templates cannot read the file of values.
pub fn keys(name: &str, values: &[Entry]) -> String {
    let mut keys: Vec<&str> = values.iter().map(|entry| entry.path[0].as_str()).collect();
    keys.dedup();
    format!(
        "{{{{/* Keys of `values.yaml`, made by `cargo xtask charts`. */}}}}\n\
         {{{{- define \"{name}.keys\" -}}}}\n{}\n{{{{- end }}}}\n",
        keys.join(" ")
    )
}

/// JSON schema of the values. Unknown keys are allowed: values of other charts pass through an
/// umbrella, and users keep keys of their own for templates.
pub fn schema(name: &str, values: &[Entry]) -> String {
    let mut root = json!({
        "$schema": "https://json-schema.org/draft-07/schema#",
        "title": format!("Values of {name}"),
        "type": "object",
        "properties": {},
    });
    for entry in values {
        insert(&mut root, entry);
    }
    // A map always has a text.
    let mut text = serde_json::to_string_pretty(&root).unwrap_or_default();
    text.push('\n');
    text
}

fn insert(root: &mut Value, entry: &Entry) {
    let mut place = root;
    for key in &entry.path {
        let Some(object) = place.as_object_mut() else {
            return;
        };
        let properties = object
            .entry("properties")
            .or_insert_with(|| Value::Object(Map::new()));
        place = &mut properties[key.as_str()];
        if place.is_null() {
            *place = json!({});
        }
    }
    let types = types(entry);
    if types != ["any"] {
        place["type"] = json!(types);
    }
    if let Some(text) = &entry.text {
        place["description"] = json!(text);
    }
}
