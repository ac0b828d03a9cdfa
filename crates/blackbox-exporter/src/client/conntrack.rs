//! Counts of the connections that HTTP probes make.

use exporter_core::exposition::{Arena, Family};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

static ATTEMPTED: Family = Family::counter(
    "net_conntrack_dialer_conn_attempted_total",
    &["dialer_name"],
    "Connections that were attempted.",
);
static ESTABLISHED: Family = Family::counter(
    "net_conntrack_dialer_conn_established_total",
    &["dialer_name"],
    "Connections that were established.",
);
static CLOSED: Family = Family::counter(
    "net_conntrack_dialer_conn_closed_total",
    &["dialer_name"],
    "Connections that were established and are closed.",
);
static FAILED: Family = Family::counter(
    "net_conntrack_dialer_conn_failed_total",
    &["dialer_name", "reason"],
    "Connections that could not be established, by what was the matter.",
);

/// All families.
pub static FAMILIES: &[&Family] = &[&ATTEMPTED, &ESTABLISHED, &CLOSED, &FAILED];

/// The one dialer.
const NAME: &str = "http_probe";

static COUNTS: Counts = Counts {
    seen: AtomicBool::new(false),
    attempted: AtomicU64::new(0),
    established: AtomicU64::new(0),
    closed: AtomicU64::new(0),
    failed: [const { AtomicU64::new(0) }; 4],
};

struct Counts {
    seen: AtomicBool,
    attempted: AtomicU64,
    established: AtomicU64,
    closed: AtomicU64,
    failed: [AtomicU64; 4],
}

/// Why a connection was not established.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The name has no address.
    Resolution,
    /// Nobody listens.
    Refused,
    /// It took too long.
    Timeout,
    /// Anything else.
    Unknown,
}

impl Reason {
    /// The reason of an error.
    pub fn of(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Reason::Refused,
            io::ErrorKind::TimedOut => Reason::Timeout,
            _ => Reason::Unknown,
        }
    }
}

/// An attempt whose end is not known. Dropped without one, the time was over.
#[derive(Debug)]
pub struct Attempt(bool);

/// An open connection.
#[derive(Debug)]
pub struct Open(());

/// Counts an attempt.
pub fn attempt() -> Attempt {
    COUNTS.seen.store(true, Ordering::Relaxed);
    COUNTS.attempted.fetch_add(1, Ordering::Relaxed);
    Attempt(false)
}

impl Attempt {
    /// It succeeded.
    pub fn established(mut self) -> Open {
        self.0 = true;
        COUNTS.established.fetch_add(1, Ordering::Relaxed);
        Open(())
    }

    /// It failed.
    pub fn failed(mut self, reason: Reason) {
        self.0 = true;
        COUNTS.failed[reason as usize].fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.0 {
            COUNTS.failed[Reason::Timeout as usize].fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        COUNTS.closed.fetch_add(1, Ordering::Relaxed);
    }
}

/// Puts all series, once there was an attempt.
pub fn put(out: &mut Arena) {
    let value = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as f64;
    if !COUNTS.seen.load(Ordering::Relaxed) {
        return;
    }
    out.put(&ATTEMPTED, &[NAME], value(&COUNTS.attempted));
    out.put(&ESTABLISHED, &[NAME], value(&COUNTS.established));
    out.put(&CLOSED, &[NAME], value(&COUNTS.closed));
    let reasons = ["resolution", "refused", "timeout", "unknown"];
    for (reason, counter) in reasons.iter().zip(&COUNTS.failed) {
        out.put(&FAILED, &[NAME, reason], value(counter));
    }
}
