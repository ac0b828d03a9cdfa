//! How long sessions have been idle, from `pg_stat_activity`. Every state and application is told,
//! where upstream tells the first one only.

use super::{Setup, Statements};
use crate::rows::Rows;
use exporter_core::cli::Flag;
use exporter_core::collector::Error;
use exporter_core::exposition::Distribution;
use exporter_core::exposition::{Arena, Family, Kind};

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

static SECONDS: Family = Family::new(
    Kind::Histogram,
    "pg_process_idle_seconds",
    &["application_name", "state"],
    "How long idle sessions have been so, in seconds.",
);

const BOUNDS: [f64; 9] = [1.0, 2.0, 5.0, 15.0, 30.0, 60.0, 90.0, 120.0, 300.0];

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&SECONDS]
}

/// Makes the collector.
pub fn new(_: &Setup) -> Result<Statements, String> {
    let buckets: Vec<_> = BOUNDS
        .iter()
        .map(|bound| format!("sum(CASE WHEN idle <= {bound} THEN 1 ELSE 0 END)"))
        .collect();
    let sql = format!(
        "SELECT state, application_name, sum(round(idle)), count(*), {} FROM (SELECT state, \
         application_name, extract(epoch FROM now() - state_change)::numeric AS idle FROM \
         pg_stat_activity WHERE state LIKE 'idle%' AND pid <> pg_backend_pid()) s GROUP BY 1, 2",
        buckets.join(", ")
    );
    Ok(Statements::one(
        move |_| sql.clone().into(),
        |rows, _, out| put(rows, out),
    ))
}

fn put(rows: &Rows, out: &mut Arena) -> Result<(), Error> {
    let mut groups = Vec::new();
    for row in rows.iter() {
        let mut points = Vec::with_capacity(BOUNDS.len());
        for (index, bound) in BOUNDS.iter().enumerate() {
            points.push((*bound, row.number_or_zero(4 + index)?));
        }
        let names = (row.text_or(0, "unknown"), row.text_or(1, "unknown"));
        groups.push((
            names,
            row.number_or_zero(2)?,
            row.number_or_zero(3)?,
            points,
        ));
    }
    for ((state, application), sum, count, points) in groups {
        let labels = [("state", state), ("application_name", application)];
        let distribution = Distribution {
            sum,
            count,
            points: &points,
        };
        out.put_distribution(&SECONDS, &labels, distribution);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::{NEWEST, collector, samples};

    #[test]
    fn one_histogram_a_group() {
        let head = &[
            "s", "a", "sum", "count", "1", "2", "5", "15", "30", "60", "90", "120", "300",
        ];
        let one = &[
            "idle", "", "7", "3", "1", "2", "2", "3", "3", "3", "3", "3", "3",
        ];
        let two = &[
            "NULL", "x", "NULL", "1", "0", "0", "0", "0", "0", "0", "0", "0", "1",
        ];
        let text = samples(
            &collector("process_idle", &[]),
            NEWEST,
            &[&[head, one, two]],
        );
        for line in [
            "pg_process_idle_seconds_bucket{application_name=\"\",state=\"idle\",le=\"2\"} 2\n",
            "pg_process_idle_seconds_bucket{application_name=\"\",state=\"idle\",le=\"+Inf\"} 3\n",
            "pg_process_idle_seconds_sum{application_name=\"\",state=\"idle\"} 7\n",
            "pg_process_idle_seconds_count{application_name=\"x\",state=\"unknown\"} 1\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
        assert_eq!(samples(&collector("process_idle", &[]), NEWEST, &[&[]]), "");
    }
}
