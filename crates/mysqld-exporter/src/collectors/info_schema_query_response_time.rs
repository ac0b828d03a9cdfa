//! Distribution of response times, from the plug-in `query_response_time` of MariaDB and Percona
//! Server.
//!
//! Names of the tables are in upper case on purpose: a server answers with the totals otherwise.

use super::{Asking, Collector, Grant, PROCESS, status_value};
use crate::server::{Error, Rows, Session, code};
use exporter_core::cli::{Flag, Matches};
use exporter_core::dialect::strconv;
use exporter_core::exposition::{Arena, Distribution, Family, Kind};

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];
/// What it needs.
pub const GRANT: Grant = PROCESS;

static ALL: Family = Family::new(
    Kind::Histogram,
    "mysql_info_schema_query_response_time_seconds",
    &[],
    "Response times of all statements in seconds.",
);
static READS: Family = Family::new(
    Kind::Histogram,
    "mysql_info_schema_read_query_response_time_seconds",
    &[],
    "Response times of reading statements in seconds.",
);
static WRITES: Family = Family::new(
    Kind::Histogram,
    "mysql_info_schema_write_query_response_time_seconds",
    &[],
    "Response times of writing statements in seconds.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&ALL, &READS, &WRITES]
}

/// Makes the collector.
pub fn new(_: &Matches) -> Result<Box<dyn Collector>, String> {
    Ok(Box::new(ResponseTimes))
}

struct ResponseTimes;

impl Collector for ResponseTimes {
    fn collect<'a>(&'a self, session: &'a mut Session, out: &'a mut Arena) -> Asking<'a> {
        Box::pin(async move {
            let switch = session.variable("query_response_time_stats").await?;
            let is_on = |text: String| text != "0" && status_value::parse(&text) != Some(0.0);
            if !switch.is_some_and(is_on) {
                return Ok(());
            }
            let rows = session.query(statement("QUERY_RESPONSE_TIME")).await?;
            put(&ALL, &rows, out);
            for (family, table) in [
                (&READS, "QUERY_RESPONSE_TIME_READ"),
                (&WRITES, "QUERY_RESPONSE_TIME_WRITE"),
            ] {
                match session.query(statement(table)).await {
                    Ok(rows) => put(family, &rows, out),
                    Err(error) if is_missing(&error) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        })
    }
}

fn is_missing(error: &Error) -> bool {
    error.is(code::UNKNOWN_TABLE) || error.is(code::NO_SUCH_TABLE)
}

fn statement(table: &str) -> String {
    format!("SELECT TIME, COUNT, TOTAL FROM INFORMATION_SCHEMA.{table}")
}

fn put(family: &'static Family, rows: &Rows, out: &mut Arena) {
    let (mut sum, mut count) = (0.0, 0.0);
    let mut points = Vec::with_capacity(rows.len());
    for row in rows.iter() {
        let bound = padded(row.text(0));
        count += row.number(1).unwrap_or(0.0);
        sum += padded(row.text(2));
        // Neither the row without length nor the one for all that took longer is a bucket.
        if bound != 0.0 {
            points.push((bound, count));
        }
    }
    let distribution = Distribution {
        sum,
        count,
        points: &points,
    };
    out.put_distribution(family, &[], distribution);
}

/// A number padded with blanks; a text such as `TOO LONG` is 0.
fn padded(text: &str) -> f64 {
    strconv::parse_float(text.trim()).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{expose, texts};

    #[test]
    fn counts_accumulate() {
        let times = texts(
            &["TIME", "COUNT", "TOTAL"],
            &[
                &["      0.000001", "2", "      0.000001"],
                &["      0.000010", "3", "      0.000020"],
                &["             0", "1", "             0"],
                &["TOO LONG", "4", "TOO LONG"],
            ],
        );
        assert_eq!(
            expose(|out| put(&ALL, &times, out)),
            "mysql_info_schema_query_response_time_seconds_bucket{le=\"1e-06\"} 2\n\
             mysql_info_schema_query_response_time_seconds_bucket{le=\"1e-05\"} 5\n\
             mysql_info_schema_query_response_time_seconds_bucket{le=\"+Inf\"} 10\n\
             mysql_info_schema_query_response_time_seconds_sum 2.1000000000000002e-05\n\
             mysql_info_schema_query_response_time_seconds_count 10\n"
        );
    }
}
