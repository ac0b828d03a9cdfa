//! Shared buffers in sum, from `pg_buffercache_summary()` of the extension pg_buffercache (1.4 and
//! later).

use super::columns::{self, Column};
use super::{Question, Setup, Statements};
use crate::version::Version;
use exporter_core::cli::Flag;
use exporter_core::exposition::Family;

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

static COLUMNS: [Column; 5] = [
    (
        "buffers_used",
        Family::gauge(
            "pg_buffercache_summary_buffers_used",
            &[],
            "Shared buffers in use.",
        ),
    ),
    (
        "buffers_unused",
        Family::gauge(
            "pg_buffercache_summary_buffers_unused",
            &[],
            "Shared buffers that are not in use.",
        ),
    ),
    (
        "buffers_dirty",
        Family::gauge(
            "pg_buffercache_summary_buffers_dirty",
            &[],
            "Shared buffers that differ from what is on disk.",
        ),
    ),
    (
        "buffers_pinned",
        Family::gauge(
            "pg_buffercache_summary_buffers_pinned",
            &[],
            "Shared buffers that are being used right now.",
        ),
    ),
    (
        "usagecount_avg",
        Family::gauge(
            "pg_buffercache_summary_usagecount_avg",
            &[],
            "Mean usage count of the shared buffers in use.",
        ),
    ),
];

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    COLUMNS.iter().map(|c| &c.1).collect()
}

/// Makes the collector.
pub fn new(_: &Setup) -> Result<Statements, String> {
    let all: Vec<_> = COLUMNS.iter().collect();
    let sql = format!(
        "SELECT {} FROM pg_buffercache_summary()",
        columns::select(&all)
    );
    Ok(Statements::one(
        move |version| match version < Version::major(16) {
            true => Question::Nothing,
            false => sql.clone().into(),
        },
        move |rows, _, out| columns::put(rows, 0, &all, out),
    )
    .patient())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NEWEST, collector, samples};

    #[test]
    fn one_row() {
        let collector = collector("buffercache_summary", &[]);
        let head = &["used", "unused", "dirty", "pinned", "avg"][..];
        let full = samples(&collector, NEWEST, &[&[head, &["1", "2", "3", "4", "5.5"]]]);
        assert_eq!(
            full,
            "pg_buffercache_summary_buffers_dirty 3\npg_buffercache_summary_buffers_pinned 4\n\
             pg_buffercache_summary_buffers_unused 2\npg_buffercache_summary_buffers_used 1\n\
             pg_buffercache_summary_usagecount_avg 5.5\n"
        );
        let nulls = samples(&collector, NEWEST, &[&[head, &["NULL"; 5]]]);
        assert_eq!(nulls.matches(" 0\n").count(), 5);
        assert_eq!(collector.questions(Version::major(15)), [Question::Nothing]);
    }
}
