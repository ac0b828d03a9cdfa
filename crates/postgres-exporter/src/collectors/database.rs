//! Databases: connection limits and sizes, from `pg_database`.

use super::{Question, Setup, Statements};
use crate::rows::Rows;
use crate::sql::and_not_in;
use crate::version::Version;
use exporter_core::cli::Flag;
use exporter_core::collector::Error;
use exporter_core::exposition::{Arena, Family};

/// Flags of this collector. `--exclude-databases` is the exporter's.
pub const FLAGS: &[Flag] = &[];

static LIMIT: Family = Family::gauge(
    "pg_database_connection_limit",
    &["datname"],
    "Sessions that the database allows at a time, -1 for any number.",
);
static SIZE: Family = Family::gauge(
    "pg_database_size_bytes",
    &["datname"],
    "Disk space that the database takes, in bytes.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&LIMIT, &SIZE]
}

/// Makes the collector.
pub fn new(setup: &Setup) -> Result<Statements, String> {
    let wanted = and_not_in("datname", &setup.exclude_databases);
    let limits = format!("SELECT datname, datconnlimit FROM pg_database WHERE true{wanted}");
    Ok(Statements::one(move |_| limits.clone().into(), put_limits)
        .and(
            move |version| sizes(version, &wanted),
            |rows, _, out| put_sizes(rows, out),
        )
        .patient())
}

/// Sizes of the databases that the user may look into; a size that may not be had would cost all.
fn sizes(version: Version, wanted: &str) -> Question {
    let mut may = "has_database_privilege(oid, 'CONNECT')".to_owned();
    if version >= Version::major(10) {
        may.push_str(" OR pg_has_role('pg_read_all_stats', 'USAGE')");
    }
    Question::from(format!(
        "SELECT datname, CASE WHEN {may} THEN pg_database_size(oid) END, {may} FROM pg_database \
         WHERE true{wanted}"
    ))
}

fn put_limits(rows: &Rows, _: Version, out: &mut Arena) -> Result<(), Error> {
    let mut limits = Vec::new();
    for row in rows.iter() {
        if let Some(name) = row.text(0) {
            limits.push((name, row.number_or_zero(1)?));
        }
    }
    for (name, limit) in limits {
        out.put(&LIMIT, &[name], limit);
    }
    Ok(())
}

fn put_sizes(rows: &Rows, out: &mut Arena) -> Result<(), Error> {
    let mut sizes = Vec::new();
    let mut forbidden = Vec::new();
    for row in rows.iter() {
        let Some(name) = row.text(0) else { continue };
        if row.boolean(2)? == Some(false) {
            forbidden.push(name);
        } else if let Some(size) = row.number(1)? {
            sizes.push((name, size));
        }
    }
    for (name, size) in sizes {
        out.put(&SIZE, &[name], size);
    }
    if forbidden.is_empty() {
        return Ok(());
    }
    Err(Error::no_data(format!(
        "the size of {} may not be read: GRANT CONNECT ON DATABASE, or GRANT pg_read_all_stats",
        forbidden.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NEWEST, collector, put, samples, text};

    #[test]
    fn limits_and_sizes() {
        let collector = collector("database", &[]);
        let limits: &[&[&str]] = &[&["d", "l"], &["a", "-1"], &["b", "NULL"], &["NULL", "1"]];
        let sizes: &[&[&str]] = &[&["d", "s", "ok"], &["a", "8192", "t"], &["b", "NULL", "t"]];
        assert_eq!(
            samples(&collector, NEWEST, &[limits, sizes]),
            "pg_database_connection_limit{datname=\"a\"} -1\n\
             pg_database_connection_limit{datname=\"b\"} 0\n\
             pg_database_size_bytes{datname=\"a\"} 8192\n"
        );
        let sizes: &[&[&str]] = &[&["d", "s", "ok"], &["a", "1", "t"], &["b", "NULL", "f"]];
        let mut arena = Arena::new();
        let error = put(&collector, NEWEST, &[limits, sizes], &mut arena).unwrap_err();
        assert!(error.to_string().contains("size of b may not"), "{error}");
        assert!(text(arena).contains("pg_database_size_bytes{datname=\"a\"} 1\n"));
    }

    #[test]
    fn exclusions() {
        for question in collector("database", &[]).questions(NEWEST) {
            let Question::Ask(sql) = question else {
                panic!()
            };
            assert!(
                sql.ends_with("WHERE true AND datname NOT IN (E'excluded')"),
                "{sql}"
            );
        }
    }
}
