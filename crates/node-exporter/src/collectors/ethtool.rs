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
static BITS: [(usize, Family, Family); 3] = [
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
const MODES: [(usize, f64, &str, &str); 78] = [
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
    // Behind the first word, which is all that ETHTOOL_GSET knows.
    (32, 25000.0, "full", "25000baseKR"),
    (33, 25000.0, "full", "25000baseSR"),
    (34, 50000.0, "full", "50000baseCR2"),
    (35, 50000.0, "full", "50000baseKR2"),
    (36, 100000.0, "full", "100000baseKR4"),
    (37, 100000.0, "full", "100000baseSR4"),
    (38, 100000.0, "full", "100000baseCR4"),
    (39, 100000.0, "full", "100000baseR4_ER4"),
    (40, 50000.0, "full", "50000baseSR2"),
    (41, 1000.0, "full", "1000baseX"),
    (42, 10000.0, "full", "10000baseCR"),
    (43, 10000.0, "full", "10000baseSR"),
    (44, 10000.0, "full", "10000baseLR"),
    (45, 10000.0, "full", "10000baseLRM"),
    (46, 10000.0, "full", "10000baseER"),
    (47, 2500.0, "full", "2500baseT"),
    (48, 5000.0, "full", "5000baseT"),
    (52, 50000.0, "full", "50000baseKR"),
    (53, 50000.0, "full", "50000baseSR"),
    (54, 50000.0, "full", "50000baseCR"),
    (55, 50000.0, "full", "50000baseLR_ER_FR"),
    (56, 50000.0, "full", "50000baseDR"),
    (57, 100000.0, "full", "100000baseKR2"),
    (58, 100000.0, "full", "100000baseSR2"),
    (59, 100000.0, "full", "100000baseCR2"),
    (60, 100000.0, "full", "100000baseLR2_ER2_FR2"),
    (61, 100000.0, "full", "100000baseDR2"),
    (62, 200000.0, "full", "200000baseKR4"),
    (63, 200000.0, "full", "200000baseSR4"),
    (64, 200000.0, "full", "200000baseLR4_ER4_FR4"),
    (65, 200000.0, "full", "200000baseDR4"),
    (66, 200000.0, "full", "200000baseCR4"),
    (67, 100.0, "full", "100baseT1"),
    (68, 1000.0, "full", "1000baseT1"),
    (69, 400000.0, "full", "400000baseKR8"),
    (70, 400000.0, "full", "400000baseSR8"),
    (71, 400000.0, "full", "400000baseLR8_ER8_FR8"),
    (72, 400000.0, "full", "400000baseDR8"),
    (73, 400000.0, "full", "400000baseCR8"),
    (75, 100000.0, "full", "100000baseKR"),
    (76, 100000.0, "full", "100000baseSR"),
    (77, 100000.0, "full", "100000baseLR_ER_FR"),
    (78, 100000.0, "full", "100000baseCR"),
    (79, 100000.0, "full", "100000baseDR"),
    (80, 200000.0, "full", "200000baseKR2"),
    (81, 200000.0, "full", "200000baseSR2"),
    (82, 200000.0, "full", "200000baseLR2_ER2_FR2"),
    (83, 200000.0, "full", "200000baseDR2"),
    (84, 200000.0, "full", "200000baseCR2"),
    (85, 400000.0, "full", "400000baseKR4"),
    (86, 400000.0, "full", "400000baseSR4"),
    (87, 400000.0, "full", "400000baseLR4_ER4_FR4"),
    (88, 400000.0, "full", "400000baseDR4"),
    (89, 400000.0, "full", "400000baseCR4"),
    (90, 100.0, "half", "100baseFX"),
    (91, 100.0, "full", "100baseFX"),
];
const PORTS: [(usize, &str); 6] = [
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

/// What a device can do and what it offers, as masks of 32-bit words.
struct Settings {
    supported: Vec<u32>,
    advertised: Vec<u32>,
    autonegotiate: u8,
}

fn put_settings(out: &mut Arena, socket: &OwnedFd, device: &str) -> io::Result<()> {
    let settings = link_settings(socket, device).or_else(|_| old_settings(socket, device))?;
    settings.put(out, device);
    Ok(())
}

/// `ETHTOOL_GLINKSETTINGS`, `struct ethtool_link_settings`: at first the kernel tells, negated, how
/// many words its masks have, then gives those that can, offered, and offered by the partner.
fn link_settings(socket: &OwnedFd, device: &str) -> io::Result<Settings> {
    const COMMAND: u32 = 0x4c;
    let mut words = buffer(48, &[COMMAND]);
    sys::ethtool(socket, device, &mut words)?;
    let length = bytes_of(&words)
        .get(15)
        .map_or(0, |n| (*n as i8).wrapping_neg());
    let length = u8::try_from(length).ok().filter(|n| *n > 0);
    let length = length.ok_or(io::ErrorKind::Unsupported)?;
    let head = [COMMAND, 0, 0, u32::from_ne_bytes([0, 0, 0, length])];
    let mut words = buffer(48 + 12 * usize::from(length), &head);
    sys::ethtool(socket, device, &mut words)?;
    Ok(Settings::from_link(&bytes_of(&words), usize::from(length)))
}

/// `ETHTOOL_GSET`, `struct ethtool_cmd`, of kernels before 4.6.
fn old_settings(socket: &OwnedFd, device: &str) -> io::Result<Settings> {
    let mut words = buffer(44, &[1]);
    sys::ethtool(socket, device, &mut words)?;
    Ok(Settings::from_old(&bytes_of(&words)))
}

impl Settings {
    fn from_link(bytes: &[u8], length: usize) -> Self {
        let mask = |number: usize| {
            let start = 48 + 4 * length * number;
            (0..length)
                .map(|at| u32_at(bytes, start + 4 * at))
                .collect()
        };
        Settings {
            supported: mask(0),
            advertised: mask(1),
            autonegotiate: bytes.get(11).copied().unwrap_or(0),
        }
    }

    fn from_old(bytes: &[u8]) -> Self {
        Settings {
            supported: vec![u32_at(bytes, 4)],
            advertised: vec![u32_at(bytes, 8)],
            autonegotiate: bytes.get(18).copied().unwrap_or(0),
        }
    }

    fn put(&self, out: &mut Arena, device: &str) {
        let (supported, advertised) = (&self.supported, &self.advertised);
        for (bit, megabits, duplex, mode) in MODES {
            let speed = megabits * 1_000_000.0 / 8.0;
            for (mask, family) in [(supported, &SUPPORTED), (advertised, &ADVERTISED)] {
                if has(mask, bit) {
                    out.put(family, &[device, duplex, mode], speed);
                }
            }
        }
        for (_, port) in PORTS.iter().filter(|p| has(supported, p.0)) {
            out.put(&PORT, &[device, port], 1.0);
        }
        for (bit, is_supported, is_advertised) in &BITS {
            for (mask, family) in [(supported, is_supported), (advertised, is_advertised)] {
                out.put(family, &[device], f64::from(u8::from(has(mask, *bit))));
            }
        }
        out.put(&AUTONEGOTIATE, &[device], f64::from(self.autonegotiate));
    }
}

fn has(mask: &[u32], bit: usize) -> bool {
    mask.get(bit / 32).is_some_and(|w| w >> (bit % 32) & 1 == 1)
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
        Settings::from_old(&bytes).put(&mut arena, "eth0");
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
    fn modes_behind_the_first_word() {
        let mut bytes = vec![0; 48 + 12 * 3];
        bytes[11] = 1;
        // Second word of what is supported: bit 47; of what is advertised: bit 33.
        bytes[48 + 4..48 + 8].copy_from_slice(&(1u32 << 15).to_ne_bytes());
        bytes[60 + 4..60 + 8].copy_from_slice(&(1u32 << 1).to_ne_bytes());
        let settings = Settings::from_link(&bytes, 3);
        assert!(has(&settings.supported, 47) && has(&settings.advertised, 33));
        assert!(!has(&settings.supported, 33) && !has(&settings.supported, 500));
        let mut arena = Arena::new();
        settings.put(&mut arena, "eth0");
        arena.seal();
        let modes = [
            (SUPPORTED.name, 312_500_000.0),
            (ADVERTISED.name, 3_125_000_000.0),
        ];
        for (name, speed) in modes {
            let family = arena.families().find(|f| f.name() == name).unwrap();
            let values: Vec<f64> = family.samples().map(|s| s.value()).collect();
            assert_eq!(values, [speed], "{name}");
        }
    }

    #[test]
    fn short_answers_are_survived() {
        let mut arena = Arena::new();
        for length in 0..64 {
            Settings::from_old(&vec![255; length]).put(&mut arena, "x");
            Settings::from_link(&vec![255; length], 4).put(&mut arena, "x");
            let _ = text_at(&vec![1; length], 4);
        }
    }
}
