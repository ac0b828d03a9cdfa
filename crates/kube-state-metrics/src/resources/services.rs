//! Services: <https://kubernetes.io/docs/reference/kubernetes-api/service-resources/service-v1/>.

use super::{Base, Families, Object};
use crate::object::{Lax, List, Metadata, Text};
use crate::series::Family;
use crate::series::Stability::{Alpha, Stable};
use serde::Deserialize;

/// A service.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Service {
    metadata: Metadata,
    spec: Lax<Spec>,
    status: Lax<Status>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    #[serde(rename = "clusterIP")]
    cluster_ip: Text,
    #[serde(rename = "externalIPs")]
    external_ips: List<Text>,
    external_name: Text,
    external_traffic_policy: Text,
    #[serde(rename = "loadBalancerIP")]
    load_balancer_ip: Text,
    r#type: Text,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    load_balancer: Lax<LoadBalancer>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct LoadBalancer {
    ingress: List<Ingress>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Ingress {
    ip: Text,
    hostname: Text,
}

impl Object for Service {
    const PLURAL: &'static str = "services";
    const GROUP: &'static str = "";
    const KIND: &'static str = "Service";
    const NAMESPACED: bool = true;
    const BASE: Base<Self> = &[
        ("namespace", |service| &service.metadata.namespace),
        ("service", |service| &service.metadata.name),
        ("uid", |service| &service.metadata.uid),
    ];
    const FAMILIES: Families<Self> = &[
        Family::gauge(Stable, "kube_service_info",
            &["cluster_ip", "external_name", "load_balancer_ip", "external_traffic_policy"],
            "Addresses of a service and how traffic from outside is spread.",
            |service, out| {
                let spec = &service.spec;
                let (load_balancer, policy) = (&spec.load_balancer_ip, &spec.external_traffic_policy);
                out.put(&[&spec.cluster_ip, &spec.external_name, load_balancer, policy], 1.0);
            }),
        Family::created(Stable, "kube_service_created"),
        Family::gauge(Stable, "kube_service_spec_type", &["type"],
            "Type of a service.",
            |service, out| out.put(&[&service.spec.r#type], 1.0)),
        Family::annotations(Alpha, "kube_service_annotations"),
        Family::labels(Stable, "kube_service_labels"),
        Family::gauge(Stable, "kube_service_spec_external_ip", &["external_ip"],
            "Addresses outside of the cluster that lead to a service.",
            |service, out| out.each(&service.spec.external_ips)),
        Family::gauge(Stable, "kube_service_status_load_balancer_ingress", &["ip", "hostname"],
            "Addresses of the load balancer of a service.",
            |service, out| {
                for ingress in service.status.load_balancer.ingress.iter() {
                    out.put(&[&ingress.ip, &ingress.hostname], 1.0);
                }
            }),
        Family::deletion(Alpha, "kube_service_deletion_timestamp"),
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
    fn addresses() {
        testing::expect::<Service>(
            r#"{"metadata": {"namespace": "a", "name": "s", "uid": "u"},
                "spec": {"type": "LoadBalancer", "clusterIP": "10.0.0.1", "externalIPs": ["192.0.2.1"]},
                "status": {"loadBalancer": {"ingress": [{"hostname": "lb.example.com"}]}}}"#,
            &[],
            &[
                r#"kube_service_info{namespace="a",service="s",uid="u",cluster_ip="10.0.0.1",external_name="",load_balancer_ip="",external_traffic_policy=""} 1"#,
                r#"kube_service_spec_type{namespace="a",service="s",uid="u",type="LoadBalancer"} 1"#,
                r#"kube_service_spec_external_ip{namespace="a",service="s",uid="u",external_ip="192.0.2.1"} 1"#,
                r#"kube_service_status_load_balancer_ingress{namespace="a",service="s",uid="u",ip="",hostname="lb.example.com"} 1"#,
            ],
        );
    }
}
