//! Batteries and chargers, from `class/power_supply` of sysfs (`ABI/testing/sysfs-class-power`).

use crate::host::Host;
use crate::kernel::filter::compile;
use crate::kernel::{Devices, KernelFile, Unread, text};
use crate::whole::whole;
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Error, Scrape};
use exporter_core::exposition::{Arena, Family};
use rustix::io::Errno;

exporter_core::flags! {
    /// Flags of this collector.
    pub struct Flags {
        /// Regular expression of power supplies to leave out.
        "collector.powersupply.ignored-supplies" ignored: String = ["^$"];
    }
}

/// Flags of this collector.
pub const FLAGS: &[Flag] = Flags::TABLE;

macro_rules! numbers {
    ($( $file:literal $name:literal $divisor:literal $help:literal, )*) => {
        /// Number files, their families and what each number is divided by.
        static NUMBERS: [(&str, Family, f64); 49] = [ $( (
            $file,
            Family::gauge(concat!("node_power_supply_", $name), &["power_supply"], $help),
            $divisor,
        ), )* ];
    };
}
numbers! {
    "authentic" "authentic" 1.0 "Whether the supply is genuine.",
    "calibrate" "calibrate" 1.0 "Whether the battery is being calibrated.",
    "capacity" "capacity" 1.0 "Charge in percent.",
    "capacity_alert_max" "capacity_alert_max" 1.0 "Charge above which there is an alert, in percent.",
    "capacity_alert_min" "capacity_alert_min" 1.0 "Charge below which there is an alert, in percent.",
    "charge_control_limit" "charge_control_limit" 1e6 "Limit of charge control.",
    "charge_control_limit_max" "charge_control_limit_max" 1e6 "Greatest limit of charge control.",
    "charge_counter" "charge_counter" 1e6 "Charge counter in ampere hours.",
    "charge_empty" "charge_empty" 1e6 "Charge when empty in ampere hours.",
    "charge_empty_design" "charge_empty_design" 1e6 "Charge when empty by design in ampere hours.",
    "charge_full" "charge_full" 1e6 "Charge when full in ampere hours.",
    "charge_full_design" "charge_full_design" 1e6 "Charge when full by design in ampere hours.",
    "charge_now" "charge_ampere" 1e6 "Charge in ampere hours.",
    "charge_term_current" "charge_term_current" 1e6 "Current that ends charging in amperes.",
    "constant_charge_current" "constant_charge_current" 1e6 "Constant charge current in amperes.",
    "constant_charge_current_max" "constant_charge_current_max" 1e6 "Greatest constant charge current in amperes.",
    "constant_charge_voltage" "constant_charge_voltage" 1e6 "Constant charge voltage in volts.",
    "constant_charge_voltage_max" "constant_charge_voltage_max" 1e6 "Greatest constant charge voltage in volts.",
    "current_boot" "current_boot" 1e6 "Current at boot in amperes.",
    "current_max" "current_max" 1e6 "Greatest current in amperes.",
    "current_now" "current_ampere" 1e6 "Current in amperes.",
    "cycle_count" "cyclecount" 1.0 "Charge cycles.",
    "energy_empty" "energy_empty" 1e6 "Energy when empty in watt hours.",
    "energy_empty_design" "energy_empty_design" 1e6 "Energy when empty by design in watt hours.",
    "energy_full" "energy_full" 1e6 "Energy when full in watt hours.",
    "energy_full_design" "energy_full_design" 1e6 "Energy when full by design in watt hours.",
    "energy_now" "energy_watthour" 1e6 "Energy in watt hours.",
    "input_current_limit" "input_current_limit" 1e6 "Limit of the input current in amperes.",
    "online" "online" 1.0 "Whether the supply is connected.",
    "power_now" "power_watt" 1e6 "Power in watts.",
    "precharge_current" "precharge_current" 1e6 "Precharge current in amperes.",
    "present" "present" 1.0 "Whether the battery is present.",
    "temp" "temp_celsius" 10.0 "Temperature in degrees Celsius.",
    "temp_alert_max" "temp_alert_max_celsius" 10.0 "Temperature above which there is an alert, in degrees Celsius.",
    "temp_alert_min" "temp_alert_min_celsius" 10.0 "Temperature below which there is an alert, in degrees Celsius.",
    "temp_ambient" "temp_ambient_celsius" 10.0 "Ambient temperature in degrees Celsius.",
    "temp_ambient_max" "temp_ambient_max_celsius" 10.0 "Greatest ambient temperature in degrees Celsius.",
    "temp_ambient_min" "temp_ambient_min_celsius" 10.0 "Least ambient temperature in degrees Celsius.",
    "temp_max" "temp_max_celsius" 10.0 "Greatest temperature in degrees Celsius.",
    "temp_min" "temp_min_celsius" 10.0 "Least temperature in degrees Celsius.",
    "time_to_empty_now" "time_to_empty_seconds" 1.0 "Time until empty in seconds.",
    "time_to_full_now" "time_to_full_seconds" 1.0 "Time until full in seconds.",
    "voltage_boot" "voltage_boot" 1e6 "Voltage at boot in volts.",
    "voltage_max" "voltage_max" 1e6 "Greatest voltage in volts.",
    "voltage_max_design" "voltage_max_design" 1e6 "Greatest voltage by design in volts.",
    "voltage_min" "voltage_min" 1e6 "Least voltage in volts.",
    "voltage_min_design" "voltage_min_design" 1e6 "Least voltage by design in volts.",
    "voltage_now" "voltage_volt" 1e6 "Voltage in volts.",
    "voltage_ocv" "voltage_ocv" 1e6 "Open circuit voltage in volts.",
}
/// Text files that become labels.
const TEXTS: [&str; 11] = [
    "capacity_level",
    "charge_type",
    "health",
    "manufacturer",
    "model_name",
    "scope",
    "serial_number",
    "status",
    "technology",
    "type",
    "usb_type",
];
static INFO: Family = Family::gauge(
    "node_power_supply_info",
    &[
        "capacity_level",
        "charge_type",
        "health",
        "manufacturer",
        "model_name",
        "power_supply",
        "scope",
        "serial_number",
        "status",
        "technology",
        "type",
        "usb_type",
    ],
    "What a power supply is, constant 1; labels without text are left out.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    NUMBERS.iter().map(|n| &n.1).chain([&INFO]).collect()
}

struct Supply {
    numbers: Vec<KernelFile>,
    texts: [KernelFile; 11],
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    let flags = Flags::read(&host.matches)?;
    let ignored = compile("collector.powersupply.ignored-supplies", &flags.ignored)?;
    let mut supplies = Devices::new(host.sys("class/power_supply"));
    Ok(whole(move |out: &mut Arena, _: &Scrape| {
        let supplies = supplies.refresh(|name, path| {
            (!ignored.is_match(name)).then(|| Supply {
                numbers: NUMBERS
                    .iter()
                    .map(|n| KernelFile::new(path.join(n.0)))
                    .collect(),
                texts: TEXTS.map(|t| KernelFile::new(path.join(t))),
            })
        });
        for supply in supplies.map_err(Unread::no_data_if_missing)? {
            put(out, &supply.name, &mut supply.state)?;
        }
        Ok(())
    }))
}

fn put(out: &mut Arena, name: &str, supply: &mut Supply) -> Result<(), Error> {
    for ((file, family, divisor), attribute) in NUMBERS.iter().zip(&mut supply.numbers) {
        let mut short = [0; 128];
        let value = match attribute.short(&mut short) {
            Ok(digits) => text::prefixed_int(digits),
            Err(unread) if is_absent(&unread) => continue,
            Err(unread) => return Err(unread.into()),
        };
        let value = value.ok_or_else(|| format!("{name}/{file}: expected a whole number"))?;
        out.put(family, &[name], value as f64 / divisor);
    }
    let mut texts: Vec<(&str, String)> = vec![("power_supply", name.to_owned())];
    for (label, file) in TEXTS.iter().zip(&mut supply.texts) {
        match file.short_text() {
            Ok(text) if !text.is_empty() => texts.push((label, text)),
            Ok(_) => {}
            Err(unread) if is_absent(&unread) => {}
            Err(unread) => return Err(unread.into()),
        }
    }
    let pairs: Vec<(&str, &str)> = texts.iter().map(|(l, v)| (*l, v.as_str())).collect();
    out.put_pairs(&INFO, &pairs, 1.0);
    Ok(())
}

fn is_absent(unread: &Unread) -> bool {
    matches!(unread.errno, Errno::NOENT | Errno::OPNOTSUPP | Errno::NODEV)
}

#[cfg(test)]
mod tests {
    use crate::testing::Tree;

    #[test]
    fn a_battery_and_a_charger() {
        let tree = Tree::new()
            .file("sys/class/power_supply/AC/online", "0\n")
            .file("sys/class/power_supply/BAT0/voltage_now", "12229000\n")
            .file("sys/class/power_supply/BAT0/temp", "315\n")
            .file("sys/class/power_supply/BAT0/status", "Discharging\n");
        tree.collect("powersupplyclass", &[]).expect(
            "node_power_supply_info{power_supply=\"AC\"} 1\n\
             node_power_supply_info{power_supply=\"BAT0\",status=\"Discharging\"} 1\n\
             node_power_supply_online{power_supply=\"AC\"} 0\n\
             node_power_supply_temp_celsius{power_supply=\"BAT0\"} 31.5\n\
             node_power_supply_voltage_volt{power_supply=\"BAT0\"} 12.229\n",
        );
        tree.write("sys/class/power_supply/BAT0/temp", "warm\n");
        tree.collect("powersupplyclass", &[])
            .expect_whole_failure("whole number");
        Tree::new()
            .collect("powersupplyclass", &[])
            .expect_no_data();
    }
}
