//! Jobs: <https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/job-v1/>.

use super::{Base, Families, Object};
use crate::object::{Condition, Lax, List, Metadata, Time};
use crate::series::Stability::{Alpha, Stable};
use crate::series::{Family, Series};
use serde::Deserialize;

/// A job.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Job {
    metadata: Metadata,
    spec: Lax<Spec>,
    status: Lax<Status>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    parallelism: Option<i64>,
    completions: Option<i64>,
    active_deadline_seconds: Option<i64>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    active: Lax<i64>,
    completion_time: Option<Time>,
    conditions: List<Condition>,
    failed: Lax<i64>,
    ready: Lax<i64>,
    start_time: Option<Time>,
    succeeded: Lax<i64>,
}

/// Reasons of failed jobs that are told.
const REASONS: &[&str] = &["BackoffLimitExceeded", "DeadlineExceeded", "Evicted"];

impl Object for Job {
    const PLURAL: &'static str = "jobs";
    const GROUP: &'static str = "batch";
    const KIND: &'static str = "Job";
    const NAMESPACED: bool = true;
    const BASE: Base<Self> = &[
        ("namespace", |job| &job.metadata.namespace),
        ("job_name", |job| &job.metadata.name),
    ];
    const FAMILIES: Families<Self> = &[
        Family::annotations(Alpha, "kube_job_annotations"),
        Family::labels(Stable, "kube_job_labels"),
        Family::gauge(Stable, "kube_job_info", &[],
            "Present for each job.",
            |_, out| out.value(1.0)),
        Family::created(Stable, "kube_job_created"),
        Family::gauge(Stable, "kube_job_spec_parallelism", &[],
            "Most pods that run at a time.",
            |job, out| out.some(job.spec.parallelism)),
        Family::gauge(Stable, "kube_job_spec_completions", &[],
            "Pods that must succeed.",
            |job, out| out.some(job.spec.completions)),
        Family::gauge(Stable, "kube_job_spec_active_deadline_seconds", &[],
            "How long a job may take.",
            |job, out| out.some(job.spec.active_deadline_seconds)),
        Family::gauge(Stable, "kube_job_status_succeeded", &[],
            "Pods that succeeded.",
            |job, out| out.value(*job.status.succeeded)),
        Family::gauge(Stable, "kube_job_status_failed", &[],
            "Pods that failed, or why the job did.",
            |job, out| job.failed(out)),
        Family::gauge(Stable, "kube_job_status_active", &[],
            "Pods that are running or about to.",
            |job, out| out.value(*job.status.active)),
        Family::gauge(Alpha, "kube_job_status_ready", &[],
            "Pods that are ready.",
            |job, out| out.value(*job.status.ready)),
        Family::gauge(Stable, "kube_job_complete", &["condition"],
            "Whether a job is complete, one series a status of the condition.",
            |job, out| out.conditions_of(&job.status.conditions, "Complete")),
        Family::gauge(Stable, "kube_job_failed", &["condition"],
            "Whether a job has failed, one series a status of the condition.",
            |job, out| out.conditions_of(&job.status.conditions, "Failed")),
        Family::gauge(Stable, "kube_job_status_start_time", &[],
            "When the controller took the job on, in Unix seconds.",
            |job, out| out.set_time(job.status.start_time)),
        Family::gauge(Stable, "kube_job_status_completion_time", &[],
            "When a job was complete, in Unix seconds.",
            |job, out| out.set_time(job.status.completion_time)),
        Family::gauge(Alpha, "kube_job_status_suspended", &[],
            "Whether a job is suspended.",
            |job, out| {
                for condition in job.status.conditions.iter() {
                    if condition.r#type.as_str() == "Suspended" {
                        out.value(condition.status.as_str() == "True");
                    }
                }
            }),
        Family::owner(Stable, "kube_job_owner"),
    ];

    fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}

impl Job {
    /// Without failed pods 0; else each reason as 1 or 0, or without a known one the failed pods.
    fn failed(&self, out: &mut Series<'_>) {
        let failed = *self.status.failed;
        if failed == 0 {
            return out.put_named(&[], 0.0);
        }
        let mut known = false;
        for condition in self.status.conditions.iter() {
            if condition.r#type.as_str() == "Failed" {
                for reason in REASONS {
                    let is_reason = condition.reason.as_str() == *reason;
                    known |= is_reason;
                    out.put_named(&[("reason", reason)], is_reason);
                }
            }
        }
        if !known {
            out.put_named(&[("reason", "")], failed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    #[test]
    fn failed_pods_without_a_known_reason() {
        testing::expect::<Job>(
            r#"{"metadata": {"namespace": "a", "name": "j", "ownerReferences": [{"kind": "CronJob", "name": "c"}]},
                "spec": {"completions": 1},
                "status": {"failed": 2,
                "conditions": [{"type": "Failed",
                "status": "True", "reason": "Other"}, {"type": "Suspended",
                "status": "False"}]}}"#,
            &[],
            &[
                r#"kube_job_info{namespace="a",job_name="j"} 1"#,
                r#"kube_job_spec_completions{namespace="a",job_name="j"} 1"#,
                r#"kube_job_status_succeeded{namespace="a",job_name="j"} 0"#,
                r#"kube_job_status_failed{namespace="a",job_name="j",reason="BackoffLimitExceeded"} 0"#,
                r#"kube_job_status_failed{namespace="a",job_name="j",reason="DeadlineExceeded"} 0"#,
                r#"kube_job_status_failed{namespace="a",job_name="j",reason="Evicted"} 0"#,
                r#"kube_job_status_failed{namespace="a",job_name="j",reason=""} 2"#,
                r#"kube_job_status_active{namespace="a",job_name="j"} 0"#,
                r#"kube_job_status_ready{namespace="a",job_name="j"} 0"#,
                r#"kube_job_failed{namespace="a",job_name="j",condition="true"} 1"#,
                r#"kube_job_failed{namespace="a",job_name="j",condition="false"} 0"#,
                r#"kube_job_failed{namespace="a",job_name="j",condition="unknown"} 0"#,
                r#"kube_job_status_suspended{namespace="a",job_name="j"} 0"#,
                r#"kube_job_owner{namespace="a",job_name="j",owner_kind="CronJob",owner_name="c",owner_is_controller="false"} 1"#,
            ],
        );
    }
}
