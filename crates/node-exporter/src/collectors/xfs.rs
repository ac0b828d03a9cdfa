//! XFS, from `fs/xfs/*/stats/stats` of sysfs (`fs/xfs/xfs_stats.h`).

use crate::host::Host;
use crate::kernel::{Devices, KernelFile, text};
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Scrape};
use exporter_core::exposition::{Arena, Family};
use rustix::io::Errno;

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

macro_rules! values {
    ($( $keyword:literal $at:literal $name:literal $help:literal, )*) => {
        /// Line, position behind its keyword, family.
        static VALUES: [(&str, usize, Family); 39] = [ $( (
            $keyword,
            $at,
            Family::counter(concat!("node_xfs_", $name, "_total"), &["device"], $help),
        ), )* ];
    };
}
values! {
    "extent_alloc" 0 "extent_allocation_extents_allocated" "Extents allocated.",
    "extent_alloc" 1 "extent_allocation_blocks_allocated" "Blocks allocated.",
    "extent_alloc" 2 "extent_allocation_extents_freed" "Extents freed.",
    "extent_alloc" 3 "extent_allocation_blocks_freed" "Blocks freed.",
    "abt" 0 "allocation_btree_lookups" "Lookups in allocation trees.",
    "abt" 1 "allocation_btree_compares" "Comparisons in allocation trees.",
    "abt" 2 "allocation_btree_records_inserted" "Records inserted into allocation trees.",
    "abt" 3 "allocation_btree_records_deleted" "Records deleted from allocation trees.",
    "blk_map" 0 "block_mapping_reads" "Block map reads.",
    "blk_map" 1 "block_mapping_writes" "Block map writes.",
    "blk_map" 2 "block_mapping_unmaps" "Block unmaps.",
    "blk_map" 3 "block_mapping_extent_list_insertions" "Insertions into extent lists.",
    "blk_map" 4 "block_mapping_extent_list_deletions" "Deletions from extent lists.",
    "blk_map" 5 "block_mapping_extent_list_lookups" "Lookups in extent lists.",
    "blk_map" 6 "block_mapping_extent_list_compares" "Comparisons in extent lists.",
    "bmbt" 0 "block_map_btree_lookups" "Lookups in block map trees.",
    "bmbt" 1 "block_map_btree_compares" "Comparisons in block map trees.",
    "bmbt" 2 "block_map_btree_records_inserted" "Records inserted into block map trees.",
    "bmbt" 3 "block_map_btree_records_deleted" "Records deleted from block map trees.",
    "dir" 0 "directory_operation_lookup" "Directory lookups.",
    "dir" 1 "directory_operation_create" "Directory entries created.",
    "dir" 2 "directory_operation_remove" "Directory entries removed.",
    "dir" 3 "directory_operation_getdents" "Directory listings.",
    "ig" 0 "inode_operation_attempts" "Inodes looked for in the cache.",
    "ig" 1 "inode_operation_found" "Inodes found in the cache.",
    "ig" 2 "inode_operation_recycled" "Inodes recycled in the cache.",
    "ig" 3 "inode_operation_missed" "Inodes not found in the cache.",
    "ig" 4 "inode_operation_duplicates" "Inodes that another had put into the cache meanwhile.",
    "ig" 5 "inode_operation_reclaims" "Inodes reclaimed from the cache.",
    "ig" 6 "inode_operation_attribute_changes" "Inode attribute changes.",
    "rw" 0 "write_calls" "Writes.",
    "rw" 1 "read_calls" "Reads.",
    "vnodes" 0 "vnode_active" "Vnodes in use.",
    "vnodes" 1 "vnode_allocate" "Vnodes allocated.",
    "vnodes" 2 "vnode_get" "Vnodes got.",
    "vnodes" 3 "vnode_hold" "Vnodes held.",
    "vnodes" 4 "vnode_release" "Vnodes released.",
    "vnodes" 5 "vnode_reclaim" "Vnodes reclaimed.",
    "vnodes" 6 "vnode_remove" "Vnodes removed.",
}

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    VALUES.iter().map(|v| &v.2).collect()
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    host.proc_or_default()?;
    let mut devices = Devices::new(host.sys_or_default()?.join("fs/xfs"));
    let mut buffer = Vec::new();
    Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
        let devices = devices.refresh(|_, path| Some(KernelFile::new(path.join("stats/stats"))));
        let Ok(devices) = devices else {
            return Ok(());
        };
        let mut found = Vec::new();
        for device in devices {
            match device.state.read(&mut buffer) {
                Ok(contents) => found.push((device.name.as_str(), parse(contents)?)),
                // `fs/xfs/debug` and `fs/xfs/stats` are no devices.
                Err(u) if matches!(u.errno, Errno::NOENT | Errno::NOTDIR) => {}
                Err(unread) => return Err(unread.into()),
            }
        }
        for (device, values) in found {
            for ((_, _, family), value) in VALUES.iter().zip(values) {
                out.put(family, &[device], value as f64);
            }
        }
        Ok(())
    }))
}

/// How many numbers must stand behind a keyword.
fn required(keyword: &[u8]) -> Option<std::ops::RangeInclusive<usize>> {
    Some(match keyword {
        b"extent_alloc" | b"abt" | b"bmbt" | b"dir" | b"attr" => 4..=4,
        b"blk_map" | b"ig" => 7..=7,
        b"trans" | b"icluster" | b"xpc" => 3..=3,
        b"log" => 5..=5,
        b"push_ail" => 10..=10,
        b"xstrat" | b"rw" => 2..=2,
        b"vnodes" => 7..=8,
        b"buf" => 9..=9,
        b"qm" => 8..=9,
        b"debug" | b"defer_relog" => 1..=1,
        b"abtb2" | b"abtc2" | b"bmbt2" | b"ibt2" | b"fibt2" | b"rmapbt" | b"refcntbt"
        | b"rmapbt_mem" | b"rcbagbt" | b"rtrmapbt" | b"rtrmapbt_mem" | b"rtrefcntbt" => 15..=15,
        b"zoned" => 3..=usize::MAX,
        b"metafile" => 1..=usize::MAX,
        _ => return None,
    })
}

/// The values in the order of their families, 0 for absent lines.
pub fn parse(contents: &[u8]) -> Result<[u64; 39], String> {
    let mut values = [0; 39];
    for line in text::lines(contents) {
        let words: Vec<&[u8]> = text::words(line).collect();
        let (keyword, numbers) = match words.as_slice() {
            [keyword @ b"gc", b"xpc", numbers @ ..] => (keyword, numbers),
            [keyword, numbers @ ..] => (keyword, numbers),
            [] => continue,
        };
        if numbers.is_empty() {
            continue;
        }
        let wide = matches!(*keyword, b"xpc" | b"defer_relog" | b"gc");
        let parsed = numbers
            .iter()
            .map(|n| text::uint(n).filter(|v| wide || *v <= u64::from(u32::MAX)));
        let parsed: Option<Vec<u64>> = parsed.collect();
        let fits = |parsed: &Vec<u64>| required(keyword).is_none_or(|r| r.contains(&parsed.len()));
        let parsed = parsed.filter(fits).ok_or_else(|| {
            format!(
                "xfs stats: unexpected numbers behind {}",
                String::from_utf8_lossy(keyword)
            )
        })?;
        for (at, (known, position, _)) in VALUES.iter().enumerate() {
            if known.as_bytes() == *keyword {
                values[at] = parsed.get(*position).copied().unwrap_or(0);
            }
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use crate::testing::Tree;
    use proptest::prelude::*;

    #[test]
    fn devices() {
        let tree = Tree::new()
            .file("sys/fs/xfs/sda1/stats/stats", "extent_alloc 1 97 0 0\nrw 28 7\nxpc 399724544 92823103 86219234\ngc xpc 5\nnew 1\n")
            .dir("sys/fs/xfs/debug");
        tree.collect("xfs", &[]).expect_some(&[
            "node_xfs_extent_allocation_blocks_allocated_total{device=\"sda1\"} 97",
            "node_xfs_write_calls_total{device=\"sda1\"} 28",
            "node_xfs_read_calls_total{device=\"sda1\"} 7",
            "node_xfs_vnode_active_total{device=\"sda1\"} 0",
        ]);
        for bad in ["rw 1\n", "new -1\n", "rw 4294967296 1\n"] {
            tree.write("sys/fs/xfs/sda1/stats/stats", bad);
            tree.collect("xfs", &[])
                .expect_failure("unexpected numbers");
        }
        Tree::new().collect("xfs", &[]).expect("");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = super::parse(&bytes);
        }
    }
}
