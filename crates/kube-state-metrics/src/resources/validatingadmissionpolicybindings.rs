//! Bindings of validating admission policies: <https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/>.

use super::{Base, Families, Object};
use crate::object::{Lax, List, Metadata, Text};
use crate::series::Family;
use crate::series::Stability::Alpha;
use serde::Deserialize;

/// A validating admission policy binding.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct ValidatingAdmissionPolicyBinding {
    metadata: Metadata,
    spec: Lax<Spec>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    policy_name: Text,
    param_ref: Lax<ParamRef>,
    validation_actions: List<Text>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ParamRef {
    name: Text,
    namespace: Text,
    parameter_not_found_action: Text,
}

impl Object for ValidatingAdmissionPolicyBinding {
    const PLURAL: &'static str = "validatingadmissionpolicybindings";
    const GROUP: &'static str = "admissionregistration.k8s.io";
    const KIND: &'static str = "ValidatingAdmissionPolicyBinding";
    const NAMESPACED: bool = false;
    const BASE: Base<Self> = &[
        ("namespace", |binding| &binding.metadata.namespace),
        ("validatingadmissionpolicybinding", |binding| &binding.metadata.name),
    ];
    const FAMILIES: Families<Self> = &[
        Family::gauge(Alpha, "kube_validatingadmissionpolicybinding_info",
            &["policy_name", "param_name", "param_namespace", "param_not_found_action"],
            "Policy of a binding and its parameters.",
            |binding, out| {
                let (spec, param) = (&binding.spec, &binding.spec.param_ref);
                let (namespace, action) = (&param.namespace, &param.parameter_not_found_action);
                out.put(&[&spec.policy_name, &param.name, namespace, action], 1.0);
            }),
        Family::created(Alpha, "kube_validatingadmissionpolicybinding_created"),
        Family::gauge(Alpha, "kube_validatingadmissionpolicybinding_validation_action", &["action"],
            "What is done about objects that a policy refuses.",
            |binding, out| out.each(&binding.spec.validation_actions)),
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
    fn tells_actions() {
        testing::expect::<ValidatingAdmissionPolicyBinding>(
            r#"{"metadata": {"name": "b"},
                "spec": {"policyName": "p", "validationActions": ["Deny", "Audit"]}}"#,
            &[],
            &[
                r#"kube_validatingadmissionpolicybinding_info{namespace="",validatingadmissionpolicybinding="b",policy_name="p",param_name="",param_namespace="",param_not_found_action=""} 1"#,
                r#"kube_validatingadmissionpolicybinding_validation_action{namespace="",validatingadmissionpolicybinding="b",action="Deny"} 1"#,
                r#"kube_validatingadmissionpolicybinding_validation_action{namespace="",validatingadmissionpolicybinding="b",action="Audit"} 1"#,
            ],
        );
    }
}
