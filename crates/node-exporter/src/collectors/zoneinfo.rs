//! Memory zones, from `zoneinfo` of procfs.

use crate::host::Host;
use crate::kernel::{KernelFile, text};
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Scrape};
use exporter_core::exposition::{Arena, Dynamic, Family, Kind};

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

const ZONE: &[&str] = &["node", "zone"];
macro_rules! fields {
    ($( $key:literal $kind:ident $name:literal $help:literal, )*) => {
        /// Keywords of the file and their families.
        static FIELDS: [(&str, Family); 34] = [ $( (
            $key,
            Family::$kind(concat!("node_zoneinfo_", $name), ZONE, $help),
        ), )* ];
    };
}
fields! {
    "min" gauge "min_pages" "Pages below which only the kernel may allocate.",
    "low" gauge "low_pages" "Pages below which memory is reclaimed in the background.",
    "high" gauge "high_pages" "Pages above which reclaiming stops.",
    "scanned" gauge "scanned_pages" "Pages scanned since the last reclaim.",
    "spanned" gauge "spanned_pages" "Pages that a zone spans.",
    "present" gauge "present_pages" "Pages that exist in a zone.",
    "managed" gauge "managed_pages" "Pages that the allocator manages.",
    "nr_free_pages" gauge "nr_free_pages" "Free pages.",
    "nr_anon_pages" gauge "nr_anon_pages" "Mapped anonymous pages.",
    "nr_file_pages" gauge "nr_file_pages" "Pages of files.",
    "nr_active_anon" gauge "nr_active_anon_pages" "Anonymous pages used lately.",
    "nr_inactive_anon" gauge "nr_inactive_anon_pages" "Anonymous pages not used lately.",
    "nr_isolated_anon" gauge "nr_isolated_anon_pages" "Anonymous pages taken off their lists.",
    "nr_active_file" gauge "nr_active_file_pages" "Pages of files used lately.",
    "nr_inactive_file" gauge "nr_inactive_file_pages" "Pages of files not used lately.",
    "nr_isolated_file" gauge "nr_isolated_file_pages" "Pages of files taken off their lists.",
    "nr_slab_reclaimable" gauge "nr_slab_reclaimable_pages" "Kernel object pages that can be given up.",
    "nr_slab_unreclaimable" gauge "nr_slab_unreclaimable_pages" "Kernel object pages that cannot be given up.",
    "nr_mlock_stack" gauge "nr_mlock_stack_pages" "Locked stack pages.",
    "nr_mapped" gauge "nr_mapped_pages" "Mapped pages of files.",
    "nr_dirty" gauge "nr_dirty_pages" "Pages waiting to be written.",
    "nr_writeback" gauge "nr_writeback_pages" "Pages being written.",
    "nr_unevictable" gauge "nr_unevictable_pages" "Pages that cannot be given up.",
    "nr_shmem" gauge "nr_shmem_pages" "Shared memory pages.",
    "nr_anon_transparent_hugepages" gauge "nr_anon_transparent_hugepages" "Anonymous transparent huge pages.",
    "nr_kernel_stack" gauge "nr_kernel_stacks" "Kernel stacks in KiB.",
    "nr_dirtied" counter "nr_dirtied_total" "Pages dirtied since boot.",
    "nr_written" counter "nr_written_total" "Pages written since boot.",
    "numa_hit" counter "numa_hit_total" "Pages allocated on the node that was meant.",
    "numa_miss" counter "numa_miss_total" "Pages allocated on another node than was meant.",
    "numa_foreign" counter "numa_foreign_total" "Pages meant for this node and allocated on another.",
    "numa_interleave" counter "numa_interleave_total" "Interleaved pages allocated here.",
    "numa_local" counter "numa_local_total" "Pages allocated by processes of this node.",
    "numa_other" counter "numa_other_total" "Pages allocated by processes of other nodes.",
}
static PROTECTION: Family = Family::gauge(
    "node_zoneinfo_protection_<i>",
    ZONE,
    "Pages kept from allocations that could use a higher zone.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    FIELDS.iter().map(|f| &f.1).chain([&PROTECTION]).collect()
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    host.require_proc()?;
    let mut file = KernelFile::new(host.proc("zoneinfo"));
    let mut buffer = Vec::new();
    Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
        let contents = String::from_utf8_lossy(file.read(&mut buffer)?);
        for zone in parse(&contents) {
            for ((_, family), value) in FIELDS.iter().zip(zone.values) {
                if let Some(value) = value {
                    out.put(family, &[zone.node, zone.zone], value as f64);
                }
            }
            for (at, value) in zone.protection.iter().enumerate() {
                let name = format!("node_zoneinfo_protection_{at}");
                let family = Dynamic {
                    name: &name,
                    help: PROTECTION.help,
                    kind: Kind::Gauge,
                };
                out.put_dynamic(
                    family,
                    &[("node", zone.node), ("zone", zone.zone)],
                    *value as f64,
                );
            }
        }
        Ok(())
    }))
}

/// One zone of a node.
#[derive(Debug)]
pub struct Zone<'a> {
    node: &'a str,
    zone: &'a str,
    values: [Option<i64>; 34],
    protection: Vec<i64>,
}

/// Reads all zones.
pub fn parse(contents: &str) -> Vec<Zone<'_>> {
    let mut zones: Vec<Zone<'_>> = Vec::new();
    for line in contents.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let ["Node", node, "zone", zone, ..] = words.as_slice()
            && let Some(node) = node.strip_suffix(',')
        {
            zones.push(Zone {
                node,
                zone,
                values: [None; 34],
                protection: Vec::new(),
            });
            continue;
        }
        let (Some(zone), [keyword, value, ..]) = (zones.last_mut(), words.as_slice()) else {
            continue;
        };
        if *keyword == "protection:" {
            let list = line
                .split_once('(')
                .and_then(|l| l.1.split_once(')'))
                .map_or("", |l| l.0);
            let numbers: Option<Vec<i64>> = list
                .split(", ")
                .map(|n| text::prefixed_int(n.as_bytes()))
                .collect();
            if let Some(numbers) = numbers {
                zone.protection = numbers;
            }
        } else if let Some(at) = FIELDS.iter().position(|f| f.0 == *keyword) {
            zone.values[at] = Some(text::prefixed_int(value.as_bytes()).unwrap_or(0));
        }
    }
    zones
}

#[cfg(test)]
mod tests {
    use crate::testing::Tree;
    use proptest::prelude::*;

    #[test]
    fn zones() {
        let tree = Tree::new().file("proc/zoneinfo", "Node 0, zone      DMA\n  per-node stats\n      nr_dirtied   7\n  pages free     3952\n        min      33\n        high     49\n        protection: (0, 2877)\n    cpu: 0\n              high:  378\nNode 0, zone   Normal\n        min 5\n");
        tree.collect("zoneinfo", &[]).expect(
            "node_zoneinfo_high_pages{node=\"0\",zone=\"DMA\"} 49\nnode_zoneinfo_min_pages{node=\"0\",zone=\"DMA\"} 33\n\
             node_zoneinfo_min_pages{node=\"0\",zone=\"Normal\"} 5\nnode_zoneinfo_nr_dirtied_total{node=\"0\",zone=\"DMA\"} 7\n\
             node_zoneinfo_protection_0{node=\"0\",zone=\"DMA\"} 0\nnode_zoneinfo_protection_1{node=\"0\",zone=\"DMA\"} 2877\n",
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = super::parse(&text);
        }
    }
}
