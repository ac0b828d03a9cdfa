//! Free blocks of the page allocator by order, from `buddyinfo` of procfs (`filesystems/proc`).

use crate::host::Host;
use crate::kernel::{KernelFile, text};
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Scrape};
use exporter_core::exposition::{Arena, Family};

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

static BLOCKS: Family = Family::gauge(
    "node_buddyinfo_blocks",
    &["node", "size", "zone"],
    "Free blocks of 2^size pages.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&BLOCKS]
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    host.require_proc()?;
    let mut file = KernelFile::new(host.proc("buddyinfo"));
    let mut buffer = Vec::new();
    Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
        for zone in parse(file.read(&mut buffer)?)? {
            for (order, count) in zone.counts.iter().enumerate() {
                let mut digits = itoa::Buffer::new();
                out.put(
                    &BLOCKS,
                    &[zone.node, digits.format(order), zone.zone],
                    *count,
                );
            }
        }
        Ok(())
    }))
}

/// One line.
pub struct Zone<'a> {
    node: &'a str,
    zone: &'a str,
    counts: Vec<f64>,
}

/// Reads lines such as `Node 0, zone      DMA      1      0 …`.
pub fn parse(contents: &[u8]) -> Result<Vec<Zone<'_>>, String> {
    let mut zones: Vec<Zone<'_>> = Vec::new();
    for line in text::lines(contents) {
        let words: Vec<&[u8]> = text::words(line).collect();
        let [_, node, _, zone, counts @ ..] = words.as_slice() else {
            return Err("buddyinfo: expected at least four words a line".to_owned());
        };
        let word = |bytes| {
            let text = std::str::from_utf8(bytes).map_err(|_| "buddyinfo: no UTF-8".to_owned())?;
            Ok::<_, String>(text.strip_suffix(',').unwrap_or(text))
        };
        let counts = counts.iter().map(|count| text::float(count)).collect();
        let counts: Option<Vec<f64>> = counts;
        let counts = counts.ok_or("buddyinfo: expected numbers of blocks")?;
        if zones
            .first()
            .is_some_and(|z| z.counts.len() != counts.len())
        {
            return Err("buddyinfo: zones differ in their number of orders".to_owned());
        }
        zones.push(Zone {
            node: word(node)?,
            zone: word(zone)?,
            counts,
        });
    }
    Ok(zones)
}

#[cfg(test)]
mod tests {
    use crate::testing::Tree;
    use proptest::prelude::*;

    #[test]
    fn orders_of_zones() {
        let tree = Tree::new().file("proc/buddyinfo", "Node 0, zone      DMA      1      0\n");
        tree.collect("buddyinfo", &[]).expect(
            "node_buddyinfo_blocks{node=\"0\",size=\"0\",zone=\"DMA\"} 1\n\
             node_buddyinfo_blocks{node=\"0\",size=\"1\",zone=\"DMA\"} 0\n",
        );
        tree.write(
            "proc/buddyinfo",
            "Node 0, zone DMA 1\nNode 0, zone Normal 1 2\n",
        );
        tree.collect("buddyinfo", &[]).expect_failure("differ");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = super::parse(&bytes);
        }
    }
}
