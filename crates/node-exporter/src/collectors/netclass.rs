//! Attributes of network devices, from `class/net` of sysfs (`ABI/testing/sysfs-class-net`) or, on
//! request, over rtnetlink and ethtool netlink (`networking/ethtool-netlink`).

use crate::host::Host;
use crate::kernel::filter::compile;
use crate::kernel::netlink::{self, DUMP, Netlink, attributes, text_of, u8_of, u32_of, u64_of};
use crate::kernel::{Devices, KernelFile, Unread, text};
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Error, Scrape};
use exporter_core::exposition::{Arena, Family};
use regex::Regex;
use rustix::io::Errno;
use std::collections::HashMap;
use std::fmt::Write;
use std::path::Path;

exporter_core::flags! {
    /// Flags of this collector.
    pub struct Flags {
        /// Regular expression of devices to leave out.
        "collector.netclass.ignored-devices" ignored: String = ["^$"];
        /// Leave negative link speeds out.
        "collector.netclass.ignore-invalid-speed" ignore_invalid_speed: bool = ["false"];
        /// Ask the kernel over netlink instead of reading sysfs.
        "collector.netclass.netlink" netlink: bool = ["false"];
        /// With netlink, expose the statistics of devices too.
        "collector.netclass_rtnl.with-stats" with_stats: bool = ["false"];
    }
}

/// Flags of this collector.
pub const FLAGS: &[Flag] = Flags::TABLE;

const DEVICE: &[&str] = &["device"];
static UP: Family = Family::gauge(
    "node_network_up",
    DEVICE,
    "Whether a device is operational.",
);
static INFO: Family = Family::gauge(
    "node_network_info",
    &[
        "address",
        "adminstate",
        "broadcast",
        "device",
        "duplex",
        "ifalias",
        "operstate",
    ],
    "What a network device is, constant 1.",
);
static ALTNAMES: Family = Family::gauge(
    "node_network_altnames_info",
    &["altname", "device"],
    "Further name of a device, constant 1.",
);
static SPEED: Family = Family::gauge(
    "node_network_speed_bytes",
    DEVICE,
    "Link speed in bytes a second.",
);

macro_rules! numbers {
    ($( $constant:ident $file:literal $kind:ident $name:literal $help:literal, )*) => {
        $( static $constant: Family = Family::$kind($name, DEVICE, $help); )*
        /// Number files and their families.
        static NUMBERS: [(&str, &Family); 15] = [ $( ($file, &$constant), )* ];
    };
}
numbers! {
    ADDRESS_ASSIGN "addr_assign_type" gauge "node_network_address_assign_type" "How the hardware address came to be.",
    CARRIER "carrier" gauge "node_network_carrier" "Whether there is a carrier.",
    CARRIER_CHANGES "carrier_changes" counter "node_network_carrier_changes_total" "Changes of the carrier.",
    CARRIER_UP "carrier_up_count" counter "node_network_carrier_up_changes_total" "Times that the carrier came.",
    CARRIER_DOWN "carrier_down_count" counter "node_network_carrier_down_changes_total" "Times that the carrier went.",
    DEVICE_ID "dev_id" gauge "node_network_device_id" "Number among devices of one hardware address.",
    DORMANT "dormant" gauge "node_network_dormant" "Whether a device waits for an event before it can pass packets.",
    FLAGS_FAMILY "flags" gauge "node_network_flags" "Flag bits of a device.",
    IFACE_ID "ifindex" gauge "node_network_iface_id" "Index of a device.",
    IFACE_LINK "iflink" gauge "node_network_iface_link" "Index of the device that this one stands on.",
    LINK_MODE "link_mode" gauge "node_network_iface_link_mode" "Link mode.",
    MTU "mtu" gauge "node_network_mtu_bytes" "Greatest packet in bytes.",
    NAME_ASSIGN "name_assign_type" gauge "node_network_name_assign_type" "How the name came to be.",
    GROUP "netdev_group" gauge "node_network_net_dev_group" "Group of a device.",
    QUEUE "tx_queue_len" gauge "node_network_transmit_queue_length" "Length of the transmit queue.",
}
static PROTOCOL: Family = Family::gauge(
    "node_network_protocol_type",
    DEVICE,
    "Hardware type of a device.",
);

/// Families of this collector. The statistics that netlink adds on request carry the names of the
/// netdev collector, which lists them.
pub fn families() -> Vec<&'static Family> {
    let numbers = NUMBERS.iter().map(|n| n.1);
    [&UP, &INFO, &ALTNAMES, &SPEED, &PROTOCOL]
        .into_iter()
        .chain(numbers)
        .collect()
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    host.require_sys()?;
    let flags = Flags::read(&host.matches)?;
    let ignored = compile("collector.netclass.ignored-devices", &flags.ignored)?;
    if flags.netlink {
        return Ok(Box::new(OverNetlink {
            route: Netlink::new(netlink::Family::Route),
            generic: Netlink::new(netlink::Family::Generic),
            ethtool: None,
            ignored,
            with_stats: flags.with_stats,
            attributes: Devices::new("/sys/class/net"),
        }));
    }
    Ok(Box::new(FromSysfs {
        devices: Devices::new(host.sys("class/net")),
        ignored,
        ignore_invalid_speed: flags.ignore_invalid_speed,
        texts: Default::default(),
    }))
}

/// Text files in the order of the labels of [`INFO`], device and adminstate left out.
const TEXTS: [&str; 5] = ["address", "broadcast", "duplex", "ifalias", "operstate"];

struct FromSysfs {
    devices: Devices<Attributes>,
    ignored: Regex,
    ignore_invalid_speed: bool,
    texts: [Vec<u8>; 5],
}

struct Attributes {
    texts: [KernelFile; 5],
    numbers: [KernelFile; 15],
    speed: KernelFile,
    kind: KernelFile,
}

impl Attributes {
    fn new(path: &Path) -> Self {
        let file = |name: &str| KernelFile::new(path.join(name));
        Attributes {
            texts: TEXTS.map(file),
            numbers: NUMBERS.map(|n| file(n.0)),
            speed: file("speed"),
            kind: file("type"),
        }
    }
}

/// An attribute that a device does not have, or that root alone may read, is absent; anything else
/// is a failure.
fn optional(file: &mut KernelFile, short: &mut [u8; 128]) -> Result<Option<usize>, Unread> {
    match file.short(short) {
        Ok(text) => {
            let length = text.len();
            let start = text.as_ptr() as usize - short.as_ptr() as usize;
            short.copy_within(start..start + length, 0);
            Ok(Some(length))
        }
        Err(u)
            if matches!(
                u.errno,
                Errno::NOENT | Errno::ACCESS | Errno::PERM | Errno::OPNOTSUPP | Errno::INVAL
            ) =>
        {
            Ok(None)
        }
        Err(unread) => Err(unread),
    }
}

/// Text that is no number counts as 0.
fn number(file: &mut KernelFile) -> Result<Option<i64>, Unread> {
    let mut short = [0; 128];
    let length = optional(file, &mut short)?;
    Ok(length.map(|length| text::prefixed_int(&short[..length]).unwrap_or(0)))
}

impl Collector for FromSysfs {
    fn collect(&mut self, out: &mut Arena, _: &Scrape) -> Result<(), Error> {
        let ignored = &self.ignored;
        let devices = self.devices.refresh(|name, path| {
            (!ignored.is_match(name) && !path.is_file()).then(|| Attributes::new(path))
        });
        let mut result = Ok(());
        for device in devices.map_err(Unread::no_data_if_out_of_reach)? {
            match device.state.read(&mut self.texts) {
                Ok(reading) => put(
                    out,
                    &device.name,
                    &reading,
                    &self.texts,
                    self.ignore_invalid_speed,
                ),
                // It was removed while it was read.
                Err(unread) if unread.errno == Errno::NODEV => {}
                // An odd device hides itself only.
                Err(unread) => result = Err(unread.into()),
            }
        }
        result
    }
}

/// The numbers of a device; those that it does not have are absent.
struct Reading {
    numbers: [Option<i64>; 15],
    speed: Option<i64>,
    kind: Option<i64>,
}

impl Attributes {
    /// Reads everything, so that a device is exposed whole or not at all.
    fn read(&mut self, texts: &mut [Vec<u8>; 5]) -> Result<Reading, Unread> {
        let mut short = [0; 128];
        for (text, file) in texts.iter_mut().zip(&mut self.texts) {
            let length = optional(file, &mut short)?.unwrap_or(0);
            text.clear();
            text.extend_from_slice(&short[..length]);
        }
        let mut numbers = [None; 15];
        for (value, file) in numbers.iter_mut().zip(&mut self.numbers) {
            *value = number(file)?;
        }
        Ok(Reading {
            numbers,
            speed: number(&mut self.speed)?,
            kind: number(&mut self.kind)?,
        })
    }
}

/// From megabits a second.
fn bytes_a_second(speed: i64) -> i64 {
    speed.wrapping_mul(1000).wrapping_mul(1000) / 8
}

fn put(
    out: &mut Arena,
    name: &str,
    reading: &Reading,
    texts: &[Vec<u8>; 5],
    ignore_invalid_speed: bool,
) {
    const FLAGS_FILE: usize = 7;
    let adminstate = match reading.numbers[FLAGS_FILE] {
        None => "unknown",
        Some(flags) if flags & 1 != 0 => "up",
        Some(_) => "down",
    };
    let [address, broadcast, duplex, ifalias, operstate] = texts
        .each_ref()
        .map(|t| crate::kernel::names::label_text(t));
    let labels = [
        &*address,
        adminstate,
        &*broadcast,
        name,
        &*duplex,
        &*ifalias,
        &*operstate,
    ];
    out.put(&INFO, &labels, 1.0);
    out.put(&UP, &[name], f64::from(u8::from(operstate == "up")));
    for ((_, family), value) in NUMBERS.iter().zip(reading.numbers) {
        if let Some(value) = value {
            out.put(family, &[name], value as f64);
        }
    }
    if let Some(value) = reading.kind {
        out.put(&PROTOCOL, &[name], value as f64);
    }
    match reading.speed {
        Some(speed) if speed >= 0 || !ignore_invalid_speed => {
            out.put(&SPEED, &[name], bytes_a_second(speed) as f64);
        }
        _ => {}
    }
}

struct OverNetlink {
    route: Netlink,
    generic: Netlink,
    /// Number of the family `ethtool`; `Some(None)` where the kernel has none.
    ethtool: Option<Option<u16>>,
    ignored: Regex,
    with_stats: bool,
    /// What rtnetlink does not tell.
    attributes: Devices<[KernelFile; 3]>,
}

/// Speed in megabits a second and duplex code of a device.
type Modes = HashMap<String, (u32, u8)>;

impl Collector for OverNetlink {
    fn collect(&mut self, out: &mut Arena, _: &Scrape) -> Result<(), Error> {
        let modes = self.link_modes()?;
        for (device, (speed, _)) in modes.iter().filter(|m| !self.ignored.is_match(m.0)) {
            out.put(&SPEED, &[device], f64::from(*speed) * 1_000_000.0 / 8.0);
        }
        let mut links = Vec::new();
        let collected = std::cell::RefCell::new(&mut links);
        let restart = || collected.borrow_mut().clear();
        self.route
            .request(netlink::RTM_GETLINK, DUMP, &[0; 16], restart, |message| {
                collected.borrow_mut().extend(Link::parse(message.payload));
            })?;
        for link in links.iter().filter(|l| !self.ignored.is_match(&l.name)) {
            let duplex = modes.get(&link.name).map(|m| m.1);
            link.put(out, duplex);
            if self.with_stats {
                link.put_stats(out);
            }
        }
        self.put_attributes(out)
    }
}

impl OverNetlink {
    fn link_modes(&mut self) -> Result<Modes, Error> {
        const LINKMODES_GET: u8 = 4;
        let family = match self.ethtool {
            Some(family) => family,
            None => {
                let family = match self.generic.generic_family("ethtool") {
                    Ok(family) => Some(family),
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                        tracing::info!(
                            "this kernel has no ethtool netlink, so speed and duplex are not exposed"
                        );
                        None
                    }
                    Err(error) => return Err(error.into()),
                };
                *self.ethtool.insert(family)
            }
        };
        let mut modes = Modes::new();
        let Some(family) = family else {
            return Ok(modes);
        };
        // Header attribute (1) with the flags attribute (3): compact bit sets.
        let mut header = Vec::new();
        netlink::push_attribute(&mut header, 3, &1u32.to_ne_bytes());
        let mut body = vec![LINKMODES_GET, 1, 0, 0];
        netlink::push_attribute(&mut body, netlink::NESTED | 1, &header);
        self.generic.request(
            family,
            DUMP,
            &body,
            || {},
            |message| {
                let mut name = None;
                let mut mode = (u32::MAX, u8::MAX);
                for (kind, value) in attributes(message.payload.get(4..).unwrap_or_default()) {
                    match kind {
                        1 => {
                            name = attributes(value)
                                .find(|a| a.0 == 2)
                                .map(|a| text_of(a.1).into_owned())
                        }
                        5 => mode.0 = u32_of(value).unwrap_or(u32::MAX),
                        6 => mode.1 = u8_of(value).unwrap_or(u8::MAX),
                        _ => {}
                    }
                }
                if let Some(name) = name {
                    modes.insert(name, mode);
                }
            },
        )?;
        Ok(modes)
    }

    fn put_attributes(&mut self, out: &mut Arena) -> Result<(), Error> {
        let ignored = &self.ignored;
        let devices = self.attributes.refresh(|name, path| {
            let files = ["addr_assign_type", "dev_id", "name_assign_type"];
            (!ignored.is_match(name) && !path.is_file())
                .then(|| files.map(|f| KernelFile::new(path.join(f))))
        });
        for device in devices.map_err(Unread::no_data_if_out_of_reach)? {
            let families = [&ADDRESS_ASSIGN, &DEVICE_ID, &NAME_ASSIGN];
            for (family, file) in families.into_iter().zip(&mut device.state) {
                if let Some(value) = number(file)? {
                    out.put(family, &[&device.name], value as f64);
                }
            }
        }
        Ok(())
    }
}

/// One device of an rtnetlink dump.
#[derive(Debug, Default)]
struct Link {
    name: String,
    index: i32,
    kind: u16,
    flags: u32,
    address: String,
    broadcast: String,
    alias: String,
    altnames: Vec<String>,
    operstate: u8,
    link: i32,
    mtu: u32,
    carrier: Option<u8>,
    /// Changes, then up and down counts.
    carrier_changes: [Option<u32>; 3],
    link_mode: Option<u8>,
    group: Option<u32>,
    queue: Option<u32>,
    stats: Option<Vec<u64>>,
}

impl Link {
    /// `struct ifinfomsg`: type at 2, index at 4, flags at 8; then attributes (`IFLA_*`).
    fn parse(payload: &[u8]) -> Option<Self> {
        let mut link = Link {
            kind: netlink::u16_of(payload.get(2..)?)?,
            index: netlink::i32_of(payload.get(4..)?)?,
            flags: u32_of(payload.get(8..)?)?,
            ..Link::default()
        };
        for (kind, value) in attributes(payload.get(16..)?) {
            match kind {
                1 => link.address = hardware_address(value),
                2 => link.broadcast = hardware_address(value),
                3 => link.name = text_of(value).into_owned(),
                4 => link.mtu = u32_of(value).unwrap_or(0),
                5 => link.link = netlink::i32_of(value).unwrap_or(0),
                13 => link.queue = u32_of(value),
                16 => link.operstate = u8_of(value).unwrap_or(0),
                17 => link.link_mode = u8_of(value),
                20 => link.alias = text_of(value).into_owned(),
                23 => link.stats = Some(value.chunks_exact(8).filter_map(u64_of).collect()),
                27 => link.group = u32_of(value),
                33 => link.carrier = u8_of(value),
                35 => link.carrier_changes[0] = u32_of(value),
                47 => link.carrier_changes[1] = u32_of(value),
                48 => link.carrier_changes[2] = u32_of(value),
                52 => {
                    let names = attributes(value).filter(|a| a.0 == 53);
                    link.altnames = names.map(|a| text_of(a.1).into_owned()).collect();
                }
                _ => {}
            }
        }
        Some(link)
    }

    fn put(&self, out: &mut Arena, duplex: Option<u8>) {
        let name = [self.name.as_str()];
        let duplex = match duplex {
            None => String::new(),
            Some(0) => "Half".to_owned(),
            Some(1) => "Full".to_owned(),
            Some(255) => "Unknown".to_owned(),
            Some(other) => format!("Duplex({other})"),
        };
        const STATES: [&str; 7] = [
            "unknown",
            "notpresent",
            "down",
            "lowerlayerdown",
            "testing",
            "dormant",
            "up",
        ];
        let operstate = STATES
            .get(usize::from(self.operstate))
            .unwrap_or(&"unknown");
        let pairs = [
            ("address", self.address.as_str()),
            ("broadcast", &self.broadcast),
            ("device", &self.name),
            ("duplex", &duplex),
            ("ifalias", &self.alias),
            ("operstate", operstate),
        ];
        out.put_pairs(&INFO, &pairs, 1.0);
        out.put(&UP, &name, f64::from(u8::from(self.operstate == 6)));
        for altname in self.altnames.iter().filter(|n| !n.is_empty()) {
            out.put(&ALTNAMES, &[altname, &self.name], 1.0);
        }
        let link = if self.link > 0 { self.link } else { self.index };
        for (family, value) in [
            (&FLAGS_FAMILY, Some(f64::from(self.flags))),
            (&IFACE_ID, Some(f64::from(self.index))),
            (&IFACE_LINK, Some(f64::from(link))),
            (&MTU, Some(f64::from(self.mtu))),
            (&PROTOCOL, Some(f64::from(self.kind))),
            (&CARRIER, self.carrier.map(f64::from)),
            (&CARRIER_CHANGES, self.carrier_changes[0].map(f64::from)),
            (&CARRIER_UP, self.carrier_changes[1].map(f64::from)),
            (&CARRIER_DOWN, self.carrier_changes[2].map(f64::from)),
            (&LINK_MODE, self.link_mode.map(f64::from)),
            (&DORMANT, self.link_mode.map(f64::from)),
            (&GROUP, self.group.map(f64::from)),
            (&QUEUE, self.queue.map(f64::from)),
        ] {
            if let Some(value) = value {
                out.put(family, &name, value);
            }
        }
    }

    /// Gauges in spite of their names, as in the original.
    fn put_stats(&self, out: &mut Arena) {
        const NAMES: [&str; 24] = [
            "receive_packets",
            "transmit_packets",
            "receive_bytes",
            "transmit_bytes",
            "receive_errors",
            "transmit_errors",
            "receive_dropped",
            "transmit_dropped",
            "multicast",
            "collisions",
            "receive_length_errors",
            "receive_over_errors",
            "receive_crc_errors",
            "receive_frame_errors",
            "receive_fifo_errors",
            "receive_missed_errors",
            "transmit_aborted_errors",
            "transmit_carrier_errors",
            "transmit_fifo_errors",
            "transmit_heartbeat_errors",
            "transmit_window_errors",
            "receive_compressed",
            "transmit_compressed",
            "receive_nohandler",
        ];
        for (name, value) in NAMES.iter().zip(self.stats.iter().flatten()) {
            let name = format!("node_network_{name}_total");
            let family = exporter_core::exposition::Dynamic {
                name: &name,
                help: "Statistic of a device, over rtnetlink.",
                kind: exporter_core::exposition::Kind::Gauge,
            };
            out.put_dynamic(family, &[("device", &self.name)], *value as f64);
        }
    }
}

fn hardware_address(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 3);
    for (at, byte) in bytes.iter().enumerate() {
        let separator = if at == 0 { "" } else { ":" };
        // Writing to a String cannot fail.
        let _ = write!(text, "{separator}{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;
    use proptest::prelude::*;

    fn tree() -> Tree {
        let mut tree = Tree::new().file("sys/class/net/bonding_masters", "\n");
        for (file, text) in [
            ("address", "01:01:01:01:01:01"),
            ("broadcast", "ff:ff:ff:ff:ff:ff"),
            ("duplex", "full"),
            ("ifalias", ""),
            ("operstate", "up"),
            ("flags", "0x1303"),
            ("carrier", "1"),
            ("dev_id", "0x20"),
            ("speed", "1000"),
            ("mtu", "odd"),
            ("type", "1"),
        ] {
            tree = tree.file(&format!("sys/class/net/eth0/{file}"), format!("{text}\n"));
        }
        tree.file("sys/class/net/wlan0/speed", "-1\n")
    }

    #[test]
    fn attributes_of_devices() {
        tree().collect("netclass", &[]).expect_some(&[
            "node_network_info{address=\"01:01:01:01:01:01\",adminstate=\"up\",broadcast=\"ff:ff:ff:ff:ff:ff\",device=\"eth0\",duplex=\"full\",ifalias=\"\",operstate=\"up\"} 1",
            "node_network_up{device=\"wlan0\"} 0",
            "node_network_device_id{device=\"eth0\"} 32",
            "node_network_mtu_bytes{device=\"eth0\"} 0",
            "node_network_speed_bytes{device=\"eth0\"} 125000000",
            "node_network_speed_bytes{device=\"wlan0\"} -125000",
        ]);
        let flags = [
            ("collector.netclass.ignore-invalid-speed", "true"),
            ("collector.netclass.ignored-devices", "eth"),
        ];
        // A device with an odd attribute hides itself only, and whole.
        let odd = tree().dir("sys/class/net/dummy0/mtu");
        let collected = odd.collect("netclass", &[]);
        assert!(!collected.text.contains("dummy0"));
        assert!(
            collected
                .text
                .contains("node_network_up{device=\"eth0\"} 1\n")
        );
        collected.expect_failure("dummy0/mtu");
        let text = tree().collect("netclass", &flags).text;
        assert!(!text.contains("eth0") && !text.contains("speed") && text.contains("wlan0"));
    }

    #[test]
    fn asks_this_kernel_over_netlink() {
        let flags = [("collector.netclass.netlink", "true")];
        let tree = Tree::new();
        tree.collect("netclass", &flags)
            .expect_some(&["node_network_iface_id{device=\"lo\"} 1"]);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = Link::parse(&bytes);
        }
    }
}
