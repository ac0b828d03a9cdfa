//! Software RAID, from `mdstat` of procfs and `block/md*/md` of sysfs (`admin-guide/md`).

use crate::host::{Host, require};
use crate::kernel::{KernelFile, glob, short_once, text};
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Error, Scrape};
use exporter_core::exposition::{Arena, Family};
use std::path::Path;

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

const DEVICE: &[&str] = &["device"];
static REQUIRED: Family = Family::gauge(
    "node_md_disks_required",
    DEVICE,
    "Disks that an array needs.",
);
static DISKS: Family = Family::gauge(
    "node_md_disks",
    &["device", "state"],
    "Disks of an array that are active, failed or spare.",
);
static STATE: Family = Family::gauge(
    "node_md_state",
    &["device", "state"],
    "Whether an array is in a state.",
);
static BLOCKS: Family = Family::gauge("node_md_blocks", DEVICE, "Blocks of an array.");
static SYNCED: Family = Family::gauge(
    "node_md_blocks_synced",
    DEVICE,
    "Blocks of an array that are in sync.",
);
static RAID_DISKS: Family = Family::gauge(
    "node_md_raid_disks",
    DEVICE,
    "Disks that an array is configured for.",
);
static DEGRADED: Family = Family::gauge("node_md_degraded", DEVICE, "Disks that an array lacks.");

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![
        &REQUIRED,
        &DISKS,
        &STATE,
        &BLOCKS,
        &SYNCED,
        &RAID_DISKS,
        &DEGRADED,
    ]
}

const STATES: [&str; 5] = ["active", "inactive", "recovering", "resync", "check"];

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    let proc = host.proc.clone();
    let mut file = KernelFile::new(host.proc("mdstat"));
    let block = host.sys("block");
    let mut buffer = Vec::new();
    Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
        let contents = match file.read(&mut buffer) {
            Ok(contents) => contents,
            Err(unread) => {
                require("procfs", &proc)?;
                return Err(unread.no_data_if_missing());
            }
        };
        for array in parse(contents)? {
            array.put(out);
        }
        for device in glob(&block, "md*") {
            put_sysfs(out, &block.join(&device).join("md"), &device);
        }
        Ok::<(), Error>(())
    }))
}

fn put_sysfs(out: &mut Arena, dir: &Path, device: &str) {
    // Not every device called md is an array.
    let Ok(level) = short_once(dir.join("level")) else {
        return;
    };
    if !matches!(level.as_str(), "" | "container" | "imsm" | "ddf")
        && let Ok(disks) = short_once(dir.join("raid_disks"))
    {
        let number = disks.split(" (").next().unwrap_or("");
        if let Some(disks) = text::uint(number.as_bytes()) {
            out.put(&RAID_DISKS, &[device], disks as f64);
        }
    }
    if !matches!(
        level.as_str(),
        "raid1" | "raid4" | "raid5" | "raid6" | "raid10"
    ) {
        out.put(&DEGRADED, &[device], 0.0);
    } else if let Ok(degraded) = KernelFile::new(dir.join("degraded")).uint() {
        out.put(&DEGRADED, &[device], degraded as f64);
    }
}

/// One array.
#[derive(Debug, PartialEq)]
pub struct Array {
    name: String,
    state: String,
    active: u64,
    total: u64,
    failed: u64,
    spare: u64,
    size: u64,
    synced: u64,
}

impl Array {
    fn put(&self, out: &mut Arena) {
        let name = self.name.as_str();
        out.put(&REQUIRED, &[name], self.total as f64);
        for (state, count) in [
            ("active", self.active),
            ("failed", self.failed),
            ("spare", self.spare),
        ] {
            out.put(&DISKS, &[name, state], count as f64);
        }
        for state in STATES {
            out.put(
                &STATE,
                &[name, state],
                f64::from(u8::from(state == self.state)),
            );
        }
        out.put(&BLOCKS, &[name], self.size as f64);
        out.put(&SYNCED, &[name], self.synced as f64);
    }
}

/// Reads all arrays.
pub fn parse(contents: &[u8]) -> Result<Vec<Array>, String> {
    let text = String::from_utf8_lossy(contents);
    let lines: Vec<&str> = text.split('\n').collect();
    let mut arrays = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        // Kernels of storage vendors tell settings as KEY=VALUE.
        let setting = line.split(' ').next().is_some_and(|w| w.contains('='));
        let skipped = setting
            || line.trim().is_empty()
            || line.starts_with([' ', '\t'])
            || line.starts_with("unused")
            || line.starts_with("Personalities");
        if !skipped {
            arrays.push(parse_array(line, lines.get(at + 1..).unwrap_or_default())?);
        }
    }
    Ok(arrays)
}

fn parse_array(line: &str, below: &[&str]) -> Result<Array, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let ([name, _, state, ..], [status, second, third, ..]) = (words.as_slice(), below) else {
        return Err(format!(
            "mdstat: expected an array and three lines below it, got {line:?}"
        ));
    };
    let size = status
        .split_whitespace()
        .next()
        .and_then(|w| text::uint(w.as_bytes()));
    let size =
        size.ok_or_else(|| format!("mdstat: expected the size of {name}, got {status:?}"))?;
    let (active, total) = disks(line, status)
        .ok_or_else(|| format!("mdstat: expected the disks of {name}, got {status:?}"))?;
    let sync_line = if second.contains("bitmap") {
        third
    } else {
        second
    };
    let (activity, synced) = sync(sync_line, size)
        .ok_or_else(|| format!("mdstat: expected the progress of {name}, got {sync_line:?}"))?;
    Ok(Array {
        name: (*name).to_owned(),
        state: activity.unwrap_or(state).to_owned(),
        active,
        total,
        failed: line.matches("(F)").count() as u64,
        spare: line.matches("(S)").count() as u64,
        size,
        synced,
    })
}

/// Active and all disks, from `[total/active] [UU_]` unless the level keeps no redundancy.
fn disks(line: &str, status: &str) -> Option<(u64, u64)> {
    if line.contains("raid0") || line.contains("linear") {
        let count = line.matches('[').count() as u64;
        return Some((count, count));
    }
    if line.contains("inactive") {
        return Some((0, 0));
    }
    status.contains(" blocks").then_some(())?;
    let mut found = None;
    for (at, _) in status.match_indices('[') {
        let inside = status[at + 1..].split(']').next()?;
        let Some((total, active)) = inside.split_once('/') else {
            continue;
        };
        let numbers = (text::uint(active.as_bytes()), text::uint(total.as_bytes()));
        let marks = status[at + 1 + inside.len()..].strip_prefix("] [");
        let marks = marks.and_then(|m| m.split_once(']')).map(|m| m.0);
        let marked =
            marks.is_some_and(|m| !m.is_empty() && m.bytes().all(|b| b == b'U' || b == b'_'));
        if let ((Some(active), Some(total)), true) = (numbers, marked) {
            found = Some((active, total));
        }
    }
    found
}

/// What an array is doing, and how many blocks are in sync.
fn sync(line: &str, size: u64) -> Option<(Option<&'static str>, u64)> {
    let activities = [
        ("recovery", "recovering"),
        ("reshape", "reshaping"),
        ("check", "checking"),
        ("resync", "resyncing"),
    ];
    let Some((_, activity)) = activities.iter().find(|a| line.contains(a.0)) else {
        return Some((None, size));
    };
    // The families know fewer words than the kernel.
    let state = match *activity {
        "resyncing" => "resync",
        "checking" => "check",
        other => other,
    };
    if line.contains("PENDING") || line.contains("DELAYED") {
        return Some((Some(state), 0));
    }
    let (progress, rest) = line.split_once('(')?.1.split_once(')')?;
    let synced = text::uint(progress.split_once('/')?.0.as_bytes())?;
    let percent = line.split_once("= ")?.1.split_once('%')?.0;
    let finish = rest.split_once("finish=")?.1.split_once("min")?.0;
    let speed = rest.split_once("speed=")?.1;
    let end = speed.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let numbers = [percent.trim(), finish, &speed[..end]];
    let whole = numbers.iter().all(|n| text::float(n.as_bytes()).is_some());
    (whole && speed[end..].starts_with(|c: char| c.is_ascii_uppercase()))
        .then_some((Some(state), synced))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;
    use proptest::prelude::*;

    const MDSTAT: &str = "\
Personalities : [raid6] [raid1]
md3 : active raid6 sda1[8] sdh1[7] sdg1[6](F) sdc1[2](S)
      5853468288 blocks super 1.2 level 6, 64k chunk, algorithm 2 [8/7] [UUUUUUU_]

md7 : active raid1 sdb1[1] sda1[0]
      248896 blocks [2/2] [UU]
      bitmap: 0/1 pages
      [=>..]  recovery =  8.5% (16775552/195310144) finish=17.0min speed=259783K/sec

md0 : active raid0 sda[0] sdb[1]
      523968 blocks super 1.2 512k chunks

md9 : inactive sdc[0]
      1024 blocks

unused devices: <none>
";

    #[test]
    fn arrays() {
        let tree = Tree::new()
            .file("proc/mdstat", MDSTAT)
            .file("sys/block/md3/md/level", "raid6\n")
            .file("sys/block/md3/md/raid_disks", "8 (7)\n")
            .file("sys/block/md3/md/degraded", "1\n");
        tree.collect("mdadm", &[]).expect_some(&[
            "node_md_disks{device=\"md3\",state=\"active\"} 7",
            "node_md_disks{device=\"md3\",state=\"failed\"} 1",
            "node_md_disks_required{device=\"md3\"} 8",
            "node_md_state{device=\"md7\",state=\"recovering\"} 1",
            "node_md_state{device=\"md7\",state=\"active\"} 0",
            "node_md_blocks_synced{device=\"md7\"} 16775552",
            "node_md_disks{device=\"md0\",state=\"active\"} 2",
            "node_md_state{device=\"md9\",state=\"inactive\"} 1",
            "node_md_raid_disks{device=\"md3\"} 8",
            "node_md_degraded{device=\"md3\"} 1",
        ]);
        tree.write(
            "proc/mdstat",
            "md0 : active raid1 sda[0]\n      many blocks\n\n\n",
        );
        tree.collect("mdadm", &[]).expect_failure("size of md0");
        let settings = "sbName=/boot/config/super.dat\nmdState=STARTED\n";
        tree.write("proc/mdstat", settings.to_owned() + MDSTAT);
        tree.collect("mdadm", &[])
            .expect_some(&["node_md_disks_required{device=\"md3\"} 8"]);
        Tree::new().collect("mdadm", &[]).expect_no_data();
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, line: String) {
            let _ = (parse(&bytes), sync(&line, 1), disks(&line, &line));
        }
    }
}
