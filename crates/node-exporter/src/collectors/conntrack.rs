//! Connection tracking, from `sys/net/netfilter` and `net/stat/nf_conntrack` of procfs
//! (`networking/nf_conntrack-sysctl`).

use crate::host::Host;
use crate::kernel::file::UintError;
use crate::kernel::{KernelFile, text};
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Error, Scrape};
use exporter_core::exposition::{Arena, Family};

exporter_core::flags! {
    /// Flags of this collector.
    pub struct Flags {
        /// Take it for no failure that the kernel has no net/stat/nf_conntrack.
        "collector.conntrack.without-statistics" without: bool = ["false"];
    }
}

/// Flags of this collector.
pub const FLAGS: &[Flag] = Flags::TABLE;

static ENTRIES: Family =
    Family::gauge("node_nf_conntrack_entries", &[], "Connections tracked now.");
static LIMIT: Family = Family::gauge(
    "node_nf_conntrack_entries_limit",
    &[],
    "Connections that can be tracked.",
);

/// Families and their column, counted from 0.
static STATS: [(usize, Family); 8] = [
    (
        2,
        Family::gauge(
            "node_nf_conntrack_stat_found",
            &[],
            "Lookups that found an entry.",
        ),
    ),
    (
        4,
        Family::gauge(
            "node_nf_conntrack_stat_invalid",
            &[],
            "Packets that could not be tracked.",
        ),
    ),
    (
        5,
        Family::gauge(
            "node_nf_conntrack_stat_ignore",
            &[],
            "Packets of connections that were tracked already.",
        ),
    ),
    (
        8,
        Family::gauge("node_nf_conntrack_stat_insert", &[], "Entries inserted."),
    ),
    (
        9,
        Family::gauge(
            "node_nf_conntrack_stat_insert_failed",
            &[],
            "Entries that could not be inserted, being there already.",
        ),
    ),
    (
        10,
        Family::gauge(
            "node_nf_conntrack_stat_drop",
            &[],
            "Packets dropped because tracking failed.",
        ),
    ),
    (
        11,
        Family::gauge(
            "node_nf_conntrack_stat_early_drop",
            &[],
            "Entries dropped to make room in a full table.",
        ),
    ),
    (
        16,
        Family::gauge(
            "node_nf_conntrack_stat_search_restart",
            &[],
            "Lookups restarted because the table was resized.",
        ),
    ),
];

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    let stats = STATS.iter().map(|s| &s.1);
    [&ENTRIES, &LIMIT].into_iter().chain(stats).collect()
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    let flags = Flags::read(&host.matches)?;
    let mut count = KernelFile::new(host.proc("sys/net/netfilter/nf_conntrack_count"));
    let mut max = KernelFile::new(host.proc("sys/net/netfilter/nf_conntrack_max"));
    let mut stats = KernelFile::new(host.proc("net/stat/nf_conntrack"));
    let mut buffer = Vec::new();
    Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
        out.put(
            &ENTRIES,
            &[],
            count.uint().map_err(missing_is_no_data)? as f64,
        );
        out.put(&LIMIT, &[], max.uint().map_err(missing_is_no_data)? as f64);
        let contents = match stats.read(&mut buffer) {
            Ok(contents) => contents,
            Err(unread) if unread.is_missing() && flags.without => return Ok(()),
            Err(unread) => return Err(unread.no_data_if_missing()),
        };
        let sums = parse(contents)?;
        for (column, family) in &STATS {
            out.put(family, &[], sums[*column] as f64);
        }
        Ok(())
    }))
}

fn missing_is_no_data(error: UintError) -> Error {
    match error {
        UintError::Unread(unread) => unread.no_data_if_missing(),
        error => error.into(),
    }
}

/// Sums the hexadecimal columns over the lines of all CPUs.
pub fn parse(contents: &[u8]) -> Result<[u64; 17], String> {
    let mut sums = [0u64; 17];
    for line in text::lines(contents).skip(1) {
        let (words, count) = text::first_words::<17>(line);
        if count != 16 && count != 17 {
            return Err("nf_conntrack: expected 16 or 17 columns".to_owned());
        }
        for (sum, word) in sums.iter_mut().zip(&words[..count]) {
            let value =
                text::radix(word, 16).ok_or("nf_conntrack: expected hexadecimal numbers")?;
            *sum = sum.wrapping_add(value);
        }
    }
    Ok(sums)
}

#[cfg(test)]
mod tests {
    use crate::testing::Tree;
    use proptest::prelude::*;

    #[test]
    fn sums_over_cpus() {
        let line = "00000021 0 1 0 2 3 0 0 4 5 6 7 0 0 0 0 1f\n";
        let tree = Tree::new()
            .file("proc/sys/net/netfilter/nf_conntrack_count", "123\n")
            .file("proc/sys/net/netfilter/nf_conntrack_max", "65536\n");
        let partial = tree.collect("conntrack", &[]);
        assert_eq!(
            partial.text,
            "node_nf_conntrack_entries 123\nnode_nf_conntrack_entries_limit 65536\n"
        );
        partial.expect_no_data();
        let flags = [("collector.conntrack.without-statistics", "true")];
        tree.collect("conntrack", &flags)
            .expect_some(&["node_nf_conntrack_entries 123"]);
        tree.write(
            "proc/net/stat/nf_conntrack",
            format!("header\n{line}{line}"),
        );
        tree.collect("conntrack", &[]).expect_some(&[
            "node_nf_conntrack_stat_found 2",
            "node_nf_conntrack_stat_early_drop 14",
            "node_nf_conntrack_stat_search_restart 62",
        ]);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = super::parse(&bytes);
        }
    }
}
