//! Link modes, drivers and statistics of network devices, by ethtool ioctls (`linux/ethtool.h`).

use crate::host::Host;
use crate::kernel::filter::compile;
use crate::kernel::names::{label_text, metric_name};
use crate::kernel::{Devices, Filter, Unread};
use crate::sys;
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Error, Scrape};
use exporter_core::exposition::{Arena, Dynamic, Family, Kind};
use regex::Regex;
use rustix::io::Errno;
use std::io;
use std::os::fd::OwnedFd;

exporter_core::flags! {
    /// Flags of this collector.
    pub struct Flags {
        /// Regular expression of devices to keep.
        "collector.ethtool.device-include" include: String = [""];
        /// Regular expression of devices to leave out.
        "collector.ethtool.device-exclude" exclude: String = [""];
        /// Regular expression of statistics to expose.
        "collector.ethtool.metrics-include" metrics: String = [".*"];
    }
}

/// Flags of this collector.
pub const FLAGS: &[Flag] = Flags::TABLE;

const DEVICE: &[&str] = &["device"];
const MODE: &[&str] = &["device", "duplex", "mode"];
static SUPPORTED: Family = Family::gauge(
    "node_network_supported_speed_bytes",
    MODE,
    "Speed of a link mode that a device supports, in bytes a second.",
);
static ADVERTISED: Family = Family::gauge(
    "node_network_advertised_speed_bytes",
    MODE,
    "Speed of a link mode that a device advertises, in bytes a second.",
);
static PORT: Family = Family::gauge(
    "node_network_supported_port_info",
    &["device", "type"],
    "Type of port that a device supports, constant 1.",
);
static AUTONEGOTIATE: Family = Family::gauge(
    "node_network_autonegotiate",
    DEVICE,
    "Whether a device negotiates.",
);
/// Bits of the two masks.
static BITS: [(u32, Family, Family); 3] = [
    (
        6,
        Family::gauge(
            "node_network_autonegotiate_supported",
            DEVICE,
            "Whether a device can negotiate.",
        ),
        Family::gauge(
            "node_network_autonegotiate_advertised",
            DEVICE,
            "Whether a device offers to negotiate.",
        ),
    ),
    (
        13,
        Family::gauge(
            "node_network_pause_supported",
            DEVICE,
            "Whether a device can pause.",
        ),
        Family::gauge(
            "node_network_pause_advertised",
            DEVICE,
            "Whether a device offers to pause.",
        ),
    ),
    (
        14,
        Family::gauge(
            "node_network_asymmetricpause_supported",
            DEVICE,
            "Whether a device can pause in one direction.",
        ),
        Family::gauge(
            "node_network_asymmetricpause_advertised",
            DEVICE,
            "Whether a device offers to pause in one direction.",
        ),
    ),
];
static INFO: Family = Family::gauge(
    "node_ethtool_info",
    &[
        "bus_info",
        "device",
        "driver",
        "expansion_rom_version",
        "firmware_version",
        "version",
    ],
    "Driver of a device, constant 1.",
);
static STATISTIC: Family =
    Family::untyped("node_ethtool_<statistic>", DEVICE, "Statistic of a driver.");
/// Statistics that have names of their own.
static KNOWN: [(&str, Family); 7] = [
    (
        "rx_bytes",
        Family::untyped(
            "node_ethtool_received_bytes_total",
            DEVICE,
            "Bytes received.",
        ),
    ),
    (
        "rx_dropped",
        Family::untyped(
            "node_ethtool_received_dropped_total",
            DEVICE,
            "Packets received and dropped.",
        ),
    ),
    (
        "rx_errors",
        Family::untyped(
            "node_ethtool_received_errors_total",
            DEVICE,
            "Packets received with errors.",
        ),
    ),
    (
        "rx_packets",
        Family::untyped(
            "node_ethtool_received_packets_total",
            DEVICE,
            "Packets received.",
        ),
    ),
    (
        "tx_bytes",
        Family::untyped(
            "node_ethtool_transmitted_bytes_total",
            DEVICE,
            "Bytes sent.",
        ),
    ),
    (
        "tx_errors",
        Family::untyped(
            "node_ethtool_transmitted_errors_total",
            DEVICE,
            "Packets that could not be sent.",
        ),
    ),
    (
        "tx_packets",
        Family::untyped(
            "node_ethtool_transmitted_packets_total",
            DEVICE,
            "Packets sent.",
        ),
    ),
];

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    let bits = BITS.iter().flat_map(|b| [&b.1, &b.2]);
    let known = KNOWN.iter().map(|k| &k.1);
    [
        &SUPPORTED,
        &ADVERTISED,
        &PORT,
        &AUTONEGOTIATE,
        &INFO,
        &STATISTIC,
    ]
    .into_iter()
    .chain(bits)
    .chain(known)
    .collect()
}

/// Bit of the mask, megabits a second, duplex and name.
const MODES: [(u32, f64, &str, &str); 22] = [
    (0, 10.0, "half", "10baseT"),
    (1, 10.0, "full", "10baseT"),
    (2, 100.0, "half", "100baseT"),
    (3, 100.0, "full", "100baseT"),
    (4, 1000.0, "half", "1000baseT"),
    (5, 1000.0, "full", "1000baseT"),
    (12, 10000.0, "full", "10000baseT"),
    (17, 1000.0, "full", "1000baseKX"),
    (18, 10000.0, "full", "10000baseKX4"),
    (19, 10000.0, "full", "10000baseKR"),
    (20, 10000.0, "full", "10000baseR_FEC"),
    (21, 20000.0, "full", "20000baseMLD2"),
    (22, 20000.0, "full", "20000baseKR2"),
    (23, 40000.0, "full", "40000baseKR4"),
    (24, 40000.0, "full", "40000baseCR4"),
    (25, 40000.0, "full", "40000baseSR4"),
    (26, 40000.0, "full", "40000baseLR4"),
    (27, 56000.0, "full", "56000baseKR4"),
    (28, 56000.0, "full", "56000baseCR4"),
    (29, 56000.0, "full", "56000baseSR4"),
    (30, 56000.0, "full", "56000baseLR4"),
    (31, 25000.0, "full", "25000baseCR"),
];
const PORTS: [(u32, &str); 6] = [
    (7, "TP"),
    (8, "AUI"),
    (9, "MII"),
    (10, "FIBRE"),
    (11, "BNC"),
    (16, "Backplane"),
];

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    host.require_sys()?;
    let flags = Flags::read(&host.matches)?;
    let mut filter = Filter::new(
        ("collector.ethtool.device-exclude", &flags.exclude),
        ("collector.ethtool.device-include", &flags.include),
    )?;
    let wanted = compile("collector.ethtool.metrics-include", &flags.metrics)?;
    let socket =
        sys::device_socket().map_err(|e| format!("failed to initialize ethtool library: {e}"))?;
    let mut devices = Devices::new(host.sys("class/net"));
    Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
        let devices = devices
            .refresh(|_, path| (!path.is_file()).then_some(()))
            .map_err(Unread::no_data_if_out_of_reach)?;
        if devices.is_empty() {
            return Err(Error::failed("no network devices in class/net"));
        }
        for device in devices.iter().filter(|d| filter.keeps(&d.name)) {
            let name = device.name.as_str();
            told(name, "link settings", put_settings(out, &socket, name));
            told(name, "driver information", put_driver(out, &socket, name));
            told(
                name,
                "statistics",
                put_statistics(out, &socket, name, &wanted),
            );
        }
        Ok(())
    }))
}

fn told(device: &str, what: &str, result: io::Result<()>) {
    match result {
        Err(e) if e.raw_os_error() == Some(Errno::OPNOTSUPP.raw_os_error()) => {
            tracing::debug!(device, what, "ethtool does not support this here");
        }
        Err(error) => tracing::error!(device, what, %error, "ethtool failed"),
        Ok(()) => {}
    }
}

/// A buffer for a structure of this many bytes that begins with these numbers.
fn buffer(bytes: usize, head: &[u32]) -> Vec<u64> {
    let mut words = vec![0u64; bytes.div_ceil(8)];
    for (at, pair) in head.chunks(2).enumerate() {
        let numbers = [pair[0], pair.get(1).copied().unwrap_or(0)].map(u32::to_ne_bytes);
        let mut eight = [0; 8];
        eight[..4].copy_from_slice(&numbers[0]);
        eight[4..].copy_from_slice(&numbers[1]);
        words[at] = u64::from_ne_bytes(eight);
    }
    words
}

fn bytes_of(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|w| w.to_ne_bytes()).collect()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..)
        .and_then(|b| b.first_chunk())
        .map_or(0, |b| u32::from_ne_bytes(*b))
}

fn text_at(bytes: &[u8], at: usize) -> String {
    let field = bytes.get(at..at + 32).unwrap_or_default();
    let field = field.split(|b| *b == 0).next().unwrap_or_default();
    label_text(field).into_owned()
}

/// `ETHTOOL_GSET`, `struct ethtool_cmd`.
fn put_settings(out: &mut Arena, socket: &OwnedFd, device: &str) -> io::Result<()> {
    let mut words = buffer(44, &[1]);
    sys::ethtool(socket, device, &mut words)?;
    put_masks(out, device, &bytes_of(&words));
    Ok(())
}

fn put_masks(out: &mut Arena, device: &str, bytes: &[u8]) {
    let (supported, advertised) = (u32_at(bytes, 4), u32_at(bytes, 8));
    for (bit, megabits, duplex, mode) in MODES {
        let speed = megabits * 1_000_000.0 / 8.0;
        for (mask, family) in [(supported, &SUPPORTED), (advertised, &ADVERTISED)] {
            if mask >> bit & 1 == 1 {
                out.put(family, &[device, duplex, mode], speed);
            }
        }
    }
    for (_, port) in PORTS.iter().filter(|p| supported >> p.0 & 1 == 1) {
        out.put(&PORT, &[device, port], 1.0);
    }
    for (bit, is_supported, is_advertised) in &BITS {
        out.put(is_supported, &[device], f64::from(supported >> bit & 1));
        out.put(is_advertised, &[device], f64::from(advertised >> bit & 1));
    }
    let autoneg = bytes.get(18).copied().unwrap_or(0);
    out.put(&AUTONEGOTIATE, &[device], f64::from(autoneg));
}

/// `ETHTOOL_GDRVINFO`, `struct ethtool_drvinfo`: texts of 32 bytes from byte 4, number of
/// statistics at byte 180.
fn driver_info(socket: &OwnedFd, device: &str) -> io::Result<Vec<u8>> {
    let mut words = buffer(196, &[3]);
    sys::ethtool(socket, device, &mut words)?;
    Ok(bytes_of(&words))
}

fn put_driver(out: &mut Arena, socket: &OwnedFd, device: &str) -> io::Result<()> {
    let bytes = driver_info(socket, device)?;
    let text = |index: usize| text_at(&bytes, 4 + 32 * index);
    let (driver, version, firmware, bus, rom) = (text(0), text(1), text(2), text(3), text(4));
    out.put(
        &INFO,
        &[&bus, device, &driver, &rom, &firmware, &version],
        1.0,
    );
    Ok(())
}

/// `ETHTOOL_GSTRINGS` gives the names, `ETHTOOL_GSTATS` the numbers.
fn put_statistics(
    out: &mut Arena,
    socket: &OwnedFd,
    device: &str,
    wanted: &Regex,
) -> io::Result<()> {
    const ETH_SS_STATS: u32 = 1;
    /// More than any driver has; the kernel writes as many as it has now.
    const SPARE: usize = 64;
    let count = u32_at(&driver_info(socket, device)?, 180) as usize;
    if count == 0 || count > 1 << 16 {
        return Ok(());
    }
    let mut names = buffer(
        12 + 32 * (count + SPARE),
        &[0x1b, ETH_SS_STATS, count as u32],
    );
    sys::ethtool(socket, device, &mut names)?;
    let mut numbers = buffer(8 + 8 * (count + SPARE), &[0x1d, count as u32]);
    sys::ethtool(socket, device, &mut numbers)?;
    let names = bytes_of(&names);
    let names: Vec<String> = (0..count).map(|at| text_at(&names, 12 + 32 * at)).collect();
    put_named(out, device, &names, &numbers[1..], wanted);
    Ok(())
}

fn put_named(out: &mut Arena, device: &str, names: &[String], values: &[u64], wanted: &Regex) {
    let families: Vec<Option<String>> =
        names.iter().map(|name| family_name(name, wanted)).collect();
    for (family, value) in families.iter().zip(values) {
        let Some(name) = family else { continue };
        // Two statistics of one name say nothing.
        if families.iter().flatten().filter(|f| *f == name).count() > 1 {
            continue;
        }
        match KNOWN.iter().find(|k| k.1.name == name) {
            Some((_, family)) => out.put(family, &[device], *value as f64),
            None => {
                let family = Dynamic {
                    name,
                    help: STATISTIC.help,
                    kind: Kind::Untyped,
                };
                out.put_dynamic(family, &[("device", device)], *value as f64);
            }
        }
    }
}

/// `None` where the statistic is not wanted.
fn family_name(raw: &str, wanted: &Regex) -> Option<String> {
    let key = metric_name(raw);
    if !wanted.is_match(&key) {
        return None;
    }
    if let Some((_, family)) = KNOWN.iter().find(|k| k.0 == key) {
        return Some(family.name.to_owned());
    }
    let lower = key.to_lowercase();
    let parts: Vec<&str> = lower.trim_start_matches('_').split('_').collect();
    // Replacements do not overlap: of two in a row only the first is made.
    let mut words: Vec<&str> = Vec::with_capacity(parts.len());
    let mut replaced = "";
    for part in parts {
        let word = match part {
            "rx" if replaced != "rx" => "received",
            "tx" if replaced != "tx" => "transmitted",
            other => other,
        };
        replaced = if word == part { "" } else { part };
        words.push(word);
    }
    Some(format!("node_ethtool_{}", words.join("_")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_statistics() {
        let all = Regex::new(".*").unwrap();
        for (raw, name) in [
            ("rx_bytes", "node_ethtool_received_bytes_total"),
            ("port.rx_dropped", "node_ethtool_port_received_dropped"),
            ("tx_errors", "node_ethtool_transmitted_errors_total"),
            ("Rx Align Errors", "node_ethtool_received_align_errors"),
            ("prefix_rx", "node_ethtool_prefix_received"),
            ("rx_rx_x", "node_ethtool_received_rx_x"),
            ("_lead", "node_ethtool_lead"),
        ] {
            assert_eq!(family_name(raw, &all).as_deref(), Some(name), "{raw}");
        }
        assert_eq!(family_name("x", &Regex::new("^rx").unwrap()), None);
    }

    #[test]
    fn masks_and_duplicates() {
        let mut bytes = vec![0; 44];
        bytes[4..8].copy_from_slice(&(1u32 << 5 | 1 << 6 | 1 << 7).to_ne_bytes());
        bytes[18] = 1;
        let mut arena = Arena::new();
        put_masks(&mut arena, "eth0", &bytes);
        let names = ["a b".to_owned(), "a_b".to_owned(), "c".to_owned()];
        put_named(
            &mut arena,
            "eth0",
            &names,
            &[1, 2, 3],
            &Regex::new("").unwrap(),
        );
        arena.seal();
        let families: Vec<_> = arena.families().map(|f| f.name().to_owned()).collect();
        assert!(families.contains(&"node_ethtool_c".to_owned()));
        assert!(!families.contains(&"node_ethtool_a_b".to_owned()));
        let speed = arena
            .families()
            .find(|f| f.name() == SUPPORTED.name)
            .unwrap();
        assert_eq!(speed.samples().next().unwrap().value(), 125_000_000.0);
    }

    #[test]
    fn short_answers_are_survived() {
        let mut arena = Arena::new();
        for length in 0..64 {
            put_masks(&mut arena, "x", &vec![255; length]);
            let _ = text_at(&vec![1; length], 4);
        }
    }
}
