//! Counters of InnoDB, from `information_schema.innodb_metrics`.

use super::{Asking, Collector, Grant, PROCESS};
use crate::server::{Error, RowView, Rows, Session};
use exporter_core::cli::{Flag, Matches};
use exporter_core::exposition::{Arena, Dynamic, Family, Kind};

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];
/// What it needs.
pub const GRANT: Grant = PROCESS;

static COUNTER: Family = Family::counter(
    "mysql_info_schema_innodb_metrics_<subsystem>_<name>_total",
    &[],
    "Counter of InnoDB, told by the server's own comment.",
);
static OTHER: Family = Family::gauge(
    "mysql_info_schema_innodb_metrics_<subsystem>_<name>",
    &[],
    "Value of InnoDB, told by the server's own comment.",
);
static PAGES_READ: Family = Family::counter(
    "mysql_info_schema_innodb_metrics_buffer_page_read_total",
    &["type"],
    "Pages read into the buffer pool, by type.",
);
static PAGES_WRITTEN: Family = Family::counter(
    "mysql_info_schema_innodb_metrics_buffer_page_written_total",
    &["type"],
    "Pages written from the buffer pool, by type.",
);
static POOL_PAGES: Family = Family::gauge(
    "mysql_info_schema_innodb_metrics_buffer_pool_pages",
    &["state"],
    "Pages of the buffer pool, by state.",
);
static POOL_DIRTY: Family = Family::gauge(
    "mysql_info_schema_innodb_metrics_buffer_pool_dirty_pages",
    &[],
    "Pages of the buffer pool that are changed and not yet written.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![
        &COUNTER,
        &OTHER,
        &PAGES_READ,
        &PAGES_WRITTEN,
        &POOL_PAGES,
        &POOL_DIRTY,
    ]
}

/// Makes the collector.
pub fn new(_: &Matches) -> Result<Box<dyn Collector>, String> {
    Ok(Box::new(InnodbMetrics))
}

struct InnodbMetrics;

impl Collector for InnodbMetrics {
    fn collect<'a>(&'a self, session: &'a mut Session, out: &'a mut Arena) -> Asking<'a> {
        Box::pin(async move {
            let filter = filter(session).await?;
            let sql = format!(
                "SELECT name, subsystem, type, comment, count \
                 FROM information_schema.innodb_metrics WHERE {filter}"
            );
            put(&session.query(sql).await?, out);
            Ok(())
        })
    }
}

/// MariaDB renamed the column that says whether a counter is on.
async fn filter(session: &mut Session) -> Result<&'static str, Error> {
    let sql = "SELECT COLUMN_NAME FROM information_schema.COLUMNS \
               WHERE TABLE_SCHEMA = 'information_schema' AND TABLE_NAME = 'INNODB_METRICS' \
               AND COLUMN_NAME IN ('STATUS', 'ENABLED') LIMIT 1";
    match session.query(sql).await?.scalar() {
        Some(column) if column.eq_ignore_ascii_case("status") => Ok("status = 'enabled'"),
        Some(_) => Ok("enabled = 1"),
        None => Err(Error::answer(
            "innodb_metrics: expected a column STATUS or ENABLED",
        )),
    }
}

fn put(rows: &Rows, out: &mut Arena) {
    for row in rows.iter() {
        if let Some(count) = row.number(4) {
            put_row(row, count, out);
        }
    }
}

fn put_row(row: RowView<'_>, count: f64, out: &mut Arena) {
    let (name, subsystem) = (row.text(0), row.text(1));
    if subsystem == "buffer_page_io" {
        return put_page_io(name, count, out);
    }
    if let Some(state) = name
        .strip_prefix("buffer_pool_pages_")
        .filter(|_| subsystem == "buffer")
    {
        match state {
            "total" => {}
            "dirty" => out.put(&POOL_DIRTY, &[], count),
            state => out.put(&POOL_PAGES, &[state], count),
        }
        return;
    }
    // A counter that fell below zero is none.
    let is_counter = matches!(row.text(2), "counter" | "status_counter") && count >= 0.0;
    let (kind, suffix) = match is_counter {
        true => (Kind::Counter, "_total"),
        false => (Kind::Gauge, ""),
    };
    let metric = format!("mysql_info_schema_innodb_metrics_{subsystem}_{name}{suffix}");
    let family = Dynamic {
        name: &metric,
        help: row.text(3),
        kind,
    };
    out.put_dynamic(family, &[], count);
}

fn put_page_io(name: &str, count: f64, out: &mut Arena) {
    if let Some(kind) = name.strip_prefix("buffer_page_read_") {
        out.put(&PAGES_READ, &[kind], count);
    } else if let Some(kind) = name.strip_prefix("buffer_page_written_") {
        out.put(&PAGES_WRITTEN, &[kind], count);
    } else {
        tracing::warn!(name, "innodb_metrics: unknown counter of buffer_page_io");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{expose, texts};

    #[test]
    fn counters_values_and_pages() {
        let metrics = texts(
            &["name", "subsystem", "type", "comment", "count"],
            &[
                &["lock_deadlocks", "lock", "counter", "Deadlocks", "1"],
                &["lock_row_lock_time_max", "lock", "value", "Longest", "2"],
                &["metadata_mem_pool_size", "metadata", "status_counter", "x", "-3"],
                &["buffer_page_read_index_leaf", "buffer_page_io", "counter", "x", "4"],
                &["buffer_page_written_xdes", "buffer_page_io", "counter", "x", "5"],
                &["else", "buffer_page_io", "counter", "x", "6"],
                &["buffer_pool_pages_total", "buffer", "value", "x", "7"],
                &["buffer_pool_pages_dirty", "buffer", "value", "x", "8"],
                &["buffer_pool_pages_free", "buffer", "value", "x", "9"],
                &["buffer_pool_reads", "buffer", "status_counter", "x", "10"],
            ],
        );
        assert_eq!(
            expose(|out| put(&metrics, out)),
            "mysql_info_schema_innodb_metrics_buffer_buffer_pool_reads_total 10\n\
             mysql_info_schema_innodb_metrics_buffer_page_read_total{type=\"index_leaf\"} 4\n\
             mysql_info_schema_innodb_metrics_buffer_page_written_total{type=\"xdes\"} 5\n\
             mysql_info_schema_innodb_metrics_buffer_pool_dirty_pages 8\n\
             mysql_info_schema_innodb_metrics_buffer_pool_pages{state=\"free\"} 9\n\
             mysql_info_schema_innodb_metrics_lock_lock_deadlocks_total 1\n\
             mysql_info_schema_innodb_metrics_lock_lock_row_lock_time_max 2\n\
             mysql_info_schema_innodb_metrics_metadata_metadata_mem_pool_size -3\n"
        );
    }
}
