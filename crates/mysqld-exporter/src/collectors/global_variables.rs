//! Global system variables, from `SHOW GLOBAL VARIABLES`.

use super::{Asking, Collector, Grant, names, status_value};
use crate::server::{Rows, Session};
use exporter_core::cli::{Flag, Matches};
use exporter_core::exposition::{Arena, Dynamic, Family, Kind};

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];
/// What it needs.
pub const GRANT: Grant = Grant::both("USAGE ON *.*");

static OTHER: Family = Family::gauge(
    "mysql_global_variables_<variable>",
    &[],
    "System variable of the server.",
);
static VERSION: Family = Family::gauge(
    "mysql_version_info",
    &["innodb_version", "version", "version_comment"],
    "Versions of the server; always 1.",
);
static GALERA: Family = Family::gauge(
    "mysql_galera_variables_info",
    &["wsrep_cluster_name"],
    "Name of the Galera cluster; always 1.",
);
static GCACHE: Family = Family::gauge(
    "mysql_galera_gcache_size_bytes",
    &[],
    "Size of the write set cache of a Galera node in bytes.",
);
static ISOLATION: Family = Family::gauge(
    "mysql_transaction_isolation",
    &["level"],
    "Default isolation level of transactions; always 1.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&OTHER, &VERSION, &GALERA, &GCACHE, &ISOLATION]
}

/// Makes the collector.
pub fn new(_: &Matches) -> Result<Box<dyn Collector>, String> {
    Ok(Box::new(GlobalVariables))
}

struct GlobalVariables;

impl Collector for GlobalVariables {
    fn collect<'a>(&'a self, session: &'a mut Session, out: &'a mut Arena) -> Asking<'a> {
        Box::pin(async move {
            put(&session.query("SHOW GLOBAL VARIABLES").await?, out);
            Ok(())
        })
    }
}

fn put(rows: &Rows, out: &mut Arena) {
    let mut texts = Texts::default();
    let (mut name, mut metric) = (String::new(), String::new());
    for row in rows.iter() {
        let (variable, text) = (row.text(0), row.text(1));
        let Some(value) = status_value::parse(text) else {
            texts.keep(variable, text);
            continue;
        };
        names::sanitised(variable, &mut name);
        let family = Dynamic {
            name: names::joined("mysql_global_variables_", &name, &mut metric),
            help: OTHER.help,
            kind: Kind::Gauge,
        };
        out.put_dynamic(family, &[], value);
    }
    texts.put(out);
}

/// Texts that become labels.
#[derive(Default)]
struct Texts<'a> {
    innodb_version: &'a str,
    version: &'a str,
    version_comment: &'a str,
    cluster_name: &'a str,
    provider_options: &'a str,
    transaction_isolation: &'a str,
    tx_isolation: &'a str,
}

impl<'a> Texts<'a> {
    fn keep(&mut self, variable: &str, text: &'a str) {
        *match variable {
            "innodb_version" => &mut self.innodb_version,
            "version" => &mut self.version,
            "version_comment" => &mut self.version_comment,
            "wsrep_cluster_name" => &mut self.cluster_name,
            "wsrep_provider_options" => &mut self.provider_options,
            "transaction_isolation" => &mut self.transaction_isolation,
            "tx_isolation" => &mut self.tx_isolation,
            _ => return,
        } = text;
    }

    fn put(&self, out: &mut Arena) {
        let labels = [self.innodb_version, self.version, self.version_comment];
        out.put(&VERSION, &labels, 1.0);
        if !self.cluster_name.is_empty() {
            out.put(&GALERA, &[self.cluster_name], 1.0);
        }
        if !self.provider_options.is_empty() {
            out.put(&GCACHE, &[], gcache_size(self.provider_options));
        }
        let level = [self.transaction_isolation, self.tx_isolation];
        if let Some(level) = level.iter().find(|l| !l.is_empty()) {
            out.put(&ISOLATION, &[level], 1.0);
        }
    }
}

/// Bytes of `gcache.size = 128M;` among the provider's options, 0 where it is not told so.
fn gcache_size(options: &str) -> f64 {
    const KEY: &str = "gcache.size = ";
    let size = options.match_indices(KEY).find_map(|(at, _)| {
        let value = options[at + KEY.len()..].split(';').next()?;
        // The last option may lack its semicolon; then it is none.
        let ended = options[at + KEY.len() + value.len()..].starts_with(';');
        let (digits, unit) = match value.as_bytes().last()? {
            b'M' => (&value[..value.len() - 1], 1024.0 * 1024.0),
            b'G' => (&value[..value.len() - 1], 1024.0 * 1024.0 * 1024.0),
            _ => (value, 1.0),
        };
        let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        (ended && is_number).then(|| digits.parse::<f64>().ok().map(|size| size * unit))?
    });
    size.unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{expose, pairs};
    use proptest::prelude::*;

    #[test]
    fn variables_and_labels() {
        let rows = pairs(&[
            ("innodb_version", "10.11.14"),
            ("version", "10.11.14-MariaDB"),
            ("version_comment", "MariaDB Server"),
            ("datadir", "/var/lib/mysql/"),
            ("gtid-mode.x", "ON"),
            ("max_connections", "151"),
            ("tx_isolation", "REPEATABLE-READ"),
            ("wsrep_cluster_name", "c"),
            ("wsrep_provider_options", "a = 1; gcache.size = 128M; b = 2;"),
        ]);
        assert_eq!(
            expose(|out| put(&rows, out)),
            "mysql_galera_gcache_size_bytes 1.34217728e+08\n\
             mysql_galera_variables_info{wsrep_cluster_name=\"c\"} 1\n\
             mysql_global_variables_gtid_mode_x 1\n\
             mysql_global_variables_max_connections 151\n\
             mysql_transaction_isolation{level=\"REPEATABLE-READ\"} 1\n\
             mysql_version_info{innodb_version=\"10.11.14\",version=\"10.11.14-MariaDB\",\
             version_comment=\"MariaDB Server\"} 1\n"
        );
    }

    #[test]
    fn sizes_of_the_write_set_cache() {
        for (options, size) in [
            ("gcache.size = 5;", 5.0),
            ("gcache.size = 2G;", 2147483648.0),
            ("gcache.size = 2K;", 0.0),
            ("gcache.size = 5", 0.0),
            ("gcache.page_size = 1M;", 0.0),
        ] {
            assert_eq!(gcache_size(options), size, "{options}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            gcache_size(&format!("gcache.size = {text}"));
            expose(|out| put(&pairs(&[(&text, &text)]), out));
        }
    }
}
