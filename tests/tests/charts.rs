//! What the charts render is what Kubernetes knows: every document of a built-in kind goes through its
//! type and loses no field.

use e2e::charts;
use k8s_openapi::api::{apps::v1 as apps, core::v1 as core, networking::v1 as networking};
use k8s_openapi::api::{policy::v1::PodDisruptionBudget, rbac::v1 as rbac};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::PathBuf;

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

#[test]
fn no_field_is_unknown() {
    if !charts::can_render() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for name in charts::vendored(scratch.path()) {
        let chart = scratch.path().join(&name);
        let files = charts::values(&chart);
        for values in std::iter::once(None).chain(files.iter().map(Some)) {
            let objects = charts::rendered(&chart, values.map(PathBuf::as_path));
            assert!(objects.len() > 1, "{name}");
            for object in objects {
                let kind = object["kind"].as_str().unwrap_or_default();
                if CUSTOM.contains(&kind) {
                    continue;
                }
                let place = format!("{name} {kind} {}", object["metadata"]["name"]);
                match typed(kind, &object) {
                    Ok(after) => lost(&object, &after, &place, &mut wrong),
                    Err(why) => wrong.push(format!("{place}: {why}")),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
