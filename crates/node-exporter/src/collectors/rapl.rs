//! Energy counters, from `class/powercap` of sysfs (`power/powercap`).

use crate::host::Host;
use crate::kernel::file::UintError;
use crate::kernel::{Devices, KernelFile, names};
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Error, Scrape};
use exporter_core::exposition::{Arena, Dynamic, Family, Kind};
use rustix::io::Errno;

exporter_core::flags! {
    /// Flags of this collector.
    pub struct Flags {
        /// One family with the zone as a label instead of a family for each zone.
        "collector.rapl.enable-zone-label" zone_label: bool = ["false"];
    }
}

/// Flags of this collector.
pub const FLAGS: &[Flag] = Flags::TABLE;

static ZONE: Family = Family::counter(
    "node_rapl_<zone>_joules_total",
    &["index", "path"],
    "Energy used by a zone in joules.",
);
static JOULES: Family = Family::counter(
    "node_rapl_joules_total",
    &["index", "path", "rapl_zone"],
    "Energy used by a zone in joules.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&ZONE, &JOULES]
}

struct Zone {
    name: KernelFile,
    range: KernelFile,
    energy: KernelFile,
    path: String,
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    host.require_sys()?;
    let flags = Flags::read(&host.matches)?;
    let mut zones = Devices::new(host.sys("class/powercap"));
    Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
        let zones = zones.refresh(|_, path| {
            let file = |name: &str| KernelFile::new(path.join(name));
            Some(Zone {
                name: file("name"),
                range: file("max_energy_range_uj"),
                energy: file("energy_uj"),
                path: path.display().to_string(),
            })
        });
        let zones = zones.map_err(crate::kernel::Unread::no_data_if_missing)?;
        let mut found: Vec<(String, String, &mut Zone)> = Vec::new();
        let mut seen: Vec<String> = Vec::new();
        for zone in zones {
            let Ok(name) = zone.state.name.short_text() else {
                continue;
            };
            zone.state.range.uint().map_err(forbidden_is_no_data)?;
            let (text, index) = split(&name, &mut seen);
            found.push((text, index, &mut zone.state));
        }
        for (zone, index, files) in found {
            let microjoules = files.energy.uint().map_err(|error| match error {
                UintError::Unread(u) if matches!(u.errno, Errno::ACCESS | Errno::PERM) => {
                    Error::no_data(u)
                }
                error => error.into(),
            })?;
            let joules = microjoules as f64 / 1e6;
            if flags.zone_label {
                out.put(&JOULES, &[&index, &files.path, &zone], joules);
            } else {
                let name = format!("node_rapl_{}_joules_total", names::metric_name(&zone));
                let family = Dynamic {
                    name: &name,
                    help: ZONE.help,
                    kind: Kind::Counter,
                };
                out.put_dynamic(family, &[("index", &index), ("path", &files.path)], joules);
            }
        }
        Ok(())
    }))
}

fn forbidden_is_no_data(error: UintError) -> Error {
    match error {
        UintError::Unread(u) if matches!(u.errno, Errno::ACCESS | Errno::NOENT) => {
            Error::no_data(u)
        }
        error => error.into(),
    }
}

/// `package-1` is index 1 of the zone package; other names count up.
fn split(name: &str, seen: &mut Vec<String>) -> (String, String) {
    let parts: Vec<&str> = name.split('-').collect();
    if let [zone, index] = parts.as_slice()
        && let Ok(index) = index.parse::<i64>()
    {
        return ((*zone).to_owned(), index.to_string());
    }
    let index = seen.iter().filter(|s| *s == name).count();
    seen.push(name.to_owned());
    (name.to_owned(), index.to_string())
}

#[cfg(test)]
mod tests {
    use crate::testing::Tree;

    #[test]
    fn zones() {
        let mut tree = Tree::new();
        for (entry, name, energy) in [
            ("intel-rapl:0", "package-010", "240422366267"),
            ("intel-rapl:0:0", "core", "118821284256"),
            ("intel-rapl:1:0", "core", "7"),
        ] {
            let directory = format!("sys/class/powercap/{entry}");
            tree = tree
                .file(&format!("{directory}/name"), format!("{name}\n"))
                .file(
                    &format!("{directory}/max_energy_range_uj"),
                    "262143328850\n",
                )
                .file(&format!("{directory}/energy_uj"), format!("{energy}\n"));
        }
        let base = tree.path("sys/class/powercap").display().to_string();
        tree.collect("rapl", &[]).expect(&format!(
            "node_rapl_core_joules_total{{index=\"0\",path=\"{base}/intel-rapl:0:0\"}} 118821.284256\n\
             node_rapl_core_joules_total{{index=\"1\",path=\"{base}/intel-rapl:1:0\"}} 0.000007\n\
             node_rapl_package_joules_total{{index=\"10\",path=\"{base}/intel-rapl:0\"}} 240422.366267\n"
        ));
        let labelled = tree.collect("rapl", &[("collector.rapl.enable-zone-label", "true")]);
        assert!(labelled.text.contains("rapl_zone=\"package\""));
        Tree::new().collect("rapl", &[]).expect_no_data();
    }
}
