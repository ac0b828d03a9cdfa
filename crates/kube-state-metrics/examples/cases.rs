//! Checks a file of cases, one JSON object a line: `resource`, `name`, `flags`, `families`,
//! `object`, `expect`. Prints what differs and how many cases pass.
//!
//! `cargo run -p kube-state-metrics --example cases -- FILE [PART OF A NAME]`

use kube_state_metrics::resources::Resource;
use kube_state_metrics::selection::{Filter, KeyLists, Selection};
use kube_state_metrics::series::Writer;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Case<'a> {
    resource: String,
    name: String,
    #[serde(default)]
    flags: Flags,
    families: Vec<String>,
    #[serde(borrow)]
    object: &'a RawValue,
    expect: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Flags {
    metric_labels_allowlist: Vec<String>,
    metric_annotations_allowlist: Vec<String>,
    metric_opt_in_list: Vec<String>,
}

fn main() -> Result<(), String> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments
        .next()
        .ok_or("usage: cases FILE [PART OF A NAME]")?;
    let part = arguments.next().unwrap_or_default();
    let text = std::fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"))?;
    let (mut passed, mut failed) = (0, BTreeMap::<String, u32>::new());
    for line in text.lines() {
        let case: Case<'_> = serde_json::from_str(line).map_err(|e| e.to_string())?;
        if !case.name.contains(&part) {
            continue;
        }
        match check(&case) {
            Ok(()) => passed += 1,
            Err(difference) => {
                println!("{}\n{difference}", case.name);
                *failed.entry(case.resource).or_default() += 1;
            }
        }
    }
    println!(
        "{passed} passed, {} failed: {failed:?}",
        failed.values().sum::<u32>()
    );
    Ok(())
}

fn check(case: &Case<'_>) -> Result<(), String> {
    let resource = Resource::find(&case.resource).ok_or("  no such resource")?;
    let lists = |keys: &[String]| {
        KeyLists(
            [(case.resource.clone(), keys.to_vec())]
                .into_iter()
                .collect(),
        )
    };
    let selection = Selection {
        filter: Filter::new(&[], &[], &case.flags.metric_opt_in_list)?,
        labels: lists(&case.flags.metric_labels_allowlist),
        annotations: lists(&case.flags.metric_annotations_allowlist),
    };
    let encoder = (resource.encoder)(&selection);
    let json = case.object.get().as_bytes();
    let record = encoder.record(json, &|_| true, &mut Writer::default())?;
    let Some((_, record)) = record else {
        return Err("  not kept".to_owned());
    };
    let heads = encoder.heads();
    let mut text = Vec::new();
    for number in 0..heads.len() {
        let name = heads.heads()[number].name.as_ref();
        if case.families.iter().any(|f| f == "*" || f == name) {
            record.render(heads.len(), number, heads.line(number), &mut text);
        }
    }
    let text = String::from_utf8(text).map_err(|e| e.to_string())?;
    let mut actual: Vec<&str> = text.lines().collect();
    let mut expected: Vec<&str> = case.expect.iter().map(String::as_str).collect();
    actual.sort_unstable();
    expected.sort_unstable();
    if actual == expected {
        return Ok(());
    }
    let missing = expected
        .iter()
        .filter(|l| !actual.contains(l))
        .map(|l| format!("  - {l}"));
    let extra = actual
        .iter()
        .filter(|l| !expected.contains(l))
        .map(|l| format!("  + {l}"));
    Err(missing.chain(extra).collect::<Vec<_>>().join("\n"))
}
