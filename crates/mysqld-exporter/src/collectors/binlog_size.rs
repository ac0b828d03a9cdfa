//! Number and size of binary log files, from `SHOW BINARY LOGS`.

use super::{Asking, Collector, Grant};
use crate::server::{Error, Rows, Session};
use exporter_core::cli::{Flag, Matches};
use exporter_core::exposition::{Arena, Family};

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];
/// What it needs.
pub const GRANT: Grant = Grant {
    mysql: "REPLICATION CLIENT ON *.*",
    mariadb: "BINLOG MONITOR ON *.*",
};

static SIZE: Family = Family::gauge(
    "mysql_binlog_size_bytes",
    &[],
    "Size of all binary log files in bytes.",
);
static FILES: Family = Family::gauge(
    "mysql_binlog_files",
    &[],
    "Number of binary log files.",
);
static NUMBER: Family = Family::gauge(
    "mysql_binlog_file_number",
    &[],
    "Number at the end of the last binary log file's name.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&SIZE, &FILES, &NUMBER]
}

/// Makes the collector.
pub fn new(_: &Matches) -> Result<Box<dyn Collector>, String> {
    Ok(Box::new(BinlogSize))
}

struct BinlogSize;

impl Collector for BinlogSize {
    fn collect<'a>(&'a self, session: &'a mut Session, out: &'a mut Arena) -> Asking<'a> {
        Box::pin(async move {
            let switch = session.variable("log_bin").await?;
            if switch.is_none_or(|text| text == "0") {
                return Ok(());
            }
            let logs = parse(&session.query("SHOW BINARY LOGS").await?)?;
            out.put(&SIZE, &[], logs.size);
            out.put(&FILES, &[], logs.files as f64);
            if let Some(number) = logs.number {
                out.put(&NUMBER, &[], number);
            }
            Ok(())
        })
    }
}

#[derive(Debug, PartialEq)]
struct Logs {
    size: f64,
    files: usize,
    /// `None` where there is no file.
    number: Option<f64>,
}

fn parse(rows: &Rows) -> Result<Logs, Error> {
    let columns = rows.columns().len();
    if !(2..=3).contains(&columns) {
        return Err(Error::answer(format!(
            "SHOW BINARY LOGS: expected two or three columns, got {columns}"
        )));
    }
    let mut size = 0.0;
    for row in rows.iter() {
        let unreadable = || Error::answer("SHOW BINARY LOGS: expected a size in each row");
        size += row.number(1).ok_or_else(unreadable)?;
    }
    Ok(Logs {
        size,
        files: rows.len(),
        number: rows.last().map(|row| file_number(row.text(0))),
    })
}

/// What stands between the first and the second point of a name, 0 where that is no number.
fn file_number(name: &str) -> f64 {
    let number = name.split('.').nth(1).unwrap_or("");
    match number.bytes().all(|b| b.is_ascii_digit()) {
        true => number.parse().unwrap_or(0.0),
        false => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::texts;

    #[test]
    fn files() {
        let columns = ["Log_name", "File_size", "Encrypted"];
        let logs = texts(&columns, &[&["bin.000007", "10", "No"], &["bin.000008", "5", "No"]]);
        let expected = Logs {
            size: 15.0,
            files: 2,
            number: Some(8.0),
        };
        assert_eq!(parse(&logs).unwrap(), expected);
        let none = parse(&texts(&columns, &[])).unwrap();
        assert_eq!((none.size, none.files, none.number), (0.0, 0, None));
        assert!(parse(&texts(&columns, &[&["bin.000007", "x", "No"]])).is_err());
        assert!(parse(&texts(&["Log_name"], &[])).is_err());
    }

    #[test]
    fn numbers_of_names() {
        for (name, number) in [
            ("bin.000042", 42.0),
            ("db.example.000042", 0.0),
            ("bin", 0.0),
            ("bin.7.x", 7.0),
            ("", 0.0),
        ] {
            assert_eq!(file_number(name), number, "{name}");
        }
    }
}
