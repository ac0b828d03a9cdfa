//! Archiving of the write-ahead log, from `pg_stat_archiver`.

use super::{Question, Setup, Statements};
use crate::rows::Rows;
use crate::version::Version;
use exporter_core::cli::Flag;
use exporter_core::collector::Error;
use exporter_core::exposition::{Arena, Family};

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

static FAMILIES: [Family; 3] = [
    Family::counter(
        "pg_stat_archiver_archived_count",
        &[],
        "Files of the write-ahead log that were archived.",
    ),
    Family::counter(
        "pg_stat_archiver_failed_count",
        &[],
        "Failed attempts to archive a file of the write-ahead log.",
    ),
    Family::gauge(
        "pg_stat_archiver_last_archive_age",
        &[],
        "How long ago a file was archived last, in seconds.",
    ),
];

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    FAMILIES.iter().collect()
}

/// Makes the collector.
pub fn new(_: &Setup) -> Result<Statements, String> {
    const SQL: &str = "SELECT archived_count, failed_count, extract(epoch FROM now() - \
                       last_archived_time) FROM pg_stat_archiver";
    Ok(Statements::one(
        |version| match version < Version(9, 4, 0) {
            true => Question::Nothing,
            false => SQL.into(),
        },
        |rows, _, out| put(rows, out),
    ))
}

fn put(rows: &Rows, out: &mut Arena) -> Result<(), Error> {
    let Some(row) = rows.first() else {
        return Ok(());
    };
    let values = [row.number(0)?, row.number(1)?, row.number(2)?];
    for (family, value) in FAMILIES.iter().zip(values) {
        if let Some(value) = value {
            out.put(family, &[], value);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::{NEWEST, collector, samples};

    #[test]
    fn never_archived() {
        let answer: &[&[&str]] = &[&["a", "f", "l"], &["0", "2", "NULL"]];
        assert_eq!(
            samples(&collector("stat_archiver", &[]), NEWEST, &[answer]),
            "pg_stat_archiver_archived_count 0\npg_stat_archiver_failed_count 2\n"
        );
    }
}
