//! Sums over all digests, from `performance_schema.events_statements_summary_by_digest`.
//!
//! An empty table gives NULL for every sum, and so no samples.

use super::grid::{self, Grid, Value};
use super::{Collector, Grant, PERFORMANCE_SCHEMA};
use exporter_core::cli::{Flag, Matches};
use exporter_core::exposition::Family;

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];
/// What it needs.
pub const GRANT: Grant = PERFORMANCE_SCHEMA;

static TOTAL: Family = Family::counter(
    "mysql_perf_schema_events_statements_sum_total",
    &[],
    "Statements run.",
);
static CREATED_TMP_DISK_TABLES: Family = Family::counter(
    "mysql_perf_schema_events_statements_sum_created_tmp_disk_tables",
    &[],
    "Temporary tables on disk that statements made.",
);
static CREATED_TMP_TABLES: Family = Family::counter(
    "mysql_perf_schema_events_statements_sum_created_tmp_tables",
    &[],
    "Temporary tables that statements made.",
);
static ERRORS: Family = Family::counter(
    "mysql_perf_schema_events_statements_sum_errors",
    &[],
    "Errors of statements.",
);
static LOCK_TIME: Family = Family::counter(
    "mysql_perf_schema_events_statements_sum_lock_time",
    &[],
    "Time that statements waited for locks in picoseconds.",
);
static NO_GOOD_INDEX_USED: Family = Family::counter(
    "mysql_perf_schema_events_statements_sum_no_good_index_used",
    &[],
    "Statements for which no good index was found.",
);
static NO_INDEX_USED: Family = Family::counter(
    "mysql_perf_schema_events_statements_sum_no_index_used",
    &[],
    "Statements that scanned a table without an index.",
);
static ROWS_AFFECTED: Family = Family::counter(
    "mysql_perf_schema_events_statements_sum_rows_affected",
    &[],
    "Rows that statements changed.",
);
static ROWS_EXAMINED: Family = Family::counter(
    "mysql_perf_schema_events_statements_sum_rows_examined",
    &[],
    "Rows that statements examined.",
);
static ROWS_SENT: Family = Family::counter(
    "mysql_perf_schema_events_statements_sum_rows_sent",
    &[],
    "Rows that statements returned.",
);
static SELECT_FULL_JOIN: Family = Family::counter(
    "mysql_perf_schema_events_statements_sum_select_full_join",
    &[],
    "Joins that scanned tables.",
);
static SELECT_FULL_RANGE_JOIN: Family = Family::counter(
    "mysql_perf_schema_events_statements_sum_select_full_range_join",
    &[],
    "Joins that searched a range of a joined table.",
);
static SELECT_RANGE: Family = Family::counter(
    "mysql_perf_schema_events_statements_sum_select_range",
    &[],
    "Joins that searched a range of the first table.",
);
static SELECT_RANGE_CHECK: Family = Family::counter(
    "mysql_perf_schema_events_statements_sum_select_range_check",
    &[],
    "Joins that checked for keys after each row.",
);
static SELECT_SCAN: Family = Family::counter(
    "mysql_perf_schema_events_statements_sum_select_scan",
    &[],
    "Joins that scanned the first table.",
);
static SORT_MERGE_PASSES: Family = Family::counter(
    "mysql_perf_schema_events_statements_sum_sort_merge_passes",
    &[],
    "Merge passes of sorts.",
);
static SORT_RANGE: Family = Family::counter(
    "mysql_perf_schema_events_statements_sum_sort_range",
    &[],
    "Sorts over ranges.",
);
static SORT_ROWS: Family = Family::counter(
    "mysql_perf_schema_events_statements_sum_sort_rows",
    &[],
    "Rows sorted.",
);
static SORT_SCAN: Family = Family::counter(
    "mysql_perf_schema_events_statements_sum_sort_scan",
    &[],
    "Sorts over table scans.",
);
static TIMER_WAIT: Family = Family::counter(
    "mysql_perf_schema_events_statements_sum_timer_wait",
    &[],
    "Time that statements took in seconds.",
);
static WARNINGS: Family = Family::counter(
    "mysql_perf_schema_events_statements_sum_warnings",
    &[],
    "Warnings of statements.",
);

static VALUES: [Value; 21] = [
    Value::new(&TOTAL, &[], 0),
    Value::new(&CREATED_TMP_DISK_TABLES, &[], 1),
    Value::new(&CREATED_TMP_TABLES, &[], 2),
    Value::new(&ERRORS, &[], 3),
    Value::new(&LOCK_TIME, &[], 4),
    Value::new(&NO_GOOD_INDEX_USED, &[], 5),
    Value::new(&NO_INDEX_USED, &[], 6),
    Value::new(&ROWS_AFFECTED, &[], 7),
    Value::new(&ROWS_EXAMINED, &[], 8),
    Value::new(&ROWS_SENT, &[], 9),
    Value::new(&SELECT_FULL_JOIN, &[], 10),
    Value::new(&SELECT_FULL_RANGE_JOIN, &[], 11),
    Value::new(&SELECT_RANGE, &[], 12),
    Value::new(&SELECT_RANGE_CHECK, &[], 13),
    Value::new(&SELECT_SCAN, &[], 14),
    Value::new(&SORT_MERGE_PASSES, &[], 15),
    Value::new(&SORT_RANGE, &[], 16),
    Value::new(&SORT_ROWS, &[], 17),
    Value::new(&SORT_SCAN, &[], 18),
    Value::pico(&TIMER_WAIT, &[], 19),
    Value::new(&WARNINGS, &[], 20),
];

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    grid::families(&VALUES)
}

/// Makes the collector.
pub fn new(_: &Matches) -> Result<Box<dyn Collector>, String> {
    let statement = |_| {
        "SELECT SUM(COUNT_STAR), SUM(SUM_CREATED_TMP_DISK_TABLES), SUM(SUM_CREATED_TMP_TABLES), \
         SUM(SUM_ERRORS), SUM(SUM_LOCK_TIME), SUM(SUM_NO_GOOD_INDEX_USED), \
         SUM(SUM_NO_INDEX_USED), SUM(SUM_ROWS_AFFECTED), SUM(SUM_ROWS_EXAMINED), \
         SUM(SUM_ROWS_SENT), SUM(SUM_SELECT_FULL_JOIN), SUM(SUM_SELECT_FULL_RANGE_JOIN), \
         SUM(SUM_SELECT_RANGE), SUM(SUM_SELECT_RANGE_CHECK), SUM(SUM_SELECT_SCAN), \
         SUM(SUM_SORT_MERGE_PASSES), SUM(SUM_SORT_RANGE), SUM(SUM_SORT_ROWS), \
         SUM(SUM_SORT_SCAN), SUM(SUM_TIMER_WAIT), SUM(SUM_WARNINGS) FROM \
         performance_schema.events_statements_summary_by_digest"
            .to_owned()
    };
    Ok(Grid::boxed(statement, &VALUES))
}
