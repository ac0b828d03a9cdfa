//! One probe: its request, its deadline, its log and its samples.

use crate::config::Module;
use crate::log::{LogSettings, ProbeLog};
use crate::probers;
use crate::{debug, error};
use exporter_core::dialect::strconv;
use exporter_core::exposition::{Arena, Family};
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;
use tokio::time::Instant;

static SUCCESS: Family = Family::gauge("probe_success", &[], "Whether the probe succeeded.");
static DURATION: Family = Family::gauge(
    "probe_duration_seconds",
    &[],
    "Time that the probe took in seconds.",
);
static TIMEOUT: Family = Family::gauge(
    "probe_timeout_seconds",
    &[],
    "Time that the probe was given in seconds.",
);

/// Families of every probe.
pub static FAMILIES: &[&Family] = &[&SUCCESS, &DURATION, &TIMEOUT];

/// What a prober works with.
#[derive(Debug)]
pub struct Probe<'a> {
    /// The module.
    pub module: &'a Module,
    /// The target as it was asked for.
    pub target: &'a str,
    /// The `hostname` parameter; for HTTP and TCP it is in the module already.
    pub hostname: &'a str,
    /// Nothing goes on after this.
    pub deadline: Instant,
    /// The log.
    pub log: ProbeLog,
    /// The samples.
    pub out: Arena,
    /// Time that the last choice of an address took, in seconds.
    pub lookup_seconds: f64,
}

impl<'a> Probe<'a> {
    /// A probe that is about to begin. `shown` is the target without password; nothing is in `out`.
    pub fn new(
        module: &'a Module,
        target: &'a str,
        hostname: &'a str,
        shown: &str,
        log: LogSettings,
        out: Arena,
    ) -> Self {
        Probe {
            module,
            target,
            hostname,
            deadline: Instant::now(),
            log: ProbeLog::new(log, &module.name, shown),
            out,
            lookup_seconds: 0.0,
        }
    }

    /// Runs the prober of the module for at most so many seconds and puts the common series.
    pub async fn run(&mut self, prober: &probers::Prober, timeout: f64) -> bool {
        let started = Instant::now();
        self.deadline = started + patience(timeout);
        debug!(self.log, "Beginning probe", "probe" => prober.name, "timeout_seconds" => timeout);
        let success = match unbroken((prober.run)(self)).await {
            Some(success) => success,
            None => {
                error!(self.log, "The prober broke down; please report this");
                false
            }
        };
        let seconds = started.elapsed().as_secs_f64();
        if success {
            debug!(self.log, "Probe succeeded", "duration_seconds" => seconds);
        } else {
            error!(self.log, "Probe failed", "duration_seconds" => seconds);
        }
        self.out.put(&SUCCESS, &[], f64::from(u8::from(success)));
        self.out.put(&DURATION, &[], seconds);
        self.out.put(&TIMEOUT, &[], timeout);
        success
    }
}

/// What a future comes to; `None` where it panics, which costs this probe and no other.
async fn unbroken<T>(mut work: Pin<Box<dyn Future<Output = T> + Send + '_>>) -> Option<T> {
    poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx)));
        polled.map_or(Poll::Ready(None), |poll| poll.map(Some))
    })
    .await
}

/// Values that are not finite or not above 0 are over at once.
fn patience(seconds: f64) -> Duration {
    // A year is longer than any probe and short enough for any clock.
    match seconds.is_finite() && seconds > 0.0 {
        true => Duration::from_secs_f64(seconds.min(3.2e7)),
        false => Duration::ZERO,
    }
}

/// Runs a future up to a deadline. After it even what would be done at once is not begun.
pub async fn within<T>(deadline: Instant, work: impl Future<Output = T>) -> Result<T, String> {
    let over = || "the time of the probe is over".to_owned();
    if Instant::now() >= deadline {
        return Err(over());
    }
    let result = tokio::time::timeout_at(deadline, work).await;
    result.map_err(|_| over())
}

/// Seconds that a probe gets: the scrape timeout less the offset, or what the module says where that
/// is less. `module` is in nanoseconds, 0 for none.
///
/// # Errors
/// A header that is no number.
pub fn timeout(header: Option<&str>, offset: f64, module: i64) -> Result<f64, String> {
    let scrape = match header.filter(|h| !h.is_empty()) {
        None => 0.0,
        Some(text) => strconv::parse_float(text)
            .ok_or_else(|| format!("strconv.ParseFloat: parsing {text:?}: invalid syntax"))?,
    };
    let scrape = if scrape == 0.0 { 120.0 } else { scrape };
    let most = scrape - offset;
    let module = module as f64 / 1e9;
    Ok(match (module < most && module > 0.0) || most < 0.0 {
        true => module,
        false => most,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_no_value() {
        assert_eq!(unbroken(Box::pin(async { 1 })).await, Some(1));
        let broken = unbroken::<i32>(Box::pin(async { panic!("as it should") }));
        assert_eq!(broken.await, None);
    }

    #[tokio::test]
    async fn nothing_is_begun_after_the_deadline() {
        let now = Instant::now();
        assert!(within(now, async { 1 }).await.is_err());
        let later = now + std::time::Duration::from_secs(60);
        assert_eq!(within(later, async { 1 }).await, Ok(1));
    }

    #[test]
    fn timeouts() {
        for (header, offset, module, seconds) in [
            (None, 0.5, 0, 119.5),
            (Some("10"), 0.5, 0, 9.5),
            (Some("10"), 0.5, 5_000_000_000, 5.0),
            (Some("10"), 0.5, 15_000_000_000, 9.5),
            (Some("0"), 0.5, 0, 119.5),
            (Some(""), 0.5, 0, 119.5),
            (Some("0.2"), 0.5, 0, 0.0),
            (Some("0.2"), 0.5, 3_000_000_000, 3.0),
            (Some("0.5"), 0.5, 3_000_000_000, 0.0),
            (Some("0x1p3"), 0.5, 0, 7.5),
            (Some("1"), -0.5, 0, 1.5),
        ] {
            assert_eq!(
                timeout(header, offset, module),
                Ok(seconds),
                "{header:?} {module}"
            );
        }
        assert!(timeout(Some("soon"), 0.5, 0).is_err());
        assert_eq!(patience(f64::INFINITY), Duration::ZERO);
        assert_eq!(patience(-1.0), Duration::ZERO);
    }
}
