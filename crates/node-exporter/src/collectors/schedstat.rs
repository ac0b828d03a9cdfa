//! Scheduler statistics, from `schedstat` of procfs (`scheduler/sched-stats`).

use crate::host::Host;
use crate::kernel::{KernelFile, Unread, text};
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Error, Scrape};
use exporter_core::exposition::{Arena, Family};

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

const CPU: &[&str] = &["cpu"];
static RUNNING: Family = Family::counter(
    "node_schedstat_running_seconds_total",
    CPU,
    "Time that tasks ran on a processor in seconds.",
);
static WAITING: Family = Family::counter(
    "node_schedstat_waiting_seconds_total",
    CPU,
    "Time that tasks waited for a processor in seconds.",
);
static TIMESLICES: Family = Family::counter(
    "node_schedstat_timeslices_total",
    CPU,
    "Time slices run on a processor.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&RUNNING, &WAITING, &TIMESLICES]
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    host.require_proc()?;
    let mut file = KernelFile::new(host.proc("schedstat"));
    let mut buffer = Vec::new();
    Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
        let contents = file.read(&mut buffer).map_err(Unread::no_data_if_missing)?;
        for line in text::lines(contents) {
            if let Some((cpu, [running, waiting, timeslices])) = parse(line) {
                out.put(&RUNNING, &[cpu], running as f64 / 1e9);
                out.put(&WAITING, &[cpu], waiting as f64 / 1e9);
                out.put(&TIMESLICES, &[cpu], timeslices as f64);
            }
        }
        Ok::<(), Error>(())
    }))
}

/// The number of the processor and its last three values, of what follows `cpu` in a line.
pub fn parse(line: &[u8]) -> Option<(&str, [u64; 3])> {
    let at = memchr::memmem::find(line, b"cpu")?;
    let ([cpu, values @ ..], count) = text::first_words::<10>(&line[at + 3..]);
    if count < 10 || !cpu.iter().all(u8::is_ascii_digit) {
        return None;
    }
    if !values.iter().all(|v| v.iter().all(u8::is_ascii_digit)) {
        return None;
    }
    let [.., running, waiting, timeslices] = values.map(text::uint);
    Some((
        std::str::from_utf8(cpu).ok()?,
        [running?, waiting?, timeslices?],
    ))
}

#[cfg(test)]
mod tests {
    use crate::testing::Tree;
    use proptest::prelude::*;

    #[test]
    fn processors() {
        let tree = Tree::new().file("proc/schedstat", "version 15\ntimestamp 15819019232\ncpu0 498494191 0 3533438552 2553969831 3853684107 2465731542 2045936778163039 343796328169361 4767485306\ndomain0 03 1\ncpu1 1 2\ncpu2 - 2 3 4 5 6 7 8 9\n");
        tree.collect("schedstat", &[]).expect(
            "node_schedstat_running_seconds_total{cpu=\"0\"} 2045936.778163039\n\
             node_schedstat_timeslices_total{cpu=\"0\"} 4767485306\n\
             node_schedstat_waiting_seconds_total{cpu=\"0\"} 343796.328169361\n",
        );
        Tree::new().collect("schedstat", &[]).expect_no_data();
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = super::parse(&bytes);
        }
    }
}
