//! Nodes: <https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/node-v1/>.

use super::{Base, Families, Object, amounts};
use crate::object::{Condition, Lax, List, Map, Metadata, Text};
use crate::quantity::Quantity;
use crate::series::Stability::{Alpha, Stable};
use crate::series::{Family, Series};
use serde::Deserialize;

/// A node.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Node {
    metadata: Metadata,
    spec: Lax<Spec>,
    status: Lax<Status>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    #[serde(rename = "podCIDR")]
    pod_cidr: Text,
    #[serde(rename = "podCIDRs")]
    pod_cidrs: List<Text>,
    #[serde(rename = "providerID")]
    provider_id: Text,
    taints: List<Taint>,
    unschedulable: Lax<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Taint {
    key: Text,
    value: Text,
    effect: Text,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    addresses: List<Address>,
    allocatable: Map<Quantity>,
    capacity: Map<Quantity>,
    conditions: List<Condition>,
    node_info: Lax<Info>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Address {
    r#type: Text,
    address: Text,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Info {
    kernel_version: Text,
    os_image: Text,
    container_runtime_version: Text,
    kubelet_version: Text,
    #[serde(rename = "systemUUID")]
    system_uuid: Text,
}

const ROLE: &str = "node-role.kubernetes.io/";

impl Object for Node {
    const PLURAL: &'static str = "nodes";
    const GROUP: &'static str = "";
    const KIND: &'static str = "Node";
    const NAMESPACED: bool = false;
    const BASE: Base<Self> =
        &[("node", |node| &node.metadata.name)];
    const FAMILIES: Families<Self> = &[
        Family::annotations(Alpha, "kube_node_annotations"),
        Family::created(Stable, "kube_node_created"),
        Family::deletion(Alpha, "kube_node_deletion_timestamp"),
        Family::gauge(Stable, "kube_node_info",
            &["kernel_version", "os_image", "container_runtime_version", "kubelet_version",
              "kubeproxy_version", "provider_id", "pod_cidr", "system_uuid", "internal_ip"],
            "Software, identity and address of a node.",
            |node, out| node.info(out)),
        Family::labels(Stable, "kube_node_labels"),
        Family::gauge(Alpha, "kube_node_role", &["role"],
            "Roles of a node, by its labels node-role.kubernetes.io/*.",
            |node, out| {
                for (key, _) in node.metadata.labels.iter() {
                    if let Some(role) = key.strip_prefix(ROLE) {
                        out.put(&[role], 1.0);
                    }
                }
            }),
        Family::gauge(Alpha, "kube_node_spec_pod_cidrs", &["pod_cidr"],
            "Networks of the pods of a node.",
            |node, out| out.each(&node.spec.pod_cidrs)),
        Family::gauge(Stable, "kube_node_spec_taint", &["key", "value", "effect"],
            "Taints of a node.",
            |node, out| {
                for taint in node.spec.taints.iter() {
                    out.put(&[&taint.key, &taint.value, &taint.effect], 1.0);
                }
            }),
        Family::gauge(Stable, "kube_node_spec_unschedulable", &[],
            "Whether a node takes no new pods.",
            |node, out| out.value(*node.spec.unschedulable)),
        Family::gauge(Stable, "kube_node_status_allocatable", &["resource", "unit"],
            "Amount of a resource that pods can use.",
            |node, out| put_amounts(&node.status.allocatable, out)),
        Family::gauge(Stable, "kube_node_status_capacity", &["resource", "unit"],
            "Amount of a resource that a node has.",
            |node, out| put_amounts(&node.status.capacity, out)),
        Family::gauge(Stable, "kube_node_status_condition", &["condition", "status"],
            "Conditions of a node, one series a status.",
            |node, out| out.conditions(&node.status.conditions)),
        Family::gauge(Alpha, "kube_node_status_addresses", &["type", "address"],
            "Addresses of a node.",
            |node, out| {
                for address in node.status.addresses.iter() {
                    out.put(&[&address.r#type, &address.address], 1.0);
                }
            }),
    ];

    fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}

impl Node {
    fn info(&self, out: &mut Series<'_>) {
        let info = &self.status.node_info;
        let internal = self.status.addresses.iter().rev();
        let internal = internal.clone().find(|a| a.r#type.as_str() == "InternalIP");
        out.put(
            &[
                &info.kernel_version,
                &info.os_image,
                &info.container_runtime_version,
                &info.kubelet_version,
                "deprecated",
                &self.spec.provider_id,
                &self.spec.pod_cidr,
                &info.system_uuid,
                internal.map_or("", |a| &a.address),
            ],
            1.0,
        );
    }
}

fn put_amounts(amounts: &Map<Quantity>, out: &mut Series<'_>) {
    for (resource, amount) in amounts.iter() {
        if let Some((unit, value)) = amounts::of_node(resource, *amount) {
            out.put(&[&amounts::label(resource), unit], value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    #[test]
    fn the_last_internal_address_and_half_a_byte() {
        testing::expect::<Node>(
            r#"{"metadata": {"name": "n", "labels": {"node-role.kubernetes.io/": "", "a": "b"}},
                "status": {"capacity": {"memory": "1500m", "pods": "110", "x": "1"},
                  "addresses": [{"type": "InternalIP", "address": "10.0.0.1"},
                    {"type": "InternalIP", "address": "fd00::1"}]}}"#,
            &["kube_node_info", "kube_node_role", "kube_node_status_capacity"],
            &[
                r#"kube_node_info{node="n",kernel_version="",os_image="",container_runtime_version="",kubelet_version="",kubeproxy_version="deprecated",provider_id="",pod_cidr="",system_uuid="",internal_ip="fd00::1"} 1"#,
                r#"kube_node_role{node="n",role=""} 1"#,
                r#"kube_node_status_capacity{node="n",resource="memory",unit="byte"} 1.5"#,
                r#"kube_node_status_capacity{node="n",resource="pods",unit="integer"} 110"#,
            ],
        );
    }
}
