//! Endpoint slices: <https://kubernetes.io/docs/reference/kubernetes-api/service-resources/endpoint-slice-v1/>.

use super::{Base, Families, Object};
use crate::object::{Lax, List, Metadata, Named, Text};
use crate::series::Stability::Alpha;
use crate::series::{Family, Series};
use serde::Deserialize;

/// An endpoint slice.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EndpointSlice {
    metadata: Metadata,
    address_type: Text,
    endpoints: List<Endpoint>,
    ports: List<Port>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Endpoint {
    addresses: List<Text>,
    conditions: Lax<Conditions>,
    hints: Lax<Hints>,
    hostname: Text,
    node_name: Text,
    target_ref: Lax<TargetRef>,
    zone: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Conditions {
    ready: Option<bool>,
    serving: Option<bool>,
    terminating: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Hints {
    for_zones: List<Named>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TargetRef {
    kind: Text,
    name: Text,
    namespace: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Port {
    name: Text,
    protocol: Text,
    port: Option<i64>,
}

impl Object for EndpointSlice {
    const PLURAL: &'static str = "endpointslices";
    const GROUP: &'static str = "discovery.k8s.io";
    const KIND: &'static str = "EndpointSlice";
    const NAMESPACED: bool = true;
    const BASE: Base<Self> = &[
        ("endpointslice", |slice| &slice.metadata.name),
        ("namespace", |slice| &slice.metadata.namespace),
    ];
    const FAMILIES: Families<Self> = &[
        Family::gauge(Alpha, "kube_endpointslice_info", &["addresstype"],
            "Type of the addresses of a slice.",
            |slice, out| out.put(&[&slice.address_type], 1.0)),
        Family::created(Alpha, "kube_endpointslice_created"),
        Family::gauge(Alpha, "kube_endpointslice_endpoints_hints", &["address", "for_zone"],
            "Zones that should use an endpoint.",
            |slice, out| {
                for endpoint in slice.endpoints.iter() {
                    for zone in endpoint.hints.for_zones.iter() {
                        if let Some(address) = endpoint.addresses.first() {
                            out.put(&[address, &zone.name], 1.0);
                        }
                    }
                }
            }),
        Family::gauge(Alpha, "kube_endpointslice_endpoints",
            &["ready", "serving", "hostname", "terminating", "targetref_kind", "targetref_name",
              "targetref_namespace", "endpoint_nodename", "endpoint_zone", "address"],
            "Addresses of a slice, with their state and what they belong to.",
            |slice, out| slice.endpoints(out)),
        Family::gauge(Alpha, "kube_endpointslice_ports",
            &["port_name", "port_protocol", "port_number"],
            "Ports of a slice.",
            |slice, out| {
                for port in slice.ports.iter() {
                    let number = port.port.map(|number| number.to_string()).unwrap_or_default();
                    out.put(&[&port.name, &port.protocol, &number], 1.0);
                }
            }),
        Family::annotations(Alpha, "kube_endpointslice_annotations"),
        Family::labels(Alpha, "kube_endpointslice_labels"),
    ];

    fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}

impl EndpointSlice {
    fn endpoints(&self, out: &mut Series<'_>) {
        for endpoint in self.endpoints.iter() {
            let conditions = &endpoint.conditions;
            let target = &endpoint.target_ref;
            for address in endpoint.addresses.iter() {
                out.put(
                    &[
                        word(conditions.ready),
                        word(conditions.serving),
                        &endpoint.hostname,
                        word(conditions.terminating),
                        &target.kind,
                        &target.name,
                        &target.namespace,
                        &endpoint.node_name,
                        &endpoint.zone,
                        address,
                    ],
                    1.0,
                );
            }
        }
    }
}

fn word(value: Option<bool>) -> &'static str {
    match value {
        Some(true) => "true",
        Some(false) => "false",
        None => "",
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    #[test]
    fn hints_have_the_first_address() {
        testing::expect::<EndpointSlice>(
            r#"{"metadata": {"namespace": "a", "name": "s"}, "addressType": "IPv4",
                "endpoints": [{"addresses": ["10.0.0.1", "10.0.0.2"],
                "conditions": {"ready": true, "terminating": null}, "hints": {"forZones": [{"name": "z1"}]}, "targetRef": {"kind": "Pod", "name": "p", "namespace": "a"}, "nodeName": "n"}],
                "ports": [{"name": "http", "port": null, "protocol": "TCP"}]}"#,
            &[],
            &[
                r#"kube_endpointslice_info{endpointslice="s",namespace="a",addresstype="IPv4"} 1"#,
                r#"kube_endpointslice_endpoints_hints{endpointslice="s",namespace="a",address="10.0.0.1",for_zone="z1"} 1"#,
                r#"kube_endpointslice_endpoints{endpointslice="s",namespace="a",ready="true",serving="",hostname="",terminating="",targetref_kind="Pod",targetref_name="p",targetref_namespace="a",endpoint_nodename="n",endpoint_zone="",address="10.0.0.1"} 1"#,
                r#"kube_endpointslice_endpoints{endpointslice="s",namespace="a",ready="true",serving="",hostname="",terminating="",targetref_kind="Pod",targetref_name="p",targetref_namespace="a",endpoint_nodename="n",endpoint_zone="",address="10.0.0.2"} 1"#,
                r#"kube_endpointslice_ports{endpointslice="s",namespace="a",port_name="http",port_protocol="TCP",port_number=""} 1"#,
            ],
        );
    }
}
