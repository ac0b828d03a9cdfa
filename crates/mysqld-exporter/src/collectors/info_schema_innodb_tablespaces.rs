//! Tablespaces of InnoDB, from `information_schema.innodb_tablespaces` and its older name.

use super::grid::{self, Label, Value};
use super::{Asking, Collector, Grant, PROCESS};
use crate::server::{Error, Rows, Session, Version};
use exporter_core::cli::{Flag, Matches};
use exporter_core::exposition::{Arena, Family};

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];
/// What it needs.
pub const GRANT: Grant = PROCESS;

static SPACE: Family = Family::gauge(
    "mysql_info_schema_innodb_tablespace_space_info",
    &["file_format", "row_format", "space_type", "tablespace_name"],
    "Properties of a tablespace; the value is its id.",
);
static FILE_SIZE: Family = Family::gauge(
    "mysql_info_schema_innodb_tablespace_file_size_bytes",
    &["tablespace_name"],
    "Apparent size of the file of a tablespace in bytes.",
);
static ALLOCATED: Family = Family::gauge(
    "mysql_info_schema_innodb_tablespace_allocated_size_bytes",
    &["tablespace_name"],
    "Size of the file of a tablespace on disk in bytes.",
);

const PROPERTIES: &[Label] = &[
    Label::Column(0),
    Label::Column(1),
    Label::Column(2),
    Label::Column(3),
];
const NAME: &[Label] = &[Label::Column(3)];
static VALUES: [Value; 3] = [
    Value::new(&SPACE, PROPERTIES, 4),
    Value::new(&FILE_SIZE, NAME, 5),
    Value::new(&ALLOCATED, NAME, 6),
];

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    grid::families(&VALUES)
}

/// Makes the collector.
pub fn new(_: &Matches) -> Result<Box<dyn Collector>, String> {
    Ok(Box::new(Tablespaces))
}

struct Tablespaces;

impl Collector for Tablespaces {
    fn collect<'a>(&'a self, session: &'a mut Session, out: &'a mut Arena) -> Asking<'a> {
        Box::pin(async move {
            let tables = session.query(TABLES).await?;
            let sql = statement(&tables, session.version())?;
            grid::put(&session.query(sql).await?, &VALUES, out);
            Ok(())
        })
    }
}

/// The table, and whether it has the column of the file format.
const TABLES: &str = "SELECT TABLE_NAME, SUM(COLUMN_NAME = 'FILE_FORMAT') \
     FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 'information_schema' \
     AND TABLE_NAME IN ('INNODB_SYS_TABLESPACES', 'INNODB_TABLESPACES') GROUP BY TABLE_NAME";

fn statement(tables: &Rows, version: Version) -> Result<String, Error> {
    let missing = || Error::answer("innodb_tablespaces: the server has no such table");
    let row = tables.first().ok_or_else(missing)?;
    let table = match row.text(0).to_ascii_uppercase().as_str() {
        "INNODB_SYS_TABLESPACES" => "INNODB_SYS_TABLESPACES",
        _ => "INNODB_TABLESPACES",
    };
    // The original's label is one of these two words, and never the format.
    let format = match row.number(1) {
        Some(count) if count > 0.0 => "FILE_FORMAT",
        _ => "NONE",
    };
    let space_type = match version.is_mariadb((10, 5, 0)) {
        true => "''",
        false => "IFNULL(SPACE_TYPE, 'NONE')",
    };
    Ok(format!(
        "SELECT '{format}', IFNULL(ROW_FORMAT, 'NONE'), {space_type}, NAME, SPACE, FILE_SIZE, \
         ALLOCATED_SIZE FROM information_schema.{table}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::texts;

    #[test]
    fn statements_by_table_and_version() {
        let of = |table: &str, formats: &str, version: &str| {
            let tables = texts(&["TABLE_NAME", "n"], &[&[table, formats]]);
            statement(&tables, Version::parse(version).unwrap()).unwrap()
        };
        let old = of("INNODB_SYS_TABLESPACES", "1", "5.7.44");
        assert!(old.starts_with("SELECT 'FILE_FORMAT', IFNULL(ROW_FORMAT, 'NONE'), IFNULL("));
        assert!(old.ends_with(".INNODB_SYS_TABLESPACES"));
        let mariadb = of("innodb_sys_tablespaces", "0", "10.11.1-MariaDB");
        assert!(mariadb.contains("'NONE', IFNULL(ROW_FORMAT, 'NONE'), '',"));
        let missing = statement(&texts(&["a", "b"], &[]), Version::parse("8.0.1").unwrap());
        assert!(missing.is_err());
    }
}
