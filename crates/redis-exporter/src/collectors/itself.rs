//! What the exporter says of itself and of its scrapes.

use crate::samples::Samples;
use exporter_core::build_info;
use exporter_core::exposition::{Distribution, Family, Kind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

static BUILD: Family = Family::gauge(
    "redis_exporter_build_info",
    &["build_date", "commit_sha", "golang_version", "version"],
    "Constant 1, labelled with version, origin and compiler of this exporter.",
);
static SCRAPES: Family = Family::counter(
    "redis_exporter_scrapes_total",
    &[],
    "Scrapes of the telemetry path.",
);
static DURATION: Family = Family::new(
    Kind::Summary,
    "redis_exporter_scrape_duration_seconds",
    &[],
    "Time of scrapes in seconds.",
);
static REQUEST_ERRORS: Family = Family::counter(
    "redis_target_scrape_request_errors_total",
    &[],
    "Requests to scrape a target that were refused.",
);
static UP: Family = Family::gauge("redis_up", &[], "Whether the server could be scraped.");
static LAST_ERROR: Family = Family::gauge(
    "redis_exporter_last_scrape_error",
    &["err"],
    "Whether this scrape failed, labelled with the reason.",
);
static LAST_DURATION: Family = Family::gauge(
    "redis_exporter_last_scrape_duration_seconds",
    &[],
    "Time of this scrape in seconds.",
);
static CONNECT_TIME: Family = Family::gauge(
    "redis_exporter_last_scrape_connect_time_seconds",
    &[],
    "Time until there was a connection in seconds; next to nothing where one was kept.",
);
static PING_TIME: Family = Family::gauge(
    "redis_exporter_last_scrape_ping_time_seconds",
    &[],
    "Time until the server replied to a PING in seconds.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![
        &BUILD,
        &SCRAPES,
        &DURATION,
        &REQUEST_ERRORS,
        &UP,
        &LAST_ERROR,
        &LAST_DURATION,
        &CONNECT_TIME,
        &PING_TIME,
    ]
}

/// Counts over the life of the process, or of one request for a target.
#[derive(Debug, Default)]
pub struct Counters {
    scrapes: AtomicU64,
    request_errors: AtomicU64,
    /// Sum in seconds and number.
    durations: Mutex<(f64, u64)>,
}

impl Counters {
    /// Counts a scrape.
    pub fn scrape(&self) {
        self.scrapes.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a request that was refused.
    pub fn request_error(&self) {
        self.request_errors.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts the time of a scrape.
    pub fn took(&self, elapsed: Duration) {
        let mut durations = self
            .durations
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        durations.0 += elapsed.as_secs_f64();
        durations.1 += 1;
    }

    /// Puts them.
    pub fn put(&self, out: &mut Samples<'_>) {
        let value = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as f64;
        out.put_own(&SCRAPES, &[], value(&self.scrapes));
        out.put_own(&REQUEST_ERRORS, &[], value(&self.request_errors));
        let (sum, count) = *self
            .durations
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let summary = Distribution {
            sum,
            count: count as f64,
            points: &[],
        };
        out.put_own_distribution(&DURATION, summary);
    }
}

/// Puts what the binary is.
pub fn put_build(version: &str, out: &mut Samples<'_>) {
    let labels = [
        build_info::BUILD_DATE,
        build_info::REVISION,
        build_info::RUSTC,
        version,
    ];
    out.put_own(&BUILD, &labels, 1.0);
}

/// Puts how the scrape went; `error` is empty where it went well.
pub fn put_outcome(error: &str, elapsed: Duration, out: &mut Samples<'_>) {
    let failed = !error.is_empty();
    out.put(&UP, &[], f64::from(u8::from(!failed)));
    out.put(&LAST_ERROR, &[error], f64::from(u8::from(failed)));
    out.put(&LAST_DURATION, &[], elapsed.as_secs_f64());
}

/// Puts how long connecting took.
pub fn put_connect_time(elapsed: Duration, out: &mut Samples<'_>) {
    out.put_own(&CONNECT_TIME, &[], elapsed.as_secs_f64());
}

/// Puts how long a PING took.
pub fn put_ping_time(elapsed: Duration, out: &mut Samples<'_>) {
    out.put_own(&PING_TIME, &[], elapsed.as_secs_f64());
}
