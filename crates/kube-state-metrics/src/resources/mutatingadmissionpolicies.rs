//! Mutating admission policies: <https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/>.

use super::{Base, Families, Object};
use crate::object::{Lax, Metadata, Text};
use crate::series::Family;
use crate::series::Stability::Alpha;
use serde::Deserialize;

/// A mutating admission policy.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct MutatingAdmissionPolicy {
    metadata: Metadata,
    spec: Lax<Spec>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    param_kind: Lax<ParamKind>,
    failure_policy: Text,
    reinvocation_policy: Text,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ParamKind {
    api_version: Text,
    kind: Text,
}

impl Object for MutatingAdmissionPolicy {
    const PLURAL: &'static str = "mutatingadmissionpolicies";
    const GROUP: &'static str = "admissionregistration.k8s.io";
    const KIND: &'static str = "MutatingAdmissionPolicy";
    const NAMESPACED: bool = false;
    const BASE: Base<Self> = &[
        ("namespace", |policy| &policy.metadata.namespace),
        ("mutatingadmissionpolicy", |policy| &policy.metadata.name),
    ];
    const FAMILIES: Families<Self> = &[
        Family::gauge(Alpha, "kube_mutatingadmissionpolicy_info",
            &["param_api_version", "param_kind", "failure_policy", "reinvocation_policy"],
            "Parameters and rules of a policy.",
            |policy, out| {
                let spec = &policy.spec;
                let kind = &spec.param_kind;
                out.put(&[&kind.api_version, &kind.kind, &spec.failure_policy, &spec.reinvocation_policy], 1.0);
            }),
        Family::created(Alpha, "kube_mutatingadmissionpolicy_created"),
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
    fn parameters_may_be_absent() {
        testing::expect::<MutatingAdmissionPolicy>(
            r#"{"metadata": {"name": "p"},
                "spec": {"failurePolicy": "Fail", "reinvocationPolicy": "Never"}}"#,
            &[],
            &[
                r#"kube_mutatingadmissionpolicy_info{namespace="",mutatingadmissionpolicy="p",param_api_version="",param_kind="",failure_policy="Fail",reinvocation_policy="Never"} 1"#,
            ],
        );
    }
}
