//! Files of the write-ahead log, from `pg_ls_waldir()`.

use super::{Question, Setup, Statements};
use crate::rows::Rows;
use crate::version::Version;
use exporter_core::cli::Flag;
use exporter_core::collector::Error;
use exporter_core::exposition::{Arena, Family};

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

static SEGMENTS: Family = Family::gauge("pg_wal_segments", &[], "Files of the write-ahead log.");
static SIZE: Family = Family::gauge(
    "pg_wal_size_bytes",
    &[],
    "Disk space that the files of the write-ahead log take, in bytes.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&SEGMENTS, &SIZE]
}

/// Makes the collector.
pub fn new(_: &Setup) -> Result<Statements, String> {
    const SQL: &str =
        "SELECT count(*), sum(size) FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'";
    Ok(Statements::one(
        |version| match version < Version::major(10) {
            true => Question::Fail("servers before version 10 do not list their write-ahead log"),
            false => SQL.into(),
        },
        |rows, _, out| put(rows, out),
    ))
}

fn put(rows: &Rows, out: &mut Arena) -> Result<(), Error> {
    let Some(row) = rows.first() else {
        return Ok(());
    };
    let (segments, size) = (row.number_or_zero(0)?, row.number(1)?);
    out.put(&SEGMENTS, &[], segments);
    if let Some(size) = size {
        out.put(&SIZE, &[], size);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::{NEWEST, collector, samples};

    #[test]
    fn some_and_none() {
        let collector = collector("wal", &[]);
        let text = samples(&collector, NEWEST, &[&[&["n", "s"], &["2", "33554432"]]]);
        assert_eq!(text, "pg_wal_segments 2\npg_wal_size_bytes 3.3554432e+07\n");
        let text = samples(&collector, NEWEST, &[&[&["n", "s"], &["0", "NULL"]]]);
        assert_eq!(text, "pg_wal_segments 0\n");
    }
}
