//! Replicated block devices, from `drbd` of procfs (DRBD up to 8.4).

use crate::host::Host;
use crate::kernel::{KernelFile, Unread, text};
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Error, Scrape};
use exporter_core::exposition::{Arena, Family};

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

const DEVICE: &[&str] = &["device"];
/// Keys, families and what each number is multiplied with.
static NUMBERS: [(&str, Family, f64); 12] = [
    (
        "ns",
        Family::counter(
            "node_drbd_network_sent_bytes_total",
            DEVICE,
            "Bytes sent to the peer.",
        ),
        1024.0,
    ),
    (
        "nr",
        Family::counter(
            "node_drbd_network_received_bytes_total",
            DEVICE,
            "Received from the peer, as the kernel counts it.",
        ),
        1.0,
    ),
    (
        "dw",
        Family::counter(
            "node_drbd_disk_written_bytes_total",
            DEVICE,
            "Bytes written to disk.",
        ),
        1024.0,
    ),
    (
        "dr",
        Family::counter(
            "node_drbd_disk_read_bytes_total",
            DEVICE,
            "Bytes read from disk.",
        ),
        1024.0,
    ),
    (
        "al",
        Family::counter(
            "node_drbd_activitylog_writes_total",
            DEVICE,
            "Activity log updates.",
        ),
        1.0,
    ),
    (
        "bm",
        Family::counter("node_drbd_bitmap_writes_total", DEVICE, "Bitmap updates."),
        1.0,
    ),
    (
        "lo",
        Family::gauge(
            "node_drbd_local_pending",
            DEVICE,
            "Open requests to the local disk.",
        ),
        1.0,
    ),
    (
        "pe",
        Family::gauge(
            "node_drbd_remote_pending",
            DEVICE,
            "Requests that the peer has not answered.",
        ),
        1.0,
    ),
    (
        "ua",
        Family::gauge(
            "node_drbd_remote_unacknowledged",
            DEVICE,
            "Requests of the peer that are not answered.",
        ),
        1.0,
    ),
    (
        "ap",
        Family::gauge(
            "node_drbd_application_pending",
            DEVICE,
            "Block requests that are not answered.",
        ),
        1.0,
    ),
    (
        "ep",
        Family::gauge("node_drbd_epochs", DEVICE, "Epochs under way."),
        1.0,
    ),
    (
        "oos",
        Family::gauge("node_drbd_out_of_sync_bytes", DEVICE, "Bytes out of sync."),
        1024.0,
    ),
];
static ROLE: Family = Family::gauge(
    "node_drbd_node_role_is_primary",
    &["device", "node"],
    "Whether a node is primary.",
);
static DISK: Family = Family::gauge(
    "node_drbd_disk_state_is_up_to_date",
    &["device", "node"],
    "Whether the disk of a node is up to date.",
);
static CONNECTED: Family = Family::gauge(
    "node_drbd_connected",
    DEVICE,
    "Whether the peer is connected.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    NUMBERS
        .iter()
        .map(|n| &n.1)
        .chain([&ROLE, &DISK, &CONNECTED])
        .collect()
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    let mut file = KernelFile::new(host.proc("drbd"));
    let mut buffer = Vec::new();
    Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
        let contents = file.read(&mut buffer).map_err(Unread::no_data_if_missing)?;
        put(out, &String::from_utf8_lossy(contents))
    }))
}

fn put(out: &mut Arena, contents: &str) -> Result<(), Error> {
    let mut device = "unknown".to_owned();
    for word in contents.split_whitespace() {
        let Some((key, value)) = word.split_once(':').filter(|(_, v)| !v.contains(':')) else {
            continue;
        };
        if value.is_empty() && text::uint(key.as_bytes()).is_some() {
            device = format!("drbd{key}");
            continue;
        }
        if let Some((_, family, scale)) = NUMBERS.iter().find(|n| n.0 == key) {
            let number = text::float(value.as_bytes());
            let number = number.ok_or_else(|| format!("drbd: expected a number behind {key}"))?;
            out.put(family, &[&device], number * scale);
            continue;
        }
        let (family, good) = match key {
            "ro" => (&ROLE, "Primary"),
            "ds" => (&DISK, "UpToDate"),
            "cs" => {
                out.put(
                    &CONNECTED,
                    &[&device],
                    f64::from(u8::from(value == "Connected")),
                );
                continue;
            }
            _ => continue,
        };
        let (local, remote) = value
            .split_once('/')
            .ok_or_else(|| format!("drbd: expected two states behind {key}"))?;
        out.put(
            family,
            &[&device, "local"],
            f64::from(u8::from(local == good)),
        );
        out.put(
            family,
            &[&device, "remote"],
            f64::from(u8::from(remote == good)),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;
    use proptest::prelude::*;

    #[test]
    fn one_device() {
        let tree = Tree::new().file("proc/drbd", "version: 8.4.3 (api:1/proto:86-101)\n 1: cs:Connected ro:Primary/Secondary ds:UpToDate/Inconsistent C r-----\n    ns:17324442 nr:10961011 oos:2\n");
        tree.collect("drbd", &[]).expect_some(&[
            "node_drbd_connected{device=\"drbd1\"} 1",
            "node_drbd_node_role_is_primary{device=\"drbd1\",node=\"remote\"} 0",
            "node_drbd_network_sent_bytes_total{device=\"drbd1\"} 17740228608",
            "node_drbd_network_received_bytes_total{device=\"drbd1\"} 10961011",
            "node_drbd_out_of_sync_bytes{device=\"drbd1\"} 2048",
        ]);
        tree.write("proc/drbd", "ro:Primary");
        tree.collect("drbd", &[]).expect_failure("two states");
        Tree::new().collect("drbd", &[]).expect_no_data();
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = put(&mut Arena::new(), &text);
        }
    }
}
