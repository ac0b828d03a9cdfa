//! Cron jobs: <https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/cron-job-v1/>.

use super::{Base, Families, Object};
use crate::object::{Lax, List, Metadata, Text, Time};
use crate::series::Stability::{Alpha, Stable};
use crate::series::{Family, Series};
use crate::schedule::Schedule;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// A cron job.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct CronJob {
    metadata: Metadata,
    spec: Lax<Spec>,
    status: Lax<Status>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    concurrency_policy: Text,
    failed_jobs_history_limit: Option<i64>,
    schedule: Text,
    starting_deadline_seconds: Option<i64>,
    successful_jobs_history_limit: Option<i64>,
    suspend: Lax<bool>,
    time_zone: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    active: List<IgnoredAny>,
    last_schedule_time: Option<Time>,
    last_successful_time: Option<Time>,
}

impl Object for CronJob {
    const PLURAL: &'static str = "cronjobs";
    const GROUP: &'static str = "batch";
    const KIND: &'static str = "CronJob";
    const NAMESPACED: bool = true;
    const BASE: Base<Self> = &[
        ("namespace", |job| &job.metadata.namespace),
        ("cronjob", |job| &job.metadata.name),
    ];
    const FAMILIES: Families<Self> = &[
        Family::annotations(Alpha, "kube_cronjob_annotations"),
        Family::labels(Stable, "kube_cronjob_labels"),
        Family::gauge(Stable, "kube_cronjob_info", &["schedule", "concurrency_policy", "timezone"],
            "Schedule of a cron job, its time zone, and what is done when runs overlap.",
            |job, out| {
                let spec = &job.spec;
                let zone = spec.time_zone.as_deref().unwrap_or("local");
                out.put(&[&spec.schedule, &spec.concurrency_policy, zone], 1.0);
            }),
        Family::created(Stable, "kube_cronjob_created"),
        Family::gauge(Stable, "kube_cronjob_status_active", &[],
            "Jobs that are running.",
            |job, out| out.value(job.status.active.len())),
        Family::gauge(Stable, "kube_cronjob_status_last_schedule_time", &[],
            "When a job was last started, in Unix seconds.",
            |job, out| out.set_time(job.status.last_schedule_time)),
        Family::gauge(Stable, "kube_cronjob_status_last_successful_time", &[],
            "When a job last succeeded, in Unix seconds.",
            |job, out| out.set_time(job.status.last_successful_time)),
        Family::gauge(Stable, "kube_cronjob_spec_suspend", &[],
            "Whether no more jobs are started.",
            |job, out| out.value(*job.spec.suspend)),
        Family::gauge(Stable, "kube_cronjob_spec_starting_deadline_seconds", &[],
            "How late a job may start.",
            |job, out| out.some(job.spec.starting_deadline_seconds)),
        Family::gauge(Stable, "kube_cronjob_next_schedule_time", &[],
            "When the next job is due, in Unix seconds.",
            |job, out| job.next(out)),
        Family::gauge(Alpha, "kube_cronjob_schedule_invalid", &[],
            "Present while the schedule or its time zone cannot be read.",
            |job, out| {
                if job.schedule().is_none() {
                    out.value(1.0);
                }
            }),
        Family::resource_version(Stable, "kube_cronjob_metadata_resource_version"),
        Family::gauge(Alpha, "kube_cronjob_spec_successful_job_history_limit", &[],
            "Successful jobs that are kept.",
            |job, out| out.some(job.spec.successful_jobs_history_limit)),
        Family::gauge(Alpha, "kube_cronjob_spec_failed_job_history_limit", &[],
            "Failed jobs that are kept.",
            |job, out| out.some(job.spec.failed_jobs_history_limit)),
    ];

    fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}

impl CronJob {
    fn schedule(&self) -> Option<Schedule> {
        Schedule::parse(&self.spec.schedule, self.spec.time_zone.as_deref())
    }

    /// The first time after the last start, or after the creation. A date that never comes is told
    /// as the zero time.
    fn next(&self, out: &mut Series<'_>) {
        let last = self.status.last_schedule_time.and_then(Time::set);
        let last = last.or(self.metadata.creation_timestamp.and_then(Time::set));
        if let (false, Some(last), Some(schedule)) = (*self.spec.suspend, last, self.schedule()) {
            out.value(schedule.next(last.0).map_or(Time::ZERO, Time));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    #[test]
    fn a_suspended_job_with_a_bad_schedule() {
        testing::expect::<CronJob>(
            r#"{"metadata": {"namespace": "a", "name": "c", "creationTimestamp": "2026-01-02T03:04:05Z"},
                "spec": {"schedule": "61 * * * *", "suspend": true, "timeZone": "Etc/UTC", "failedJobsHistoryLimit": 0},
                "status": {"active": [{"name": "c-1"}]}}"#,
            &[],
            &[
                r#"kube_cronjob_info{namespace="a",cronjob="c",schedule="61 * * * *",concurrency_policy="",timezone="Etc/UTC"} 1"#,
                r#"kube_cronjob_created{namespace="a",cronjob="c"} 1.767323045e+09"#,
                r#"kube_cronjob_status_active{namespace="a",cronjob="c"} 1"#,
                r#"kube_cronjob_spec_suspend{namespace="a",cronjob="c"} 1"#,
                r#"kube_cronjob_schedule_invalid{namespace="a",cronjob="c"} 1"#,
                r#"kube_cronjob_spec_failed_job_history_limit{namespace="a",cronjob="c"} 0"#,
            ],
        );
    }
}
