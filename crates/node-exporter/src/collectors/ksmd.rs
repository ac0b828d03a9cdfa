//! Kernel samepage merging, from `kernel/mm/ksm` of sysfs (`admin-guide/mm/ksm`).

use crate::host::Host;
use crate::kernel::{KernelFile, text};
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Scrape};
use exporter_core::exposition::{Arena, Family};

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

static FILES: [(&str, Family, f64); 10] = [
    (
        "full_scans",
        Family::counter(
            "node_ksmd_full_scans_total",
            &[],
            "Times that all mergeable memory was scanned.",
        ),
        1.0,
    ),
    (
        "general_profit",
        Family::gauge(
            "node_ksmd_general_profit_bytes",
            &[],
            "Memory saved in bytes, less what saving it takes.",
        ),
        1.0,
    ),
    (
        "merge_across_nodes",
        Family::gauge(
            "node_ksmd_merge_across_nodes",
            &[],
            "Whether pages of different NUMA nodes are merged.",
        ),
        1.0,
    ),
    (
        "pages_shared",
        Family::gauge("node_ksmd_pages_shared", &[], "Shared pages."),
        1.0,
    ),
    (
        "pages_sharing",
        Family::gauge("node_ksmd_pages_sharing", &[], "Places that share them."),
        1.0,
    ),
    (
        "pages_to_scan",
        Family::gauge(
            "node_ksmd_pages_to_scan",
            &[],
            "Pages scanned before a sleep.",
        ),
        1.0,
    ),
    (
        "pages_unshared",
        Family::gauge(
            "node_ksmd_pages_unshared",
            &[],
            "Pages that are unique but checked again and again.",
        ),
        1.0,
    ),
    (
        "pages_volatile",
        Family::gauge(
            "node_ksmd_pages_volatile",
            &[],
            "Pages that change too fast.",
        ),
        1.0,
    ),
    (
        "run",
        Family::gauge(
            "node_ksmd_run",
            &[],
            "Whether merging runs: 0 stopped, 1 running, 2 unmerged.",
        ),
        1.0,
    ),
    (
        "sleep_millisecs",
        Family::gauge(
            "node_ksmd_sleep_seconds",
            &[],
            "Sleep between scans in seconds.",
        ),
        1000.0,
    ),
];

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    FILES.iter().map(|f| &f.1).collect()
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    let root = host.sys("kernel/mm/ksm");
    let mut files = FILES.each_ref().map(|f| KernelFile::new(root.join(f.0)));
    Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
        for ((name, family, divisor), file) in FILES.iter().zip(&mut files) {
            let mut short = [0; 128];
            match file.short(&mut short) {
                Ok(digits) => {
                    // Merging may cost more than it saves.
                    let value = match *name == "general_profit" {
                        true => text::int(digits).map(|v| v as f64),
                        false => text::uint(digits).map(|v| v as f64),
                    };
                    let value = value.ok_or_else(|| format!("{name}: expected a whole number"))?;
                    out.put(family, &[], value / divisor);
                }
                Err(unread) if unread.is_missing() => {}
                Err(unread) => return Err(unread.into()),
            }
        }
        Ok(())
    }))
}

#[cfg(test)]
mod tests {
    use crate::testing::Tree;

    #[test]
    fn files_that_exist() {
        let tree = Tree::new()
            .file("sys/kernel/mm/ksm/sleep_millisecs", "20\n")
            .file("sys/kernel/mm/ksm/general_profit", "-64\n");
        tree.collect("ksmd", &[])
            .expect("node_ksmd_general_profit_bytes -64\nnode_ksmd_sleep_seconds 0.02\n");
        for bad in ["x\n", "-1\n"] {
            tree.write("sys/kernel/mm/ksm/run", bad);
            tree.collect("ksmd", &[]).expect_failure("run");
        }
    }
}
