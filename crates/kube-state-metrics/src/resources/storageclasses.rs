//! Storage classes: <https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/storage-class-v1/>.

use super::{Base, Families, Object};
use crate::object::{Metadata, Text};
use crate::series::Family;
use crate::series::Stability::{Alpha, Stable};
use serde::Deserialize;

/// A storage class.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct StorageClass {
    metadata: Metadata,
    provisioner: Text,
    reclaim_policy: Option<String>,
    volume_binding_mode: Option<String>,
}

impl Object for StorageClass {
    const PLURAL: &'static str = "storageclasses";
    const GROUP: &'static str = "storage.k8s.io";
    const KIND: &'static str = "StorageClass";
    const NAMESPACED: bool = false;
    const BASE: Base<Self> = &[
        ("storageclass", |class| &class.metadata.name),
    ];
    const FAMILIES: Families<Self> = &[
        Family::gauge(Stable, "kube_storageclass_info",
            &["provisioner", "reclaim_policy", "volume_binding_mode"],
            "What makes volumes of a class, when, and what becomes of them.",
            |class, out| {
                let policy = class.reclaim_policy.as_deref().unwrap_or("Delete");
                let mode = class.volume_binding_mode.as_deref().unwrap_or("Immediate");
                out.put(&[&class.provisioner, policy, mode], 1.0);
            }),
        Family::created(Stable, "kube_storageclass_created"),
        Family::annotations(Alpha, "kube_storageclass_annotations"),
        Family::labels(Stable, "kube_storageclass_labels"),
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
    fn defaults() {
        testing::expect::<StorageClass>(
            r#"{"metadata": {"name": "c"},
                "provisioner": "example.com/disk"}"#,
            &[],
            &[
                r#"kube_storageclass_info{storageclass="c",provisioner="example.com/disk",reclaim_policy="Delete",volume_binding_mode="Immediate"} 1"#,
            ],
        );
    }
}
