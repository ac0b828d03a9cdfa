//! Replicas that registered with this server, from `SHOW SLAVE HOSTS` and `SHOW REPLICAS`.

use super::{Asking, Collector, Grant};
use crate::server::{Error, Rows, Session, code};
use exporter_core::cli::{Flag, Matches};
use exporter_core::exposition::{Arena, Family};

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];
/// What it needs.
pub const GRANT: Grant = Grant {
    mysql: "REPLICATION SLAVE ON *.*",
    mariadb: "REPLICATION MASTER ADMIN ON *.*",
};

// The original's name, which stays for the sake of those who query it.
static REPLICA: Family = Family::gauge(
    "mysql_heartbeat_mysql_slave_hosts_info",
    &["master_id", "port", "server_id", "slave_host", "slave_uuid"],
    "A replica that registered with this server; always 1.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&REPLICA]
}

/// Makes the collector.
pub fn new(_: &Matches) -> Result<Box<dyn Collector>, String> {
    Ok(Box::new(SlaveHosts))
}

struct SlaveHosts;

impl Collector for SlaveHosts {
    fn collect<'a>(&'a self, session: &'a mut Session, out: &'a mut Arena) -> Asking<'a> {
        Box::pin(async move {
            let [first, second] = match session.version().is_mysql((8, 4, 0)) {
                true => ["SHOW REPLICAS", "SHOW SLAVE HOSTS"],
                false => ["SHOW SLAVE HOSTS", "SHOW REPLICAS"],
            };
            let rows = match session.query(first).await {
                Err(error) if error.is(code::SYNTAX) => session.query(second).await?,
                answer => answer?,
            };
            put(&rows, out)
        })
    }
}

fn put(rows: &Rows, out: &mut Arena) -> Result<(), Error> {
    let columns = rows.columns().len();
    if !(4..=5).contains(&columns) && !rows.is_empty() {
        return Err(Error::answer(format!(
            "replicas: expected four or five columns, got {columns}"
        )));
    }
    for row in rows.iter() {
        let (id, host, port) = (row.text(0), row.text(1), row.text(2));
        // Servers disagree about the order of the last two.
        let (master, uuid) = match (row.text(3), row.text(4)) {
            (master, uuid) if columns == 5 && is_uuid(uuid) => (master, uuid),
            (_, master) if columns == 5 => (master, ""),
            (master, _) => (master, ""),
        };
        out.put(&REPLICA, &[master, port, id, host, uuid], 1.0);
    }
    Ok(())
}

/// With dashes, also in braces or behind `urn:uuid:`, or 32 digits.
fn is_uuid(text: &str) -> bool {
    let hexadecimal = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit());
    if text.len() == 32 {
        return hexadecimal(text);
    }
    let inner = text.strip_prefix('{').and_then(|t| t.strip_suffix('}'));
    let text = inner.unwrap_or(text);
    let text = match text.get(..9) {
        Some(prefix) if prefix.eq_ignore_ascii_case("urn:uuid:") => &text[9..],
        _ => text,
    };
    let lengths = [8, 4, 4, 4, 12];
    let parts: Vec<&str> = text.split('-').collect();
    parts.len() == lengths.len()
        && parts
            .iter()
            .zip(lengths)
            .all(|(part, length)| part.len() == length && hexadecimal(part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{expose, texts};
    use proptest::prelude::*;

    const UUID: &str = "6e7f1f2c-0001-11ef-8000-0242ac110002";

    #[test]
    fn four_and_five_columns() {
        let put = |cells: &[&str]| {
            let columns = &["a", "b", "c", "d", "e"][..cells.len()];
            expose(|out| put(&texts(columns, &[cells]), out).unwrap())
        };
        let with_uuid = put(&["2", "h", "3306", "1", UUID]);
        let name = "mysql_heartbeat_mysql_slave_hosts_info";
        assert_eq!(
            with_uuid,
            format!(
                "{name}{{master_id=\"1\",port=\"3306\",server_id=\"2\",slave_host=\"h\",\
                 slave_uuid=\"{UUID}\"}} 1\n"
            )
        );
        assert!(put(&["2", "h", "3306", "0", "1"]).contains("master_id=\"1\""));
        assert!(put(&["2", "h", "3306", "1"]).contains("slave_uuid=\"\""));
        let wide = texts(&["a"; 6], &[&["1"; 6]]);
        assert!(super::put(&wide, &mut Arena::new()).is_err());
    }

    #[test]
    fn forms_of_a_uuid() {
        let braces = format!("{{{UUID}}}");
        let urn = format!("urn:uuid:{UUID}");
        for text in [UUID, &braces, &urn, &UUID.replace('-', "")] {
            assert!(is_uuid(text), "{text}");
        }
        for text in ["", "1", "g", &UUID[1..], &format!("{{{UUID}")] {
            assert!(!is_uuid(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            is_uuid(&text);
        }
    }
}
