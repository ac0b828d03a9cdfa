//! Role bindings, of which rules and subjects are not read.

use super::{Base, Families, Object};
use crate::object::{Lax, Metadata, Text};
use crate::series::Family;
use crate::series::Stability::Alpha;
use serde::Deserialize;

/// A role binding.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RoleBinding {
    metadata: Metadata,
    role_ref: Lax<RoleRef>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RoleRef {
    kind: Text,
    name: Text,
}

impl Object for RoleBinding {
    const PLURAL: &'static str = "rolebindings";
    const GROUP: &'static str = "rbac.authorization.k8s.io";
    const KIND: &'static str = "RoleBinding";
    const NAMESPACED: bool = true;
    const DEFAULT: bool = false;
    const BASE: Base<Self> = &[
        ("namespace", |binding| &binding.metadata.namespace),
        ("rolebinding", |binding| &binding.metadata.name),
    ];
    const FAMILIES: Families<Self> = &[
        Family::annotations(Alpha, "kube_rolebinding_annotations"),
        Family::labels(Alpha, "kube_rolebinding_labels"),
        Family::gauge(Alpha, "kube_rolebinding_info", &["roleref_kind", "roleref_name"],
            "The role that a role binding gives.",
            |binding, out| out.put(&[&binding.role_ref.kind, &binding.role_ref.name], 1.0)),
        Family::created(Alpha, "kube_rolebinding_created"),
        Family::resource_version(Alpha, "kube_rolebinding_metadata_resource_version"),
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
        testing::expect::<RoleBinding>(
            r#"{"metadata": {"namespace": "a", "name": "b"},
                "roleRef": {"kind": "Role", "name": "r"}}"#,
            &[],
            &[
                r#"kube_rolebinding_info{namespace="a",rolebinding="b",roleref_kind="Role",roleref_name="r"} 1"#,
            ],
        );
    }
}
