//! Mutating webhook configurations: <https://kubernetes.io/docs/reference/kubernetes-api/extend-resources/>.

use super::{Base, Families, Object};
use crate::object::{Lax, List, Metadata, Text};
use crate::series::Family;
use crate::series::Stability::Alpha;
use serde::Deserialize;

/// A mutating webhook configuration.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct MutatingWebhookConfiguration {
    metadata: Metadata,
    webhooks: List<Webhook>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Webhook {
    name: Text,
    client_config: Lax<ClientConfig>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ClientConfig {
    service: Lax<Service>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Service {
    name: Text,
    namespace: Text,
}

impl Object for MutatingWebhookConfiguration {
    const PLURAL: &'static str = "mutatingwebhookconfigurations";
    const GROUP: &'static str = "admissionregistration.k8s.io";
    const KIND: &'static str = "MutatingWebhookConfiguration";
    const NAMESPACED: bool = false;
    const BASE: Base<Self> = &[
        ("namespace", |configuration| &configuration.metadata.namespace),
        ("mutatingwebhookconfiguration", |configuration| &configuration.metadata.name),
    ];
    const FAMILIES: Families<Self> = &[
        Family::gauge(Alpha, "kube_mutatingwebhookconfiguration_info", &[],
            "Present for each configuration.",
            |_, out| out.value(1.0)),
        Family::created(Alpha, "kube_mutatingwebhookconfiguration_created"),
        Family::resource_version(Alpha, "kube_mutatingwebhookconfiguration_metadata_resource_version"),
        Family::gauge(Alpha, "kube_mutatingwebhookconfiguration_webhook_clientconfig_service",
            &["webhook_name", "service_name", "service_namespace"],
            "Services that webhooks are called at.",
            |configuration, out| {
                for webhook in configuration.webhooks.iter() {
                    let service = &webhook.client_config.service;
                    out.put(&[&webhook.name, &service.name, &service.namespace], 1.0);
                }
            }),
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
    fn webhooks_with_and_without_service() {
        testing::expect::<MutatingWebhookConfiguration>(
            r#"{"metadata": {"name": "c", "resourceVersion": "7"},
                "webhooks": [{"name": "w", "clientConfig": {"service": {"name": "s", "namespace": "a"}}}, {"name": "u", "clientConfig": {"url": "https://example.com"}}]}"#,
            &[],
            &[
                r#"kube_mutatingwebhookconfiguration_info{namespace="",mutatingwebhookconfiguration="c"} 1"#,
                r#"kube_mutatingwebhookconfiguration_metadata_resource_version{namespace="",mutatingwebhookconfiguration="c"} 7"#,
                r#"kube_mutatingwebhookconfiguration_webhook_clientconfig_service{namespace="",mutatingwebhookconfiguration="c",webhook_name="w",service_name="s",service_namespace="a"} 1"#,
                r#"kube_mutatingwebhookconfiguration_webhook_clientconfig_service{namespace="",mutatingwebhookconfiguration="c",webhook_name="u",service_name="",service_namespace=""} 1"#,
            ],
        );
    }
}
