//! Statistics of accounts, from `information_schema.user_statistics` (MariaDB and Percona Server with
//! `userstat` on).

use super::user_statistics::{USER, WhileKept};
use super::{Collector, Grant, PROCESS};
use exporter_core::cli::{Flag, Matches};
use exporter_core::exposition::Family;

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];
/// What it needs.
pub const GRANT: Grant = PROCESS;

static OTHER: Family = Family::untyped(
    "mysql_info_schema_user_statistics_<column>",
    &["user"],
    "Column of the statistics that is not known.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    USER.families(&OTHER)
}

/// Makes the collector.
pub fn new(_: &Matches) -> Result<Box<dyn Collector>, String> {
    Ok(Box::new(WhileKept(&USER)))
}
