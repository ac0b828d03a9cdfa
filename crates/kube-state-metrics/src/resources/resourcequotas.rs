//! Resource quotas: <https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/resource-quota-v1/>.

use super::{Base, Families, Object};
use crate::object::{Lax, Map, Metadata};
use crate::quantity::Quantity;
use crate::series::Family;
use crate::series::Stability::{Alpha, Stable};
use serde::Deserialize;

/// A resource quota.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct ResourceQuota {
    metadata: Metadata,
    status: Lax<Status>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    hard: Map<Quantity>,
    used: Map<Quantity>,
}

impl Object for ResourceQuota {
    const PLURAL: &'static str = "resourcequotas";
    const GROUP: &'static str = "";
    const KIND: &'static str = "ResourceQuota";
    const NAMESPACED: bool = true;
    const BASE: Base<Self> = &[
        ("namespace", |quota| &quota.metadata.namespace),
        ("resourcequota", |quota| &quota.metadata.name),
    ];
    const FAMILIES: Families<Self> = &[
        Family::created(Stable, "kube_resourcequota_created"),
        Family::gauge(Stable, "kube_resourcequota", &["resource", "type"],
            "Amounts that a namespace may use and does.",
            |quota, out| {
                for (kind, amounts) in [("hard", &quota.status.hard), ("used", &quota.status.used)] {
                    for (resource, amount) in amounts.iter() {
                        out.put(&[resource, kind], amount.milli());
                    }
                }
            }),
        Family::annotations(Alpha, "kube_resourcequota_annotations"),
        Family::labels(Stable, "kube_resourcequota_labels"),
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
    fn hard_and_used() {
        testing::expect::<ResourceQuota>(
            r#"{"metadata": {"namespace": "a", "name": "q"},
                "spec": {"hard": {"pods": "9"}},
                "status": {"hard": {"pods": "10", "requests.cpu": "1500m"}, "used": {"pods": "3"}}}"#,
            &[],
            &[
                r#"kube_resourcequota{namespace="a",resourcequota="q",resource="pods",type="hard"} 10"#,
                r#"kube_resourcequota{namespace="a",resourcequota="q",resource="requests.cpu",type="hard"} 1.5"#,
                r#"kube_resourcequota{namespace="a",resourcequota="q",resource="pods",type="used"} 3"#,
            ],
        );
    }
}
