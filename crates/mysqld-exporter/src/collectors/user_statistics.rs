//! What `clientstats`, `userstats`, `tablestats` and `schemastats` share: tables of statistics that the server keeps while its
//! variable `userstat` is on.

use super::{Asking, Collector, names};
use crate::server::{Error, Rows, Session};
use exporter_core::exposition::{Arena, Dynamic, Family, Kind};

/// A collector of statistics that the server may not keep: then there is nothing to say.
pub struct WhileKept<T>(pub T);

impl<T: Collector> Collector for WhileKept<T> {
    fn collect<'a>(&'a self, session: &'a mut Session, out: &'a mut Arena) -> Asking<'a> {
        Box::pin(async move {
            match are_kept(session).await? {
                true => self.0.collect(session, out).await,
                false => Ok(()),
            }
        })
    }
}

async fn are_kept(session: &mut Session) -> Result<bool, Error> {
    let rows = session
        .query("SHOW GLOBAL VARIABLES WHERE Variable_name IN ('userstat', 'userstat_running')")
        .await?;
    Ok(rows.first().is_some_and(|row| row.text(1) != "OFF"))
}

/// Families of the columns, by the columns' names in upper case. The tables differ in prefix and
/// label only, and in the columns that stand behind.
macro_rules! columns {
    ($name:ident, $prefix:literal, $label:literal $(, ($column:literal, $family:expr))*) => {
        static $name: &[(&str, Family)] = {
            &[
                ("TOTAL_CONNECTIONS", Family::counter(concat!($prefix, "total_connections"), &[$label], "Connections made.")),
                ("CONCURRENT_CONNECTIONS", Family::gauge(concat!($prefix, "concurrent_connections"), &[$label], "Connections open now.")),
                ("CONNECTED_TIME", Family::counter(concat!($prefix, "connected_time_seconds_total"), &[$label], "Time that connections were open in seconds.")),
                ("BUSY_TIME", Family::counter(concat!($prefix, "busy_seconds_total"), &[$label], "Time that connections were busy in seconds.")),
                ("CPU_TIME", Family::counter(concat!($prefix, "cpu_time_seconds_total"), &[$label], "CPU time used in seconds.")),
                ("BYTES_RECEIVED", Family::counter(concat!($prefix, "bytes_received_total"), &[$label], "Bytes received from clients.")),
                ("BYTES_SENT", Family::counter(concat!($prefix, "bytes_sent_total"), &[$label], "Bytes sent to clients.")),
                ("BINLOG_BYTES_WRITTEN", Family::counter(concat!($prefix, "binlog_bytes_written_total"), &[$label], "Bytes written to the binary log.")),
                ("ROWS_READ", Family::counter(concat!($prefix, "rows_read_total"), &[$label], "Rows read.")),
                ("ROWS_SENT", Family::counter(concat!($prefix, "rows_sent_total"), &[$label], "Rows sent to clients.")),
                ("ROWS_DELETED", Family::counter(concat!($prefix, "rows_deleted_total"), &[$label], "Rows deleted.")),
                ("ROWS_INSERTED", Family::counter(concat!($prefix, "rows_inserted_total"), &[$label], "Rows inserted.")),
                ("ROWS_FETCHED", Family::counter(concat!($prefix, "rows_fetched_total"), &[$label], "Rows fetched.")),
                ("ROWS_UPDATED", Family::counter(concat!($prefix, "rows_updated_total"), &[$label], "Rows updated.")),
                ("TABLE_ROWS_READ", Family::counter(concat!($prefix, "table_rows_read_total"), &[$label], "Rows read from tables.")),
                ("SELECT_COMMANDS", Family::counter(concat!($prefix, "select_commands_total"), &[$label], "SELECT statements executed.")),
                ("UPDATE_COMMANDS", Family::counter(concat!($prefix, "update_commands_total"), &[$label], "UPDATE statements executed.")),
                ("OTHER_COMMANDS", Family::counter(concat!($prefix, "other_commands_total"), &[$label], "Other statements executed.")),
                ("COMMIT_TRANSACTIONS", Family::counter(concat!($prefix, "commit_transactions_total"), &[$label], "Transactions committed.")),
                ("ROLLBACK_TRANSACTIONS", Family::counter(concat!($prefix, "rollback_transactions_total"), &[$label], "Transactions rolled back.")),
                ("DENIED_CONNECTIONS", Family::counter(concat!($prefix, "denied_connections_total"), &[$label], "Connections refused.")),
                ("LOST_CONNECTIONS", Family::counter(concat!($prefix, "lost_connections_total"), &[$label], "Connections that ended without a word.")),
                ("ACCESS_DENIED", Family::counter(concat!($prefix, "access_denied_total"), &[$label], "Times that access was denied.")),
                ("EMPTY_QUERIES", Family::counter(concat!($prefix, "empty_queries_total"), &[$label], "Statements that returned nothing.")),
                ("TOTAL_SSL_CONNECTIONS", Family::counter(concat!($prefix, "total_ssl_connections_total"), &[$label], "Connections made over TLS.")),
                $( ($column, $family), )*
            ]
        };
    };
}

columns!(
    CLIENT_COLUMNS,
    "mysql_info_schema_client_statistics_",
    "client",
    (
        "MAX_STATEMENT_TIME_EXCEEDED",
        Family::counter(
            "mysql_info_schema_client_statistics_max_statement_time_exceeded_total",
            &["client"],
            "Statements ended for taking longer than max_statement_time.",
        )
    )
);
// The original knows one column less here, which is untyped therefore.
columns!(USER_COLUMNS, "mysql_info_schema_user_statistics_", "user");

/// One of the two tables.
pub struct Table {
    prefix: &'static str,
    /// Name of the label that the first column is.
    label: &'static str,
    columns: &'static [(&'static str, Family)],
}

/// Of `client_statistics`.
pub static CLIENT: Table = Table {
    prefix: "mysql_info_schema_client_statistics_",
    label: "client",
    columns: CLIENT_COLUMNS,
};

/// Of `user_statistics`.
pub static USER: Table = Table {
    prefix: "mysql_info_schema_user_statistics_",
    label: "user",
    columns: USER_COLUMNS,
};

impl Collector for &'static Table {
    fn collect<'a>(&'a self, session: &'a mut Session, out: &'a mut Arena) -> Asking<'a> {
        Box::pin(async move {
            let sql = format!("SELECT * FROM information_schema.{}_statistics", self.label);
            self.put(&session.query(sql).await?, out);
            Ok(())
        })
    }
}

impl Table {
    /// Puts every column behind the first one that is a number; those that are not known under
    /// their own names.
    fn put(&self, rows: &Rows, out: &mut Arena) {
        let mut metric = String::new();
        for (at, name) in rows.columns().iter().enumerate().skip(1) {
            let mut known = self.columns.iter();
            let known = known.find(|(column, _)| column.eq_ignore_ascii_case(name));
            let other = Dynamic {
                name: names::joined(self.prefix, &name.to_lowercase(), &mut metric),
                help: "Column of the statistics that is not known.",
                kind: Kind::Untyped,
            };
            for row in rows.iter() {
                let Some(value) = row.number(at) else {
                    continue;
                };
                match known {
                    Some((_, family)) => out.put(family, &[row.text(0)], value),
                    None => out.put_dynamic(other, &[(self.label, row.text(0))], value),
                }
            }
        }
    }

    /// Families of the known columns, and a pattern for the others.
    pub fn families(&self, pattern: &'static Family) -> Vec<&'static Family> {
        let known = self.columns.iter().map(|(_, family)| family);
        known.chain([pattern]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{expose, rows};
    use proptest::prelude::*;

    #[test]
    fn one_column_is_known_to_one_table_only() {
        let statistics = rows(
            &[
                "USER",
                "TOTAL_CONNECTIONS",
                "cpu_time",
                "MAX_STATEMENT_TIME_EXCEEDED",
                "X",
            ],
            &[&[Some("u"), Some("3"), Some("0.5"), Some("1"), None]],
        );
        assert_eq!(
            expose(|out| USER.put(&statistics, out)),
            "mysql_info_schema_user_statistics_cpu_time_seconds_total{user=\"u\"} 0.5\n\
             mysql_info_schema_user_statistics_max_statement_time_exceeded{user=\"u\"} 1\n\
             mysql_info_schema_user_statistics_total_connections{user=\"u\"} 3\n"
        );
        let exceeded = "mysql_info_schema_client_statistics_max_statement_time_exceeded_total{client=\"u\"} 1\n";
        assert!(expose(|out| CLIENT.put(&statistics, out)).contains(exceeded));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(name: String, text: String) {
            let statistics = rows(&["USER", &name], &[&[Some(&text), Some(&text)]]);
            expose(|out| USER.put(&statistics, out));
        }
    }
}
