//! Bindings of mutating admission policies: <https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/>.

use super::{Base, Families, Object};
use crate::object::{Lax, Metadata, Text};
use crate::series::Family;
use crate::series::Stability::Alpha;
use serde::Deserialize;

/// A mutating admission policy binding.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct MutatingAdmissionPolicyBinding {
    metadata: Metadata,
    spec: Lax<Spec>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    policy_name: Text,
    param_ref: Lax<ParamRef>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ParamRef {
    name: Text,
    namespace: Text,
    parameter_not_found_action: Text,
}

impl Object for MutatingAdmissionPolicyBinding {
    const PLURAL: &'static str = "mutatingadmissionpolicybindings";
    const GROUP: &'static str = "admissionregistration.k8s.io";
    const KIND: &'static str = "MutatingAdmissionPolicyBinding";
    const NAMESPACED: bool = false;
    const BASE: Base<Self> = &[
        ("namespace", |binding| &binding.metadata.namespace),
        ("mutatingadmissionpolicybinding", |binding| &binding.metadata.name),
    ];
    const FAMILIES: Families<Self> = &[
        Family::gauge(Alpha, "kube_mutatingadmissionpolicybinding_info",
            &["policy_name", "param_name", "param_namespace", "param_not_found_action"],
            "Policy of a binding and its parameters.",
            |binding, out| {
                let (spec, param) = (&binding.spec, &binding.spec.param_ref);
                let (namespace, action) = (&param.namespace, &param.parameter_not_found_action);
                out.put(&[&spec.policy_name, &param.name, namespace, action], 1.0);
            }),
        Family::created(Alpha, "kube_mutatingadmissionpolicybinding_created"),
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
    fn tells_policy_and_parameters() {
        testing::expect::<MutatingAdmissionPolicyBinding>(
            r#"{"metadata": {"name": "b"},
                "spec": {"policyName": "p", "paramRef": {"name": "n", "namespace": "a", "parameterNotFoundAction": "Deny"}}}"#,
            &[],
            &[
                r#"kube_mutatingadmissionpolicybinding_info{namespace="",mutatingadmissionpolicybinding="b",policy_name="p",param_name="n",param_namespace="a",param_not_found_action="Deny"} 1"#,
            ],
        );
    }
}
