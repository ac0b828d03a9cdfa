//! Volume attachments: <https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/volume-attachment-v1/>.

use super::{Base, Families, Object};
use crate::object::{Lax, Metadata, Pairs, Text};
use crate::series::Family;
use crate::series::Stability::Alpha;
use serde::Deserialize;

/// A volume attachment.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct VolumeAttachment {
    metadata: Metadata,
    spec: Lax<Spec>,
    status: Lax<Status>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    attacher: Text,
    node_name: Text,
    source: Lax<Source>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Source {
    persistent_volume_name: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    attached: Lax<bool>,
    attachment_metadata: Pairs,
}

impl Object for VolumeAttachment {
    const PLURAL: &'static str = "volumeattachments";
    const GROUP: &'static str = "storage.k8s.io";
    const KIND: &'static str = "VolumeAttachment";
    const NAMESPACED: bool = false;
    const BASE: Base<Self> = &[
        ("volumeattachment", |attachment| &attachment.metadata.name),
    ];
    const FAMILIES: Families<Self> = &[
        Family::gauge(Alpha, "kube_volumeattachment_labels", &[],
            "All labels of an attachment, as labels label_*.",
            |attachment, out| out.pairs("label", &attachment.metadata.labels)),
        Family::gauge(Alpha, "kube_volumeattachment_info", &["attacher", "node"],
            "What attaches a volume, and to which node.",
            |attachment, out| out.put(&[&attachment.spec.attacher, &attachment.spec.node_name], 1.0)),
        Family::created(Alpha, "kube_volumeattachment_created"),
        Family::gauge(Alpha, "kube_volumeattachment_spec_source_persistentvolume", &["volumename"],
            "Volume that is attached.",
            |attachment, out| {
                if let Some(name) = &attachment.spec.source.persistent_volume_name {
                    out.put(&[name], 1.0);
                }
            }),
        Family::gauge(Alpha, "kube_volumeattachment_status_attached", &[],
            "Whether a volume is attached.",
            |attachment, out| out.value(*attachment.status.attached)),
        Family::gauge(Alpha, "kube_volumeattachment_status_attachment_metadata", &[],
            "What the attacher says of an attachment, as labels metadata_*.",
            |attachment, out| out.pairs("metadata", &attachment.status.attachment_metadata)),
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
    fn all_labels_and_metadata() {
        testing::expect::<VolumeAttachment>(
            r#"{"metadata": {"name": "v", "labels": {"a.b/C": "1"}},
                "spec": {"attacher": "csi", "nodeName": "n", "source": {"persistentVolumeName": "pv"}},
                "status": {"attached": true, "attachmentMetadata": {"devicePath": "/dev/x"}}}"#,
            &[],
            &[
                r#"kube_volumeattachment_labels{volumeattachment="v",label_a_b_c="1"} 1"#,
                r#"kube_volumeattachment_info{volumeattachment="v",attacher="csi",node="n"} 1"#,
                r#"kube_volumeattachment_spec_source_persistentvolume{volumeattachment="v",volumename="pv"} 1"#,
                r#"kube_volumeattachment_status_attached{volumeattachment="v"} 1"#,
                r#"kube_volumeattachment_status_attachment_metadata{volumeattachment="v",metadata_device_path="/dev/x"} 1"#,
            ],
        );
    }
}
