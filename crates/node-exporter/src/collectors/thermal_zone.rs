//! Temperatures and cooling devices, from `class/thermal` of sysfs (`driver-api/thermal`).

use crate::host::Host;
use crate::kernel::{Devices, KernelFile, Unread, text};
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Scrape};
use exporter_core::exposition::{Arena, Family};
use rustix::io::Errno;

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

static TEMP: Family = Family::gauge(
    "node_thermal_zone_temp",
    &["type", "zone"],
    "Temperature of a zone in degrees Celsius.",
);
static CURRENT: Family = Family::gauge(
    "node_cooling_device_cur_state",
    &["name", "type"],
    "State that a cooling device is in.",
);
static MAX: Family = Family::gauge(
    "node_cooling_device_max_state",
    &["name", "type"],
    "Greatest state of a cooling device.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&TEMP, &CURRENT, &MAX]
}

enum Thermal {
    Zone {
        temp: KernelFile,
        kind: KernelFile,
    },
    Cooling {
        current: KernelFile,
        max: KernelFile,
        kind: KernelFile,
    },
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    host.require_sys()?;
    let mut devices = Devices::new(host.sys("class/thermal"));
    Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
        let devices = devices.refresh(|name, path| {
            let file = |name: &str| KernelFile::new(path.join(name));
            let numbered = |prefix: &str| {
                name.strip_prefix(prefix)
                    .is_some_and(|n| n.starts_with(|c: char| c.is_ascii_digit()))
            };
            if numbered("thermal_zone") {
                Some(Thermal::Zone {
                    temp: file("temp"),
                    kind: file("type"),
                })
            } else if numbered("cooling_device") {
                Some(Thermal::Cooling {
                    current: file("cur_state"),
                    max: file("max_state"),
                    kind: file("type"),
                })
            } else {
                None
            }
        });
        let Ok(devices) = devices else {
            return Ok(());
        };
        // Zones first: a bad number of a cooling device takes none of them away.
        for device in devices.iter_mut() {
            if let Thermal::Zone { temp, kind } = &mut device.state {
                let mut short = [0; 128];
                // Zones that are off have no temperature; others are worth telling all the same.
                let Some(value) = temp.short(&mut short).ok().and_then(text::int) else {
                    continue;
                };
                let kind = kind.short_text().unwrap_or_default();
                let zone = device.name.trim_start_matches("thermal_zone");
                out.put(&TEMP, &[&kind, zone], value as f64 / 1000.0);
            }
        }
        let mut cooling = Vec::new();
        for device in devices {
            if let Thermal::Cooling { current, max, kind } = &mut device.state {
                let read = (kind.short_text(), state(max), state(current));
                let (Ok(kind), Ok(max), Ok(current)) = read else {
                    continue;
                };
                let name = device.name.trim_start_matches("cooling_device");
                let bad = || format!("{}: expected whole numbers", device.name);
                cooling.push((name, kind, current.ok_or_else(bad)?, max.ok_or_else(bad)?));
            }
        }
        for (name, kind, current, max) in &cooling {
            out.put(&CURRENT, &[name, kind], *current as f64);
            out.put(&MAX, &[name, kind], *max as f64);
        }
        Ok(())
    }))
}

/// `Err` where the file cannot be read, which is no failure; `None` where it holds no number.
fn state(file: &mut KernelFile) -> Result<Option<i64>, Unread> {
    let mut short = [0; 128];
    match file.short(&mut short) {
        Ok(digits) => Ok(text::int(digits)),
        Err(u)
            if matches!(
                u.errno,
                Errno::NOENT | Errno::ACCESS | Errno::PERM | Errno::OPNOTSUPP | Errno::INVAL
            ) =>
        {
            Err(u)
        }
        Err(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Tree;

    #[test]
    fn zones_and_cooling() {
        let tree = Tree::new()
            .file("sys/class/thermal/thermal_zone0/temp", "-49925\n")
            .file("sys/class/thermal/thermal_zone0/type", "cpu-thermal\n")
            .file("sys/class/thermal/thermal_zone1/temp", "\n")
            .file("sys/class/thermal/cooling_device0/type", "Processor\n")
            .file("sys/class/thermal/cooling_device0/cur_state", "0\n")
            .file("sys/class/thermal/cooling_device0/max_state", "50\n");
        tree.collect("thermal_zone", &[]).expect(
            "node_cooling_device_cur_state{name=\"0\",type=\"Processor\"} 0\n\
             node_cooling_device_max_state{name=\"0\",type=\"Processor\"} 50\n\
             node_thermal_zone_temp{type=\"cpu-thermal\",zone=\"0\"} -49.925\n",
        );
        tree.write("sys/class/thermal/cooling_device0/max_state", "x\n");
        let collected = tree.collect("thermal_zone", &[]);
        assert_eq!(
            collected.text,
            "node_thermal_zone_temp{type=\"cpu-thermal\",zone=\"0\"} -49.925\n"
        );
        collected.expect_failure("whole numbers");
        Tree::new().collect("thermal_zone", &[]).expect("");
    }
}
