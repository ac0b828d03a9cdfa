//! Members of a replication group, from `performance_schema.replication_group_members`.

use super::{Asking, Collector, Grant, PERFORMANCE_SCHEMA};
use crate::server::{Rows, Session};
use exporter_core::cli::{Flag, Matches};
use exporter_core::exposition::{Arena, Family};

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];
/// What it needs.
pub const GRANT: Grant = PERFORMANCE_SCHEMA;

// The labels of MySQL 9; samples have those that the server's table has.
static MEMBER: Family = Family::gauge(
    "mysql_perf_schema_replication_group_member_info",
    &[
        "channel_name",
        "member_communication_stack",
        "member_host",
        "member_id",
        "member_port",
        "member_role",
        "member_state",
        "member_version",
    ],
    "A member of the replication group; always 1.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&MEMBER]
}

/// Makes the collector.
pub fn new(_: &Matches) -> Result<Box<dyn Collector>, String> {
    Ok(Box::new(Members))
}

struct Members;

impl Collector for Members {
    fn collect<'a>(&'a self, session: &'a mut Session, out: &'a mut Arena) -> Asking<'a> {
        Box::pin(async move {
            let sql = "SELECT * FROM performance_schema.replication_group_members";
            put(&session.query(sql).await?, out);
            Ok(())
        })
    }
}

fn put(rows: &Rows, out: &mut Arena) {
    let names: Vec<String> = rows.columns().iter().map(|c| c.to_lowercase()).collect();
    for row in rows.iter() {
        let labels = names.iter().enumerate();
        let pairs: Vec<(&str, &str)> = labels
            .map(|(at, name)| (name.as_str(), row.text(at)))
            .collect();
        out.put_pairs(&MEMBER, &pairs, 1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{expose, rows};

    #[test]
    fn every_column_is_a_label() {
        let members = rows(
            &["CHANNEL_NAME", "MEMBER_ID", "NEW_ONE"],
            &[&[Some("c"), Some("u"), None]],
        );
        assert_eq!(
            expose(|out| put(&members, out)),
            "mysql_perf_schema_replication_group_member_info{channel_name=\"c\",member_id=\"u\",\
             new_one=\"\"} 1\n"
        );
    }
}
