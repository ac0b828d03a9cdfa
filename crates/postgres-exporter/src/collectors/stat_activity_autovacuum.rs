//! Autovacuum workers at work, from `pg_stat_activity`.

use super::{Setup, Statements};
use crate::rows::Rows;
use exporter_core::cli::Flag;
use exporter_core::collector::Error;
use exporter_core::exposition::{Arena, Family};
use std::collections::HashSet;

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

static STARTED: Family = Family::gauge(
    "pg_stat_activity_autovacuum_timestamp_seconds",
    &["relname"],
    "When the autovacuum worker began with the table, in seconds since the epoch.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&STARTED]
}

/// Makes the collector. The worker's query reads `autovacuum: VACUUM schema.table`.
pub fn new(_: &Setup) -> Result<Statements, String> {
    const SQL: &str = "SELECT split_part(query, '.', 2), extract(epoch FROM xact_start) FROM \
                       pg_stat_activity WHERE query LIKE 'autovacuum:%'";
    Ok(Statements::one(
        |_| SQL.into(),
        |rows, _, out| put(rows, out),
    ))
}

/// Tables of one name in several schemas share a label; the first keeps it.
fn put(rows: &Rows, out: &mut Arena) -> Result<(), Error> {
    let mut seen = HashSet::new();
    let mut workers = Vec::new();
    for row in rows.iter() {
        let table = row.text_or(0, "");
        if let Some(started) = row.number(1)?
            && seen.insert(table)
        {
            workers.push((table, started));
        }
    }
    for (table, started) in workers {
        out.put(&STARTED, &[table], started);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::{NEWEST, collector, samples};

    #[test]
    fn first_of_a_name() {
        let answer: &[&[&str]] = &[&["t", "x"], &["a", "5.5"], &["a", "6"], &["b", "NULL"]];
        assert_eq!(
            samples(
                &collector("stat_activity_autovacuum", &[]),
                NEWEST,
                &[answer]
            ),
            "pg_stat_activity_autovacuum_timestamp_seconds{relname=\"a\"} 5.5\n"
        );
    }
}
