//! Leases: <https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/lease-v1/>.

use super::{Base, Families, Object};
use crate::object::{Lax, Metadata, Text, Time};
use crate::series::Stability::Alpha;
use crate::series::{Family, Series};
use serde::Deserialize;

/// A lease.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Lease {
    metadata: Metadata,
    spec: Lax<Spec>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    holder_identity: Text,
    renew_time: Option<Time>,
}

impl Object for Lease {
    const PLURAL: &'static str = "leases";
    const GROUP: &'static str = "coordination.k8s.io";
    const KIND: &'static str = "Lease";
    const NAMESPACED: bool = true;
    const BASE: Base<Self> = &[
        ("lease", |lease| &lease.metadata.name),
    ];
    const FAMILIES: Families<Self> = &[
        Family::gauge(Alpha, "kube_lease_owner",
            &["owner_kind", "owner_name", "namespace", "lease_holder"],
            "Owners and holder of a lease.",
            |lease, out| lease.owners(out)),
        Family::gauge(Alpha, "kube_lease_renew_time", &["namespace"],
            "When the holder renewed a lease, in Unix seconds.",
            |lease, out| {
                if let Some(time) = lease.spec.renew_time.and_then(Time::set) {
                    out.put(&[&lease.metadata.namespace], time);
                }
            }),
    ];

    fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}

impl Lease {
    fn owners(&self, out: &mut Series<'_>) {
        let (namespace, holder) = (&self.metadata.namespace, &self.spec.holder_identity);
        let owners = &self.metadata.owner_references;
        for owner in owners.iter() {
            out.put(&[&owner.kind, &owner.name, namespace, holder], 1.0);
        }
        if owners.is_empty() {
            out.put(&["", "", namespace, holder], 1.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    #[test]
    fn the_namespace_comes_late() {
        testing::expect::<Lease>(
            r#"{"metadata": {"namespace": "kube-system", "name": "l"},
                "spec": {"holderIdentity": "me", "renewTime": "2026-01-02T03:04:05.999999Z"}}"#,
            &[],
            &[
                r#"kube_lease_owner{lease="l",owner_kind="",owner_name="",namespace="kube-system",lease_holder="me"} 1"#,
                r#"kube_lease_renew_time{lease="l",namespace="kube-system"} 1.767323045e+09"#,
            ],
        );
    }
}
