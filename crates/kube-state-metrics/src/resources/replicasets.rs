//! Replica sets: <https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/replica-set-v1/>.

use super::{Base, Families, Object};
use crate::object::{Lax, Metadata};
use crate::series::Family;
use crate::series::Stability::{Alpha, Stable};
use serde::Deserialize;

/// A replica set.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct ReplicaSet {
    metadata: Metadata,
    spec: Lax<Spec>,
    status: Lax<Status>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Spec {
    replicas: Option<i64>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    replicas: Lax<i64>,
    fully_labeled_replicas: Lax<i64>,
    ready_replicas: Lax<i64>,
    terminating_replicas: Option<i64>,
    observed_generation: Lax<i64>,
}

impl Object for ReplicaSet {
    const PLURAL: &'static str = "replicasets";
    const GROUP: &'static str = "apps";
    const KIND: &'static str = "ReplicaSet";
    const NAMESPACED: bool = true;
    const BASE: Base<Self> = &[
        ("namespace", |set| &set.metadata.namespace),
        ("replicaset", |set| &set.metadata.name),
    ];
    const FAMILIES: Families<Self> = &[
        Family::created(Stable, "kube_replicaset_created"),
        Family::gauge(Stable, "kube_replicaset_status_replicas", &[],
            "Pods that there are.",
            |set, out| out.value(*set.status.replicas)),
        Family::gauge(Stable, "kube_replicaset_status_fully_labeled_replicas", &[],
            "Pods that have all labels of the template.",
            |set, out| out.value(*set.status.fully_labeled_replicas)),
        Family::gauge(Stable, "kube_replicaset_status_ready_replicas", &[],
            "Pods that are ready.",
            |set, out| out.value(*set.status.ready_replicas)),
        Family::gauge(Alpha, "kube_replicaset_status_terminating_replicas", &[],
            "Pods that are being deleted.",
            |set, out| out.some(set.status.terminating_replicas)),
        Family::gauge(Stable, "kube_replicaset_status_observed_generation", &[],
            "Generation that the controller has seen.",
            |set, out| out.value(*set.status.observed_generation)),
        Family::gauge(Stable, "kube_replicaset_spec_replicas", &[],
            "Pods that are asked for.",
            |set, out| out.some(set.spec.replicas)),
        Family::generation("kube_replicaset_metadata_generation"),
        Family::owner(Stable, "kube_replicaset_owner"),
        Family::annotations(Alpha, "kube_replicaset_annotations"),
        Family::labels(Stable, "kube_replicaset_labels"),
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
    fn zero_and_absent_differ() {
        testing::expect::<ReplicaSet>(
            r#"{"metadata": {"namespace": "a", "name": "r"},
                "spec": {"replicas": 0},
                "status": {"replicas": 1, "readyReplicas": 1}}"#,
            &[],
            &[
                r#"kube_replicaset_status_replicas{namespace="a",replicaset="r"} 1"#,
                r#"kube_replicaset_status_fully_labeled_replicas{namespace="a",replicaset="r"} 0"#,
                r#"kube_replicaset_status_ready_replicas{namespace="a",replicaset="r"} 1"#,
                r#"kube_replicaset_status_observed_generation{namespace="a",replicaset="r"} 0"#,
                r#"kube_replicaset_spec_replicas{namespace="a",replicaset="r"} 0"#,
                r#"kube_replicaset_metadata_generation{namespace="a",replicaset="r"} 0"#,
                r#"kube_replicaset_owner{namespace="a",replicaset="r",owner_kind="",owner_name="",owner_is_controller=""} 1"#,
            ],
        );
    }
}
