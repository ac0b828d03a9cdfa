//! Statistics of clients, from `information_schema.client_statistics` (MariaDB and Percona Server with
//! `userstat` on).

use super::user_statistics::{self, CLIENT};
use super::{Asking, Collector, Grant, PROCESS};
use crate::server::Session;
use exporter_core::cli::{Flag, Matches};
use exporter_core::exposition::{Arena, Family};

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
    Ok(Box::new(Statistics))
}

struct Statistics;

impl Collector for Statistics {
    fn collect<'a>(&'a self, session: &'a mut Session, out: &'a mut Arena) -> Asking<'a> {
        Box::pin(async move {
            if user_statistics::are_kept(session).await? {
                let sql = "SELECT * FROM information_schema.client_statistics";
                CLIENT.put(&session.query(sql).await?, out);
            }
            Ok(())
        })
    }
}
