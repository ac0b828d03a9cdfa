//! NFS mounts, from `mountstats` of procfs (`net/sunrpc/stats.c`, nfsiostat(8)).

use super::filesystem;
use crate::host::Host;
use crate::kernel::{read_once, text};
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Error, Scrape};
use exporter_core::dialect::duration;
use exporter_core::exposition::{Arena, Family};
use std::collections::HashSet;

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

const MOUNT: &[&str] = &["export", "mountaddr", "protocol"];
const TRANSPORT: &[&str] = &["export", "mountaddr", "protocol", "transport"];
const OPERATION: &[&str] = &["export", "mountaddr", "operation", "protocol"];

static INFO: Family = Family::gauge(
    "node_mountstats_nfs_mountpoint_info",
    &["export", "mountaddr", "mountpoint", "protocol"],
    "Mount point of an export, constant 1.",
);
static AGE: Family = Family::counter(
    "node_mountstats_nfs_age_seconds_total",
    MOUNT,
    "Age of a mount in seconds.",
);

macro_rules! table {
    ($name:ident $count:literal $labels:ident $prefix:literal: $( $at:literal $kind:ident $suffix:literal $help:literal, )*) => {
        static $name: [(usize, Family); $count] = [ $( (
            $at,
            Family::$kind(concat!("node_mountstats_nfs_", $prefix, $suffix), $labels, $help),
        ), )* ];
    };
}
table! { BYTES 8 MOUNT "":
    0 counter "read_bytes_total" "Bytes read.",
    1 counter "write_bytes_total" "Bytes written.",
    2 counter "direct_read_bytes_total" "Bytes read without the cache.",
    3 counter "direct_write_bytes_total" "Bytes written without the cache.",
    4 counter "total_read_bytes_total" "Bytes read from the server.",
    5 counter "total_write_bytes_total" "Bytes written to the server.",
    6 counter "read_pages_total" "Pages read.",
    7 counter "write_pages_total" "Pages written.",
}
table! { TRANSPORTS 10 TRANSPORT "transport_":
    1 counter "bind_total" "Port bindings.",
    2 counter "connect_total" "Connections made.",
    4 gauge "idle_time_seconds" "Time since the last request in seconds.",
    5 counter "sends_total" "Requests sent.",
    6 counter "receives_total" "Answers received.",
    7 counter "bad_transaction_ids_total" "Answers to no request.",
    9 counter "backlog_queue_total" "Requests in the backlog, summed over time.",
    10 gauge "maximum_rpc_slots" "Most requests at a time.",
    11 counter "sending_queue_total" "Requests waiting to be sent, summed over time.",
    12 counter "pending_queue_total" "Requests waiting for an answer, summed over time.",
}
table! { OPERATIONS 8 OPERATION "operations_":
    0 counter "requests_total" "Requests.",
    1 counter "transmissions_total" "Transmissions of requests.",
    2 counter "major_timeouts_total" "Major timeouts.",
    3 counter "sent_bytes_total" "Bytes sent.",
    4 counter "received_bytes_total" "Bytes received.",
    5 counter "queue_time_seconds_total" "Time in the queue in seconds.",
    6 counter "response_time_seconds_total" "Time until the answer in seconds.",
    7 counter "request_time_seconds_total" "Time of requests in all in seconds.",
}
table! { EVENTS 26 MOUNT "event_":
    0 counter "inode_revalidate_total" "Inodes revalidated.",
    1 counter "dnode_revalidate_total" "Directory entries revalidated.",
    2 counter "data_invalidate_total" "Caches of data dropped.",
    3 counter "attribute_invalidate_total" "Caches of attributes dropped.",
    4 counter "vfs_open_total" "Opens.",
    5 counter "vfs_lookup_total" "Lookups.",
    6 counter "vfs_access_total" "Access checks.",
    7 counter "vfs_update_page_total" "Page updates.",
    8 counter "vfs_read_page_total" "Single page reads.",
    9 counter "vfs_read_pages_total" "Group page reads.",
    10 counter "vfs_write_page_total" "Single page writes.",
    11 counter "vfs_write_pages_total" "Group page writes.",
    12 counter "vfs_getdents_total" "Directory listings.",
    13 counter "vfs_setattr_total" "Attribute changes.",
    14 counter "vfs_flush_total" "Flushes.",
    15 counter "vfs_fsync_total" "Synchronisations.",
    16 counter "vfs_lock_total" "Locks.",
    17 counter "vfs_file_release_total" "Files closed.",
    19 counter "truncation_total" "Truncations.",
    20 counter "write_extension_total" "Writes beyond the end of a file.",
    21 counter "silly_rename_total" "Open files renamed instead of removed.",
    22 counter "short_read_total" "Reads that gave less than asked for.",
    23 counter "short_write_total" "Writes that took less than given.",
    24 counter "jukebox_delay_total" "Waits for data to come from slow storage.",
    25 counter "pnfs_read_total" "Parallel reads.",
    26 counter "pnfs_write_total" "Parallel writes.",
}

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    let tables: [&[(usize, Family)]; 4] = [&BYTES, &TRANSPORTS, &OPERATIONS, &EVENTS];
    let all = tables.into_iter().flatten().map(|t| &t.1);
    [&INFO, &AGE].into_iter().chain(all).collect()
}

/// Counters of times wrap here, so that milliseconds stay exact as floats.
const WRAP: u64 = 1 << 53;

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    host.require_proc()?;
    let own = host.proc("self");
    let pid = std::fs::read_link(&own).map_err(|e| format!("{}: {e}", own.display()))?;
    let dir = host.proc(pid);
    if !dir.is_dir() {
        return Err(format!("{} is no process", dir.display()));
    }
    Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
        let stats = read_once(dir.join("mountstats"))?;
        let table = read_once(dir.join("mountinfo"))?;
        if !text::lines(&table).all(filesystem::is_entry) {
            return Err(format!(
                "{}/mountinfo: expected at least ten fields a line",
                dir.display()
            )
            .into());
        }
        put(
            out,
            &parse(&String::from_utf8_lossy(&stats))?,
            &String::from_utf8_lossy(&table),
        );
        Ok::<(), Error>(())
    }))
}

/// One mount; statistics where it is NFS.
#[derive(Debug, Default)]
pub struct Mount {
    device: String,
    mount_point: String,
    age: f64,
    bytes: Vec<u64>,
    events: Vec<u64>,
    transports: Vec<(String, Vec<u64>)>,
    operations: Vec<(String, Vec<u64>)>,
    statistics: bool,
}

fn put(out: &mut Arena, mounts: &[Mount], table: &str) {
    let mut seen = HashSet::new();
    let mut seen_points = HashSet::new();
    let mut lines = table.lines();
    for mount in mounts {
        let address = lines.next().map_or(String::new(), mount_address);
        if !mount.statistics {
            continue;
        }
        for (protocol, _) in &mount.transports {
            let labels = [mount.device.as_str(), &address, protocol];
            if seen_points.insert((
                mount.device.clone(),
                address.clone(),
                protocol.clone(),
                mount.mount_point.clone(),
            )) {
                out.put(
                    &INFO,
                    &[&mount.device, &address, &mount.mount_point, protocol],
                    1.0,
                );
            }
            if !seen.insert((mount.device.clone(), address.clone(), protocol.clone())) {
                break;
            }
            mount.put(out, &labels);
        }
    }
}

/// The option `addr` among the super options of a line of mountinfo.
fn mount_address(line: &str) -> String {
    let options = line.rsplit(' ').next().unwrap_or("");
    let address = options.split(',').find_map(|o| o.strip_prefix("addr="));
    address.unwrap_or("").to_owned()
}

impl Mount {
    fn put(&self, out: &mut Arena, labels: &[&str; 3]) {
        let [export, address, protocol] = *labels;
        out.put(&AGE, labels, self.age);
        let value = |list: &[u64], at: usize| list.get(at).copied().unwrap_or(0);
        for (at, family) in &BYTES {
            out.put(family, labels, value(&self.bytes, *at) as f64);
        }
        for (index, (_, numbers)) in self.transports.iter().enumerate() {
            let mut digits = itoa::Buffer::new();
            let labels = [export, address, protocol, digits.format(index)];
            for (at, family) in &TRANSPORTS {
                out.put(family, &labels, (value(numbers, *at) % WRAP) as f64);
            }
        }
        for (operation, numbers) in &self.operations {
            let labels = [export, address, operation, protocol];
            for (at, family) in &OPERATIONS {
                let number = value(numbers, *at);
                let number = if *at >= 5 {
                    (number % WRAP) as f64 / 1000.0
                } else {
                    number as f64
                };
                out.put(family, &labels, number);
            }
        }
        for (at, family) in &EVENTS {
            out.put(family, labels, value(&self.events, *at) as f64);
        }
    }
}

/// Reads all mounts.
pub fn parse(text: &str) -> Result<Vec<Mount>, String> {
    let mut mounts: Vec<Mount> = Vec::new();
    let mut version = String::new();
    let mut per_operation = false;
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if words.first() == Some(&"device") {
            per_operation = false;
            let (mount, found) = parse_head(&words).ok_or_else(|| {
                format!("mountstats: expected a device and its mount point, got {line:?}")
            })?;
            version = found;
            mounts.push(mount);
            continue;
        }
        let Some(mount) = mounts.last_mut().filter(|m| m.statistics) else {
            continue;
        };
        if words.is_empty() {
            per_operation = false;
        } else if per_operation {
            let (name, values) = (words[0], numbers(&words[1..])?);
            if values.len() < 8 {
                return Err(format!("mountstats: expected eight numbers behind {name}"));
            }
            mount
                .operations
                .push((name.trim_end_matches(':').to_owned(), values));
        } else {
            per_operation = words[0] == "per-op";
            mount.take(&words, &version)?;
        }
    }
    Ok(mounts)
}

fn numbers(words: &[&str]) -> Result<Vec<u64>, String> {
    let values: Option<Vec<u64>> = words.iter().map(|w| text::uint(w.as_bytes())).collect();
    values.ok_or_else(|| {
        format!(
            "mountstats: expected whole numbers, got {:?}",
            words.join(" ")
        )
    })
}

/// `device D mounted on M with fstype T statvers=V`.
fn parse_head(words: &[&str]) -> Option<(Mount, String)> {
    let [
        "device",
        device,
        "mounted",
        "on",
        mount_point,
        "with",
        "fstype",
        kind,
        rest @ ..,
    ] = words
    else {
        return None;
    };
    let version = rest
        .first()
        .and_then(|v| v.strip_prefix("statvers="))
        .unwrap_or("");
    let statistics = !rest.is_empty();
    if statistics && !matches!(*kind, "nfs" | "nfs4") {
        return None;
    }
    let mount = Mount {
        device: (*device).to_owned(),
        mount_point: (*mount_point).to_owned(),
        statistics,
        ..Mount::default()
    };
    Some((mount, version.to_owned()))
}

impl Mount {
    fn take(&mut self, words: &[&str], version: &str) -> Result<(), String> {
        let rest = &words[1..];
        match words[0] {
            "age:" => {
                let text = format!("{}s", rest.first().unwrap_or(&""));
                self.age = duration::parse(&text)? as f64 / 1e9;
            }
            "bytes:" => {
                self.bytes = numbers(rest)?;
                if self.bytes.len() != 8 {
                    return Err("mountstats: expected eight numbers behind bytes".to_owned());
                }
            }
            "events:" => {
                self.events = numbers(rest)?;
                if self.events.len() != 27 {
                    return Err("mountstats: expected 27 numbers behind events".to_owned());
                }
            }
            "xprt:" => {
                let [protocol, values @ ..] = rest else {
                    return Err("mountstats: expected a protocol behind xprt".to_owned());
                };
                let values = transport(protocol, numbers(values)?, version)?;
                self.transports.push(((*protocol).to_owned(), values));
            }
            _ => {}
        }
        Ok(())
    }
}

/// Brings the numbers of a transport into the places that they have for TCP.
fn transport(protocol: &str, mut values: Vec<u64>, version: &str) -> Result<Vec<u64>, String> {
    let fits = match (version, protocol) {
        ("1.0", "tcp") => values.len() == 10,
        ("1.0", "udp") => values.len() == 7,
        ("1.1", "tcp") => values.len() == 13,
        ("1.1", "udp") => values.len() == 10,
        ("1.1", "rdma") => values.len() >= 20,
        _ => false,
    };
    if !fits {
        return Err(format!(
            "mountstats: unexpected transport {protocol} of statistics version {version:?}"
        ));
    }
    if protocol == "udp" {
        values.splice(2..2, [0; 3]);
    }
    if protocol == "rdma" {
        values.splice(10..10, [0; 3]);
    }
    if version == "1.0" {
        values.truncate(10);
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;
    use proptest::prelude::*;

    const STATS: &str = "\
device rootfs mounted on / with fstype rootfs
device 192.168.1.1:/srv/test mounted on /mnt/nfs/test with fstype nfs4 statvers=1.1
\topts:\trw,vers=4.0
\tage:\t13968
\tbytes:\t1207640230 0 0 0 1210214218 0 295483 0
\tevents:\t52 226 0 0 1 13 398 0 0 331 0 47 0 0 77 0 0 77 0 0 0 0 0 0 0 0 0
\txprt:\ttcp 832 0 1 0 11 6428 6428 0 12154 0 24 26 5726
\tper-op statistics
\t        NULL: 0 0 0 0 0 0 0 0
\t        READ: 1298 1298 0 207680 1210292152 6 79386 79407

";

    #[test]
    fn one_mount() {
        let tree = Tree::new()
            .link("proc/self", "10")
            .file("proc/10/mountstats", STATS)
            .file("proc/10/mountinfo", "1 1 0:1 / / rw - rootfs rootfs rw\n2 1 0:5 / /mnt/nfs/test rw - nfs4 192.168.1.1:/srv/test rw,addr=192.168.1.5,x=1\n");
        let l = "export=\"192.168.1.1:/srv/test\",mountaddr=\"192.168.1.5\"";
        tree.collect("mountstats", &[]).expect_some(&[
            &format!("node_mountstats_nfs_mountpoint_info{{{l},mountpoint=\"/mnt/nfs/test\",protocol=\"tcp\"}} 1"),
            &format!("node_mountstats_nfs_age_seconds_total{{{l},protocol=\"tcp\"}} 13968"),
            &format!("node_mountstats_nfs_transport_idle_time_seconds{{{l},protocol=\"tcp\",transport=\"0\"}} 11"),
            &format!("node_mountstats_nfs_transport_pending_queue_total{{{l},protocol=\"tcp\",transport=\"0\"}} 5726"),
            &format!("node_mountstats_nfs_operations_response_time_seconds_total{{{l},operation=\"READ\",protocol=\"tcp\"}} 79.386"),
            &format!("node_mountstats_nfs_event_vfs_read_pages_total{{{l},protocol=\"tcp\"}} 331"),
        ]);
        tree.write(
            "proc/10/mountstats",
            STATS.replace("statvers=1.1", "statvers=9"),
        );
        tree.collect("mountstats", &[])
            .expect_failure("unexpected transport");
        tree.write("proc/10/mountstats", STATS);
        tree.write("proc/10/mountinfo", "1 1 0:1 / / rw - rootfs rootfs rw\n\n");
        tree.collect("mountstats", &[])
            .expect_whole_failure("mountinfo");
        assert!(Tree::new().make("mountstats", &[]).is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String, tail: String) {
            let _ = parse(&text);
            let _ = parse(&format!("device d mounted on m with fstype nfs statvers=1.1\n{tail}"));
        }
    }
}
