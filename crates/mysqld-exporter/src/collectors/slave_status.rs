//! Replication status of a replica, from `SHOW SLAVE STATUS` and its newer spellings.

use super::{Asking, Collector, Grant, names, status_value};
use crate::server::{Error, RowView, Rows, Session, Version, code};
use exporter_core::cli::{Flag, Matches};
use exporter_core::exposition::{Arena, Dynamic, Family, Kind};

exporter_core::flags! {
    /// Flags of this collector.
    pub struct Flags {
        /// Put the replication status of MySQL 8.4 and later under the older names too
        /// (seconds_behind_master for seconds_behind_source and so on), so that one alert fits all.
        "collect.slave_status.legacy-names" legacy_names: bool = ["false"];
        /// Tell the numbers of log files, too: 7 for a Relay_Master_Log_File binlog.000007.
        "collect.slave_status.log-files" log_files: bool = ["false"];
    }
}

/// Flags of this collector.
pub const FLAGS: &[Flag] = Flags::TABLE;
/// What it needs.
pub const GRANT: Grant = Grant {
    mysql: "REPLICATION CLIENT ON *.*",
    mariadb: "REPLICA MONITOR ON *.*",
};

static OTHER: Family = Family::untyped(
    "mysql_slave_status_<column>",
    &[
        "channel_name",
        "connection_name",
        "master_host",
        "master_uuid",
    ],
    "Column of the replication status.",
);
const GTID_LABELS: &[&str] = &[
    "channel_name",
    "connection_name",
    "domain_id",
    "master_host",
    "master_uuid",
    "server_id",
];
static IO_POSITION: Family = Family::gauge(
    "mysql_slave_status_gtid_io_pos",
    GTID_LABELS,
    "Sequence number of the last transaction received, by domain and server.",
);
static SLAVE_POSITION: Family = Family::gauge(
    "mysql_slave_status_gtid_slave_pos",
    GTID_LABELS,
    "Sequence number of the last transaction applied, by domain and server.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&OTHER, &IO_POSITION, &SLAVE_POSITION]
}

/// Makes the collector.
pub fn new(matches: &Matches) -> Result<Box<dyn Collector>, String> {
    Ok(Box::new(SlaveStatus {
        flags: Flags::read(matches)?,
    }))
}

struct SlaveStatus {
    flags: Flags,
}

impl Collector for SlaveStatus {
    fn collect<'a>(&'a self, session: &'a mut Session, out: &'a mut Arena) -> Asking<'a> {
        Box::pin(async move {
            let rows = status(session).await?;
            put(&rows, &self.flags, out);
            Ok(())
        })
    }
}

const ALL_SLAVES: &str = "SHOW ALL SLAVES STATUS";
const SLAVE: &str = "SHOW SLAVE STATUS";
const REPLICA: &str = "SHOW REPLICA STATUS";

/// The spellings that a server may know, the likeliest first. The older one decides the names of
/// the columns for as long as a server knows it.
fn statements(version: Version) -> [&'static str; 2] {
    if version.mariadb {
        [ALL_SLAVES, SLAVE]
    } else if version.is_mysql((8, 4, 0)) {
        [REPLICA, SLAVE]
    } else {
        [SLAVE, REPLICA]
    }
}

async fn status(session: &mut Session) -> Result<Rows, Error> {
    let [first, second] = statements(session.version());
    match session.query(first).await {
        Err(error) if error.is(code::SYNTAX) => session.query(second).await,
        answer => answer,
    }
}

fn put(rows: &Rows, flags: &Flags, out: &mut Arena) {
    let columns = Columns::of(rows);
    let mut metric = String::new();
    for row in rows.iter() {
        let labels = columns.labels(row);
        for (at, column) in rows.columns().iter().enumerate() {
            let column = column.to_lowercase();
            match column.as_str() {
                "gtid_io_pos" => put_positions(&IO_POSITION, row.text(at), labels, out),
                "gtid_slave_pos" => put_positions(&SLAVE_POSITION, row.text(at), labels, out),
                column => {
                    let number = file_number(column, row.text(at)).filter(|_| flags.log_files);
                    let (column, value) = match (number, status_value::parse(row.text(at))) {
                        (Some(number), _) => (format!("{column}_number"), number),
                        (None, Some(value)) => (column.to_owned(), value),
                        (None, None) => continue,
                    };
                    put_column(&column, value, labels, &mut metric, out);
                    if let Some(older) = older_name(&column).filter(|_| flags.legacy_names) {
                        put_column(&older, value, labels, &mut metric, out);
                    }
                }
            }
        }
    }
}

/// Values of the labels of [`OTHER`].
type Labels<'a> = [&'a str; 4];

fn put_column(column: &str, value: f64, labels: Labels<'_>, metric: &mut String, out: &mut Arena) {
    let family = Dynamic {
        name: names::joined("mysql_slave_status_", column, metric),
        help: OTHER.help,
        kind: Kind::Untyped,
    };
    let mut pairs = [("", ""); 4];
    for (pair, known) in pairs.iter_mut().zip(OTHER.labels.iter().zip(labels)) {
        *pair = (known.0, known.1);
    }
    out.put_dynamic(family, &pairs, value);
}

/// The number at the end of a log file's name.
fn file_number(column: &str, text: &str) -> Option<f64> {
    if !column.ends_with("log_file") {
        return None;
    }
    let (_, number) = text.rsplit_once('.')?;
    let is_number = number.bytes().all(|b| b.is_ascii_digit());
    number.parse().ok().filter(|_| is_number)
}

/// What a column of MySQL 8.4 was called before.
fn older_name(column: &str) -> Option<String> {
    let older = column
        .replace("source", "master")
        .replace("replica", "slave");
    (older != column).then_some(older)
}

/// `0-1-5,1-1-7`: domain, server, sequence number. Elements of other shapes are left out.
fn put_positions(family: &'static Family, text: &str, labels: Labels<'_>, out: &mut Arena) {
    let [channel, connection, host, uuid] = labels;
    for element in text.split(',') {
        let mut parts = element.split('-');
        let (Some(domain), Some(server), Some(sequence), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        let is_number = !sequence.starts_with('+');
        if let Ok(sequence) = sequence.parse::<u64>()
            && is_number
        {
            let labels = [channel, connection, domain, host, uuid, server];
            out.put(family, &labels, sequence as f64);
        }
    }
}

/// Positions of the columns that are labels.
struct Columns {
    channel: Option<usize>,
    connection: Option<usize>,
    host: [Option<usize>; 2],
    uuid: [Option<usize>; 2],
}

impl Columns {
    fn of(rows: &Rows) -> Self {
        Columns {
            channel: rows.column("Channel_Name"),
            connection: rows.column("Connection_name"),
            host: [rows.column("Master_Host"), rows.column("Source_Host")],
            uuid: [rows.column("Master_UUID"), rows.column("Source_UUID")],
        }
    }

    fn labels<'a>(&self, row: RowView<'a>) -> Labels<'a> {
        let text = |column: Option<usize>| column.map_or("", |c| row.text(c));
        let first = |columns: [Option<usize>; 2]| match text(columns[0]) {
            "" => text(columns[1]),
            text => text,
        };
        [
            text(self.channel),
            text(self.connection),
            first(self.host),
            first(self.uuid),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{expose, rows};
    use proptest::prelude::*;

    fn flags(legacy_names: bool, log_files: bool) -> Flags {
        Flags {
            legacy_names,
            log_files,
        }
    }

    #[test]
    fn log_files_have_numbers_on_demand() {
        let status = rows(
            &["Relay_Source_Log_File", "Relay_Log_File", "Source_Log_File"],
            &[&[Some("b.log.000123"), Some("none"), Some("b.x1")]],
        );
        let labels = "{channel_name=\"\",connection_name=\"\",master_host=\"\",master_uuid=\"\"}";
        let text = expose(|out| put(&status, &flags(true, true), out));
        assert_eq!(
            text,
            format!(
                "mysql_slave_status_relay_master_log_file_number{labels} 123\n\
                 mysql_slave_status_relay_source_log_file_number{labels} 123\n"
            )
        );
        let text = expose(|out| put(&status, &flags(true, false), out));
        assert!(!text.contains("_number"), "{text}");
    }

    #[test]
    fn a_replica_of_mariadb() {
        let status = rows(
            &[
                "Connection_name",
                "Slave_IO_State",
                "Master_Host",
                "Slave_IO_Running",
                "Seconds_Behind_Master",
                "Gtid_IO_Pos",
                "Gtid_Slave_Pos",
            ],
            &[&[
                Some("c"),
                Some("Waiting"),
                Some("h"),
                Some("Connecting"),
                None,
                Some("0-1-5,x,1-2-3-4, 2-3-9"),
                Some("7"),
            ]],
        );
        let labels = "channel_name=\"\",connection_name=\"c\"";
        assert_eq!(
            expose(|out| put(&status, &flags(true, false), out)),
            format!(
                "mysql_slave_status_gtid_io_pos{{{labels},domain_id=\" 2\",master_host=\"h\",\
                 master_uuid=\"\",server_id=\"3\"}} 9\n\
                 mysql_slave_status_gtid_io_pos{{{labels},domain_id=\"0\",master_host=\"h\",\
                 master_uuid=\"\",server_id=\"1\"}} 5\n\
                 mysql_slave_status_slave_io_running{{{labels},master_host=\"h\",\
                 master_uuid=\"\"}} 0\n"
            )
        );
    }

    #[test]
    fn a_replica_of_mysql_has_older_names_on_demand() {
        let status = rows(
            &[
                "Source_Host",
                "Replica_IO_Running",
                "Seconds_Behind_Source",
                "Source_UUID",
                "Channel_Name",
            ],
            &[&[Some("h"), Some("Yes"), Some("2"), Some("u"), Some("ch")]],
        );
        let labels = "{channel_name=\"ch\",connection_name=\"\",master_host=\"h\",master_uuid=\"u\"}";
        let newer = format!(
            "mysql_slave_status_replica_io_running{labels} 1\n\
             mysql_slave_status_seconds_behind_source{labels} 2\n"
        );
        assert_eq!(expose(|out| put(&status, &flags(false, false), out)), newer);
        let both = expose(|out| put(&status, &flags(true, false), out));
        for older in ["seconds_behind_master", "slave_io_running"] {
            assert!(both.contains(&format!("mysql_slave_status_{older}{labels}")));
        }
    }

    #[test]
    fn spellings() {
        let first = |text: &str| statements(Version::parse(text).unwrap())[0];
        assert_eq!(first("10.6.1-MariaDB"), ALL_SLAVES);
        assert_eq!(first("8.3.0"), SLAVE);
        assert_eq!(first("8.4.0"), REPLICA);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(column: String, text: String) {
            let status = rows(&[&column, "Gtid_IO_Pos"], &[&[Some(&text), Some(&text)]]);
            expose(|out| put(&status, &flags(true, true), out));
        }
    }
}
