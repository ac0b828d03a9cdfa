//! Hardware sensors, from `class/hwmon` of sysfs (`hwmon/sysfs-interface`).

use crate::host::Host;
use crate::kernel::names::label_text;
use crate::kernel::{Devices, Filter, KernelFile, Unread, text};
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Error, Scrape};
use exporter_core::exposition::{Arena, Dynamic, Family, Kind};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

exporter_core::flags! {
    /// Flags of this collector.
    pub struct Flags {
        /// Regular expression of chips to keep.
        "collector.hwmon.chip-include" chip_include: String = [""];
        /// Regular expression of chips to leave out.
        "collector.hwmon.chip-exclude" chip_exclude: String = [""];
        /// Regular expression of sensors (CHIP;SENSOR) to keep.
        "collector.hwmon.sensor-include" sensor_include: String = [""];
        /// Regular expression of sensors (CHIP;SENSOR) to leave out.
        "collector.hwmon.sensor-exclude" sensor_exclude: String = [""];
    }
}

/// Flags of this collector.
pub const FLAGS: &[Flag] = Flags::TABLE;

const SENSOR: &[&str] = &["chip", "sensor"];
static CHIP_NAMES: Family = Family::gauge(
    "node_hwmon_chip_names",
    &["chip", "chip_name"],
    "Name of a chip, constant 1.",
);
static LABEL: Family = Family::gauge(
    "node_hwmon_sensor_label",
    &["chip", "label", "sensor"],
    "Label of a sensor, constant 1.",
);
static BEEP: Family = Family::gauge(
    "node_hwmon_beep_enabled",
    SENSOR,
    "Whether beeping is enabled.",
);
static VRM: Family = Family::gauge(
    "node_hwmon_voltage_regulator_version",
    SENSOR,
    "Version of the voltage regulator module.",
);
static INTERVAL: Family = Family::gauge(
    "node_hwmon_update_interval_seconds",
    SENSOR,
    "Interval that a chip updates its sensors at in seconds.",
);
static OTHERS: Family = Family::gauge(
    "node_hwmon_<type>_<property>_<unit>",
    SENSOR,
    "Value of a sensor: volts, celsius, amps, watt, rpm and others; joule_total is a counter.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&CHIP_NAMES, &LABEL, &BEEP, &VRM, &INTERVAL, &OTHERS]
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    let flags = Flags::read(&host.matches)?;
    Ok(Box::new(Hwmon {
        chips: Devices::new(host.sys("class/hwmon")),
        chip_filter: Filter::new(
            ("collector.hwmon.chip-exclude", &flags.chip_exclude),
            ("collector.hwmon.chip-include", &flags.chip_include),
        )?,
        sensor_filter: Filter::new(
            ("collector.hwmon.sensor-exclude", &flags.sensor_exclude),
            ("collector.hwmon.sensor-include", &flags.sensor_include),
        )?,
    }))
}

struct Hwmon {
    chips: Devices<Chip>,
    chip_filter: Filter,
    sensor_filter: Filter,
}

struct Chip {
    /// What it is called unless another chip is called the same.
    label: Option<String>,
    name: KernelFile,
    own: Devices<Option<Attribute>>,
    device: Devices<Option<Attribute>>,
}

/// A file of a sensor.
struct Attribute {
    kind: &'static str,
    sensor: String,
    property: String,
    file: KernelFile,
}

const KINDS: [&str; 14] = [
    "vrm",
    "beep_enable",
    "update_interval",
    "in",
    "cpu",
    "fan",
    "pwm",
    "temp",
    "curr",
    "power",
    "energy",
    "humidity",
    "intrusion",
    "freq",
];

/// Properties and texts of a sensor.
type Sensors = BTreeMap<String, (&'static str, BTreeMap<String, Vec<u8>>)>;

impl Collector for Hwmon {
    fn collect(&mut self, out: &mut Arena, _: &Scrape) -> Result<(), Error> {
        let chips = self
            .chips
            .refresh(|_, path| path.is_dir().then(|| Chip::new(path)));
        let chips = chips.map_err(Unread::no_data_if_missing)?;
        let labels: Vec<Option<String>> = final_labels(chips);
        let mut result = Ok(());
        for (chip, label) in chips.iter_mut().zip(labels) {
            let Some(label) = label.filter(|l| self.chip_filter.keeps(l)) else {
                continue;
            };
            match chip.state.sensors() {
                Ok(sensors) => {
                    if let Ok(name) = chip.state.name.short_text() {
                        let name = clean(&name);
                        if !name.is_empty() {
                            out.put(&CHIP_NAMES, &[&label, &name], 1.0);
                        }
                    }
                    put_sensors(out, &label, &sensors, &mut self.sensor_filter);
                }
                Err(unread) => result = Err(unread.into()),
            }
        }
        result
    }
}

/// Labels of all chips, each with the device that it sits on.
pub(super) fn labels_of_devices(class: &Path) -> Vec<(PathBuf, String)> {
    let mut chips = Devices::new(class);
    let chips = chips.refresh(|_, path| path.is_dir().then(|| Chip::new(path)));
    let Ok(chips) = chips else {
        return Vec::new();
    };
    let labels = final_labels(chips);
    let devices = chips
        .iter()
        .map(|chip| class.join(&chip.name).join("device").canonicalize());
    let pairs = devices.zip(labels);
    pairs
        .filter_map(|(device, label)| Some((device.ok()?, label?)))
        .collect()
}

/// Chips that are called the same are told apart by their name or, failing that, by their entry.
fn final_labels(chips: &mut [crate::kernel::Device<Chip>]) -> Vec<Option<String>> {
    let labels: Vec<Option<String>> = chips.iter().map(|c| c.state.label.clone()).collect();
    let collides =
        |at: usize| labels[at].is_some() && labels.iter().filter(|l| **l == labels[at]).count() > 1;
    if !(0..chips.len()).any(collides) {
        return labels;
    }
    let names: Vec<String> = chips
        .iter_mut()
        .map(|c| c.state.name.short_text().unwrap_or_default())
        .collect();
    (0..chips.len())
        .map(|at| {
            let label = labels[at].clone()?;
            if !collides(at) {
                return Some(label);
            }
            let same_name = (0..chips.len())
                .any(|o| o != at && labels[o] == labels[at] && names[o] == names[at]);
            let suffix = if names[at].is_empty() || same_name {
                &chips[at].name
            } else {
                &names[at]
            };
            Some(format!("{label}_{}", clean(suffix)))
        })
        .collect()
}

impl Chip {
    fn new(path: &Path) -> Self {
        let device = path.join("device");
        Chip {
            label: label(path, &device),
            name: KernelFile::new(path.join("name")),
            own: Devices::new(path),
            device: Devices::new(device),
        }
    }

    /// Reads all files; those of `device` take precedence.
    fn sensors(&mut self) -> Result<Sensors, Unread> {
        let mut sensors = Sensors::new();
        let files = self
            .own
            .refresh(|name, path| Some(Attribute::new(name, path)))?;
        read(files, &mut sensors);
        if let Ok(files) = self
            .device
            .refresh(|name, path| Some(Attribute::new(name, path)))
        {
            read(files, &mut sensors);
        }
        Ok(sensors)
    }
}

fn read(files: &mut [crate::kernel::Device<Option<Attribute>>], sensors: &mut Sensors) {
    for attribute in files.iter_mut().filter_map(|f| f.state.as_mut()) {
        let mut short = [0; 128];
        let Ok(value) = attribute.file.one_read(&mut short) else {
            continue;
        };
        let sensor = sensors
            .entry(attribute.sensor.clone())
            .or_insert_with(|| (attribute.kind, BTreeMap::new()));
        sensor
            .1
            .insert(attribute.property.clone(), trim_newlines(value).to_vec());
    }
}

fn trim_newlines(mut text: &[u8]) -> &[u8] {
    while let Some(rest) = text.strip_prefix(b"\n") {
        text = rest;
    }
    while let Some(rest) = text.strip_suffix(b"\n") {
        text = rest;
    }
    text
}

/// Bus and device, or the name, or the entry.
fn label(path: &Path, device: &Path) -> Option<String> {
    if let Ok(target) = device.canonicalize() {
        let part =
            |p: Option<&std::ffi::OsStr>| p.map_or(String::new(), |p| clean(&p.to_string_lossy()));
        let name = part(target.file_name());
        let bus = part(target.parent().and_then(Path::file_name));
        match (bus.is_empty(), name.is_empty()) {
            (false, false) => return Some(format!("{bus}_{name}")),
            (true, false) => return Some(name),
            _ => {}
        }
    }
    let name = KernelFile::new(path.join("name"))
        .short_text()
        .map(|n| clean(&n));
    if let Ok(name) = name
        && !name.is_empty()
    {
        return Some(name);
    }
    let real = path.canonicalize().ok()?;
    let name = clean(&real.file_name()?.to_string_lossy());
    (!name.is_empty()).then_some(name)
}

/// Lower case; other characters than letters, digits, colon and underscore become underscores,
/// which go at both ends.
fn clean(name: &str) -> String {
    let legal = |c: char| {
        if c.is_ascii_lowercase() || c.is_ascii_digit() || c == ':' {
            c
        } else {
            '_'
        }
    };
    let name: String = name.to_lowercase().chars().map(legal).collect();
    name.trim_matches('_').to_owned()
}

impl Attribute {
    /// `temp1_input` is the property input of the sensor temp1.
    fn new(name: &str, path: &Path) -> Option<Self> {
        let (kind, number, property) = split(name)?;
        Some(Attribute {
            kind: KINDS.iter().find(|k| **k == kind)?,
            sensor: format!("{kind}{number}"),
            property: property.to_owned(),
            file: KernelFile::new(path),
        })
    }
}

fn split(name: &str) -> Option<(&str, u64, &str)> {
    let digit = name.find(|c: char| c.is_ascii_digit());
    let Some(digit) = digit else {
        // Without digits there is no property: the whole name is the kind.
        return Some((name, 0, ""));
    };
    let (kind, rest) = name.split_at(digit);
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    let number = text::uint(&rest.as_bytes()[..end]).filter(|n| i64::try_from(*n).is_ok())?;
    let property = match &rest[end..] {
        "" => "",
        tail => tail.strip_prefix('_').filter(|p| !p.is_empty())?,
    };
    Some((kind, number, property))
}

fn put_sensors(out: &mut Arena, chip: &str, sensors: &Sensors, filter: &mut Filter) {
    for (sensor, (kind, properties)) in sensors {
        if !filter.keeps(&format!("{chip};{sensor}")) {
            continue;
        }
        let label = properties.get("label").map(|l| label_text(l).into_owned());
        if let Some(label) = &label {
            out.put(&LABEL, &[chip, label, sensor], 1.0);
        }
        let value = properties.get("").map(Vec::as_slice).unwrap_or_default();
        match *kind {
            "beep_enable" => out.put(&BEEP, &[chip, sensor], f64::from(u8::from(value == b"1"))),
            "vrm" => {
                if let Some(version) = text::float(value) {
                    out.put(&VRM, &[chip, sensor], version);
                }
            }
            "update_interval" => {
                if let Some(interval) = text::float(value) {
                    out.put(&INTERVAL, &[chip, sensor], interval * 0.001);
                }
            }
            kind => put_properties(out, chip, sensor, kind, properties, label.as_deref()),
        }
    }
}

fn put_properties(
    out: &mut Arena,
    chip: &str,
    sensor: &str,
    kind: &str,
    properties: &BTreeMap<String, Vec<u8>>,
    label: Option<&str>,
) {
    let has_plain = properties.contains_key("");
    for (property, text) in properties {
        let Some(value) = text::float(text).filter(|_| property != "label") else {
            continue;
        };
        let mut name = format!("node_hwmon_{kind}");
        if (property == "input" && has_plain) || !matches!(property.as_str(), "input" | "") {
            name.push('_');
            name.push_str(&clean(property));
        }
        if kind == "freq" && property == "input" {
            if let Some(label) = label {
                let labels = [("chip", chip), ("sensor", &*clean(label))];
                put(
                    out,
                    "node_hwmon_freq_freq_mhz",
                    &labels,
                    value / 1_000_000.0,
                );
            }
            continue;
        }
        let (suffix, value) = scale(kind, property, value);
        name.push_str(suffix);
        put(out, &name, &[("chip", chip), ("sensor", sensor)], value);
    }
}

/// Unit and value; the first rule that fits counts.
fn scale(kind: &str, property: &str, value: f64) -> (&'static str, f64) {
    match (kind, property) {
        (_, "fault" | "alarm") => ("", value),
        (_, "beep") => ("_enabled", value),
        ("in" | "cpu", _) => ("_volts", value * 0.001),
        ("temp", property) if property != "type" => ("_celsius", value * 0.001),
        ("curr", _) => ("_amps", value * 0.001),
        ("energy", _) => ("_joule_total", value / 1_000_000.0),
        ("power", "accuracy") => ("", value / 1_000_000.0),
        ("power", "average_interval" | "average_interval_min" | "average_interval_max") => {
            ("_seconds", value * 0.001)
        }
        ("power", _) => ("_watt", value / 1_000_000.0),
        ("humidity", _) => ("", value / 1_000_000.0),
        ("fan", "input" | "min" | "max" | "target") => ("_rpm", value),
        _ => ("", value),
    }
}

fn put(out: &mut Arena, name: &str, labels: &[(&str, &str)], value: f64) {
    let kind = if name.ends_with("_total") {
        Kind::Counter
    } else {
        Kind::Gauge
    };
    out.put_dynamic(
        Dynamic {
            name,
            help: "Value of a hardware sensor.",
            kind,
        },
        labels,
        value,
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;
    use proptest::prelude::*;

    #[test]
    fn sensors_and_units() {
        let mut tree = Tree::new().link(
            "sys/class/hwmon/hwmon0/device",
            "../../../devices/platform/coretemp.0",
        );
        for (file, value) in [
            ("name", "Core Temp"),
            ("temp1_input", "55000"),
            ("temp1_label", "Package id 0"),
            ("temp1_crit_alarm", "0"),
            ("fan2_input", "1098"),
            ("fan2_alarm", "1"),
            ("energy1_input", "5000000"),
            ("beep_enable", "1"),
            ("freq1_input", "2000000"),
            ("freq1_label", "sclk"),
            ("in0_beep", "1"),
            ("power1_accuracy", "5"),
            ("temp3", "1000"),
            ("temp3_input", "2000"),
            ("update_interval", "1000"),
            ("temp1_type", "4"),
        ] {
            tree = tree.file(
                &format!("sys/class/hwmon/hwmon0/{file}"),
                format!("{value}\n"),
            );
        }
        tree = tree.dir("sys/devices/platform/coretemp.0");
        let c = "chip=\"platform_coretemp_0\"";
        let lines = [
            format!("node_hwmon_chip_names{{{c},chip_name=\"core_temp\"}} 1"),
            format!("node_hwmon_temp_celsius{{{c},sensor=\"temp1\"}} 55"),
            format!("node_hwmon_temp_crit_alarm_celsius{{{c},sensor=\"temp1\"}} 0"),
            format!("node_hwmon_temp_type{{{c},sensor=\"temp1\"}} 4"),
            format!("node_hwmon_sensor_label{{{c},label=\"Package id 0\",sensor=\"temp1\"}} 1"),
            format!("node_hwmon_fan_rpm{{{c},sensor=\"fan2\"}} 1098"),
            format!("node_hwmon_fan_alarm{{{c},sensor=\"fan2\"}} 1"),
            format!("node_hwmon_energy_joule_total{{{c},sensor=\"energy1\"}} 5"),
            format!("node_hwmon_beep_enabled{{{c},sensor=\"beep_enable0\"}} 1"),
            format!("node_hwmon_freq_freq_mhz{{{c},sensor=\"sclk\"}} 2"),
            format!("node_hwmon_in_beep_enabled{{{c},sensor=\"in0\"}} 1"),
            format!("node_hwmon_power_accuracy{{{c},sensor=\"power1\"}} 0.000005"),
            format!("node_hwmon_temp_celsius{{{c},sensor=\"temp3\"}} 1"),
            format!("node_hwmon_temp_input_celsius{{{c},sensor=\"temp3\"}} 2"),
            format!("node_hwmon_update_interval_seconds{{{c},sensor=\"update_interval0\"}} 1"),
        ];
        tree.collect("hwmon", &[])
            .expect_some(&lines.each_ref().map(String::as_str));
        let text = tree
            .collect("hwmon", &[("collector.hwmon.sensor-exclude", ";temp")])
            .text;
        assert!(!text.contains("sensor=\"temp1\"") && text.contains("fan2"));
        Tree::new().collect("hwmon", &[]).expect_no_data();
    }

    #[test]
    fn chips_of_one_label_are_told_apart() {
        let tree = Tree::new()
            .dir("sys/devices/pci/0000")
            .link("sys/class/hwmon/hwmon0/device", "../../../devices/pci/0000")
            .link("sys/class/hwmon/hwmon1/device", "../../../devices/pci/0000")
            .file("sys/class/hwmon/hwmon0/name", "nvme\n")
            .file("sys/class/hwmon/hwmon1/name", "phy\n");
        let text = tree.collect("hwmon", &[]).text;
        assert!(
            text.contains("pci_0000_nvme") && text.contains("pci_0000_phy"),
            "{text}"
        );
    }

    proptest! {
        #[test]
        fn no_name_makes_it_panic(name: String) {
            let _ = (split(&name), clean(&name), trim_newlines(name.as_bytes()));
        }
    }
}
