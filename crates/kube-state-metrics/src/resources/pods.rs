//! Pods: <https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/>.

use super::{Base, Families, Object};
use super::amounts;
use crate::object::{Condition, List, Map, Metadata, Pairs, Text, Time};
use crate::quantity::Quantity;
use crate::series::Stability::{Alpha, Stable};
use crate::series::family::controller;
use crate::series::{Family, Series};
use crate::object::Lax;
use serde::Deserialize;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A pod.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Pod {
    metadata: Metadata,
    spec: Lax<Spec>,
    status: Lax<Status>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    containers: List<Container>,
    init_containers: List<Container>,
    node_name: Text,
    node_selector: Pairs,
    host_network: Lax<bool>,
    overhead: Map<Quantity>,
    priority_class_name: Text,
    resource_claims: List<ResourceClaim>,
    restart_policy: Text,
    runtime_class_name: Option<String>,
    scheduler_name: Text,
    service_account_name: Text,
    tolerations: List<Toleration>,
    volumes: List<Volume>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Container {
    name: Text,
    image: Text,
    resources: Lax<Resources>,
    restart_policy: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Resources {
    limits: Map<Quantity>,
    requests: Map<Quantity>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ResourceClaim {
    name: Text,
    resource_claim_name: Option<String>,
    resource_claim_template_name: Option<String>,
}

#[derive(Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "camelCase")]
struct Toleration {
    key: Text,
    operator: Text,
    value: Text,
    effect: Text,
    toleration_seconds: Option<i64>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Volume {
    name: Text,
    persistent_volume_claim: Option<ClaimSource>,
    ephemeral: Option<Ephemeral>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ClaimSource {
    claim_name: Text,
    read_only: Lax<bool>,
}

#[derive(Default, Deserialize)]
struct Ephemeral {}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    conditions: List<Condition>,
    container_statuses: List<ContainerStatus>,
    init_container_statuses: List<ContainerStatus>,
    #[serde(rename = "hostIP")]
    host_ip: Text,
    phase: Text,
    #[serde(rename = "podIP")]
    pod_ip: Text,
    #[serde(rename = "podIPs")]
    pod_ips: List<PodIp>,
    qos_class: Text,
    reason: Text,
    resource_claim_statuses: List<ClaimStatus>,
    start_time: Option<Time>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PodIp {
    ip: Text,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ClaimStatus {
    name: Text,
    resource_claim_name: Text,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ContainerStatus {
    name: Text,
    state: Lax<State>,
    last_state: Lax<State>,
    ready: Lax<bool>,
    restart_count: Lax<i64>,
    image: Text,
    #[serde(rename = "imageID")]
    image_id: Text,
    #[serde(rename = "containerID")]
    container_id: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct State {
    running: Option<Running>,
    terminated: Option<Terminated>,
    waiting: Option<Waiting>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Running {
    started_at: Option<Time>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Terminated {
    exit_code: Lax<i64>,
    finished_at: Option<Time>,
    reason: Text,
    started_at: Option<Time>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Waiting {
    reason: Text,
}

const AMOUNT: &[&str] = &["container", "node", "resource", "unit"];
const CLAIM: &[&str] = &["volume", "persistentvolumeclaim", "ephemeral"];
const PHASES: &[&str] = &["Pending", "Succeeded", "Failed", "Unknown", "Running"];
const QOS_CLASSES: &[&str] = &["BestEffort", "Burstable", "Guaranteed"];
const REASONS: &[&str] = &[
    "Evicted", "NodeAffinity", "NodeLost", "PreemptionByScheduler", "SchedulingGated", "Shutdown",
    "TerminationByKubelet", "UnexpectedAdmissionError",
];
const DISRUPTIONS: &[&str] = &[
    "PreemptionByScheduler", "DeletionByTaintManager", "EvictionByEvictionAPI", "DeletionByPodGC",
    "TerminationByKubelet",
];

impl Object for Pod {
    const PLURAL: &'static str = "pods";
    const GROUP: &'static str = "";
    const KIND: &'static str = "Pod";
    const NAMESPACED: bool = true;
    const BASE: Base<Self> = &[
        ("namespace", |pod| &pod.metadata.namespace),
        ("pod", |pod| &pod.metadata.name),
        ("uid", |pod| &pod.metadata.uid),
    ];
    const FAMILIES: Families<Self> = &[
        Family::gauge(Stable, "kube_pod_completion_time", &[],
            "When the last of the terminated containers finished, in Unix seconds.",
            |pod, out| {
                let ends = pod.status.container_statuses.iter();
                let ends = ends.filter_map(|c| c.state.terminated.as_ref()?.finished_at);
                out.some(ends.max().filter(|end| end.0 > 0));
            }),
        Family::gauge(Stable, "kube_pod_container_info",
            &["container", "image_spec", "image", "image_id", "container_id"],
            "Images of a container, as asked for and as running, and its id.",
            |pod, out| {
                pair(&pod.spec.containers, &pod.status.container_statuses, |spec, status| {
                    let (image, id) = (&status.image, &status.image_id);
                    out.put(&[&status.name, &spec.image, image, id, &status.container_id], 1.0);
                });
            }),
        Family::gauge(Stable, "kube_pod_container_resource_limits", AMOUNT,
            "Amount of a resource that a container may use at most.",
            |pod, out| pod.amounts(&pod.spec.containers, |c| &c.resources.limits, out)),
        Family::gauge(Stable, "kube_pod_container_resource_requests", AMOUNT,
            "Amount of a resource that a container asks for.",
            |pod, out| pod.amounts(&pod.spec.containers, |c| &c.resources.requests, out)),
        Family::gauge(Stable, "kube_pod_container_state_started", &["container"],
            "When a running or terminated container started, in Unix seconds.",
            |pod, out| started(&pod.status.container_statuses, out)),
        Family::gauge(Alpha, "kube_pod_container_status_last_terminated_reason",
            &["container", "reason"],
            "Why the previous run of a container ended.",
            |pod, out| last_reason(&pod.status.container_statuses, out)),
        Family::gauge(Alpha, "kube_pod_container_status_last_terminated_exitcode", &["container"],
            "Exit code of the previous run of a container.",
            |pod, out| last_exit_code(&pod.status.container_statuses, out)),
        Family::gauge(Alpha, "kube_pod_container_status_last_terminated_timestamp", &["container"],
            "When the previous run of a container ended, in Unix seconds.",
            |pod, out| last_end(&pod.status.container_statuses, out)),
        Family::gauge(Stable, "kube_pod_container_status_ready", &["container"],
            "Whether a container passes its readiness check.",
            |pod, out| ready(&pod.status.container_statuses, out)),
        Family::gauge(Stable, "kube_pod_container_status_restarts_total", &["container"],
            "Times that a container was restarted.",
            |pod: &Pod, out| restarts(&pod.status.container_statuses, out)).counter(),
        Family::gauge(Stable, "kube_pod_container_status_running", &["container"],
            "Whether a container is running.",
            |pod, out| running(&pod.status.container_statuses, out)),
        Family::gauge(Stable, "kube_pod_container_status_terminated", &["container"],
            "Whether a container is terminated.",
            |pod, out| terminated(&pod.status.container_statuses, out)),
        Family::gauge(Alpha, "kube_pod_container_status_terminated_reason",
            &["container", "reason"],
            "Why a container is terminated.",
            |pod, out| terminated_reason(&pod.status.container_statuses, out)),
        Family::gauge(Stable, "kube_pod_container_status_waiting", &["container"],
            "Whether a container is waiting to run.",
            |pod, out| waiting(&pod.status.container_statuses, out)),
        Family::gauge(Stable, "kube_pod_container_status_waiting_reason", &["container", "reason"],
            "What a container is waiting for.",
            |pod, out| waiting_reason(&pod.status.container_statuses, out)),
        Family::created(Stable, "kube_pod_created"),
        Family::deletion(Alpha, "kube_pod_deletion_timestamp"),
        Family::gauge(Stable, "kube_pod_info",
            &["host_ip", "pod_ip", "node", "created_by_kind", "created_by_name", "priority_class",
              "host_network"],
            "Where a pod runs, with which addresses, and what created it.",
            |pod, out| {
                let owner = controller(&pod.metadata);
                let (kind, name) = owner.map_or(("", ""), |o| (&o.kind, &o.name));
                let network = if *pod.spec.host_network { "true" } else { "false" };
                out.put(
                    &[&pod.status.host_ip, &pod.status.pod_ip, &pod.spec.node_name, kind, name,
                      &pod.spec.priority_class_name, network],
                    1.0,
                );
            }),
        Family::gauge(Alpha, "kube_pod_ips", &["ip", "ip_family"],
            "Addresses of a pod and their IP version.",
            |pod, out| {
                for ip in pod.status.pod_ips.iter() {
                    if let Some(family) = ip_family(&ip.ip) {
                        out.put(&[&ip.ip, family], 1.0);
                    }
                }
            }),
        Family::gauge(Stable, "kube_pod_init_container_info",
            &["container", "image_spec", "image", "image_id", "container_id", "restart_policy"],
            "Images of an init container, as asked for and as running, its id and restart policy.",
            |pod, out| {
                let statuses = &pod.status.init_container_statuses;
                pair(&pod.spec.init_containers, statuses, |spec, status| {
                    out.put(
                        &[&status.name, &spec.image, &status.image, &status.image_id,
                          &status.container_id, &spec.restart_policy],
                        1.0,
                    );
                });
            }),
        Family::gauge(Alpha, "kube_pod_init_container_resource_limits", AMOUNT,
            "Amount of a resource that an init container may use at most.",
            |pod, out| pod.amounts(&pod.spec.init_containers, |c| &c.resources.limits, out)),
        Family::gauge(Alpha, "kube_pod_init_container_resource_requests", AMOUNT,
            "Amount of a resource that an init container asks for.",
            |pod, out| pod.amounts(&pod.spec.init_containers, |c| &c.resources.requests, out)),
        Family::gauge(Alpha, "kube_pod_init_container_state_started", &["container"],
            "When a running or terminated init container started, in Unix seconds.",
            |pod, out| started(&pod.status.init_container_statuses, out)),
        Family::gauge(Alpha, "kube_pod_init_container_status_last_terminated_reason",
            &["container", "reason"],
            "Why the previous run of an init container ended.",
            |pod, out| last_reason(&pod.status.init_container_statuses, out)),
        Family::gauge(Alpha, "kube_pod_init_container_status_last_terminated_exitcode",
            &["container"],
            "Exit code of the previous run of an init container.",
            |pod, out| last_exit_code(&pod.status.init_container_statuses, out)),
        Family::gauge(Alpha, "kube_pod_init_container_status_last_terminated_timestamp",
            &["container"],
            "When the previous run of an init container ended, in Unix seconds.",
            |pod, out| last_end(&pod.status.init_container_statuses, out)),
        Family::gauge(Stable, "kube_pod_init_container_status_ready", &["container"],
            "Whether an init container is ready or done.",
            |pod, out| ready(&pod.status.init_container_statuses, out)),
        Family::gauge(Stable, "kube_pod_init_container_status_restarts_total", &["container"],
            "Times that an init container was restarted.",
            |pod: &Pod, out| restarts(&pod.status.init_container_statuses, out)).counter(),
        Family::gauge(Stable, "kube_pod_init_container_status_running", &["container"],
            "Whether an init container is running.",
            |pod, out| running(&pod.status.init_container_statuses, out)),
        Family::gauge(Stable, "kube_pod_init_container_status_terminated", &["container"],
            "Whether an init container is terminated.",
            |pod, out| terminated(&pod.status.init_container_statuses, out)),
        Family::gauge(Alpha, "kube_pod_init_container_status_terminated_reason",
            &["container", "reason"],
            "Why an init container is terminated.",
            |pod, out| terminated_reason(&pod.status.init_container_statuses, out)),
        Family::gauge(Stable, "kube_pod_init_container_status_waiting", &["container"],
            "Whether an init container is waiting to run.",
            |pod, out| waiting(&pod.status.init_container_statuses, out)),
        Family::gauge(Alpha, "kube_pod_init_container_status_waiting_reason",
            &["container", "reason"],
            "What an init container is waiting for.",
            |pod, out| waiting_reason(&pod.status.init_container_statuses, out)),
        Family::annotations(Alpha, "kube_pod_annotations"),
        Family::labels(Stable, "kube_pod_labels"),
        Family::gauge(Alpha, "kube_pod_overhead_cpu_cores", &[],
            "Processor cores that running a pod takes beside its containers.",
            |pod, out| out.some(pod.spec.overhead.get("cpu").map(|q| q.milli()))),
        Family::gauge(Alpha, "kube_pod_overhead_memory_bytes", &[],
            "Memory that running a pod takes beside its containers.",
            |pod, out| out.some(pod.spec.overhead.get("memory").map(|q| q.value()))),
        Family::owner(Stable, "kube_pod_owner"),
        Family::gauge(Alpha, "kube_pod_resourceclaim_info",
            &["claim_name", "resourceclaim_name", "resourceclaim_template_name"],
            "Resource claims of a pod and the objects or templates that serve them.",
            |pod, out| pod.resource_claims(out)),
        Family::gauge(Stable, "kube_pod_restart_policy", &["type"],
            "When containers of a pod are restarted.",
            |pod, out| out.put(&[&pod.spec.restart_policy], 1.0)),
        Family::gauge(Alpha, "kube_pod_runtimeclass_name_info", &["runtimeclass_name"],
            "Runtime class of a pod.",
            |pod, out| {
                if let Some(name) = &pod.spec.runtime_class_name {
                    out.put(&[name], 1.0);
                }
            }),
        Family::gauge(Stable, "kube_pod_spec_volumes_persistentvolumeclaims_info", CLAIM,
            "Persistent volume claims that a pod mounts.",
            |pod, out| pod.claims(|labels, _| out.put(labels, 1.0))),
        Family::gauge(Stable, "kube_pod_spec_volumes_persistentvolumeclaims_readonly", CLAIM,
            "Whether a pod mounts a persistent volume claim read-only.",
            |pod, out| pod.claims(|labels, read_only| out.put(labels, read_only))),
        Family::gauge(Stable, "kube_pod_start_time", &[],
            "When the kubelet took the pod on, in Unix seconds.",
            |pod, out| out.set_time(pod.status.start_time)),
        Family::gauge(Stable, "kube_pod_status_phase", &["phase"],
            "Phase of a pod, one series each.",
            |pod, out| {
                if !pod.status.phase.is_empty() {
                    out.states(PHASES, &pod.status.phase);
                }
            }),
        Family::gauge(Alpha, "kube_pod_status_qos_class", &["qos_class"],
            "Quality of service that a pod gets, one series a class.",
            |pod, out| {
                if !pod.status.qos_class.is_empty() {
                    out.states(QOS_CLASSES, &pod.status.qos_class);
                }
            }),
        Family::gauge(Stable, "kube_pod_status_ready", &["condition"],
            "Whether a pod is ready to serve, one series a status of the condition.",
            |pod, out| out.conditions_of(&pod.status.conditions, "Ready")),
        Family::gauge(Alpha, "kube_pod_status_ready_time", &[],
            "When a ready pod became ready, in Unix seconds.",
            |pod, out| pod.since("Ready", "True", out)),
        Family::gauge(Alpha, "kube_pod_status_initialized_time", &[],
            "When the init containers of a pod were done, in Unix seconds.",
            |pod, out| pod.since("Initialized", "True", out)),
        Family::gauge(Alpha, "kube_pod_status_container_ready_time", &[],
            "When all containers of a pod became ready, in Unix seconds.",
            |pod, out| pod.since("ContainersReady", "True", out)),
        Family::gauge(Alpha, "kube_pod_status_reason", &["reason"],
            "Why a pod is in its state, as the pod, a condition or a terminated container says.",
            |pod, out| pod.reasons(out)),
        Family::gauge(Alpha, "kube_pod_status_disruption_reason", &["reason"],
            "Why a pod is about to be disrupted.",
            |pod, out| {
                for condition in pod.status.conditions.iter() {
                    if condition.r#type.as_str() == "DisruptionTarget" {
                        let reason = condition.reason.as_str();
                        let known = DISRUPTIONS.contains(&reason);
                        out.put(&[if known { reason } else { "Other" }], 1.0);
                    }
                }
            }),
        Family::gauge(Stable, "kube_pod_status_scheduled", &["condition"],
            "Whether a pod was given a node, one series a status of the condition.",
            |pod, out| out.conditions_of(&pod.status.conditions, "PodScheduled")),
        Family::gauge(Stable, "kube_pod_status_scheduled_time", &[],
            "When a pod was given a node, in Unix seconds.",
            |pod, out| pod.since("PodScheduled", "True", out)),
        Family::gauge(Stable, "kube_pod_status_unschedulable", &[],
            "Present while no node suits the pod.",
            |pod, out| {
                for _ in pod.conditions("PodScheduled", "False") {
                    out.value(1.0);
                }
            }),
        Family::gauge(Alpha, "kube_pod_status_unscheduled_time", &[],
            "Since when no node suits the pod, in Unix seconds.",
            |pod, out| pod.since("PodScheduled", "False", out)),
        Family::gauge(Alpha, "kube_pod_tolerations",
            &["key", "operator", "value", "effect", "toleration_seconds"],
            "Taints of nodes that a pod tolerates.",
            |pod, out| pod.tolerations(out)),
        Family::gauge(Alpha, "kube_pod_nodeselectors", &[],
            "Labels that a node of the pod must have, as labels nodeselector_*.",
            |pod: &Pod, out| out.pairs("nodeselector", &pod.spec.node_selector)).opt_in(),
        Family::gauge(Alpha, "kube_pod_service_account", &["service_account"],
            "Service account of a pod.",
            |pod, out| out.put(&[&pod.spec.service_account_name], 1.0)),
        Family::gauge(Alpha, "kube_pod_scheduler", &["name"],
            "Scheduler of a pod.",
            |pod, out| out.put(&[&pod.spec.scheduler_name], 1.0)),
    ];

    fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}

impl Pod {
    fn amounts(
        &self,
        containers: &[Container],
        of: fn(&Container) -> &Map<Quantity>,
        out: &mut Series<'_>,
    ) {
        for container in containers {
            for (resource, amount) in of(container).iter() {
                if let Some((unit, value)) = amounts::of_container(resource, *amount) {
                    let label = amounts::label(resource);
                    out.put(&[&container.name, &self.spec.node_name, &label, unit], value);
                }
            }
        }
    }

    fn conditions(&self, of: &str, status: &str) -> impl Iterator<Item = &Condition> {
        let conditions = self.status.conditions.iter();
        conditions.filter(move |c| c.r#type.as_str() == of && c.status.as_str() == status)
    }

    fn since(&self, condition: &str, status: &str, out: &mut Series<'_>) {
        for condition in self.conditions(condition, status) {
            out.value(condition.last_transition_time.unwrap_or(Time::ZERO));
        }
    }

    fn resource_claims(&self, out: &mut Series<'_>) {
        for claim in self.spec.resource_claims.iter() {
            let direct = claim.resource_claim_name.as_deref();
            let template = claim.resource_claim_template_name.as_deref();
            if direct.or(template).is_none() {
                continue;
            }
            let resolved = || {
                let mut statuses = self.status.resource_claim_statuses.iter();
                let status = statuses.rfind(|s| s.name == claim.name);
                status.map_or("", |s| s.resource_claim_name.as_str())
            };
            let name = direct.unwrap_or_else(resolved);
            out.put(&[&claim.name, name, template.unwrap_or("")], 1.0);
        }
    }

    fn claims(&self, mut put: impl FnMut(&[&str], bool)) {
        for volume in self.spec.volumes.iter() {
            if let Some(claim) = &volume.persistent_volume_claim {
                put(&[&volume.name, &claim.claim_name, "false"], *claim.read_only);
            }
            if volume.ephemeral.is_some() {
                let claim = format!("{}-{}", *self.metadata.name, *volume.name);
                put(&[&volume.name, &claim, "true"], false);
            }
        }
    }

    fn reasons(&self, out: &mut Series<'_>) {
        let status = &self.status;
        let terminated = |c: &ContainerStatus, reason: &str| {
            c.state.terminated.as_ref().is_some_and(|t| t.reason.as_str() == reason)
        };
        for reason in REASONS {
            let found = status.reason.as_str() == *reason
                || status.conditions.iter().any(|c| c.reason.as_str() == *reason)
                || status.container_statuses.iter().any(|c| terminated(c, reason));
            if found {
                out.put(&[reason], 1.0);
            }
        }
        if !status.reason.is_empty() && !REASONS.contains(&status.reason.as_str()) {
            out.put(&["Other"], 1.0);
        }
    }

    fn tolerations(&self, out: &mut Series<'_>) {
        let all = &self.spec.tolerations;
        for (at, toleration) in all.iter().enumerate() {
            if all[..at].contains(toleration) {
                continue;
            }
            let seconds = toleration.toleration_seconds.map(|s| s.to_string());
            out.put(
                &[&toleration.key, &toleration.operator, &toleration.value, &toleration.effect,
                  seconds.as_deref().unwrap_or("")],
                1.0,
            );
        }
    }
}

fn pair(
    specs: &[Container],
    statuses: &[ContainerStatus],
    mut put: impl FnMut(&Container, &ContainerStatus),
) {
    for spec in specs {
        for status in statuses.iter().filter(|status| status.name == spec.name) {
            put(spec, status);
        }
    }
}

fn started(statuses: &[ContainerStatus], out: &mut Series<'_>) {
    for status in statuses {
        let running = status.state.running.as_ref().map(|s| s.started_at);
        let terminated = status.state.terminated.as_ref().map(|s| s.started_at);
        if let Some(start) = running.or(terminated) {
            out.put(&[&status.name], start.unwrap_or(Time::ZERO));
        }
    }
}

/// Statuses that tell of a previous run.
fn ended(statuses: &[ContainerStatus]) -> impl Iterator<Item = (&str, &Terminated)> {
    let last = |s: &'_ ContainerStatus| s.last_state.terminated.is_some();
    let ended = statuses.iter().filter(move |s| last(s));
    ended.filter_map(|s| Some((s.name.as_str(), s.last_state.terminated.as_ref()?)))
}

fn last_reason(statuses: &[ContainerStatus], out: &mut Series<'_>) {
    for (name, run) in ended(statuses) {
        out.put(&[name, &run.reason], 1.0);
    }
}

fn last_exit_code(statuses: &[ContainerStatus], out: &mut Series<'_>) {
    for (name, run) in ended(statuses) {
        out.put(&[name], run.exit_code.clone());
    }
}

fn last_end(statuses: &[ContainerStatus], out: &mut Series<'_>) {
    for (name, run) in ended(statuses) {
        out.put(&[name], run.finished_at.unwrap_or(Time::ZERO));
    }
}

fn ready(statuses: &[ContainerStatus], out: &mut Series<'_>) {
    for status in statuses {
        out.put(&[&status.name], *status.ready);
    }
}

fn restarts(statuses: &[ContainerStatus], out: &mut Series<'_>) {
    for status in statuses {
        out.put(&[&status.name], *status.restart_count);
    }
}

fn running(statuses: &[ContainerStatus], out: &mut Series<'_>) {
    for status in statuses {
        out.put(&[&status.name], status.state.running.is_some());
    }
}

fn terminated(statuses: &[ContainerStatus], out: &mut Series<'_>) {
    for status in statuses {
        out.put(&[&status.name], status.state.terminated.is_some());
    }
}

fn terminated_reason(statuses: &[ContainerStatus], out: &mut Series<'_>) {
    for status in statuses {
        if let Some(run) = &status.state.terminated {
            out.put(&[&status.name, &run.reason], 1.0);
        }
    }
}

fn waiting(statuses: &[ContainerStatus], out: &mut Series<'_>) {
    for status in statuses {
        out.put(&[&status.name], status.state.waiting.is_some());
    }
}

fn waiting_reason(statuses: &[ContainerStatus], out: &mut Series<'_>) {
    for status in statuses {
        if let Some(waiting) = &status.state.waiting {
            out.put(&[&status.name, &waiting.reason], 1.0);
        }
    }
}

/// The IP version of an address: `4`, also for one that is mapped into version 6, or `6`, also with
/// a zone. Rust's parser is as strict as Go's.
fn ip_family(text: &str) -> Option<&'static str> {
    let (address, zone) = match text.split_once('%') {
        Some((address, zone)) => (address, Some(zone)),
        None => (text, None),
    };
    match address.parse::<IpAddr>().ok()? {
        IpAddr::V4(_) => zone.is_none().then_some("4"),
        IpAddr::V6(ip) if zone.is_none_or(|z| !z.is_empty()) => Some(match mapped(ip) {
            Some(_) => "4",
            None => "6",
        }),
        IpAddr::V6(_) => None,
    }
}

fn mapped(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    ip.to_ipv4_mapped()
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    #[test]
    fn ip_versions() {
        for (text, family) in [
            ("10.1.0.1", Some("4")),
            ("fd00::1", Some("6")),
            ("::ffff:10.1.0.1", Some("4")),
            ("fe80::1%eth0", Some("6")),
            ("10.01.0.1", None),
            (" 10.1.0.1", None),
            ("10.1.0.1%eth0", None),
            ("fe80::1%", None),
            ("", None),
        ] {
            assert_eq!(ip_family(text), family, "{text}");
        }
    }

    #[test]
    fn a_running_pod() {
        testing::expect::<Pod>(
            r#"{"metadata": {"namespace": "shop", "name": "cart-0", "uid": "u1",
                  "creationTimestamp": "2026-01-02T03:04:05Z",
                  "ownerReferences": [{"kind": "StatefulSet", "name": "cart", "controller": true}]},
                "spec": {"nodeName": "n1", "restartPolicy": "Always",
                  "containers": [{"name": "web", "image": "web:1", "resources":
                    {"limits": {"cpu": "1500m", "memory": "64Mi", "example.com/gpu": "2", "odd": "1"}}}],
                  "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "c", "readOnly": true}},
                    {"name": "tmp", "ephemeral": {}}]},
                "status": {"phase": "Running", "reason": "Weird", "hostIP": "10.0.0.1", "podIP": "10.1.0.1",
                  "podIPs": [{"ip": "10.1.0.1"}], "startTime": null,
                  "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-02T03:05:00Z"}],
                  "containerStatuses": [{"name": "web", "image": "docker/web:1", "imageID": "i", "containerID": "c1",
                    "ready": true, "restartCount": 3, "state": {"running": {"startedAt": null}}}]}}"#,
            &["kube_pod_info", "kube_pod_container_info", "kube_pod_container_resource_limits",
              "kube_pod_container_state_started", "kube_pod_container_status_restarts_total",
              "kube_pod_status_ready", "kube_pod_status_ready_time", "kube_pod_status_reason",
              "kube_pod_created", "kube_pod_start_time",
              "kube_pod_spec_volumes_persistentvolumeclaims_readonly"],
            &[
                r#"kube_pod_container_info{namespace="shop",pod="cart-0",uid="u1",container="web",image_spec="web:1",image="docker/web:1",image_id="i",container_id="c1"} 1"#,
                r#"kube_pod_container_resource_limits{namespace="shop",pod="cart-0",uid="u1",container="web",node="n1",resource="cpu",unit="core"} 1.5"#,
                r#"kube_pod_container_resource_limits{namespace="shop",pod="cart-0",uid="u1",container="web",node="n1",resource="example_com_gpu",unit="integer"} 2"#,
                r#"kube_pod_container_resource_limits{namespace="shop",pod="cart-0",uid="u1",container="web",node="n1",resource="memory",unit="byte"} 6.7108864e+07"#,
                r#"kube_pod_container_state_started{namespace="shop",pod="cart-0",uid="u1",container="web"} -6.21355968e+10"#,
                r#"kube_pod_container_status_restarts_total{namespace="shop",pod="cart-0",uid="u1",container="web"} 3"#,
                r#"kube_pod_created{namespace="shop",pod="cart-0",uid="u1"} 1.767323045e+09"#,
                r#"kube_pod_info{namespace="shop",pod="cart-0",uid="u1",host_ip="10.0.0.1",pod_ip="10.1.0.1",node="n1",created_by_kind="StatefulSet",created_by_name="cart",priority_class="",host_network="false"} 1"#,
                r#"kube_pod_spec_volumes_persistentvolumeclaims_readonly{namespace="shop",pod="cart-0",uid="u1",volume="data",persistentvolumeclaim="c",ephemeral="false"} 1"#,
                r#"kube_pod_spec_volumes_persistentvolumeclaims_readonly{namespace="shop",pod="cart-0",uid="u1",volume="tmp",persistentvolumeclaim="cart-0-tmp",ephemeral="true"} 0"#,
                r#"kube_pod_status_ready{namespace="shop",pod="cart-0",uid="u1",condition="true"} 1"#,
                r#"kube_pod_status_ready{namespace="shop",pod="cart-0",uid="u1",condition="false"} 0"#,
                r#"kube_pod_status_ready{namespace="shop",pod="cart-0",uid="u1",condition="unknown"} 0"#,
                r#"kube_pod_status_ready_time{namespace="shop",pod="cart-0",uid="u1"} 1.7673231e+09"#,
                r#"kube_pod_status_reason{namespace="shop",pod="cart-0",uid="u1",reason="Other"} 1"#,
            ],
        );
    }
}
