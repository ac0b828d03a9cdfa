//! Compressed pages in the InnoDB buffer pool, from `information_schema.innodb_cmpmem`.

use super::grid::{self, Grid, Label, Value};
use super::{Collector, Grant, PROCESS};
use exporter_core::cli::{Flag, Matches};
use exporter_core::exposition::Family;

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];
/// What it needs.
pub const GRANT: Grant = PROCESS;

static USED: Family = Family::counter(
    "mysql_info_schema_innodb_cmpmem_pages_used_total",
    &["buffer_pool", "page_size"],
    "Blocks of this size in use.",
);
static FREE: Family = Family::counter(
    "mysql_info_schema_innodb_cmpmem_pages_free_total",
    &["buffer_pool", "page_size"],
    "Blocks of this size that are free.",
);
static RELOCATIONS: Family = Family::counter(
    "mysql_info_schema_innodb_cmpmem_relocation_ops_total",
    &["buffer_pool", "page_size"],
    "Times that a block of this size was moved.",
);
static RELOCATION_TIME: Family = Family::counter(
    "mysql_info_schema_innodb_cmpmem_relocation_time_seconds_total",
    &["buffer_pool", "page_size"],
    "Time spent moving blocks of this size in seconds.",
);

const LABELS: &[Label] = &[Label::Column(1), Label::Column(0)];
static VALUES: [Value; 4] = [
    Value::new(&USED, LABELS, 2),
    Value::new(&FREE, LABELS, 3),
    Value::new(&RELOCATIONS, LABELS, 4),
    Value::scaled(&RELOCATION_TIME, LABELS, 5, |v| v / 1000.0),
];

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    grid::families(&VALUES)
}

/// Makes the collector.
pub fn new(_: &Matches) -> Result<Box<dyn Collector>, String> {
    let statement = |_| {
        "SELECT page_size, buffer_pool_instance, pages_used, pages_free, relocation_ops, \
         relocation_time FROM information_schema.innodb_cmpmem"
            .to_owned()
    };
    Ok(Grid::boxed(statement, &VALUES))
}
