//! Caches of kernel objects, from `slabinfo` of procfs (slabinfo(5)).

use crate::host::Host;
use crate::kernel::{Filter, KernelFile, text};
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Scrape};
use exporter_core::exposition::{Arena, Family};
use std::collections::HashMap;

exporter_core::flags! {
    /// Flags of this collector.
    pub struct Flags {
        /// Regular expression of caches to keep.
        "collector.slabinfo.slabs-include" include: String = [".*"];
        /// Regular expression of caches to leave out.
        "collector.slabinfo.slabs-exclude" exclude: String = [""];
        /// Number caches of one name (NAME, NAME#2) instead of leaving out all but the first.
        "collector.slabinfo.number-duplicates" number_duplicates: bool = ["false"];
    }
}

/// Flags of this collector.
pub const FLAGS: &[Flag] = Flags::TABLE;

const SLAB: &[&str] = &["slab"];
static COLUMNS: [Family; 5] = [
    Family::gauge("node_slabinfo_active_objects", SLAB, "Objects in use."),
    Family::gauge("node_slabinfo_objects", SLAB, "Objects allocated."),
    Family::gauge(
        "node_slabinfo_object_size_bytes",
        SLAB,
        "Size of an object in bytes.",
    ),
    Family::gauge("node_slabinfo_objects_per_slab", SLAB, "Objects of a slab."),
    Family::gauge("node_slabinfo_pages_per_slab", SLAB, "Pages of a slab."),
];

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    COLUMNS.iter().collect()
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    host.require_proc()?;
    let flags = Flags::read(&host.matches)?;
    let mut filter = Filter::new(
        ("collector.slabinfo.slabs-exclude", &flags.exclude),
        ("collector.slabinfo.slabs-include", &flags.include),
    )?;
    let mut file = KernelFile::new(host.proc("slabinfo"));
    let mut buffer = Vec::new();
    Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
        let mut caches = parse(file.read(&mut buffer)?)?;
        caches.retain(|(name, _)| filter.keeps(name));
        if flags.number_duplicates {
            number_duplicates(&mut caches);
        }
        for (name, values) in caches {
            for (family, value) in COLUMNS.iter().zip(values) {
                out.put(family, &[&name], value as f64);
            }
        }
        Ok(())
    }))
}

/// Name and first five numbers of a cache.
type Cache = (String, [i64; 5]);

/// Kernels that do not merge caches may have several of one name, in an order that stays.
fn number_duplicates(caches: &mut [Cache]) {
    let mut seen: HashMap<String, u32> = HashMap::new();
    for (name, _) in caches {
        let count = seen.entry(name.clone()).or_default();
        *count += 1;
        if *count > 1 {
            *name = format!("{name}#{count}");
        }
    }
}

/// Reads all caches.
pub fn parse(contents: &[u8]) -> Result<Vec<Cache>, String> {
    let mut caches = Vec::new();
    for line in text::lines(contents) {
        let shown = String::from_utf8_lossy(line);
        if line.is_empty() || shown.contains("slabinfo -") || shown.contains("# name") {
            continue;
        }
        let bad =
            || format!("slabinfo: expected a name, numbers, tunables and slab data, got {shown:?}");
        let (words, count) = text::first_words::<16>(line);
        let padded = line.first().is_some_and(u8::is_ascii_whitespace)
            || line.last().is_some_and(u8::is_ascii_whitespace);
        let numeric = [1, 2, 3, 4, 5, 8, 9, 10, 13, 14, 15];
        if count != 16 || padded || numeric.iter().any(|at| text::int(words[*at]).is_none()) {
            return Err(bad());
        }
        let values = [1, 2, 3, 4, 5].map(|at: usize| text::int(words[at]).unwrap_or(0));
        caches.push((String::from_utf8_lossy(words[0]).into_owned(), values));
    }
    Ok(caches)
}

#[cfg(test)]
mod tests {
    use crate::testing::Tree;
    use proptest::prelude::*;

    #[test]
    fn caches() {
        let tree = Tree::new().file("proc/slabinfo", "slabinfo - version: 2.1\n# name <active_objs>\ntcp_sock 375 376 1280 4 1 : tunables 24 12 8 : slabdata 94 94 0\ndmaengine 0 0 1 2 3 : tunables 0 0 0 : slabdata 0 0 0\n");
        tree.collect("slabinfo", &[("collector.slabinfo.slabs-exclude", "dma")]).expect(
            "node_slabinfo_active_objects{slab=\"tcp_sock\"} 375\nnode_slabinfo_object_size_bytes{slab=\"tcp_sock\"} 1280\n\
             node_slabinfo_objects{slab=\"tcp_sock\"} 376\nnode_slabinfo_objects_per_slab{slab=\"tcp_sock\"} 4\nnode_slabinfo_pages_per_slab{slab=\"tcp_sock\"} 1\n",
        );
        let line = |name: &str, active| {
            format!("{name} {active} 2 3 4 5 : tunables 0 0 0 : slabdata 0 0 0\n")
        };
        let caches = line("a", 7) + &line("b", 8) + &line("a", 9) + &line("a", 10);
        tree.write("proc/slabinfo", caches);
        let flags = [("collector.slabinfo.number-duplicates", "true")];
        tree.collect("slabinfo", &flags).expect_some(&[
            "node_slabinfo_active_objects{slab=\"a\"} 7",
            "node_slabinfo_active_objects{slab=\"a#2\"} 9",
            "node_slabinfo_active_objects{slab=\"a#3\"} 10",
            "node_slabinfo_active_objects{slab=\"b\"} 8",
        ]);
        tree.write("proc/slabinfo", "x 1 2\n");
        tree.collect("slabinfo", &[]).expect_failure("slabinfo");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = super::parse(&bytes);
        }
    }
}
