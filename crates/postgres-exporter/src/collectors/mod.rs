//! All collectors, one file each.

use exporter_core::cli::{Flag, Matches};

mod columns;
mod statement;

pub mod buffercache_summary;
pub mod database;
pub mod database_wraparound;
pub mod locks;
pub mod long_running_transactions;
pub mod postmaster;
pub mod process_idle;
pub mod replication;
pub mod replication_slots;
pub mod roles;
pub mod settings;
pub mod stat_activity;
pub mod stat_activity_autovacuum;
pub mod stat_archiver;
pub mod stat_bgwriter;
pub mod stat_checkpointer;
pub mod stat_database;
pub mod stat_io;
pub mod stat_progress_vacuum;
pub mod stat_replication;
pub mod stat_replication_lag;
pub mod stat_slru;
pub mod stat_statements;
pub mod stat_user_indexes;
pub mod stat_user_tables;
pub mod stat_wal;
pub mod stat_wal_receiver;
pub mod statio_user_indexes;
pub mod statio_user_tables;
pub mod wal;
pub mod xlog_location;

pub use statement::{Question, Statements};

/// What constructors may want to know.
pub struct Setup {
    /// All flags.
    pub matches: Matches,
    /// Databases that `--exclude-databases` names.
    pub exclude_databases: Vec<String>,
}

/// One line of the table of collectors.
pub type Definition = exporter_core::collector::Definition<Setup, Statements>;

/// The flags of all collectors, in the order of `--help`.
pub fn flags() -> Vec<Flag> {
    let mut flags = Vec::new();
    for definition in TABLE {
        flags.push(definition.switch.clone());
        flags.extend_from_slice(definition.flags);
    }
    flags
}

exporter_core::collectors! {
    /// The table of collectors: name and whether it runs without being asked for. They ask in
    /// this order; those that may take long stand last.
    pub static TABLE: Definition =
    postmaster: on,
    replication: on,
    replication_slots: on,
    settings: on,
    roles: on,
    locks: on,
    stat_activity: on,
    stat_archiver: on,
    stat_bgwriter: on,
    stat_database: on,
    stat_progress_vacuum: on,
    stat_replication: on,
    statio_user_tables: on,
    stat_checkpointer: off,
    stat_wal_receiver: off,
    stat_activity_autovacuum: off,
    long_running_transactions: off,
    process_idle: off,
    database_wraparound: off,
    xlog_location: off,
    statio_user_indexes: off,
    stat_io: off,
    stat_replication_lag: off,
    stat_slru: off,
    stat_wal: off,
    buffercache_summary: off,
    stat_statements: off,
    stat_user_indexes: off,
    wal: on,
    database: on,
    stat_user_tables: on,
}

/// Collectors that tell of the connected database only, and by the label `datname`:
/// `--collector.all-databases` makes them tell of all.
pub const OF_A_DATABASE: &[&str] = &[
    "stat_user_indexes",
    "stat_user_tables",
    "statio_user_tables",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{Column, Rows};
    use crate::testing;
    use crate::version::Version;
    use exporter_core::exposition::Arena;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_family_has_one_owner_and_a_sentence() {
        let mut seen = BTreeSet::new();
        for definition in TABLE {
            let families = (definition.families)();
            assert!(!families.is_empty(), "{}", definition.name);
            for family in families {
                let name = family.name;
                assert!(seen.insert(name), "{name}");
                assert!(family.help.ends_with('.'), "{name}: {}", family.help);
                assert!(family.labels.is_sorted(), "{name}");
            }
        }
    }

    #[test]
    fn statements_take_one_line_and_name_no_session_state() {
        for definition in TABLE {
            let collector = (definition.new)(&testing::setup(&[])).unwrap();
            for major in [0, 9, 10, 12, 13, 14, 15, 16, 17, 18] {
                for question in collector.questions(Version(major, 6, 0)) {
                    if let Question::Ask(sql) = question {
                        assert!(
                            sql.starts_with("SELECT") || sql.starts_with("WITH"),
                            "{sql}"
                        );
                        assert!(!sql.contains(';') && !sql.contains('\n'), "{sql}");
                    }
                }
            }
        }
    }

    proptest! {
        #[test]
        fn no_rows_make_one_panic(
            values in proptest::collection::vec(
                proptest::option::of(proptest::string::string_regex("-?[0-9]{1,3}|t|f|on|.{0,6}").unwrap()), 0..60),
            width in 1usize..26,
            major in 9u32..20,
        ) {
            let mut rows = Rows::new(vec![Column::default(); width]);
            for value in &values {
                rows.push(value.as_ref().map(String::as_bytes));
            }
            for definition in TABLE {
                let collector = (definition.new)(&testing::setup(&[])).unwrap();
                for statement in collector.list() {
                    let _ = statement.put(&rows, Version::major(major), &mut Arena::new());
                }
            }
        }
    }
}
