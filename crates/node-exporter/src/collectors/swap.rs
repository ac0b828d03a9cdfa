//! Swap devices, from `swaps` of procfs.

use crate::host::Host;
use crate::kernel::{KernelFile, text};
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Scrape};
use exporter_core::exposition::{Arena, Family};

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

const DEVICE: &[&str] = &["device", "swap_type"];
static SIZE: Family = Family::gauge(
    "node_swap_size_bytes",
    DEVICE,
    "Size of a swap device in bytes.",
);
static USED: Family = Family::gauge(
    "node_swap_used_bytes",
    DEVICE,
    "Used part of a swap device in bytes.",
);
static PRIORITY: Family = Family::gauge("node_swap_priority", DEVICE, "Priority of a swap device.");

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&SIZE, &USED, &PRIORITY]
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    host.require_proc()?;
    let mut file = KernelFile::new(host.proc("swaps"));
    let mut buffer = Vec::new();
    Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
        for swap in parse(file.read(&mut buffer)?)? {
            let labels = [swap.device.as_str(), &swap.kind];
            out.put(&SIZE, &labels, swap.size.wrapping_mul(1024) as f64);
            out.put(&USED, &labels, swap.used.wrapping_mul(1024) as f64);
            out.put(&PRIORITY, &labels, swap.priority as f64);
        }
        Ok(())
    }))
}

/// One device, its sizes in KiB.
pub struct Swap {
    device: String,
    kind: String,
    size: i64,
    used: i64,
    priority: i64,
}

/// Reads all lines but the first.
pub fn parse(contents: &[u8]) -> Result<Vec<Swap>, String> {
    text::lines(contents)
        .skip(1)
        .map(|line| {
            let ([device, kind, size, used, priority], count) = text::first_words::<5>(line);
            let numbers = (text::int(size), text::int(used), text::int(priority));
            match (numbers, count) {
                ((Some(size), Some(used), Some(priority)), 5..) => Ok(Swap {
                    device: String::from_utf8_lossy(device).into_owned(),
                    kind: String::from_utf8_lossy(kind).into_owned(),
                    size,
                    used,
                    priority,
                }),
                _ => Err(format!(
                    "swaps: expected a device, a type and three numbers, got {:?}",
                    String::from_utf8_lossy(line)
                )),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::testing::Tree;
    use proptest::prelude::*;

    #[test]
    fn devices() {
        let tree = Tree::new().file(
            "proc/swaps",
            "Filename Type Size Used Priority\n/dev/zram0 partition 8388604 76 -2\n",
        );
        tree.collect("swap", &[]).expect(
            "node_swap_priority{device=\"/dev/zram0\",swap_type=\"partition\"} -2\n\
             node_swap_size_bytes{device=\"/dev/zram0\",swap_type=\"partition\"} 8589930496\n\
             node_swap_used_bytes{device=\"/dev/zram0\",swap_type=\"partition\"} 77824\n",
        );
        tree.write("proc/swaps", "h\nx y z\n");
        tree.collect("swap", &[]).expect_failure("three numbers");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = super::parse(&bytes);
        }
    }
}
