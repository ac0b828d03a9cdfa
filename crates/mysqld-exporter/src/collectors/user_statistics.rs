//! What `clientstats` and `userstats` share: tables of statistics that the server keeps while its
//! variable `userstat` is on.

use crate::collectors::names;
use crate::server::{Error, Rows, Session};
use exporter_core::exposition::{Arena, Dynamic, Family, Kind};

/// Whether the server keeps these statistics.
pub async fn are_kept(session: &mut Session) -> Result<bool, Error> {
    let rows = session
        .query("SHOW GLOBAL VARIABLES WHERE Variable_name IN ('userstat', 'userstat_running')")
        .await?;
    Ok(rows.first().is_some_and(|row| row.text(1) != "OFF"))
}

/// A column that both tables have.
pub struct Column {
    name: &'static str,
    suffix: &'static str,
    kind: Kind,
    help: &'static str,
}

const fn counter(name: &'static str, suffix: &'static str, help: &'static str) -> Column {
    Column {
        name,
        suffix,
        kind: Kind::Counter,
        help,
    }
}

const fn gauge(name: &'static str, suffix: &'static str, help: &'static str) -> Column {
    Column {
        name,
        suffix,
        kind: Kind::Gauge,
        help,
    }
}

/// Columns by their names in upper case.
static COLUMNS: [Column; 25] = [
    counter(
        "TOTAL_CONNECTIONS",
        "total_connections",
        "Connections made.",
    ),
    gauge(
        "CONCURRENT_CONNECTIONS",
        "concurrent_connections",
        "Connections open now.",
    ),
    counter(
        "CONNECTED_TIME",
        "connected_time_seconds_total",
        "Time that connections were open in seconds.",
    ),
    counter(
        "BUSY_TIME",
        "busy_seconds_total",
        "Time that connections were busy in seconds.",
    ),
    counter(
        "CPU_TIME",
        "cpu_time_seconds_total",
        "CPU time used in seconds.",
    ),
    counter(
        "BYTES_RECEIVED",
        "bytes_received_total",
        "Bytes received from clients.",
    ),
    counter("BYTES_SENT", "bytes_sent_total", "Bytes sent to clients."),
    counter(
        "BINLOG_BYTES_WRITTEN",
        "binlog_bytes_written_total",
        "Bytes written to the binary log.",
    ),
    counter("ROWS_READ", "rows_read_total", "Rows read."),
    counter("ROWS_SENT", "rows_sent_total", "Rows sent to clients."),
    counter("ROWS_DELETED", "rows_deleted_total", "Rows deleted."),
    counter("ROWS_INSERTED", "rows_inserted_total", "Rows inserted."),
    counter("ROWS_FETCHED", "rows_fetched_total", "Rows fetched."),
    counter("ROWS_UPDATED", "rows_updated_total", "Rows updated."),
    counter(
        "TABLE_ROWS_READ",
        "table_rows_read_total",
        "Rows read from tables.",
    ),
    counter(
        "SELECT_COMMANDS",
        "select_commands_total",
        "SELECT statements executed.",
    ),
    counter(
        "UPDATE_COMMANDS",
        "update_commands_total",
        "UPDATE statements executed.",
    ),
    counter(
        "OTHER_COMMANDS",
        "other_commands_total",
        "Other statements executed.",
    ),
    counter(
        "COMMIT_TRANSACTIONS",
        "commit_transactions_total",
        "Transactions committed.",
    ),
    counter(
        "ROLLBACK_TRANSACTIONS",
        "rollback_transactions_total",
        "Transactions rolled back.",
    ),
    counter(
        "DENIED_CONNECTIONS",
        "denied_connections_total",
        "Connections refused.",
    ),
    counter(
        "LOST_CONNECTIONS",
        "lost_connections_total",
        "Connections that ended without a word.",
    ),
    counter(
        "ACCESS_DENIED",
        "access_denied_total",
        "Times that access was denied.",
    ),
    counter(
        "EMPTY_QUERIES",
        "empty_queries_total",
        "Statements that returned nothing.",
    ),
    counter(
        "TOTAL_SSL_CONNECTIONS",
        "total_ssl_connections_total",
        "Connections made over TLS.",
    ),
];

/// One of the two tables.
pub struct Table {
    /// Prefix of its metrics.
    pub prefix: &'static str,
    /// Name of the label that the first column is.
    pub label: &'static str,
    /// Columns that only this table is known to have.
    pub more: &'static [Column],
}

/// Of `client_statistics`.
pub static CLIENT: Table = Table {
    prefix: "mysql_info_schema_client_statistics_",
    label: "client",
    more: &[counter(
        "MAX_STATEMENT_TIME_EXCEEDED",
        "max_statement_time_exceeded_total",
        "Statements ended for taking longer than max_statement_time.",
    )],
};

/// Of `user_statistics`. Here the last column is unknown to the original, and so untyped.
pub static USER: Table = Table {
    prefix: "mysql_info_schema_user_statistics_",
    label: "user",
    more: &[],
};

const UNKNOWN: &str = "Column of the statistics.";

impl Table {
    fn column(&self, name: &str) -> Option<&'static Column> {
        let mut known = COLUMNS.iter().chain(self.more);
        known.find(|c| c.name.eq_ignore_ascii_case(name))
    }

    /// Puts every column behind the first one that is a number.
    pub fn put(&self, rows: &Rows, out: &mut Arena) {
        let mut metric = String::new();
        for (at, name) in rows.columns().iter().enumerate().skip(1) {
            let lower = name.to_lowercase();
            let known = self.column(name);
            let suffix = known.map_or(lower.as_str(), |c| c.suffix);
            let family = Dynamic {
                name: names::joined(self.prefix, suffix, &mut metric),
                help: known.map_or(UNKNOWN, |c| c.help),
                kind: known.map_or(Kind::Untyped, |c| c.kind),
            };
            for row in rows.iter() {
                if let Some(value) = row.number(at) {
                    out.put_dynamic(family, &[(self.label, row.text(0))], value);
                }
            }
        }
    }

    /// Families for listings: those of the known columns and a pattern for the others.
    pub fn families(&self, pattern: &'static Family) -> Vec<&'static Family> {
        let known = COLUMNS.iter().chain(self.more);
        let labels: &'static [&'static str] = pattern.labels;
        // Listings are made once in a process that ends then.
        let leak = |c: &Column| -> &'static Family {
            let name: &'static str = format!("{}{}", self.prefix, c.suffix).leak();
            Box::leak(Box::new(Family::new(c.kind, name, labels, c.help)))
        };
        known.map(leak).chain([pattern]).collect()
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
