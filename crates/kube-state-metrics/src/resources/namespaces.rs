//! Namespaces: <https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/namespace-v1/>.

use super::{Base, Families, Object};
use crate::object::{Condition, Lax, List, Metadata, Text};
use crate::series::Family;
use crate::series::Stability::{Alpha, Stable};
use serde::Deserialize;

/// A namespace.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Namespace {
    metadata: Metadata,
    status: Lax<Status>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    phase: Text,
    conditions: List<Condition>,
}

impl Object for Namespace {
    const PLURAL: &'static str = "namespaces";
    const GROUP: &'static str = "";
    const KIND: &'static str = "Namespace";
    const NAMESPACED: bool = false;
    const BASE: Base<Self> = &[
        ("namespace", |namespace| &namespace.metadata.name),
    ];
    const FAMILIES: Families<Self> = &[
        Family::created(Stable, "kube_namespace_created"),
        Family::annotations(Alpha, "kube_namespace_annotations"),
        Family::labels(Stable, "kube_namespace_labels"),
        Family::gauge(Stable, "kube_namespace_status_phase", &["phase"],
            "Phase of a namespace, one series each.",
            |namespace, out| out.states(&["Active", "Terminating"], &namespace.status.phase)),
        Family::gauge(Alpha, "kube_namespace_status_condition", &["condition", "status"],
            "Conditions of a namespace, one series a status.",
            |namespace, out| out.conditions(&namespace.status.conditions)),
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
    fn phases_and_conditions() {
        testing::expect::<Namespace>(
            r#"{"metadata": {"name": "a"},
                "status": {"phase": "Terminating",
                "conditions": [{"type": "NamespaceContentRemaining",
                "status": "True"}]}}"#,
            &[],
            &[
                r#"kube_namespace_status_phase{namespace="a",phase="Active"} 0"#,
                r#"kube_namespace_status_phase{namespace="a",phase="Terminating"} 1"#,
                r#"kube_namespace_status_condition{namespace="a",condition="NamespaceContentRemaining",status="true"} 1"#,
                r#"kube_namespace_status_condition{namespace="a",condition="NamespaceContentRemaining",status="false"} 0"#,
                r#"kube_namespace_status_condition{namespace="a",condition="NamespaceContentRemaining",status="unknown"} 0"#,
            ],
        );
    }
}
