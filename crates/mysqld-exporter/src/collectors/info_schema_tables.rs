//! Sizes of tables, from `information_schema.tables`.

use super::grid::{self, Label, Value};
use super::{Asking, Collector, Grant, SELECT, sql};
use crate::server::Session;
use exporter_core::cli::{Flag, Matches};
use exporter_core::exposition::{Arena, Family};

exporter_core::flags! {
    /// Flags of this collector.
    pub struct Flags {
        /// Databases whose tables are collected, separated by commas, or * for all but those of the
        /// server itself.
        "collect.info_schema.tables.databases" databases: String = ["*"];
        /// Regular expression of the server: only tables that it matches as database.table are
        /// collected.
        "collect.info_schema.tables.include" include: String = [""];
        /// Regular expression of the server: tables that it matches as database.table are left out.
        "collect.info_schema.tables.exclude" exclude: String = [""];
    }
}

/// Flags of this collector.
pub const FLAGS: &[Flag] = Flags::TABLE;
/// What it needs.
pub const GRANT: Grant = SELECT;

static VERSION: Family = Family::gauge(
    "mysql_info_schema_table_version",
    &[
        "create_options",
        "engine",
        "row_format",
        "schema",
        "table",
        "type",
    ],
    "Version of the table's definition.",
);
static ROWS: Family = Family::gauge(
    "mysql_info_schema_table_rows",
    &["schema", "table"],
    "Rows of the table, an estimate for most engines.",
);
static SIZE: Family = Family::gauge(
    "mysql_info_schema_table_size",
    &["component", "schema", "table"],
    "Bytes of the table, by component.",
);

const NAME: &[Label] = &[Label::Column(0), Label::Column(1)];
const PROPERTIES: &[Label] = &[
    Label::Column(10),
    Label::Column(3),
    Label::Column(5),
    Label::Column(0),
    Label::Column(1),
    Label::Column(2),
];
const DATA: &[Label] = &[
    Label::Word("data_length"),
    Label::Column(0),
    Label::Column(1),
];
const INDEX: &[Label] = &[
    Label::Word("index_length"),
    Label::Column(0),
    Label::Column(1),
];
const FREE: &[Label] = &[
    Label::Word("data_free"),
    Label::Column(0),
    Label::Column(1),
];
static VALUES: [Value; 5] = [
    Value::new(&VERSION, PROPERTIES, 4),
    Value::new(&ROWS, NAME, 6),
    Value::new(&SIZE, DATA, 7),
    Value::new(&SIZE, INDEX, 8),
    Value::new(&SIZE, FREE, 9),
];

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    grid::families(&VALUES)
}

/// Makes the collector.
pub fn new(matches: &Matches) -> Result<Box<dyn Collector>, String> {
    Ok(Box::new(Tables {
        statement: statement(&Flags::read(matches)?),
    }))
}

struct Tables {
    statement: String,
}

impl Collector for Tables {
    fn collect<'a>(&'a self, session: &'a mut Session, out: &'a mut Arena) -> Asking<'a> {
        Box::pin(async move {
            let rows = session.query(self.statement.as_str()).await?;
            grid::put(&rows, &VALUES, out);
            Ok(())
        })
    }
}

/// What follows the condition on databases: one on the whole name.
fn pattern(operator: &str, pattern: &str) -> String {
    match pattern {
        "" => String::new(),
        pattern => {
            let pattern = sql::literal(pattern);
            format!(" AND CONCAT(TABLE_SCHEMA, '.', TABLE_NAME) {operator} {pattern}")
        }
    }
}

fn statement(flags: &Flags) -> String {
    let which = match flags.databases.as_str() {
        "*" => "NOT IN ('mysql', 'performance_schema', 'information_schema', 'sys')".to_owned(),
        list => format!("IN ({})", sql::literals(list.split(','))),
    };
    let include = pattern("REGEXP", &flags.include);
    let exclude = pattern("NOT REGEXP", &flags.exclude);
    format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, IFNULL(ENGINE, 'NONE'), IFNULL(VERSION, 0), \
         IFNULL(ROW_FORMAT, 'NONE'), IFNULL(TABLE_ROWS, 0), IFNULL(DATA_LENGTH, 0), \
         IFNULL(INDEX_LENGTH, 0), IFNULL(DATA_FREE, 0), IFNULL(CREATE_OPTIONS, 'NONE') FROM information_schema.tables WHERE TABLE_SCHEMA {which}{include}{exclude}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(databases: &str, include: &str, exclude: &str) -> String {
        statement(&Flags {
            databases: databases.to_owned(),
            include: include.to_owned(),
            exclude: exclude.to_owned(),
        })
    }

    #[test]
    fn databases_are_literals() {
        assert!(of("*", "", "").ends_with("NOT IN ('mysql', 'performance_schema', 'information_schema', 'sys')"));
        assert!(of("a, b'", "", "").ends_with("IN (_utf8mb4 0x61, _utf8mb4 0x206227)"));
        let both = of("a", "b", "c'");
        let end = " AND CONCAT(TABLE_SCHEMA, '.', TABLE_NAME) REGEXP _utf8mb4 0x62 AND \
                   CONCAT(TABLE_SCHEMA, '.', TABLE_NAME) NOT REGEXP _utf8mb4 0x6327";
        assert!(both.ends_with(end), "{both}");
    }
}
