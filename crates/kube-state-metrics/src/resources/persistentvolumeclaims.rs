//! Persistent volume claims: <https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/persistent-volume-claim-v1/>.

use super::{Base, Families, Object};
use crate::object::{Condition, Lax, List, Map, Metadata, Text};
use crate::quantity::Quantity;
use crate::series::Family;
use crate::series::Stability::{Alpha, Stable};
use serde::Deserialize;

/// A persistent volume claim.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct PersistentVolumeClaim {
    metadata: Metadata,
    spec: Lax<Spec>,
    status: Lax<Status>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    access_modes: List<Text>,
    resources: Lax<Resources>,
    storage_class_name: Text,
    volume_mode: Text,
    volume_name: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Resources {
    requests: Map<Quantity>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    phase: Text,
    conditions: List<Condition>,
}

/// What named the storage class before there was a field for it.
const CLASS: &str = "volume.beta.kubernetes.io/storage-class";

impl Object for PersistentVolumeClaim {
    const PLURAL: &'static str = "persistentvolumeclaims";
    const GROUP: &'static str = "";
    const KIND: &'static str = "PersistentVolumeClaim";
    const NAMESPACED: bool = true;
    const BASE: Base<Self> = &[
        ("namespace", |claim| &claim.metadata.namespace),
        ("persistentvolumeclaim", |claim| &claim.metadata.name),
    ];
    const FAMILIES: Families<Self> = &[
        Family::labels(Stable, "kube_persistentvolumeclaim_labels"),
        Family::annotations(Alpha, "kube_persistentvolumeclaim_annotations"),
        Family::gauge(Stable, "kube_persistentvolumeclaim_info",
            &["storageclass", "volumename", "volumemode"],
            "Storage class, volume and mode of a claim.",
            |claim, out| {
                let annotation = claim.metadata.annotations.get(CLASS);
                let class = annotation.unwrap_or(&claim.spec.storage_class_name);
                out.put(&[class, &claim.spec.volume_name, &claim.spec.volume_mode], 1.0);
            }),
        Family::gauge(Stable, "kube_persistentvolumeclaim_status_phase", &["phase"],
            "Phase of a claim, one series each.",
            |claim, out| {
                if !claim.status.phase.is_empty() {
                    out.states(&["Lost", "Bound", "Pending"], &claim.status.phase);
                }
            }),
        Family::gauge(Stable, "kube_persistentvolumeclaim_resource_requests_storage_bytes", &[],
            "Storage that a claim asks for.",
            |claim, out| out.some(claim.spec.resources.requests.get("storage").map(|q| q.value()))),
        Family::gauge(Stable, "kube_persistentvolumeclaim_access_mode", &["access_mode"],
            "How a claim may be mounted.",
            |claim, out| out.each(&claim.spec.access_modes)),
        Family::gauge(Alpha, "kube_persistentvolumeclaim_status_condition",
            &["condition", "status"],
            "Conditions of a claim, one series a status.",
            |claim, out| out.conditions(&claim.status.conditions)),
        Family::created(Alpha, "kube_persistentvolumeclaim_created"),
        Family::deletion(Alpha, "kube_persistentvolumeclaim_deletion_timestamp"),
    ];

    fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    #[test]
    fn an_empty_annotation_names_the_class() {
        testing::expect::<PersistentVolumeClaim>(
            r#"{"metadata": {"namespace": "a", "name": "c", "annotations": {"volume.beta.kubernetes.io/storage-class": ""}},
                "spec": {"storageClassName": "fast", "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1500m"}}},
                "status": {"phase": "Odd"}}"#,
            &[],
            &[
                r#"kube_persistentvolumeclaim_info{namespace="a",persistentvolumeclaim="c",storageclass="",volumename="",volumemode=""} 1"#,
                r#"kube_persistentvolumeclaim_status_phase{namespace="a",persistentvolumeclaim="c",phase="Lost"} 0"#,
                r#"kube_persistentvolumeclaim_status_phase{namespace="a",persistentvolumeclaim="c",phase="Bound"} 0"#,
                r#"kube_persistentvolumeclaim_status_phase{namespace="a",persistentvolumeclaim="c",phase="Pending"} 0"#,
                r#"kube_persistentvolumeclaim_resource_requests_storage_bytes{namespace="a",persistentvolumeclaim="c"} 2"#,
                r#"kube_persistentvolumeclaim_access_mode{namespace="a",persistentvolumeclaim="c",access_mode="ReadWriteOnce"} 1"#,
            ],
        );
    }
}
