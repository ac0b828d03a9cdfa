//! OpenZFS, from its kernel statistics in `spl/kstat/zfs` of procfs.

use crate::host::Host;
use crate::kernel::{KernelFile, Unread, glob, read_once, text};
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Error, Scrape};
use exporter_core::exposition::{Arena, Dynamic, Family, Kind};
use std::path::Path;

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

/// Files and what their families are called.
const MODULES: [(&str, &str); 11] = [
    ("abdstats", "abd"),
    ("arcstats", "arc"),
    ("dbufstats", "dbuf"),
    ("dmu_tx", "dmu_tx"),
    ("dnodestats", "dnode"),
    ("fm", "fm"),
    ("vdev_cache_stats", "vdev_cache"),
    ("vdev_mirror_stats", "vdev_mirror"),
    ("xuio_stats", "xuio"),
    ("zfetchstats", "zfetch"),
    ("zil", "zil"),
];
const STATES: [&str; 7] = [
    "online",
    "degraded",
    "faulted",
    "offline",
    "removed",
    "unavail",
    "suspended",
];
static MODULE: Family = Family::untyped(
    "node_zfs_<module>_<name>",
    &[],
    "Statistic of a module of ZFS.",
);
static POOL: Family = Family::untyped(
    "node_zfs_zpool_<column>",
    &["zpool"],
    "I/O statistic of a pool.",
);
static DATASET: Family = Family::untyped(
    "node_zfs_zpool_dataset_<name>",
    &["dataset", "zpool"],
    "Statistic of a dataset.",
);
static STATE: Family = Family::gauge(
    "node_zfs_zpool_state",
    &["state", "zpool"],
    "Whether a pool is in a state.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&MODULE, &POOL, &DATASET, &STATE]
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    let root = host.proc("spl/kstat/zfs");
    let mut files = MODULES.map(|(file, name)| (KernelFile::new(root.join(file)), name));
    let mut buffer = Vec::new();
    Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
        let pools = crate::kernel::list(&root).map_err(Error::no_data)?;
        for (file, module) in &mut files {
            let Ok(contents) = file.read(&mut buffer) else {
                continue;
            };
            for (name, value) in parse_kstat(contents, true)? {
                put(
                    out,
                    &format!("node_zfs_{module}_{name}"),
                    MODULE.help,
                    &[],
                    value,
                );
            }
        }
        for put in [put_io, put_datasets, put_state] {
            for pool in &pools {
                put(out, &root.join(pool), pool)?;
            }
        }
        Ok(())
    }))
}

fn put(out: &mut Arena, name: &str, help: &str, labels: &[(&str, &str)], value: f64) {
    out.put_dynamic(
        Dynamic {
            name,
            help,
            kind: Kind::Untyped,
        },
        labels,
        value,
    );
}

fn put_io(out: &mut Arena, dir: &Path, pool: &str) -> Result<(), Error> {
    let Some(contents) = optional(&dir.join("io"))? else {
        return Ok(());
    };
    for (column, value) in parse_io(&contents)? {
        put(
            out,
            &format!("node_zfs_zpool_{column}"),
            POOL.help,
            &[("zpool", pool)],
            value,
        );
    }
    Ok(())
}

fn put_datasets(out: &mut Arena, dir: &Path, pool: &str) -> Result<(), Error> {
    for file in glob(dir, "objset-*") {
        let contents = read_once(dir.join(file))?;
        let dataset = dataset_name(&contents);
        let labels = [("dataset", dataset.as_str()), ("zpool", pool)];
        for (name, value) in parse_kstat(&contents, false)? {
            put(
                out,
                &format!("node_zfs_zpool_dataset_{name}"),
                DATASET.help,
                &labels,
                value,
            );
        }
    }
    Ok(())
}

fn put_state(out: &mut Arena, dir: &Path, pool: &str) -> Result<(), Error> {
    if let Some(contents) = optional(&dir.join("state"))? {
        let first = text::lines(&contents).next().unwrap_or_default();
        let current = String::from_utf8_lossy(first).to_lowercase();
        for state in STATES {
            out.put(
                &STATE,
                &[state, pool],
                f64::from(u8::from(state == current)),
            );
        }
    }
    Ok(())
}

fn optional(path: &Path) -> Result<Option<Vec<u8>>, Unread> {
    match read_once(path) {
        Ok(contents) => Ok(Some(contents)),
        Err(unread) if unread.is_missing() || unread.errno == rustix::io::Errno::NOTDIR => Ok(None),
        Err(unread) => Err(unread),
    }
}

/// Rows below `name type data` that hold a number: unsigned (4) and, where wanted, signed (3).
pub fn parse_kstat(contents: &[u8], signed: bool) -> Result<Vec<(String, f64)>, String> {
    let mut lines = text::lines(contents);
    let header: [&[u8]; 3] = [b"name", b"type", b"data"];
    if !lines.any(|line| text::first_words::<3>(line) == (header, 3)) {
        return Err("zfs: expected a line with name, type and data".to_owned());
    }
    let mut rows = Vec::new();
    for line in lines {
        let ([name, kind, data], 3..) = text::first_words::<3>(line) else {
            continue;
        };
        let value = match kind {
            b"4" => text::uint(data).map(|v| v as f64),
            b"3" if signed => text::int(data).map(|v| v as f64),
            _ => continue,
        };
        let name = String::from_utf8_lossy(name);
        let value = value.ok_or_else(|| format!("zfs: expected a number behind {name}"))?;
        let last = name.rsplit('.').next().unwrap_or_default();
        rows.push((last.replace('-', "_"), value));
    }
    Ok(rows)
}

/// What stands behind `dataset_name 7`.
fn dataset_name(contents: &[u8]) -> String {
    for line in text::lines(contents) {
        let line = String::from_utf8_lossy(line);
        let Some(rest) = line.trim_start().strip_prefix("dataset_name") else {
            continue;
        };
        if let Some((_, name)) = rest.trim_start().split_once([' ', '\t']) {
            return name.trim().to_owned();
        }
    }
    String::new()
}

/// Columns below a header that begins with `nread`.
pub fn parse_io(contents: &[u8]) -> Result<Vec<(String, f64)>, String> {
    let mut header: Vec<&[u8]> = Vec::new();
    let mut values = Vec::new();
    for line in text::lines(contents) {
        let words: Vec<&[u8]> = text::words(line).collect();
        if header.is_empty() {
            if words.first() == Some(&&b"nread"[..]) && words.len() >= 12 {
                header = words;
            }
            continue;
        }
        if words.len() < header.len() {
            return Err("zfs: expected a value in every column of io".to_owned());
        }
        for (column, word) in header.iter().zip(words) {
            let value = text::uint(word).ok_or("zfs: expected numbers in io")?;
            values.push((String::from_utf8_lossy(column).into_owned(), value as f64));
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;
    use proptest::prelude::*;

    #[test]
    fn modules_and_pools() {
        let tree = Tree::new()
            .file("proc/spl/kstat/zfs/arcstats", "6 1 0x01 91 4368 5266997922 97951858082072\nname                            type data\nhits                            4    8772612\nmemory_available_bytes          3    -922337\n")
            .file("proc/spl/kstat/zfs/zfetchstats", "name type data\nzfetchstats.a-b 4 5\n")
            .file("proc/spl/kstat/zfs/pool1/io", "12 3 0x00 1 80 79205351707403 395818011156865\nnread nwritten reads writes wtime wlentime wupdate rtime rlentime rupdate wcnt rcnt\n1884160 3206144 22 132 1 2 3 4 5 6 0 0\n")
            .file("proc/spl/kstat/zfs/pool1/objset-1", "23 1 0x01 7 2160 221578688875 6665999035587\nname type data\ndataset_name 7 pool1/data set\nwrites 4 4\n")
            .file("proc/spl/kstat/zfs/pool1/state", "ONLINE\n");
        tree.collect("zfs", &[]).expect_some(&[
            "node_zfs_arc_hits 8772612",
            "node_zfs_arc_memory_available_bytes -922337",
            "node_zfs_zfetch_a_b 5",
            "node_zfs_zpool_writes{zpool=\"pool1\"} 132",
            "node_zfs_zpool_dataset_writes{dataset=\"pool1/data set\",zpool=\"pool1\"} 4",
            "node_zfs_zpool_state{state=\"online\",zpool=\"pool1\"} 1",
            "node_zfs_zpool_state{state=\"degraded\",zpool=\"pool1\"} 0",
        ]);
        // Every pool's io comes before any data set.
        tree.write("proc/spl/kstat/zfs/pool1/objset-1", "");
        tree.write("proc/spl/kstat/zfs/pool2/io", "nread nwritten reads writes wtime wlentime wupdate rtime rlentime rupdate wcnt rcnt\n7 0 0 0 0 0 0 0 0 0 0 0\n");
        let collected = tree.collect("zfs", &[]);
        assert!(
            collected
                .text
                .contains("node_zfs_zpool_nread{zpool=\"pool2\"} 7\n")
        );
        assert!(!collected.text.contains("zpool_state"));
        collected.expect_failure("name, type and data");
        tree.write("proc/spl/kstat/zfs/fm", "nothing\n");
        tree.collect("zfs", &[])
            .expect_failure("name, type and data");
        Tree::new().collect("zfs", &[]).expect_no_data();
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = (parse_kstat(&bytes, true), parse_io(&bytes), dataset_name(&bytes));
        }
    }
}
