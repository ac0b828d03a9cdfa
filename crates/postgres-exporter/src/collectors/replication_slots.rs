//! Replication slots, from `pg_replication_slots`.

use super::{Question, Setup, Statements};
use crate::rows::Rows;
use crate::version::Version;
use exporter_core::cli::Flag;
use exporter_core::collector::Error;
use exporter_core::exposition::{Arena, Family};

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

static ACTIVE: Family = Family::gauge(
    "pg_replication_slots_active",
    &["database", "slot_name"],
    "Whether the slot is in use.",
);
static WAL_DIFF: Family = Family::gauge(
    "pg_replication_slots_pg_wal_lsn_diff",
    &["database", "slot_name"],
    "Write-ahead log that is kept for the slot, in bytes.",
);
static XLOG_DIFF: Family = Family::untyped(
    "pg_replication_slots_pg_xlog_location_diff",
    &["database", "slot_name"],
    "Write-ahead log that is kept for the slot, in bytes (before PostgreSQL 10).",
);
static CURRENT: Family = Family::gauge(
    "pg_replication_slots_slot_current_wal_lsn",
    &["slot_name", "slot_type"],
    "Where the server's write-ahead log stands, in bytes from its beginning.",
);
static FLUSHED: Family = Family::gauge(
    "pg_replication_slots_slot_confirmed_flush_lsn",
    &["slot_name", "slot_type"],
    "What the consumer of an active logical slot has confirmed, in bytes from the beginning of the write-ahead log.",
);
static IS_ACTIVE: Family = Family::gauge(
    "pg_replication_slots_slot_is_active",
    &["slot_name", "slot_type"],
    "Whether the slot is in use, by its type.",
);
static SAFE: Family = Family::gauge(
    "pg_replication_slots_safe_wal_size_bytes",
    &["slot_name", "slot_type"],
    "Write-ahead log that may still be written before the slot is in danger, in bytes.",
);
static STATUS: Family = Family::gauge(
    "pg_replication_slots_wal_status",
    &["slot_name", "slot_type", "wal_status"],
    "Whether the write-ahead log that the slot needs is there; 1 with the state as label.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![
        &ACTIVE, &WAL_DIFF, &XLOG_DIFF, &CURRENT, &FLUSHED, &IS_ACTIVE, &SAFE, &STATUS,
    ]
}

/// Makes the collector.
pub fn new(_: &Setup) -> Result<Statements, String> {
    Ok(Statements::one(question, put))
}

fn question(version: Version) -> Question {
    if version < Version(9, 4, 0) {
        return Question::Nothing;
    }
    if version < Version::major(10) {
        return Question::from(
            "SELECT slot_name, database, active, pg_xlog_location_diff(CASE WHEN \
             pg_is_in_recovery() THEN pg_last_xlog_receive_location() ELSE \
             pg_current_xlog_insert_location() END, restart_lsn) FROM pg_replication_slots",
        );
    }
    let safe = match version < Version::major(13) {
        true => "NULL, NULL",
        false => "safe_wal_size, wal_status",
    };
    Question::from(format!(
        "SELECT slot_name, database, active, pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN \
         pg_last_wal_receive_lsn() ELSE pg_current_wal_insert_lsn() END, restart_lsn), slot_type, \
         CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() \
         END - '0/0', COALESCE(confirmed_flush_lsn, '0/0') - '0/0', {safe} FROM \
         pg_replication_slots"
    ))
}

struct Slot<'a> {
    name: Option<&'a str>,
    database: &'a str,
    kind: &'a str,
    active: Option<bool>,
    behind: Option<f64>,
    current: Option<f64>,
    flushed: f64,
    safe: Option<f64>,
    status: Option<&'a str>,
}

fn parse(rows: &Rows) -> Result<Vec<Slot<'_>>, String> {
    rows.iter()
        .map(|row| {
            Ok(Slot {
                name: row.text(0),
                database: row.text_or(1, ""),
                active: row.boolean(2)?,
                behind: row.number(3)?,
                kind: row.text_or(4, "unknown"),
                current: row.number(5)?,
                flushed: row.number_or_zero(6)?,
                safe: row.number(7)?,
                status: row.text(8),
            })
        })
        .collect()
}

fn put(rows: &Rows, version: Version, out: &mut Arena) -> Result<(), Error> {
    let modern = version >= Version::major(10);
    for slot in parse(rows)? {
        let place = [slot.database, slot.name.unwrap_or("")];
        let typed = [slot.name.unwrap_or("unknown"), slot.kind];
        let active = slot.active.map(|a| f64::from(u8::from(a)));
        if let Some(active) = active {
            out.put(&ACTIVE, &place, active);
        }
        if let Some(behind) = slot.behind {
            out.put(if modern { &WAL_DIFF } else { &XLOG_DIFF }, &place, behind);
        }
        if !modern {
            continue;
        }
        if let Some(current) = slot.current {
            out.put(&CURRENT, &typed, current);
        }
        if slot.active == Some(true) {
            out.put(&FLUSHED, &typed, slot.flushed);
        }
        if let Some(active) = active {
            out.put(&IS_ACTIVE, &typed, active);
        }
        if let Some(safe) = slot.safe {
            out.put(&SAFE, &typed, safe);
        }
        if let Some(status) = slot.status {
            out.put(&STATUS, &[typed[0], typed[1], status], 1.0);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NEWEST, collector, samples};

    const HEAD: &[&str] = &[
        "name", "db", "active", "diff", "type", "current", "flushed", "safe", "status",
    ];

    #[test]
    fn slots() {
        let answer: &[&[&str]] = &[
            HEAD,
            &[
                "p", "NULL", "t", "8", "physical", "100", "0", "-5", "reserved",
            ],
            &[
                "l", "db", "f", "NULL", "logical", "100", "90", "NULL", "NULL",
            ],
        ];
        assert_eq!(
            samples(&collector("replication_slots", &[]), NEWEST, &[answer]),
            "pg_replication_slots_active{database=\"\",slot_name=\"p\"} 1\n\
             pg_replication_slots_active{database=\"db\",slot_name=\"l\"} 0\n\
             pg_replication_slots_pg_wal_lsn_diff{database=\"\",slot_name=\"p\"} 8\n\
             pg_replication_slots_safe_wal_size_bytes{slot_name=\"p\",slot_type=\"physical\"} -5\n\
             pg_replication_slots_slot_confirmed_flush_lsn{slot_name=\"p\",slot_type=\"physical\"} 0\n\
             pg_replication_slots_slot_current_wal_lsn{slot_name=\"l\",slot_type=\"logical\"} 100\n\
             pg_replication_slots_slot_current_wal_lsn{slot_name=\"p\",slot_type=\"physical\"} 100\n\
             pg_replication_slots_slot_is_active{slot_name=\"l\",slot_type=\"logical\"} 0\n\
             pg_replication_slots_slot_is_active{slot_name=\"p\",slot_type=\"physical\"} 1\n\
             pg_replication_slots_wal_status{slot_name=\"p\",slot_type=\"physical\",wal_status=\"reserved\"} 1\n"
        );
        let nulls: &[&[&str]] = &[HEAD, &["NULL"; 9]];
        assert_eq!(
            samples(&collector("replication_slots", &[]), NEWEST, &[nulls]),
            ""
        );
    }

    #[test]
    fn before_ten() {
        let answer: &[&[&str]] = &[&HEAD[..4], &["p", "NULL", "t", "8"]];
        assert_eq!(
            samples(
                &collector("replication_slots", &[]),
                Version(9, 6, 1),
                &[answer]
            ),
            "pg_replication_slots_active{database=\"\",slot_name=\"p\"} 1\n\
             pg_replication_slots_pg_xlog_location_diff{database=\"\",slot_name=\"p\"} 8\n"
        );
        assert_eq!(question(Version(9, 3, 0)), Question::Nothing);
    }
}
