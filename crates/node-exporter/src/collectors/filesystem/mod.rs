//! Mounted file systems: the mount table of process 1 from procfs (`filesystems/proc`, mountinfo)
//! and `statfs(2)` of each mount point.
//!
//! A dead NFS server or FUSE daemon makes `statfs` hang for ever, so it is called on threads that
//! can be left behind; see [`probe`].

pub mod probe;

use crate::host::{Host, join};
use crate::kernel::names::label_text;
use crate::kernel::{Filter, KernelFile, text};
use exporter_core::cli::{Flag, Given};
use exporter_core::collector::{Collector, Error, Scrape};
use exporter_core::exposition::{Arena, Family};
use probe::{Outcome, Prober};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

exporter_core::flags! {
    /// Flags of this collector.
    pub struct Flags {
        /// Regular expression of mount points to leave out.
        "collector.filesystem.mount-points-exclude" mounts_exclude: Given<String> =
            [r"^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)"];
        /// Regular expression of mount points to keep.
        "collector.filesystem.mount-points-include" mounts_include: String = [""];
        /// Older name of --collector.filesystem.mount-points-exclude.
        "collector.filesystem.ignored-mount-points" [hidden()] ignored_mounts: String = [""];
        /// Regular expression of file system types to leave out.
        "collector.filesystem.fs-types-exclude" types_exclude: Given<String> =
            ["^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|erofs|sysfs|tracefs)$"];
        /// Regular expression of file system types to keep.
        "collector.filesystem.fs-types-include" types_include: String = [""];
        /// Older name of --collector.filesystem.fs-types-exclude.
        "collector.filesystem.ignored-fs-types" [hidden()] ignored_types: String = [""];
        /// How long to wait for a mount point.
        "collector.filesystem.mount-timeout" [hidden()] timeout: Duration = ["5s"];
        /// Mount points asked at a time, once one of them is slow.
        "collector.filesystem.stat-workers" [hidden()] workers: i64 = ["4"];
    }
}

/// Flags of this collector.
pub const FLAGS: &[Flag] = Flags::TABLE;

const LABELS: &[&str] = &["device", "device_error", "fstype", "mountpoint"];
static SIZE: Family = Family::gauge(
    "node_filesystem_size_bytes",
    LABELS,
    "Size of a file system in bytes.",
);
static FREE: Family = Family::gauge(
    "node_filesystem_free_bytes",
    LABELS,
    "Free space of a file system in bytes.",
);
static AVAIL: Family = Family::gauge(
    "node_filesystem_avail_bytes",
    LABELS,
    "Free space that users other than root may take in bytes.",
);
static FILES: Family = Family::gauge("node_filesystem_files", LABELS, "Inodes of a file system.");
static FILES_FREE: Family = Family::gauge(
    "node_filesystem_files_free",
    LABELS,
    "Free inodes of a file system.",
);
static PURGEABLE: Family = Family::gauge(
    "node_filesystem_purgeable_bytes",
    LABELS,
    "Space that could be purged in bytes, always 0 on Linux.",
);
static READONLY: Family = Family::gauge(
    "node_filesystem_readonly",
    LABELS,
    "Whether a file system is read-only.",
);
static DEVICE_ERROR: Family = Family::gauge(
    "node_filesystem_device_error",
    LABELS,
    "Whether a file system could not be asked, and why.",
);
static MOUNT_INFO: Family = Family::gauge(
    "node_filesystem_mount_info",
    &["device", "major", "minor", "mountpoint"],
    "Device numbers of a mount, constant 1.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![
        &SIZE,
        &FREE,
        &AVAIL,
        &FILES,
        &FILES_FREE,
        &PURGEABLE,
        &READONLY,
        &DEVICE_ERROR,
        &MOUNT_INFO,
    ]
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    let flags = Flags::read(&host.matches)?;
    let mount_points = filter(
        "mount-points",
        &flags.mounts_exclude,
        &flags.mounts_include,
        "ignored-mount-points",
        &flags.ignored_mounts,
    )?;
    let types = filter(
        "fs-types",
        &flags.types_exclude,
        &flags.types_include,
        "ignored-fs-types",
        &flags.ignored_types,
    )?;
    let workers = usize::try_from(flags.workers).unwrap_or(1).max(1);
    Ok(Box::new(Filesystem {
        mountinfo: KernelFile::new(host.proc("1/mountinfo")),
        own_mountinfo: KernelFile::new(host.proc("self/mountinfo")),
        buffer: Vec::new(),
        last: Vec::new(),
        root: host.root.clone(),
        mount_points,
        types,
        mounts: Vec::new(),
        prober: Prober::new(flags.timeout, workers),
    }))
}

fn filter(
    what: &str,
    exclude: &Given<String>,
    include: &str,
    old_flag: &str,
    old: &str,
) -> Result<Filter, String> {
    let flag = format!("collector.filesystem.{what}");
    let mut excluded = exclude.value.as_str();
    if !old.is_empty() {
        if exclude.given {
            return Err(format!(
                "--collector.filesystem.{old_flag} and --{flag}-exclude are mutually exclusive"
            ));
        }
        tracing::warn!("--collector.filesystem.{old_flag} is deprecated, use --{flag}-exclude");
        excluded = old;
    }
    // What is asked for comes in place of what is left out by default or by the old flag.
    if !include.is_empty() {
        if exclude.given && !excluded.is_empty() {
            return Err(format!(
                "--{flag}-exclude and --{flag}-include are mutually exclusive"
            ));
        }
        excluded = "";
    }
    Filter::new(
        (&format!("{flag}-exclude"), excluded),
        (&format!("{flag}-include"), include),
    )
}

struct Filesystem {
    mountinfo: KernelFile,
    own_mountinfo: KernelFile,
    buffer: Vec<u8>,
    /// Contents that `mounts` was made from.
    last: Vec<u8>,
    root: PathBuf,
    mount_points: Filter,
    types: Filter,
    mounts: Vec<Mount>,
    prober: Prober,
}

/// One entry of the mount table.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mount {
    device: String,
    /// As labels show it: below the root of the host.
    mount_point: String,
    kind: String,
    major: String,
    minor: String,
    read_only: bool,
    /// What `statfs` is called with.
    path: PathBuf,
}

impl Collector for Filesystem {
    fn collect(&mut self, out: &mut Arena, scrape: &Scrape) -> Result<(), Error> {
        self.refresh()?;
        // A little is left for putting the samples.
        let deadline = scrape
            .deadline
            .checked_sub(Duration::from_millis(100))
            .unwrap_or_else(Instant::now);
        let outcomes = self
            .prober
            .probe(self.mounts.iter().map(|m| m.path.as_path()), deadline);
        let mut exposed: HashSet<(&str, &str, &str)> = HashSet::with_capacity(self.mounts.len());
        for (mount, outcome) in self.mounts.iter().zip(&outcomes).rev() {
            let numbers = [
                mount.device.as_str(),
                &mount.major,
                &mount.minor,
                &mount.mount_point,
            ];
            if matches!(outcome, Outcome::Measured(_)) {
                out.put(&MOUNT_INFO, &numbers, 1.0);
            }
            // Of file systems mounted over one another the last is the one that can be seen.
            if exposed.insert((&mount.device, &mount.mount_point, &mount.kind)) {
                mount.put(out, outcome);
            }
        }
        Ok(())
    }
}

impl Filesystem {
    /// Reads the mount table, and parses it where it changed.
    fn refresh(&mut self) -> Result<(), Error> {
        let contents = match self.mountinfo.read(&mut self.buffer) {
            Err(unread) if unread.is_missing() => self.own_mountinfo.read(&mut self.buffer),
            result => result,
        }?;
        if *contents == *self.last && !self.mounts.is_empty() {
            return Ok(());
        }
        self.mounts.clear();
        let mut seen = HashSet::new();
        for mount in parse(contents)? {
            let mount = mount.below(&self.root);
            let wanted =
                self.mount_points.keeps(&mount.mount_point) && self.types.keeps(&mount.kind);
            let key = (
                mount.device.clone(),
                mount.mount_point.clone(),
                mount.kind.clone(),
                mount.major.clone(),
                mount.minor.clone(),
            );
            if wanted && seen.insert(key) {
                self.mounts.push(mount);
            }
        }
        self.last.clear();
        self.last.extend_from_slice(contents);
        Ok(())
    }
}

impl Mount {
    /// Type and mount point.
    pub fn kind_and_point(&self) -> (&str, &str) {
        (&self.kind, &self.mount_point)
    }

    /// Strips the root that the host's file systems are mounted below.
    fn below(mut self, root: &Path) -> Self {
        let stripped = match root == Path::new("/") {
            true => None,
            false => self
                .mount_point
                .strip_prefix(root.to_string_lossy().trim_end_matches('/')),
        };
        self.mount_point = match stripped {
            Some("") => "/".to_owned(),
            Some(rest) if rest.starts_with('/') => rest.to_owned(),
            _ => self.mount_point,
        };
        self.path = join(root, Path::new(&self.mount_point));
        self
    }

    fn put(&self, out: &mut Arena, outcome: &Outcome) {
        let error = match outcome {
            Outcome::Measured(_) => String::new(),
            Outcome::Failed(error) => error.clone(),
            Outcome::TimedOut => "mountpoint timeout".to_owned(),
        };
        let labels = [self.device.as_str(), &error, &self.kind, &self.mount_point];
        let read_only = self.read_only && !matches!(outcome, Outcome::TimedOut);
        out.put(
            &DEVICE_ERROR,
            &labels,
            f64::from(u8::from(!error.is_empty())),
        );
        out.put(&READONLY, &labels, f64::from(u8::from(read_only)));
        if let Outcome::Measured(stat) = outcome {
            out.put(&SIZE, &labels, stat.blocks * stat.block_size);
            out.put(&FREE, &labels, stat.free * stat.block_size);
            out.put(&AVAIL, &labels, stat.available * stat.block_size);
            out.put(&FILES, &labels, stat.files);
            out.put(&FILES_FREE, &labels, stat.files_free);
            out.put(&PURGEABLE, &labels, 0.0);
        }
    }
}

/// Reads lines of `mountinfo`.
pub fn parse(contents: &[u8]) -> Result<Vec<Mount>, String> {
    text::lines(contents)
        .map(|line| {
            parse_line(line).ok_or_else(|| {
                format!(
                    "mountinfo: expected at least ten fields, got {:?}",
                    String::from_utf8_lossy(line)
                )
            })
        })
        .collect()
}

/// Whether a line of `mountinfo` has what every line has: ten fields, two numbers in front, and a
/// dash before the last three.
pub fn is_entry(line: &[u8]) -> bool {
    let fields: Vec<&[u8]> = line.split(|b| *b == b' ').collect();
    match fields.as_slice() {
        [id, parent, .., b"-", _, _, _] => {
            fields.len() >= 10 && text::int(id).is_some() && text::int(parent).is_some()
        }
        _ => false,
    }
}

fn parse_line(line: &[u8]) -> Option<Mount> {
    if !is_entry(line) {
        return None;
    }
    let fields: Vec<&[u8]> = line.split(|b| *b == b' ').collect();
    let [_, _, numbers, _, mount_point, options, ..] = fields.as_slice() else {
        return None;
    };
    let [.., kind, source, super_options] = fields.as_slice() else {
        return None;
    };
    let colon = memchr::memchr(b':', numbers)?;
    let (major, minor) = (&numbers[..colon], &numbers[colon + 1..]);
    if text::int(major).is_none() || text::int(minor).is_none() {
        return None;
    }
    let owned = |bytes: &[u8]| label_text(bytes).into_owned();
    Some(Mount {
        device: owned(source),
        mount_point: owned(mount_point)
            .replace("\\040", " ")
            .replace("\\011", "\t"),
        kind: owned(kind),
        major: owned(major),
        minor: owned(minor),
        read_only: has_option(options, &["ro"])
            || has_option(super_options, &["ro", "emergency_ro"]),
        path: PathBuf::new(),
    })
}

fn has_option(options: &[u8], wanted: &[&str]) -> bool {
    let mut words = options.split(|b| *b == b',');
    words.any(|word| {
        let key = word.split(|b| *b == b'=').next().unwrap_or_default();
        wanted.iter().any(|w| w.as_bytes() == key)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;
    use proptest::prelude::*;

    #[test]
    fn mounts_and_their_labels() {
        let tree = Tree::new();
        let root = tree.path("root").display().to_string();
        let tree = tree.dir("root/elsewhere").file(
            "proc/1/mountinfo",
            format!(
                "30 1 8:1 / {root} rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro\n\
             31 30 0:5 / {root}/dev rw - devtmpfs udev rw\n\
             32 30 0:6 / {root}/a\\040b ro,nosuid - tmpfs tmpfs rw\n\
             33 30 0:7 / /elsewhere rw - ext4 /dev/sdb rw\n"
            ),
        );
        let collected = tree.collect("filesystem", &[]);
        collected.expect_some(&[
            "node_filesystem_readonly{device=\"/dev/sda1\",device_error=\"\",fstype=\"ext4\",mountpoint=\"/\"} 0",
            "node_filesystem_device_error{device=\"tmpfs\",device_error=\"no such file or directory\",fstype=\"tmpfs\",mountpoint=\"/a b\"} 1",
            "node_filesystem_readonly{device=\"tmpfs\",device_error=\"no such file or directory\",fstype=\"tmpfs\",mountpoint=\"/a b\"} 1",
            "node_filesystem_mount_info{device=\"/dev/sdb\",major=\"0\",minor=\"7\",mountpoint=\"/elsewhere\"} 1",
            "node_filesystem_purgeable_bytes{device=\"/dev/sda1\",device_error=\"\",fstype=\"ext4\",mountpoint=\"/\"} 0",
        ]);
        assert!(!tree.collect("filesystem", &[]).text.contains("devtmpfs"));
        // What cannot be measured has no numbers.
        assert!(
            !tree
                .collect("filesystem", &[])
                .text
                .contains("mount_info{device=\"tmpfs\"")
        );
        tree.write("proc/1/mountinfo", "1 2 3\n");
        tree.collect("filesystem", &[]).expect_failure("ten fields");
    }

    #[test]
    fn filters() {
        for flags in [
            [
                ("collector.filesystem.mount-points-include", "a"),
                ("collector.filesystem.mount-points-exclude", "b"),
            ],
            [
                ("collector.filesystem.ignored-fs-types", "a"),
                ("collector.filesystem.fs-types-exclude", "b"),
            ],
        ] {
            assert!(
                Tree::new()
                    .make("filesystem", &flags)
                    .err()
                    .unwrap()
                    .contains("mutually exclusive")
            );
        }
        let tree = Tree::new();
        let root = tree.path("root").display().to_string();
        tree.write(
            "proc/1/mountinfo",
            format!("30 1 8:1 / {root} rw a - ext4 sda rw\n"),
        );
        let flags = [
            ("collector.filesystem.ignored-fs-types", "ext"),
            ("collector.filesystem.fs-types-include", "ext4"),
        ];
        tree.collect("filesystem", &flags).expect_some(&[
            "node_filesystem_mount_info{device=\"sda\",major=\"8\",minor=\"1\",mountpoint=\"/\"} 1",
        ]);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}
