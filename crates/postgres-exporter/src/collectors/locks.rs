//! Locks by database and mode, from `pg_locks`.

use super::{Setup, Statements};
use crate::rows::Rows;
use exporter_core::cli::Flag;
use exporter_core::collector::Error;
use exporter_core::exposition::{Arena, Family};

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

static COUNT: Family = Family::gauge(
    "pg_locks_count",
    &["datname", "mode"],
    "Locks that are held or waited for, by database and mode.",
);

const MODES: [&str; 9] = [
    "accesssharelock",
    "rowsharelock",
    "rowexclusivelock",
    "shareupdateexclusivelock",
    "sharelock",
    "sharerowexclusivelock",
    "exclusivelock",
    "accessexclusivelock",
    "sireadlock",
];

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&COUNT]
}

/// Makes the collector.
pub fn new(_: &Setup) -> Result<Statements, String> {
    const SQL: &str = "SELECT d.datname, lower(l.mode), count(l.mode) FROM pg_database d \
                       LEFT JOIN pg_locks l ON l.database = d.oid GROUP BY 1, 2 ORDER BY 1";
    Ok(Statements::one(
        |_| SQL.into(),
        |rows, _, out| put(rows, out),
    ))
}

/// Every database has a sample of every mode, 0 where there is no such lock.
fn put(rows: &Rows, out: &mut Arena) -> Result<(), Error> {
    let mut databases: Vec<(&str, [f64; MODES.len()])> = Vec::new();
    for row in rows.iter() {
        let Some(name) = row.text(0) else { continue };
        if databases.last().is_none_or(|d| d.0 != name) {
            databases.push((name, [0.0; MODES.len()]));
        }
        let mode = MODES.iter().position(|m| row.text(1) == Some(m));
        if let (Some(mode), Some((_, counts))) = (mode, databases.last_mut()) {
            counts[mode] += row.number_or_zero(2)?;
        }
    }
    for (name, counts) in databases {
        for (mode, count) in MODES.iter().zip(counts) {
            out.put(&COUNT, &[name, mode], count);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::{NEWEST, collector, samples};

    #[test]
    fn all_modes_of_all_databases() {
        let answer: &[&[&str]] = &[
            &["d", "m", "c"],
            &["a", "accesssharelock", "3"],
            &["a", "sireadlock", "1"],
            &["b", "NULL", "0"],
            &["b", "newlock", "4"],
        ];
        let text = samples(&collector("locks", &[]), NEWEST, &[answer]);
        assert_eq!(text.lines().count(), 18);
        assert!(text.contains("pg_locks_count{datname=\"a\",mode=\"accesssharelock\"} 3\n"));
        assert!(text.contains("pg_locks_count{datname=\"a\",mode=\"sireadlock\"} 1\n"));
        assert!(text.contains("pg_locks_count{datname=\"b\",mode=\"sireadlock\"} 0\n"));
        assert!(!text.contains("newlock"));
    }
}
