//! How far receivers are behind in time, as the sender knows it, from `pg_stat_replication`. Upstream
//! has no such collector.

use super::columns::{self, Column};
use super::{Question, Setup, Statements};
use crate::version::Version;
use exporter_core::cli::Flag;
use exporter_core::exposition::Family;

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

macro_rules! gauges {
    ($( $column:literal $name:literal $help:literal, )*) => {
        [ $( ($column, Family::gauge(concat!("pg_stat_replication_", $name, "_seconds"), &["application_name", "client_addr", "pid", "slot_name", "state"], $help)), )* ]
    };
}

static COLUMNS: [Column; 3] = gauges! {
    "extract(epoch FROM r.write_lag)" "write_lag" "Time from writing to the news that the receiver has written, in seconds.",
    "extract(epoch FROM r.flush_lag)" "flush_lag" "Time from writing to the news that the receiver has brought it to disk, in seconds.",
    "extract(epoch FROM r.replay_lag)" "replay_lag" "Time from writing to the news that the receiver has replayed it, in seconds.",
};

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    COLUMNS.iter().map(|c| &c.1).collect()
}

/// Makes the collector. A receiver that has nothing to catch up with has no lag.
pub fn new(_: &Setup) -> Result<Statements, String> {
    let all: Vec<_> = COLUMNS.iter().collect();
    let sql = format!(
        "SELECT r.application_name, r.client_addr::text, r.pid, s.slot_name, r.state, {} FROM \
         pg_stat_replication r LEFT JOIN pg_replication_slots s ON s.active_pid = r.pid",
        columns::select(&all)
    );
    Ok(Statements::one(
        move |version| match version < Version::major(10) {
            true => {
                Question::Skip("stat_replication_lag asks servers of version 10 and later only")
            }
            false => sql.clone().into(),
        },
        move |rows, _, out| columns::put_known(rows, 5, &all, out),
    ))
}

#[cfg(test)]
mod tests {
    use crate::testing::{NEWEST, collector, samples};

    #[test]
    fn receivers() {
        let row = ["w", "NULL", "7", "s", "streaming", "0.25", "NULL", "1"];
        let text = samples(
            &collector("stat_replication_lag", &[]),
            NEWEST,
            &[&[&["x"; 8], &row]],
        );
        let labels = "{application_name=\"w\",client_addr=\"\",pid=\"7\",slot_name=\"s\",\
                      state=\"streaming\"}";
        assert_eq!(
            text,
            format!(
                "pg_stat_replication_replay_lag_seconds{labels} 1\n\
                 pg_stat_replication_write_lag_seconds{labels} 0.25\n"
            )
        );
    }
}
