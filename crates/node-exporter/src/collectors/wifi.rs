//! Wireless interfaces and stations, over nl80211 (`linux/nl80211.h`).

use crate::host::Host;
use crate::kernel::names::label_text;
use crate::kernel::netlink::{
    self, DUMP, Netlink, attributes, text_of, u8_of, u16_of, u32_of, u64_of,
};
use crate::kernel::{Unread, read_once};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Error, Scrape};
use exporter_core::exposition::{Arena, Family};
use serde_json::Value;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

exporter_core::flags! {
    /// Flags of this collector.
    pub struct Flags {
        /// Directory with recorded results, for tests.
        "collector.wifi.fixtures" fixtures: PathBuf = [""];
    }
}

/// Flags of this collector.
pub const FLAGS: &[Flag] = Flags::TABLE;

const STATION: &[&str] = &["device", "mac_address"];
static FREQUENCY: Family = Family::gauge(
    "node_wifi_interface_frequency_hertz",
    &["device"],
    "Frequency of an interface in hertz.",
);
static INFO: Family = Family::gauge(
    "node_wifi_station_info",
    &["bssid", "device", "mode", "ssid"],
    "Network that an interface belongs to, constant 1.",
);
/// Families of a station's numbers, in the order of [`Station::values`].
static NUMBERS: [Family; 12] = [
    Family::counter(
        "node_wifi_station_connected_seconds_total",
        STATION,
        "Time that a station has been connected in seconds.",
    ),
    Family::gauge(
        "node_wifi_station_inactive_seconds",
        STATION,
        "Time since the last activity of a station in seconds.",
    ),
    Family::gauge(
        "node_wifi_station_receive_bits_per_second",
        STATION,
        "Receive rate in bits a second.",
    ),
    Family::gauge(
        "node_wifi_station_transmit_bits_per_second",
        STATION,
        "Transmit rate in bits a second.",
    ),
    Family::counter(
        "node_wifi_station_receive_bytes_total",
        STATION,
        "Bytes received.",
    ),
    Family::counter(
        "node_wifi_station_transmit_bytes_total",
        STATION,
        "Bytes sent.",
    ),
    Family::gauge(
        "node_wifi_station_signal_dbm",
        STATION,
        "Signal strength in decibel-milliwatts.",
    ),
    Family::counter(
        "node_wifi_station_transmit_retries_total",
        STATION,
        "Transmissions tried again.",
    ),
    Family::counter(
        "node_wifi_station_transmit_failed_total",
        STATION,
        "Transmissions that failed.",
    ),
    Family::counter(
        "node_wifi_station_beacon_loss_total",
        STATION,
        "Times that beacons were lost.",
    ),
    Family::counter(
        "node_wifi_station_transmitted_packets_total",
        STATION,
        "Packets sent.",
    ),
    Family::counter(
        "node_wifi_station_received_packets_total",
        STATION,
        "Packets received.",
    ),
];

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    NUMBERS.iter().chain([&FREQUENCY, &INFO]).collect()
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    let flags = Flags::read(&host.matches)?;
    if !flags.fixtures.as_os_str().is_empty() {
        return Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
            for interface in read_fixtures(&flags.fixtures)? {
                interface.put(out);
            }
            Ok(())
        }));
    }
    let mut netlink = Netlink::new(netlink::Family::Generic);
    let mut family = None;
    Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
        let family = match family {
            Some(family) => family,
            None => {
                let found =
                    netlink
                        .generic_family("nl80211")
                        .map_err(|error| match error.kind() {
                            ErrorKind::NotFound | ErrorKind::PermissionDenied => {
                                Error::no_data(format!("nl80211: {error}"))
                            }
                            _ => error.into(),
                        })?;
                *family.insert(found)
            }
        };
        for interface in ask(&mut netlink, family)? {
            interface.put(out);
        }
        Ok(())
    }))
}

/// One named interface.
#[derive(Debug, Default)]
struct Interface {
    name: String,
    index: u32,
    /// Megahertz.
    frequency: u64,
    network: Option<Network>,
    stations: Vec<Station>,
}

/// The network that an interface belongs to.
#[derive(Debug, Default)]
struct Network {
    bssid: String,
    ssid: String,
    status: u64,
}

#[derive(Debug, Default)]
struct Station {
    address: String,
    values: [f64; 12],
}

impl Interface {
    fn put(&self, out: &mut Arena) {
        if self.name.is_empty() {
            return;
        }
        let device = self.name.as_str();
        out.put(&FREQUENCY, &[device], self.frequency as f64 * 1e6);
        if let Some(network) = &self.network {
            let mode = match network.status {
                0 | 1 => "client",
                3 => "ad-hoc",
                _ => "unknown",
            };
            out.put(&INFO, &[&network.bssid, device, mode, &network.ssid], 1.0);
        }
        for station in &self.stations {
            for (family, value) in NUMBERS.iter().zip(station.values) {
                out.put(family, &[device, &station.address], value);
            }
        }
    }
}

fn hardware_address(bytes: &[u8]) -> String {
    let parts: Vec<String> = bytes.iter().map(|b| format!("{b:02x}")).collect();
    parts.join(":")
}

/// Asks the kernel.
fn ask(netlink: &mut Netlink, family: u16) -> Result<Vec<Interface>, Error> {
    const GET_INTERFACE: u8 = 5;
    const GET_STATION: u8 = 17;
    const GET_SCAN: u8 = 32;
    let mut interfaces = Vec::new();
    netlink.request(
        family,
        DUMP,
        &[GET_INTERFACE, 1, 0, 0],
        || {},
        |message| {
            interfaces.push(parse_interface(message.payload));
        },
    )?;
    for interface in &mut interfaces {
        let about = |command: u8| {
            let mut body = vec![command, 1, 0, 0];
            netlink::push_attribute(&mut body, 3, &interface.index.to_ne_bytes());
            body
        };
        let (scan, stations) = (about(GET_SCAN), about(GET_STATION));
        let mut network = None;
        missing_is_fine(netlink.request(
            family,
            DUMP,
            &scan,
            || {},
            |message| {
                if network.is_none() {
                    network = parse_network(message.payload);
                }
            },
        ))?;
        interface.network = network;
        let mut found = Vec::new();
        missing_is_fine(netlink.request(
            family,
            DUMP,
            &stations,
            || {},
            |message| {
                found.push(parse_station(message.payload));
            },
        ))?;
        interface.stations = found;
    }
    Ok(interfaces)
}

fn missing_is_fine(result: std::io::Result<()>) -> std::io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Attributes behind the generic header.
fn of(payload: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    attributes(payload.get(4..).unwrap_or_default())
}

fn parse_interface(payload: &[u8]) -> Interface {
    let mut interface = Interface::default();
    for (kind, value) in of(payload) {
        match kind {
            3 => interface.index = u32_of(value).unwrap_or(0),
            4 => interface.name = text_of(value).into_owned(),
            38 => interface.frequency = u32_of(value).map_or(0, u64::from),
            _ => {}
        }
    }
    interface
}

/// A scan entry that tells a status is the network that the interface belongs to.
fn parse_network(payload: &[u8]) -> Option<Network> {
    let (_, bss) = of(payload).find(|a| a.0 == 47)?;
    let mut network = Network::default();
    let mut status = None;
    for (kind, value) in attributes(bss) {
        match kind {
            1 => network.bssid = hardware_address(value),
            6 => network.ssid = ssid(value),
            9 => status = u32_of(value),
            _ => {}
        }
    }
    network.status = u64::from(status?);
    Some(network)
}

/// Information element 0; each byte that is no UTF-8 becomes one mark.
fn ssid(mut elements: &[u8]) -> String {
    while let [id, length, rest @ ..] = elements {
        let Some((value, tail)) = rest.split_at_checked(usize::from(*length)) else {
            break;
        };
        if *id == 0 {
            let mut text = String::new();
            for chunk in value.utf8_chunks() {
                text.push_str(chunk.valid());
                text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
            }
            return text;
        }
        elements = tail;
    }
    String::new()
}

fn parse_station(payload: &[u8]) -> Station {
    let mut station = Station::default();
    let values = &mut station.values;
    for (kind, value) in of(payload) {
        if kind == 6 {
            station.address = hardware_address(value);
        }
        if kind != 21 {
            continue;
        }
        let number = |v: &[u8]| u32_of(v).map_or(0.0, f64::from);
        // The wide counters stand behind the narrow ones.
        for (kind, value) in attributes(value) {
            match kind {
                1 => values[1] = number(value) / 1000.0,
                2 => values[4] = number(value),
                3 => values[5] = number(value),
                7 => values[6] = u8_of(value).map_or(0.0, |s| f64::from(s as i8)),
                8 => values[3] = bitrate(value),
                9 => values[11] = number(value),
                10 => values[10] = number(value),
                11 => values[7] = number(value),
                12 => values[8] = number(value),
                14 => values[2] = bitrate(value),
                16 => values[0] = number(value),
                18 => values[9] = number(value),
                23 => values[4] = u64_of(value).unwrap_or(0) as f64,
                24 => values[5] = u64_of(value).unwrap_or(0) as f64,
                _ => {}
            }
        }
    }
    station
}

/// Bits a second, from units of a hundred kilobits.
fn bitrate(value: &[u8]) -> f64 {
    let (mut narrow, mut wide) = (None, None);
    for (kind, value) in attributes(value) {
        match kind {
            1 => narrow = u16_of(value).map(f64::from),
            5 => wide = u32_of(value).map(f64::from),
            _ => {}
        }
    }
    wide.or(narrow).unwrap_or(0.0) * 100_000.0
}

/// Results recorded as JSON, keys in any letter case.
fn read_fixtures(dir: &Path) -> Result<Vec<Interface>, Error> {
    let Some(Value::Array(list)) = read_json(&dir.join("interfaces.json"))? else {
        return Err(Error::failed("interfaces.json: expected an array"));
    };
    let mut interfaces = Vec::new();
    for value in &list {
        let name = text(value, "Name");
        let own = dir.join(&name);
        let network = read_json(&own.join("bss.json"))?;
        let stations = read_json(&own.join("stationinfo.json"))?.unwrap_or_default();
        interfaces.push(Interface {
            frequency: number(value, "Frequency") as u64,
            network: network.map(|v| Network {
                bssid: bytes(&v, "BSSID"),
                ssid: text(&v, "SSID"),
                status: number(&v, "Status") as u64,
            }),
            stations: stations
                .as_array()
                .map_or(&[][..], Vec::as_slice)
                .iter()
                .map(station_from)
                .collect(),
            name,
            index: 0,
        });
    }
    Ok(interfaces)
}

fn read_json(path: &Path) -> Result<Option<Value>, Error> {
    let contents = match read_once(path) {
        Ok(contents) => contents,
        Err(unread) if Unread::is_missing(&unread) => return Ok(None),
        Err(unread) => return Err(unread.into()),
    };
    let value = serde_json::from_slice(&contents);
    value
        .map(Some)
        .map_err(|e| Error::failed(format!("{}: {e}", path.display())))
}

fn field<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let found = value
        .as_object()?
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name));
    found.map(|(_, v)| v)
}

fn text(value: &Value, name: &str) -> String {
    let text = field(value, name).and_then(Value::as_str).unwrap_or("");
    label_text(text.as_bytes()).into_owned()
}

fn number(value: &Value, name: &str) -> f64 {
    field(value, name).and_then(Value::as_f64).unwrap_or(0.0)
}

fn bytes(value: &Value, name: &str) -> String {
    let text = field(value, name).and_then(Value::as_str).unwrap_or("");
    hardware_address(&BASE64.decode(text).unwrap_or_default())
}

fn station_from(value: &Value) -> Station {
    let n = |name: &str| number(value, name);
    Station {
        address: bytes(value, "HardwareAddr"),
        values: [
            n("Connected") / 1e9,
            n("Inactive") / 1e9,
            n("ReceiveBitrate"),
            n("TransmitBitrate"),
            n("ReceivedBytes"),
            n("TransmittedBytes"),
            n("Signal"),
            n("TransmitRetries"),
            n("TransmitFailed"),
            n("BeaconLoss"),
            n("TransmittedPackets"),
            n("ReceivedPackets"),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;
    use proptest::prelude::*;

    #[test]
    fn recorded_results() {
        let tree = Tree::new()
            .file("w/interfaces.json", r#"[{"Name":"wlan0","Type":2,"Frequency":2412},{"name":""}]"#)
            .file("w/wlan0/bss.json", r#"{"SSID":"Example","BSSID":"ABEiM0RV","Status":1}"#)
            .file("w/wlan0/stationinfo.json", r#"[{"HardwareAddr":"qrvM3e7/","Connected":30000000000,"Inactive":400000000,"Signal":-52}]"#);
        let directory = tree.path("w").display().to_string();
        tree.collect("wifi", &[("collector.wifi.fixtures", &directory)]).expect_some(&[
            "node_wifi_interface_frequency_hertz{device=\"wlan0\"} 2412000000",
            "node_wifi_station_info{bssid=\"00:11:22:33:44:55\",device=\"wlan0\",mode=\"client\",ssid=\"Example\"} 1",
            "node_wifi_station_connected_seconds_total{device=\"wlan0\",mac_address=\"aa:bb:cc:dd:ee:ff\"} 30",
            "node_wifi_station_inactive_seconds{device=\"wlan0\",mac_address=\"aa:bb:cc:dd:ee:ff\"} 0.4",
            "node_wifi_station_signal_dbm{device=\"wlan0\",mac_address=\"aa:bb:cc:dd:ee:ff\"} -52",
        ]);
    }

    #[test]
    fn messages() {
        let mut info = Vec::new();
        netlink::push_attribute(&mut info, 7, &[0xcc]);
        let mut rate = Vec::new();
        netlink::push_attribute(&mut rate, 1, &540u16.to_ne_bytes());
        netlink::push_attribute(&mut info, 14, &rate);
        let mut payload = vec![0; 4];
        netlink::push_attribute(&mut payload, 21, &info);
        let station = parse_station(&payload);
        assert_eq!(
            (station.values[6], station.values[2]),
            (-52.0, 54_000_000.0)
        );
        assert_eq!(ssid(b"\x01\x01x\x00\x03a\xffb"), "a\u{fffd}b");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = (parse_interface(&bytes), parse_network(&bytes), parse_station(&bytes), ssid(&bytes));
        }
    }
}
