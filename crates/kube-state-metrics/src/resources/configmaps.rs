//! Config maps, of which only metadata is read.

use super::{Base, Families, Object};
use crate::object::Metadata;
use crate::series::Family;
use crate::series::Stability::{Alpha, Stable};
use serde::Deserialize;

/// A config map.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct ConfigMap {
    metadata: Metadata,
}

impl Object for ConfigMap {
    const PLURAL: &'static str = "configmaps";
    const GROUP: &'static str = "";
    const KIND: &'static str = "ConfigMap";
    const NAMESPACED: bool = true;
    const METADATA_ONLY: bool = true;
    const BASE: Base<Self> = &[
        ("namespace", |map| &map.metadata.namespace),
        ("configmap", |map| &map.metadata.name),
    ];
    const FAMILIES: Families<Self> = &[
        Family::annotations(Alpha, "kube_configmap_annotations"),
        Family::labels(Stable, "kube_configmap_labels"),
        Family::gauge(Stable, "kube_configmap_info", &[], "Present for each config map.",
            |_, out| out.value(1.0)),
        Family::created(Stable, "kube_configmap_created"),
        Family::resource_version(Alpha, "kube_configmap_metadata_resource_version"),
    ];

    fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;
    use crate::selection::{KeyLists, Selection};

    #[test]
    fn chosen_labels() {
        let selection = Selection {
            labels: KeyLists::parse("configmaps=[app.*,x]").unwrap(),
            ..Selection::default()
        };
        testing::expect_with::<ConfigMap>(
            &selection,
            r#"{"metadata": {"namespace": "a", "name": "b\"c", "resourceVersion": "123456789",
                "labels": {"app.kubernetes.io/partOf": "q\\\"\n", "y": "1"}}, "data": {"k": "secret"}}"#,
            &[],
            &[
                r#"kube_configmap_labels{namespace="a",configmap="b\"c",label_app_kubernetes_io_part_of="q\\\"\n"} 1"#,
                r#"kube_configmap_info{namespace="a",configmap="b\"c"} 1"#,
                r#"kube_configmap_metadata_resource_version{namespace="a",configmap="b\"c"} 1.23456789e+08"#,
            ],
        );
    }
}
