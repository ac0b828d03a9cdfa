//! Queueing disciplines at the root of devices, over rtnetlink (`RTM_GETQDISC`, tc(8)).

use super::netdev::renamed;
use super::network_route::link_names;
use crate::host::Host;
use crate::kernel::netlink::{self, DUMP, Netlink, attributes, text_of, u32_of, u64_of};
use crate::kernel::{Filter, read_once};
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Error, Scrape};
use exporter_core::exposition::{Arena, Family};
use serde_json::Value;
use std::cell::RefCell;
use std::path::{Path, PathBuf};

exporter_core::flags! {
    /// Flags of this collector.
    pub struct Flags {
        /// Directory with recorded results, for tests.
        "collector.qdisc.fixtures" fixtures: PathBuf = [""];
        /// Regular expression of devices to keep.
        "collector.qdisc.device-include" include: String = [""];
        /// Regular expression of devices to leave out.
        "collector.qdisc.device-exclude" exclude: String = [""];
        /// Older name of --collector.qdisc.device-include.
        "collector.qdisk.device-include" [hidden()] old_include: String = [""];
        /// Older name of --collector.qdisc.device-exclude.
        "collector.qdisk.device-exclude" [hidden()] old_exclude: String = [""];
    }
}

/// Flags of this collector.
pub const FLAGS: &[Flag] = Flags::TABLE;

const DEVICE: &[&str] = &["device", "kind"];
static BYTES: Family = Family::counter("node_qdisc_bytes_total", DEVICE, "Bytes sent.");
static PACKETS: Family = Family::counter("node_qdisc_packets_total", DEVICE, "Packets sent.");
static DROPS: Family = Family::counter("node_qdisc_drops_total", DEVICE, "Packets dropped.");
static REQUEUES: Family = Family::counter("node_qdisc_requeues_total", DEVICE, "Packets put back.");
static OVERLIMITS: Family = Family::counter(
    "node_qdisc_overlimits_total",
    DEVICE,
    "Packets beyond a limit.",
);
static LENGTH: Family = Family::gauge(
    "node_qdisc_current_queue_length",
    DEVICE,
    "Packets in the queue.",
);
static BACKLOG: Family = Family::gauge("node_qdisc_backlog", DEVICE, "Bytes in the queue.");

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![
        &BYTES,
        &PACKETS,
        &DROPS,
        &REQUEUES,
        &OVERLIMITS,
        &LENGTH,
        &BACKLOG,
    ]
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    let flags = Flags::read(&host.matches)?;
    let include = renamed(
        "device-include",
        &flags.include,
        "device-include (qdisk)",
        &flags.old_include,
    )?;
    let exclude = renamed(
        "device-exclude",
        &flags.exclude,
        "device-exclude (qdisk)",
        &flags.old_exclude,
    )?;
    if !include.is_empty() && !exclude.is_empty() {
        return Err("collector.qdisc.device-include and collector.qdisc.device-exclude are mutually exclusive".to_owned());
    }
    let mut filter = Filter::new(
        ("collector.qdisc.device-exclude", exclude),
        ("collector.qdisc.device-include", include),
    )?;
    let mut netlink = Netlink::new(netlink::Family::Route);
    Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
        let found = if flags.fixtures.as_os_str().is_empty() {
            ask(&mut netlink)?
        } else {
            read_fixture(&flags.fixtures.join("results.json"))?
        };
        for q in found.iter().filter(|q| q.parent == 0) {
            if filter.keeps(&q.device) {
                q.put(out);
            }
        }
        Ok::<(), Error>(())
    }))
}

/// One queueing discipline.
#[derive(Clone, Debug, Default, PartialEq)]
struct Qdisc {
    device: String,
    index: u32,
    parent: u32,
    kind: String,
    bytes: u64,
    packets: u32,
    drops: u32,
    requeues: u32,
    overlimits: u32,
    length: u32,
    backlog: u32,
}

impl Qdisc {
    fn put(&self, out: &mut Arena) {
        let labels = [self.device.as_str(), &self.kind];
        out.put(&BYTES, &labels, self.bytes as f64);
        for (family, value) in [
            (&PACKETS, self.packets),
            (&DROPS, self.drops),
            (&REQUEUES, self.requeues),
            (&OVERLIMITS, self.overlimits),
            (&LENGTH, self.length),
            (&BACKLOG, self.backlog),
        ] {
            out.put(family, &labels, f64::from(value));
        }
    }

    /// `struct tcmsg`: index at 4, parent at 12.
    fn parse(payload: &[u8]) -> Option<Self> {
        const TC_H_ROOT: u32 = 0xffff_ffff;
        let parent = u32_of(payload.get(12..)?)?;
        let mut q = Qdisc {
            index: u32_of(payload.get(4..)?)?,
            parent: if parent == TC_H_ROOT { 0 } else { parent },
            ..Qdisc::default()
        };
        let mut legacy = None;
        for (kind, value) in attributes(payload.get(20..)?) {
            match kind {
                1 => q.kind = text_of(value).into_owned(),
                3 => legacy = Some(value),
                7 => q.take_stats(value),
                _ => {}
            }
        }
        if let Some(value) = legacy {
            q.take_legacy(value);
        }
        Some(q)
    }

    fn take_stats(&mut self, value: &[u8]) {
        for (kind, value) in attributes(value) {
            let number = |at: usize| value.get(4 * at..).and_then(u32_of).unwrap_or(0);
            match kind {
                1 => {
                    self.bytes = u64_of(value).unwrap_or(0);
                    self.packets = number(2);
                }
                3 => {
                    self.length = number(0);
                    self.backlog = number(1);
                    self.drops = number(2);
                    self.requeues = number(3);
                    self.overlimits = number(4);
                }
                _ => {}
            }
        }
    }

    /// `struct tc_stats`, which has no requeues.
    fn take_legacy(&mut self, value: &[u8]) {
        let number = |at: usize| value.get(at..).and_then(u32_of);
        let all = (
            u64_of(value),
            number(8),
            number(12),
            number(16),
            number(28),
            number(32),
        );
        if let (
            Some(bytes),
            Some(packets),
            Some(drops),
            Some(overlimits),
            Some(length),
            Some(backlog),
        ) = all
        {
            self.bytes = bytes;
            self.packets = packets;
            self.drops = drops;
            self.overlimits = overlimits;
            self.length = length;
            self.backlog = backlog;
        }
    }
}

fn ask(netlink: &mut Netlink) -> Result<Vec<Qdisc>, Error> {
    const RTM_GETQDISC: u16 = 38;
    let names = link_names(netlink)?;
    let found = RefCell::new(Vec::new());
    let restart = || found.borrow_mut().clear();
    netlink.request(RTM_GETQDISC, DUMP, &[0; 20], restart, |message| {
        found.borrow_mut().extend(Qdisc::parse(message.payload));
    })?;
    let mut found = found.into_inner();
    for q in &mut found {
        q.device = names.get(&q.index).cloned().unwrap_or_default();
    }
    Ok(found)
}

/// Reads results recorded as JSON, keys in any letter case.
fn read_fixture(path: &Path) -> Result<Vec<Qdisc>, Error> {
    let contents = read_once(path)?;
    let told = |e: serde_json::Error| Error::failed(format!("{}: {e}", path.display()));
    let list: Vec<Value> = serde_json::from_slice(&contents).map_err(told)?;
    Ok(list.iter().map(from_json).collect())
}

fn from_json(value: &Value) -> Qdisc {
    let field = |name: &str| {
        let object = value.as_object()?;
        object
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, v)| v)
    };
    let text = |name: &str| field(name).and_then(Value::as_str).unwrap_or("").to_owned();
    let wide = |name: &str| field(name).and_then(Value::as_u64).unwrap_or(0);
    let number = |name: &str| wide(name) as u32;
    Qdisc {
        device: text("IfaceName"),
        index: 0,
        parent: number("Parent"),
        kind: text("Kind"),
        bytes: wide("Bytes"),
        packets: number("Packets"),
        drops: number("Drops"),
        requeues: number("Requeues"),
        overlimits: number("Overlimits"),
        length: number("Qlen"),
        backlog: number("Backlog"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;
    use proptest::prelude::*;

    #[test]
    fn recorded_results() {
        let tree = Tree::new().file("q/results.json", r#"[{"IfaceName":"wlan0","Kind":"fq","Bytes":42,"packets":7,"Qlen":1},{"IfaceName":"x","Parent":5}]"#);
        let directory = tree.path("q").display().to_string();
        let flags = [("collector.qdisc.fixtures", directory.as_str())];
        let collected = tree.collect("qdisc", &flags);
        assert!(!collected.text.contains("\"x\""));
        collected.expect_some(&[
            "node_qdisc_bytes_total{device=\"wlan0\",kind=\"fq\"} 42",
            "node_qdisc_packets_total{device=\"wlan0\",kind=\"fq\"} 7",
            "node_qdisc_current_queue_length{device=\"wlan0\",kind=\"fq\"} 1",
        ]);
        tree.write("q/results.json", "{");
        tree.collect("qdisc", &flags).expect_failure("results.json");
    }

    #[test]
    fn asks_this_kernel() {
        Tree::new().collect("qdisc", &[]).result.unwrap();
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = Qdisc::parse(&bytes);
        }
    }
}
