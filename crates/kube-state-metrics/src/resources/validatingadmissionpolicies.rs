//! Validating admission policies: <https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/>.

use super::{Base, Families, Object};
use crate::object::{Lax, Metadata, Text};
use crate::series::Family;
use crate::series::Stability::Alpha;
use serde::Deserialize;

/// A validating admission policy.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct ValidatingAdmissionPolicy {
    metadata: Metadata,
    spec: Lax<Spec>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    param_kind: Lax<ParamKind>,
    failure_policy: Text,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ParamKind {
    api_version: Text,
    kind: Text,
}

impl Object for ValidatingAdmissionPolicy {
    const PLURAL: &'static str = "validatingadmissionpolicies";
    const GROUP: &'static str = "admissionregistration.k8s.io";
    const KIND: &'static str = "ValidatingAdmissionPolicy";
    const NAMESPACED: bool = false;
    const BASE: Base<Self> = &[
        ("namespace", |policy| &policy.metadata.namespace),
        ("validatingadmissionpolicy", |policy| &policy.metadata.name),
    ];
    const FAMILIES: Families<Self> = &[
        Family::gauge(Alpha, "kube_validatingadmissionpolicy_info",
            &["param_api_version", "param_kind", "failure_policy"],
            "Parameters and rules of a policy.",
            |policy, out| {
                let spec = &policy.spec;
                let kind = &spec.param_kind;
                out.put(&[&kind.api_version, &kind.kind, &spec.failure_policy], 1.0);
            }),
        Family::created(Alpha, "kube_validatingadmissionpolicy_created"),
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
    fn tells_parameters() {
        testing::expect::<ValidatingAdmissionPolicy>(
            r#"{"metadata": {"name": "p"},
                "spec": {"paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}, "failurePolicy": "Ignore"}}"#,
            &[],
            &[
                r#"kube_validatingadmissionpolicy_info{namespace="",validatingadmissionpolicy="p",param_api_version="v1",param_kind="ConfigMap",failure_policy="Ignore"} 1"#,
            ],
        );
    }
}
