//! Network statistics by processor, from `net/stat` of procfs.

use crate::host::{Host, require};
use crate::kernel::{glob, read_once, text};
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Scrape};
use exporter_core::exposition::{Arena, Dynamic, Family, Kind};

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

static COLUMN: Family = Family::counter(
    "node_lnstat_<column>_total",
    &["cpu", "subsystem"],
    "Column of a file in net/stat.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&COLUMN]
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    let proc = host.proc.clone();
    let root = host.proc("net/stat");
    Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
        require("procfs", &proc)?;
        let mut found = Vec::new();
        for file in glob(&root, "*") {
            let contents = read_once(root.join(&file))?;
            let columns = parse(&contents).map_err(|e| format!("net/stat/{file}: {e}"))?;
            found.push((file, columns));
        }
        for (file, columns) in &found {
            for (column, values) in columns {
                let name = format!("node_lnstat_{column}_total");
                let family = Dynamic {
                    name: &name,
                    help: COLUMN.help,
                    kind: Kind::Counter,
                };
                for (cpu, value) in values.iter().enumerate() {
                    let mut digits = itoa::Buffer::new();
                    let labels = [("cpu", digits.format(cpu)), ("subsystem", file)];
                    out.put_dynamic(family, &labels, *value as f64);
                }
            }
        }
        Ok(())
    }))
}

/// Columns and their values, a line each.
pub fn parse(contents: &[u8]) -> Result<Vec<(String, Vec<u64>)>, String> {
    let mut lines = text::lines(contents);
    let header = text::words(lines.next().unwrap_or_default());
    let header: Vec<String> = header
        .map(|w| String::from_utf8_lossy(w).into_owned())
        .collect();
    let mut columns: Vec<(String, Vec<u64>)> = Vec::new();
    for line in lines {
        for (at, word) in text::words(line).enumerate() {
            let name = header
                .get(at)
                .ok_or("a line has more values than there are names")?;
            let value = text::radix(word, 16).ok_or("expected hexadecimal numbers")?;
            match columns.iter_mut().find(|c| c.0 == *name) {
                Some(column) => column.1.push(value),
                None => columns.push((name.clone(), vec![value])),
            }
        }
    }
    Ok(columns)
}

#[cfg(test)]
mod tests {
    use crate::testing::Tree;
    use proptest::prelude::*;

    #[test]
    fn columns() {
        let tree = Tree::new().file(
            "proc/net/stat/arp_cache",
            "entries  allocs\n00000014 00000001\n00000014 0000000d\n",
        );
        tree.collect("lnstat", &[]).expect(
            "node_lnstat_allocs_total{cpu=\"0\",subsystem=\"arp_cache\"} 1\nnode_lnstat_allocs_total{cpu=\"1\",subsystem=\"arp_cache\"} 13\n\
             node_lnstat_entries_total{cpu=\"0\",subsystem=\"arp_cache\"} 20\nnode_lnstat_entries_total{cpu=\"1\",subsystem=\"arp_cache\"} 20\n",
        );
        tree.write("proc/net/stat/bad", "a\n1 2\n");
        tree.collect("lnstat", &[]).expect_failure("more values");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = super::parse(&bytes);
        }
    }
}
