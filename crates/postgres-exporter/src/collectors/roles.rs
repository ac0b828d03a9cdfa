//! Roles and how many sessions they may have, from `pg_roles`.

use super::{Setup, Statements};
use crate::rows::Rows;
use exporter_core::cli::Flag;
use exporter_core::collector::Error;
use exporter_core::exposition::{Arena, Family};

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

static LIMIT: Family = Family::gauge(
    "pg_roles_connection_limit",
    &["rolname"],
    "Sessions that the role may have at a time, -1 for any number.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&LIMIT]
}

/// Makes the collector.
pub fn new(_: &Setup) -> Result<Statements, String> {
    const SQL: &str = "SELECT rolname, rolconnlimit FROM pg_roles";
    Ok(Statements::one(
        |_| SQL.into(),
        |rows, _, out| put(rows, out),
    ))
}

fn put(rows: &Rows, out: &mut Arena) -> Result<(), Error> {
    let mut limits = Vec::new();
    for row in rows.iter() {
        if let (Some(name), Some(limit)) = (row.text(0), row.number(1)?) {
            limits.push((name, limit));
        }
    }
    for (name, limit) in limits {
        out.put(&LIMIT, &[name], limit);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::{NEWEST, collector, samples};

    #[test]
    fn nulls_are_left_out() {
        let answer: &[&[&str]] = &[&["r", "l"], &["a", "-1"], &["b", "NULL"], &["NULL", "3"]];
        let text = samples(&collector("roles", &[]), NEWEST, &[answer]);
        assert_eq!(text, "pg_roles_connection_limit{rolname=\"a\"} -1\n");
    }
}
