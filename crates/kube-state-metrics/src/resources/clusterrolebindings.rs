//! Cluster role bindings, of which rules and subjects are not read.

use super::{Base, Families, Object};
use crate::object::{Lax, Metadata, Text};
use crate::series::Family;
use crate::series::Stability::Alpha;
use serde::Deserialize;

/// A cluster role binding.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClusterRoleBinding {
    metadata: Metadata,
    role_ref: Lax<RoleRef>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RoleRef {
    kind: Text,
    name: Text,
}

impl Object for ClusterRoleBinding {
    const PLURAL: &'static str = "clusterrolebindings";
    const GROUP: &'static str = "rbac.authorization.k8s.io";
    const KIND: &'static str = "ClusterRoleBinding";
    const NAMESPACED: bool = false;
    const DEFAULT: bool = false;
    const BASE: Base<Self> = &[
        ("clusterrolebinding", |binding| &binding.metadata.name),
    ];
    const FAMILIES: Families<Self> = &[
        Family::annotations(Alpha, "kube_clusterrolebinding_annotations"),
        Family::labels(Alpha, "kube_clusterrolebinding_labels"),
        Family::gauge(Alpha, "kube_clusterrolebinding_info", &["roleref_kind", "roleref_name"],
            "The role that a cluster role binding gives.",
            |binding, out| out.put(&[&binding.role_ref.kind, &binding.role_ref.name], 1.0)),
        Family::created(Alpha, "kube_clusterrolebinding_created"),
        Family::resource_version(Alpha, "kube_clusterrolebinding_metadata_resource_version"),
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
    fn tells_the_role() {
        testing::expect::<ClusterRoleBinding>(
            r#"{"metadata": {"name": "b", "resourceVersion": "12e2"},
                "roleRef": {"kind": "ClusterRole", "name": "admin"}}"#,
            &[],
            &[
                r#"kube_clusterrolebinding_info{clusterrolebinding="b",roleref_kind="ClusterRole",roleref_name="admin"} 1"#,
                r#"kube_clusterrolebinding_metadata_resource_version{clusterrolebinding="b"} 1200"#,
            ],
        );
    }
}
