//! Limit ranges: <https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/limit-range-v1/>.

use super::{Base, Families, Object};
use crate::object::{Lax, List, Map, Metadata, Text};
use crate::quantity::Quantity;
use crate::series::Family;
use crate::series::Stability::Stable;
use serde::Deserialize;

/// A limit range.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct LimitRange {
    metadata: Metadata,
    spec: Lax<Spec>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Spec {
    limits: List<Limit>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Limit {
    r#type: Text,
    min: Map<Quantity>,
    max: Map<Quantity>,
    default: Map<Quantity>,
    default_request: Map<Quantity>,
    max_limit_request_ratio: Map<Quantity>,
}

impl Object for LimitRange {
    const PLURAL: &'static str = "limitranges";
    const GROUP: &'static str = "";
    const KIND: &'static str = "LimitRange";
    const NAMESPACED: bool = true;
    const BASE: Base<Self> = &[
        ("namespace", |range| &range.metadata.namespace),
        ("limitrange", |range| &range.metadata.name),
    ];
    const FAMILIES: Families<Self> = &[
        Family::gauge(Stable, "kube_limitrange", &["resource", "type", "constraint"],
            "Limits of what objects of a namespace may ask for.",
            |range, out| {
                for limit in range.spec.limits.iter() {
                    for (constraint, amounts) in limit.constraints() {
                        for (resource, amount) in amounts.iter() {
                            out.put(&[resource, &limit.r#type, constraint], amount.milli());
                        }
                    }
                }
            }),
        Family::created(Stable, "kube_limitrange_created"),
    ];

    fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}

impl Limit {
    fn constraints(&self) -> [(&'static str, &Map<Quantity>); 5] {
        [
            ("min", &self.min),
            ("max", &self.max),
            ("default", &self.default),
            ("defaultRequest", &self.default_request),
            ("maxLimitRequestRatio", &self.max_limit_request_ratio),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    #[test]
    fn resources_keep_their_names() {
        testing::expect::<LimitRange>(
            r#"{"metadata": {"namespace": "a", "name": "l"},
                "spec": {"limits": [{"type": "Pod", "max": {"cpu": "1500m"}, "defaultRequest": {"example.com/gpu": "1"}}]}}"#,
            &[],
            &[
                r#"kube_limitrange{namespace="a",limitrange="l",resource="cpu",type="Pod",constraint="max"} 1.5"#,
                r#"kube_limitrange{namespace="a",limitrange="l",resource="example.com/gpu",type="Pod",constraint="defaultRequest"} 1"#,
            ],
        );
    }
}
