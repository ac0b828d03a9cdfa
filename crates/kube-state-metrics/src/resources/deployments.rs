//! Deployments: <https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/deployment-v1/>.

use super::{Base, Families, Object};
use crate::object::{Condition, IntOrText, Lax, List, Metadata};
use crate::series::Family;
use crate::series::Stability::{Alpha, Stable};
use serde::Deserialize;

/// A deployment.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Deployment {
    metadata: Metadata,
    spec: Lax<Spec>,
    status: Lax<Status>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Spec {
    replicas: Option<i64>,
    paused: Lax<bool>,
    strategy: Lax<Strategy>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Strategy {
    rolling_update: Lax<RollingUpdate>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RollingUpdate {
    max_unavailable: Option<IntOrText>,
    max_surge: Option<IntOrText>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    replicas: Lax<i64>,
    ready_replicas: Lax<i64>,
    available_replicas: Lax<i64>,
    unavailable_replicas: Lax<i64>,
    updated_replicas: Lax<i64>,
    terminating_replicas: Option<i64>,
    observed_generation: Lax<i64>,
    conditions: List<Condition>,
}

/// Reasons of conditions that are told; others are `unknown`.
const REASONS: &[&str] = &[
    "", "ReplicaSetUpdated", "ReplicaSetCreateError", "NewReplicaSetCreated",
    "FoundNewReplicaSet", "NewReplicaSetAvailable", "ProgressDeadlineExceeded",
    "DeploymentPaused", "DeploymentResumed", "MinimumReplicasAvailable",
    "MinimumReplicasUnavailable",
];

impl Object for Deployment {
    const PLURAL: &'static str = "deployments";
    const GROUP: &'static str = "apps";
    const KIND: &'static str = "Deployment";
    const NAMESPACED: bool = true;
    const BASE: Base<Self> = &[
        ("namespace", |deployment| &deployment.metadata.namespace),
        ("deployment", |deployment| &deployment.metadata.name),
    ];
    const FAMILIES: Families<Self> = &[
        Family::gauge(Alpha, "kube_deployment_owner", &["owner_kind", "owner_name"],
            "Owners of the object, or one series with empty labels where it has none.",
            |deployment, out| {
                let owners = &deployment.metadata.owner_references;
                for owner in owners.iter() {
                    out.put(&[&owner.kind, &owner.name], 1.0);
                }
                if owners.is_empty() {
                    out.put(&["", ""], 1.0);
                }
            }),
        Family::created(Stable, "kube_deployment_created"),
        Family::gauge(Stable, "kube_deployment_status_replicas", &[],
            "Pods that the deployment has.",
            |deployment, out| out.value(*deployment.status.replicas)),
        Family::gauge(Stable, "kube_deployment_status_replicas_ready", &[],
            "Pods that are ready.",
            |deployment, out| out.value(*deployment.status.ready_replicas)),
        Family::gauge(Stable, "kube_deployment_status_replicas_available", &[],
            "Pods that have been ready for long enough.",
            |deployment, out| out.value(*deployment.status.available_replicas)),
        Family::gauge(Stable, "kube_deployment_status_replicas_unavailable", &[],
            "Pods that are still missing.",
            |deployment, out| out.value(*deployment.status.unavailable_replicas)),
        Family::gauge(Stable, "kube_deployment_status_replicas_updated", &[],
            "Pods of the current template.",
            |deployment, out| out.value(*deployment.status.updated_replicas)),
        Family::gauge(Alpha, "kube_deployment_status_terminating_replicas", &[],
            "Pods that are being deleted.",
            |deployment, out| out.some(deployment.status.terminating_replicas)),
        Family::gauge(Stable, "kube_deployment_status_observed_generation", &[],
            "Generation that the controller has seen.",
            |deployment, out| out.value(*deployment.status.observed_generation)),
        Family::gauge(Stable, "kube_deployment_status_condition",
            &["reason", "condition", "status"],
            "Conditions of a deployment, one series a status.",
            |deployment, out| {
                for condition in deployment.status.conditions.iter() {
                    let reason = condition.reason.as_str();
                    let reason = if REASONS.contains(&reason) { reason } else { "unknown" };
                    out.triple(&[reason, &condition.r#type], &condition.status);
                }
            }),
        Family::gauge(Stable, "kube_deployment_spec_replicas", &[],
            "Pods that are asked for.",
            |deployment, out| out.some(deployment.spec.replicas)),
        Family::gauge(Stable, "kube_deployment_spec_paused", &[],
            "Whether the controller leaves the deployment alone.",
            |deployment, out| out.value(*deployment.spec.paused)),
        Family::gauge(Stable, "kube_deployment_spec_strategy_rollingupdate_max_unavailable", &[],
            "Pods that may be missing during an update.",
            |deployment, out| {
                let strategy = &deployment.spec.strategy.rolling_update;
                out.share(strategy.max_unavailable.as_ref(), deployment.spec.replicas, false);
            }),
        Family::gauge(Stable, "kube_deployment_spec_strategy_rollingupdate_max_surge", &[],
            "Pods that may exist in excess during an update.",
            |deployment, out| {
                let strategy = &deployment.spec.strategy.rolling_update;
                out.share(strategy.max_surge.as_ref(), deployment.spec.replicas, true);
            }),
        Family::generation("kube_deployment_metadata_generation"),
        Family::deletion(Alpha, "kube_deployment_deletion_timestamp"),
        Family::annotations(Alpha, "kube_deployment_annotations"),
        Family::labels(Stable, "kube_deployment_labels"),
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
    fn shares_and_reasons() {
        testing::expect::<Deployment>(
            r#"{"metadata": {"namespace": "a", "name": "d"},
                "spec": {"replicas": 5, "strategy": {"rollingUpdate":
                  {"maxSurge": "30%", "maxUnavailable": "30%"}}},
                "status": {"conditions": [{"type": "Progressing", "status": "Odd", "reason": "Mine"}]}}"#,
            &["kube_deployment_status_condition", "kube_deployment_owner",
              "kube_deployment_spec_strategy_rollingupdate_max_surge",
              "kube_deployment_spec_strategy_rollingupdate_max_unavailable"],
            &[
                r#"kube_deployment_owner{namespace="a",deployment="d",owner_kind="",owner_name=""} 1"#,
                r#"kube_deployment_status_condition{namespace="a",deployment="d",reason="unknown",condition="Progressing",status="true"} 0"#,
                r#"kube_deployment_status_condition{namespace="a",deployment="d",reason="unknown",condition="Progressing",status="false"} 0"#,
                r#"kube_deployment_status_condition{namespace="a",deployment="d",reason="unknown",condition="Progressing",status="unknown"} 0"#,
                r#"kube_deployment_spec_strategy_rollingupdate_max_unavailable{namespace="a",deployment="d"} 1"#,
                r#"kube_deployment_spec_strategy_rollingupdate_max_surge{namespace="a",deployment="d"} 2"#,
            ],
        );
    }
}
