//! Transactions that are open, how old the oldest is, and who waits for locks, from
//! `information_schema.innodb_trx`. Upstream has no such collector.

use super::grid::{self, Grid, Label, Value};
use super::{Collector, Grant, PROCESS};
use exporter_core::cli::{Flag, Matches};
use exporter_core::exposition::Family;

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];
/// What it needs.
pub const GRANT: Grant = PROCESS;

static OPEN: Family = Family::gauge(
    "mysql_info_schema_innodb_trx_open",
    &[],
    "Transactions of InnoDB that are open.",
);
static OLDEST: Family = Family::gauge(
    "mysql_info_schema_innodb_trx_oldest_seconds",
    &[],
    "Age of the oldest open transaction of InnoDB in seconds, 0 where there is none.",
);
static WAITING: Family = Family::gauge(
    "mysql_info_schema_innodb_trx_lock_waits",
    &[],
    "Transactions of InnoDB that wait for a lock.",
);
static LONGEST: Family = Family::gauge(
    "mysql_info_schema_innodb_trx_longest_lock_wait_seconds",
    &[],
    "How long a transaction of InnoDB has been waiting for a lock at most, in seconds.",
);
static LOCKED: Family = Family::gauge(
    "mysql_info_schema_innodb_trx_rows_locked",
    &[],
    "Rows that open transactions of InnoDB have locked, an estimate.",
);
static MODIFIED: Family = Family::gauge(
    "mysql_info_schema_innodb_trx_rows_modified",
    &[],
    "Rows that open transactions of InnoDB have changed.",
);

const NONE: &[Label] = &[];
static VALUES: [Value; 6] = [
    Value::new(&OPEN, NONE, 0),
    Value::new(&OLDEST, NONE, 1),
    Value::new(&WAITING, NONE, 2),
    Value::new(&LONGEST, NONE, 3),
    Value::new(&LOCKED, NONE, 4),
    Value::new(&MODIFIED, NONE, 5),
];

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    grid::families(&VALUES)
}

/// Makes the collector. The table tells times in the zone of the server's host, whatever that of
/// the session is.
pub fn new(_: &Matches) -> Result<Box<dyn Collector>, String> {
    let statement = |_| {
        "SELECT COUNT(*), COALESCE(MAX(TIMESTAMPDIFF(SECOND, trx_started, n.now)), 0), \
         COALESCE(SUM(trx_state = 'LOCK WAIT'), 0), \
         COALESCE(MAX(TIMESTAMPDIFF(SECOND, trx_wait_started, n.now)), 0), \
         COALESCE(SUM(trx_rows_locked), 0), COALESCE(SUM(trx_rows_modified), 0) \
         FROM information_schema.innodb_trx, \
         (SELECT CONVERT_TZ(NOW(), @@session.time_zone, 'SYSTEM') AS now) n"
            .to_owned()
    };
    Ok(Grid::boxed(statement, &VALUES))
}
