//! Load averages, from `loadavg` of procfs (see `filesystems/proc` of the kernel documentation).

use crate::host::Host;
use crate::kernel::{KernelFile, text};
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Error, Scrape};
use exporter_core::exposition::{Arena, Family};

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

static LOADS: [Family; 3] = [
    Family::gauge("node_load1", &[], "Load average over one minute."),
    Family::gauge("node_load5", &[], "Load average over five minutes."),
    Family::gauge("node_load15", &[], "Load average over fifteen minutes."),
];

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    LOADS.iter().collect()
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    Ok(Box::new(Loadavg {
        file: KernelFile::new(host.proc("loadavg")),
        buffer: Vec::new(),
    }))
}

struct Loadavg {
    file: KernelFile,
    buffer: Vec<u8>,
}

impl Collector for Loadavg {
    fn collect(&mut self, out: &mut Arena, _: &Scrape) -> Result<(), Error> {
        let loads = parse(self.file.read(&mut self.buffer)?)?;
        for (family, load) in LOADS.iter().zip(loads) {
            out.put(family, &[], load);
        }
        Ok(())
    }
}

/// Reads the first three words of `0.20 0.18 0.12 1/80 11206`.
pub fn parse(text: &[u8]) -> Result<[f64; 3], String> {
    let (words, count) = text::first_words::<3>(text);
    if count < 3 {
        return Err("loadavg: expected at least three words".to_owned());
    }
    let mut loads = [0.0; 3];
    for (load, word) in loads.iter_mut().zip(words) {
        *load = text::float(word).ok_or_else(|| {
            format!(
                "loadavg: expected a number, got {:?}",
                String::from_utf8_lossy(word)
            )
        })?;
    }
    Ok(loads)
}

#[cfg(test)]
mod tests {
    use crate::testing::Tree;
    use proptest::prelude::*;

    #[test]
    fn three_averages() {
        let tree = Tree::new().file("proc/loadavg", "0.21 0.37 0.39 1/719 19737\n");
        tree.collect("loadavg", &[])
            .expect("node_load1 0.21\nnode_load15 0.39\nnode_load5 0.37\n");
    }

    #[test]
    fn anything_else_fails() {
        let tree = Tree::new().file("proc/loadavg", "0.21 x 0.39\n");
        tree.collect("loadavg", &[])
            .expect_failure("expected a number");
        Tree::new()
            .collect("loadavg", &[])
            .expect_failure("loadavg");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = super::parse(&bytes);
        }
    }
}
