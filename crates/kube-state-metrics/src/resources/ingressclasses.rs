//! Ingress classes: <https://kubernetes.io/docs/reference/kubernetes-api/extend-resources/ingress-class-v1/>.

use super::{Base, Families, Object};
use crate::object::{Lax, Metadata, Text};
use crate::series::Family;
use crate::series::Stability::Alpha;
use serde::Deserialize;

/// An ingress class.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct IngressClass {
    metadata: Metadata,
    spec: Lax<Spec>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Spec {
    controller: Text,
}

impl Object for IngressClass {
    const PLURAL: &'static str = "ingressclasses";
    const GROUP: &'static str = "networking.k8s.io";
    const KIND: &'static str = "IngressClass";
    const NAMESPACED: bool = false;
    const DEFAULT: bool = false;
    const BASE: Base<Self> = &[
        ("ingressclass", |class| &class.metadata.name),
    ];
    const FAMILIES: Families<Self> = &[
        Family::gauge(Alpha, "kube_ingressclass_info", &["controller"],
            "Controller of a class.",
            |class, out| out.put(&[&class.spec.controller], 1.0)),
        Family::created(Alpha, "kube_ingressclass_created"),
        Family::annotations(Alpha, "kube_ingressclass_annotations"),
        Family::labels(Alpha, "kube_ingressclass_labels"),
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
    fn tells_the_controller() {
        testing::expect::<IngressClass>(
            r#"{"metadata": {"name": "c"},
                "spec": {"controller": "example.com/ingress"}}"#,
            &[],
            &[
                r#"kube_ingressclass_info{ingressclass="c",controller="example.com/ingress"} 1"#,
            ],
        );
    }
}
