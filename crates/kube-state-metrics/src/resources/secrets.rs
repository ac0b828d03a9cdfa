//! Secrets, of which no data is read.

use super::{Base, Families, Object};
use crate::object::{Metadata, Text};
use crate::series::Family;
use crate::series::Stability::{Alpha, Stable};
use serde::Deserialize;

/// A secret.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Secret {
    metadata: Metadata,
    r#type: Text,
}

impl Object for Secret {
    const PLURAL: &'static str = "secrets";
    const GROUP: &'static str = "";
    const KIND: &'static str = "Secret";
    const NAMESPACED: bool = true;
    const BASE: Base<Self> = &[
        ("namespace", |secret| &secret.metadata.namespace),
        ("secret", |secret| &secret.metadata.name),
    ];
    const FAMILIES: Families<Self> = &[
        Family::gauge(Stable, "kube_secret_info", &[],
            "Present for each secret.",
            |_, out| out.value(1.0)),
        Family::gauge(Stable, "kube_secret_type", &["type"],
            "Type of a secret.",
            |secret, out| out.put(&[&secret.r#type], 1.0)),
        Family::annotations(Alpha, "kube_secret_annotations"),
        Family::labels(Stable, "kube_secret_labels"),
        Family::created(Stable, "kube_secret_created"),
        Family::resource_version(Alpha, "kube_secret_metadata_resource_version"),
        Family::owner(Alpha, "kube_secret_owner"),
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
    fn no_data_is_read() {
        testing::expect::<Secret>(
            r#"{"metadata": {"namespace": "a", "name": "s"},
                "type": "Opaque",
                "data": {"password": "aHVudGVyMg=="}}"#,
            &[],
            &[
                r#"kube_secret_info{namespace="a",secret="s"} 1"#,
                r#"kube_secret_type{namespace="a",secret="s",type="Opaque"} 1"#,
                r#"kube_secret_owner{namespace="a",secret="s",owner_kind="",owner_name="",owner_is_controller=""} 1"#,
            ],
        );
    }
}
