//! The IP virtual server, from `net/ip_vs_stats` and `net/ip_vs` of procfs (`networking/ipvs-sysctl`).

use crate::host::Host;
use crate::kernel::{KernelFile, Unread, text};
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Error, Scrape};
use exporter_core::exposition::{Arena, Family};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

exporter_core::flags! {
    /// Flags of this collector.
    pub struct Flags {
        /// Labels of the backend series, separated by commas.
        "collector.ipvs.backend-labels" labels: String = ["local_address,local_port,remote_address,remote_port,proto,local_mark"];
    }
}

/// Flags of this collector.
pub const FLAGS: &[Flag] = Flags::TABLE;

static TOTALS: [Family; 5] = [
    Family::counter("node_ipvs_connections_total", &[], "Connections."),
    Family::counter(
        "node_ipvs_incoming_packets_total",
        &[],
        "Packets to backends.",
    ),
    Family::counter(
        "node_ipvs_outgoing_packets_total",
        &[],
        "Packets from backends.",
    ),
    Family::counter("node_ipvs_incoming_bytes_total", &[], "Bytes to backends."),
    Family::counter(
        "node_ipvs_outgoing_bytes_total",
        &[],
        "Bytes from backends.",
    ),
];
const LABELS: &[&str] = &[
    "local_address",
    "local_mark",
    "local_port",
    "proto",
    "remote_address",
    "remote_port",
];
static ACTIVE: Family = Family::gauge(
    "node_ipvs_backend_connections_active",
    LABELS,
    "Active connections of a backend.",
);
static INACTIVE: Family = Family::gauge(
    "node_ipvs_backend_connections_inactive",
    LABELS,
    "Inactive connections of a backend.",
);
static WEIGHT: Family = Family::gauge("node_ipvs_backend_weight", LABELS, "Weight of a backend.");

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    TOTALS.iter().chain([&ACTIVE, &INACTIVE, &WEIGHT]).collect()
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    host.require_proc()?;
    let flags = Flags::read(&host.matches)?;
    let wanted = wanted_labels(&flags.labels)?;
    let mut stats = KernelFile::new(host.proc("net/ip_vs_stats"));
    let mut table = KernelFile::new(host.proc("net/ip_vs"));
    let mut buffer = Vec::new();
    Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
        let contents = stats
            .read(&mut buffer)
            .map_err(Unread::no_data_if_missing)?;
        for (family, value) in TOTALS.iter().zip(parse_stats(contents)?) {
            out.put(family, &[], value as f64);
        }
        let mut sums: BTreeMap<Vec<String>, [u64; 3]> = BTreeMap::new();
        for backend in parse_table(table.read(&mut buffer)?)? {
            let values: Vec<String> = wanted
                .iter()
                .map(|at| backend.labels[*at].clone())
                .collect();
            let sum = sums.entry(values).or_default();
            for (sum, value) in sum.iter_mut().zip(backend.numbers) {
                *sum = sum.wrapping_add(value);
            }
        }
        for (values, numbers) in &sums {
            let pairs: Vec<(&str, &str)> = wanted
                .iter()
                .map(|at| LABELS[*at])
                .zip(values.iter().map(String::as_str))
                .collect();
            for (family, value) in [&WEIGHT, &ACTIVE, &INACTIVE].into_iter().zip(numbers) {
                out.put_pairs(family, &pairs, *value as f64);
            }
        }
        Ok::<(), Error>(())
    }))
}

/// Positions of the labels that are wanted.
fn wanted_labels(list: &str) -> Result<Vec<usize>, String> {
    let names: Vec<&str> = list.split(',').filter(|l| !l.is_empty()).collect();
    let mut unknown: Vec<&str> = names
        .iter()
        .copied()
        .filter(|n| !LABELS.contains(n))
        .collect();
    unknown.sort_unstable();
    match unknown.is_empty() {
        true => Ok((0..LABELS.len())
            .filter(|at| names.contains(&LABELS[*at]))
            .collect()),
        false => Err(format!(
            "unknown IPVS backend labels: {:?}",
            unknown.join(", ")
        )),
    }
}

/// The five hexadecimal totals of the third line.
pub fn parse_stats(contents: &[u8]) -> Result<[u64; 5], String> {
    let bad = "ip_vs_stats: expected five hexadecimal numbers on the third line";
    let lines: Vec<&[u8]> = contents.split(|b| *b == b'\n').collect();
    let (words, 5) = text::first_words::<5>(lines.get(2).filter(|_| lines.len() >= 4).ok_or(bad)?)
    else {
        return Err(bad.to_owned());
    };
    let mut values = [0; 5];
    for (value, word) in values.iter_mut().zip(words) {
        *value = text::radix(word, 16).ok_or(bad)?;
    }
    Ok(values)
}

/// One backend: values of [`LABELS`]; weight, active and inactive connections.
#[derive(Clone, Debug)]
pub struct Backend {
    labels: [String; 6],
    numbers: [u64; 3],
}

/// Reads services and their backends.
pub fn parse_table(contents: &[u8]) -> Result<Vec<Backend>, String> {
    let mut backends = Vec::new();
    // Address, port, protocol and mark of the service that backends belong to.
    let mut service = (String::new(), "0".to_owned(), String::new(), String::new());
    for line in text::lines(contents) {
        let words: Vec<&[u8]> = text::words(line).collect();
        match words.as_slice() {
            [b"IP" | b"Prot", ..] | [_, b"RemoteAddress:Port", ..] => {}
            [protocol @ (b"TCP" | b"UDP"), local, ..] => {
                let (address, port) = endpoint(local)?;
                service = (
                    address,
                    port,
                    String::from_utf8_lossy(protocol).into_owned(),
                    String::new(),
                );
            }
            [b"FWM", mark, ..] => {
                service = (
                    String::new(),
                    "0".to_owned(),
                    "FWM".to_owned(),
                    String::from_utf8_lossy(mark).into_owned(),
                );
            }
            [b"->", remote, _, weight, active, inactive, ..] => {
                let (address, port) = endpoint(remote)?;
                let number = |word| {
                    text::uint(word).ok_or("ip_vs: expected whole numbers of a backend".to_owned())
                };
                let (local, local_port, protocol, mark) = service.clone();
                backends.push(Backend {
                    labels: [local, mark, local_port, protocol, address, port],
                    numbers: [number(weight)?, number(active)?, number(inactive)?],
                });
            }
            _ => {}
        }
    }
    Ok(backends)
}

/// `C0A80016:0CEA`, or eight groups in brackets.
fn endpoint(word: &[u8]) -> Result<(String, String), String> {
    let shown = String::from_utf8_lossy(word).into_owned();
    let bad = || format!("ip_vs: expected an address and a port, got {shown:?}");
    let colon = memchr::memrchr(b':', word).ok_or_else(bad)?;
    let port = text::radix(&word[colon + 1..], 16)
        .and_then(|p| u16::try_from(p).ok())
        .ok_or_else(bad)?;
    let address = match word.len() {
        13 => {
            let bits = text::radix(&word[..colon], 16).and_then(|b| u32::try_from(b).ok());
            Ipv4Addr::from(bits.ok_or_else(bad)?).to_string()
        }
        46 => {
            let inside = shown.get(1..colon.saturating_sub(1)).unwrap_or_default();
            let address: Ipv6Addr = inside.parse().map_err(|_| bad())?;
            address.to_canonical().to_string()
        }
        _ => return Err(bad()),
    };
    Ok((address, port.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;
    use proptest::prelude::*;

    const STATS: &str = "   Total Incoming Outgoing         Incoming         Outgoing\n   Conns  Packets  Packets            Bytes            Bytes\n 16AA370 E33656E5        0     51D8C8883AB3                0\n\n";
    const TABLE: &str = "IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port Forward Weight ActiveConn InActConn\nTCP  C0A80016:0CEA wlc\n  -> C0A85216:0CEA      Tunnel  100    248        2\n  -> C0A85318:0CEA      Tunnel  20     1          0\nFWM  10001000 wlc\n  -> [2620:0000:0000:0000:0000:0000:0000:0001]:0050 Route 1 3 7\n  -> [0000:0000:0000:0000:0000:FFFF:0A00:0001]:0050 Route 2 0 0\n";

    #[test]
    fn totals_and_backends() {
        let tree = Tree::new()
            .file("proc/net/ip_vs_stats", STATS)
            .file("proc/net/ip_vs", TABLE);
        tree.collect("ipvs", &[]).expect_some(&[
            "node_ipvs_connections_total 23765872",
            "node_ipvs_backend_weight{local_address=\"192.168.0.22\",local_mark=\"\",local_port=\"3306\",proto=\"TCP\",remote_address=\"192.168.82.22\",remote_port=\"3306\"} 100",
            "node_ipvs_backend_connections_inactive{local_address=\"\",local_mark=\"10001000\",local_port=\"0\",proto=\"FWM\",remote_address=\"2620::1\",remote_port=\"80\"} 7",
            "node_ipvs_backend_weight{local_address=\"\",local_mark=\"10001000\",local_port=\"0\",proto=\"FWM\",remote_address=\"10.0.0.1\",remote_port=\"80\"} 2",
        ]);
        tree.collect("ipvs", &[("collector.ipvs.backend-labels", "proto")])
            .expect_some(&["node_ipvs_backend_weight{proto=\"TCP\"} 120"]);
        let error = tree
            .make("ipvs", &[("collector.ipvs.backend-labels", "b,proto,a")])
            .err()
            .unwrap();
        assert_eq!(error, "unknown IPVS backend labels: \"a, b\"");
        Tree::new().collect("ipvs", &[]).expect_no_data();
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = (parse_stats(&bytes), parse_table(&bytes), endpoint(&bytes));
        }
    }
}
