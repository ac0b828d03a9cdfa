//! Block devices, from `diskstats` of procfs (`admin-guide/iostats`) and the udev database.

use crate::host::Host;
use crate::kernel::{Filter, KernelFile, list, read_once, text};
use exporter_core::cli::{Flag, Given};
use exporter_core::collector::{Collector, Error, Scrape};
use exporter_core::exposition::{Arena, Family};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

exporter_core::flags! {
    /// Flags of this collector.
    pub struct Flags {
        /// Regular expression of devices to leave out.
        "collector.diskstats.device-exclude" exclude: Given<String> =
            [r"^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$"];
        /// Regular expression of devices to keep.
        "collector.diskstats.device-include" include: String = [""];
        /// Older name of --collector.diskstats.device-exclude.
        "collector.diskstats.ignored-devices" [hidden()] ignored: String = [""];
        /// Expose the devices that device mapper devices are made of.
        "collector.diskstats.backing-devices" backing: bool = ["false"];
    }
}

/// Flags of this collector.
pub const FLAGS: &[Flag] = Flags::TABLE;

const DEVICE: &[&str] = &["device"];

/// The numbers of a line in their order, with what each is multiplied.
static NUMBERS: [(Family, f64); 17] = [
    (
        Family::counter(
            "node_disk_reads_completed_total",
            DEVICE,
            "Reads completed.",
        ),
        1.0,
    ),
    (
        Family::counter(
            "node_disk_reads_merged_total",
            DEVICE,
            "Reads merged with another.",
        ),
        1.0,
    ),
    (
        Family::counter("node_disk_read_bytes_total", DEVICE, "Bytes read."),
        512.0,
    ),
    (
        Family::counter(
            "node_disk_read_time_seconds_total",
            DEVICE,
            "Time that all reads took in seconds.",
        ),
        0.001,
    ),
    (
        Family::counter(
            "node_disk_writes_completed_total",
            DEVICE,
            "Writes completed.",
        ),
        1.0,
    ),
    (
        Family::counter(
            "node_disk_writes_merged_total",
            DEVICE,
            "Writes merged with another.",
        ),
        1.0,
    ),
    (
        Family::counter("node_disk_written_bytes_total", DEVICE, "Bytes written."),
        512.0,
    ),
    (
        Family::counter(
            "node_disk_write_time_seconds_total",
            DEVICE,
            "Time that all writes took in seconds.",
        ),
        0.001,
    ),
    (
        Family::gauge("node_disk_io_now", DEVICE, "Requests under way."),
        1.0,
    ),
    (
        Family::counter(
            "node_disk_io_time_seconds_total",
            DEVICE,
            "Time with requests under way in seconds.",
        ),
        0.001,
    ),
    (
        Family::counter(
            "node_disk_io_time_weighted_seconds_total",
            DEVICE,
            "The same, weighted with their number, in seconds.",
        ),
        0.001,
    ),
    (
        Family::counter(
            "node_disk_discards_completed_total",
            DEVICE,
            "Discards completed.",
        ),
        1.0,
    ),
    (
        Family::counter(
            "node_disk_discards_merged_total",
            DEVICE,
            "Discards merged with another.",
        ),
        1.0,
    ),
    (
        Family::counter(
            "node_disk_discarded_sectors_total",
            DEVICE,
            "Sectors discarded.",
        ),
        1.0,
    ),
    (
        Family::counter(
            "node_disk_discard_time_seconds_total",
            DEVICE,
            "Time that all discards took in seconds.",
        ),
        0.001,
    ),
    (
        Family::counter(
            "node_disk_flush_requests_total",
            DEVICE,
            "Flush requests completed.",
        ),
        1.0,
    ),
    (
        Family::counter(
            "node_disk_flush_requests_time_seconds_total",
            DEVICE,
            "Time that all flush requests took in seconds.",
        ),
        0.001,
    ),
];
static INFO: Family = Family::gauge(
    "node_disk_info",
    &[
        "device",
        "major",
        "minor",
        "model",
        "path",
        "revision",
        "rotational",
        "serial",
        "wwn",
    ],
    "What a block device is, constant 1.",
);
static FILESYSTEM: Family = Family::gauge(
    "node_disk_filesystem_info",
    &["device", "type", "usage", "uuid", "version"],
    "File system on a block device, constant 1.",
);
static MAPPER: Family = Family::gauge(
    "node_disk_device_mapper_info",
    &["device", "lv_layer", "lv_name", "name", "uuid", "vg_name"],
    "Device mapper device behind a block device, constant 1.",
);
static BACKING: Family = Family::gauge(
    "node_disk_device_mapper_backing_device_info",
    &["backing_device", "device"],
    "A device that a device mapper device is made of, constant 1.",
);
/// Properties of ATA devices.
static ATA: [(&str, Family); 3] = [
    (
        "ID_ATA_WRITE_CACHE",
        Family::gauge(
            "node_disk_ata_write_cache",
            DEVICE,
            "Whether an ATA disk has a write cache.",
        ),
    ),
    (
        "ID_ATA_WRITE_CACHE_ENABLED",
        Family::gauge(
            "node_disk_ata_write_cache_enabled",
            DEVICE,
            "Whether the write cache of an ATA disk is on.",
        ),
    ),
    (
        "ID_ATA_ROTATION_RATE_RPM",
        Family::gauge(
            "node_disk_ata_rotation_rate_rpm",
            DEVICE,
            "Turns a minute of an ATA disk, 0 for one without moving parts.",
        ),
    ),
];

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    let numbers = NUMBERS.iter().map(|n| &n.0);
    let ata = ATA.iter().map(|a| &a.1);
    numbers
        .chain([&INFO, &FILESYSTEM, &MAPPER, &BACKING])
        .chain(ata)
        .collect()
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    let proc = host.proc_or_default()?;
    let sys = host.sys_or_default()?;
    let flags = Flags::read(&host.matches)?;
    let backing = flags.backing;
    let filter = filter(flags)?;
    let udev = host.udev.is_dir().then(|| host.udev.clone());
    if udev.is_none() {
        let path = host.udev.display();
        tracing::error!("{path} is no directory, so disks are exposed without udev properties");
    }
    Ok(Box::new(Diskstats {
        file: KernelFile::new(proc.join("diskstats")),
        buffer: Vec::new(),
        block: sys.join("block"),
        udev,
        filter,
        backing,
        disks: HashMap::new(),
    }))
}

fn filter(flags: Flags) -> Result<Filter, String> {
    let mut exclude = flags.exclude.value;
    if !flags.ignored.is_empty() {
        if flags.exclude.given {
            return Err("--collector.diskstats.ignored-devices and --collector.diskstats.device-exclude are mutually exclusive".to_owned());
        }
        tracing::warn!(
            "--collector.diskstats.ignored-devices is deprecated, use --collector.diskstats.device-exclude"
        );
        exclude = flags.ignored;
    }
    // What is asked for comes in place of what is left out by default or by the old flag.
    if !flags.include.is_empty() {
        if flags.exclude.given && !exclude.is_empty() {
            return Err("device-exclude & device-include are mutually exclusive".to_owned());
        }
        exclude = String::new();
    }
    Filter::new(
        ("collector.diskstats.device-exclude", &exclude),
        ("collector.diskstats.device-include", &flags.include),
    )
}

struct Diskstats {
    file: KernelFile,
    buffer: Vec<u8>,
    block: PathBuf,
    udev: Option<PathBuf>,
    filter: Filter,
    /// Whether the devices below are asked for.
    backing: bool,
    /// What is kept of each device, by name.
    disks: HashMap<String, Disk>,
}

/// Files of one device.
struct Disk {
    rotational: KernelFile,
    udev: Option<Udev>,
    seen: bool,
}

/// The udev database is replaced file by file, so properties are read again when the file's
/// identity or time changes.
struct Udev {
    path: PathBuf,
    identity: Option<(u64, i64, i64, i64)>,
    properties: HashMap<String, String>,
}

impl Collector for Diskstats {
    fn collect(&mut self, out: &mut Arena, _: &Scrape) -> Result<(), Error> {
        let contents = self.file.read(&mut self.buffer)?;
        check(contents)?;
        self.disks.values_mut().for_each(|d| d.seen = false);
        for line in text::lines(contents) {
            let Some(stats) = Stats::parse(line) else {
                continue;
            };
            let name = String::from_utf8_lossy(stats.name);
            if !self.filter.keeps(&name) {
                continue;
            }
            for ((family, scale), number) in NUMBERS.iter().zip(stats.numbers()) {
                out.put(family, &[&name], number * scale);
            }
            if !self.disks.contains_key(name.as_ref()) {
                let disk = Disk {
                    rotational: KernelFile::new(
                        self.block.join(name.as_ref()).join("queue/rotational"),
                    ),
                    udev: self.udev.as_ref().map(|root| Udev {
                        path: root.join(format!("b{}:{}", show(stats.major), show(stats.minor))),
                        identity: None,
                        properties: HashMap::new(),
                    }),
                    seen: true,
                };
                self.disks.insert(name.clone().into_owned(), disk);
            }
            if let Some(disk) = self.disks.get_mut(name.as_ref()) {
                disk.seen = true;
                disk.put(out, &name, &stats);
            }
            if self.backing && name.starts_with("dm-") {
                put_backing(out, &self.block, &name);
            }
        }
        self.disks.retain(|_, disk| disk.seen);
        Ok(())
    }
}

fn put_backing(out: &mut Arena, block: &Path, name: &str) {
    for below in list(&block.join(name).join("slaves")).unwrap_or_default() {
        // In sysfs a slash of a name is an exclamation mark.
        out.put(&BACKING, &[&below.replace('!', "/"), name], 1.0);
    }
}

fn show(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or("")
}

impl Disk {
    fn put(&mut self, out: &mut Arena, name: &str, stats: &Stats<'_>) {
        let rotational = matches!(self.rotational.uint(), Ok(1));
        let rotational = if rotational { "1" } else { "0" };
        let number = format_args!("b{}:{}", show(stats.major), show(stats.minor)).to_string();
        if let Some(udev) = &mut self.udev {
            udev.refresh(&number);
        }
        let property = |key: &str| {
            let found = self.udev.as_ref().and_then(|u| u.properties.get(key));
            found.map_or("", String::as_str)
        };
        let serial = ["SCSI_IDENT_SERIAL", "ID_SERIAL_SHORT", "ID_SERIAL"]
            .map(property)
            .into_iter()
            .find(|s| !s.is_empty())
            .unwrap_or("");
        let labels = [
            name,
            show(stats.major),
            show(stats.minor),
            property("ID_MODEL"),
            property("ID_PATH"),
            property("ID_REVISION"),
            rotational,
            serial,
            property("ID_WWN"),
        ];
        out.put(&INFO, &labels, 1.0);
        if !property("DM_NAME").is_empty() {
            let labels = [
                name,
                property("DM_LV_LAYER"),
                property("DM_LV_NAME"),
                property("DM_NAME"),
                property("DM_UUID"),
                property("DM_VG_NAME"),
            ];
            out.put(&MAPPER, &labels, 1.0);
        }
        if !property("ID_FS_TYPE").is_empty() {
            let labels = [
                name,
                property("ID_FS_TYPE"),
                property("ID_FS_USAGE"),
                property("ID_FS_UUID"),
                property("ID_FS_VERSION"),
            ];
            out.put(&FILESYSTEM, &labels, 1.0);
        }
        if property("ID_ATA").is_empty() {
            return;
        }
        for (key, family) in &ATA {
            match property(key) {
                "" => {}
                value => match text::float(value.as_bytes()) {
                    Some(value) => out.put(family, &[name], value),
                    None => tracing::error!(device = name, key, value, "expected a number"),
                },
            }
        }
    }
}

impl Udev {
    /// `number` is the file's name; a device name may come back with another number.
    fn refresh(&mut self, number: &str) {
        if self.path.file_name().is_none_or(|n| n != number) {
            self.path.set_file_name(number);
            self.identity = None;
        }
        let stat = rustix::fs::stat(&self.path).ok();
        let identity = stat.map(|s| (s.st_ino, s.st_size, s.st_mtime, s.st_mtime_nsec as i64));
        if identity.is_some() && identity == self.identity {
            return;
        }
        self.identity = identity;
        let contents = read_once(&self.path).unwrap_or_default();
        self.properties = parse_udev(&contents);
    }
}

/// Properties stand in lines that start with `E:`.
pub fn parse_udev(contents: &[u8]) -> HashMap<String, String> {
    let text = String::from_utf8_lossy(contents);
    let lines = text
        .lines()
        .filter_map(|l| l.strip_prefix("E:")?.split_once('='));
    lines
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// One line.
pub struct Stats<'a> {
    major: &'a [u8],
    minor: &'a [u8],
    name: &'a [u8],
    numbers: [&'a [u8]; 17],
    count: usize,
}

impl<'a> Stats<'a> {
    /// `None` for a line with fewer than 11 numbers.
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        let ([major, minor, name, numbers @ ..], count) = text::first_words::<20>(line);
        let count = count.checked_sub(3)?.min(17);
        (count >= 11).then_some(Stats {
            major,
            minor,
            name,
            numbers,
            count,
        })
    }

    fn numbers(&self) -> impl Iterator<Item = f64> {
        let numbers = self.numbers[..self.count].iter();
        numbers.map(|n| text::uint(n).unwrap_or(0) as f64)
    }
}

/// A field that is no number fails all devices, also on a line too short to be exposed.
fn check(contents: &[u8]) -> Result<(), String> {
    for line in text::lines(contents) {
        let name = 2;
        let fields = text::words(line).take(3 + NUMBERS.len()).enumerate();
        let bad = fields
            .filter(|(at, _)| *at != name)
            .find(|(_, field)| text::uint(field).is_none());
        if let Some((_, bad)) = bad {
            return Err(format!(
                "diskstats: expected whole numbers, got {:?}",
                String::from_utf8_lossy(bad)
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;
    use proptest::prelude::*;

    const STATS: &str = "\
   8       0 sda 25354637 34367663 1003346126 18492372 28444756 11134226 505697032 63877960 0 9653880 82621804
   8       1 sda1 1 2 3 4 5 6 7 8 9 10 11
 259       0 nvme0n1 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18
   7       0 loop0 1 2
";

    #[test]
    fn disks_and_their_properties() {
        let tree = Tree::new()
            .file("proc/diskstats", STATS)
            .file("udev/b8:0", "S:x\nE:ID_MODEL=Disk\nE:ID_SERIAL=abc=d\nE:ID_ATA=1\nE:ID_ATA_WRITE_CACHE=1\nE:ID_FS_TYPE=ext4\n")
            .file("sys/block/sda/queue/rotational", "1\n");
        tree.collect("diskstats", &[]).expect_some(&[
            "node_disk_info{device=\"sda\",major=\"8\",minor=\"0\",model=\"Disk\",path=\"\",revision=\"\",rotational=\"1\",serial=\"abc=d\",wwn=\"\"} 1",
            "node_disk_io_time_seconds_total{device=\"sda\"} 9653.880000000001",
            "node_disk_read_bytes_total{device=\"sda\"} 513713216512",
            "node_disk_flush_requests_time_seconds_total{device=\"nvme0n1\"} 0.017",
            "node_disk_discarded_sectors_total{device=\"nvme0n1\"} 14",
            "node_disk_ata_write_cache{device=\"sda\"} 1",
            "node_disk_filesystem_info{device=\"sda\",type=\"ext4\",usage=\"\",uuid=\"\",version=\"\"} 1",
        ]);
        let text = tree.collect("diskstats", &[]).text;
        assert!(!text.contains("sda1") && !text.contains("loop0"));
        let only = tree.collect(
            "diskstats",
            &[("collector.diskstats.device-include", "sda1")],
        );
        assert!(only.text.contains("sda1") && !only.text.contains("nvme"));
        for (good, bad) in [("34367663", "-1"), ("loop0 1 2", "loop0 1 x")] {
            tree.write("proc/diskstats", STATS.replace(good, bad));
            tree.collect("diskstats", &[])
                .expect_whole_failure("whole numbers");
        }
    }

    #[test]
    fn what_mapped_devices_are_made_of() {
        let tree = Tree::new()
            .file("proc/diskstats", " 253 0 dm-0 1 2 3 4 5 6 7 8 9 10 11\n")
            .dir("sys/block/dm-0/slaves/sda2")
            .dir("sys/block/dm-0/slaves/cciss!c0d0p1");
        let family = BACKING.name;
        assert!(!tree.collect("diskstats", &[]).text.contains(family));
        let flags = [("collector.diskstats.backing-devices", "true")];
        tree.collect("diskstats", &flags).expect_some(&[
            &format!("{family}{{backing_device=\"cciss/c0d0p1\",device=\"dm-0\"}} 1"),
            &format!("{family}{{backing_device=\"sda2\",device=\"dm-0\"}} 1"),
        ]);
    }

    #[test]
    fn flags_that_exclude_one_another() {
        let tree = Tree::new();
        let both = [
            ("collector.diskstats.device-include", "a"),
            ("collector.diskstats.device-exclude", "b"),
        ];
        assert!(
            tree.make("diskstats", &both)
                .err()
                .unwrap()
                .contains("mutually exclusive")
        );
        let empty = [both[0], ("collector.diskstats.device-exclude", "")];
        assert!(tree.make("diskstats", &empty).is_ok());
        // The old flag stands in for the default, which asking for devices drops.
        let tree = tree.file("proc/diskstats", STATS);
        let old = [
            ("collector.diskstats.device-include", "sda1"),
            ("collector.diskstats.ignored-devices", "sd"),
        ];
        tree.collect("diskstats", &old)
            .expect_some(&["node_disk_io_now{device=\"sda1\"} 9"]);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = check(&bytes);
            let _ = Stats::parse(&bytes).map(|s| s.numbers().count());
            let _ = parse_udev(&bytes);
        }
    }
}
