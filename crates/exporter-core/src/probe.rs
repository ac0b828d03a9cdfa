//! Requests that name their target: which targets may be asked, how long, and what is kept of them
//! between requests.

use crate::dialect::regexp;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The scrape timeout header, less an offset, as exporters with `--timeout-offset` read it.
/// `Ok(None)` where the header is absent, empty, zero or not a number.
///
/// # Errors
/// A sentence where it is no number, negative, out of range, or not above the offset.
pub fn timeout(header: Option<&str>, offset: f64) -> Result<Option<Duration>, String> {
    let Some(text) = header.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let seconds = crate::dialect::strconv::parse_float(text).ok_or_else(|| {
        format!("scrape timeout {text:?}: expected a number of seconds, such as 10 or 1.5")
    })?;
    if seconds == 0.0 || seconds.is_nan() || seconds.is_infinite() {
        return Ok(None);
    }
    if seconds < 0.0 {
        return Err(format!("scrape timeout {text}: expected 0 or more seconds"));
    }
    if seconds <= offset {
        return Err(format!(
            "scrape timeout {text} is not above the timeout offset {offset}"
        ));
    }
    Duration::try_from_secs_f64(seconds - offset)
        .map(Some)
        .map_err(|e| format!("scrape timeout {text}: {e}"))
}

/// Targets that requests may name. Without patterns every target is allowed.
#[derive(Clone, Debug, Default)]
pub struct AllowList {
    patterns: Vec<regex::Regex>,
}

impl AllowList {
    /// Regular expressions, each for a whole target.
    ///
    /// # Errors
    /// The pattern that cannot be read and why.
    pub fn new<S: AsRef<str>>(patterns: impl IntoIterator<Item = S>) -> Result<Self, String> {
        let compile = |pattern: S| {
            let pattern = pattern.as_ref();
            regexp::compile_anchored(pattern)
                .map_err(|e| format!("pattern {pattern:?} of allowed targets: {e}"))
        };
        let patterns = patterns.into_iter().map(compile);
        Ok(AllowList {
            patterns: patterns.collect::<Result<_, _>>()?,
        })
    }

    /// Whether a request may name this target.
    pub fn allows(&self, target: &str) -> bool {
        self.patterns.is_empty() || self.patterns.iter().any(|p| p.is_match(target))
    }
}

/// What is kept of each target between requests, such as a connection pool: at most so many, and
/// each no longer than some time after its last use.
pub struct Targets<T> {
    most: usize,
    idle: Duration,
    kept: Mutex<HashMap<String, Kept<T>>>,
}

struct Kept<T> {
    state: Arc<T>,
    used: Instant,
}

impl<T> Targets<T> {
    /// Keeps at most `most` targets, and none that was not asked for `idle`.
    pub fn new(most: usize, idle: Duration) -> Self {
        Targets {
            most: most.max(1),
            idle,
            kept: Mutex::default(),
        }
    }

    /// What is kept under this key, made now if nothing is. The key holds all that tells two targets
    /// apart: address, user, options. Where there are too many, the one that was used longest ago
    /// goes.
    pub fn get(&self, key: &str, make: impl FnOnce() -> T) -> Arc<T> {
        let now = Instant::now();
        let mut kept = self.lock();
        kept.retain(|_, entry| now.duration_since(entry.used) < self.idle);
        if let Some(entry) = kept.get_mut(key) {
            entry.used = now;
            return entry.state.clone();
        }
        if kept.len() >= self.most {
            let oldest = kept.iter().min_by_key(|(_, entry)| entry.used);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                kept.remove(&oldest);
            }
        }
        let state = Arc::new(make());
        let entry = Kept {
            state: state.clone(),
            used: now,
        };
        kept.insert(key.to_owned(), entry);
        state
    }

    /// Drops what was not used for too long. [`Targets::get`] does so too; this is for a timer.
    pub fn expire(&self) {
        let now = Instant::now();
        self.lock()
            .retain(|_, entry| now.duration_since(entry.used) < self.idle);
    }

    /// Forgets one target.
    pub fn remove(&self, key: &str) {
        self.lock().remove(key);
    }

    /// Forgets all targets, for a changed configuration.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// Number of targets that are kept.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Kept<T>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts() {
        let seconds = |header, offset| timeout(header, offset).map(|t| t.map(|t| t.as_secs_f64()));
        assert_eq!(seconds(None, 0.25), Ok(None));
        assert_eq!(seconds(Some("10"), 0.25), Ok(Some(9.75)));
        for nothing in ["", "0", "NaN", "+Inf"] {
            assert_eq!(seconds(Some(nothing), 0.25), Ok(None), "{nothing}");
        }
        for bad in ["x", " 10", "-1", "0.2", "1e300"] {
            assert!(timeout(Some(bad), 0.25).is_err(), "{bad}");
        }
    }

    #[test]
    fn allowed_targets() {
        assert!(AllowList::default().allows("anything"));
        let list = AllowList::new(["db-[0-9]+:6379", "redis://a"]).unwrap();
        for (target, allowed) in [
            ("db-12:6379", true),
            ("xdb-12:6379", false),
            ("db-12:63790", false),
            ("redis://a", true),
        ] {
            assert_eq!(list.allows(target), allowed, "{target}");
        }
        assert!(AllowList::new(["("]).unwrap_err().contains("\"(\""));
    }

    #[test]
    fn the_longest_unused_target_goes_first() {
        let targets = Targets::new(2, Duration::from_secs(60));
        let first = targets.get("a", || 1);
        targets.get("b", || 2);
        assert!(Arc::ptr_eq(&first, &targets.get("a", || 9)));
        targets.get("c", || 3);
        assert_eq!(targets.len(), 2);
        assert_eq!((*targets.get("a", || 9), *targets.get("b", || 9)), (1, 9));
        let forgetful = Targets::new(2, Duration::ZERO);
        forgetful.get("a", || 1);
        assert_eq!(*forgetful.get("a", || 2), 2);
        forgetful.expire();
        assert!(forgetful.is_empty());
    }
}
