//! How far databases are from wrapping around, from `pg_database`.

use super::{Setup, Statements};
use crate::rows::Rows;
use exporter_core::cli::Flag;
use exporter_core::collector::Error;
use exporter_core::exposition::{Arena, Family};

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

static TRANSACTIONS: Family = Family::gauge(
    "pg_database_wraparound_age_datfrozenxid_seconds",
    &["datname"],
    "Age of the oldest transaction id that is not frozen, in transactions (not seconds).",
);
static MULTIXACTS: Family = Family::gauge(
    "pg_database_wraparound_age_datminmxid_seconds",
    &["datname"],
    "Age of the oldest multixact id, in multixacts (not seconds).",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&TRANSACTIONS, &MULTIXACTS]
}

/// Makes the collector.
pub fn new(_: &Setup) -> Result<Statements, String> {
    const SQL: &str = "SELECT datname, age(datfrozenxid), mxid_age(datminmxid) FROM pg_database \
                       WHERE datallowconn";
    Ok(Statements::one(
        |_| SQL.into(),
        |rows, _, out| put(rows, out),
    ))
}

fn put(rows: &Rows, out: &mut Arena) -> Result<(), Error> {
    let mut ages = Vec::new();
    for row in rows.iter() {
        if let (Some(name), Some(transactions), Some(multixacts)) =
            (row.text(0), row.number(1)?, row.number(2)?)
        {
            ages.push((name, transactions, multixacts));
        }
    }
    for (name, transactions, multixacts) in ages {
        out.put(&TRANSACTIONS, &[name], transactions);
        out.put(&MULTIXACTS, &[name], multixacts);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::{NEWEST, collector, samples};

    #[test]
    fn rows_with_a_null_are_left_out() {
        let answer: &[&[&str]] = &[
            &["d", "x", "m"],
            &["a", "7", "8"],
            &["b", "NULL", "1"],
            &["NULL", "1", "1"],
        ];
        assert_eq!(
            samples(&collector("database_wraparound", &[]), NEWEST, &[answer]),
            "pg_database_wraparound_age_datfrozenxid_seconds{datname=\"a\"} 7\n\
             pg_database_wraparound_age_datminmxid_seconds{datname=\"a\"} 8\n"
        );
    }
}
