//! The statements that took most time, from the extension `pg_stat_statements`.

use super::{Question, Setup, Statements};
use crate::rows::Rows;
use crate::sql::{and_not_in, list};
use crate::version::Version;
use exporter_core::collector::Error;
use exporter_core::exposition::{Arena, Family};
use std::collections::HashSet;

exporter_core::flags! {
    /// Flags of this collector.
    pub struct Flags {
        /// Expose the texts of statements as well.
        "collector.stat_statements.include_query" include_query: bool = ["false"];
        /// Longest text of a statement, in characters.
        "collector.stat_statements.query_length" query_length: i64 = ["120"];
        /// Most statements that are exposed.
        "collector.stat_statements.limit" limit: i64 = ["100"];
        /// Databases whose statements are left out, between commas.
        "collector.stat_statements.exclude_databases" exclude_databases: String = [""];
        /// Users whose statements are left out, between commas.
        "collector.stat_statements.exclude_users" exclude_users: String = [""];
    }
}

/// Flags of this collector.
pub const FLAGS: &[exporter_core::cli::Flag] = Flags::TABLE;

const LABELS: &[&str] = &["datname", "queryid", "user"];

static COUNTERS: [Family; 5] = [
    Family::counter(
        "pg_stat_statements_calls_total",
        LABELS,
        "Times that the statement was executed.",
    ),
    Family::counter(
        "pg_stat_statements_seconds_total",
        LABELS,
        "Time that was spent in the statement, in seconds.",
    ),
    Family::counter(
        "pg_stat_statements_rows_total",
        LABELS,
        "Rows that the statement returned or changed.",
    ),
    Family::counter(
        "pg_stat_statements_block_read_seconds_total",
        LABELS,
        "Time that the statement spent reading blocks, in seconds.",
    ),
    Family::counter(
        "pg_stat_statements_block_write_seconds_total",
        LABELS,
        "Time that the statement spent writing blocks, in seconds.",
    ),
];
static QUERY: Family = Family::counter(
    "pg_stat_statements_query_id",
    &["query", "queryid"],
    "1, with the text of a statement as label.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    COUNTERS.iter().chain([&QUERY]).collect()
}

/// Makes the collector.
pub fn new(setup: &Setup) -> Result<Statements, String> {
    let flags = Flags::read(&setup.matches)?;
    for (name, value) in [("limit", flags.limit), ("query_length", flags.query_length)] {
        if !(1..=i64::from(u32::MAX)).contains(&value) {
            return Err(format!(
                "--collector.stat_statements.{name}: expected a whole number above 0, got {value}"
            ));
        }
    }
    Ok(Statements::one(
        move |version| question(&flags, version),
        |rows, _, out| put(rows, out),
    )
    .patient())
}

/// Texts are read from a file: they are not asked for unless they are wanted.
fn question(flags: &Flags, version: Version) -> Question {
    let time = match version < Version::major(13) {
        true => "total_time",
        false => "total_exec_time",
    };
    let prefix = match version < Version::major(17) {
        true => "",
        false => "shared_",
    };
    let source = match version < Version::major(13) {
        true => "pg_stat_statements".to_owned(),
        false => format!("pg_stat_statements({})", flags.include_query),
    };
    let bare = match version < Version::major(13) {
        true => "pg_stat_statements",
        false => "pg_stat_statements(false)",
    };
    let text = match flags.include_query {
        true => format!(", left(s.query, {})", flags.query_length),
        false => String::new(),
    };
    let databases = and_not_in("d.datname", &list(&flags.exclude_databases));
    let users = and_not_in("pg_get_userbyid(s.userid)", &list(&flags.exclude_users));
    let limit = flags.limit;
    Question::from(format!(
        "SELECT d.datname, s.queryid, pg_get_userbyid(s.userid), s.calls, s.{time} / 1000, s.rows, \
         s.{prefix}blk_read_time / 1000, s.{prefix}blk_write_time / 1000{text} FROM {source} s \
         JOIN pg_database d ON d.oid = s.dbid WHERE s.{time} > (SELECT percentile_cont(0.1) WITHIN \
         GROUP (ORDER BY {time}) FROM {bare}){databases}{users} ORDER BY s.{time} DESC LIMIT {limit}"
    ))
}

/// What differs in nothing that is exposed is told by the row that took most time.
fn put(rows: &Rows, out: &mut Arena) -> Result<(), Error> {
    let mut seen = HashSet::new();
    let mut dropped = 0;
    let mut statements = Vec::new();
    for row in rows.iter() {
        let labels: [&str; 3] = std::array::from_fn(|column| row.text_or(column, "unknown"));
        let mut values = [0.0; COUNTERS.len()];
        for (index, value) in values.iter_mut().enumerate() {
            *value = row.number_or_zero(3 + index)?;
        }
        match seen.insert(labels) {
            true => statements.push((labels, values)),
            false => dropped += 1,
        }
    }
    for (labels, values) in &statements {
        for (family, value) in COUNTERS.iter().zip(values) {
            out.put(family, labels, *value);
        }
    }
    if dropped > 0 {
        tracing::debug!(
            dropped,
            "statements of the same user, database and id left out"
        );
    }
    if rows.columns().len() > 3 + COUNTERS.len() {
        put_texts(rows, out);
    }
    Ok(())
}

fn put_texts(rows: &Rows, out: &mut Arena) {
    let mut seen = HashSet::new();
    for row in rows.iter() {
        let id = row.text_or(1, "unknown");
        if seen.insert(id) {
            out.put(&QUERY, &[row.text_or(8, "unknown"), id], 1.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NEWEST, collector, samples, setup};

    const HEAD: &[&str] = &["d", "q", "u", "c", "s", "r", "br", "bw", "t"];

    fn sql(given: &[(&'static str, &str)], version: Version) -> String {
        match &collector("stat_statements", given).questions(version)[0] {
            Question::Ask(sql) => sql.clone().into_owned(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_first_of_a_kind_stays() {
        let answer: &[&[&str]] = &[
            HEAD,
            &[
                "a",
                "-7",
                "me",
                "2",
                "3.5",
                "4",
                "NULL",
                "0.25",
                "SELECT $1",
            ],
            &["a", "-7", "me", "9", "3", "9", "9", "9", "SELECT  $1"],
            &["a", "NULL", "me", "1", "1", "1", "1", "1", "NULL"],
        ];
        let text = samples(&collector("stat_statements", &[]), NEWEST, &[answer]);
        assert_eq!(text.lines().count(), 2 * 5 + 2);
        for line in [
            "pg_stat_statements_calls_total{datname=\"a\",queryid=\"-7\",user=\"me\"} 2\n",
            "pg_stat_statements_block_read_seconds_total{datname=\"a\",queryid=\"-7\",user=\"me\"} 0\n",
            "pg_stat_statements_query_id{query=\"SELECT $1\",queryid=\"-7\"} 1\n",
            "pg_stat_statements_query_id{query=\"unknown\",queryid=\"unknown\"} 1\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
        let bare: &[&[&str]] = &[&HEAD[..8], &["a", "1", "me", "1", "1", "1", "1", "1"]];
        let text = samples(&collector("stat_statements", &[]), NEWEST, &[bare]);
        assert!(!text.contains("query_id{"), "{text}");
    }

    #[test]
    fn texts_are_not_fetched_unless_wanted() {
        assert!(!sql(&[], NEWEST).contains("(true)"));
        let with = [("collector.stat_statements.include_query", "true")];
        assert!(sql(&with, NEWEST).contains("left(s.query, 120) FROM pg_stat_statements(true)"));
        assert!(sql(&[], Version::major(12)).contains("FROM pg_stat_statements s"));
        assert!(sql(&[], Version::major(12)).contains("s.total_time / 1000"));
        assert!(sql(&[], Version::major(16)).contains("s.blk_read_time"));
        assert!(sql(&[], Version::major(17)).contains("s.shared_blk_read_time"));
    }

    #[test]
    fn names_are_quoted_and_numbers_checked() {
        let given = [
            ("collector.stat_statements.exclude_users", "o'hara, b"),
            ("collector.stat_statements.exclude_databases", "x"),
            ("collector.stat_statements.limit", "5"),
        ];
        let sql = sql(&given, NEWEST);
        assert!(sql.contains("AND d.datname NOT IN (E'x')"), "{sql}");
        assert!(sql.contains("NOT IN (E'o''hara', E'b')"), "{sql}");
        assert!(sql.ends_with("LIMIT 5"), "{sql}");
        for name in ["limit", "query_length"] {
            let flag = match name {
                "limit" => "collector.stat_statements.limit",
                _ => "collector.stat_statements.query_length",
            };
            for bad in ["0", "-1"] {
                let error = new(&setup(&[(flag, bad)])).err().unwrap();
                assert!(error.contains(flag) && error.contains("above 0"), "{error}");
            }
        }
    }
}
