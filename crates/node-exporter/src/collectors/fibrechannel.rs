//! Fibre Channel hosts, from `class/fc_host` of sysfs (`scsi/scsi_fc_transport`).

use crate::host::Host;
use crate::kernel::{KernelFile, Unread, list, short_once, text};
use crate::whole::whole;
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Error, Scrape};
use exporter_core::exposition::{Arena, Family};
use rustix::io::Errno;
use std::path::Path;

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

const HOST: &[&str] = &["fc_host"];
macro_rules! counters {
    ($( $file:literal $name:literal $help:literal, )*) => {
        /// Files below `statistics` and their families.
        static COUNTERS: [(&str, Family); 14] = [ $( (
            $file,
            Family::counter(concat!("node_fibrechannel_", $name, "_total"), HOST, $help),
        ), )* ];
    };
}
counters! {
    "dumped_frames" "dumped_frames" "Frames dumped.",
    "error_frames" "error_frames" "Frames with errors.",
    "invalid_crc_count" "invalid_crc" "Frames with a wrong checksum.",
    "rx_frames" "rx_frames" "Frames received.",
    "rx_words" "rx_words" "Words received.",
    "tx_frames" "tx_frames" "Frames sent.",
    "tx_words" "tx_words" "Words sent.",
    "seconds_since_last_reset" "seconds_since_last_reset" "Seconds since the statistics were reset.",
    "invalid_tx_word_count" "invalid_tx_words" "Invalid words sent.",
    "link_failure_count" "link_failure" "Link failures.",
    "loss_of_sync_count" "loss_of_sync" "Losses of synchronisation.",
    "loss_of_signal_count" "loss_of_signal" "Losses of signal.",
    "nos_count" "nos" "Not-operational sequences.",
    "fcp_packet_aborts" "fcp_packet_aborts" "Packets aborted.",
}
const LABELS: &[&str] = &[
    "dev_loss_tmo",
    "fabric_name",
    "fc_host",
    "port_id",
    "port_name",
    "port_state",
    "port_type",
    "speed",
    "supported_classes",
    "supported_speeds",
    "symbolic_name",
];
static INFO: Family = Family::gauge(
    "node_fibrechannel_info",
    LABELS,
    "What a Fibre Channel host is, constant 1.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    COUNTERS.iter().map(|c| &c.1).chain([&INFO]).collect()
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    host.require_sys()?;
    let root = host.sys("class/fc_host");
    Ok(whole(move |out: &mut Arena, _: &Scrape| {
        for name in list(&root).map_err(Unread::no_data_if_missing)? {
            put(out, &root.join(&name), &name)?;
        }
        Ok(())
    }))
}

fn put(out: &mut Arena, dir: &Path, name: &str) -> Result<(), Error> {
    let mut values = Vec::with_capacity(LABELS.len());
    for label in LABELS {
        let value = match *label {
            "fc_host" => name.to_owned(),
            label => match short_once(dir.join(label)) {
                Ok(text) => text,
                Err(unread) if unread.is_missing() => String::new(),
                Err(unread) => return Err(unread.into()),
            },
        };
        let is_number = matches!(*label, "port_id" | "port_name" | "fabric_name");
        let cut = is_number && value.len() > 2;
        values.push(if cut {
            value.get(2..).unwrap_or("").to_owned()
        } else {
            value
        });
    }
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    out.put(&INFO, &values, 1.0);
    let state = LABELS
        .iter()
        .position(|l| *l == "port_state")
        .and_then(|at| values.get(at))
        .copied();
    let unknown = matches!(state, None | Some("" | "Unknown"));
    for (file, family) in &COUNTERS {
        if unknown {
            out.put(family, &[name], 0.0);
            continue;
        }
        let mut short = [0; 128];
        let mut file = KernelFile::new(dir.join("statistics").join(file));
        let value = match file.short(&mut short) {
            Ok(digits) => text::prefixed_uint(digits)
                .ok_or_else(|| format!("{}: expected a whole number", file.path().display()))?,
            Err(u) if matches!(u.errno, Errno::NOENT | Errno::INVAL) => continue,
            Err(unread) => return Err(unread.into()),
        };
        // All bits set: the host does not count this.
        if value != u64::MAX {
            out.put(family, &[name], value as f64);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Tree;

    #[test]
    fn hosts() {
        let tree = Tree::new()
            .file("sys/class/fc_host/host0/port_state", "Online\n")
            .file("sys/class/fc_host/host0/port_id", "0x000002\n")
            .file("sys/class/fc_host/host0/statistics/rx_words", "0x4\n")
            .file(
                "sys/class/fc_host/host0/statistics/nos_count",
                "0xffffffffffffffff\n",
            )
            .file("sys/class/fc_host/host1/port_state", "Unknown\n");
        let collected = tree.collect("fibrechannel", &[]);
        assert!(!collected.text.contains("nos_total{fc_host=\"host0\"}"));
        collected.expect_some(&[
            "node_fibrechannel_rx_words_total{fc_host=\"host0\"} 4",
            "node_fibrechannel_rx_words_total{fc_host=\"host1\"} 0",
            "node_fibrechannel_info{dev_loss_tmo=\"\",fabric_name=\"\",fc_host=\"host0\",port_id=\"000002\",port_name=\"\",port_state=\"Online\",port_type=\"\",speed=\"\",supported_classes=\"\",supported_speeds=\"\",symbolic_name=\"\"} 1",
        ]);
        Tree::new().collect("fibrechannel", &[]).expect_no_data();
    }
}
