//! Queries and read views inside InnoDB, from `SHOW ENGINE INNODB STATUS`.

use super::{Asking, Collector, Grant, PROCESS};
use crate::server::Session;
use exporter_core::cli::{Flag, Matches};
use exporter_core::exposition::{Arena, Family};

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];
/// What it needs.
pub const GRANT: Grant = PROCESS;

static INSIDE: Family = Family::gauge(
    "mysql_engine_innodb_queries_inside_innodb",
    &[],
    "Queries inside InnoDB.",
);
static QUEUE: Family = Family::gauge(
    "mysql_engine_innodb_queries_in_queue",
    &[],
    "Queries that wait to enter InnoDB.",
);
static VIEWS: Family = Family::gauge(
    "mysql_engine_innodb_read_views_open_inside_innodb",
    &[],
    "Read views that are open inside InnoDB.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&INSIDE, &QUEUE, &VIEWS]
}

/// Makes the collector.
pub fn new(_: &Matches) -> Result<Box<dyn Collector>, String> {
    Ok(Box::new(InnodbStatus))
}

struct InnodbStatus;

impl Collector for InnodbStatus {
    fn collect<'a>(&'a self, session: &'a mut Session, out: &'a mut Arena) -> Asking<'a> {
        Box::pin(async move {
            let rows = session.query("SHOW ENGINE INNODB STATUS").await?;
            let status = parse(rows.first().map_or("", |row| row.text(2)));
            for (family, value) in [
                (&INSIDE, status.inside),
                (&QUEUE, status.queue),
                (&VIEWS, status.views),
            ] {
                if let Some(value) = value {
                    out.put(family, &[], value);
                }
            }
            Ok(())
        })
    }
}

#[derive(Debug, Default, PartialEq)]
struct Status {
    inside: Option<f64>,
    queue: Option<f64>,
    views: Option<f64>,
}

fn parse(text: &str) -> Status {
    let mut status = Status::default();
    for line in text.lines() {
        if let Some((inside, rest)) = number_before(line, " queries inside InnoDB, ")
            && let Some((queue, _)) = number_before(rest, " queries in queue")
        {
            status.inside = Some(inside);
            status.queue = Some(queue);
        } else if let Some((views, _)) = number_before(line, " read views open inside InnoDB") {
            status.views = Some(views);
        }
    }
    status
}

/// The digits that end where `words` begin, and what follows these.
fn number_before<'a>(line: &'a str, words: &str) -> Option<(f64, &'a str)> {
    let (before, rest) = line.split_once(words)?;
    let start = before
        .rfind(|c: char| !c.is_ascii_digit())
        .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
    Some((before[start..].parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines() {
        let text = "ROW OPERATIONS\n661 queries inside InnoDB, 15 queries in queue\n\
                    15 read views open inside InnoDB\nProcess ID=1\n";
        let expected = Status {
            inside: Some(661.0),
            queue: Some(15.0),
            views: Some(15.0),
        };
        assert_eq!(parse(text), expected);
        assert_eq!(parse("é1 read views open inside InnoDB").views, Some(1.0));
        assert_eq!(parse("x read views open inside InnoDB"), Status::default());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            parse(&text);
            parse(&format!("{text} read views open inside InnoDB"));
        }
    }
}
