//! Network policies: <https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/>.

use super::{Base, Families, Object};
use crate::object::{Lax, List, Metadata, Time};
use crate::series::Family;
use crate::series::Stability::Alpha;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// A network policy.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct NetworkPolicy {
    metadata: Metadata,
    spec: Lax<Spec>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Spec {
    ingress: List<IgnoredAny>,
    egress: List<IgnoredAny>,
}

impl Object for NetworkPolicy {
    const PLURAL: &'static str = "networkpolicies";
    const GROUP: &'static str = "networking.k8s.io";
    const KIND: &'static str = "NetworkPolicy";
    const NAMESPACED: bool = true;
    const BASE: Base<Self> = &[
        ("namespace", |policy| &policy.metadata.namespace),
        ("networkpolicy", |policy| &policy.metadata.name),
    ];
    const FAMILIES: Families<Self> = &[
        Family::gauge(Alpha, "kube_networkpolicy_created", &[],
            "When the object was created, in Unix seconds.",
            |policy, out| out.value(policy.metadata.creation_timestamp.unwrap_or(Time::ZERO))),
        Family::annotations(Alpha, "kube_networkpolicy_annotations"),
        Family::labels(Alpha, "kube_networkpolicy_labels"),
        Family::gauge(Alpha, "kube_networkpolicy_spec_ingress_rules", &[],
            "Rules for traffic to pods.",
            |policy, out| out.value(policy.spec.ingress.len())),
        Family::gauge(Alpha, "kube_networkpolicy_spec_egress_rules", &[],
            "Rules for traffic from pods.",
            |policy, out| out.value(policy.spec.egress.len())),
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
    fn an_absent_creation_is_told() {
        testing::expect::<NetworkPolicy>(
            r#"{"metadata": {"namespace": "a", "name": "p", "creationTimestamp": null},
                "spec": {"ingress": [{}, {}]}}"#,
            &[],
            &[
                r#"kube_networkpolicy_created{namespace="a",networkpolicy="p"} -6.21355968e+10"#,
                r#"kube_networkpolicy_spec_ingress_rules{namespace="a",networkpolicy="p"} 2"#,
                r#"kube_networkpolicy_spec_egress_rules{namespace="a",networkpolicy="p"} 0"#,
            ],
        );
    }
}
