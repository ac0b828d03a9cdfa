//! Where the write-ahead log stands, for servers before PostgreSQL 10.

use super::columns::{self, Column};
use super::{Question, Setup, Statements};
use crate::version::Version;
use exporter_core::cli::Flag;
use exporter_core::exposition::Family;

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

static COLUMN: Column = (
    "(CASE WHEN pg_is_in_recovery() THEN pg_last_xlog_replay_location() ELSE \
     pg_current_xlog_location() END - '0/0') % (2^52)::bigint",
    Family::gauge(
        "pg_xlog_location_bytes",
        &[],
        "Where the write-ahead log stands, in bytes modulo 2^52.",
    ),
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&COLUMN.1]
}

/// Makes the collector.
pub fn new(_: &Setup) -> Result<Statements, String> {
    Ok(Statements::one(
        |version| match version >= Version::major(10) {
            true => Question::Skip("xlog_location asks servers before version 10 only"),
            false => format!("SELECT {}", COLUMN.0).into(),
        },
        |rows, _, out| columns::put(rows, 0, &[&COLUMN], out),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{collector, samples};

    #[test]
    fn old_servers_only() {
        let collector = collector("xlog_location", &[]);
        let [Question::Skip(_)] = collector.questions(Version::major(10))[..] else {
            panic!()
        };
        let text = samples(&collector, Version(9, 6, 0), &[&[&["x"], &["16"]]]);
        assert_eq!(text, "pg_xlog_location_bytes 16\n");
    }
}
