//! Reads and writes of files, from `performance_schema.file_summary_by_instance`.

use super::{Asking, Collector, Grant, PERFORMANCE_SCHEMA, sql};
use crate::server::{Rows, Session};
use exporter_core::cli::{Flag, Matches};
use exporter_core::exposition::{Arena, Family};

exporter_core::flags! {
    /// Flags of this collector.
    pub struct Flags {
        /// Regular expression, in the server's dialect, of the file names to collect.
        "collect.perf_schema.file_instances.filter" filter: String = [".*"];
        /// Prefix to take off file names.
        "collect.perf_schema.file_instances.remove_prefix" remove_prefix: String = ["/var/lib/mysql/"];
    }
}

/// Flags of this collector.
pub const FLAGS: &[Flag] = Flags::TABLE;
/// What it needs.
pub const GRANT: Grant = PERFORMANCE_SCHEMA;

// A counter in spite of its name.
static BYTES: Family = Family::counter(
    "mysql_perf_schema_file_instances_bytes",
    &["event_name", "file_name", "mode"],
    "Bytes of a file, by mode.",
);
static COUNT: Family = Family::counter(
    "mysql_perf_schema_file_instances_total",
    &["event_name", "file_name", "mode"],
    "Operations on a file, by mode.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&BYTES, &COUNT]
}

/// Makes the collector.
pub fn new(matches: &Matches) -> Result<Box<dyn Collector>, String> {
    let flags = Flags::read(matches)?;
    Ok(Box::new(FileInstances {
        statement: format!(
            "SELECT FILE_NAME, EVENT_NAME, COUNT_READ, COUNT_WRITE, SUM_NUMBER_OF_BYTES_READ, \
             SUM_NUMBER_OF_BYTES_WRITE FROM performance_schema.file_summary_by_instance \
             WHERE FILE_NAME REGEXP {}",
            sql::literal(&flags.filter)
        ),
        prefix: flags.remove_prefix,
    }))
}

struct FileInstances {
    statement: String,
    prefix: String,
}

impl Collector for FileInstances {
    fn collect<'a>(&'a self, session: &'a mut Session, out: &'a mut Arena) -> Asking<'a> {
        Box::pin(async move {
            let rows = session.query(self.statement.as_str()).await?;
            put(&rows, &self.prefix, out);
            Ok(())
        })
    }
}

fn put(rows: &Rows, prefix: &str, out: &mut Arena) {
    for row in rows.iter() {
        let name = row.text(0);
        let name = name.strip_prefix(prefix).unwrap_or(name);
        let event = row.text(1);
        for (family, mode, column) in [
            (&COUNT, "read", 2),
            (&COUNT, "write", 3),
            (&BYTES, "read", 4),
            (&BYTES, "write", 5),
        ] {
            if let Some(value) = row.number(column) {
                out.put(family, &[event, name, mode], value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{expose, texts};

    #[test]
    fn the_prefix_goes_once() {
        let files = texts(
            &["f", "e", "a", "b", "c", "d"],
            &[&["/d//d/f", "e", "1", "2", "3", "4"]],
        );
        let labels = "{event_name=\"e\",file_name=\"/d/f\"";
        assert_eq!(
            expose(|out| put(&files, "/d/", out)),
            format!(
                "mysql_perf_schema_file_instances_bytes{labels},mode=\"read\"}} 3\n\
                 mysql_perf_schema_file_instances_bytes{labels},mode=\"write\"}} 4\n\
                 mysql_perf_schema_file_instances_total{labels},mode=\"read\"}} 1\n\
                 mysql_perf_schema_file_instances_total{labels},mode=\"write\"}} 2\n"
            )
        );
    }
}
