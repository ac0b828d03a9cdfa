//! The statements that take the most time, by digest, from
//! `performance_schema.events_statements_summary_by_digest`.

use super::grid::{self, Label, Value, pico};
use super::{Asking, Collector, Grant, PERFORMANCE_SCHEMA, sql};
use crate::server::{Rows, Session, Version};
use exporter_core::cli::{Flag, Matches};
use exporter_core::exposition::{Arena, Distribution, Family, Kind};

exporter_core::flags! {
    /// Flags of this collector.
    pub struct Flags {
        /// Digests to collect, those that took the most time.
        "collect.perf_schema.eventsstatements.limit" limit: i64 = ["250"];
        /// Longest time in seconds since a digest was last seen.
        "collect.perf_schema.eventsstatements.timelimit" timelimit: i64 = ["86400"];
        /// Longest text of a digest in characters.
        "collect.perf_schema.eventsstatements.digest_text_limit" digest_text_limit: i64 = ["120"];
        /// Schema to leave out, beside mysql, performance_schema and information_schema. May be
        /// repeated.
        "collect.perf_schema.eventsstatements.exclude_schemas" exclude_schemas: Vec<String> = [""];
    }
}

/// Flags of this collector.
pub const FLAGS: &[Flag] = Flags::TABLE;
/// What it needs.
pub const GRANT: Grant = PERFORMANCE_SCHEMA;

const NAMES: &[&str] = &["digest", "digest_text", "schema"];

macro_rules! families {
    ($( $constant:ident $metric:literal $help:literal; )*) => {
        $( static $constant: Family = Family::counter(
            concat!("mysql_perf_schema_events_statements_", $metric), NAMES, $help,
        ); )*
    };
}

families! {
    COUNT "total" "Statements run.";
    TIME "seconds_total" "Time that statements took in seconds.";
    LOCK_TIME "lock_time_seconds_total" "Time that statements waited for locks in seconds.";
    CPU_TIME "cpu_time_seconds_total" "CPU time that statements took in seconds.";
    ERRORS "errors_total" "Errors of statements.";
    WARNINGS "warnings_total" "Warnings of statements.";
    AFFECTED "rows_affected_total" "Rows that statements changed.";
    SENT "rows_sent_total" "Rows that statements returned.";
    EXAMINED "rows_examined_total" "Rows that statements examined.";
    TABLES "tmp_tables_total" "Temporary tables that statements made.";
    DISK_TABLES "tmp_disk_tables_total" "Temporary tables on disk that statements made.";
    MERGES "sort_merge_passes_total" "Merge passes of sorts.";
    SORTED "sort_rows_total" "Rows sorted.";
    NO_INDEX "no_index_used_total" "Statements that scanned a table without an index.";
}

static LATENCY: Family = Family::new(
    Kind::Summary,
    "mysql_perf_schema_events_statements_latency",
    NAMES,
    "Time that statements took in seconds; the quantiles are labelled in percent or per mille.",
);

const LABELS: &[Label] = &[Label::Column(1), Label::Column(2), Label::Column(0)];
static VALUES: [Value; 14] = [
    Value::new(&COUNT, LABELS, 3),
    Value::pico(&TIME, LABELS, 4),
    Value::pico(&LOCK_TIME, LABELS, 5),
    Value::pico(&CPU_TIME, LABELS, 6),
    Value::new(&ERRORS, LABELS, 7),
    Value::new(&WARNINGS, LABELS, 8),
    Value::new(&AFFECTED, LABELS, 9),
    Value::new(&SENT, LABELS, 10),
    Value::new(&EXAMINED, LABELS, 11),
    Value::new(&DISK_TABLES, LABELS, 12),
    Value::new(&TABLES, LABELS, 13),
    Value::new(&MERGES, LABELS, 14),
    Value::new(&SORTED, LABELS, 15),
    Value::new(&NO_INDEX, LABELS, 16),
];
/// Label of a quantile and its column.
const QUANTILES: [(f64, usize); 3] = [(95.0, 17), (99.0, 18), (999.0, 19)];

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    let mut families = grid::families(&VALUES);
    families.push(&LATENCY);
    families
}

/// Makes the collector.
pub fn new(matches: &Matches) -> Result<Box<dyn Collector>, String> {
    Ok(Box::new(EventsStatements {
        flags: Flags::read(matches)?,
    }))
}

struct EventsStatements {
    flags: Flags,
}

impl Collector for EventsStatements {
    fn collect<'a>(&'a self, session: &'a mut Session, out: &'a mut Arena) -> Asking<'a> {
        Box::pin(async move {
            let sql = statement(&self.flags, session.version());
            put(&session.query(sql).await?, out);
            Ok(())
        })
    }
}

fn statement(flags: &Flags, version: Version) -> String {
    // Elsewhere these columns are missing, or not comparable.
    let recent = match version.is_mysql((8, 0, 28)) {
        true => ["SUM_LOCK_TIME", "SUM_CPU_TIME", "QUANTILE_95", "QUANTILE_99", "QUANTILE_999"],
        false => ["0"; 5],
    };
    let [lock, cpu, q95, q99, q999] = recent;
    let excluded = sql::literals(flags.exclude_schemas.iter().map(String::as_str));
    let excluded = match excluded.as_str() {
        "" => String::new(),
        more => format!(", {more}"),
    };
    // A comparison with NULL is not true, so statements without a schema are left out too.
    format!(
        "SELECT IFNULL(SCHEMA_NAME, 'NONE'), DIGEST, LEFT(DIGEST_TEXT, {text}), COUNT_STAR, \
         SUM_TIMER_WAIT, {lock}, {cpu}, SUM_ERRORS, SUM_WARNINGS, SUM_ROWS_AFFECTED, \
         SUM_ROWS_SENT, SUM_ROWS_EXAMINED, SUM_CREATED_TMP_DISK_TABLES, SUM_CREATED_TMP_TABLES, \
         SUM_SORT_MERGE_PASSES, SUM_SORT_ROWS, SUM_NO_INDEX_USED, {q95}, {q99}, {q999} \
         FROM performance_schema.events_statements_summary_by_digest \
         WHERE SCHEMA_NAME NOT IN ('mysql', 'performance_schema', 'information_schema'{excluded}) \
         AND LAST_SEEN > DATE_SUB(NOW(), INTERVAL {age} SECOND) \
         ORDER BY SUM_TIMER_WAIT DESC LIMIT {limit}",
        text = flags.digest_text_limit,
        age = flags.timelimit,
        limit = flags.limit,
    )
}

fn put(rows: &Rows, out: &mut Arena) {
    grid::put(rows, &VALUES, out);
    for row in rows.iter() {
        let points = QUANTILES.map(|(label, column)| (label, pico(row.number(column).unwrap_or(0.0))));
        let distribution = Distribution {
            sum: pico(row.number(4).unwrap_or(0.0)),
            count: row.number(3).unwrap_or(0.0),
            points: &points,
        };
        let labels = [
            (NAMES[0], row.text(1)),
            (NAMES[1], row.text(2)),
            (NAMES[2], row.text(0)),
        ];
        out.put_distribution(&LATENCY, &labels, distribution);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{expose, texts};

    fn flags(exclude: &[&str]) -> Flags {
        Flags {
            limit: 10,
            timelimit: 60,
            digest_text_limit: 120,
            exclude_schemas: exclude.iter().map(|s| (*s).to_owned()).collect(),
        }
    }

    #[test]
    fn one_digest() {
        let mut cells = vec!["s", "d", "SELECT ?"];
        cells.extend(["2", "3000000000000", "1000000000000", "0"]);
        cells.extend(["0"; 10]);
        cells.extend(["1500000000000", "1600000000000", "1700000000000"]);
        let columns: Vec<&str> = cells.iter().map(|_| "c").collect();
        let text = expose(|out| put(&texts(&columns, &[&cells]), out));
        let labels = "digest=\"d\",digest_text=\"SELECT ?\",schema=\"s\"";
        let prefix = "mysql_perf_schema_events_statements_";
        for line in [
            format!("{prefix}total{{{labels}}} 2\n"),
            format!("{prefix}seconds_total{{{labels}}} 3\n"),
            format!("{prefix}lock_time_seconds_total{{{labels}}} 1\n"),
            format!("{prefix}latency{{{labels},quantile=\"95\"}} 1.5\n"),
            format!("{prefix}latency{{{labels},quantile=\"999\"}} 1.7\n"),
            format!("{prefix}latency_sum{{{labels}}} 3\n"),
            format!("{prefix}latency_count{{{labels}}} 2\n"),
        ] {
            assert!(text.contains(&line), "{line}{text}");
        }
    }

    #[test]
    fn columns_by_version_and_schemas_as_literals() {
        let of = |text: &str| statement(&flags(&["", "a'"]), Version::parse(text).unwrap());
        assert!(of("8.0.28").contains("SUM_CPU_TIME"));
        assert!(!of("8.0.27").contains("SUM_CPU_TIME"));
        assert!(!of("10.11.1-MariaDB").contains("QUANTILE"));
        assert!(of("8.0.28").contains("'information_schema', '', _utf8mb4 0x6127)"));
    }
}
