//! Pod disruption budgets: <https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/pod-disruption-budget-v1/>.

use super::{Base, Families, Object};
use crate::object::{Lax, Metadata};
use crate::series::Family;
use crate::series::Stability::{Alpha, Stable};
use serde::Deserialize;

/// A pod disruption budget.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct PodDisruptionBudget {
    metadata: Metadata,
    status: Lax<Status>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    current_healthy: Lax<i64>,
    desired_healthy: Lax<i64>,
    disruptions_allowed: Lax<i64>,
    expected_pods: Lax<i64>,
    observed_generation: Lax<i64>,
}

impl Object for PodDisruptionBudget {
    const PLURAL: &'static str = "poddisruptionbudgets";
    const GROUP: &'static str = "policy";
    const KIND: &'static str = "PodDisruptionBudget";
    const NAMESPACED: bool = true;
    const BASE: Base<Self> = &[
        ("namespace", |budget| &budget.metadata.namespace),
        ("poddisruptionbudget", |budget| &budget.metadata.name),
    ];
    const FAMILIES: Families<Self> = &[
        Family::annotations(Alpha, "kube_poddisruptionbudget_annotations"),
        Family::labels(Alpha, "kube_poddisruptionbudget_labels"),
        Family::created(Stable, "kube_poddisruptionbudget_created"),
        Family::gauge(Stable, "kube_poddisruptionbudget_status_current_healthy", &[],
            "Pods that are healthy.",
            |budget, out| out.value(*budget.status.current_healthy)),
        Family::gauge(Stable, "kube_poddisruptionbudget_status_desired_healthy", &[],
            "Pods that must be healthy.",
            |budget, out| out.value(*budget.status.desired_healthy)),
        Family::gauge(Stable, "kube_poddisruptionbudget_status_pod_disruptions_allowed", &[],
            "Pods that may be disrupted now.",
            |budget, out| out.value(*budget.status.disruptions_allowed)),
        Family::gauge(Stable, "kube_poddisruptionbudget_status_expected_pods", &[],
            "Pods that the budget is about.",
            |budget, out| out.value(*budget.status.expected_pods)),
        Family::gauge(Stable, "kube_poddisruptionbudget_status_observed_generation", &[],
            "Generation that the controller has seen.",
            |budget, out| out.value(*budget.status.observed_generation)),
        Family::deletion(Alpha, "kube_poddisruptionbudget_deletion_timestamp"),
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
    fn all_counts() {
        testing::expect::<PodDisruptionBudget>(
            r#"{"metadata": {"namespace": "a", "name": "b"},
                "status": {"currentHealthy": 3, "desiredHealthy": 2, "disruptionsAllowed": 1, "expectedPods": 4, "observedGeneration": 5}}"#,
            &[],
            &[
                r#"kube_poddisruptionbudget_status_current_healthy{namespace="a",poddisruptionbudget="b"} 3"#,
                r#"kube_poddisruptionbudget_status_desired_healthy{namespace="a",poddisruptionbudget="b"} 2"#,
                r#"kube_poddisruptionbudget_status_pod_disruptions_allowed{namespace="a",poddisruptionbudget="b"} 1"#,
                r#"kube_poddisruptionbudget_status_expected_pods{namespace="a",poddisruptionbudget="b"} 4"#,
                r#"kube_poddisruptionbudget_status_observed_generation{namespace="a",poddisruptionbudget="b"} 5"#,
            ],
        );
    }
}
