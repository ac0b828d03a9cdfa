//! Validating webhook configurations: <https://kubernetes.io/docs/reference/kubernetes-api/extend-resources/>.

use super::{Base, Families, Object};
use crate::object::{Lax, List, Metadata, Text};
use crate::series::Family;
use crate::series::Stability::Alpha;
use serde::Deserialize;

/// A validating webhook configuration.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct ValidatingWebhookConfiguration {
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

impl Object for ValidatingWebhookConfiguration {
    const PLURAL: &'static str = "validatingwebhookconfigurations";
    const GROUP: &'static str = "admissionregistration.k8s.io";
    const KIND: &'static str = "ValidatingWebhookConfiguration";
    const NAMESPACED: bool = false;
    const BASE: Base<Self> = &[
        ("namespace", |configuration| &configuration.metadata.namespace),
        ("validatingwebhookconfiguration", |configuration| &configuration.metadata.name),
    ];
    const FAMILIES: Families<Self> = &[
        Family::gauge(Alpha, "kube_validatingwebhookconfiguration_info", &[],
            "Present for each configuration.",
            |_, out| out.value(1.0)),
        Family::created(Alpha, "kube_validatingwebhookconfiguration_created"),
        Family::resource_version(Alpha, "kube_validatingwebhookconfiguration_metadata_resource_version"),
        Family::gauge(Alpha, "kube_validatingwebhookconfiguration_webhook_clientconfig_service",
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
    fn a_webhook_by_url() {
        testing::expect::<ValidatingWebhookConfiguration>(
            r#"{"metadata": {"name": "c"},
                "webhooks": [{"name": "u", "clientConfig": {"url": "https://example.com"}}]}"#,
            &[],
            &[
                r#"kube_validatingwebhookconfiguration_info{namespace="",validatingwebhookconfiguration="c"} 1"#,
                r#"kube_validatingwebhookconfiguration_webhook_clientconfig_service{namespace="",validatingwebhookconfiguration="c",webhook_name="u",service_name="",service_namespace=""} 1"#,
            ],
        );
    }
}
