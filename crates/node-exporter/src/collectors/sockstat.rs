//! Sockets by protocol, from `net/sockstat` and `net/sockstat6` of procfs.

use crate::host::{Host, require};
use crate::kernel::{KernelFile, text};
use crate::whole::whole;
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Scrape};
use exporter_core::exposition::{Arena, Dynamic, Family, Kind};

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

static USED: Family = Family::gauge("node_sockstat_sockets_used", &[], "Sockets in use.");
static OTHERS: Family = Family::gauge(
    "node_sockstat_<protocol>_<key>",
    &[],
    "Sockets of a protocol: inuse, orphan, tw, alloc, mem (pages), memory and mem_bytes.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&USED, &OTHERS]
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    let proc = host.proc.clone();
    let mut files = ["net/sockstat", "net/sockstat6"].map(|f| KernelFile::new(host.proc(f)));
    let mut buffer = Vec::new();
    let mut name = String::new();
    Ok(whole(move |out: &mut Arena, _: &Scrape| {
        for file in &mut files {
            let contents = match file.read(&mut buffer) {
                Ok(contents) => contents,
                Err(unread) if unread.is_missing() => {
                    require("procfs", &proc)?;
                    tracing::debug!("{unread}");
                    continue;
                }
                Err(unread) => return Err(unread.into()),
            };
            for protocol in parse(contents)? {
                put(out, &protocol, &mut name);
            }
        }
        Ok(())
    }))
}

/// One line.
pub struct Protocol<'a> {
    name: &'a str,
    pairs: Vec<(&'a str, i64)>,
}

fn put(out: &mut Arena, protocol: &Protocol<'_>, name: &mut String) {
    let value = |key: &str| {
        protocol
            .pairs
            .iter()
            .find(|p| p.0 == key)
            .map(|p| p.1 as f64)
    };
    if protocol.name == "sockets" {
        out.put(&USED, &[], value("used").unwrap_or(0.0));
        return;
    }
    let mut put = |key: &str, value: f64| {
        name.clear();
        for part in ["node_sockstat_", protocol.name, "_", key] {
            name.push_str(part);
        }
        let help = match key {
            "mem_bytes" => "Memory of sockets of a protocol in bytes.",
            _ => "Sockets of a protocol by state, or their memory.",
        };
        let family = Dynamic {
            name,
            help,
            kind: Kind::Gauge,
        };
        out.put_dynamic(family, &[], value);
    };
    put("inuse", value("inuse").unwrap_or(0.0));
    for key in ["orphan", "tw", "alloc", "mem", "memory"] {
        if let Some(value) = value(key) {
            put(key, value);
        }
    }
    if let Some(pages) = value("mem") {
        put("mem_bytes", pages * rustix::param::page_size() as f64);
    }
}

/// Reads lines such as `TCP: inuse 4 orphan 0`.
pub fn parse(contents: &[u8]) -> Result<Vec<Protocol<'_>>, String> {
    let contents = std::str::from_utf8(contents).map_err(|_| "sockstat: no UTF-8".to_owned())?;
    let mut protocols = Vec::new();
    for line in contents.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [name, pairs @ ..] = words.as_slice() else {
            continue;
        };
        if pairs.len() < 2 || pairs.len() % 2 == 1 {
            return Err(format!(
                "sockstat: expected pairs of key and value, got {line:?}"
            ));
        }
        let pairs = pairs.chunks_exact(2).map(|pair| {
            let value = text::prefixed_int(pair[1].as_bytes());
            Ok((
                pair[0],
                value.ok_or_else(|| format!("sockstat: expected a number behind {}", pair[0]))?,
            ))
        });
        protocols.push(Protocol {
            name: name.strip_suffix(':').unwrap_or(name),
            pairs: pairs.collect::<Result<_, String>>()?,
        });
    }
    Ok(protocols)
}

#[cfg(test)]
mod tests {
    use crate::testing::Tree;
    use proptest::prelude::*;

    #[test]
    fn protocols() {
        let page = rustix::param::page_size();
        let tree = Tree::new()
            .file("proc/net/sockstat", "sockets: used 229\nTCP: inuse 4 orphan 0 tw 4 alloc 17 mem 1\nFRAG: inuse 0 memory 0\n")
            .file("proc/net/sockstat6", "TCP6: inuse 17\n");
        tree.collect("sockstat", &[]).expect(&format!(
            "node_sockstat_FRAG_inuse 0\nnode_sockstat_FRAG_memory 0\nnode_sockstat_TCP6_inuse 17\n\
             node_sockstat_TCP_alloc 17\nnode_sockstat_TCP_inuse 4\nnode_sockstat_TCP_mem 1\n\
             node_sockstat_TCP_mem_bytes {page}\nnode_sockstat_TCP_orphan 0\nnode_sockstat_TCP_tw 4\n\
             node_sockstat_sockets_used 229\n"
        ));
        tree.write("proc/net/sockstat", "TCP: inuse\n");
        tree.collect("sockstat", &[]).expect_whole_failure("pairs");
        Tree::new().collect("sockstat", &[]).expect("");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = super::parse(&bytes);
        }
    }
}
