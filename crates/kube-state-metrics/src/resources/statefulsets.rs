//! Stateful sets: <https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/stateful-set-v1/>.

use super::{Base, Families, Object};
use crate::object::{Lax, Metadata, Text};
use crate::series::Family;
use crate::series::Stability::Stable;
use serde::Deserialize;

/// A stateful set.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct StatefulSet {
    metadata: Metadata,
    spec: Lax<Spec>,
    status: Lax<Status>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    replicas: Option<i64>,
    ordinals: Option<Ordinals>,
    persistent_volume_claim_retention_policy: Lax<Retention>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Ordinals {
    start: Lax<i64>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Retention {
    when_deleted: Text,
    when_scaled: Text,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    replicas: Lax<i64>,
    available_replicas: Lax<i64>,
    current_replicas: Lax<i64>,
    ready_replicas: Lax<i64>,
    updated_replicas: Lax<i64>,
    observed_generation: Lax<i64>,
    current_revision: Text,
    update_revision: Text,
}

impl Object for StatefulSet {
    const PLURAL: &'static str = "statefulsets";
    const GROUP: &'static str = "apps";
    const KIND: &'static str = "StatefulSet";
    const NAMESPACED: bool = true;
    const BASE: Base<Self> = &[
        ("namespace", |set| &set.metadata.namespace),
        ("statefulset", |set| &set.metadata.name),
    ];
    const FAMILIES: Families<Self> = &[
        Family::created(Stable, "kube_statefulset_created"),
        Family::gauge(Stable, "kube_statefulset_status_replicas", &[],
            "Pods that there are.",
            |set, out| out.value(*set.status.replicas)),
        Family::gauge(Stable, "kube_statefulset_status_replicas_available", &[],
            "Pods that have been ready for long enough.",
            |set, out| out.value(*set.status.available_replicas)),
        Family::gauge(Stable, "kube_statefulset_status_replicas_current", &[],
            "Pods of the current revision.",
            |set, out| out.value(*set.status.current_replicas)),
        Family::gauge(Stable, "kube_statefulset_status_replicas_ready", &[],
            "Pods that are ready.",
            |set, out| out.value(*set.status.ready_replicas)),
        Family::gauge(Stable, "kube_statefulset_status_replicas_updated", &[],
            "Pods of the revision that is being rolled out.",
            |set, out| out.value(*set.status.updated_replicas)),
        Family::gauge(Stable, "kube_statefulset_status_observed_generation", &[],
            "Generation that the controller has seen.",
            |set, out| out.value(*set.status.observed_generation)),
        Family::gauge(Stable, "kube_statefulset_replicas", &[],
            "Pods that are asked for.",
            |set, out| out.some(set.spec.replicas)),
        Family::gauge(Stable, "kube_statefulset_ordinals_start", &[],
            "Number of the first pod.",
            |set, out| out.some(set.spec.ordinals.as_ref().map(|ordinals| *ordinals.start))),
        Family::generation("kube_statefulset_metadata_generation"),
        Family::gauge(Stable, "kube_statefulset_persistentvolumeclaim_retention_policy",
            &["when_deleted", "when_scaled"],
            "What becomes of claims when the set is deleted or shrinks.",
            |set, out| {
                let policy = &set.spec.persistent_volume_claim_retention_policy;
                if !policy.when_deleted.is_empty() || !policy.when_scaled.is_empty() {
                    out.put(&[&policy.when_deleted, &policy.when_scaled], 1.0);
                }
            }),
        Family::annotations(Stable, "kube_statefulset_annotations"),
        Family::labels(Stable, "kube_statefulset_labels"),
        Family::gauge(Stable, "kube_statefulset_status_current_revision", &["revision"],
            "Revision that pods are of.",
            |set, out| out.put(&[&set.status.current_revision], 1.0)),
        Family::gauge(Stable, "kube_statefulset_status_update_revision", &["revision"],
            "Revision that is being rolled out.",
            |set, out| out.put(&[&set.status.update_revision], 1.0)),
        Family::deletion(Stable, "kube_statefulset_deletion_timestamp"),
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
    fn policies_ordinals_and_revisions() {
        testing::expect::<StatefulSet>(
            r#"{"metadata": {"namespace": "a", "name": "s"},
                "spec": {"replicas": 3, "ordinals": {}, "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain"}},
                "status": {"currentRevision": "s-1"}}"#,
            &[],
            &[
                r#"kube_statefulset_status_replicas{namespace="a",statefulset="s"} 0"#,
                r#"kube_statefulset_status_replicas_available{namespace="a",statefulset="s"} 0"#,
                r#"kube_statefulset_status_replicas_current{namespace="a",statefulset="s"} 0"#,
                r#"kube_statefulset_status_replicas_ready{namespace="a",statefulset="s"} 0"#,
                r#"kube_statefulset_status_replicas_updated{namespace="a",statefulset="s"} 0"#,
                r#"kube_statefulset_status_observed_generation{namespace="a",statefulset="s"} 0"#,
                r#"kube_statefulset_replicas{namespace="a",statefulset="s"} 3"#,
                r#"kube_statefulset_ordinals_start{namespace="a",statefulset="s"} 0"#,
                r#"kube_statefulset_metadata_generation{namespace="a",statefulset="s"} 0"#,
                r#"kube_statefulset_persistentvolumeclaim_retention_policy{namespace="a",statefulset="s",when_deleted="Retain",when_scaled=""} 1"#,
                r#"kube_statefulset_status_current_revision{namespace="a",statefulset="s",revision="s-1"} 1"#,
                r#"kube_statefulset_status_update_revision{namespace="a",statefulset="s",revision=""} 1"#,
            ],
        );
    }
}
