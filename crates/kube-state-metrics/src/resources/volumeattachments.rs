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
