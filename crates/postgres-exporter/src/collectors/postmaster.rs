//! When the server was started. On by default, unlike upstream.

use super::columns::{self, Column};
use super::{Setup, Statements};
use exporter_core::cli::Flag;
use exporter_core::exposition::Family;

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

static COLUMN: Column = (
    "extract(epoch FROM pg_postmaster_start_time())",
    Family::gauge(
        "pg_postmaster_start_time_seconds",
        &[],
        "When the server was started, in seconds since the epoch.",
    ),
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&COLUMN.1]
}

/// Makes the collector.
pub fn new(_: &Setup) -> Result<Statements, String> {
    Ok(Statements::one(
        |_| format!("SELECT {}", COLUMN.0).into(),
        |rows, _, out| columns::put(rows, 0, &[&COLUMN], out),
    ))
}

#[cfg(test)]
mod tests {
    use crate::testing::{NEWEST, collector, samples};

    #[test]
    fn fractions_stay() {
        let text = samples(
            &collector("postmaster", &[]),
            NEWEST,
            &[&[&["t"], &["1795552197.934658"]]],
        );
        assert_eq!(
            text,
            "pg_postmaster_start_time_seconds 1.795552197934658e+09\n"
        );
    }
}
