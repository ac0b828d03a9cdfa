//! Daemon sets: <https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/daemon-set-v1/>.

use super::{Base, Families, Object};
use crate::object::{Lax, Metadata};
use crate::series::Family;
use crate::series::Stability::{Alpha, Stable};
use serde::Deserialize;

/// A daemon set.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct DaemonSet {
    metadata: Metadata,
    status: Lax<Status>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    current_number_scheduled: Lax<i64>,
    desired_number_scheduled: Lax<i64>,
    number_available: Lax<i64>,
    number_misscheduled: Lax<i64>,
    number_ready: Lax<i64>,
    number_unavailable: Lax<i64>,
    observed_generation: Lax<i64>,
    updated_number_scheduled: Lax<i64>,
}

impl Object for DaemonSet {
    const PLURAL: &'static str = "daemonsets";
    const GROUP: &'static str = "apps";
    const KIND: &'static str = "DaemonSet";
    const NAMESPACED: bool = true;
    const BASE: Base<Self> = &[
        ("namespace", |set| &set.metadata.namespace),
        ("daemonset", |set| &set.metadata.name),
    ];
    const FAMILIES: Families<Self> = &[
        Family::created(Stable, "kube_daemonset_created"),
        Family::gauge(Stable, "kube_daemonset_status_current_number_scheduled", &[],
            "Nodes that run the pod and should.",
            |set, out| out.value(*set.status.current_number_scheduled)),
        Family::gauge(Stable, "kube_daemonset_status_desired_number_scheduled", &[],
            "Nodes that should run the pod.",
            |set, out| out.value(*set.status.desired_number_scheduled)),
        Family::gauge(Stable, "kube_daemonset_status_number_available", &[],
            "Nodes whose pod has been ready for long enough.",
            |set, out| out.value(*set.status.number_available)),
        Family::gauge(Stable, "kube_daemonset_status_number_misscheduled", &[],
            "Nodes that run the pod and should not.",
            |set, out| out.value(*set.status.number_misscheduled)),
        Family::gauge(Stable, "kube_daemonset_status_number_ready", &[],
            "Nodes whose pod is ready.",
            |set, out| out.value(*set.status.number_ready)),
        Family::gauge(Stable, "kube_daemonset_status_number_unavailable", &[],
            "Nodes whose pod is missing or not ready.",
            |set, out| out.value(*set.status.number_unavailable)),
        Family::gauge(Stable, "kube_daemonset_status_observed_generation", &[],
            "Generation that the controller has seen.",
            |set, out| out.value(*set.status.observed_generation)),
        Family::gauge(Stable, "kube_daemonset_status_updated_number_scheduled", &[],
            "Nodes whose pod is of the current template.",
            |set, out| out.value(*set.status.updated_number_scheduled)),
        Family::generation("kube_daemonset_metadata_generation"),
        Family::deletion(Alpha, "kube_daemonset_deletion_timestamp"),
        Family::annotations(Alpha, "kube_daemonset_annotations"),
        Family::labels(Stable, "kube_daemonset_labels"),
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
    fn absent_counts_are_zero() {
        testing::expect::<DaemonSet>(
            r#"{"metadata": {"namespace": "a", "name": "d", "generation": 3, "deletionTimestamp": "2026-01-02T03:04:05Z"},
                "status": {"numberReady": 2}}"#,
            &[],
            &[
                r#"kube_daemonset_status_current_number_scheduled{namespace="a",daemonset="d"} 0"#,
                r#"kube_daemonset_status_desired_number_scheduled{namespace="a",daemonset="d"} 0"#,
                r#"kube_daemonset_status_number_available{namespace="a",daemonset="d"} 0"#,
                r#"kube_daemonset_status_number_misscheduled{namespace="a",daemonset="d"} 0"#,
                r#"kube_daemonset_status_number_ready{namespace="a",daemonset="d"} 2"#,
                r#"kube_daemonset_status_number_unavailable{namespace="a",daemonset="d"} 0"#,
                r#"kube_daemonset_status_observed_generation{namespace="a",daemonset="d"} 0"#,
                r#"kube_daemonset_status_updated_number_scheduled{namespace="a",daemonset="d"} 0"#,
                r#"kube_daemonset_metadata_generation{namespace="a",daemonset="d"} 3"#,
                r#"kube_daemonset_deletion_timestamp{namespace="a",daemonset="d"} 1.767323045e+09"#,
            ],
        );
    }
}
