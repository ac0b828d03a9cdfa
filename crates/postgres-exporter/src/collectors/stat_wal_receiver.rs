//! What a standby receives, from `pg_stat_wal_receiver`.

use super::columns::Column;
use super::{Question, Setup, Statements};
use crate::rows::Rows;
use crate::version::Version;
use exporter_core::cli::Flag;
use exporter_core::collector::Error;
use exporter_core::exposition::{Arena, Family, Kind};

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

const LABELS: &[&str] = &["slot_name", "status", "upstream_host"];

macro_rules! columns {
    ($( $column:literal $kind:ident $name:literal $help:literal, )*) => {
        [ $( ($column, Family::new(Kind::$kind, concat!("pg_stat_wal_receiver_", $name), LABELS, $help)), )* ]
    };
}

static COLUMNS: [Column; 7] = columns! {
    "(receive_start_lsn - '0/0') % (2^52)::bigint" Counter "receive_start_lsn" "Where receiving began, in bytes of the write-ahead log modulo 2^52.",
    "receive_start_tli" Gauge "receive_start_tli" "Timeline that receiving began with.",
    "received_tli" Gauge "received_tli" "Timeline that was received last.",
    "extract(epoch FROM last_msg_send_time)" Counter "last_msg_send_time" "When the last message was sent, in seconds since the epoch.",
    "extract(epoch FROM last_msg_receipt_time)" Counter "last_msg_receipt_time" "When the last message was received, in seconds since the epoch.",
    "(latest_end_lsn - '0/0') % (2^52)::bigint" Counter "latest_end_lsn" "What was reported to the sender last, in bytes of the write-ahead log modulo 2^52.",
    "extract(epoch FROM latest_end_time)" Counter "latest_end_time" "When something was reported to the sender last, in seconds since the epoch.",
};

static FLUSHED: Column = (
    "(flushed_lsn - '0/0') % (2^52)::bigint",
    Family::counter(
        "pg_stat_wal_receiver_flushed_lsn",
        LABELS,
        "What was received and is on disk, in bytes of the write-ahead log modulo 2^52.",
    ),
);

static NODE: Family = Family::gauge(
    "pg_stat_wal_receiver_upstream_node",
    LABELS,
    "Number of the sender, where repmgr named the slot.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    let columns = all(Version::major(13));
    let columns = columns.into_iter().map(|c| &c.1);
    columns.chain([&NODE]).collect()
}

fn all(version: Version) -> Vec<&'static Column> {
    let mut all: Vec<_> = COLUMNS.iter().collect();
    if version >= Version::major(13) {
        all.push(&FLUSHED);
    }
    all
}

/// Makes the collector.
pub fn new(_: &Setup) -> Result<Statements, String> {
    Ok(Statements::one(question, put))
}

fn question(version: Version) -> Question {
    if version < Version(9, 6, 0) {
        return Question::Fail("servers before version 9.6 do not tell what they receive");
    }
    let columns = super::columns::select(&all(version));
    Question::from(format!(
        "SELECT slot_name, status, trim(both '''' from substring(conninfo from 'host=([^ ]*)')), \
         substring(slot_name from 'repmgr_slot_([0-9]+)'), {columns} FROM pg_stat_wal_receiver"
    ))
}

/// A row with a null is left out, such as that of a receiver without slot.
fn put(rows: &Rows, version: Version, out: &mut Arena) -> Result<(), Error> {
    let all = all(version);
    let mut receivers = Vec::new();
    for row in rows.iter() {
        let (Some(slot), Some(status), Some(host)) = (row.text(0), row.text(1), row.text(2)) else {
            tracing::debug!("a receiver without slot or host is left out");
            continue;
        };
        let mut values = Vec::with_capacity(all.len());
        for index in 0..all.len() {
            values.extend(row.number(4 + index)?);
        }
        if values.len() == all.len() {
            receivers.push(([slot, status, host], row.number(3)?, values));
        }
    }
    for (labels, node, values) in receivers {
        for (column, value) in all.iter().zip(values) {
            out.put(&column.1, &labels, value);
        }
        if let Some(node) = node {
            out.put(&NODE, &labels, node);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NEWEST, collector, samples};

    #[test]
    fn receivers() {
        let mut full = vec!["2"; 12];
        full[..4].copy_from_slice(&["repmgr_slot_3", "streaming", "db1", "3"]);
        let mut slotless = full.clone();
        slotless[0] = "NULL";
        let mut partly = full.clone();
        partly[7] = "NULL";
        let head = &["x"; 12][..];
        let collector = collector("stat_wal_receiver", &[]);
        let answer: &[&[&str]] = &[head, &full, &slotless, &partly];
        let text = samples(&collector, NEWEST, &[answer]);
        assert_eq!(text.lines().count(), 9);
        let node = "pg_stat_wal_receiver_upstream_node{slot_name=\"repmgr_slot_3\",\
                    status=\"streaming\",upstream_host=\"db1\"} 3\n";
        assert!(text.contains(node), "{text}");
        let text = samples(&collector, Version::major(12), &[answer]);
        assert!(!text.contains("flushed"), "{text}");
    }
}
