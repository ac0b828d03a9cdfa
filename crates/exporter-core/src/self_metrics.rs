//! What an exporter says of its own process: `process_*`.

use crate::exposition::{Arena, Family};
use procfs::FromRead;
use procfs::process::Stat;
use rustix::process::Resource;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};

static CPU: Family = Family::counter(
    "process_cpu_seconds_total",
    &[],
    "User and system CPU time of this process in seconds.",
);
static OPEN_FDS: Family = Family::gauge("process_open_fds", &[], "Open file descriptors.");
static MAX_FDS: Family = Family::gauge(
    "process_max_fds",
    &[],
    "Soft limit of open file descriptors.",
);
static VIRTUAL: Family = Family::gauge(
    "process_virtual_memory_bytes",
    &[],
    "Virtual memory of this process in bytes.",
);
static VIRTUAL_MAX: Family = Family::gauge(
    "process_virtual_memory_max_bytes",
    &[],
    "Soft limit of virtual memory in bytes.",
);
static RESIDENT: Family = Family::gauge(
    "process_resident_memory_bytes",
    &[],
    "Resident memory of this process in bytes.",
);
static START: Family = Family::gauge(
    "process_start_time_seconds",
    &[],
    "Start of this process in seconds since the epoch.",
);
static RECEIVED: Family = Family::counter(
    "process_network_receive_bytes_total",
    &[],
    "Bytes received over IP in the network namespace of this process.",
);
static TRANSMITTED: Family = Family::counter(
    "process_network_transmit_bytes_total",
    &[],
    "Bytes sent over IP in the network namespace of this process.",
);

/// All families of [`ProcessMetrics`].
pub const FAMILIES: &[&Family] = &[
    &CPU,
    &OPEN_FDS,
    &MAX_FDS,
    &VIRTUAL,
    &VIRTUAL_MAX,
    &RESIDENT,
    &START,
    &RECEIVED,
    &TRANSMITTED,
];

/// Reads `/proc/self`; the files stay open. A source that cannot be read costs its series only.
#[derive(Debug, Default)]
pub struct ProcessMetrics {
    stat: Option<File>,
    netstat: Option<File>,
    boot_time: Option<f64>,
    buffer: Vec<u8>,
}

impl ProcessMetrics {
    /// Puts all that can be read.
    pub fn put(&mut self, out: &mut Arena) {
        self.put_stat(out);
        self.put_limits(out);
        self.put_network(out);
    }

    fn put_stat(&mut self, out: &mut Arena) {
        if read_again(&mut self.stat, "/proc/self/stat", &mut self.buffer).is_err() {
            return;
        }
        let Ok(stat) = Stat::from_read(&self.buffer[..]) else {
            return;
        };
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        out.put(&CPU, &[], (stat.utime + stat.stime) as f64 / ticks);
        out.put(&VIRTUAL, &[], stat.vsize as f64);
        let page = rustix::param::page_size() as f64;
        out.put(&RESIDENT, &[], stat.rss as f64 * page);
        if self.boot_time.is_none() {
            self.boot_time = boot_time();
        }
        if let Some(boot_time) = self.boot_time {
            out.put(&START, &[], boot_time + stat.starttime as f64 / ticks);
        }
    }

    fn put_limits(&mut self, out: &mut Arena) {
        if let Some(count) = open_fds() {
            out.put(&OPEN_FDS, &[], count as f64);
        }
        let soft = |resource| match rustix::process::getrlimit(resource).current {
            Some(limit) => limit as f64,
            None => u64::MAX as f64,
        };
        out.put(&MAX_FDS, &[], soft(Resource::Nofile));
        out.put(&VIRTUAL_MAX, &[], soft(Resource::As));
    }

    fn put_network(&mut self, out: &mut Arena) {
        if read_again(
            &mut self.netstat,
            "/proc/self/net/netstat",
            &mut self.buffer,
        )
        .is_err()
        {
            return;
        }
        if let Some((received, transmitted)) = ip_octets(&self.buffer) {
            out.put(&RECEIVED, &[], received);
            out.put(&TRANSMITTED, &[], transmitted);
        }
    }
}

/// Reads a kernel file from its beginning, opening it at the first time.
fn read_again(kept: &mut Option<File>, path: &str, buffer: &mut Vec<u8>) -> io::Result<()> {
    let file = match kept {
        Some(file) => file,
        None => kept.insert(File::open(path)?),
    };
    buffer.clear();
    loop {
        let at = buffer.len();
        buffer.resize((at + 512).max(buffer.capacity()), 0);
        let read = file.read_at(&mut buffer[at..], at as u64)?;
        buffer.truncate(at + read);
        if read == 0 {
            return Ok(());
        }
    }
}

/// `btime` of `/proc/stat`, in seconds since the epoch.
fn boot_time() -> Option<f64> {
    let mut text = String::new();
    File::open("/proc/stat")
        .ok()?
        .read_to_string(&mut text)
        .ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix("btime "))?;
    line.trim().parse().ok()
}

/// From Linux 6.2 on the size of `/proc/self/fd` is the number of descriptors.
fn open_fds() -> Option<u64> {
    match std::fs::metadata("/proc/self/fd").ok()?.size() {
        0 => Some(std::fs::read_dir("/proc/self/fd").ok()?.count() as u64),
        size => Some(size),
    }
}

/// `InOctets` and `OutOctets` of the two `IpExt:` lines: names, then values.
fn ip_octets(netstat: &[u8]) -> Option<(f64, f64)> {
    let text = std::str::from_utf8(netstat).ok()?;
    let mut lines = text.lines().filter(|l| l.starts_with("IpExt:"));
    let names = lines.next()?.split(' ');
    let values = lines.next()?.split(' ');
    let mut octets = (None, None);
    for (name, value) in names.zip(values) {
        match name {
            "InOctets" => octets.0 = value.parse().ok(),
            "OutOctets" => octets.1 = value.parse().ok(),
            _ => {}
        }
    }
    Some((octets.0?, octets.1?))
}

/// Raises the soft limit of open files to the hard one, as the Go runtime does.
pub fn raise_file_limit() {
    let mut limit = rustix::process::getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = rustix::process::setrlimit(Resource::Nofile, limit) {
        tracing::debug!(%error, "could not raise the limit of open files");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_families_of_this_process() {
        let mut metrics = ProcessMetrics::default();
        for _ in 0..2 {
            let mut arena = Arena::new();
            metrics.put(&mut arena);
            arena.seal();
            let names: Vec<_> = arena.families().map(|f| f.name().to_owned()).collect();
            assert_eq!(names.len(), FAMILIES.len(), "{names:?}");
            let first = |name: &str| {
                let family = arena.families().find(|f| f.name() == name).unwrap();
                family.samples().next().unwrap().value()
            };
            assert!(first("process_resident_memory_bytes") > 100_000.0);
            assert!(first("process_start_time_seconds") > 1.6e9);
            assert!(first("process_open_fds") >= 3.0);
        }
    }

    #[test]
    fn octets() {
        let text = b"TcpExt: A\nTcpExt: 1\nIpExt: InNoRoutes InOctets OutOctets\nIpExt: 0 12 34\n";
        assert_eq!(ip_octets(text), Some((12.0, 34.0)));
        assert_eq!(ip_octets(b"IpExt: InOctets\n"), None);
    }
}
