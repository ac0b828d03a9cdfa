//! The configuration, from CONFIG GET.

use crate::samples::Samples;
use exporter_core::dialect::strconv::{parse_float, parse_int};
use exporter_core::exposition::Family;
use std::path::{Path, PathBuf};

/// Settings that are always exported.
static NUMBERS: [(&str, Family); 4] = [
    (
        "maxmemory",
        Family::gauge(
            "redis_config_maxmemory",
            &[],
            "Limit of memory in bytes, 0 for none.",
        ),
    ),
    (
        "maxclients",
        Family::gauge(
            "redis_config_maxclients",
            &[],
            "Limit of client connections.",
        ),
    ),
    (
        "io-threads",
        Family::gauge(
            "redis_config_io_threads",
            &[],
            "Threads that serve clients.",
        ),
    ),
    (
        "repl-backlog-size",
        Family::gauge(
            "redis_config_repl_backlog_size",
            &[],
            "Size of the replication backlog in bytes.",
        ),
    ),
];
static BUFFER_LIMIT: Family = Family::gauge(
    "redis_config_client_output_buffer_limit_bytes",
    &["class", "limit"],
    "Limit of the output buffers of a class of clients in bytes, 0 for none.",
);
static BUFFER_OVERCOME: Family = Family::gauge(
    "redis_config_client_output_buffer_limit_overcome_seconds",
    &["class", "limit"],
    "Time that the soft limit of output buffers may be overcome in seconds.",
);
static KEY_VALUE: Family = Family::gauge(
    "redis_config_key_value",
    &["key", "value"],
    "Constant 1 for each setting and its value.",
);
static VALUE: Family = Family::gauge("redis_config_value", &["key"], "Settings that are numbers.");
static RDB_SIZE: Family = Family::gauge(
    "redis_rdb_current_size_bytes",
    &[],
    "Size of the dump file on the exporter's host in bytes, 0 where there is none.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    let numbers = NUMBERS.iter().map(|n| &n.1);
    numbers
        .chain([
            &BUFFER_LIMIT,
            &BUFFER_OVERCOME,
            &KEY_VALUE,
            &VALUE,
            &RDB_SIZE,
        ])
        .collect()
}

/// Settings that hold passwords.
const SECRETS: [&str; 4] = [
    "masterauth",
    "requirepass",
    "tls-key-file-pass",
    "tls-client-key-file-pass",
];

/// Puts the settings; `all` asks for those beside the usual ones, `redact` leaves out passwords.
pub fn put(settings: &[(&str, &str)], all: bool, redact: bool, out: &mut Samples<'_>) {
    for (key, text) in settings {
        let number = parse_float(text);
        if all && !(redact && SECRETS.contains(key)) {
            out.put(&KEY_VALUE, &[key, text], 1.0);
            if let Some(value) = number {
                out.put(&VALUE, &[key], value);
            }
        }
        if let Some((_, family)) = NUMBERS.iter().find(|n| n.0 == *key)
            && let Some(value) = number
        {
            out.put(family, &[], value);
        }
        if *key == "client-output-buffer-limit" {
            put_buffer_limits(text, out);
        }
    }
}

/// Groups of class, hard limit, soft limit and seconds.
fn put_buffer_limits(text: &str, out: &mut Samples<'_>) {
    let words: Vec<&str> = text.split(' ').collect();
    for group in words.chunks_exact(4) {
        let [class, hard, soft, seconds] = group else {
            continue;
        };
        for (family, limit, number) in [
            (&BUFFER_LIMIT, "hard", hard),
            (&BUFFER_LIMIT, "soft", soft),
            (&BUFFER_OVERCOME, "soft", seconds),
        ] {
            if let Some(value) = parse_float(number) {
                out.put(family, &[class, limit], value);
            }
        }
    }
}

/// The number of databases, where the configuration tells it.
pub fn databases(settings: &[(&str, &str)]) -> Result<Option<i64>, String> {
    let Some((_, text)) = settings.iter().find(|s| s.0 == "databases") else {
        return Ok(None);
    };
    let number = parse_int(text, 10);
    let number =
        number.ok_or_else(|| format!("invalid config value for key databases: {text:?}"))?;
    Ok(Some(number))
}

/// The dump file, whose name must not lead out of its directory.
pub fn dump_file(settings: &[(&str, &str)]) -> Option<PathBuf> {
    let find = |key| settings.iter().find(|s| s.0 == key).map(|s| s.1);
    let name = find("dbfilename")?;
    let bare = !name.is_empty() && !name.contains('/') && name != "." && name != "..";
    bare.then(|| Path::new(find("dir").unwrap_or("")).join(name))
}

/// Puts the size of the dump file. May block for as long as the file system does.
pub fn dump_size(path: &Path) -> Option<f64> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => std::fs::metadata(path)
            .ok()
            .filter(std::fs::Metadata::is_file)
            .map(|found| found.len() as f64),
        Ok(found) => found.is_file().then_some(found.len() as f64),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Some(0.0),
        Err(error) => {
            tracing::error!(path = %path.display(), %error, "could not read the size of the dump file");
            None
        }
    }
}

/// Puts what [`dump_size`] found.
pub fn put_dump_size(size: f64, out: &mut Samples<'_>) {
    out.put(&RDB_SIZE, &[], size);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::testing::exposed;

    const SETTINGS: [(&str, &str); 5] = [
        ("maxmemory", "100"),
        ("maxclients", "10k"),
        ("requirepass", "hunter2"),
        ("save", ""),
        (
            "client-output-buffer-limit",
            "normal 0 0 0 replica 256mb 67108864 60 pubsub 1 2",
        ),
    ];

    #[test]
    fn the_usual_settings() {
        let expected = "redis_config_client_output_buffer_limit_bytes{class=\"normal\",limit=\"hard\"} 0\n\
            redis_config_client_output_buffer_limit_bytes{class=\"normal\",limit=\"soft\"} 0\n\
            redis_config_client_output_buffer_limit_bytes{class=\"replica\",limit=\"soft\"} 6.7108864e+07\n\
            redis_config_client_output_buffer_limit_overcome_seconds{class=\"normal\",limit=\"soft\"} 0\n\
            redis_config_client_output_buffer_limit_overcome_seconds{class=\"replica\",limit=\"soft\"} 60\n\
            redis_config_maxmemory 100\n";
        assert_eq!(exposed(|out| put(&SETTINGS, false, true, out)), expected);
    }

    #[test]
    fn all_settings_but_passwords() {
        let text = exposed(|out| put(&SETTINGS, true, true, out));
        assert!(text.contains("redis_config_key_value{key=\"save\",value=\"\"} 1\n"));
        assert!(text.contains("redis_config_value{key=\"maxmemory\"} 100\n"));
        assert!(!text.contains("hunter2") && !text.contains("requirepass"));
        let text = exposed(|out| put(&SETTINGS, true, false, out));
        assert!(text.contains("hunter2"));
    }

    #[test]
    fn number_of_databases() {
        assert_eq!(databases(&[("databases", "32")]), Ok(Some(32)));
        assert_eq!(databases(&[]), Ok(None));
        assert!(databases(&[("databases", "many")]).is_err());
    }

    #[test]
    fn dump_files_stay_in_their_directory() {
        let file = |name| dump_file(&[("dir", "/data"), ("dbfilename", name)]);
        assert_eq!(file("dump.rdb"), Some(PathBuf::from("/data/dump.rdb")));
        for name in ["", ".", "..", "../x", "a/b"] {
            assert_eq!(file(name), None, "{name}");
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("dump.rdb");
        assert_eq!(dump_size(&path), Some(0.0));
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(dump_size(&path), Some(5.0));
        assert_eq!(dump_size(dir.path()), None);
    }
}
