//! The NFS client, from `net/rpc/nfs` of procfs (`net/sunrpc/stats.c`).

use crate::host::Host;
use crate::kernel::{KernelFile, Unread, text};
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Error, Scrape};
use exporter_core::exposition::{Arena, Family};

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

static PACKETS: Family = Family::counter(
    "node_nfs_packets_total",
    &["protocol"],
    "Packets of a transport protocol.",
);
static CONNECTIONS: Family = Family::counter("node_nfs_connections_total", &[], "TCP connections.");
static RPCS: Family = Family::counter("node_nfs_rpcs_total", &[], "Remote procedure calls.");
static RETRANSMISSIONS: Family = Family::counter(
    "node_nfs_rpc_retransmissions_total",
    &[],
    "Calls sent again.",
);
static REFRESHES: Family = Family::counter(
    "node_nfs_rpc_authentication_refreshes_total",
    &[],
    "Refreshes of authentication.",
);
static REQUESTS: Family = Family::counter(
    "node_nfs_requests_total",
    &["method", "proto"],
    "Requests by procedure and protocol version.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![
        &PACKETS,
        &CONNECTIONS,
        &RPCS,
        &RETRANSMISSIONS,
        &REFRESHES,
        &REQUESTS,
    ]
}

/// Procedures of version 2 in the order of the kernel.
pub(super) const METHODS_2: [&str; 18] = [
    "Null", "GetAttr", "SetAttr", "Root", "Lookup", "ReadLink", "Read", "WrCache", "Write",
    "Create", "Remove", "Rename", "Link", "SymLink", "MkDir", "RmDir", "ReadDir", "FsStat",
];
/// Procedures of version 3.
pub(super) const METHODS_3: [&str; 22] = [
    "Null",
    "GetAttr",
    "SetAttr",
    "Lookup",
    "Access",
    "ReadLink",
    "Read",
    "Write",
    "Create",
    "MkDir",
    "SymLink",
    "MkNod",
    "Remove",
    "RmDir",
    "Rename",
    "Link",
    "ReadDir",
    "ReadDirPlus",
    "FsStat",
    "FsInfo",
    "PathConf",
    "Commit",
];
/// Client operations of version 4.
const METHODS_4: [&str; 59] = [
    "Null",
    "Read",
    "Write",
    "Commit",
    "Open",
    "OpenConfirm",
    "OpenNoattr",
    "OpenDowngrade",
    "Close",
    "Setattr",
    "FsInfo",
    "Renew",
    "SetClientID",
    "SetClientIDConfirm",
    "Lock",
    "Lockt",
    "Locku",
    "Access",
    "Getattr",
    "Lookup",
    "LookupRoot",
    "Remove",
    "Rename",
    "Link",
    "Symlink",
    "Create",
    "Pathconf",
    "StatFs",
    "ReadLink",
    "ReadDir",
    "ServerCaps",
    "DelegReturn",
    "GetACL",
    "SetACL",
    "FsLocations",
    "ReleaseLockowner",
    "Secinfo",
    "FsidPresent",
    "ExchangeID",
    "CreateSession",
    "DestroySession",
    "Sequence",
    "GetLeaseTime",
    "ReclaimComplete",
    "GetDeviceInfo",
    "LayoutGet",
    "LayoutCommit",
    "LayoutReturn",
    "SecinfoNoName",
    "TestStateID",
    "FreeStateID",
    "GetDeviceList",
    "BindConnToSession",
    "DestroyClientID",
    "Seek",
    "Allocate",
    "DeAllocate",
    "LayoutStats",
    "Clone",
];

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    let proc = host.proc_or_default()?;
    let mut file = KernelFile::new(proc.join("net/rpc/nfs"));
    let mut buffer = Vec::new();
    Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
        let contents = file.read(&mut buffer).map_err(Unread::no_data_if_missing)?;
        let stats = parse(contents)?;
        let value = |list: &[u64], at: usize| list.get(at).copied().unwrap_or(0) as f64;
        out.put(&PACKETS, &["udp"], value(&stats.net, 1));
        out.put(&PACKETS, &["tcp"], value(&stats.net, 2));
        out.put(&CONNECTIONS, &[], value(&stats.net, 3));
        out.put(&RPCS, &[], value(&stats.rpc, 0));
        out.put(&RETRANSMISSIONS, &[], value(&stats.rpc, 1));
        out.put(&REFRESHES, &[], value(&stats.rpc, 2));
        let versions: [(&str, &[&str], &[u64]); 3] = [
            ("2", &METHODS_2, &stats.proc2),
            ("3", &METHODS_3, &stats.proc3),
            ("4", &METHODS_4, &stats.proc4),
        ];
        for (version, methods, counts) in versions {
            for (at, method) in methods.iter().enumerate() {
                out.put(&REQUESTS, &[method, version], value(counts, at));
            }
        }
        Ok::<(), Error>(())
    }))
}

/// Values behind each keyword, the count that leads a list left out.
#[derive(Debug, Default)]
pub struct Stats {
    net: Vec<u64>,
    rpc: Vec<u64>,
    proc2: Vec<u64>,
    proc3: Vec<u64>,
    proc4: Vec<u64>,
}

/// Reads all lines.
pub fn parse(contents: &[u8]) -> Result<Stats, String> {
    let mut stats = Stats::default();
    for line in text::lines(contents) {
        let (keyword, values) = numbers(line)?;
        match keyword {
            b"net" => stats.net = exactly(values, 4, "net")?,
            b"rpc" => stats.rpc = exactly(values, 3, "rpc")?,
            b"proc2" => stats.proc2 = counted(values, 18, "proc2")?,
            b"proc3" => stats.proc3 = counted(values, 22, "proc3")?,
            b"proc4" => stats.proc4 = counted(values, 0, "proc4")?,
            other => return Err(unknown(other)),
        }
    }
    Ok(stats)
}

/// The keyword of a line and its whole numbers.
pub(super) fn numbers(line: &[u8]) -> Result<(&[u8], Vec<u64>), String> {
    let mut words = text::words(line);
    let keyword = words.next().unwrap_or_default();
    let values: Option<Vec<u64>> = words.map(text::uint).collect();
    match values {
        Some(values) if !values.is_empty() => Ok((keyword, values)),
        _ => Err(format!(
            "net/rpc: expected a keyword and whole numbers, got {:?}",
            String::from_utf8_lossy(line)
        )),
    }
}

pub(super) fn unknown(keyword: &[u8]) -> String {
    format!(
        "net/rpc: unknown keyword {:?}",
        String::from_utf8_lossy(keyword)
    )
}

pub(super) fn exactly(values: Vec<u64>, count: usize, keyword: &str) -> Result<Vec<u64>, String> {
    match values.len() == count {
        true => Ok(values),
        false => Err(format!("net/rpc: expected {count} values behind {keyword}")),
    }
}

/// A list that starts with its length.
pub(super) fn counted(
    mut values: Vec<u64>,
    least: usize,
    keyword: &str,
) -> Result<Vec<u64>, String> {
    let count = values.remove(0);
    match count == values.len() as u64 && values.len() >= least {
        true => Ok(values),
        false => Err(format!(
            "net/rpc: expected the number of values behind {keyword} first, and at least {least}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Tree;
    use proptest::prelude::*;

    #[test]
    fn procedures() {
        let proc3 = format!(
            "proc3 22 {}",
            (1..=22)
                .map(|n| n.to_string())
                .collect::<Vec<_>>()
                .join(" ")
        );
        let tree = Tree::new().file(
            "proc/net/rpc/nfs",
            format!("net 70 69 45 1\nrpc 1218785755 374636 7\n{proc3}\nproc4 2 5 6\n"),
        );
        tree.collect("nfs", &[]).expect_some(&[
            "node_nfs_packets_total{protocol=\"udp\"} 69",
            "node_nfs_packets_total{protocol=\"tcp\"} 45",
            "node_nfs_rpcs_total 1218785755",
            "node_nfs_requests_total{method=\"Commit\",proto=\"3\"} 22",
            "node_nfs_requests_total{method=\"Read\",proto=\"4\"} 6",
            "node_nfs_requests_total{method=\"Clone\",proto=\"4\"} 0",
            "node_nfs_requests_total{method=\"Null\",proto=\"2\"} 0",
        ]);
        Tree::new().collect("nfs", &[]).expect_no_data();
        for bad in ["net 1\n", "what 1\n", "\n", "proc3 2 1 2\n", "proc4 3 1\n"] {
            let tree = Tree::new().file("proc/net/rpc/nfs", bad);
            tree.collect("nfs", &[]).expect_failure("net/rpc");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = super::parse(&bytes);
        }
    }
}
