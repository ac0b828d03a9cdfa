//! How far running vacuums are, from the function behind `pg_stat_progress_vacuum`.

use super::columns::Column;
use super::{Question, Setup, Statements};
use crate::rows::Rows;
use crate::version::Version;
use exporter_core::cli::Flag;
use exporter_core::collector::Error;
use exporter_core::exposition::{Arena, Family};
use std::collections::HashSet;

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

static PHASE: Family = Family::gauge(
    "pg_stat_progress_vacuum_phase",
    &["datname", "phase", "relname"],
    "1 for the phase that the vacuum is in, 0 for the others.",
);

const PHASES: [&str; 7] = [
    "initializing",
    "scanning heap",
    "vacuuming indexes",
    "vacuuming heap",
    "cleaning up indexes",
    "truncating heap",
    "performing final cleanup",
];

macro_rules! gauges {
    ($( $column:literal $name:literal $help:literal, )*) => {
        [ $( ($column, Family::gauge(concat!("pg_stat_progress_vacuum_", $name), &["datname", "relname"], $help)), )* ]
    };
}

static COLUMNS: [Column; 6] = gauges! {
    "param2" "heap_blks" "Blocks of the table, when the vacuum began.",
    "param3" "heap_blks_scanned" "Blocks of the table that were scanned.",
    "param4" "heap_blks_vacuumed" "Blocks of the table that were vacuumed.",
    "param5" "index_vacuums" "Rounds over the indexes that were finished.",
    "param6" "max_dead_tuples" "Dead rows that fit before a round over the indexes; in bytes from PostgreSQL 17 on.",
    "param7" "num_dead_tuples" "Dead rows found since the last round over the indexes; in bytes from PostgreSQL 17 on.",
};

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    let mut all = vec![&PHASE];
    all.extend(COLUMNS.iter().map(|c| &c.1));
    all
}

/// Makes the collector. The name of a table can be had in the connected database only; elsewhere
/// its object id stands for it.
pub fn new(_: &Setup) -> Result<Statements, String> {
    let columns: Vec<_> = COLUMNS.iter().map(|c| format!("s.{}", c.0)).collect();
    let sql = format!(
        "SELECT d.datname, CASE WHEN d.datname = current_database() THEN s.relid::regclass::text \
         ELSE s.relid::text END, s.param1, {} FROM pg_stat_get_progress_info('VACUUM') s LEFT JOIN \
         pg_database d ON d.oid = s.datid",
        columns.join(", ")
    );
    Ok(Statements::one(
        move |version| match version < Version(9, 6, 0) {
            true => Question::Fail("servers before version 9.6 do not tell how far a vacuum is"),
            false => sql.clone().into(),
        },
        |rows, _, out| put(rows, out),
    ))
}

fn put(rows: &Rows, out: &mut Arena) -> Result<(), Error> {
    // What the user may not see has one name for all.
    let mut seen = HashSet::new();
    let mut vacuums = Vec::new();
    for row in rows.iter() {
        let labels = [row.text_or(0, "unknown"), row.text_or(1, "unknown")];
        let mut values = [0.0; COLUMNS.len()];
        for (index, value) in values.iter_mut().enumerate() {
            *value = row.number_or_zero(3 + index)?;
        }
        if seen.insert(labels) {
            vacuums.push((labels, row.number(2)?, values));
        }
    }
    for (labels, phase, values) in vacuums {
        for (index, name) in PHASES.iter().enumerate() {
            let current = phase == Some(index as f64);
            let value = f64::from(u8::from(current));
            out.put(&PHASE, &[labels[0], name, labels[1]], value);
        }
        for (column, value) in COLUMNS.iter().zip(values) {
            out.put(&column.1, &labels, value);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::{NEWEST, collector, samples};

    #[test]
    fn phases_and_nulls() {
        let answer: &[&[&str]] = &[
            &["d", "r", "p", "2", "3", "4", "5", "6", "7"],
            &["a", "t", "3", "10", "9", "8", "1", "5", "4"],
            &[
                "a", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL",
            ],
            &["a", "NULL", "1", "1", "1", "1", "1", "1", "1"],
        ];
        let text = samples(&collector("stat_progress_vacuum", &[]), NEWEST, &[answer]);
        assert_eq!(text.lines().count(), 2 * 13);
        for line in [
            "pg_stat_progress_vacuum_phase{datname=\"a\",phase=\"vacuuming heap\",relname=\"t\"} 1\n",
            "pg_stat_progress_vacuum_phase{datname=\"a\",phase=\"initializing\",relname=\"t\"} 0\n",
            "pg_stat_progress_vacuum_phase{datname=\"a\",phase=\"initializing\",relname=\"unknown\"} 0\n",
            "pg_stat_progress_vacuum_heap_blks{datname=\"a\",relname=\"t\"} 10\n",
            "pg_stat_progress_vacuum_num_dead_tuples{datname=\"a\",relname=\"t\"} 4\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
    }
}
