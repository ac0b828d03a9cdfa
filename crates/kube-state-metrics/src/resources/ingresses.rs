//! Ingresses: <https://kubernetes.io/docs/reference/kubernetes-api/service-resources/ingress-v1/>.

use super::{Base, Families, Object};
use crate::object::{Lax, List, Metadata, Text};
use crate::series::Stability::{Alpha, Stable};
use crate::series::{Family, Series};
use serde::Deserialize;

/// An ingress.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Ingress {
    metadata: Metadata,
    spec: Lax<Spec>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    ingress_class_name: Option<String>,
    rules: List<Rule>,
    tls: List<Tls>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Rule {
    host: Text,
    http: Lax<Http>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Http {
    paths: List<Path>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Path {
    path: Text,
    path_type: Text,
    backend: Lax<Backend>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Backend {
    service: Option<Service>,
    resource: Option<Resource>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Service {
    name: Text,
    port: Lax<Port>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Port {
    number: Lax<i64>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Resource {
    api_group: Text,
    kind: Text,
    name: Text,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Tls {
    hosts: List<Text>,
    secret_name: Text,
}

/// What named the class before there was a field for it.
const CLASS: &str = "kubernetes.io/ingress.class";

impl Object for Ingress {
    const PLURAL: &'static str = "ingresses";
    const GROUP: &'static str = "networking.k8s.io";
    const KIND: &'static str = "Ingress";
    const NAMESPACED: bool = true;
    const BASE: Base<Self> = &[
        ("namespace", |ingress| &ingress.metadata.namespace),
        ("ingress", |ingress| &ingress.metadata.name),
    ];
    const FAMILIES: Families<Self> = &[
        Family::gauge(Stable, "kube_ingress_info", &["ingressclass"],
            "Class of an ingress.",
            |ingress, out| {
                let annotation = ingress.metadata.annotations.get(CLASS);
                let class = annotation.or(ingress.spec.ingress_class_name.as_ref());
                out.put(&[class.map_or("_default", String::as_str)], 1.0);
            }),
        Family::annotations(Alpha, "kube_ingress_annotations"),
        Family::labels(Stable, "kube_ingress_labels"),
        Family::created(Stable, "kube_ingress_created"),
        Family::resource_version(Alpha, "kube_ingress_metadata_resource_version"),
        Family::gauge(Stable, "kube_ingress_path", &[],
            "Paths of an ingress and what serves them.",
            |ingress, out| ingress.paths(out)),
        Family::gauge(Stable, "kube_ingress_tls", &["tls_host", "secret"],
            "Hosts that an ingress has certificates for, and where those are.",
            |ingress, out| {
                for tls in ingress.spec.tls.iter() {
                    for host in tls.hosts.iter() {
                        out.put(&[host, &tls.secret_name], 1.0);
                    }
                }
            }),
    ];

    fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}

impl Ingress {
    fn paths(&self, out: &mut Series<'_>) {
        for rule in self.spec.rules.iter() {
            for path in rule.http.paths.iter() {
                let place: [(&str, &str); 3] = [
                    ("host", &rule.host),
                    ("path", &path.path),
                    ("path_type", &path.path_type),
                ];
                if let Some(service) = &path.backend.service {
                    // A port that is given by name has no number.
                    let port = service.port.number.to_string();
                    let backend: [(&str, &str); 2] =
                        [("service_name", &service.name), ("service_port", &port)];
                    out.put_named(&[&place[..], &backend[..]].concat(), 1.0);
                } else if let Some(resource) = &path.backend.resource {
                    let backend: [(&str, &str); 3] = [
                        ("resource_api_group", &resource.api_group),
                        ("resource_kind", &resource.kind),
                        ("resource_name", &resource.name),
                    ];
                    out.put_named(&[&place[..], &backend[..]].concat(), 1.0);
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
    fn two_kinds_of_backends() {
        testing::expect::<Ingress>(
            r#"{"metadata": {"namespace": "a", "name": "i", "annotations": {"kubernetes.io/ingress.class": ""}},
                "spec": {"ingressClassName": "other",
                "tls": [{"hosts": ["h"], "secretName": "s"}, {"secretName": "t"}],
                "rules": [{"host": "h", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "web", "port": {"name": "http"}}}}, {"path": "/r", "backend": {"resource": {"apiGroup": "g", "kind": "K", "name": "n"}}}, {"path": "/none"}]}}, {"host": "x"}]}}"#,
            &[],
            &[
                r#"kube_ingress_info{namespace="a",ingress="i",ingressclass=""} 1"#,
                r#"kube_ingress_path{namespace="a",ingress="i",host="h",path="/",path_type="Prefix",service_name="web",service_port="0"} 1"#,
                r#"kube_ingress_path{namespace="a",ingress="i",host="h",path="/r",path_type="",resource_api_group="g",resource_kind="K",resource_name="n"} 1"#,
                r#"kube_ingress_tls{namespace="a",ingress="i",tls_host="h",secret="s"} 1"#,
            ],
        );
    }
}
