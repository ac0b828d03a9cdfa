//! Cluster roles, of which rules and subjects are not read.

use super::{Base, Families, Object};
use crate::object::Metadata;
use crate::series::Family;
use crate::series::Stability::Alpha;
use serde::Deserialize;

/// A cluster role.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct ClusterRole {
    metadata: Metadata,
}

impl Object for ClusterRole {
    const PLURAL: &'static str = "clusterroles";
    const GROUP: &'static str = "rbac.authorization.k8s.io";
    const KIND: &'static str = "ClusterRole";
    const NAMESPACED: bool = false;
    const DEFAULT: bool = false;
    const METADATA_ONLY: bool = true;
    const BASE: Base<Self> = &[
        ("clusterrole", |role| &role.metadata.name),
    ];
    const FAMILIES: Families<Self> = &[
        Family::annotations(Alpha, "kube_clusterrole_annotations"),
        Family::labels(Alpha, "kube_clusterrole_labels"),
        Family::gauge(Alpha, "kube_clusterrole_info", &[],
            "Present for each cluster role.",
            |_, out| out.value(1.0)),
        Family::created(Alpha, "kube_clusterrole_created"),
        Family::resource_version(Alpha, "kube_clusterrole_metadata_resource_version"),
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
        testing::expect::<ClusterRole>(
            r#"{"metadata": {"name": "r", "resourceVersion": "nonsense", "creationTimestamp": "2026-01-02T03:04:05Z"}}"#,
            &[],
            &[
                r#"kube_clusterrole_info{clusterrole="r"} 1"#,
                r#"kube_clusterrole_created{clusterrole="r"} 1.767323045e+09"#,
            ],
        );
    }
}
