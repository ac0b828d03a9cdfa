//! Compression of InnoDB pages, from `information_schema.innodb_cmp`.

use super::grid::{self, Grid, Label, Value};
use super::{Collector, Grant, PROCESS};
use exporter_core::cli::{Flag, Matches};
use exporter_core::exposition::Family;

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];
/// What it needs.
pub const GRANT: Grant = PROCESS;

static OPERATIONS: Family = Family::counter(
    "mysql_info_schema_innodb_cmp_compress_ops_total",
    &["page_size"],
    "Times that a page of this size was compressed.",
);
static SUCCESSES: Family = Family::counter(
    "mysql_info_schema_innodb_cmp_compress_ops_ok_total",
    &["page_size"],
    "Times that a page of this size was compressed with success.",
);
static TIME: Family = Family::counter(
    "mysql_info_schema_innodb_cmp_compress_time_seconds_total",
    &["page_size"],
    "Time spent compressing pages of this size in seconds.",
);
static UNCOMPRESSED: Family = Family::counter(
    "mysql_info_schema_innodb_cmp_uncompress_ops_total",
    &["page_size"],
    "Times that a page of this size was uncompressed.",
);
static UNCOMPRESS_TIME: Family = Family::counter(
    "mysql_info_schema_innodb_cmp_uncompress_time_seconds_total",
    &["page_size"],
    "Time spent uncompressing pages of this size in seconds.",
);

const LABELS: &[Label] = &[Label::Column(0)];
static VALUES: [Value; 5] = [
    Value::new(&OPERATIONS, LABELS, 1),
    Value::new(&SUCCESSES, LABELS, 2),
    Value::new(&TIME, LABELS, 3),
    Value::new(&UNCOMPRESSED, LABELS, 4),
    Value::new(&UNCOMPRESS_TIME, LABELS, 5),
];

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    grid::families(&VALUES)
}

/// Makes the collector.
pub fn new(_: &Matches) -> Result<Box<dyn Collector>, String> {
    let statement = |_| {
        "SELECT page_size, compress_ops, compress_ops_ok, compress_time, uncompress_ops, \
         uncompress_time FROM information_schema.innodb_cmp"
            .to_owned()
    };
    Ok(Grid::boxed(statement, &VALUES))
}
