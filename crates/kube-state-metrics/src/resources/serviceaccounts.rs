//! Service accounts: <https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/service-account-v1/>.

use super::{Base, Families, Object};
use crate::object::{List, Metadata, Named};
use crate::series::Family;
use crate::series::Stability::Alpha;
use serde::Deserialize;

/// A service account.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ServiceAccount {
    metadata: Metadata,
    automount_service_account_token: Option<bool>,
    image_pull_secrets: List<Named>,
    secrets: List<Named>,
}

impl Object for ServiceAccount {
    const PLURAL: &'static str = "serviceaccounts";
    const GROUP: &'static str = "";
    const KIND: &'static str = "ServiceAccount";
    const NAMESPACED: bool = true;
    const DEFAULT: bool = false;
    const BASE: Base<Self> = &[
        ("namespace", |account| &account.metadata.namespace),
        ("serviceaccount", |account| &account.metadata.name),
        ("uid", |account| &account.metadata.uid),
    ];
    const FAMILIES: Families<Self> = &[
        Family::gauge(Alpha, "kube_serviceaccount_info", &["automount_token"],
            "Whether pods get the token of an account unless they refuse.",
            |account, out| {
                let token = match account.automount_service_account_token {
                    Some(true) => "true",
                    Some(false) => "false",
                    None => "",
                };
                out.put(&[token], 1.0);
            }),
        Family::created(Alpha, "kube_serviceaccount_created"),
        Family::deletion(Alpha, "kube_serviceaccount_deleted"),
        Family::gauge(Alpha, "kube_serviceaccount_secret", &["name"],
            "Secrets that pods of an account may use.",
            |account, out| {
                for secret in account.secrets.iter() {
                    out.put(&[&secret.name], 1.0);
                }
            }),
        Family::gauge(Alpha, "kube_serviceaccount_image_pull_secret", &["name"],
            "Secrets that images of pods of an account are pulled with.",
            |account, out| {
                for secret in account.image_pull_secrets.iter() {
                    out.put(&[&secret.name], 1.0);
                }
            }),
        Family::annotations(Alpha, "kube_serviceaccount_annotations"),
        Family::labels(Alpha, "kube_serviceaccount_labels"),
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
    fn names_of_secrets() {
        testing::expect::<ServiceAccount>(
            r#"{"metadata": {"namespace": "a", "name": "s", "uid": "u"}, "automountServiceAccountToken": false,
                "secrets": [{"name": "t"}], "imagePullSecrets": [{"name": "p"}]}"#,
            &[],
            &[
                r#"kube_serviceaccount_info{namespace="a",serviceaccount="s",uid="u",automount_token="false"} 1"#,
                r#"kube_serviceaccount_secret{namespace="a",serviceaccount="s",uid="u",name="t"} 1"#,
                r#"kube_serviceaccount_image_pull_secret{namespace="a",serviceaccount="s",uid="u",name="p"} 1"#,
            ],
        );
    }
}
