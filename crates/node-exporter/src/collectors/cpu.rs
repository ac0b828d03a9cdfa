//! Processor time, from `stat` of procfs; what processors are, from `cpuinfo`; throttling, isolation
//! and hotplug, from `devices/system/cpu` of sysfs (`filesystems/proc`, `ABI/testing/sysfs-devices-system-cpu`).

use super::cpufreq;
use crate::host::Host;
use crate::kernel::filter::compile;
use crate::kernel::{Devices, KernelFile, SharedFile, read_once, text};
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Error, Scrape};
use exporter_core::exposition::{Arena, Family};
use regex::Regex;
use std::collections::HashSet;
use std::path::Path;

exporter_core::flags! {
    /// Flags of this collector.
    pub struct Flags {
        /// Expose node_cpu_guest_seconds_total.
        "collector.cpu.guest" guest: bool = ["true"];
        /// Expose node_cpu_info and what else cpuinfo tells.
        "collector.cpu.info" info: bool = ["false"];
        /// Regular expression of processor flags to expose.
        "collector.cpu.info.flags-include" flags_include: String = [""];
        /// Regular expression of processor bugs to expose.
        "collector.cpu.info.bugs-include" bugs_include: String = [""];
    }
}

/// Flags of this collector.
pub const FLAGS: &[Flag] = Flags::TABLE;

static SECONDS: Family = Family::counter(
    "node_cpu_seconds_total",
    &["cpu", "mode"],
    "Time that a processor spent in a mode in seconds.",
);
static GUEST: Family = Family::counter(
    "node_cpu_guest_seconds_total",
    &["cpu", "mode"],
    "Time that a processor spent running guests in seconds, which user and nice contain too.",
);
static INFO: Family = Family::gauge(
    "node_cpu_info",
    &[
        "cachesize",
        "core",
        "cpu",
        "family",
        "microcode",
        "model",
        "model_name",
        "package",
        "stepping",
        "vendor",
    ],
    "What a processor is, constant 1.",
);
static FREQUENCY: Family = Family::gauge(
    "node_cpu_frequency_hertz",
    &["core", "cpu", "package"],
    cpufreq::CURRENT_HELP,
);
static FLAG: Family = Family::gauge(
    "node_cpu_flag_info",
    &["flag"],
    "Flag of the first processor, constant 1.",
);
static BUG: Family = Family::gauge(
    "node_cpu_bug_info",
    &["bug"],
    "Known bug of the first processor, constant 1.",
);
static CORE_THROTTLES: Family = Family::counter(
    "node_cpu_core_throttles_total",
    &["core", "package"],
    "Times that a core was throttled because of its temperature.",
);
static PACKAGE_THROTTLES: Family = Family::counter(
    "node_cpu_package_throttles_total",
    &["package"],
    "Times that a package was throttled because of its temperature.",
);
static ISOLATED: Family = Family::gauge(
    "node_cpu_isolated",
    &["cpu"],
    "Processor kept away from the scheduler, constant 1.",
);
static ONLINE: Family = Family::gauge(
    "node_cpu_online",
    &["cpu"],
    "Whether a processor is online.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![
        &SECONDS,
        &GUEST,
        &INFO,
        &FREQUENCY,
        &FLAG,
        &BUG,
        &CORE_THROTTLES,
        &PACKAGE_THROTTLES,
        &ISOLATED,
        &ONLINE,
    ]
}

/// Columns of a `cpuN` line.
const MODES: [&str; 8] = [
    "user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal",
];
const IDLE: usize = 3;
/// A processor whose idle time falls by more was taken out and put in again.
const JUMP_BACK: f64 = 3.0;

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    host.require_proc()?;
    host.require_sys()?;
    let flags = Flags::read(&host.matches)?;
    let wanted = |flag: &str, pattern: &str| -> Result<Option<Regex>, String> {
        (!pattern.is_empty())
            .then(|| compile(flag, pattern))
            .transpose()
    };
    let flag_pattern = wanted("collector.cpu.info.flags-include", &flags.flags_include)?;
    let bug_pattern = wanted("collector.cpu.info.bugs-include", &flags.bugs_include)?;
    let info = flags.info || flag_pattern.is_some() || bug_pattern.is_some();
    if info && !flags.info {
        tracing::info!("flags or bugs of processors are wanted, so their information is read");
    }
    let directory = host.sys("devices/system/cpu");
    let frequency = host.runs.contains(&"cpufreq");
    Ok(Box::new(Cpu {
        stat: host.stat.clone(),
        guest: flags.guest,
        info: info.then(|| Information {
            file: KernelFile::new(host.proc("cpuinfo")),
            buffer: Vec::new(),
            flag_pattern,
            bug_pattern,
            frequency: frequency.then(|| cpufreq::CurrentFrequencies::new(&directory)),
        }),
        isolated: isolated(&directory.join("isolated"))?,
        processors: Devices::new(directory),
        times: Vec::new(),
    }))
}

struct Cpu {
    stat: SharedFile,
    guest: bool,
    info: Option<Information>,
    isolated: Vec<String>,
    processors: Devices<Processor>,
    times: Vec<Times>,
}

/// Times of one processor, which never run backwards.
struct Times {
    label: String,
    seconds: [f64; 10],
    present: bool,
}

/// Files of one processor in sysfs.
struct Processor {
    package: KernelFile,
    core: KernelFile,
    core_throttles: KernelFile,
    package_throttles: KernelFile,
    online: KernelFile,
}

impl Collector for Cpu {
    fn collect(&mut self, out: &mut Arena, scrape: &Scrape) -> Result<(), Error> {
        if let Some(info) = &mut self.info {
            info.put(out)?;
        }
        self.put_times(out, scrape)?;
        for cpu in &self.isolated {
            out.put(&ISOLATED, &[cpu], 1.0);
        }
        self.put_processors(out)
    }
}

impl Cpu {
    fn put_times(&mut self, out: &mut Arena, scrape: &Scrape) -> Result<(), Error> {
        let contents = self.stat.read(scrape)?;
        for times in &mut self.times {
            times.present = false;
        }
        let mut at = 0;
        super::stat::check(&contents)?;
        each_processor(&contents, |label, seconds| {
            // Processors come in the same order at every scrape.
            if self
                .times
                .get(at)
                .is_none_or(|t| t.label.as_bytes() != label)
            {
                at = self.place(label);
            }
            self.times[at].update(seconds);
            at += 1;
        })?;
        self.times.retain(|t| t.present);
        for times in &self.times {
            for (mode, seconds) in MODES.iter().zip(times.seconds) {
                out.put(&SECONDS, &[&times.label, mode], seconds);
            }
            if self.guest {
                out.put(&GUEST, &[&times.label, "user"], times.seconds[8]);
                out.put(&GUEST, &[&times.label, "nice"], times.seconds[9]);
            }
        }
        Ok(())
    }

    fn place(&mut self, label: &[u8]) -> usize {
        let known = self.times.iter().position(|t| t.label.as_bytes() == label);
        known.unwrap_or_else(|| {
            self.times.push(Times {
                label: String::from_utf8_lossy(label).into_owned(),
                seconds: [0.0; 10],
                present: false,
            });
            self.times.len() - 1
        })
    }

    fn put_processors(&mut self, out: &mut Arena) -> Result<(), Error> {
        let processors = self
            .processors
            .refresh(|name, path| is_processor(name).then(|| Processor::new(path)))?;
        put_throttles(out, processors);
        let mut short = [0; 128];
        let Some(first) = processors.first_mut() else {
            return Ok(());
        };
        if first.state.online.short(&mut short).is_err() {
            return Ok(());
        }
        for processor in processors {
            let online = processor.state.online.short(&mut short);
            let online = online.is_ok_and(|text| text == b"1");
            let cpu = processor.name.trim_start_matches("cpu");
            out.put(&ONLINE, &[cpu], f64::from(u8::from(online)));
        }
        Ok(())
    }
}

/// `cpu` and digits.
pub(super) fn is_processor(name: &str) -> bool {
    let number = name.strip_prefix("cpu");
    number.is_some_and(|n| n.starts_with(|c: char| c.is_ascii_digit()))
}

impl Processor {
    fn new(path: &Path) -> Self {
        let file = |name: &str| KernelFile::new(path.join(name));
        Processor {
            package: file("topology/physical_package_id"),
            core: file("topology/core_id"),
            core_throttles: file("thermal_throttle/core_throttle_count"),
            package_throttles: file("thermal_throttle/package_throttle_count"),
            online: file("online"),
        }
    }
}

/// The first processor of a core, and of a package, that has the count speaks for all of it.
fn put_throttles(out: &mut Arena, processors: &mut [crate::kernel::Device<Processor>]) {
    let mut cores = HashSet::new();
    let mut packages = HashSet::new();
    for processor in processors {
        let state = &mut processor.state;
        let core_count = state.core_throttles.uint();
        let package_count = state.package_throttles.uint();
        if core_count.is_err() && package_count.is_err() {
            continue;
        }
        let (Ok(package), Ok(core)) = (state.package.uint(), state.core.uint()) else {
            continue;
        };
        let mut digits = (itoa::Buffer::new(), itoa::Buffer::new());
        let package_label = digits.0.format(package);
        if let Ok(count) = core_count
            && cores.insert((package, core))
        {
            let labels = [digits.1.format(core), package_label];
            out.put(&CORE_THROTTLES, &labels, count as f64);
        }
        if let Ok(count) = package_count
            && packages.insert(package)
        {
            out.put(&PACKAGE_THROTTLES, &[package_label], count as f64);
        }
    }
}

impl Times {
    fn update(&mut self, new: [f64; 10]) {
        if self.seconds[IDLE] - new[IDLE] >= JUMP_BACK {
            self.seconds = [0.0; 10];
        }
        for (old, new) in self.seconds.iter_mut().zip(new) {
            // Some counters, idle and iowait above all, go back by a tick now and then.
            if new >= *old {
                *old = new;
            }
        }
        self.present = true;
    }
}

/// Calls `each` with the number of every processor and its ten columns in seconds. The kernel
/// counts in hundredths of a second on every architecture.
pub fn each_processor(stat: &[u8], mut each: impl FnMut(&[u8], [f64; 10])) -> Result<(), String> {
    for line in text::lines(stat) {
        let Some(rest) = line.strip_prefix(b"cpu") else {
            continue;
        };
        if !rest.first().is_some_and(u8::is_ascii_digit) {
            continue;
        }
        let ([label, columns @ ..], count) = text::first_words::<11>(rest);
        if count < 2 {
            continue;
        }
        let mut seconds = [0.0; 10];
        for (seconds, column) in seconds.iter_mut().zip(columns) {
            if column.is_empty() {
                break;
            }
            let ticks = text::float(column).ok_or("stat: expected numbers behind cpu")?;
            *seconds = ticks / 100.0;
        }
        each(label, seconds);
    }
    Ok(())
}

/// The list of isolated processors, which boot parameters fix.
fn isolated(path: &Path) -> Result<Vec<String>, String> {
    let contents = match read_once(path) {
        Ok(contents) => contents,
        Err(unread) if unread.is_missing() => return Ok(Vec::new()),
        Err(unread) => return Err(format!("unable to get isolated cpus: {unread}")),
    };
    let list = parse_list(contents.trim_ascii());
    list.map(|list| list.iter().map(u64::to_string).collect())
        .ok_or_else(|| format!("{}: expected a list such as 1,3-5", path.display()))
}

/// `1,3-5`; the empty text is the empty list, and so is a range that runs backwards.
pub fn parse_list(text: &[u8]) -> Option<Vec<u64>> {
    let mut numbers = Vec::new();
    if text.is_empty() {
        return Some(numbers);
    }
    for part in text.split(|b| *b == b',').filter(|p| !p.is_empty()) {
        let mut ends = part.splitn(2, |b| *b == b'-');
        let low = text::uint(ends.next()?)?;
        let high = ends.next().map_or(Some(low), text::uint)?;
        // No machine has more; a typing error must not fill the memory.
        if high.saturating_sub(low) > 1 << 16 {
            return None;
        }
        numbers.extend(low..=high);
    }
    Some(numbers)
}

/// What `cpuinfo` tells.
struct Information {
    file: KernelFile,
    buffer: Vec<u8>,
    flag_pattern: Option<Regex>,
    bug_pattern: Option<Regex>,
    /// `None` where the cpufreq collector is off: then no frequency is exposed.
    frequency: Option<cpufreq::CurrentFrequencies>,
}

impl Information {
    fn put(&mut self, out: &mut Arena) -> Result<(), Error> {
        let contents = String::from_utf8_lossy(self.file.read(&mut self.buffer)?);
        let processors = parse_info(&contents, std::env::consts::ARCH)?;
        for p in &processors {
            let labels = [
                p.cache_size,
                p.core,
                &p.number,
                p.family,
                p.microcode,
                p.model,
                p.model_name,
                p.package,
                p.stepping,
                p.vendor,
            ];
            out.put(&INFO, &labels, 1.0);
        }
        if let Some(frequencies) = &mut self.frequency
            && !frequencies.any()
        {
            for p in &processors {
                out.put(
                    &FREQUENCY,
                    &[p.core, &p.number, p.package],
                    p.megahertz * 1e6,
                );
            }
        }
        if let Some(first) = processors.first() {
            put_matching(out, &FLAG, &self.flag_pattern, first.flags);
            put_matching(out, &BUG, &self.bug_pattern, first.bugs);
        }
        Ok(())
    }
}

fn put_matching(out: &mut Arena, family: &'static Family, pattern: &Option<Regex>, words: &str) {
    let Some(pattern) = pattern else { return };
    for word in words.split_whitespace().filter(|w| pattern.is_match(w)) {
        out.put(family, &[word], 1.0);
    }
}

/// One processor of `cpuinfo`.
#[derive(Clone, Debug, Default)]
pub struct ProcessorInfo<'a> {
    number: String,
    vendor: &'a str,
    family: &'a str,
    model: &'a str,
    model_name: &'a str,
    microcode: &'a str,
    stepping: &'a str,
    cache_size: &'a str,
    package: &'a str,
    core: &'a str,
    flags: &'a str,
    bugs: &'a str,
    megahertz: f64,
}

/// Reads `cpuinfo` of an architecture, as `std::env::consts::ARCH` names it.
pub fn parse_info<'a>(contents: &'a str, arch: &str) -> Result<Vec<ProcessorInfo<'a>>, String> {
    let strict = matches!(arch, "x86_64" | "x86");
    let first = contents.lines().find(|l| !l.is_empty()).unwrap_or("");
    if strict && !first.starts_with("processor") {
        return Err("cpuinfo: expected the first line to start with processor".to_owned());
    }
    let mut common = ProcessorInfo::default();
    let mut processors: Vec<ProcessorInfo<'a>> = Vec::new();
    for line in contents.lines() {
        let Some((key, value)) = line.split_once(": ") else {
            continue;
        };
        let key = key.trim();
        let number = || {
            text::float(value.trim().as_bytes())
                .ok_or_else(|| format!("cpuinfo: expected a number behind {key:?}, got {value:?}"))
        };
        if key == "processor" || (key.starts_with("processor ") && arch == "s390x") {
            let digits = key.strip_prefix("processor ").unwrap_or(value).trim();
            if text::uint(digits.as_bytes()).is_none() {
                return Err(format!(
                    "cpuinfo: expected a processor number, got {digits:?}"
                ));
            }
            let number = digits.to_owned();
            processors.push(ProcessorInfo {
                number,
                ..common.clone()
            });
            continue;
        }
        if key == "Features" || key == "features" {
            common.flags = value;
            processors.iter_mut().for_each(|p| p.flags = value);
            continue;
        }
        let info = processors.last_mut().unwrap_or(&mut common);
        match key {
            "vendor_id" | "vendor" | "system type" => info.vendor = value,
            "cpu" if arch.starts_with("powerpc") => info.vendor = value,
            "cpu family" | "CPU Family" => info.family = value,
            "model" => info.model = value,
            "model name" | "Model Name" | "cpu model" | "Processor" | "isa" => {
                info.model_name = value
            }
            "stepping" => info.stepping = value,
            "microcode" => info.microcode = value,
            "cache size" => info.cache_size = value,
            "physical id" => info.package = value,
            "core id" | "hart" => info.core = value,
            "flags" => info.flags = value,
            "bugs" => info.bugs = value,
            "cpu MHz" => info.megahertz = number()?,
            "clock" => {
                let end = value.find(|c: char| c != '.' && !c.is_ascii_digit());
                let digits = &value[..end.unwrap_or(value.len())];
                info.megahertz = text::float(digits.as_bytes()).unwrap_or(0.0);
            }
            "siblings" | "cpu cores" | "cpuid level" | "bogomips" | "clflush size"
            | "cache_alignment"
                if strict =>
            {
                number()?;
            }
            _ => {}
        }
    }
    Ok(processors)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Tree, run};
    use proptest::prelude::*;

    const STAT: &str = "\
cpu  4 0 0 0 0 0 0 0 0 0
cpu0 1000 20 300 40000 50 6 7 8 90 10
cpu1 0 0 0 1
intr 1 0
ctxt 5
btime 1700000000
processes 9
procs_running 1
procs_blocked 0
softirq 10 1 1 1 1 1 1 1 1 1 1
";

    #[test]
    fn seconds_never_run_backwards() {
        let tree = Tree::new()
            .file("proc/stat", STAT)
            .dir("sys/devices/system/cpu");
        let mut collector = tree.make("cpu", &[]).unwrap();
        run(&mut *collector).expect_some(&[
            "node_cpu_seconds_total{cpu=\"0\",mode=\"user\"} 10",
            "node_cpu_seconds_total{cpu=\"0\",mode=\"steal\"} 0.08",
            "node_cpu_seconds_total{cpu=\"1\",mode=\"idle\"} 0.01",
            "node_cpu_guest_seconds_total{cpu=\"0\",mode=\"nice\"} 0.1",
        ]);
        std::thread::sleep(std::time::Duration::from_millis(2));
        tree.write(
            "proc/stat",
            STAT.replace("1000 20 300 40000", "999 20 301 39900"),
        );
        let second = run(&mut *collector);
        assert!(
            second.text.contains("cpu=\"0\",mode=\"user\"} 10\n"),
            "{}",
            second.text
        );
        second.expect_some(&["node_cpu_seconds_total{cpu=\"0\",mode=\"system\"} 3.01"]);
        tree.write(
            "proc/stat",
            STAT.replace("1000 20 300 40000", "1 20 300 100"),
        );
        run(&mut *collector).expect_some(&["node_cpu_seconds_total{cpu=\"0\",mode=\"user\"} 0.01"]);
        tree.write("proc/stat", STAT.replace("1000", "x"));
        run(&mut *collector).expect_failure("cpu");
    }

    #[test]
    fn throttles_and_online() {
        let tree = Tree::new()
            .file("proc/stat", STAT)
            .file("sys/devices/system/cpu/isolated", "1,3-4\n")
            .file("sys/devices/system/cpu/cpu0/online", "1\n")
            .file(
                "sys/devices/system/cpu/cpu0/topology/physical_package_id",
                "0\n",
            )
            .file("sys/devices/system/cpu/cpu0/topology/core_id", "2\n")
            .file(
                "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count",
                "5\n",
            )
            .file(
                "sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count",
                "30\n",
            )
            .dir("sys/devices/system/cpu/cpu1")
            .dir("sys/devices/system/cpu/cpufreq");
        tree.collect("cpu", &[("collector.cpu.guest", "false")])
            .expect_some(&[
                "node_cpu_core_throttles_total{core=\"2\",package=\"0\"} 5",
                "node_cpu_package_throttles_total{package=\"0\"} 30",
                "node_cpu_online{cpu=\"0\"} 1",
                "node_cpu_online{cpu=\"1\"} 0",
                "node_cpu_isolated{cpu=\"4\"} 1",
            ]);
        tree.write("sys/devices/system/cpu/isolated", "x\n");
        assert!(tree.make("cpu", &[]).is_err());
    }

    #[test]
    fn information_of_x86() {
        let text = "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 142\n\
                    model name\t: Some CPU @ 2.50GHz\nstepping\t: 10\nmicrocode\t: 0xb4\n\
                    cpu MHz\t\t: 799.998\ncache size\t: 8192 KB\nphysical id\t: 0\ncore id\t\t: 1\n\
                    flags\t\t: fpu aes\nbugs\t\t: spectre_v1\n";
        let processors = parse_info(text, "x86_64").unwrap();
        let p = &processors[0];
        assert_eq!(
            (p.model_name, p.cache_size, p.core),
            ("Some CPU @ 2.50GHz", "8192 KB", "1")
        );
        assert_eq!(
            (p.megahertz, p.flags, p.bugs),
            (799.998, "fpu aes", "spectre_v1")
        );
        assert!(parse_info("flags: x\n", "x86_64").is_err());
        assert!(parse_info("processor\t: 0\ncpu MHz\t: fast\n", "x86_64").is_err());
    }

    #[test]
    fn frequencies_are_told_beside_cpufreq_only() {
        let tree = Tree::new()
            .file("proc/stat", STAT)
            .file(
                "proc/cpuinfo",
                "processor\t: 0\ncpu MHz\t\t: 800.5\ncache size\t:1 KB\n",
            )
            .dir("sys/devices/system/cpu");
        let mut host = tree.host(&[("collector.cpu.info", "true")]);
        let frequency = "node_cpu_frequency_hertz{core=\"\",cpu=\"0\",package=\"\"} 800500000\n";
        let beside = run(&mut *super::new(&host).unwrap());
        assert!(beside.text.contains(frequency), "{}", beside.text);
        assert!(beside.text.contains("cachesize=\"\""), "{}", beside.text);
        host.runs.retain(|r| *r != "cpufreq");
        let alone = run(&mut *super::new(&host).unwrap());
        assert!(!alone.text.contains("frequency"), "{}", alone.text);
    }

    #[test]
    fn lists() {
        assert_eq!(parse_list(b"0,2-4"), Some(vec![0, 2, 3, 4]));
        assert_eq!(parse_list(b""), Some(vec![]));
        assert_eq!(parse_list(b"4-2,,7"), Some(vec![7]));
        assert_eq!(parse_list(b"0-99999999999"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, text: String) {
            let _ = each_processor(&bytes, |_, _| {});
            let _ = parse_list(&bytes);
            let _ = parse_info(&text, "x86_64");
        }
    }
}
