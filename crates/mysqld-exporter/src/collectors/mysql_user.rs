//! Limits and privileges of accounts, from `mysql.user`.

use super::{Asking, Collector, Grant};
use crate::server::{Rows, Session};
use exporter_core::cli::{Flag, Matches};
use exporter_core::exposition::{Arena, Family};

exporter_core::flags! {
    /// Flags of this collector.
    pub struct Flags {
        /// Tell the global privileges of every account too.
        "collect.mysql.user.privileges" privileges: bool = ["false"];
    }
}

/// Flags of this collector.
pub const FLAGS: &[Flag] = Flags::TABLE;
/// What it needs.
pub const GRANT: Grant = Grant::both("SELECT ON mysql.user");

const LABELS: &[&str] = &["hostmask", "mysql_user"];

static LIMITS: [(&str, Family); 4] = [
    (
        "max_questions",
        Family::gauge(
            "mysql_mysql_max_questions",
            LABELS,
            "Statements that an account may run in an hour, 0 for any number.",
        ),
    ),
    (
        "max_updates",
        Family::gauge(
            "mysql_mysql_max_updates",
            LABELS,
            "Updates that an account may run in an hour, 0 for any number.",
        ),
    ),
    (
        "max_connections",
        Family::gauge(
            "mysql_mysql_max_connections",
            LABELS,
            "Connections that an account may make in an hour, 0 for any number.",
        ),
    ),
    (
        "max_user_connections",
        Family::gauge(
            "mysql_mysql_max_user_connections",
            LABELS,
            "Connections that an account may have at a time, 0 for any number.",
        ),
    ),
];

macro_rules! privileges {
    ($( $column:literal $privilege:literal $metric:literal; )*) => {
        /// Columns that hold Y or N, and their families.
        static PRIVILEGES: &[(&str, Family)] = &[
            $( ($column, Family::gauge(
                $metric,
                LABELS,
                concat!("Whether an account has the global privilege ", $privilege, "."),
            )), )*
        ];
    };
}

privileges! {
    "Select_priv" "SELECT" "mysql_mysql_select_priv";
    "Insert_priv" "INSERT" "mysql_mysql_insert_priv";
    "Update_priv" "UPDATE" "mysql_mysql_update_priv";
    "Delete_priv" "DELETE" "mysql_mysql_delete_priv";
    "Create_priv" "CREATE" "mysql_mysql_create_priv";
    "Drop_priv" "DROP" "mysql_mysql_drop_priv";
    "Reload_priv" "RELOAD" "mysql_mysql_reload_priv";
    "Shutdown_priv" "SHUTDOWN" "mysql_mysql_shutdown_priv";
    "Process_priv" "PROCESS" "mysql_mysql_process_priv";
    "File_priv" "FILE" "mysql_mysql_file_priv";
    "Grant_priv" "GRANT" "mysql_mysql_grant_priv";
    "References_priv" "REFERENCES" "mysql_mysql_references_priv";
    "Index_priv" "INDEX" "mysql_mysql_index_priv";
    "Alter_priv" "ALTER" "mysql_mysql_alter_priv";
    "Show_db_priv" "SHOW DB" "mysql_mysql_show_db_priv";
    "Super_priv" "SUPER" "mysql_mysql_super_priv";
    "Create_tmp_table_priv" "CREATE TMP TABLE" "mysql_mysql_create_tmp_table_priv";
    "Lock_tables_priv" "LOCK TABLES" "mysql_mysql_lock_tables_priv";
    "Execute_priv" "EXECUTE" "mysql_mysql_execute_priv";
    "Repl_slave_priv" "REPL SLAVE" "mysql_mysql_repl_slave_priv";
    "Repl_client_priv" "REPL CLIENT" "mysql_mysql_repl_client_priv";
    "Create_view_priv" "CREATE VIEW" "mysql_mysql_create_view_priv";
    "Show_view_priv" "SHOW VIEW" "mysql_mysql_show_view_priv";
    "Create_routine_priv" "CREATE ROUTINE" "mysql_mysql_create_routine_priv";
    "Alter_routine_priv" "ALTER ROUTINE" "mysql_mysql_alter_routine_priv";
    "Create_user_priv" "CREATE USER" "mysql_mysql_create_user_priv";
    "Event_priv" "EVENT" "mysql_mysql_event_priv";
    "Trigger_priv" "TRIGGER" "mysql_mysql_trigger_priv";
    "Create_tablespace_priv" "CREATE TABLESPACE" "mysql_mysql_create_tablespace_priv";
}

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    let all = LIMITS.iter().chain(PRIVILEGES);
    all.map(|(_, family)| family).collect()
}

/// Makes the collector.
pub fn new(matches: &Matches) -> Result<Box<dyn Collector>, String> {
    Ok(Box::new(User {
        statement: statement(Flags::read(matches)?.privileges),
    }))
}

struct User {
    statement: String,
}

impl Collector for User {
    fn collect<'a>(&'a self, session: &'a mut Session, out: &'a mut Arena) -> Asking<'a> {
        Box::pin(async move {
            put(&session.query(self.statement.as_str()).await?, out);
            Ok(())
        })
    }
}

fn statement(privileges: bool) -> String {
    let more = if privileges { PRIVILEGES } else { &[] };
    let columns = more.iter().chain(&LIMITS).map(|(column, _)| *column);
    let columns: Vec<&str> = columns.collect();
    format!("SELECT user, host, {} FROM mysql.user", columns.join(", "))
}

fn put(rows: &Rows, out: &mut Arena) {
    // The limits stand behind the privileges, if these were asked for.
    let limits = rows.columns().len().saturating_sub(LIMITS.len());
    for row in rows.iter() {
        let labels = [row.text(1), row.text(0)];
        for (at, (_, family)) in (limits..).zip(&LIMITS) {
            if let Some(limit) = row.number(at) {
                out.put(family, &labels, limit);
            }
        }
        for (at, (_, family)) in (2..limits).zip(PRIVILEGES) {
            match row.get(at) {
                Some("Y") => out.put(family, &labels, 1.0),
                Some("N") => out.put(family, &labels, 0.0),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{expose, texts};

    #[test]
    fn limits_and_privileges() {
        let columns = ["h", "u", "a", "b", "c", "d", "e", "f", "g"];
        let accounts = texts(&columns, &[&["Y", "%", "Y", "N", "y", "1", "2", "3", "4"]]);
        let labels = "{hostmask=\"%\",mysql_user=\"Y\"}";
        assert_eq!(
            expose(|out| put(&accounts, out)),
            format!(
                "mysql_mysql_insert_priv{labels} 0\n\
                 mysql_mysql_max_connections{labels} 3\n\
                 mysql_mysql_max_questions{labels} 1\n\
                 mysql_mysql_max_updates{labels} 2\n\
                 mysql_mysql_max_user_connections{labels} 4\n\
                 mysql_mysql_select_priv{labels} 1\n"
            )
        );
        assert!(!statement(false).contains("_priv"));
        assert_eq!(statement(true).matches("_priv").count(), 29);
    }
}
