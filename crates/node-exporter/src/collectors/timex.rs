//! The kernel's clock discipline, from `adjtimex(2)`.

use crate::host::Host;
use crate::sys;
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Error, Scrape};
use exporter_core::exposition::{Arena, Family};
use std::io::ErrorKind;

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

/// What a number of the kernel is divided by.
#[derive(Clone, Copy)]
enum Unit {
    One,
    /// Microseconds.
    Micro,
    /// Nanoseconds where the status says so, else microseconds.
    Fine,
    /// Parts per million with a 16-bit fraction.
    Frequency,
}

type Field = fn(&sys::Timex) -> i64;

static FIELDS: [(Family, Field, Unit); 15] = [
    (
        Family::gauge(
            "node_timex_offset_seconds",
            &[],
            "Offset between local clock and reference in seconds.",
        ),
        |t| t.offset,
        Unit::Fine,
    ),
    (
        Family::gauge(
            "node_timex_maxerror_seconds",
            &[],
            "Greatest possible error in seconds.",
        ),
        |t| t.maxerror,
        Unit::Micro,
    ),
    (
        Family::gauge(
            "node_timex_estimated_error_seconds",
            &[],
            "Estimated error in seconds.",
        ),
        |t| t.esterror,
        Unit::Micro,
    ),
    (
        Family::gauge("node_timex_status", &[], "Status bits."),
        |t| t.status,
        Unit::One,
    ),
    (
        Family::gauge(
            "node_timex_loop_time_constant",
            &[],
            "Time constant of the phase-locked loop.",
        ),
        |t| t.constant,
        Unit::One,
    ),
    (
        Family::gauge(
            "node_timex_tick_seconds",
            &[],
            "Time between clock ticks in seconds.",
        ),
        |t| t.tick,
        Unit::Micro,
    ),
    (
        Family::gauge(
            "node_timex_pps_frequency_hertz",
            &[],
            "Frequency of the pulse per second signal in hertz.",
        ),
        |t| t.ppsfreq,
        Unit::Frequency,
    ),
    (
        Family::gauge(
            "node_timex_pps_jitter_seconds",
            &[],
            "Jitter of the pulse per second signal in seconds.",
        ),
        |t| t.jitter,
        Unit::Fine,
    ),
    (
        Family::gauge(
            "node_timex_pps_shift_seconds",
            &[],
            "Interval of the pulse per second signal as a power of two of seconds.",
        ),
        |t| t.shift,
        Unit::One,
    ),
    (
        Family::gauge(
            "node_timex_pps_stability_hertz",
            &[],
            "Stability of the pulse per second signal in hertz.",
        ),
        |t| t.stabil,
        Unit::Frequency,
    ),
    (
        Family::counter(
            "node_timex_pps_jitter_total",
            &[],
            "Pulses whose jitter was too great.",
        ),
        |t| t.jitcnt,
        Unit::One,
    ),
    (
        Family::counter(
            "node_timex_pps_calibration_total",
            &[],
            "Calibration intervals.",
        ),
        |t| t.calcnt,
        Unit::One,
    ),
    (
        Family::counter("node_timex_pps_error_total", &[], "Calibration errors."),
        |t| t.errcnt,
        Unit::One,
    ),
    (
        Family::counter(
            "node_timex_pps_stability_exceeded_total",
            &[],
            "Times that the stability limit was exceeded.",
        ),
        |t| t.stbcnt,
        Unit::One,
    ),
    (
        Family::gauge(
            "node_timex_tai_offset_seconds",
            &[],
            "Offset of International Atomic Time in seconds.",
        ),
        |t| t.tai,
        Unit::One,
    ),
];
static SYNC: Family = Family::gauge(
    "node_timex_sync_status",
    &[],
    "Whether the clock is synchronised to a reliable reference.",
);
static FREQUENCY: Family = Family::gauge(
    "node_timex_frequency_adjustment_ratio",
    &[],
    "Ratio that the clock's frequency is adjusted by.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    FIELDS
        .iter()
        .map(|f| &f.0)
        .chain([&SYNC, &FREQUENCY])
        .collect()
}

const TIME_ERROR: i32 = 5;
const STA_NANO: i64 = 0x2000;

/// Makes the collector.
pub fn new(_: &Host) -> Result<Box<dyn Collector>, String> {
    Ok(Box::new(|out: &mut Arena, _: &Scrape| {
        let timex = sys::adjtimex().map_err(|error| match error.kind() {
            ErrorKind::PermissionDenied => Error::no_data(format!("adjtimex: {error}")),
            _ => Error::failed(format!("adjtimex: {error}")),
        })?;
        put(out, &timex);
        Ok(())
    }))
}

fn put(out: &mut Arena, timex: &sys::Timex) {
    let parts = 1_000_000.0 * 65536.0;
    for (family, field, unit) in &FIELDS {
        let divisor = match unit {
            Unit::One => 1.0,
            Unit::Micro => 1e6,
            Unit::Fine if timex.status & STA_NANO != 0 => 1e9,
            Unit::Fine => 1e6,
            Unit::Frequency => parts,
        };
        out.put(family, &[], field(timex) as f64 / divisor);
    }
    out.put(&SYNC, &[], f64::from(u8::from(timex.state != TIME_ERROR)));
    out.put(&FREQUENCY, &[], 1.0 + timex.freq as f64 / parts);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        let timex = sys::Timex {
            offset: 1_500_000,
            status: STA_NANO,
            freq: 65536,
            tick: 10_000,
            state: 5,
            ..Default::default()
        };
        let mut arena = Arena::new();
        put(&mut arena, &timex);
        arena.seal();
        let value = |name: &str| {
            arena
                .families()
                .find(|f| f.name() == name)
                .unwrap()
                .samples()
                .next()
                .unwrap()
                .value()
        };
        assert_eq!(value("node_timex_offset_seconds"), 0.0015);
        assert_eq!(value("node_timex_tick_seconds"), 0.01);
        assert_eq!(value("node_timex_frequency_adjustment_ratio"), 1.000001);
        assert_eq!(value("node_timex_sync_status"), 0.0);
    }
}
