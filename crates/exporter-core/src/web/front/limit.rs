//! One bucket of tokens for all requests.

use super::lock;
use crate::dialect::duration;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A bucket that starts full and gains a token every interval.
#[derive(Debug)]
pub struct Limiter {
    interval: Duration,
    burst: f64,
    state: Mutex<(f64, Instant)>,
}

impl Limiter {
    /// A bucket of `burst` tokens.
    pub fn new(interval: Duration, burst: u32) -> Self {
        Limiter {
            interval,
            burst: f64::from(burst),
            state: Mutex::new((f64::from(burst), Instant::now())),
        }
    }

    /// Tells that it is in force.
    pub fn announce(&self) {
        let interval = i64::try_from(self.interval.as_nanos()).unwrap_or(i64::MAX);
        let interval = duration::format(interval);
        tracing::info!(burst = self.burst, interval, "Rate Limiter is enabled.");
    }

    /// Takes a token, if there is one.
    pub fn admits(&self) -> bool {
        self.admits_at(Instant::now())
    }

    fn admits_at(&self, now: Instant) -> bool {
        let mut state = lock(&self.state);
        let (tokens, since) = &mut *state;
        let gained =
            now.saturating_duration_since(*since).as_secs_f64() / self.interval.as_secs_f64();
        *tokens = (*tokens + gained).min(self.burst);
        *since = now;
        let admitted = *tokens >= 1.0;
        if admitted {
            *tokens -= 1.0;
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_one_an_interval() {
        let limiter = Limiter::new(Duration::from_secs(1), 2);
        let start = Instant::now();
        let at = |ms: u64| limiter.admits_at(start + Duration::from_millis(ms));
        assert_eq!([at(1), at(2), at(3)], [true, true, false]);
        assert_eq!([at(1100), at(1200), at(2300)], [true, false, true]);
        assert!(!Limiter::new(Duration::from_secs(1), 0).admits());
    }
}
