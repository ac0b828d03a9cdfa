//! Traffic of network devices, over rtnetlink (`struct rtnl_link_stats64`) or from `net/dev`.

use crate::host::Host;
use crate::kernel::netlink::{self, DUMP, Netlink, attributes, text_of, u32_of, u64_of};
use crate::kernel::{Filter, KernelFile, short_once, text};
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Error, Scrape};
use exporter_core::exposition::{Arena, Family};
use std::net::IpAddr;
use std::path::PathBuf;

exporter_core::flags! {
    /// Flags of this collector.
    pub struct Flags {
        /// Regular expression of devices to keep.
        "collector.netdev.device-include" include: String = [""];
        /// Regular expression of devices to leave out.
        "collector.netdev.device-exclude" exclude: String = [""];
        /// Older name of --collector.netdev.device-include.
        "collector.netdev.device-whitelist" [hidden()] whitelist: String = [""];
        /// Older name of --collector.netdev.device-exclude.
        "collector.netdev.device-blacklist" [hidden()] blacklist: String = [""];
        /// Expose the addresses of devices.
        "collector.netdev.address-info" address_info: bool = ["false"];
        /// Keep the kernel's own statistics instead of summing them up to the classic ones.
        "collector.netdev.enable-detailed-metrics" detailed: bool = ["false"];
        /// Ask the kernel over netlink instead of reading net/dev.
        "collector.netdev.netlink" netlink: bool = ["true"];
        /// Add the alias of a device as a label.
        "collector.netdev.label-ifalias" label_ifalias: bool = ["false"];
    }
}

/// Flags of this collector.
pub const FLAGS: &[Flag] = Flags::TABLE;

macro_rules! statistics {
    ($( $key:literal $help:literal, )*) => {
        /// Key and family of every statistic.
        static STATISTICS: [(&str, Family); 33] = [ $( (
            $key,
            Family::counter(concat!("node_network_", $key, "_total"), &["device"], $help),
        ), )* ];
    };
}
statistics! {
    "receive_bytes" "Bytes received.",
    "receive_packets" "Packets received.",
    "receive_errs" "Packets received with errors.",
    "receive_drop" "Packets received and dropped.",
    "receive_fifo" "Receive buffer overruns.",
    "receive_frame" "Packets received with wrong framing, length or checksum.",
    "receive_compressed" "Compressed packets received.",
    "receive_multicast" "Multicast packets received.",
    "receive_nohandler" "Packets received that nobody handles.",
    "transmit_bytes" "Bytes sent.",
    "transmit_packets" "Packets sent.",
    "transmit_errs" "Packets that could not be sent.",
    "transmit_drop" "Packets dropped on the way out.",
    "transmit_fifo" "Transmit buffer underruns.",
    "transmit_colls" "Collisions.",
    "transmit_carrier" "Packets lost with the carrier and the like.",
    "transmit_compressed" "Compressed packets sent.",
    "receive_errors" "Packets received with errors.",
    "receive_dropped" "Packets received and dropped.",
    "transmit_errors" "Packets that could not be sent.",
    "transmit_dropped" "Packets dropped on the way out.",
    "multicast" "Multicast packets received.",
    "collisions" "Collisions.",
    "receive_length_errors" "Packets received with a wrong length.",
    "receive_over_errors" "Receive ring overflows.",
    "receive_crc_errors" "Packets received with a wrong checksum.",
    "receive_frame_errors" "Packets received with wrong alignment.",
    "receive_fifo_errors" "Receive buffer overruns.",
    "receive_missed_errors" "Packets that the receiver missed.",
    "transmit_aborted_errors" "Transmissions aborted.",
    "transmit_carrier_errors" "Transmissions that lost the carrier.",
    "transmit_fifo_errors" "Transmit buffer underruns.",
    "transmit_heartbeat_errors" "Heartbeat errors.",
}
static WINDOW: Family = Family::counter(
    "node_network_transmit_window_errors_total",
    &["device"],
    "Late collisions.",
);
static ADDRESS: Family = Family::gauge(
    "node_network_address_info",
    &["address", "device", "netmask", "scope"],
    "Address of a device, constant 1.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    STATISTICS
        .iter()
        .map(|s| &s.1)
        .chain([&WINDOW, &ADDRESS])
        .collect()
}

/// 64-bit words of `struct rtnl_link_stats64`.
const WORDS: usize = 24;
/// What a statistic is made of: a sum of words.
type Sum = (&'static str, &'static [usize]);

const CLASSIC: [Sum; 17] = [
    ("receive_packets", &[0]),
    ("transmit_packets", &[1]),
    ("receive_bytes", &[2]),
    ("transmit_bytes", &[3]),
    ("receive_errs", &[4]),
    ("transmit_errs", &[5]),
    ("receive_drop", &[6, 15]),
    ("transmit_drop", &[7]),
    ("receive_multicast", &[8]),
    ("transmit_colls", &[9]),
    ("receive_frame", &[13, 10, 11, 12]),
    ("receive_fifo", &[14]),
    ("transmit_carrier", &[17, 16, 19, 20]),
    ("transmit_fifo", &[18]),
    ("receive_compressed", &[21]),
    ("transmit_compressed", &[22]),
    ("receive_nohandler", &[23]),
];
const DETAILED: [Sum; 24] = [
    ("receive_packets", &[0]),
    ("transmit_packets", &[1]),
    ("receive_bytes", &[2]),
    ("transmit_bytes", &[3]),
    ("receive_errors", &[4]),
    ("transmit_errors", &[5]),
    ("receive_dropped", &[6]),
    ("transmit_dropped", &[7]),
    ("multicast", &[8]),
    ("collisions", &[9]),
    ("receive_length_errors", &[10]),
    ("receive_over_errors", &[11]),
    ("receive_crc_errors", &[12]),
    ("receive_frame_errors", &[13]),
    ("receive_fifo_errors", &[14]),
    ("receive_missed_errors", &[15]),
    ("transmit_aborted_errors", &[16]),
    ("transmit_carrier_errors", &[17]),
    ("transmit_fifo_errors", &[18]),
    ("transmit_heartbeat_errors", &[19]),
    ("transmit_window_errors", &[20]),
    ("receive_compressed", &[21]),
    ("transmit_compressed", &[22]),
    ("receive_nohandler", &[23]),
];
/// Columns of `net/dev`, with classic and with detailed names.
const COLUMNS: [(&str, &str); 16] = [
    ("receive_bytes", "receive_bytes"),
    ("receive_packets", "receive_packets"),
    ("receive_errs", "receive_errors"),
    ("receive_drop", "receive_dropped"),
    ("receive_fifo", "receive_fifo"),
    ("receive_frame", "receive_frame"),
    ("receive_compressed", "receive_compressed"),
    ("receive_multicast", "receive_multicast"),
    ("transmit_bytes", "transmit_bytes"),
    ("transmit_packets", "transmit_packets"),
    ("transmit_errs", "transmit_errors"),
    ("transmit_drop", "transmit_dropped"),
    ("transmit_fifo", "transmit_fifo"),
    ("transmit_colls", "transmit_colls"),
    ("transmit_carrier", "transmit_carrier"),
    ("transmit_compressed", "transmit_compressed"),
];

fn family(key: &str) -> &'static Family {
    let found = STATISTICS.iter().find(|s| s.0 == key);
    found.map_or(&WINDOW, |s| &s.1)
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    let flags = Flags::read(&host.matches)?;
    let include = renamed(
        "device-include",
        &flags.include,
        "device-whitelist",
        &flags.whitelist,
    )?;
    let exclude = renamed(
        "device-exclude",
        &flags.exclude,
        "device-blacklist",
        &flags.blacklist,
    )?;
    if !include.is_empty() && !exclude.is_empty() {
        return Err("device-exclude & device-include are mutually exclusive".to_owned());
    }
    for (name, value) in [("device-include", include), ("device-exclude", exclude)] {
        if !value.is_empty() {
            tracing::info!(value, "parsed flag --collector.netdev.{name}");
        }
    }
    let sums: &[Sum] = if flags.detailed { &DETAILED } else { &CLASSIC };
    let columns =
        COLUMNS.map(|(classic, detailed)| family(if flags.detailed { detailed } else { classic }));
    Ok(Box::new(Netdev {
        netlink: Netlink::new(netlink::Family::Route),
        file: (!flags.netlink).then(|| KernelFile::new(host.proc("net/dev"))),
        buffer: Vec::new(),
        filter: Filter::new(
            ("collector.netdev.device-exclude", exclude),
            ("collector.netdev.device-include", include),
        )?,
        sums: sums
            .iter()
            .map(|(key, words)| (family(key), *words))
            .collect(),
        columns,
        aliases: flags.label_ifalias.then(|| host.sys("class/net")),
        address_info: flags.address_info,
    }))
}

/// Takes an older flag over, with a warning.
pub(super) fn renamed<'a>(
    flag: &str,
    value: &'a str,
    old_flag: &str,
    old: &'a str,
) -> Result<&'a str, String> {
    match (value, old) {
        (value, "") => Ok(value),
        ("", old) => {
            tracing::warn!(
                "--collector.netdev.{old_flag} is deprecated, use --collector.netdev.{flag}"
            );
            Ok(old)
        }
        _ => Err(format!("{old_flag} and {flag} are mutually exclusive")),
    }
}

struct Netdev {
    netlink: Netlink,
    file: Option<KernelFile>,
    buffer: Vec<u8>,
    filter: Filter,
    sums: Vec<(&'static Family, &'static [usize])>,
    columns: [&'static Family; 16],
    /// `class/net`, where aliases are wanted.
    aliases: Option<PathBuf>,
    address_info: bool,
}

impl Collector for Netdev {
    fn collect(&mut self, out: &mut Arena, _: &Scrape) -> Result<(), Error> {
        match self.file {
            Some(_) => self.put_file(out)?,
            None => self.put_links(out)?,
        }
        if self.address_info {
            self.put_addresses(out)?;
        }
        Ok(())
    }
}

/// Puts one statistic with the labels that are wanted.
fn put(out: &mut Arena, family: &'static Family, device: &str, alias: Option<&str>, value: u64) {
    match alias {
        None => out.put(family, &[device], value as f64),
        Some(alias) => out.put_pairs(
            family,
            &[("device", device), ("ifalias", alias)],
            value as f64,
        ),
    }
}

impl Netdev {
    fn put_links(&mut self, out: &mut Arena) -> Result<(), Error> {
        let links = std::cell::RefCell::new(Vec::new());
        let restart = || links.borrow_mut().clear();
        self.netlink
            .request(netlink::RTM_GETLINK, DUMP, &[0; 16], restart, |message| {
                links.borrow_mut().extend(link(message.payload));
            })?;
        for (name, words) in links.into_inner() {
            if !self.filter.keeps(&name) {
                continue;
            }
            let alias = self.aliases.as_ref().map(|root| alias(root, &name));
            for (family, sum) in &self.sums {
                let value = sum
                    .iter()
                    .fold(0u64, |sum, at| sum.wrapping_add(words[*at]));
                put(out, family, &name, alias.as_deref(), value);
            }
        }
        Ok(())
    }

    fn put_file(&mut self, out: &mut Arena) -> Result<(), Error> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        for (name, values) in parse(file.read(&mut self.buffer)?)? {
            if !self.filter.keeps(&name) {
                continue;
            }
            let alias = self.aliases.as_ref().map(|root| alias(root, &name));
            for (family, value) in self.columns.iter().zip(values) {
                put(out, family, &name, alias.as_deref(), value);
            }
        }
        Ok(())
    }

    fn put_addresses(&mut self, out: &mut Arena) -> Result<(), Error> {
        const RTM_GETADDR: u16 = 22;
        let names = std::cell::RefCell::new(Vec::new());
        let restart = || names.borrow_mut().clear();
        self.netlink
            .request(netlink::RTM_GETLINK, DUMP, &[0; 16], restart, |message| {
                let index = message.payload.get(4..).and_then(u32_of);
                let attributes = attributes(message.payload.get(16..).unwrap_or_default());
                let name = attributes
                    .filter(|a| a.0 == 3)
                    .map(|a| text_of(a.1).into_owned())
                    .next();
                names.borrow_mut().extend(index.zip(name));
            })?;
        let found = std::cell::RefCell::new(Vec::new());
        let restart = || found.borrow_mut().clear();
        self.netlink
            .request(RTM_GETADDR, DUMP, &[0; 8], restart, |message| {
                found.borrow_mut().extend(address(message.payload));
            })?;
        let names = names.into_inner();
        for (index, address, prefix) in found.into_inner() {
            let Some((_, name)) = names.iter().find(|n| n.0 == index) else {
                continue;
            };
            if self.filter.keeps(name) {
                let labels = [
                    &address.to_string(),
                    name.as_str(),
                    &prefix.to_string(),
                    scope(address),
                ];
                out.put(&ADDRESS, &labels, 1.0);
            }
        }
        Ok(())
    }
}

fn alias(root: &std::path::Path, name: &str) -> String {
    short_once(root.join(name).join("ifalias")).unwrap_or_default()
}

/// Name and statistics of a link, with 64-bit words or, on old kernels, with 32-bit ones.
fn link(payload: &[u8]) -> Option<(String, [u64; WORDS])> {
    let mut name = String::new();
    let mut words = [0; WORDS];
    let (mut wide, mut narrow) = (None, None);
    for (kind, value) in attributes(payload.get(16..)?) {
        match kind {
            3 => name = text_of(value).into_owned(),
            7 => narrow = Some(value),
            23 => wide = Some(value),
            _ => {}
        }
    }
    match (wide, narrow) {
        (Some(bytes), _) if bytes.len() >= 184 => {
            for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
                *word = u64_of(bytes)?;
            }
        }
        (None, Some(bytes)) if bytes.len() >= 92 => {
            for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(4)) {
                *word = u64::from(u32_of(bytes)?);
            }
        }
        _ => return None,
    }
    Some((name, words))
}

/// Index, address and prefix length: `struct ifaddrmsg` with its prefix at 1 and its index at 4.
fn address(payload: &[u8]) -> Option<(u32, IpAddr, u8)> {
    let prefix = *payload.get(1)?;
    let index = u32_of(payload.get(4..)?)?;
    let (mut local, mut remote) = (None, None);
    for (kind, value) in attributes(payload.get(8..)?) {
        let ip = match value.len() {
            4 => <[u8; 4]>::try_from(value).ok().map(IpAddr::from),
            16 => <[u8; 16]>::try_from(value).ok().map(IpAddr::from),
            _ => None,
        };
        match kind {
            1 => remote = ip,
            2 => local = ip,
            _ => {}
        }
    }
    Some((index, local.or(remote)?, prefix))
}

fn scope(address: IpAddr) -> &'static str {
    let (link_local, interface_local) = match address {
        IpAddr::V4(v4) => (v4.is_link_local() || v4.octets()[..3] == [224, 0, 0], false),
        IpAddr::V6(v6) => (
            v6.is_unicast_link_local() || (v6.is_multicast() && v6.segments()[0] & 0xf == 2),
            v6.is_multicast() && v6.segments()[0] & 0xf == 1,
        ),
    };
    let broadcast = address == IpAddr::from([255, 255, 255, 255]);
    if address.is_loopback() || link_local {
        "link-local"
    } else if interface_local {
        "interface-local"
    } else if !address.is_unspecified() && !broadcast && !address.is_multicast() {
        "global"
    } else {
        ""
    }
}

/// Devices of `net/dev`, the last line of a name.
pub fn parse(contents: &[u8]) -> Result<Vec<(String, [u64; 16])>, String> {
    let mut devices: Vec<(String, [u64; 16])> = Vec::new();
    for line in text::lines(contents).skip(2) {
        let bad = || {
            format!(
                "net/dev: expected a name, a colon and 16 numbers, got {:?}",
                String::from_utf8_lossy(line)
            )
        };
        let colon = memchr::memrchr(b':', line).ok_or_else(bad)?;
        let name = String::from_utf8_lossy(line[..colon].trim_ascii()).into_owned();
        let (words, count) = text::first_words::<16>(&line[colon + 1..]);
        if name.is_empty() || count < 16 {
            return Err(bad());
        }
        let mut values = [0; 16];
        for (value, word) in values.iter_mut().zip(words) {
            *value = text::uint(word).ok_or_else(bad)?;
        }
        devices.retain(|d| d.0 != name);
        devices.push((name, values));
    }
    Ok(devices)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;
    use proptest::prelude::*;

    const DEV: &str = "Inter-| Receive\n face |bytes\n  eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n\
                       eth0:1:   1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n";

    #[test]
    fn columns_of_the_file() {
        let tree = Tree::new().file("proc/net/dev", DEV);
        let flags = [
            ("collector.netdev.netlink", "false"),
            ("collector.netdev.device-exclude", ":"),
        ];
        tree.collect("netdev", &flags).expect_some(&[
            "node_network_receive_bytes_total{device=\"eth0\"} 1",
            "node_network_receive_errs_total{device=\"eth0\"} 3",
            "node_network_transmit_carrier_total{device=\"eth0\"} 15",
        ]);
        let detailed = [
            flags[0],
            ("collector.netdev.enable-detailed-metrics", "true"),
        ];
        let text = tree.collect("netdev", &detailed).text;
        assert!(text.contains("node_network_receive_errors_total{device=\"eth0\"} 3\n"));
        assert!(text.contains("device=\"eth0:1\""));
        tree.write("proc/net/dev", "a\nb\n eth0 1\n");
        tree.collect("netdev", &flags).expect_failure("16 numbers");
    }

    #[test]
    fn asks_this_kernel() {
        let flags = [("collector.netdev.address-info", "true")];
        let text = Tree::new().collect("netdev", &flags).text;
        assert!(
            text.contains("node_network_receive_nohandler_total{device=\"lo\"} "),
            "{text}"
        );
        assert!(
            text.contains("address=\"127.0.0.1\",device=\"lo\",netmask=\"8\",scope=\"link-local\""),
            "{text}"
        );
    }

    #[test]
    fn every_sum_has_a_family() {
        for (key, _) in CLASSIC.iter().chain(&DETAILED) {
            assert_eq!(family(key).name, format!("node_network_{key}_total"));
        }
    }

    #[test]
    fn filters_exclude_one_another() {
        for flags in [
            [
                ("collector.netdev.device-include", "a"),
                ("collector.netdev.device-exclude", "b"),
            ],
            [
                ("collector.netdev.device-include", "a"),
                ("collector.netdev.device-whitelist", "b"),
            ],
        ] {
            assert!(Tree::new().make("netdev", &flags).is_err());
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = (parse(&bytes), link(&bytes), address(&bytes));
        }
    }
}
