//! Transactions of this member of a replication group, from
//! `performance_schema.replication_group_member_stats`.

use super::{Asking, Collector, Grant, PERFORMANCE_SCHEMA};
use crate::server::{Rows, Session};
use exporter_core::cli::{Flag, Matches};
use exporter_core::exposition::{Arena, Family};

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];
/// What it needs.
pub const GRANT: Grant = PERFORMANCE_SCHEMA;

/// Families by the column that they are put for.
static STATISTICS: [(&str, Family); 8] = [
    (
        "COUNT_TRANSACTIONS_IN_QUEUE",
        Family::gauge(
            "mysql_perf_schema_transactions_in_queue",
            &[],
            "Transactions that wait for conflict detection.",
        ),
    ),
    (
        "COUNT_TRANSACTIONS_CHECKED",
        Family::counter(
            "mysql_perf_schema_transactions_checked_total",
            &[],
            "Transactions checked for conflicts.",
        ),
    ),
    (
        "COUNT_CONFLICTS_DETECTED",
        Family::counter(
            "mysql_perf_schema_conflicts_detected_total",
            &[],
            "Transactions that did not pass conflict detection.",
        ),
    ),
    (
        "COUNT_TRANSACTIONS_ROWS_VALIDATING",
        Family::counter(
            "mysql_perf_schema_transactions_rows_validating_total",
            &[],
            "Rows that conflict detection can use.",
        ),
    ),
    (
        "COUNT_TRANSACTIONS_REMOTE_IN_APPLIER_QUEUE",
        Family::gauge(
            "mysql_perf_schema_transactions_remote_in_applier_queue",
            &[],
            "Transactions of the group that wait to be applied.",
        ),
    ),
    (
        "COUNT_TRANSACTIONS_REMOTE_APPLIED",
        Family::counter(
            "mysql_perf_schema_transactions_remote_applied_total",
            &[],
            "Transactions of the group that were applied.",
        ),
    ),
    (
        "COUNT_TRANSACTIONS_LOCAL_PROPOSED",
        Family::counter(
            "mysql_perf_schema_transactions_local_proposed_total",
            &[],
            "Transactions of this member that were sent to the group.",
        ),
    ),
    (
        "COUNT_TRANSACTIONS_LOCAL_ROLLBACK",
        Family::counter(
            "mysql_perf_schema_transactions_local_rollback_total",
            &[],
            "Transactions of this member that were rolled back after they were sent.",
        ),
    ),
];

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    STATISTICS.iter().map(|(_, family)| family).collect()
}

/// Makes the collector.
pub fn new(_: &Matches) -> Result<Box<dyn Collector>, String> {
    Ok(Box::new(MemberStats))
}

struct MemberStats;

impl Collector for MemberStats {
    fn collect<'a>(&'a self, session: &'a mut Session, out: &'a mut Arena) -> Asking<'a> {
        Box::pin(async move {
            let sql = "SELECT * FROM performance_schema.replication_group_member_stats \
                       WHERE MEMBER_ID = @@server_uuid";
            put(&session.query(sql).await?, out);
            Ok(())
        })
    }
}

fn put(rows: &Rows, out: &mut Arena) {
    let Some(row) = rows.first() else {
        return;
    };
    for (column, family) in &STATISTICS {
        let value = rows
            .column_in_any_case(column)
            .and_then(|at| row.number(at));
        if let Some(value) = value {
            out.put(family, &[], value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{expose, texts};

    #[test]
    fn columns_that_exist() {
        let columns = ["MEMBER_ID", "COUNT_CONFLICTS_DETECTED", "count_transactions_in_queue"];
        let statistics = texts(&columns, &[&["u", "3", "4"]]);
        assert_eq!(
            expose(|out| put(&statistics, out)),
            "mysql_perf_schema_conflicts_detected_total 3\n\
             mysql_perf_schema_transactions_in_queue 4\n"
        );
        assert_eq!(expose(|out| put(&texts(&columns, &[]), out)), "");
    }
}
