//! Roles, of which rules and subjects are not read.

use super::{Base, Families, Object};
use crate::object::Metadata;
use crate::series::Family;
use crate::series::Stability::Alpha;
use serde::Deserialize;

/// A role.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Role {
    metadata: Metadata,
}

impl Object for Role {
    const PLURAL: &'static str = "roles";
    const GROUP: &'static str = "rbac.authorization.k8s.io";
    const KIND: &'static str = "Role";
    const NAMESPACED: bool = true;
    const DEFAULT: bool = false;
    const METADATA_ONLY: bool = true;
    const BASE: Base<Self> = &[
        ("namespace", |role| &role.metadata.namespace),
        ("role", |role| &role.metadata.name),
    ];
    const FAMILIES: Families<Self> = &[
        Family::annotations(Alpha, "kube_role_annotations"),
        Family::labels(Alpha, "kube_role_labels"),
        Family::gauge(Alpha, "kube_role_info", &[],
            "Present for each role.",
            |_, out| out.value(1.0)),
        Family::created(Alpha, "kube_role_created"),
        Family::resource_version(Alpha, "kube_role_metadata_resource_version"),
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
    fn all_families() {
        testing::expect::<Role>(
            r#"{"metadata": {"namespace": "a", "name": "r", "resourceVersion": "9"}}"#,
            &[],
            &[
                r#"kube_role_info{namespace="a",role="r"} 1"#,
                r#"kube_role_metadata_resource_version{namespace="a",role="r"} 9"#,
            ],
        );
    }
}
