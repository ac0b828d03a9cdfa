//! What the charts render is what Kubernetes knows: every document of a built-in kind goes through its
//! type and loses no field.

use k8s_openapi::api::{apps::v1 as apps, core::v1 as core, networking::v1 as networking};
use k8s_openapi::api::{policy::v1::PodDisruptionBudget, rbac::v1 as rbac};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Kinds whose definitions are not those of Kubernetes itself.
const CUSTOM: [&str; 7] = [
    "HTTPRoute",
    "PodMonitor",
    "PodMonitoring",
    "PrometheusRule",
    "ScrapeConfig",
    "ServiceMonitor",
    "VerticalPodAutoscaler",
];

/// A document through its type and back.
fn through<T: DeserializeOwned + Serialize>(document: &Value) -> Result<Value, String> {
    let typed: T = serde_json::from_value(document.clone()).map_err(|e| e.to_string())?;
    serde_json::to_value(typed).map_err(|e| e.to_string())
}

fn typed(kind: &str, document: &Value) -> Result<Value, String> {
    match kind {
        "ClusterRole" => through::<rbac::ClusterRole>(document),
        "ClusterRoleBinding" => through::<rbac::ClusterRoleBinding>(document),
        "ConfigMap" => through::<core::ConfigMap>(document),
        "DaemonSet" => through::<apps::DaemonSet>(document),
        "Deployment" => through::<apps::Deployment>(document),
        "Endpoints" => through::<core::Endpoints>(document),
        "Ingress" => through::<networking::Ingress>(document),
        "NetworkPolicy" => through::<networking::NetworkPolicy>(document),
        "PodDisruptionBudget" => through::<PodDisruptionBudget>(document),
        "Role" => through::<rbac::Role>(document),
        "RoleBinding" => through::<rbac::RoleBinding>(document),
        "Secret" => through::<core::Secret>(document),
        "Service" => through::<core::Service>(document),
        "ServiceAccount" => through::<core::ServiceAccount>(document),
        "StatefulSet" => through::<apps::StatefulSet>(document),
        _ => Err("the test does not know this kind".to_owned()),
    }
}

/// Paths of fields that the type did not keep.
fn lost(before: &Value, after: &Value, path: &str, found: &mut Vec<String>) {
    match (before, after) {
        (Value::Null, _) => {}
        (Value::Object(before), Value::Object(after)) => {
            for (key, value) in before {
                let path = format!("{path}.{key}");
                lost(value, after.get(key).unwrap_or(&Value::Null), &path, found);
            }
        }
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            for (index, (one, other)) in before.iter().zip(after).enumerate() {
                lost(one, other, &format!("{path}[{index}]"), found);
            }
        }
        (before, after) if before == after => {}
        (before, after) => found.push(format!("{path}: {before} became {after}")),
    }
}

/// A copy of the charts with what each depends on inside of it, as `cargo xtask charts` lays out.
fn vendored(scratch: &Path) -> Vec<String> {
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

fn rendered(chart: &Path, arguments: &[&str]) -> String {
    let mut helm = Command::new("helm");
    helm.args(["template", "release"])
        .arg(chart)
        .args(arguments);
    let output = helm.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", chart.display());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn no_field_is_unknown() {
    if Command::new("helm").arg("version").output().is_err() {
        println!("helm is not installed: charts are not rendered");
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for name in vendored(scratch.path()) {
        let chart = scratch.path().join(&name);
        let all = chart.join("tests/all.yaml");
        let every_option = [
            "--values",
            all.to_str().unwrap(),
            "--api-versions=monitoring.coreos.com/v1",
            "--api-versions=autoscaling.k8s.io/v1",
        ];
        for arguments in [&[][..], &every_option] {
            let text = rendered(&chart, arguments);
            let documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
            assert!(documents.len() > 1, "{name}");
            for document in documents {
                let kind = document["kind"].as_str().unwrap_or_default();
                if CUSTOM.contains(&kind) || document.is_null() {
                    continue;
                }
                let place = format!("{name} {kind} {}", document["metadata"]["name"]);
                match typed(kind, &document) {
                    Ok(after) => lost(&document, &after, &place, &mut wrong),
                    Err(why) => wrong.push(format!("{place}: {why}")),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
