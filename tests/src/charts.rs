//! The charts, as helm renders them.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// APIs that charts ask for before they write objects of them.
const OPTIONAL_APIS: [&str; 2] = [
    "--api-versions=monitoring.coreos.com/v1",
    "--api-versions=autoscaling.k8s.io/v1",
];

/// Whether there is a helm to render with.
pub fn can_render() -> bool {
    let found = Command::new("helm").arg("version").output().is_ok();
    if !found {
        println!("helm is not installed: charts are not rendered");
    }
    found
}

/// A copy of the charts with what each depends on inside of it, as `cargo xtask charts` lays out;
/// gives their names without that of the library.
pub fn vendored(scratch: &Path) -> Vec<String> {
    let charts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts");
    let copy = |from: &Path, to: &Path| {
        let mut copy = Command::new("cp");
        let done = copy.arg("-R").arg(from).arg(to).status().unwrap();
        assert!(done.success(), "{}", from.display());
    };
    let mut names: Vec<String> = fs::read_dir(&charts)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    // The umbrella takes the others as they are by then.
    names.sort_by_key(|name| (name == "exporters", name.clone()));
    for name in &names {
        let chart = scratch.join(name);
        copy(&charts.join(name), scratch);
        let inside = chart.join("charts");
        let _absent = fs::remove_dir_all(&inside);
        let metadata = fs::read_to_string(chart.join("Chart.yaml")).unwrap();
        for line in metadata.lines() {
            if let Some(dependency) = line.trim().strip_prefix("repository: file://../") {
                fs::create_dir_all(&inside).unwrap();
                copy(&scratch.join(dependency), &inside);
            }
        }
    }
    names.retain(|name| name != "common");
    names
}

/// The files of values that a chart is tested with: every option, then those of `tests/values`.
pub fn values(chart: &Path) -> Vec<PathBuf> {
    let mut files = vec![chart.join("tests/all.yaml")];
    if let Ok(entries) = fs::read_dir(chart.join("tests/values")) {
        files.extend(entries.map(|entry| entry.unwrap().path()));
    }
    files.sort();
    files
}

/// The objects that a chart renders, with its defaults or with values and every optional API.
pub fn rendered(chart: &Path, values: Option<&Path>) -> Vec<Value> {
    let mut helm = Command::new("helm");
    helm.args(["template", "release"]).arg(chart);
    if let Some(file) = values {
        helm.arg("--values").arg(file).args(OPTIONAL_APIS);
    }
    let output = helm.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{values:?}: {errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut objects: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
    objects.retain(|object| !object.is_null());
    objects
}
