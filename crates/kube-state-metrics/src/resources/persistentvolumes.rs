//! Persistent volumes: <https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/persistent-volume-v1/>.

use super::{Base, Families, Object};
use crate::object::{Lax, List, Map, Metadata, Pairs, Text};
use crate::quantity::Quantity;
use crate::series::Stability::{Alpha, Stable};
use crate::series::{Family, Series};
use serde::Deserialize;

/// A persistent volume.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct PersistentVolume {
    metadata: Metadata,
    spec: Lax<Spec>,
    status: Lax<Status>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    access_modes: List<Text>,
    capacity: Map<Quantity>,
    claim_ref: Option<ClaimRef>,
    persistent_volume_reclaim_policy: Text,
    storage_class_name: Text,
    volume_mode: Option<String>,
    gce_persistent_disk: Option<Gce>,
    aws_elastic_block_store: Option<Aws>,
    azure_disk: Option<Azure>,
    fc: Option<Fc>,
    iscsi: Option<Iscsi>,
    nfs: Option<Nfs>,
    csi: Option<Csi>,
    local: Option<Local>,
    host_path: Option<HostPath>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ClaimRef {
    name: Text,
    namespace: Text,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Gce {
    pd_name: Text,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Aws {
    #[serde(rename = "volumeID")]
    volume_id: Text,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Azure {
    disk_name: Text,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Fc {
    wwids: List<Text>,
    lun: Option<i64>,
    #[serde(rename = "targetWWNs")]
    target_wwns: List<Text>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Iscsi {
    target_portal: Text,
    iqn: Text,
    lun: Lax<i64>,
    initiator_name: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Nfs {
    server: Text,
    path: Text,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Csi {
    driver: Text,
    volume_handle: Text,
    volume_attributes: Pairs,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Local {
    path: Text,
    fs_type: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct HostPath {
    path: Text,
    r#type: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    phase: Text,
}

const PHASES: &[&str] = &["Pending", "Available", "Bound", "Released", "Failed"];

impl Object for PersistentVolume {
    const PLURAL: &'static str = "persistentvolumes";
    const GROUP: &'static str = "";
    const KIND: &'static str = "PersistentVolume";
    const NAMESPACED: bool = false;
    const BASE: Base<Self> = &[
        ("persistentvolume", |volume| &volume.metadata.name),
    ];
    const FAMILIES: Families<Self> = &[
        Family::gauge(Stable, "kube_persistentvolume_claim_ref", &["name", "claim_namespace"],
            "Claim that a volume is bound to.",
            |volume, out| {
                if let Some(claim) = &volume.spec.claim_ref {
                    out.put(&[&claim.name, &claim.namespace], 1.0);
                }
            }),
        Family::annotations(Alpha, "kube_persistentvolume_annotations"),
        Family::labels(Stable, "kube_persistentvolume_labels"),
        Family::gauge(Stable, "kube_persistentvolume_status_phase", &["phase"],
            "Phase of a volume, one series each.",
            |volume, out| {
                if !volume.status.phase.is_empty() {
                    out.states(PHASES, &volume.status.phase);
                }
            }),
        Family::gauge(Stable, "kube_persistentvolume_info",
            &["storageclass", "gce_persistent_disk_name", "ebs_volume_id", "azure_disk_name",
              "fc_wwids", "fc_lun", "fc_target_wwns", "iscsi_target_portal", "iscsi_iqn",
              "iscsi_lun", "iscsi_initiator_name", "nfs_server", "nfs_path", "csi_driver",
              "csi_volume_handle", "local_path", "local_fs", "host_path", "host_path_type",
              "reclaim_policy"],
            "Storage class, reclaim policy and source of a volume.",
            |volume, out| volume.info(out)),
        Family::gauge(Stable, "kube_persistentvolume_capacity_bytes", &[],
            "Size of a volume.",
            |volume, out| out.value(volume.spec.capacity.get("storage").map_or(0.0, |q| q.value()))),
        Family::created(Alpha, "kube_persistentvolume_created"),
        Family::deletion(Alpha, "kube_persistentvolume_deletion_timestamp"),
        Family::gauge(Alpha, "kube_persistentvolume_csi_attributes",
            &["csi_mounter", "csi_map_options"],
            "Mounter and options of a CSI volume.",
            |volume: &PersistentVolume, out| {
                if let Some(csi) = &volume.spec.csi {
                    let attribute = |name| csi.volume_attributes.get(name).map_or("", String::as_str);
                    out.put(&[attribute("mounter"), attribute("mapOptions")], 1.0);
                }
            }).opt_in(),
        Family::gauge(Alpha, "kube_persistentvolume_volume_mode", &["volumemode"],
            "Whether a volume is a file system or a block device.",
            |volume, out| out.put(&[volume.spec.volume_mode.as_deref().unwrap_or("Filesystem")], 1.0)),
        Family::gauge(Alpha, "kube_persistentvolume_access_mode", &["access_mode"],
            "How a volume may be mounted.",
            |volume, out| out.each(&volume.spec.access_modes)),
    ];

    fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}

impl PersistentVolume {
    fn info(&self, out: &mut Series<'_>) {
        let spec = &self.spec;
        let (place, source) = spec.source();
        let mut labels = [""; 20];
        labels[0] = &spec.storage_class_name;
        labels[19] = &spec.persistent_volume_reclaim_policy;
        for (label, value) in labels[place..19].iter_mut().zip(&source) {
            *label = value;
        }
        out.put(&labels, 1.0);
    }
}

impl Spec {
    /// The labels of the first source that is set, and the place of the first of them.
    fn source(&self) -> (usize, Vec<String>) {
        let text = |text: &Text| text.0.clone();
        let number = |number: i64| number.to_string();
        if let Some(disk) = &self.gce_persistent_disk {
            (1, vec![text(&disk.pd_name)])
        } else if let Some(disk) = &self.aws_elastic_block_store {
            (2, vec![text(&disk.volume_id)])
        } else if let Some(disk) = &self.azure_disk {
            (3, vec![text(&disk.disk_name)])
        } else if let Some(fc) = &self.fc {
            let lun = fc.lun.map(number).unwrap_or_default();
            (4, vec![joined(&fc.wwids), lun, joined(&fc.target_wwns)])
        } else if let Some(iscsi) = &self.iscsi {
            let (portal, iqn) = (text(&iscsi.target_portal), text(&iscsi.iqn));
            (7, vec![portal, iqn, number(*iscsi.lun), text(&iscsi.initiator_name)])
        } else if let Some(nfs) = &self.nfs {
            (11, vec![text(&nfs.server), text(&nfs.path)])
        } else if let Some(csi) = &self.csi {
            (13, vec![text(&csi.driver), text(&csi.volume_handle)])
        } else if let Some(local) = &self.local {
            (15, vec![text(&local.path), text(&local.fs_type)])
        } else if let Some(host) = &self.host_path {
            (17, vec![text(&host.path), text(&host.r#type)])
        } else {
            (1, Vec::new())
        }
    }
}

fn joined(texts: &[Text]) -> String {
    let texts: Vec<&str> = texts.iter().map(|text| text.as_str()).collect();
    texts.join(",")
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    #[test]
    fn the_first_source_counts() {
        testing::expect::<PersistentVolume>(
            r#"{"metadata": {"name": "v"},
                "spec": {"capacity": {"storage": "5Gi"}, "storageClassName": "fast", "persistentVolumeReclaimPolicy": "Retain", "iscsi": {"targetPortal": "10.0.0.1:3260", "iqn": "q"}, "hostPath": {"path": "/x"}, "claimRef": {"name": "c", "namespace": "a"}},
                "status": {"phase": "Bound"}}"#,
            &[],
            &[
                r#"kube_persistentvolume_claim_ref{persistentvolume="v",name="c",claim_namespace="a"} 1"#,
                r#"kube_persistentvolume_status_phase{persistentvolume="v",phase="Pending"} 0"#,
                r#"kube_persistentvolume_status_phase{persistentvolume="v",phase="Available"} 0"#,
                r#"kube_persistentvolume_status_phase{persistentvolume="v",phase="Bound"} 1"#,
                r#"kube_persistentvolume_status_phase{persistentvolume="v",phase="Released"} 0"#,
                r#"kube_persistentvolume_status_phase{persistentvolume="v",phase="Failed"} 0"#,
                r#"kube_persistentvolume_info{persistentvolume="v",storageclass="fast",gce_persistent_disk_name="",ebs_volume_id="",azure_disk_name="",fc_wwids="",fc_lun="",fc_target_wwns="",iscsi_target_portal="10.0.0.1:3260",iscsi_iqn="q",iscsi_lun="0",iscsi_initiator_name="",nfs_server="",nfs_path="",csi_driver="",csi_volume_handle="",local_path="",local_fs="",host_path="",host_path_type="",reclaim_policy="Retain"} 1"#,
                r#"kube_persistentvolume_capacity_bytes{persistentvolume="v"} 5.36870912e+09"#,
                r#"kube_persistentvolume_volume_mode{persistentvolume="v",volumemode="Filesystem"} 1"#,
            ],
        );
    }
}
