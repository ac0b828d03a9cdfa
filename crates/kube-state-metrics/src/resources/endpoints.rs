//! Endpoints: <https://kubernetes.io/docs/reference/kubernetes-api/service-resources/endpoints-v1/>.

use super::{Base, Families, Object};
use crate::object::{Lax, List, Metadata, Text};
use crate::series::Stability::{Alpha, Stable};
use crate::series::{Family, Series};
use serde::Deserialize;

/// An endpoints.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Endpoints {
    metadata: Metadata,
    subsets: List<Subset>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Subset {
    addresses: List<Address>,
    not_ready_addresses: List<Address>,
    ports: List<Port>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Address {
    ip: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Port {
    name: Text,
    port: Lax<i64>,
    protocol: Text,
}

impl Object for Endpoints {
    const PLURAL: &'static str = "endpoints";
    const GROUP: &'static str = "";
    const KIND: &'static str = "Endpoints";
    const NAMESPACED: bool = true;
    const DEFAULT: bool = false;
    const BASE: Base<Self> = &[
        ("namespace", |endpoints| &endpoints.metadata.namespace),
        ("endpoint", |endpoints| &endpoints.metadata.name),
    ];
    const FAMILIES: Families<Self> = &[
        Family::gauge(Stable, "kube_endpoint_info", &[],
            "Present for each endpoints object.",
            |_, out| out.value(1.0)),
        Family::created(Stable, "kube_endpoint_created"),
        Family::annotations(Alpha, "kube_endpoint_annotations"),
        Family::labels(Stable, "kube_endpoint_labels"),
        Family::gauge(Stable, "kube_endpoint_address",
            &["port_protocol", "port_number", "port_name", "ip", "ready"],
            "Addresses behind each port of a service, and whether they are ready.",
            |endpoints, out| endpoints.addresses(out)),
        Family::gauge(Stable, "kube_endpoint_ports", &["port_name", "port_protocol", "port_number"],
            "Ports of a service.",
            |endpoints: &Endpoints, out| {
                for port in endpoints.subsets.iter().flat_map(|subset| subset.ports.iter()) {
                    out.put(&[&port.name, &port.protocol, &port.port.to_string()], 1.0);
                }
            }).deprecated("2.14.0"),
    ];

    fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}

impl Endpoints {
    fn addresses(&self, out: &mut Series<'_>) {
        for subset in self.subsets.iter() {
            for port in subset.ports.iter() {
                let number = port.port.to_string();
                let both = [(&subset.addresses, "true"), (&subset.not_ready_addresses, "false")];
                for (addresses, ready) in both {
                    for address in addresses.iter() {
                        let labels = [&port.protocol, number.as_str(), &port.name, &address.ip, ready];
                        out.put(&labels, 1.0);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    #[test]
    fn addresses_of_each_port() {
        testing::expect::<Endpoints>(
            r#"{"metadata": {"namespace": "a", "name": "e"},
                "subsets": [{"addresses": [{"ip": "10.0.0.1"}], "notReadyAddresses": [{"ip": "10.0.0.2"}],
                "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]}, {"addresses": [{"ip": "10.0.0.3"}]}]}"#,
            &[],
            &[
                r#"kube_endpoint_info{namespace="a",endpoint="e"} 1"#,
                r#"kube_endpoint_address{namespace="a",endpoint="e",port_protocol="TCP",port_number="80",port_name="http",ip="10.0.0.1",ready="true"} 1"#,
                r#"kube_endpoint_address{namespace="a",endpoint="e",port_protocol="TCP",port_number="80",port_name="http",ip="10.0.0.2",ready="false"} 1"#,
                r#"kube_endpoint_ports{namespace="a",endpoint="e",port_name="http",port_protocol="TCP",port_number="80"} 1"#,
            ],
        );
    }
}
