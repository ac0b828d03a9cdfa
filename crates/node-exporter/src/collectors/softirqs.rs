//! Soft interrupts by processor, from `softirqs` of procfs (`filesystems/proc`).

use crate::host::Host;
use crate::kernel::{KernelFile, text};
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Scrape};
use exporter_core::exposition::{Arena, Family};

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

static FUNCTIONS: Family = Family::counter(
    "node_softirqs_functions_total",
    &["cpu", "type"],
    "Soft interrupts serviced by a processor.",
);
const TYPES: [&str; 10] = [
    "HI", "TIMER", "NET_TX", "NET_RX", "BLOCK", "IRQ_POLL", "TASKLET", "SCHED", "HRTIMER", "RCU",
];

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&FUNCTIONS]
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    host.require_proc()?;
    let mut file = KernelFile::new(host.proc("softirqs"));
    let mut buffer = Vec::new();
    Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
        for (kind, counts) in parse(file.read(&mut buffer)?)? {
            for (cpu, count) in counts.into_iter().enumerate() {
                let mut digits = itoa::Buffer::new();
                out.put(&FUNCTIONS, &[digits.format(cpu), kind], count as f64);
            }
        }
        Ok(())
    }))
}

/// Counts by type and column.
pub fn parse(contents: &[u8]) -> Result<Vec<(&'static str, Vec<u64>)>, String> {
    let mut lines = text::lines(contents);
    lines
        .next()
        .ok_or("softirqs: expected a line of processors")?;
    let mut rows = Vec::new();
    for line in lines {
        let mut words = text::words(line);
        let label = words.next().unwrap_or_default();
        let label = label.strip_suffix(b":").unwrap_or_default();
        let Some(kind) = TYPES.iter().find(|t| t.as_bytes() == label) else {
            continue;
        };
        let counts: Option<Vec<u64>> = words.map(text::uint).collect();
        rows.push((
            *kind,
            counts.ok_or_else(|| format!("softirqs: expected whole numbers behind {kind}"))?,
        ));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use crate::testing::Tree;
    use proptest::prelude::*;

    #[test]
    fn rows() {
        let tree = Tree::new().file(
            "proc/softirqs",
            "  CPU0 CPU1\nHI: 3 7\nOTHER: x\nRCU: 5 6\n",
        );
        tree.collect("softirqs", &[]).expect_some(&[
            "node_softirqs_functions_total{cpu=\"1\",type=\"HI\"} 7",
            "node_softirqs_functions_total{cpu=\"0\",type=\"RCU\"} 5",
        ]);
        tree.write("proc/softirqs", "");
        tree.collect("softirqs", &[]).expect_failure("processors");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = super::parse(&bytes);
        }
    }
}
