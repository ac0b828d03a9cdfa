//! Packets handed to the network stack, from `net/softnet_stat` of procfs (`net/core/net-procfs.c`
//! names the columns).

use crate::host::Host;
use crate::kernel::{KernelFile, text};
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Scrape};
use exporter_core::exposition::{Arena, Family};

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

const CPU: &[&str] = &["cpu"];

/// Families and their column, counted from 0.
static COLUMNS: [(usize, Family); 6] = [
    (
        0,
        Family::counter("node_softnet_processed_total", CPU, "Packets processed."),
    ),
    (
        1,
        Family::counter("node_softnet_dropped_total", CPU, "Packets dropped."),
    ),
    (
        2,
        Family::counter(
            "node_softnet_times_squeezed_total",
            CPU,
            "Times that processing stopped with packets left.",
        ),
    ),
    (
        8,
        Family::counter(
            "node_softnet_cpu_collision_total",
            CPU,
            "Collisions on sending, 0 since Linux 4.8.",
        ),
    ),
    (
        9,
        Family::counter(
            "node_softnet_received_rps_total",
            CPU,
            "Times that a processor was woken to process packets.",
        ),
    ),
    (
        10,
        Family::counter(
            "node_softnet_flow_limit_count_total",
            CPU,
            "Times that the flow limit was reached.",
        ),
    ),
];
static BACKLOG: Family = Family::gauge("node_softnet_backlog_len", CPU, "Packets in the backlog.");

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    COLUMNS.iter().map(|c| &c.1).chain([&BACKLOG]).collect()
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    host.require_proc()?;
    let mut file = KernelFile::new(host.proc("net/softnet_stat"));
    let mut buffer = Vec::new();
    Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
        let rows = parse(file.read(&mut buffer)?)?;
        for row in &rows {
            let mut digits = itoa::Buffer::new();
            let cpu = digits.format(row.cpu);
            for (column, family) in &COLUMNS {
                out.put(family, &[cpu], f64::from(row.columns[*column]));
            }
            out.put(&BACKLOG, &[cpu], f64::from(row.backlog));
        }
        Ok(())
    }))
}

/// One line.
#[derive(Debug)]
pub struct Row {
    cpu: u32,
    columns: [u32; 13],
    backlog: u32,
}

/// Reads lines of at least nine hexadecimal columns.
pub fn parse(contents: &[u8]) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    for (index, line) in text::lines(contents).enumerate() {
        let (words, count) = text::first_words::<13>(line);
        if count < 9 {
            return Err("softnet_stat: expected at least nine columns".to_owned());
        }
        // What is not exposed need not be a number.
        let named = count >= 13;
        let used = [0, 1, 2, 8, 9, 10].into_iter();
        let used = used.chain(if named { 11..13 } else { 0..0 });
        let mut columns = [0; 13];
        for at in used.filter(|at| *at < count) {
            let (column, word) = (&mut columns[at], words[at]);
            let value = text::radix(word, 16).and_then(|v| u32::try_from(v).ok());
            *column = value.ok_or("softnet_stat: expected hexadecimal numbers of 32 bits")?;
        }
        rows.push(Row {
            cpu: if named { columns[12] } else { index as u32 },
            columns,
            backlog: if named { columns[11] } else { 0 },
        });
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use crate::testing::Tree;
    use proptest::prelude::*;

    #[test]
    fn old_and_new_lines() {
        let old = "00015c73 00020e76 f0000769 0 0 0 0 0 00000000\n";
        let new = "000000ff 0 0 0 0 0 0 0 1 2 3 00000004 00000007\n";
        let tree = Tree::new().file("proc/net/softnet_stat", format!("{old}{new}"));
        tree.collect("softnet", &[]).expect_some(&[
            "node_softnet_processed_total{cpu=\"0\"} 89203",
            "node_softnet_backlog_len{cpu=\"7\"} 4",
            "node_softnet_flow_limit_count_total{cpu=\"7\"} 3",
        ]);
        tree.write("proc/net/softnet_stat", "1 2\n");
        tree.collect("softnet", &[]).expect_failure("nine");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = super::parse(&bytes);
        }
    }
}
