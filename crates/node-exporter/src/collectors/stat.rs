//! Interrupts, context switches, forks and processes, from `stat` of procfs (`filesystems/proc`).

use crate::host::Host;
use crate::kernel::text;
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Scrape};
use exporter_core::exposition::{Arena, Family};

exporter_core::flags! {
    /// Flags of this collector.
    pub struct Flags {
        /// Expose soft interrupts by vector.
        "collector.stat.softirq" softirq: bool = ["false"];
    }
}

/// Flags of this collector.
pub const FLAGS: &[Flag] = Flags::TABLE;

/// Families and the word that their line starts with.
static LINES: [(&str, Family); 6] = [
    (
        "intr",
        Family::counter("node_intr_total", &[], "Interrupts serviced."),
    ),
    (
        "ctxt",
        Family::counter("node_context_switches_total", &[], "Context switches."),
    ),
    (
        "processes",
        Family::counter("node_forks_total", &[], "Forks."),
    ),
    (
        "btime",
        Family::gauge(
            "node_boot_time_seconds",
            &[],
            "Time of boot in seconds since the epoch.",
        ),
    ),
    (
        "procs_running",
        Family::gauge("node_procs_running", &[], "Processes that run or could."),
    ),
    (
        "procs_blocked",
        Family::gauge("node_procs_blocked", &[], "Processes that wait for I/O."),
    ),
];
static SOFTIRQS: Family = Family::counter(
    "node_softirqs_total",
    &["vector"],
    "Soft interrupts serviced.",
);
const VECTORS: [&str; 10] = [
    "hi",
    "timer",
    "net_tx",
    "net_rx",
    "block",
    "block_iopoll",
    "tasklet",
    "sched",
    "hrtimer",
    "rcu",
];

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    LINES.iter().map(|l| &l.1).chain([&SOFTIRQS]).collect()
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    host.require_proc()?;
    let flags = Flags::read(&host.matches)?;
    let file = host.stat.clone();
    Ok(Box::new(move |out: &mut Arena, scrape: &Scrape| {
        let contents = file.read(scrape)?;
        check(&contents)?;
        let stat = parse(&contents)?;
        for ((_, family), value) in LINES.iter().zip(stat.values) {
            out.put(family, &[], value as f64);
        }
        if flags.softirq {
            for (vector, value) in VECTORS.iter().zip(stat.softirqs) {
                out.put(&SOFTIRQS, &[vector], value as f64);
            }
        }
        Ok(())
    }))
}

/// What the lines say, 0 for absent ones.
#[derive(Debug, Default)]
pub struct Stat {
    values: [u64; 6],
    softirqs: [u64; 10],
}

/// Reads lines that [`check`] has found well formed.
pub fn parse(contents: &[u8]) -> Result<Stat, String> {
    let number = |word: &[u8]| {
        text::uint(word).ok_or_else(|| {
            let word = String::from_utf8_lossy(word);
            format!("stat: expected numbers of 64 bits, got {word:?}")
        })
    };
    let mut stat = Stat::default();
    for line in text::lines(contents) {
        let mut words = text::words(line);
        let keyword = words.next().unwrap_or_default();
        if keyword == b"softirq" {
            for (value, word) in stat.softirqs.iter_mut().zip(words.skip(1)) {
                *value = number(word)?;
            }
        } else if let Some(at) = LINES.iter().position(|l| l.0.as_bytes() == keyword) {
            stat.values[at] = words.next().map_or(Ok(0), number)?;
        }
    }
    Ok(stat)
}

fn is_number_byte(byte: &u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b' ' | b'\t')
}

/// A malformed line fails the whole file.
pub(super) fn check(contents: &[u8]) -> Result<(), String> {
    for line in text::lines(contents) {
        let (keyword, rest) = match memchr::memchr(b' ', line) {
            Some(at) => line.split_at(at),
            None => continue,
        };
        let fine = match keyword {
            b"ctxt" | b"processes" | b"btime" | b"procs_running" | b"procs_blocked" => {
                let first = text::words(rest).next();
                first.is_none_or(|n| text::uint(n).is_some())
            }
            // Thousands of numbers may stand here; none is longer than what is read of it.
            b"intr" => rest.iter().all(is_number_byte),
            b"softirq" => {
                let numbers = rest.iter().all(is_number_byte);
                numbers && text::words(rest).count() >= 11
            }
            keyword if keyword.starts_with(b"cpu") => {
                let number = &keyword[3..];
                (number.is_empty() || text::int(number).is_some())
                    && text::words(rest).take(10).all(|w| text::float(w).is_some())
            }
            _ => true,
        };
        if !fine {
            let keyword = String::from_utf8_lossy(keyword);
            return Err(format!("stat: expected numbers on the line of {keyword}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Tree;
    use proptest::prelude::*;

    #[test]
    fn lines() {
        let text = "cpu 1 2 3\nintr 8885917 17\t0\nctxt 38014093\nbtime 1418183276\nprocesses 26442\n\
                    procs_running 2 x\nprocs_blocked 1\nsoftirq 5057579 250191 1481983 1647 211099 186066 0 1783454 622196 12499 508444\n";
        let tree = Tree::new().file("proc/stat", text);
        tree.collect("stat", &[("collector.stat.softirq", "true")])
            .expect_some(&[
                "node_intr_total 8885917",
                "node_context_switches_total 38014093",
                "node_boot_time_seconds 1418183276",
                "node_forks_total 26442",
                "node_procs_running 2",
                "node_procs_blocked 1",
                "node_softirqs_total{vector=\"rcu\"} 508444",
            ]);
        for bad in [
            "softirq 1 2 3\n",
            "cpux 1 2\n",
            "intr 18446744073709551616\n",
        ] {
            tree.write("proc/stat", bad);
            tree.collect("stat", &[])
                .expect_whole_failure("expected numbers");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = super::check(&bytes);
            let _ = super::parse(&bytes);
        }
    }
}
