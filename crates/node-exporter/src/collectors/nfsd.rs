//! The NFS server, from `net/rpc/nfsd` of procfs (`fs/nfsd/stats.c`).

use super::nfs::{METHODS_2, METHODS_3, counted, exactly, numbers, unknown};
use crate::host::Host;
use crate::kernel::{KernelFile, Unread, text};
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Error, Scrape};
use exporter_core::exposition::{Arena, Family};

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

/// Keyword, position behind it, family.
static SINGLE: [(&str, usize, Family); 11] = [
    (
        "rc",
        0,
        Family::counter(
            "node_nfsd_reply_cache_hits_total",
            &[],
            "Requests answered from the reply cache.",
        ),
    ),
    (
        "rc",
        1,
        Family::counter(
            "node_nfsd_reply_cache_misses_total",
            &[],
            "Requests that missed the reply cache.",
        ),
    ),
    (
        "rc",
        2,
        Family::counter(
            "node_nfsd_reply_cache_nocache_total",
            &[],
            "Requests that are not cached.",
        ),
    ),
    (
        "fh",
        0,
        Family::counter(
            "node_nfsd_file_handles_stale_total",
            &[],
            "Stale file handles.",
        ),
    ),
    (
        "io",
        0,
        Family::counter(
            "node_nfsd_disk_bytes_read_total",
            &[],
            "Bytes read from disk.",
        ),
    ),
    (
        "io",
        1,
        Family::counter(
            "node_nfsd_disk_bytes_written_total",
            &[],
            "Bytes written to disk.",
        ),
    ),
    (
        "th",
        0,
        Family::gauge("node_nfsd_server_threads", &[], "Threads of the server."),
    ),
    (
        "ra",
        0,
        Family::gauge(
            "node_nfsd_read_ahead_cache_size_blocks",
            &[],
            "Size of the read-ahead cache in blocks.",
        ),
    ),
    (
        "ra",
        11,
        Family::counter(
            "node_nfsd_read_ahead_cache_not_found_total",
            &[],
            "Reads that missed the read-ahead cache.",
        ),
    ),
    (
        "net",
        3,
        Family::counter("node_nfsd_connections_total", &[], "TCP connections."),
    ),
    (
        "rpc",
        0,
        Family::counter(
            "node_nfsd_server_rpcs_total",
            &[],
            "Remote procedure calls.",
        ),
    ),
];
static PACKETS: Family = Family::counter(
    "node_nfsd_packets_total",
    &["proto"],
    "Packets of a transport protocol.",
);
static ERRORS: Family = Family::counter(
    "node_nfsd_rpc_errors_total",
    &["error"],
    "Bad calls by kind.",
);
static REQUESTS: Family = Family::counter(
    "node_nfsd_requests_total",
    &["method", "proto"],
    "Requests by operation and protocol version.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    let single = SINGLE.iter().map(|s| &s.2);
    single.chain([&PACKETS, &ERRORS, &REQUESTS]).collect()
}

/// Operations of version 4 and their position.
const METHODS_4: [(usize, &str); 35] = [
    (3, "Access"),
    (4, "Close"),
    (5, "Commit"),
    (6, "Create"),
    (7, "DelegPurge"),
    (8, "DelegReturn"),
    (9, "GetAttr"),
    (10, "GetFH"),
    (11, "Link"),
    (12, "Lock"),
    (13, "Lockt"),
    (14, "Locku"),
    (15, "Lookup"),
    (16, "LookupRoot"),
    (17, "Nverify"),
    (18, "Open"),
    (19, "OpenAttr"),
    (20, "OpenConfirm"),
    (21, "OpenDgrd"),
    (22, "PutFH"),
    (25, "Read"),
    (26, "ReadDir"),
    (27, "ReadLink"),
    (28, "Remove"),
    (29, "Rename"),
    (30, "Renew"),
    (31, "RestoreFH"),
    (32, "SaveFH"),
    (33, "SecInfo"),
    (34, "SetAttr"),
    (35, "SetClientID"),
    (36, "SetClientIDConfirm"),
    (37, "Verify"),
    (38, "Write"),
    (39, "RelLockOwner"),
];

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    let proc = host.proc_or_default()?;
    let mut file = KernelFile::new(proc.join("net/rpc/nfsd"));
    let mut buffer = Vec::new();
    Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
        let contents = file.read(&mut buffer).map_err(Unread::no_data_if_missing)?;
        put(out, &parse(contents)?);
        Ok::<(), Error>(())
    }))
}

fn put(out: &mut Arena, stats: &Stats) {
    for (keyword, at, family) in &SINGLE {
        out.put(family, &[], stats.value(keyword, *at));
    }
    out.put(&PACKETS, &["udp"], stats.value("net", 1));
    out.put(&PACKETS, &["tcp"], stats.value("net", 2));
    for (at, error) in [(2, "fmt"), (3, "auth"), (4, "cInt")] {
        out.put(&ERRORS, &[error], stats.value("rpc", at));
    }
    for (at, method) in METHODS_2.iter().enumerate().skip(1) {
        out.put(&REQUESTS, &[method, "2"], stats.value("proc2", at));
    }
    for (at, method) in METHODS_3.iter().enumerate().skip(1) {
        out.put(&REQUESTS, &[method, "3"], stats.value("proc3", at));
    }
    for (at, method) in METHODS_4 {
        out.put(&REQUESTS, &[method, "4"], stats.value("proc4ops", at));
    }
    out.put(
        &REQUESTS,
        &["WdelegGetattr", "4"],
        stats.value("wdeleg_getattr", 0),
    );
}

/// Values behind each keyword.
#[derive(Debug, Default)]
pub struct Stats {
    lines: Vec<(&'static str, Vec<u64>)>,
}

impl Stats {
    fn value(&self, keyword: &str, at: usize) -> f64 {
        let line = self.lines.iter().find(|l| l.0 == keyword);
        line.and_then(|l| l.1.get(at)).copied().unwrap_or(0) as f64
    }
}

/// Reads all lines.
pub fn parse(contents: &[u8]) -> Result<Stats, String> {
    let mut stats = Stats::default();
    for line in text::lines(contents) {
        // The numbers behind the threads are fractions on old kernels.
        let ([keyword, threads, full], count) = text::first_words::<3>(line);
        if keyword == b"th" {
            match (text::uint(threads), text::uint(full), count) {
                (Some(threads), Some(full), 3..) => stats.lines.push(("th", vec![threads, full])),
                _ => return Err("net/rpc: expected two whole numbers behind th".to_owned()),
            }
            continue;
        }
        let (keyword, values) = numbers(line)?;
        stats.lines.push(match keyword {
            b"rc" => ("rc", exactly(values, 3, "rc")?),
            b"fh" => ("fh", exactly(values, 5, "fh")?),
            b"io" => ("io", exactly(values, 2, "io")?),
            b"ra" => ("ra", exactly(values, 12, "ra")?),
            b"net" => ("net", exactly(values, 4, "net")?),
            b"rpc" => ("rpc", exactly(values, 5, "rpc")?),
            b"proc2" => ("proc2", counted(values, 18, "proc2")?),
            b"proc3" => ("proc3", counted(values, 22, "proc3")?),
            b"proc4" => ("proc4", exactly(counted(values, 2, "proc4")?, 2, "proc4")?),
            b"proc4ops" => ("proc4ops", counted(values, 39, "proc4ops")?),
            b"wdeleg_getattr" => ("wdeleg_getattr", exactly(values, 1, "wdeleg_getattr")?),
            other => return Err(unknown(other)),
        });
    }
    Ok(stats)
}

#[cfg(test)]
mod tests {
    use crate::testing::Tree;
    use proptest::prelude::*;

    #[test]
    fn operations() {
        let ops = (1..=40)
            .map(|n| n.to_string())
            .collect::<Vec<_>>()
            .join(" ");
        let text = format!(
            "rc 0 6 18622\nfh 1 0 0 0 0\nio 157286400 7\n th 8 0 0.000 0.000\nra 32 0 0 0 0 0 0 0 0 0 0 9\n\
             net 18628 1 18628 6\nrpc 18628 1 2 3 4\nproc4 2 2 10853\nproc4ops 40 {ops}\nwdeleg_getattr 16\n"
        );
        let tree = Tree::new().file("proc/net/rpc/nfsd", text);
        tree.collect("nfsd", &[]).expect_some(&[
            "node_nfsd_reply_cache_nocache_total 18622",
            "node_nfsd_server_threads 8",
            "node_nfsd_read_ahead_cache_not_found_total 9",
            "node_nfsd_rpc_errors_total{error=\"cInt\"} 4",
            "node_nfsd_requests_total{method=\"Access\",proto=\"4\"} 4",
            "node_nfsd_requests_total{method=\"RelLockOwner\",proto=\"4\"} 40",
            "node_nfsd_requests_total{method=\"WdelegGetattr\",proto=\"4\"} 16",
            "node_nfsd_requests_total{method=\"FsStat\",proto=\"2\"} 0",
        ]);
        Tree::new().collect("nfsd", &[]).expect_no_data();
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = super::parse(&bytes);
        }
    }
}
