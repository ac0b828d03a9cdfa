//! Btrfs, from `fs/btrfs` of sysfs and, for what stands there alone, from its ioctls
//! (`ABI/stable/sysfs-fs-btrfs`, `linux/btrfs.h`).

use super::filesystem;
use crate::host::{Host, join};
use crate::kernel::{Unread, glob, list, read_once, short_once, text};
use crate::sys::{self, BtrfsDevice};
use crate::whole::whole;
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Error, Scrape};
use exporter_core::exposition::{Arena, Family};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

const UUID: &[&str] = &["uuid"];
const GROUP: &[&str] = &["block_group_type", "mode", "uuid"];
const DEVICE: &[&str] = &["btrfs_dev_uuid", "device", "uuid"];
static INFO: Family = Family::gauge(
    "node_btrfs_info",
    &["label", "uuid"],
    "A mounted file system, constant 1.",
);
static RESERVE: Family = Family::gauge(
    "node_btrfs_global_rsv_size_bytes",
    UUID,
    "Size of the global reserve in bytes.",
);
static COMMITS: Family = Family::counter("node_btrfs_commits_total", UUID, "Commits.");
static LAST_COMMIT: Family = Family::gauge(
    "node_btrfs_last_commit_seconds",
    UUID,
    "Time that the last commit took in seconds.",
);
static MAX_COMMIT: Family = Family::gauge(
    "node_btrfs_max_commit_seconds",
    UUID,
    "Time that the longest commit took in seconds.",
);
static COMMIT_SECONDS: Family = Family::counter(
    "node_btrfs_commit_seconds_total",
    UUID,
    "Time that all commits took in seconds.",
);
static RESERVED: Family = Family::gauge(
    "node_btrfs_reserved_bytes",
    &["block_group_type", "uuid"],
    "Reserved space in bytes.",
);
static USED: Family = Family::gauge("node_btrfs_used_bytes", GROUP, "Used space in bytes.");
static SIZE: Family = Family::gauge("node_btrfs_size_bytes", GROUP, "Allocated space in bytes.");
static RATIO: Family = Family::gauge(
    "node_btrfs_allocation_ratio",
    GROUP,
    "Bytes on disk for a byte of data.",
);
static DEVICE_SIZE: Family = Family::gauge(
    "node_btrfs_device_size_bytes",
    DEVICE,
    "Size of a device in bytes.",
);
static DEVICE_UNUSED: Family = Family::gauge(
    "node_btrfs_device_unused_bytes",
    DEVICE,
    "Unallocated space of a device in bytes.",
);
static DEVICE_ERRORS: Family = Family::counter(
    "node_btrfs_device_errors_total",
    &["btrfs_dev_uuid", "device", "type", "uuid"],
    "Errors of a device by type.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![
        &INFO,
        &RESERVE,
        &COMMITS,
        &LAST_COMMIT,
        &MAX_COMMIT,
        &COMMIT_SECONDS,
        &RESERVED,
        &USED,
        &SIZE,
        &RATIO,
        &DEVICE_SIZE,
        &DEVICE_UNUSED,
        &DEVICE_ERRORS,
    ]
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    let root = host.sys_or_default()?.join("fs/btrfs");
    let mountinfo = [host.proc("1/mountinfo"), host.proc("self/mountinfo")];
    let rootfs = host.root.clone();
    Ok(whole(move |out: &mut Arena, _: &Scrape| {
        let entries = glob(&root, "*-*");
        if entries.is_empty() {
            return Ok(());
        }
        let devices = devices_by_uuid(&mountinfo, &rootfs);
        for entry in entries {
            let dir = root.join(&entry);
            let uuid = short_once(dir.join("metadata_uuid")).unwrap_or_default();
            let uuid = if uuid.is_empty() { entry } else { uuid };
            let devices = devices.get(&uuid.replace('-', ""));
            put(out, &dir, &uuid, devices.map(Vec::as_slice))?;
        }
        Ok(())
    }))
}

/// Devices of every mounted file system, by its uuid without dashes. Whatever cannot be asked is
/// left out: sysfs tells the sizes as well.
fn devices_by_uuid(mountinfo: &[PathBuf; 2], rootfs: &Path) -> HashMap<String, Vec<BtrfsDevice>> {
    let mut found = HashMap::new();
    let contents = read_once(&mountinfo[0]).or_else(|_| read_once(&mountinfo[1]));
    let mounts = contents
        .map_err(|e| e.to_string())
        .and_then(|c| filesystem::parse(&c));
    for mount in mounts.unwrap_or_default() {
        let (kind, mount_point) = mount.kind_and_point();
        if kind != "btrfs" {
            continue;
        }
        let path = match Path::new(mount_point).starts_with(rootfs) {
            true => PathBuf::from(mount_point),
            false => join(rootfs, Path::new(mount_point)),
        };
        match sys::btrfs_devices(&path) {
            Ok((uuid, devices)) => {
                found.entry(uuid).or_insert(devices);
            }
            Err(error) => tracing::debug!(path = %path.display(), %error, "could not ask btrfs"),
        }
    }
    found
}

/// A number that cannot be read or parsed counts as 0.
fn number(path: &Path) -> f64 {
    let text = short_once(path).unwrap_or_default();
    text::uint(text.as_bytes()).unwrap_or(0) as f64
}

fn put(
    out: &mut Arena,
    dir: &Path,
    uuid: &str,
    devices: Option<&[BtrfsDevice]>,
) -> Result<(), Error> {
    let commits = commit_stats(&dir.join("commit_stats"))?;
    out.put(
        &INFO,
        &[&short_once(dir.join("label")).unwrap_or_default(), uuid],
        1.0,
    );
    out.put(
        &RESERVE,
        &[uuid],
        number(&dir.join("allocation/global_rsv_size")),
    );
    out.put(&COMMITS, &[uuid], commits[0]);
    out.put(&LAST_COMMIT, &[uuid], commits[1] / 1000.0);
    out.put(&MAX_COMMIT, &[uuid], commits[2] / 1000.0);
    out.put(&COMMIT_SECONDS, &[uuid], commits[3] / 1000.0);
    let names = list(&dir.join("devices")).unwrap_or_default();
    put_devices(out, dir, uuid, &names, devices);
    for group in ["data", "metadata", "system"] {
        let dir = dir.join("allocation").join(group);
        out.put(
            &RESERVED,
            &[group, uuid],
            number(&dir.join("bytes_reserved")),
        );
        let modes = match list(&dir) {
            Ok(modes) => modes,
            // The last group decides whether the file system can be read at all.
            Err(unread) if group == "system" => return Err(unread.into()),
            Err(_) => Vec::new(),
        };
        for mode in modes {
            let path = dir.join(&mode);
            if !path.is_dir() {
                continue;
            }
            let labels = [group, mode.as_str(), uuid];
            out.put(&USED, &labels, number(&path.join("used_bytes")));
            out.put(&SIZE, &labels, number(&path.join("total_bytes")));
            out.put(&RATIO, &labels, ratio(&mode, names.len() as f64));
        }
    }
    Ok(())
}

fn put_devices(
    out: &mut Arena,
    dir: &Path,
    uuid: &str,
    names: &[String],
    devices: Option<&[BtrfsDevice]>,
) {
    let Some(devices) = devices else {
        for name in names {
            let sectors = number(&dir.join("devices").join(name).join("size"));
            out.put_pairs(
                &DEVICE_SIZE,
                &[("device", name), ("uuid", uuid)],
                sectors * 512.0,
            );
        }
        return;
    };
    for device in devices {
        let labels = [device.uuid.as_str(), &device.name, uuid];
        out.put(&DEVICE_SIZE, &labels, device.total as f64);
        out.put(
            &DEVICE_UNUSED,
            &labels,
            device.total.wrapping_sub(device.used) as f64,
        );
        let kinds = ["write", "read", "flush", "corruption", "generation"];
        for (kind, count) in kinds.iter().zip(device.errors) {
            out.put(
                &DEVICE_ERRORS,
                &[&device.uuid, &device.name, kind, uuid],
                count as f64,
            );
        }
    }
}

/// What a mode takes on `n` devices.
fn ratio(mode: &str, n: f64) -> f64 {
    match mode {
        "single" | "raid0" => 1.0,
        "dup" | "raid1" | "raid10" => 2.0,
        "raid1c3" => 3.0,
        "raid1c4" => 4.0,
        "raid5" => n / (n - 1.0),
        "raid6" => n / (n - 2.0),
        _ => 0.0,
    }
}

/// Number of commits; last, longest and total time in milliseconds. Zeros where the kernel does not
/// tell.
fn commit_stats(path: &Path) -> Result<[f64; 4], Error> {
    let contents = match read_once(path) {
        Ok(contents) => contents,
        Err(unread) if Unread::is_missing(&unread) => return Ok([0.0; 4]),
        Err(unread) => return Err(unread.into()),
    };
    parse_commits(&contents).map_err(|e| Error::failed(format!("{}: {e}", path.display())))
}

/// Lines of a key and a number.
pub fn parse_commits(contents: &[u8]) -> Result<[f64; 4], String> {
    const KEYS: [&[u8]; 4] = [
        b"commits",
        b"last_commit_ms",
        b"max_commit_ms",
        b"total_commit_ms",
    ];
    let mut values = [0.0; 4];
    for line in text::lines(contents) {
        let ([key, value], 2) = text::first_words::<2>(line) else {
            return Err("expected a key and a number a line".to_owned());
        };
        let value = text::uint(value).ok_or("expected a key and a number a line")?;
        if let Some(at) = KEYS.iter().position(|k| *k == key) {
            values[at] = value as f64;
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;
    use proptest::prelude::*;

    #[test]
    fn a_file_system() {
        let base = "sys/fs/btrfs/0abb-1";
        let tree = Tree::new()
            .file(&format!("{base}/label"), "fixture\n")
            .file(&format!("{base}/commit_stats"), "commits 260051\nlast_commit_ms 1000\nmax_commit_ms 51462\ntotal_commit_ms 47836090\n")
            .file(&format!("{base}/allocation/data/bytes_reserved"), "5\n")
            .file(&format!("{base}/allocation/data/raid5/used_bytes"), "808189952\n")
            .dir(&format!("{base}/allocation/system"))
            .file(&format!("{base}/devices/loop25/size"), "20971520\n")
            .file(&format!("{base}/devices/loop26/size"), "20971520\n");
        tree.collect("btrfs", &[]).expect_some(&[
            "node_btrfs_info{label=\"fixture\",uuid=\"0abb-1\"} 1",
            "node_btrfs_commit_seconds_total{uuid=\"0abb-1\"} 47836.09",
            "node_btrfs_allocation_ratio{block_group_type=\"data\",mode=\"raid5\",uuid=\"0abb-1\"} 2",
            "node_btrfs_used_bytes{block_group_type=\"data\",mode=\"raid5\",uuid=\"0abb-1\"} 808189952",
            "node_btrfs_device_size_bytes{device=\"loop25\",uuid=\"0abb-1\"} 10737418240",
            "node_btrfs_reserved_bytes{block_group_type=\"system\",uuid=\"0abb-1\"} 0",
        ]);
        tree.write(&format!("{base}/commit_stats"), "commits\n");
        tree.collect("btrfs", &[])
            .expect_whole_failure("key and a number");
        tree.write(&format!("{base}/commit_stats"), "");
        std::fs::remove_dir(tree.path(&format!("{base}/allocation/system"))).unwrap();
        tree.collect("btrfs", &[])
            .expect_whole_failure("allocation/system");
        Tree::new().collect("btrfs", &[]).expect("");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = parse_commits(&bytes);
        }
    }
}
