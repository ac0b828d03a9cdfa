//! Replication controllers: <https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/replication-controller-v1/>.

use super::{Base, Families, Object};
use crate::object::{Lax, Metadata};
use crate::series::Family;
use crate::series::Stability::{Alpha, Stable};
use serde::Deserialize;

/// A replication controller.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct ReplicationController {
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
    available_replicas: Lax<i64>,
    observed_generation: Lax<i64>,
}

impl Object for ReplicationController {
    const PLURAL: &'static str = "replicationcontrollers";
    const GROUP: &'static str = "";
    const KIND: &'static str = "ReplicationController";
    const NAMESPACED: bool = true;
    const BASE: Base<Self> = &[
        ("namespace", |set| &set.metadata.namespace),
        ("replicationcontroller", |set| &set.metadata.name),
    ];
    const FAMILIES: Families<Self> = &[
        Family::created(Stable, "kube_replicationcontroller_created"),
        Family::gauge(Stable, "kube_replicationcontroller_status_replicas", &[],
            "Pods that there are.",
            |set, out| out.value(*set.status.replicas)),
        Family::gauge(Stable, "kube_replicationcontroller_status_fully_labeled_replicas", &[],
            "Pods that have all labels of the template.",
            |set, out| out.value(*set.status.fully_labeled_replicas)),
        Family::gauge(Stable, "kube_replicationcontroller_status_ready_replicas", &[],
            "Pods that are ready.",
            |set, out| out.value(*set.status.ready_replicas)),
        Family::gauge(Stable, "kube_replicationcontroller_status_available_replicas", &[],
            "Pods that have been ready for long enough.",
            |set, out| out.value(*set.status.available_replicas)),
        Family::gauge(Stable, "kube_replicationcontroller_status_observed_generation", &[],
            "Generation that the controller has seen.",
            |set, out| out.value(*set.status.observed_generation)),
        Family::gauge(Stable, "kube_replicationcontroller_spec_replicas", &[],
            "Pods that are asked for.",
            |set, out| out.some(set.spec.replicas)),
        Family::generation("kube_replicationcontroller_metadata_generation"),
        Family::owner(Alpha, "kube_replicationcontroller_owner"),
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
    fn owners() {
        testing::expect::<ReplicationController>(
            r#"{"metadata": {"namespace": "a", "name": "r", "ownerReferences": [{"kind": "DeploymentConfig", "name": "d", "controller": true}]},
                "spec": {"replicas": 2},
                "status": {"availableReplicas": 1}}"#,
            &[],
            &[
                r#"kube_replicationcontroller_status_replicas{namespace="a",replicationcontroller="r"} 0"#,
                r#"kube_replicationcontroller_status_fully_labeled_replicas{namespace="a",replicationcontroller="r"} 0"#,
                r#"kube_replicationcontroller_status_ready_replicas{namespace="a",replicationcontroller="r"} 0"#,
                r#"kube_replicationcontroller_status_available_replicas{namespace="a",replicationcontroller="r"} 1"#,
                r#"kube_replicationcontroller_status_observed_generation{namespace="a",replicationcontroller="r"} 0"#,
                r#"kube_replicationcontroller_spec_replicas{namespace="a",replicationcontroller="r"} 2"#,
                r#"kube_replicationcontroller_metadata_generation{namespace="a",replicationcontroller="r"} 0"#,
                r#"kube_replicationcontroller_owner{namespace="a",replicationcontroller="r",owner_kind="DeploymentConfig",owner_name="d",owner_is_controller="true"} 1"#,
            ],
        );
    }
}
