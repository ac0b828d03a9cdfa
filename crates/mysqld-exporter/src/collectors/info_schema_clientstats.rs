//! Statistics of clients, from `information_schema.client_statistics` (MariaDB and Percona Server with
//! `userstat` on).

use super::user_statistics::{CLIENT, WhileKept};
use super::{Collector, Grant, PROCESS};
use exporter_core::cli::{Flag, Matches};
use exporter_core::exposition::Family;

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];
/// What it needs.
pub const GRANT: Grant = PROCESS;

static OTHER: Family = Family::untyped(
    "mysql_info_schema_client_statistics_<column>",
    &["client"],
    "Column of the statistics that is not known.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    CLIENT.families(&OTHER)
}

/// Makes the collector.
pub fn new(_: &Matches) -> Result<Box<dyn Collector>, String> {
    Ok(Box::new(WhileKept(&CLIENT)))
}
