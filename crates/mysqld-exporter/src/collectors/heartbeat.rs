//! Times that a heartbeat tool wrote on the primary, from its table.

use super::grid::{self, Label, Value};
use super::{Asking, Collector, Grant, SELECT, sql};
use crate::server::{Error, Rows, Session};
use exporter_core::cli::{Flag, Matches};
use exporter_core::exposition::{Arena, Family};

exporter_core::flags! {
    /// Flags of this collector.
    pub struct Flags {
        /// Database of the heartbeat table.
        "collect.heartbeat.database" database: String = ["heartbeat"];
        /// Name of the heartbeat table.
        "collect.heartbeat.table" table: String = ["heartbeat"];
        /// Compare with the current time in UTC, for tables written with --utc.
        "collect.heartbeat.utc" utc: bool = ["false"];
    }
}

/// Flags of this collector.
pub const FLAGS: &[Flag] = Flags::TABLE;
/// What it needs.
pub const GRANT: Grant = SELECT;

static NOW: Family = Family::gauge(
    "mysql_heartbeat_now_timestamp_seconds",
    &["server_id"],
    "Unix time of the server.",
);
static STORED: Family = Family::gauge(
    "mysql_heartbeat_stored_timestamp_seconds",
    &["server_id"],
    "Unix time that is stored in the heartbeat table.",
);

const LABELS: &[Label] = &[Label::Column(2)];
static VALUES: [Value; 2] = [
    Value::new(&STORED, LABELS, 0),
    Value::new(&NOW, LABELS, 1),
];

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    grid::families(&VALUES)
}

/// Makes the collector.
pub fn new(matches: &Matches) -> Result<Box<dyn Collector>, String> {
    Ok(Box::new(Heartbeat {
        statement: statement(&Flags::read(matches)?),
    }))
}

struct Heartbeat {
    statement: String,
}

impl Collector for Heartbeat {
    fn collect<'a>(&'a self, session: &'a mut Session, out: &'a mut Arena) -> Asking<'a> {
        Box::pin(async move {
            let rows = session.query(self.statement.as_str()).await?;
            check(&rows)?;
            grid::put(&rows, &VALUES, out);
            Ok(())
        })
    }
}

fn statement(flags: &Flags) -> String {
    let now = match flags.utc {
        true => "UTC_TIMESTAMP(6)",
        false => "NOW(6)",
    };
    format!(
        "SELECT UNIX_TIMESTAMP(ts), UNIX_TIMESTAMP({now}), server_id FROM {}.{}",
        sql::name(&flags.database),
        sql::name(&flags.table)
    )
}

/// A time that the server cannot convert makes the lag unknown, which must not pass unseen.
fn check(rows: &Rows) -> Result<(), Error> {
    match rows.iter().all(|row| row.get(0).is_some()) {
        true => Ok(()),
        false => Err(Error::answer("heartbeat: expected a time in ts, got NULL")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::rows;

    #[test]
    fn names_are_quoted() {
        let flags = Flags {
            database: "a`b".to_owned(),
            table: "t".to_owned(),
            utc: true,
        };
        assert!(statement(&flags).ends_with("UNIX_TIMESTAMP(UTC_TIMESTAMP(6)), server_id FROM `a``b`.`t`"));
        assert!(check(&rows(&["ts"], &[&[None]])).is_err());
    }
}
