//! Tape drives, from `class/scsi_tape` of sysfs (`scsi/st`).

use crate::host::Host;
use crate::kernel::filter::compile;
use crate::kernel::{KernelFile, Unread, list, text};
use crate::whole::whole;
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Error, Scrape};
use exporter_core::exposition::{Arena, Family};
use std::path::Path;

exporter_core::flags! {
    /// Flags of this collector.
    pub struct Flags {
        /// Regular expression of devices to leave out.
        "collector.tapestats.ignored-devices" ignored: String = ["^$"];
    }
}

/// Flags of this collector.
pub const FLAGS: &[Flag] = Flags::TABLE;

const DEVICE: &[&str] = &["device"];
/// Files, families and what each number is multiplied with.
static FILES: [(&str, Family, f64); 10] = [
    (
        "in_flight",
        Family::gauge("node_tape_io_now", DEVICE, "Requests under way."),
        1.0,
    ),
    (
        "io_ns",
        Family::counter(
            "node_tape_io_time_seconds_total",
            DEVICE,
            "Time that all requests took in seconds.",
        ),
        1e-9,
    ),
    (
        "other_cnt",
        Family::counter(
            "node_tape_io_others_total",
            DEVICE,
            "Requests other than reads and writes.",
        ),
        1.0,
    ),
    (
        "read_byte_cnt",
        Family::counter("node_tape_read_bytes_total", DEVICE, "Bytes read."),
        1.0,
    ),
    (
        "read_cnt",
        Family::counter(
            "node_tape_reads_completed_total",
            DEVICE,
            "Reads completed.",
        ),
        1.0,
    ),
    (
        "read_ns",
        Family::counter(
            "node_tape_read_time_seconds_total",
            DEVICE,
            "Time that all reads took in seconds.",
        ),
        1e-9,
    ),
    (
        "resid_cnt",
        Family::counter(
            "node_tape_residual_total",
            DEVICE,
            "Requests that moved less than was asked for.",
        ),
        1.0,
    ),
    (
        "write_byte_cnt",
        Family::counter("node_tape_written_bytes_total", DEVICE, "Bytes written."),
        1.0,
    ),
    (
        "write_cnt",
        Family::counter(
            "node_tape_writes_completed_total",
            DEVICE,
            "Writes completed.",
        ),
        1.0,
    ),
    (
        "write_ns",
        Family::counter(
            "node_tape_write_time_seconds_total",
            DEVICE,
            "Time that all writes took in seconds.",
        ),
        1e-9,
    ),
];

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    FILES.iter().map(|f| &f.1).collect()
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    host.require_sys()?;
    let flags = Flags::read(&host.matches)?;
    let ignored = compile("collector.tapestats.ignored-devices", &flags.ignored)?;
    let root = host.sys("class/scsi_tape");
    Ok(whole(move |out: &mut Arena, _: &Scrape| {
        for device in list(&root).map_err(Unread::no_data_if_missing)? {
            if is_tape(&device) && !ignored.is_match(&device) {
                put(out, &root.join(&device).join("stats"), &device)?;
            }
        }
        Ok(())
    }))
}

/// `st` and digits: `nst0` and `st0a` are the same drive in other modes.
fn is_tape(name: &str) -> bool {
    let digits = name.strip_prefix("st").unwrap_or("");
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

fn put(out: &mut Arena, stats: &Path, device: &str) -> Result<(), Error> {
    list(stats).map_err(Unread::no_data_if_missing)?;
    for (file, family, scale) in &FILES {
        let mut short = [0; 128];
        let mut file = KernelFile::new(stats.join(file));
        let value = match file.short(&mut short) {
            Ok(digits) => text::prefixed_uint(digits)
                .ok_or_else(|| format!("{}: expected a whole number", stats.display()))?,
            Err(unread) if unread.is_missing() => 0,
            Err(unread) => return Err(unread.into()),
        };
        out.put(family, &[device], value as f64 * scale);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Tree;

    #[test]
    fn drives() {
        let tree = Tree::new()
            .file("sys/class/scsi_tape/st0/stats/io_ns", "9247011087720\n")
            .file("sys/class/scsi_tape/st0/stats/write_cnt", "53772916\n")
            .dir("sys/class/scsi_tape/nst0")
            .dir("sys/class/scsi_tape/st0a");
        tree.collect("tapestats", &[]).expect_some(&[
            "node_tape_io_time_seconds_total{device=\"st0\"} 9247.01108772",
            "node_tape_writes_completed_total{device=\"st0\"} 53772916",
            "node_tape_io_now{device=\"st0\"} 0",
        ]);
        Tree::new().collect("tapestats", &[]).expect_no_data();
    }
}
