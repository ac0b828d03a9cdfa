//! Bytes queued in UDP sockets, from `net/udp` and `net/udp6` of procfs.

use crate::host::Host;
use crate::kernel::{KernelFile, text};
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Error, Scrape};
use exporter_core::exposition::{Arena, Family};

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

static QUEUES: Family = Family::gauge(
    "node_udp_queues",
    &["ip", "queue"],
    "Bytes queued in UDP sockets.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&QUEUES]
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    host.require_proc()?;
    let mut files =
        [("v4", "net/udp"), ("v6", "net/udp6")].map(|(ip, f)| (ip, KernelFile::new(host.proc(f))));
    let mut buffer = Vec::new();
    Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
        let mut any = false;
        for (ip, file) in &mut files {
            let contents = match file.read(&mut buffer) {
                Ok(contents) => contents,
                Err(unread) if unread.is_missing() => continue,
                Err(unread) => return Err(unread.into()),
            };
            let (tx, rx) = parse(contents)?;
            out.put(&QUEUES, &[ip, "tx"], tx as f64);
            out.put(&QUEUES, &[ip, "rx"], rx as f64);
            any = true;
        }
        match any {
            true => Ok(()),
            false => Err(Error::no_data("neither net/udp nor net/udp6 exists")),
        }
    }))
}

/// Sums of the send and the receive queues.
pub fn parse(contents: &[u8]) -> Result<(u64, u64), String> {
    let mut sums = (0u64, 0u64);
    for line in text::lines(contents).skip(1) {
        let (words, count) = text::first_words::<5>(line);
        let queues = words[4].split(|b| *b == b':').map(|q| text::radix(q, 16));
        let queues: Vec<Option<u64>> = queues.collect();
        let ([Some(tx), Some(rx)], 13..) = (queues.as_slice(), count) else {
            return Err("net/udp: expected lines of 13 words with two queues".to_owned());
        };
        sums = (sums.0.wrapping_add(*tx), sums.1.wrapping_add(*rx));
    }
    Ok(sums)
}

#[cfg(test)]
mod tests {
    use crate::testing::Tree;
    use proptest::prelude::*;

    #[test]
    fn sums() {
        let line = "   0: 00000000:0016 00000000:0000 0A 00000015:00000001 00:00000000 00000000     0        0 2740 1 ffff 100 0\n";
        let tree = Tree::new().file("proc/net/udp", format!("header\n{line}{line}"));
        tree.collect("udp_queues", &[]).expect("node_udp_queues{ip=\"v4\",queue=\"rx\"} 2\nnode_udp_queues{ip=\"v4\",queue=\"tx\"} 42\n");
        tree.write("proc/net/udp6", "header\nshort\n");
        tree.collect("udp_queues", &[]).expect_failure("13 words");
        Tree::new().collect("udp_queues", &[]).expect_no_data();
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = super::parse(&bytes);
        }
    }
}
