//! Bcachefs file systems, from `fs/bcachefs` of sysfs (`filesystems/bcachefs`).

use crate::host::Host;
use crate::kernel::names::{label_text, metric_name};
use crate::kernel::{Unread, list, read_once, text};
use crate::whole::whole;
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Error, Scrape};
use exporter_core::exposition::{Arena, Dynamic, Family, Kind};
use std::path::Path;

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

const UUID: &[&str] = &["uuid"];
const DEVICE: &[&str] = &["device", "uuid"];
static INFO: Family = Family::gauge(
    "node_bcachefs_info",
    UUID,
    "A mounted file system, constant 1.",
);
static CACHE: Family = Family::gauge(
    "node_bcachefs_btree_cache_size_bytes",
    UUID,
    "Memory of the tree cache in bytes.",
);
static COMPRESSED: Family = Family::gauge(
    "node_bcachefs_compression_compressed_bytes",
    &["algorithm", "uuid"],
    "Size of compressed data in bytes.",
);
static UNCOMPRESSED: Family = Family::gauge(
    "node_bcachefs_compression_uncompressed_bytes",
    &["algorithm", "uuid"],
    "Size of compressed data before compression in bytes.",
);
static ERRORS: Family = Family::counter(
    "node_bcachefs_errors_total",
    &["error_type", "uuid"],
    "Errors by type.",
);
static COUNTER: Family = Family::counter(
    "node_bcachefs_<counter>_total",
    UUID,
    "Counter of a file system since it was made.",
);
static WRITES: Family = Family::counter(
    "node_bcachefs_btree_writes_total",
    &["type", "uuid"],
    "Tree node writes by type.",
);
static WRITE_SIZE: Family = Family::gauge(
    "node_bcachefs_btree_write_average_size_bytes",
    &["type", "uuid"],
    "Average size of tree node writes in bytes.",
);
static DEVICE_INFO: Family = Family::gauge(
    "node_bcachefs_device_info",
    &["device", "label", "state", "uuid"],
    "What a device is, constant 1.",
);
static BUCKET: Family = Family::gauge(
    "node_bcachefs_device_bucket_size_bytes",
    DEVICE,
    "Size of a bucket in bytes.",
);
static BUCKETS: Family = Family::gauge(
    "node_bcachefs_device_buckets",
    DEVICE,
    "Buckets of a device.",
);
static DURABILITY: Family = Family::gauge(
    "node_bcachefs_device_durability",
    DEVICE,
    "Durability of a device.",
);
static IO_DONE: Family = Family::counter(
    "node_bcachefs_device_io_done_bytes_total",
    &["data_type", "device", "operation", "uuid"],
    "Bytes read and written by type of data.",
);
static IO_ERRORS: Family = Family::counter(
    "node_bcachefs_device_io_errors_total",
    &["device", "type", "uuid"],
    "I/O errors of a device since the file system was made.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![
        &INFO,
        &CACHE,
        &COMPRESSED,
        &UNCOMPRESSED,
        &ERRORS,
        &COUNTER,
        &WRITES,
        &WRITE_SIZE,
        &DEVICE_INFO,
        &BUCKET,
        &BUCKETS,
        &DURABILITY,
        &IO_DONE,
        &IO_ERRORS,
    ]
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    let root = host.sys_or_default()?.join("fs/bcachefs");
    Ok(whole(move |out: &mut Arena, _: &Scrape| {
        let uuids = list(&root).map_err(Unread::no_data_if_missing)?;
        let uuids: Vec<String> = uuids
            .into_iter()
            .filter(|u| root.join(u).is_dir())
            .collect();
        if uuids.is_empty() {
            return Err(Error::no_data("no bcachefs is mounted"));
        }
        for uuid in uuids {
            put(out, &root.join(&uuid), &uuid)?;
        }
        Ok(())
    }))
}

/// A missing file is empty.
fn optional(path: &Path) -> Result<String, Unread> {
    match read_once(path) {
        Ok(contents) => Ok(label_text(&contents).into_owned()),
        Err(unread) if unread.is_missing() => Ok(String::new()),
        Err(unread) => Err(unread),
    }
}

fn bytes(text: &str, path: &Path) -> Result<f64, Error> {
    dehumanise(text)
        .ok_or_else(|| Error::failed(format!("{}: expected a size, got {text:?}", path.display())))
}

fn put(out: &mut Arena, dir: &Path, uuid: &str) -> Result<(), Error> {
    out.put(&INFO, &[uuid], 1.0);
    let path = dir.join("btree_cache_size");
    let size = optional(&path)?;
    let size = if size.trim().is_empty() {
        0.0
    } else {
        bytes(&size, &path)?
    };
    out.put(&CACHE, &[uuid], size);
    put_compression(out, &dir.join("compression_stats"), uuid)?;
    put_errors(out, &dir.join("errors"), uuid)?;
    put_counters(out, &dir.join("counters"), uuid)?;
    put_writes(out, &dir.join("btree_write_stats"), uuid)?;
    for entry in list(dir).unwrap_or_default() {
        if let Some(device) = entry.strip_prefix("dev-") {
            put_device(out, &dir.join(&entry), device, uuid)?;
        }
    }
    Ok(())
}

fn put_compression(out: &mut Arena, path: &Path, uuid: &str) -> Result<(), Error> {
    for line in optional(path)?.lines().skip(1) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [algorithm, compressed, uncompressed, rest @ ..] = words.as_slice() {
            let algorithm = algorithm.strip_suffix(':').unwrap_or(algorithm);
            let (compressed, uncompressed) = (bytes(compressed, path)?, bytes(uncompressed, path)?);
            if let Some(average) = rest.first() {
                bytes(average, path)?;
            }
            out.put(&COMPRESSED, &[algorithm, uuid], compressed);
            out.put(&UNCOMPRESSED, &[algorithm, uuid], uncompressed);
        }
    }
    Ok(())
}

fn number(text: &str, path: &Path) -> Result<f64, Error> {
    let number = text::uint(text.as_bytes());
    let error = || {
        Error::failed(format!(
            "{}: expected a whole number, got {text:?}",
            path.display()
        ))
    };
    number.map(|n| n as f64).ok_or_else(error)
}

fn put_errors(out: &mut Arena, path: &Path, uuid: &str) -> Result<(), Error> {
    for line in optional(path)?.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [kind, count, rest @ ..] = words.as_slice() {
            let count = number(count, path)?;
            if let Some(time) = rest.first() {
                number(time, path)?;
            }
            out.put(&ERRORS, &[kind, uuid], count);
        }
    }
    Ok(())
}

fn put_counters(out: &mut Arena, dir: &Path, uuid: &str) -> Result<(), Error> {
    for file in list(dir).unwrap_or_default() {
        let path = dir.join(&file);
        if !path.is_file() {
            continue;
        }
        let contents = optional(&path)?;
        let line = |start: &str| contents.lines().find_map(|l| l.strip_prefix(start));
        let since_mount = line("since mount:");
        if let Some(value) = since_mount {
            bytes(value.trim(), &path)?;
        }
        let value = match (line("since filesystem creation:"), since_mount) {
            (Some(value), _) => bytes(value.trim(), &path)?,
            (None, Some(_)) => 0.0,
            (None, None) => {
                return Err(Error::failed(format!(
                    "{}: expected a line since filesystem creation",
                    path.display()
                )));
            }
        };
        let name = format!("node_bcachefs_{}_total", metric_name(&file));
        let family = Dynamic {
            name: &name,
            help: COUNTER.help,
            kind: Kind::Counter,
        };
        out.put_dynamic(family, &[("uuid", uuid)], value);
    }
    Ok(())
}

fn put_writes(out: &mut Arena, path: &Path, uuid: &str) -> Result<(), Error> {
    for line in optional(path)?.lines().skip(1) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [kind, count, size, ..] = words.as_slice() {
            let kind = kind.strip_suffix(':').unwrap_or(kind);
            let (count, size) = (number(count, path)?, bytes(size, path)?);
            out.put(&WRITES, &[kind, uuid], count);
            out.put(&WRITE_SIZE, &[kind, uuid], size);
        }
    }
    Ok(())
}

fn put_device(out: &mut Arena, dir: &Path, device: &str, uuid: &str) -> Result<(), Error> {
    let short = |file: &str| crate::kernel::short_once(dir.join(file)).unwrap_or_default();
    out.put(
        &DEVICE_INFO,
        &[device, &short("label"), &short("state"), uuid],
        1.0,
    );
    let labels = [device, uuid];
    let size = short("bucket_size");
    let size = if size.is_empty() {
        0.0
    } else {
        bytes(&size, &dir.join("bucket_size"))?
    };
    out.put(&BUCKET, &labels, size);
    for (file, family) in [("nbuckets", &BUCKETS), ("durability", &DURABILITY)] {
        let path = dir.join(file);
        let value = match crate::kernel::short_once(&path) {
            Ok(text) => number(&text, &path)?,
            Err(_) => 0.0,
        };
        out.put(family, &labels, value);
    }
    let path = dir.join("io_done");
    let mut operation = None;
    for line in optional(&path)?.lines() {
        match (line.trim(), operation) {
            ("read:", _) => operation = Some("read"),
            ("write:", _) => operation = Some("write"),
            (line, Some(operation)) => {
                if let Some((kind, value)) = line.split_once(':') {
                    let value = number(value.trim(), &path)?;
                    out.put(&IO_DONE, &[kind.trim(), device, operation, uuid], value);
                }
            }
            _ => {}
        }
    }
    put_io_errors(out, &dir.join("io_errors"), device, uuid)
}

fn put_io_errors(out: &mut Arena, path: &Path, device: &str, uuid: &str) -> Result<(), Error> {
    let mut wanted = false;
    for line in optional(path)?.lines() {
        if line.trim().starts_with("IO errors since ") {
            wanted = line
                .trim()
                .starts_with("IO errors since filesystem creation");
        } else if let (true, Some((kind, value))) = (wanted, line.split_once(':')) {
            out.put(
                &IO_ERRORS,
                &[device, kind.trim(), uuid],
                number(value.trim(), path)?,
            );
        }
    }
    Ok(())
}

/// A number with an optional binary unit.
pub fn dehumanise(text: &str) -> Option<f64> {
    let text = text.trim();
    let last = text.chars().next_back()?.to_ascii_lowercase();
    let (number, unit) = match "kmgtpe".find(last) {
        Some(power) => (&text[..text.len() - 1], 2f64.powi(10 * (power as i32 + 1))),
        None => (text, 1.0),
    };
    Some((text::float(number.as_bytes())? * unit).trunc())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;
    use proptest::prelude::*;

    #[test]
    fn a_file_system() {
        let tree = Tree::new()
            .file("sys/fs/bcachefs/u-1/btree_cache_size", "524M\n")
            .file("sys/fs/bcachefs/u-1/compression_stats", "type compressed uncompressed average\nlz4: 1.5k 3k 64k\n")
            .file("sys/fs/bcachefs/u-1/errors", "btree_node_read_err 5 1234\n")
            .file("sys/fs/bcachefs/u-1/counters/io_read", "since mount: 1k\nsince filesystem creation: 2k\n")
            .file("sys/fs/bcachefs/u-1/dev-0/state", "rw\n")
            .file("sys/fs/bcachefs/u-1/dev-0/io_done", "read:\nsb : 3989504\nwrite:\nsb : 7\n")
            .file("sys/fs/bcachefs/u-1/dev-0/io_errors", "IO errors since filesystem creation\n  read: 197\nIO errors since 8 y ago\n  read: 1\n");
        tree.collect("bcachefs", &[]).expect_some(&[
            "node_bcachefs_btree_cache_size_bytes{uuid=\"u-1\"} 549453824",
            "node_bcachefs_compression_compressed_bytes{algorithm=\"lz4\",uuid=\"u-1\"} 1536",
            "node_bcachefs_errors_total{error_type=\"btree_node_read_err\",uuid=\"u-1\"} 5",
            "node_bcachefs_io_read_total{uuid=\"u-1\"} 2048",
            "node_bcachefs_device_info{device=\"0\",label=\"\",state=\"rw\",uuid=\"u-1\"} 1",
            "node_bcachefs_device_io_done_bytes_total{data_type=\"sb\",device=\"0\",operation=\"write\",uuid=\"u-1\"} 7",
            "node_bcachefs_device_io_errors_total{device=\"0\",type=\"read\",uuid=\"u-1\"} 197",
        ]);
        tree.write("sys/fs/bcachefs/u-1/errors", "x y\n");
        tree.collect("bcachefs", &[])
            .expect_whole_failure("whole number");
        tree.write("sys/fs/bcachefs/u-1/errors", "");
        tree.write("sys/fs/bcachefs/u-1/dev-0/durability", "");
        tree.collect("bcachefs", &[])
            .expect_whole_failure("durability");
        tree.write("sys/fs/bcachefs/u-1/dev-0/durability", "2\n");
        tree.write("sys/fs/bcachefs/u-1/counters/io_read", "since mount: 1k\n");
        tree.collect("bcachefs", &[])
            .expect_some(&["node_bcachefs_io_read_total{uuid=\"u-1\"} 0"]);
        for bad in ["since mount:\n", " since filesystem creation: 2k\n"] {
            tree.write("sys/fs/bcachefs/u-1/counters/io_read", bad);
            tree.collect("bcachefs", &[])
                .expect_whole_failure("io_read");
        }
        Tree::new().collect("bcachefs", &[]).expect_no_data();
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = dehumanise(&text);
        }
    }
}
