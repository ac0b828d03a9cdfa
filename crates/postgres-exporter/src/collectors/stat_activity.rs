//! Sessions by database, state and what they do, from `pg_stat_activity`.

use super::{Question, Setup, Statements};
use crate::rows::Rows;
use crate::sql::list;
use crate::version::Version;
use exporter_core::cli::Flag;
use exporter_core::collector::Error;
use exporter_core::exposition::{Arena, Family};

exporter_core::flags! {
    /// Flags of this collector.
    pub struct Flags {
        /// Labels that sessions are not told apart by, between commas: application_name,
        /// backend_type, usename, wait_event, wait_event_type.
        "collector.stat_activity.drop-labels" drop_labels: String = [""];
    }
}

/// Flags of this collector.
pub const FLAGS: &[Flag] = Flags::TABLE;

/// Labels that may be dropped; the other two make the alerts.
const DROPPABLE: [&str; 5] = [
    "application_name",
    "backend_type",
    "usename",
    "wait_event",
    "wait_event_type",
];

const LABELS: &[&str] = &[
    "application_name",
    "backend_type",
    "datname",
    "state",
    "usename",
    "wait_event",
    "wait_event_type",
];

static COUNT: Family = Family::gauge(
    "pg_stat_activity_count",
    LABELS,
    "Sessions, the one that asks excepted; 0 for a state that no session of the database has.",
);
static MAX_DURATION: Family = Family::gauge(
    "pg_stat_activity_max_tx_duration",
    LABELS,
    "Age of the oldest transaction of these sessions in seconds.",
);

const STATES: [&str; 6] = [
    "active",
    "idle",
    "idle in transaction",
    "idle in transaction (aborted)",
    "fastpath function call",
    "disabled",
];

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&COUNT, &MAX_DURATION]
}

/// Makes the collector.
pub fn new(setup: &Setup) -> Result<Statements, String> {
    let dropped = list(&Flags::read(&setup.matches)?.drop_labels);
    if let Some(other) = dropped.iter().find(|l| !DROPPABLE.contains(&l.as_str())) {
        return Err(format!(
            "--collector.stat_activity.drop-labels: expected some of {}, got {other:?}",
            DROPPABLE.join(", ")
        ));
    }
    Ok(Statements::one(
        move |version| question(version, &dropped),
        put,
    ))
}

/// Columns that a version lacks, or that nobody wants, read as null, so that label names stay the
/// same.
fn question(version: Version, dropped: &[String]) -> Question {
    if version < Version(9, 2, 0) {
        return Question::from(
            "SELECT datname, 'unknown', usename, application_name, NULL, NULL, NULL, count(*), \
             max(extract(epoch FROM now() - xact_start)) FROM pg_stat_activity WHERE procpid <> \
             pg_backend_pid() GROUP BY 1, 3, 4 ORDER BY 1",
        );
    }
    let backend_type = match version < Version::major(10) {
        true => "NULL::text",
        false => "a.backend_type",
    };
    let (wait_event_type, wait_event) = match version < Version(9, 6, 0) {
        true => ("NULL::text", "NULL::text"),
        false => ("a.wait_event_type", "a.wait_event"),
    };
    let column = |label: &str, column| match dropped.iter().any(|d| d == label) {
        true => "NULL::text",
        false => column,
    };
    let user = column("usename", "a.usename");
    let application = column("application_name", "a.application_name");
    let backend_type = column("backend_type", backend_type);
    let wait_event_type = column("wait_event_type", wait_event_type);
    let wait_event = column("wait_event", wait_event);
    let states: Vec<_> = STATES.iter().map(|state| format!("'{state}'")).collect();
    let states = states.join(", ");
    Question::from(format!(
        "SELECT d.datname, a.state, {user}, {application}, {backend_type}, \
         {wait_event_type}, {wait_event}, count(a.pid), max(extract(epoch FROM now() - \
         a.xact_start)) FROM pg_database d LEFT JOIN pg_stat_activity a ON a.datname = d.datname \
         AND a.pid <> pg_backend_pid() AND a.state IN ({states}) GROUP BY 1, 2, 3, 4, 5, 6, 7 \
         ORDER BY 1"
    ))
}

struct Group<'a> {
    labels: [&'a str; 7],
    count: f64,
    oldest: f64,
}

fn parse(rows: &Rows) -> Result<Vec<Group<'_>>, String> {
    rows.iter()
        .map(|row| {
            let text = |column| row.text_or(column, "");
            Ok(Group {
                labels: [
                    text(3),
                    text(4),
                    text(0),
                    text(1),
                    text(2),
                    text(6),
                    text(5),
                ],
                count: row.number_or_zero(7)?,
                oldest: row.number_or_zero(8)?,
            })
        })
        .collect()
}

fn put(rows: &Rows, version: Version, out: &mut Arena) -> Result<(), Error> {
    let groups = parse(rows)?;
    for group in &groups {
        if !group.labels[3].is_empty() {
            out.put(&COUNT, &group.labels, group.count);
            out.put(&MAX_DURATION, &group.labels, group.oldest);
        }
    }
    if version < Version(9, 2, 0) {
        return Ok(());
    }
    // Groups of one database stand together.
    for database in groups.chunk_by(|a, b| a.labels[2] == b.labels[2]) {
        for state in STATES {
            if database.iter().all(|group| group.labels[3] != state) {
                let labels = ["", "", database[0].labels[2], state, "", "", ""];
                out.put(&COUNT, &labels, 0.0);
                out.put(&MAX_DURATION, &labels, 0.0);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NEWEST, collector, samples};

    const HEAD: &[&str] = &["d", "s", "u", "a", "b", "wt", "we", "c", "m"];

    #[test]
    fn every_state_of_every_database() {
        let answer: &[&[&str]] = &[
            HEAD,
            &[
                "a",
                "active",
                "me",
                "app",
                "client backend",
                "IO",
                "Read",
                "2",
                "3.5",
            ],
            &["a", "active", "me", "", "NULL", "NULL", "NULL", "1", "NULL"],
            &[
                "b", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "0", "NULL",
            ],
        ];
        let text = samples(&collector("stat_activity", &[]), NEWEST, &[answer]);
        assert_eq!(text.lines().count(), 2 * (7 + 6));
        for line in [
            "pg_stat_activity_count{application_name=\"app\",backend_type=\"client backend\",\
             datname=\"a\",state=\"active\",usename=\"me\",wait_event=\"Read\",\
             wait_event_type=\"IO\"} 2\n",
            "pg_stat_activity_max_tx_duration{application_name=\"\",backend_type=\"\",\
             datname=\"a\",state=\"active\",usename=\"me\",wait_event=\"\",wait_event_type=\"\"} 0\n",
            "pg_stat_activity_count{application_name=\"\",backend_type=\"\",datname=\"b\",\
             state=\"active\",usename=\"\",wait_event=\"\",wait_event_type=\"\"} 0\n",
            "state=\"idle in transaction (aborted)\"",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }

    #[test]
    fn old_servers_have_the_same_labels() {
        for (version, missing) in [
            (Version(9, 5, 0), 3),
            (Version(9, 6, 0), 1),
            (Version::major(10), 0),
        ] {
            let Question::Ask(sql) = question(version, &[]) else {
                panic!()
            };
            assert_eq!(sql.matches("NULL::text").count(), missing, "{version}");
        }
        let answer: &[&[&str]] = &[
            HEAD,
            &[
                "a", "unknown", "me", "app", "NULL", "NULL", "NULL", "2", "1",
            ],
        ];
        let text = samples(
            &collector("stat_activity", &[]),
            Version(9, 1, 0),
            &[answer],
        );
        assert_eq!(text.lines().count(), 2);
    }

    #[test]
    fn dropped_labels_are_not_asked_for() {
        let given = [("collector.stat_activity.drop-labels", "usename, wait_event")];
        let questions = collector("stat_activity", &given).questions(NEWEST);
        let [Question::Ask(sql)] = questions.as_slice() else {
            panic!()
        };
        assert!(
            !sql.contains("a.usename") && !sql.contains("a.wait_event,"),
            "{sql}"
        );
        assert!(
            sql.contains("a.application_name") && sql.contains("a.wait_event_type"),
            "{sql}"
        );
        let given = [("collector.stat_activity.drop-labels", "state")];
        let error = new(&crate::testing::setup(&given)).err().unwrap();
        assert!(error.contains("got \"state\""), "{error}");
    }
}
