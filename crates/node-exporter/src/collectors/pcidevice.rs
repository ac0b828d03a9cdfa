//! PCI devices, from `bus/pci/devices` of sysfs (`ABI/testing/sysfs-bus-pci`) and pci.ids(5).

use crate::host::Host;
use crate::kernel::{Unread, list, read_once, short_once, text};
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Error, Scrape};
use exporter_core::exposition::{Arena, Family};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

exporter_core::flags! {
    /// Flags of this collector.
    pub struct Flags {
        /// File with the names of devices; without it, the usual places.
        "collector.pcidevice.idsfile" ids_file: PathBuf = [""];
        /// Add names to node_pcidevice_info.
        "collector.pcidevice.names" names: bool = ["false"];
    }
}

/// Flags of this collector.
pub const FLAGS: &[Flag] = Flags::TABLE;

const PLACE: &[&str] = &["bus", "device", "function", "segment"];
static INFO: Family = Family::gauge(
    "node_pcidevice_info",
    &[
        "bus",
        "class_id",
        "class_name",
        "device",
        "device_id",
        "device_name",
        "function",
        "parent_bus",
        "parent_device",
        "parent_function",
        "parent_segment",
        "revision",
        "segment",
        "subsystem_device_id",
        "subsystem_device_name",
        "subsystem_vendor_id",
        "subsystem_vendor_name",
        "vendor_id",
        "vendor_name",
    ],
    "What a PCI device is, constant 1; names only where they are asked for.",
);
static MAX_SPEED: Family = Family::gauge(
    "node_pcidevice_max_link_transfers_per_second",
    PLACE,
    "Greatest speed of the link in transfers a second, -1 where unknown.",
);
static MAX_WIDTH: Family = Family::gauge(
    "node_pcidevice_max_link_width",
    PLACE,
    "Greatest width of the link, -1 where unknown.",
);
static SPEED: Family = Family::gauge(
    "node_pcidevice_current_link_transfers_per_second",
    PLACE,
    "Speed of the link in transfers a second, -1 where unknown.",
);
static WIDTH: Family = Family::gauge(
    "node_pcidevice_current_link_width",
    PLACE,
    "Width of the link, -1 where unknown.",
);
static D3COLD: Family = Family::gauge(
    "node_pcidevice_d3cold_allowed",
    PLACE,
    "Whether the device may be switched off.",
);
static AUTOPROBE: Family = Family::gauge(
    "node_pcidevice_sriov_drivers_autoprobe",
    PLACE,
    "Whether drivers are bound to virtual functions by themselves.",
);
static NUMVFS: Family = Family::gauge("node_pcidevice_sriov_numvfs", PLACE, "Virtual functions.");
static TOTALVFS: Family = Family::gauge(
    "node_pcidevice_sriov_totalvfs",
    PLACE,
    "Virtual functions that are possible.",
);
static MSIX: Family = Family::gauge(
    "node_pcidevice_sriov_vf_total_msix",
    PLACE,
    "Interrupt vectors for virtual functions.",
);
static POWER: Family = Family::gauge(
    "node_pcidevice_power_state",
    &["bus", "device", "function", "segment", "state"],
    "Whether a device is in a power state.",
);
static NUMA: Family = Family::gauge("node_pcidevice_numa_node", PLACE, "NUMA node of a device.");
const POWER_STATES: [&str; 7] = ["D0", "D1", "D2", "D3hot", "D3cold", "unknown", "error"];

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![
        &INFO, &MAX_SPEED, &MAX_WIDTH, &SPEED, &WIDTH, &D3COLD, &AUTOPROBE, &NUMVFS, &TOTALVFS,
        &MSIX, &POWER, &NUMA,
    ]
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    host.require_sys()?;
    let flags = Flags::read(&host.matches)?;
    let names = flags.names.then(|| read_ids(&flags.ids_file));
    let root = host.sys("bus/pci/devices");
    Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
        let mut devices = Vec::new();
        for entry in list(&root).map_err(Unread::no_data_if_missing)? {
            devices.push(Device::read(&root.join(entry))?);
        }
        for device in &devices {
            device.put(out, names.as_ref());
        }
        Ok(())
    }))
}

/// Segment, bus, device and function.
type Place = [String; 4];

/// `0000:00:02.1`.
pub fn parse_place(text: &str) -> Option<Place> {
    let mut parts = text.splitn(3, ':');
    let (segment, bus, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let (device, function) = rest.split_once('.')?;
    let hex =
        |t: &str, width: usize| text::radix(t.as_bytes(), 16).map(|n| format!("{n:0width$x}"));
    Some([
        hex(segment, 4)?,
        hex(bus, 2)?,
        hex(device, 2)?,
        hex(function, 1)?,
    ])
}

struct Device {
    place: Place,
    parent: Option<Place>,
    /// Class, vendor, device, subsystem vendor, subsystem device, revision.
    ids: [u64; 6],
    /// In the order of the families from the greatest speed to the vectors.
    numbers: [f64; 9],
    power: Option<String>,
    numa: Option<i64>,
}

const NUMBERS: [(&Family, &str); 9] = [
    (&MAX_SPEED, "max_link_speed"),
    (&MAX_WIDTH, "max_link_width"),
    (&SPEED, "current_link_speed"),
    (&WIDTH, "current_link_width"),
    (&D3COLD, "d3cold_allowed"),
    (&AUTOPROBE, "sriov_drivers_autoprobe"),
    (&NUMVFS, "sriov_numvfs"),
    (&TOTALVFS, "sriov_totalvfs"),
    (&MSIX, "sriov_vf_total_msix"),
];

/// A missing or empty file is absent.
fn optional(path: &Path) -> Result<Option<String>, Error> {
    match short_once(path) {
        Ok(text) if text.is_empty() => Ok(None),
        Ok(text) => Ok(Some(text)),
        Err(unread) if unread.is_missing() => Ok(None),
        Err(unread) => Err(unread.into()),
    }
}

impl Device {
    fn read(path: &Path) -> Result<Self, Error> {
        let bad = |what: &str| Error::failed(format!("{}: {what}", path.display()));
        let target = std::fs::read_link(path).map_err(|e| bad(&e.to_string()))?;
        let mut parts = target.iter().rev().map(|p| p.to_string_lossy());
        let last = parts.next().unwrap_or_default();
        let place = parse_place(&last).ok_or_else(|| bad("expected a PCI address"))?;
        let parent = parts.next().unwrap_or_default();
        let parent = match parent.starts_with("pci") {
            true => None,
            false => Some(
                parse_place(&parent).ok_or_else(|| bad("expected a PCI address of the parent"))?,
            ),
        };
        let mut ids = [0; 6];
        let files = [
            "class",
            "vendor",
            "device",
            "subsystem_vendor",
            "subsystem_device",
            "revision",
        ];
        for (id, file) in ids.iter_mut().zip(files) {
            let text = short_once(path.join(file)).map_err(Unread::no_data_if_missing)?;
            let number = text::prefixed_int(text.as_bytes()).and_then(|n| i32::try_from(n).ok());
            let number = number.ok_or_else(|| bad(&format!("expected a number in {file}")))?;
            *id = u64::from(number as u32);
        }
        let mut numbers = [0.0; 9];
        for (number, (_, file)) in numbers.iter_mut().zip(NUMBERS) {
            let link = file.contains("_link_");
            *number = match optional(&path.join(file))?.filter(|t| !(link && is_unknown(t))) {
                None => {
                    if link {
                        -1.0
                    } else {
                        0.0
                    }
                }
                Some(text) => value(file, &text)
                    .ok_or_else(|| bad(&format!("expected a number in {file}, got {text:?}")))?,
            };
        }
        let numa = optional(&path.join("numa_node"))?.filter(|t| !is_unknown(t));
        let numa = numa
            .map(|t| text::int(t.as_bytes()).ok_or_else(|| bad("expected a number in numa_node")));
        Ok(Device {
            place,
            parent,
            ids,
            numbers,
            power: optional(&path.join("power_state"))?,
            numa: numa.transpose()?,
        })
    }

    fn put(&self, out: &mut Arena, names: Option<&Ids>) {
        self.put_info(out, names);
        let [segment, bus, device, function] = self.place.each_ref().map(String::as_str);
        let labels = [bus, device, function, segment];
        for ((family, _), value) in NUMBERS.iter().zip(self.numbers) {
            out.put(family, &labels, value);
        }
        if let Some(power) = &self.power {
            for state in POWER_STATES {
                let labels = [bus, device, function, segment, state];
                out.put(&POWER, &labels, f64::from(u8::from(state == power)));
            }
        }
        if let Some(node) = self.numa.filter(|n| *n != -1) {
            out.put(&NUMA, &labels, node as f64);
        }
    }

    fn put_info(&self, out: &mut Arena, names: Option<&Ids>) {
        let none = std::array::from_fn(|_| "*".to_owned());
        let [parent_segment, parent_bus, parent_device, parent_function] =
            self.parent.as_ref().unwrap_or(&none);
        let [segment, bus, device, function] = &self.place;
        let [class, vendor, id, sub_vendor, sub_device, revision] = self.ids;
        let hex = |n: u64, width: usize| format!("0x{n:0width$x}");
        let mut pairs = vec![
            ("bus", bus.clone()),
            ("class_id", hex(class, 6)),
            ("device", device.clone()),
            ("device_id", hex(id, 4)),
            ("function", function.clone()),
            ("parent_bus", parent_bus.clone()),
            ("parent_device", parent_device.clone()),
            ("parent_function", parent_function.clone()),
            ("parent_segment", parent_segment.clone()),
            ("revision", hex(revision, 2)),
            ("segment", segment.clone()),
            ("subsystem_device_id", hex(sub_device, 4)),
            ("subsystem_vendor_id", hex(sub_vendor, 4)),
            ("vendor_id", hex(vendor, 4)),
        ];
        if let Some(names) = names {
            let bare = |n: u64| format!("{n:04x}");
            let (vendor, id, sub_vendor, sub_device) =
                (bare(vendor), bare(id), bare(sub_vendor), bare(sub_device));
            let named =
                |key: String, or: &str| names.get(&key).cloned().unwrap_or_else(|| or.to_owned());
            pairs.push(("class_name", class_name(names, class)));
            pairs.push(("device_name", named(format!("{vendor} {id}"), &id)));
            pairs.push((
                "subsystem_device_name",
                named(
                    format!("{vendor} {id} {sub_vendor} {sub_device}"),
                    &sub_device,
                ),
            ));
            pairs.push((
                "subsystem_vendor_name",
                named(sub_vendor.clone(), &sub_vendor),
            ));
            pairs.push(("vendor_name", named(vendor.clone(), &vendor)));
        }
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (*n, v.as_str())).collect();
        out.put_pairs(&INFO, &pairs, 1.0);
    }
}

/// What links without a partner say.
fn is_unknown(text: &str) -> bool {
    text.starts_with("Unknown")
}

fn value(file: &str, text: &str) -> Option<f64> {
    if file.ends_with("_speed") {
        let number = text.strip_suffix(" GT/s PCIe")?;
        return text::float(number.as_bytes()).map(|v| v * 1e9);
    }
    if file == "sriov_numvfs" || file == "sriov_totalvfs" || file == "sriov_vf_total_msix" {
        return text::uint(text.as_bytes()).map(|n| n as f64);
    }
    let number = text::int(text.as_bytes())?;
    let boolean = matches!(file, "d3cold_allowed" | "sriov_drivers_autoprobe");
    Some(if boolean {
        f64::from(u8::from(number != 0))
    } else {
        number as f64
    })
}

/// Names by `vendor`, `vendor device`, `vendor device subvendor subdevice`, and `C` and a class of
/// two, four or six digits.
type Ids = HashMap<String, String>;

fn class_name(names: &Ids, class: u64) -> String {
    let digits = format!("{class:06x}");
    let found = [6, 4, 2]
        .iter()
        .find_map(|n| names.get(&format!("C{}", digits.get(..*n)?)));
    found
        .cloned()
        .unwrap_or_else(|| format!("Unknown class ({digits})"))
}

fn read_ids(given: &Path) -> Ids {
    let usual = ["/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids"].map(PathBuf::from);
    let files = if given.as_os_str().is_empty() {
        usual.to_vec()
    } else {
        vec![given.to_owned()]
    };
    let contents = files.iter().find_map(|f| read_once(f).ok());
    if contents.is_none() {
        tracing::debug!("there is no pci.ids");
    }
    parse_ids(&String::from_utf8_lossy(&contents.unwrap_or_default()))
}

/// Reads pci.ids.
pub fn parse_ids(contents: &str) -> Ids {
    let mut names = Ids::new();
    let (mut first, mut second) = (String::new(), String::new());
    let mut in_class = false;
    for line in contents
        .lines()
        .filter(|l| !l.is_empty() && !l.starts_with('#'))
    {
        let depth = line.bytes().take_while(|b| *b == b'\t').count();
        let Some((id, name)) = line.split_once("  ") else {
            continue;
        };
        let (id, name) = (id.trim().to_lowercase(), name.trim().to_owned());
        let key = match depth {
            0 => {
                in_class = line.starts_with("C ");
                first = if in_class {
                    format!("C{}", id.trim_start_matches("c "))
                } else {
                    id
                };
                first.clone()
            }
            1 if in_class => {
                second = format!("{first}{id}");
                second.clone()
            }
            1 => {
                second = format!("{first} {id}");
                second.clone()
            }
            _ if in_class => format!("{second}{id}"),
            _ => format!("{second} {id}"),
        };
        names.insert(key, name);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;
    use proptest::prelude::*;

    const IDS: &str = "# x\n1022  Advanced Micro Devices, Inc. [AMD]\n\t1634  Renoir Bridge\n\t\t17aa 5095  T540\n17aa  Lenovo\nC 06  Bridge\n\t04  PCI bridge\n\t\t00  Normal decode\n";

    #[test]
    fn a_device() {
        let dir = "sys/devices/pci0000:00/0000:00:02.1/0000:01:00.0";
        let mut tree = Tree::new().link(
            "sys/bus/pci/devices/0000:01:00.0",
            "../../../devices/pci0000:00/0000:00:02.1/0000:01:00.0",
        );
        for (file, text) in [
            ("class", "0x060400"),
            ("vendor", "0x1022"),
            ("device", "0x1634"),
            ("subsystem_vendor", "0x17aa"),
            ("subsystem_device", "0x5095"),
            ("revision", "0x01"),
            ("max_link_speed", "8.0 GT/s PCIe"),
            ("current_link_speed", "Unknown"),
            ("power_state", "D0"),
            ("numa_node", "-1"),
        ] {
            tree = tree.file(&format!("{dir}/{file}"), format!("{text}\n"));
        }
        let tree = tree.file("ids", IDS);
        let ids = tree.path("ids").display().to_string();
        let p = "bus=\"01\",device=\"00\",function=\"0\",segment=\"0000\"";
        let collected = tree.collect(
            "pcidevice",
            &[
                ("collector.pcidevice.names", "true"),
                ("collector.pcidevice.idsfile", &ids),
            ],
        );
        for part in [
            "class_name=\"Normal decode\"",
            "device_name=\"Renoir Bridge\"",
            "parent_device=\"02\"",
            "subsystem_device_name=\"T540\"",
            "subsystem_vendor_name=\"Lenovo\"",
        ] {
            assert!(collected.text.contains(part), "{part}: {}", collected.text);
        }
        collected.expect_some(&[
            &format!("node_pcidevice_max_link_transfers_per_second{{{p}}} 8000000000"),
            &format!("node_pcidevice_current_link_transfers_per_second{{{p}}} -1"),
            &format!("node_pcidevice_sriov_numvfs{{{p}}} 0"),
            "node_pcidevice_power_state{bus=\"01\",device=\"00\",function=\"0\",segment=\"0000\",state=\"D0\"} 1",
        ]);
        assert!(!tree.collect("pcidevice", &[]).text.contains("class_name"));
        tree.write(&format!("{dir}/power_state"), "Unknown\n");
        tree.collect("pcidevice", &[]).expect_some(&[
            "node_pcidevice_power_state{bus=\"01\",device=\"00\",function=\"0\",segment=\"0000\",state=\"unknown\"} 0",
        ]);
        for bad in ["Unknown", "-5", "1_000"] {
            tree.write(&format!("{dir}/sriov_numvfs"), bad);
            tree.collect("pcidevice", &[])
                .expect_whole_failure("sriov_numvfs");
        }
        Tree::new().collect("pcidevice", &[]).expect_no_data();
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = (parse_ids(&text), parse_place(&text), value("max_link_speed", &text));
        }
    }
}
