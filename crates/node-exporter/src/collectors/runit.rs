//! Services of runit, from their status files.

use crate::host::Host;
use crate::kernel::KernelFile;
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Scrape};
use exporter_core::exposition::{Arena, Family};
use std::path::PathBuf;

exporter_core::flags! {
    /// Flags of this collector.
    pub struct Flags {
        /// Directory of services.
        "collector.runit.servicedir" directory: PathBuf = ["/etc/service"];
    }
}

/// Flags of this collector.
pub const FLAGS: &[Flag] = Flags::TABLE;

const SERVICE: &[&str] = &["service", "supervisor"];
static STATE: Family = Family::gauge(
    "node_service_state",
    SERVICE,
    "State of a service: 0 down, 1 running, 2 finishing.",
);
static DESIRED: Family = Family::gauge(
    "node_service_desired_state",
    SERVICE,
    "Whether a service is wanted up.",
);
static NORMAL: Family = Family::gauge(
    "node_service_normal_state",
    SERVICE,
    "Whether a service is started by itself.",
);
static CHANGED: Family = Family::gauge(
    "node_service_state_last_change_timestamp_seconds",
    SERVICE,
    "Time of the last change of state in seconds since the epoch.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&STATE, &DESIRED, &NORMAL, &CHANGED]
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    tracing::warn!("This collector is deprecated: runit");
    let directory = Flags::read(&host.matches)?.directory;
    Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
        for service in crate::kernel::list(&directory)? {
            let dir = directory.join(&service).join("supervise");
            let mut short = [0; 128];
            let mut status = KernelFile::new(dir.join("status"));
            let Some(status) = status.one_read(&mut short).ok().filter(|s| !s.is_empty()) else {
                tracing::debug!(service, "service has no status");
                continue;
            };
            let (state, wanted_up, changed) = parse(status);
            let labels = [service.as_str(), "runit"];
            out.put(&STATE, &labels, f64::from(state));
            out.put(&DESIRED, &labels, f64::from(u8::from(wanted_up)));
            out.put(
                &NORMAL,
                &labels,
                f64::from(u8::from(!dir.join("down").exists())),
            );
            out.put(&CHANGED, &labels, changed as f64);
        }
        Ok(())
    }))
}

/// State, whether it is wanted up, and seconds since the epoch of the last change. The file starts
/// with a TAI64 time and ends in wish and state; a short one counts as padded with zeros.
pub fn parse(status: &[u8]) -> (u8, bool, i64) {
    /// TAI64 of the epoch, ten seconds included.
    const EPOCH: i64 = 4_611_686_018_427_387_914;
    let mut padded = [0u8; 20];
    let length = status.len().min(20);
    padded[..length].copy_from_slice(&status[..length]);
    let seconds = padded.first_chunk().map_or(0, |b| i64::from_be_bytes(*b));
    (padded[19], padded[17] == b'u', seconds.wrapping_sub(EPOCH))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_running_service() {
        let mut status = 4_611_686_019_827_387_914i64.to_be_bytes().to_vec();
        status.extend([0; 9]);
        status.extend(b"u\0\x01");
        assert_eq!(parse(&status), (1, true, 1_400_000_000));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}
