//! Block caches, from `fs/bcache` of sysfs (see `admin-guide/bcache` of the kernel documentation).

use crate::host::Host;
use crate::kernel::{Unread, glob, read_once, text};
use crate::whole::whole;
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Error, Scrape};
use exporter_core::exposition::{Arena, Family};
use std::path::Path;

exporter_core::flags! {
    /// Flags of this collector.
    pub struct Flags {
        /// Read the costly priority_stats files too.
        "collector.bcache.priorityStats" priority_stats: bool = ["false"];
    }
}

/// Flags of this collector.
pub const FLAGS: &[Flag] = Flags::TABLE;

/// A file below a directory, its series, and what the value is multiplied with.
struct Attribute {
    file: &'static str,
    family: Family,
    scale: f64,
}

const fn attribute(file: &'static str, family: Family) -> Attribute {
    Attribute {
        file,
        family,
        scale: 1.0,
    }
}

const UUID: &[&str] = &["uuid"];
const BACKING: &[&str] = &["backing_device", "uuid"];
const CACHE: &[&str] = &["cache_device", "uuid"];

static SET: [Attribute; 10] = [
    attribute(
        "average_key_size",
        Family::gauge(
            "node_bcache_average_key_size_sectors",
            UUID,
            "Average data a key of the tree stands for, in sectors.",
        ),
    ),
    attribute(
        "btree_cache_size",
        Family::gauge(
            "node_bcache_btree_cache_size_bytes",
            UUID,
            "Memory that the tree uses in bytes.",
        ),
    ),
    attribute(
        "cache_available_percent",
        Family::gauge(
            "node_bcache_cache_available_percent",
            UUID,
            "Part of the cache without dirty data, usable for writeback, in percent.",
        ),
    ),
    attribute(
        "congested",
        Family::gauge(
            "node_bcache_congested",
            UUID,
            "How congested the cache device is.",
        ),
    ),
    attribute(
        "root_usage_percent",
        Family::gauge(
            "node_bcache_root_usage_percent",
            UUID,
            "Used part of the tree's root node in percent.",
        ),
    ),
    attribute(
        "tree_depth",
        Family::gauge("node_bcache_tree_depth", UUID, "Depth of the tree."),
    ),
    attribute(
        "internal/active_journal_entries",
        Family::gauge(
            "node_bcache_active_journal_entries",
            UUID,
            "Journal entries that are newer than the index.",
        ),
    ),
    attribute(
        "internal/btree_nodes",
        Family::gauge("node_bcache_btree_nodes", UUID, "Nodes of the tree."),
    ),
    Attribute {
        file: "internal/btree_read_average_duration_us",
        family: Family::gauge(
            "node_bcache_btree_read_average_duration_seconds",
            UUID,
            "Average time to read a tree node, scaled as the original scales it.",
        ),
        scale: 1e-9,
    },
    attribute(
        "internal/cache_read_races",
        Family::counter(
            "node_bcache_cache_read_races_total",
            UUID,
            "Reads from the cache whose bucket was reused meanwhile.",
        ),
    ),
];

static TOTALS: [Attribute; 7] = [
    attribute(
        "bypassed",
        Family::counter(
            "node_bcache_bypassed_bytes_total",
            BACKING,
            "Bytes that went past the cache.",
        ),
    ),
    attribute(
        "cache_hits",
        Family::counter(
            "node_bcache_cache_hits_total",
            BACKING,
            "Requests answered from the cache.",
        ),
    ),
    attribute(
        "cache_misses",
        Family::counter(
            "node_bcache_cache_misses_total",
            BACKING,
            "Requests not answered from the cache.",
        ),
    ),
    attribute(
        "cache_bypass_hits",
        Family::counter(
            "node_bcache_cache_bypass_hits_total",
            BACKING,
            "Requests meant to bypass the cache that hit it.",
        ),
    ),
    attribute(
        "cache_bypass_misses",
        Family::counter(
            "node_bcache_cache_bypass_misses_total",
            BACKING,
            "Requests meant to bypass the cache that missed it.",
        ),
    ),
    attribute(
        "cache_miss_collisions",
        Family::counter(
            "node_bcache_cache_miss_collisions_total",
            BACKING,
            "Insertions after a miss that raced with a write.",
        ),
    ),
    attribute(
        "cache_readaheads",
        Family::counter(
            "node_bcache_cache_readaheads_total",
            BACKING,
            "Read-aheads.",
        ),
    ),
];

static DEVICE: [Attribute; 3] = [
    attribute(
        "io_errors",
        Family::gauge(
            "node_bcache_io_errors",
            CACHE,
            "Errors of the cache device, decayed.",
        ),
    ),
    attribute(
        "metadata_written",
        Family::counter(
            "node_bcache_metadata_written_bytes_total",
            CACHE,
            "Bytes written that were no data.",
        ),
    ),
    attribute(
        "written",
        Family::counter(
            "node_bcache_written_bytes_total",
            CACHE,
            "Bytes of data written to the cache.",
        ),
    ),
];

static DIRTY: Family = Family::gauge(
    "node_bcache_dirty_data_bytes",
    BACKING,
    "Dirty data of a backing device in bytes.",
);

/// Lines of `writeback_rate_debug`.
static WRITEBACK: [Attribute; 5] = [
    attribute(
        "target:",
        Family::gauge(
            "node_bcache_dirty_target_bytes",
            BACKING,
            "Dirty data that is aimed at, in bytes.",
        ),
    ),
    attribute(
        "rate:",
        Family::gauge(
            "node_bcache_writeback_rate",
            BACKING,
            "Rate of writeback in bytes a second.",
        ),
    ),
    attribute(
        "proportional:",
        Family::gauge(
            "node_bcache_writeback_rate_proportional_term",
            BACKING,
            "Proportional term of the writeback controller.",
        ),
    ),
    attribute(
        "integral:",
        Family::gauge(
            "node_bcache_writeback_rate_integral_term",
            BACKING,
            "Integral term of the writeback controller.",
        ),
    ),
    attribute(
        "change:",
        Family::gauge(
            "node_bcache_writeback_change",
            BACKING,
            "Last step of the writeback rate.",
        ),
    ),
];

static PRIORITY: [Attribute; 2] = [
    attribute(
        "Unused:",
        Family::gauge(
            "node_bcache_priority_stats_unused_percent",
            CACHE,
            "Part of the cache without data in percent.",
        ),
    ),
    attribute(
        "Metadata:",
        Family::gauge(
            "node_bcache_priority_stats_metadata_percent",
            CACHE,
            "Part of the cache taken by metadata in percent.",
        ),
    ),
];

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    let tables: [&[Attribute]; 5] = [&SET, &TOTALS, &DEVICE, &WRITEBACK, &PRIORITY];
    let all = tables.into_iter().flatten().map(|a| &a.family);
    all.chain([&DIRTY]).collect()
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    let root = host.sys_or_default()?;
    let flags = Flags::read(&host.matches)?;
    let root = root.join("fs/bcache");
    Ok(whole(move |out: &mut Arena, _: &Scrape| {
        for uuid in glob(&root, "*-*") {
            put_set(out, &root.join(&uuid), &uuid, flags.priority_stats)?;
        }
        Ok(())
    }))
}

fn put_set(out: &mut Arena, dir: &Path, uuid: &str, priorities: bool) -> Result<(), Error> {
    for attribute in &SET {
        let value = value(&dir.join(attribute.file))?;
        out.put(&attribute.family, &[uuid], value * attribute.scale);
    }
    for backing in glob(dir, "bdev[0-9]*") {
        put_backing(out, &dir.join(&backing), &[&backing, uuid])?;
    }
    for cache in glob(dir, "cache[0-9]*") {
        let (dir, labels) = (dir.join(&cache), [cache.as_str(), uuid]);
        for attribute in &DEVICE {
            out.put(
                &attribute.family,
                &labels,
                value(&dir.join(attribute.file))?,
            );
        }
        if priorities {
            put_priorities(out, &dir, &labels)?;
        }
    }
    Ok(())
}

fn put_backing(out: &mut Arena, dir: &Path, labels: &[&str; 2]) -> Result<(), Error> {
    out.put(&DIRTY, labels, value(&dir.join("dirty_data"))?);
    let debug = read_once(dir.join("writeback_rate_debug"))?;
    for attribute in &WRITEBACK {
        let found = text::lines(&debug)
            .find_map(|l| l.trim_ascii().strip_prefix(attribute.file.as_bytes()));
        let Some(found) = found else { continue };
        let found = found.trim_ascii();
        let number = found.strip_suffix(b"/sec").unwrap_or(found);
        let value = signed(number).ok_or_else(|| {
            format!(
                "writeback_rate_debug: expected a size behind {:?}",
                attribute.file
            )
        })?;
        out.put(&attribute.family, labels, value);
    }
    for attribute in &TOTALS {
        let value = value(&dir.join("stats_total").join(attribute.file))?;
        // A kernel that counts no read-aheads any more has the file for compatibility only.
        if attribute.file != "cache_readaheads" || value != 0.0 {
            out.put(&attribute.family, labels, value);
        }
    }
    Ok(())
}

fn put_priorities(out: &mut Arena, dir: &Path, labels: &[&str; 2]) -> Result<(), Error> {
    let stats = read_once(dir.join("priority_stats"))?;
    for attribute in &PRIORITY {
        let found = text::lines(&stats).find(|l| l.starts_with(attribute.file.as_bytes()));
        let Some(line) = found else { continue };
        let word = text::words(line).last().unwrap_or_default();
        let value = text::uint(word.strip_suffix(b"%").unwrap_or(word))
            .ok_or("priority_stats: expected a percentage")?;
        out.put(&attribute.family, labels, value as f64);
    }
    Ok(())
}

/// A value file; a missing one counts as 0.
fn value(path: &Path) -> Result<f64, Error> {
    let contents = match read_once(path) {
        Ok(contents) => contents,
        Err(unread) if Unread::is_missing(&unread) => return Ok(0.0),
        Err(unread) => return Err(unread.into()),
    };
    let number = contents.split_last().map_or(&b""[..], |(_, rest)| rest);
    dehumanise(number).ok_or_else(|| Error::failed(format!("{}: expected a size", path.display())))
}

fn signed(text: &[u8]) -> Option<f64> {
    match text.strip_prefix(b"-") {
        Some(rest) => dehumanise(rest).map(|v| -v),
        None => dehumanise(text),
    }
}

/// `1.5k`: behind the point stand 1024ths, of which 10.24 make one of the number.
pub fn dehumanise(text: &[u8]) -> Option<f64> {
    let last = *text.last()?;
    if last <= b'9' {
        return text::float(text).map(f64::trunc);
    }
    let power = b"kMGTPEZY".iter().position(|u| *u == last);
    let unit = power.map_or(0.0, |p| 2f64.powi(10 * (p as i32 + 1)));
    let number = &text[..text.len() - 1];
    let mut parts = number.split(|b| *b == b'.');
    let mut mantissa = text::float(parts.next()?)?;
    if let Some(fraction) = parts.next() {
        mantissa += text::float(fraction)? / 10.24;
    }
    Some((mantissa * unit).trunc())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;
    use proptest::prelude::*;

    #[test]
    fn sizes() {
        for (text, value) in [
            ("0", Some(0.0)),
            ("3.0k", Some(3072.0)),
            ("3.1k", Some(3172.0)),
            ("3.10k", Some(4072.0)),
            ("1x", Some(0.0)),
            ("", None),
            ("k", None),
        ] {
            assert_eq!(dehumanise(text.as_bytes()), value, "{text}");
        }
        assert_eq!(signed(b"-1.0k"), Some(-1024.0));
    }

    #[test]
    fn a_set_with_one_backing_device() {
        let tree = Tree::new()
            .file("sys/fs/bcache/a-b/tree_depth", "2\n")
            .file(
                "sys/fs/bcache/a-b/bdev0/writeback_rate_debug",
                "rate:\t\t1.0k/sec\ntarget:\t\t2.0k\n",
            )
            .file("sys/fs/bcache/a-b/bdev0/stats_total/cache_hits", "546\n");
        tree.collect("bcache", &[]).expect_some(&[
            "node_bcache_tree_depth{uuid=\"a-b\"} 2",
            "node_bcache_congested{uuid=\"a-b\"} 0",
            "node_bcache_writeback_rate{backing_device=\"bdev0\",uuid=\"a-b\"} 1024",
            "node_bcache_cache_hits_total{backing_device=\"bdev0\",uuid=\"a-b\"} 546",
        ]);
        Tree::new().collect("bcache", &[]).expect("");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = dehumanise(&bytes);
        }
    }
}
