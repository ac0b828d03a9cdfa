//! Transactions under way, from `pg_stat_activity`.

use super::columns::{self, Column};
use super::{Setup, Statements};
use exporter_core::cli::Flag;
use exporter_core::exposition::Family;

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

static COLUMNS: [Column; 2] = [
    (
        "count(*)",
        Family::gauge(
            "pg_long_running_transactions",
            &[],
            "Transactions that are under way.",
        ),
    ),
    (
        "max(extract(epoch FROM clock_timestamp() - xact_start))",
        Family::gauge(
            "pg_long_running_transactions_oldest_timestamp_seconds",
            &[],
            "Age of the oldest transaction in seconds (not a time stamp).",
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
        "SELECT {} FROM pg_stat_activity WHERE state IS DISTINCT FROM 'idle' AND query NOT LIKE \
         'autovacuum:%' AND xact_start IS NOT NULL AND pid <> pg_backend_pid()",
        columns::select(&all)
    );
    Ok(Statements::one(
        move |_| sql.clone().into(),
        move |rows, _, out| columns::put(rows, 0, &all, out),
    ))
}

#[cfg(test)]
mod tests {
    use crate::testing::{NEWEST, collector, samples};

    #[test]
    fn none_and_some() {
        let collector = collector("long_running_transactions", &[]);
        for (row, oldest) in [(["0", "NULL"], "0"), (["2", "61.25"], "61.25")] {
            let text = samples(&collector, NEWEST, &[&[&["c", "o"], &row]]);
            let count = row[0];
            let expected = format!(
                "pg_long_running_transactions {count}\n\
                 pg_long_running_transactions_oldest_timestamp_seconds {oldest}\n"
            );
            assert_eq!(text, expected);
        }
    }
}
