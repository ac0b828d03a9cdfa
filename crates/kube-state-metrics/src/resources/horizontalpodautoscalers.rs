//! Horizontal pod autoscalers: <https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/horizontal-pod-autoscaler-v2/>.

use super::{Base, Families, Object};
use crate::object::{Condition, Lax, List, Metadata, Named, Text};
use crate::quantity::Quantity;
use crate::series::Stability::{Alpha, Stable};
use crate::series::{Family, Series};
use serde::Deserialize;

/// A horizontal pod autoscaler.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct HorizontalPodAutoscaler {
    metadata: Metadata,
    spec: Lax<Spec>,
    status: Lax<Status>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    scale_target_ref: Lax<TargetRef>,
    max_replicas: Lax<i64>,
    min_replicas: Option<i64>,
    metrics: List<Metric>,
    behavior: Lax<Behavior>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct TargetRef {
    api_version: Text,
    kind: Text,
    name: Text,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Behavior {
    scale_down: Lax<Rules>,
    scale_up: Lax<Rules>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Rules {
    tolerance: Option<Quantity>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    current_replicas: Lax<i64>,
    desired_replicas: Lax<i64>,
    current_metrics: List<Metric>,
    conditions: List<Condition>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metric {
    r#type: Text,
    object: Option<Source>,
    pods: Option<Source>,
    external: Option<Source>,
    resource: Option<Source>,
    container_resource: Option<Source>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Source {
    name: Text,
    container: Text,
    metric: Lax<Named>,
    target: Lax<Values>,
    current: Lax<Values>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Values {
    value: Option<Quantity>,
    average_value: Option<Quantity>,
    average_utilization: Option<i64>,
}

impl Object for HorizontalPodAutoscaler {
    const PLURAL: &'static str = "horizontalpodautoscalers";
    const GROUP: &'static str = "autoscaling";
    const VERSION: &'static str = "v2";
    const KIND: &'static str = "HorizontalPodAutoscaler";
    const NAMESPACED: bool = true;
    const BASE: Base<Self> = &[
        ("namespace", |scaler| &scaler.metadata.namespace),
        ("horizontalpodautoscaler", |scaler| &scaler.metadata.name),
    ];
    const FAMILIES: Families<Self> = &[
        Family::gauge(Alpha, "kube_horizontalpodautoscaler_info", &[],
            "What an autoscaler scales.",
            |scaler, out| scaler.info(out)),
        Family::generation("kube_horizontalpodautoscaler_metadata_generation"),
        Family::gauge(Stable, "kube_horizontalpodautoscaler_spec_max_replicas", &[],
            "Most pods that there may be.",
            |scaler, out| out.value(*scaler.spec.max_replicas)),
        Family::gauge(Stable, "kube_horizontalpodautoscaler_spec_min_replicas", &[],
            "Fewest pods that there may be.",
            |scaler, out| out.value(scaler.spec.min_replicas.unwrap_or(1))),
        Family::gauge(Alpha, "kube_horizontalpodautoscaler_spec_target_metric",
            &["metric_name", "metric_target_type", "container"],
            "What each metric is aimed at.",
            |scaler, out| put_metrics(&scaler.spec.metrics, |source| &source.target, out)),
        Family::gauge(Alpha, "kube_horizontalpodautoscaler_spec_behavior_scale_down_tolerance", &[],
            "Share by which a metric may be off before pods are removed.",
            |scaler, out| {
                out.some(scaler.spec.behavior.scale_down.tolerance.map(Quantity::approximate))
            }),
        Family::gauge(Alpha, "kube_horizontalpodautoscaler_spec_behavior_scale_up_tolerance", &[],
            "Share by which a metric may be off before pods are added.",
            |scaler, out| {
                out.some(scaler.spec.behavior.scale_up.tolerance.map(Quantity::approximate))
            }),
        Family::gauge(Stable, "kube_horizontalpodautoscaler_status_target_metric",
            &["metric_name", "metric_target_type", "container"],
            "What each metric is now.",
            |scaler, out| put_metrics(&scaler.status.current_metrics, |source| &source.current, out)),
        Family::gauge(Stable, "kube_horizontalpodautoscaler_status_current_replicas", &[],
            "Pods that there are.",
            |scaler, out| out.value(*scaler.status.current_replicas)),
        Family::gauge(Stable, "kube_horizontalpodautoscaler_status_desired_replicas", &[],
            "Pods that there should be.",
            |scaler, out| out.value(*scaler.status.desired_replicas)),
        Family::annotations(Alpha, "kube_horizontalpodautoscaler_annotations"),
        Family::labels(Stable, "kube_horizontalpodautoscaler_labels"),
        Family::gauge(Stable, "kube_horizontalpodautoscaler_status_condition",
            &["condition", "status"],
            "Conditions of an autoscaler, one series a status.",
            |scaler, out| out.conditions(&scaler.status.conditions)),
        Family::created(Alpha, "kube_horizontalpodautoscaler_created"),
        Family::deletion(Alpha, "kube_horizontalpodautoscaler_deletion_timestamp"),
    ];

    fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}

impl HorizontalPodAutoscaler {
    fn info(&self, out: &mut Series<'_>) {
        let target = &self.spec.scale_target_ref;
        let labels: [(&str, &str); 3] = [
            ("scaletargetref_api_version", &target.api_version),
            ("scaletargetref_kind", &target.kind),
            ("scaletargetref_name", &target.name),
        ];
        let first = usize::from(target.api_version.is_empty());
        out.put_named(&labels[first..], 1.0);
    }
}

impl Metric {
    /// The part that the type names, with the name of the metric and of a container, if any.
    fn source(&self) -> Option<(&Source, &str, &str)> {
        match self.r#type.as_str() {
            "Object" => self.object.as_ref().map(|s| (s, s.metric.name.as_str(), "")),
            "Pods" => self.pods.as_ref().map(|s| (s, s.metric.name.as_str(), "")),
            "External" => self.external.as_ref().map(|s| (s, s.metric.name.as_str(), "")),
            "Resource" => self.resource.as_ref().map(|s| (s, s.name.as_str(), "")),
            "ContainerResource" => {
                let source = self.container_resource.as_ref();
                source.map(|s| (s, s.name.as_str(), s.container.as_str()))
            }
            _ => None,
        }
    }
}

fn put_metrics(metrics: &[Metric], of: fn(&Source) -> &Values, out: &mut Series<'_>) {
    for (source, name, container) in metrics.iter().filter_map(Metric::source) {
        let values = of(source);
        if let Some(value) = values.value {
            out.put(&[name, "value", container], value.milli());
        }
        if let Some(value) = values.average_value {
            out.put(&[name, "average", container], value.milli());
        }
        if let Some(value) = values.average_utilization {
            out.put(&[name, "utilization", container], value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    #[test]
    fn metrics_of_all_types() {
        testing::expect::<HorizontalPodAutoscaler>(
            r#"{"metadata": {"namespace": "a", "name": "h"},
                "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "d"}, "maxReplicas": 5, "behavior": {"scaleUp": {"tolerance": "0.3"}},
                "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 80, "averageValue": "1500u"}}}, {"type": "ContainerResource", "containerResource": {"name": "memory", "container": "web", "target": {"value": "1Gi"}}}, {"type": "Pods"}, {"type": "Odd", "pods": {}}]},
                "status": {"currentReplicas": 2, "currentMetrics": [{"type": "External", "external": {"metric": {"name": "queue"}, "current": {"value": "7"}}}]}}"#,
            &[],
            &[
                r#"kube_horizontalpodautoscaler_info{namespace="a",horizontalpodautoscaler="h",scaletargetref_kind="Deployment",scaletargetref_name="d"} 1"#,
                r#"kube_horizontalpodautoscaler_metadata_generation{namespace="a",horizontalpodautoscaler="h"} 0"#,
                r#"kube_horizontalpodautoscaler_spec_max_replicas{namespace="a",horizontalpodautoscaler="h"} 5"#,
                r#"kube_horizontalpodautoscaler_spec_min_replicas{namespace="a",horizontalpodautoscaler="h"} 1"#,
                r#"kube_horizontalpodautoscaler_spec_target_metric{namespace="a",horizontalpodautoscaler="h",metric_name="cpu",metric_target_type="average",container=""} 0.002"#,
                r#"kube_horizontalpodautoscaler_spec_target_metric{namespace="a",horizontalpodautoscaler="h",metric_name="cpu",metric_target_type="utilization",container=""} 80"#,
                r#"kube_horizontalpodautoscaler_spec_target_metric{namespace="a",horizontalpodautoscaler="h",metric_name="memory",metric_target_type="value",container="web"} 1.073741824e+09"#,
                r#"kube_horizontalpodautoscaler_spec_behavior_scale_up_tolerance{namespace="a",horizontalpodautoscaler="h"} 0.30000000000000004"#,
                r#"kube_horizontalpodautoscaler_status_target_metric{namespace="a",horizontalpodautoscaler="h",metric_name="queue",metric_target_type="value",container=""} 7"#,
                r#"kube_horizontalpodautoscaler_status_current_replicas{namespace="a",horizontalpodautoscaler="h"} 2"#,
                r#"kube_horizontalpodautoscaler_status_desired_replicas{namespace="a",horizontalpodautoscaler="h"} 0"#,
            ],
        );
    }
}
