//! Memory of NUMA nodes, from `devices/system/node` of sysfs (`admin-guide/numastat`).

use crate::host::Host;
use crate::kernel::{glob, read_once, text};
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Scrape};
use exporter_core::exposition::{Arena, Dynamic, Family, Kind};

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

static FIELD: Family = Family::gauge(
    "node_memory_numa_<field>",
    &["node"],
    "Field of a node's meminfo, in bytes where it is a size.",
);
static COUNTER: Family = Family::counter(
    "node_memory_numa_<counter>_total",
    &["node"],
    "Counter of a node's numastat.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&FIELD, &COUNTER]
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    let root = host.sys("devices/system/node");
    Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
        let mut found = Vec::new();
        for name in glob(&root, "node[0-9]*") {
            let meminfo = read_once(root.join(&name).join("meminfo"))?;
            found.extend(
                parse_meminfo(&meminfo)?
                    .into_iter()
                    .map(|v| (v, Kind::Gauge)),
            );
            let numastat = read_once(root.join(&name).join("numastat"))?;
            let node = name.trim_start_matches("node").to_owned();
            let counters = parse_numastat(&numastat)?.into_iter();
            found.extend(
                counters.map(|(n, v)| ((format!("{n}_total"), node.clone(), v), Kind::Counter)),
            );
        }
        for ((name, node, value), kind) in found {
            let help = if kind == Kind::Gauge {
                FIELD.help
            } else {
                COUNTER.help
            };
            let name = format!("node_memory_numa_{name}");
            out.put_dynamic(
                Dynamic {
                    name: &name,
                    help,
                    kind,
                },
                &[("node", &node)],
                value,
            );
        }
        Ok(())
    }))
}

/// Name, node and value of lines such as `Node 0 MemTotal: 133907688 kB`.
pub fn parse_meminfo(contents: &[u8]) -> Result<Vec<(String, String, f64)>, String> {
    let mut fields = Vec::new();
    for line in text::lines(contents) {
        let bad = || {
            format!(
                "node meminfo: expected a node, a field and a number, got {:?}",
                String::from_utf8_lossy(line)
            )
        };
        let ([_, node, field, value, unit], count) = text::first_words::<5>(line);
        let scale = match (count, unit) {
            (0, _) => continue,
            (4, _) => 1.0,
            (5, b"kB") => 1024.0,
            _ => return Err(bad()),
        };
        let value = text::float(value).ok_or_else(bad)?;
        let field = String::from_utf8_lossy(field);
        let name = field
            .trim_end_matches(':')
            .replace('(', "_")
            .replace(')', "");
        fields.push((
            name,
            String::from_utf8_lossy(node).into_owned(),
            value * scale,
        ));
    }
    Ok(fields)
}

/// Name and value of lines such as `numa_hit 193460335812`.
pub fn parse_numastat(contents: &[u8]) -> Result<Vec<(String, f64)>, String> {
    text::lines(contents)
        .filter(|line| !line.trim_ascii().is_empty())
        .map(|line| {
            let ([name, value], count) = text::first_words::<2>(line);
            match (text::float(value), count) {
                (Some(value), 2) => Ok((String::from_utf8_lossy(name).into_owned(), value)),
                _ => Err(format!(
                    "numastat: expected a name and a number, got {:?}",
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
    fn nodes() {
        let tree = Tree::new()
            .file("sys/devices/system/node/node0/meminfo", "Node 0 MemTotal:       133 kB\nNode 0 Active(anon): 2 kB\nNode 0 HugePages_Free:     5\n")
            .file("sys/devices/system/node/node0/numastat", "numa_hit 12\n\n");
        tree.collect("meminfo_numa", &[]).expect(
            "node_memory_numa_Active_anon{node=\"0\"} 2048\nnode_memory_numa_HugePages_Free{node=\"0\"} 5\n\
             node_memory_numa_MemTotal{node=\"0\"} 136192\nnode_memory_numa_numa_hit_total{node=\"0\"} 12\n",
        );
        let tree = tree.dir("sys/devices/system/node/node1");
        tree.collect("meminfo_numa", &[]).expect_failure("node1");
        Tree::new().collect("meminfo_numa", &[]).expect("");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = (super::parse_meminfo(&bytes), super::parse_numastat(&bytes));
        }
    }
}
