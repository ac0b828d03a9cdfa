//! Processor frequencies, from `devices/system/cpu/cpu*/cpufreq` of sysfs (`admin-guide/pm/cpufreq`).

use super::cpu::{is_processor, parse_list};
use crate::host::Host;
use crate::kernel::{Device, Devices, KernelFile, read_once, text};
use crate::whole::whole;
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Error, Scrape};
use exporter_core::exposition::{Arena, Family};
use rustix::io::Errno;
use std::path::{Path, PathBuf};

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

/// The cpu collector exposes the same family where this one cannot.
pub(super) const CURRENT_HELP: &str = "Current frequency of a processor in hertz.";

const CPU: &[&str] = &["cpu"];

/// Files and their families; kilohertz each.
static FREQUENCIES: [(&str, Family); 7] = [
    (
        "cpuinfo_cur_freq",
        Family::gauge("node_cpu_frequency_hertz", CPU, CURRENT_HELP),
    ),
    (
        "cpuinfo_avg_freq",
        Family::gauge(
            "node_cpu_frequency_avg_hertz",
            CPU,
            "Average frequency of a processor, as its hardware counts it, in hertz.",
        ),
    ),
    (
        "cpuinfo_min_freq",
        Family::gauge(
            "node_cpu_frequency_min_hertz",
            CPU,
            "Least frequency of a processor in hertz.",
        ),
    ),
    (
        "cpuinfo_max_freq",
        Family::gauge(
            "node_cpu_frequency_max_hertz",
            CPU,
            "Greatest frequency of a processor in hertz.",
        ),
    ),
    (
        "scaling_cur_freq",
        Family::gauge(
            "node_cpu_scaling_frequency_hertz",
            CPU,
            "Frequency that the governor set last in hertz.",
        ),
    ),
    (
        "scaling_min_freq",
        Family::gauge(
            "node_cpu_scaling_frequency_min_hertz",
            CPU,
            "Least frequency that the policy allows in hertz.",
        ),
    ),
    (
        "scaling_max_freq",
        Family::gauge(
            "node_cpu_scaling_frequency_max_hertz",
            CPU,
            "Greatest frequency that the policy allows in hertz.",
        ),
    ),
];
static GOVERNOR: Family = Family::gauge(
    "node_cpu_scaling_governor",
    &["cpu", "governor"],
    "Whether a governor is the one in force.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    FREQUENCIES
        .iter()
        .map(|f| &f.1)
        .chain([&GOVERNOR])
        .collect()
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    host.require_sys()?;
    let directory = host.sys("devices/system/cpu");
    Ok(whole(Cpufreq {
        offline: KernelFile::new(directory.join("offline")),
        processors: Devices::new(directory),
    }))
}

struct Cpufreq {
    offline: KernelFile,
    processors: Devices<Processor>,
}

struct Processor {
    directory: PathBuf,
    frequencies: [KernelFile; 7],
    governor: KernelFile,
    governors: KernelFile,
    others: [KernelFile; 3],
}

/// What one processor's files say.
struct Reading {
    hertz: [Option<f64>; 7],
    governor: String,
    governors: String,
}

/// Hosts with processors above this are read by several threads, because the kernel delays some of
/// these files by tens of milliseconds each.
const ALONE: usize = 16;
const THREADS: usize = 8;

impl Collector for Cpufreq {
    fn collect(&mut self, out: &mut Arena, _: &Scrape) -> Result<(), Error> {
        let mut short = [0; 128];
        let offline = parse_list(self.offline.short(&mut short)?)
            .ok_or("offline: expected a list such as 1,3-5")?;
        let processors = self
            .processors
            .refresh(|name, path| is_processor(name).then(|| Processor::new(path)))?;
        if processors.is_empty() {
            return Err("no processors in devices/system/cpu".into());
        }
        let mut online: Vec<&mut Device<Processor>> = processors
            .iter_mut()
            .filter(|p| {
                let number = text::uint(&p.name.as_bytes()[3..]);
                number.is_none_or(|n| !offline.contains(&n))
            })
            .filter(|p| p.state.directory.exists())
            .collect();
        for (cpu, reading) in read_all(&mut online) {
            put(out, &cpu, &reading?);
        }
        Ok(())
    }
}

type Readings = Vec<(String, Result<Reading, Error>)>;

fn read_all(processors: &mut [&mut Device<Processor>]) -> Readings {
    let read = |chunk: &mut [&mut Device<Processor>]| -> Readings {
        let one = |p: &mut &mut Device<Processor>| {
            let cpu = p.name.trim_start_matches("cpu").to_owned();
            (cpu, p.state.read())
        };
        chunk.iter_mut().map(one).collect()
    };
    if processors.len() <= ALONE {
        return read(processors);
    }
    let size = processors.len().div_ceil(THREADS);
    std::thread::scope(|scope| {
        let chunks = processors.chunks_mut(size);
        let threads: Vec<_> = chunks
            .map(|chunk| scope.spawn(move || read(chunk)))
            .collect();
        threads
            .into_iter()
            .flat_map(|t| t.join().unwrap_or_default())
            .collect()
    })
}

fn put(out: &mut Arena, cpu: &str, reading: &Reading) {
    for ((_, family), hertz) in FREQUENCIES.iter().zip(reading.hertz) {
        if let Some(hertz) = hertz {
            out.put(family, &[cpu], hertz);
        }
    }
    if reading.governor.is_empty() {
        return;
    }
    for governor in reading.governors.split(' ') {
        let in_force = governor == reading.governor;
        out.put(&GOVERNOR, &[cpu, governor], f64::from(u8::from(in_force)));
    }
}

impl Processor {
    fn new(path: &Path) -> Self {
        let directory = path.join("cpufreq");
        let file = |name: &str| KernelFile::new(directory.join(name));
        Processor {
            frequencies: FREQUENCIES.each_ref().map(|(name, _)| file(name)),
            governor: file("scaling_governor"),
            governors: file("scaling_available_governors"),
            others: ["scaling_driver", "related_cpus", "scaling_setspeed"].map(file),
            directory,
        }
    }

    fn read(&mut self) -> Result<Reading, Error> {
        let mut hertz = [None; 7];
        for (hertz, file) in hertz.iter_mut().zip(&mut self.frequencies) {
            *hertz = kilohertz(file)?.map(|k| k as f64 * 1000.0);
        }
        let governors = self.governors.short_text()?;
        let governor = self.governor.short_text()?;
        let mut short = [0; 128];
        for other in &mut self.others {
            other.short(&mut short)?;
        }
        Ok(Reading {
            hertz,
            governor,
            governors,
        })
    }
}

/// A number; a file that is missing or only for root has none.
fn kilohertz(file: &mut KernelFile) -> Result<Option<u64>, Error> {
    let mut short = [0; 128];
    match file.short(&mut short) {
        Ok(digits) => match text::uint(digits) {
            Some(value) => Ok(Some(value)),
            None => Err(Error::failed(format!(
                "{}: expected a number of kilohertz",
                file.path().display()
            ))),
        },
        Err(unread) if matches!(unread.errno, Errno::NOENT | Errno::ACCESS | Errno::PERM) => {
            Ok(None)
        }
        Err(unread) => Err(unread.into()),
    }
}

/// Tells whether any processor's current frequency can be read here, in which case this collector
/// exposes `node_cpu_frequency_hertz` and the cpu collector does not.
pub(super) struct CurrentFrequencies {
    directory: PathBuf,
}

impl CurrentFrequencies {
    pub(super) fn new(directory: &Path) -> Self {
        CurrentFrequencies {
            directory: directory.to_owned(),
        }
    }

    pub(super) fn any(&mut self) -> bool {
        crate::kernel::glob(&self.directory, "cpu[0-9]*")
            .iter()
            .any(|cpu| read_once(self.directory.join(cpu).join("cpufreq/cpuinfo_cur_freq")).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Tree;

    fn tree() -> Tree {
        let directory = "sys/devices/system/cpu/cpu0/cpufreq";
        let mut tree = Tree::new()
            .file("sys/devices/system/cpu/offline", "1\n")
            .dir("sys/devices/system/cpu/cpu1/cpufreq")
            .dir("sys/devices/system/cpu/cpu2");
        for (name, value) in [
            ("cpuinfo_max_freq", "3700000"),
            ("scaling_cur_freq", "1219917"),
            ("scaling_available_governors", "performance powersave"),
            ("scaling_governor", "powersave"),
            ("scaling_driver", "intel_pstate"),
            ("related_cpus", "0"),
            ("scaling_setspeed", "<unsupported>"),
        ] {
            tree = tree.file(&format!("{directory}/{name}"), format!("{value}\n"));
        }
        tree
    }

    #[test]
    fn one_of_three_has_frequencies() {
        let tree = tree();
        tree.collect("cpufreq", &[]).expect(
            "node_cpu_frequency_max_hertz{cpu=\"0\"} 3700000000\n\
             node_cpu_scaling_frequency_hertz{cpu=\"0\"} 1219917000\n\
             node_cpu_scaling_governor{cpu=\"0\",governor=\"performance\"} 0\n\
             node_cpu_scaling_governor{cpu=\"0\",governor=\"powersave\"} 1\n",
        );
        tree.write(
            "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq",
            "fast\n",
        );
        tree.collect("cpufreq", &[])
            .expect_whole_failure("kilohertz");
    }

    #[test]
    fn the_list_of_offline_processors_must_be_there() {
        let tree = Tree::new().dir("sys/devices/system/cpu/cpu0");
        tree.collect("cpufreq", &[]).expect_failure("offline");
    }
}
