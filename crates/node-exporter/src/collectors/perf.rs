//! Performance counters of processors and kernel, by perf_event_open(2).

use super::cpu::parse_list;
use crate::host::Host;
use crate::sys::{self, PerfEvent};
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Error, Scrape};
use exporter_core::exposition::{Arena, Dynamic, Family, Kind};
use std::os::fd::OwnedFd;

exporter_core::flags! {
    /// Flags of this collector.
    pub struct Flags {
        /// Processors, such as 0,2-6 or 0-15:2; none means all.
        "collector.perf.cpus" cpus: String = [""];
        /// Tracepoint SUBSYSTEM:EVENT. May be repeated.
        "collector.perf.tracepoint" tracepoints: Vec<String> = [];
        /// Count no hardware events.
        "collector.perf.disable-hardware-profilers" no_hardware: bool = ["false"];
        /// Hardware event to count. May be repeated; none means all.
        "collector.perf.hardware-profilers" hardware: Vec<String> = [];
        /// Count no software events.
        "collector.perf.disable-software-profilers" no_software: bool = ["false"];
        /// Software event to count. May be repeated; none means all.
        "collector.perf.software-profilers" software: Vec<String> = [];
        /// Count no cache events.
        "collector.perf.disable-cache-profilers" no_cache: bool = ["false"];
        /// Cache event to count. May be repeated; none means all.
        "collector.perf.cache-profilers" cache: Vec<String> = [];
    }
}

/// Flags of this collector.
pub const FLAGS: &[Flag] = Flags::TABLE;

/// Name of a profiler, its event and its family.
struct Profiler {
    name: &'static str,
    kind: u32,
    config: u64,
    family: Family,
}

macro_rules! profilers {
    ($table:ident $count:literal: $( $name:literal $kind:literal $config:expr, $family:literal $help:literal; )*) => {
        static $table: [Profiler; $count] = [ $( Profiler {
            name: $name,
            kind: $kind,
            config: $config,
            family: Family::counter(concat!("node_perf_", $family, "_total"), &["cpu"], $help),
        }, )* ];
    };
}

/// Cache, operation and result in one number.
const fn cache(cache: u64, write: u64, miss: u64) -> u64 {
    cache | write << 8 | miss << 16
}
const L1D: u64 = 0;
const L1I: u64 = 1;
const LL: u64 = 2;
const DTLB: u64 = 3;
const ITLB: u64 = 4;
const BPU: u64 = 5;

profilers! { HARDWARE 9:
    "CpuCycles" 0 0, "cpucycles" "Cycles.";
    "CpuInstr" 0 1, "instructions" "Instructions.";
    "CacheRef" 0 2, "cache_refs" "Cache references.";
    "CacheMisses" 0 3, "cache_misses" "Cache misses.";
    "BranchInstr" 0 4, "branch_instructions" "Branches.";
    "BranchMisses" 0 5, "branch_misses" "Branches predicted wrongly.";
    "StalledCyclesFrontend" 0 7, "stalled_cycles_frontend" "Cycles stalled in the front end.";
    "StalledCyclesBackend" 0 8, "stalled_cycles_backend" "Cycles stalled in the back end.";
    "RefCpuCycles" 0 9, "ref_cpucycles" "Cycles at the reference frequency.";
}
profilers! { SOFTWARE 5:
    "PageFault" 1 2, "page_faults" "Page faults.";
    "ContextSwitch" 1 3, "context_switches" "Context switches.";
    "CpuMigration" 1 4, "cpu_migrations" "Moves to another processor.";
    "MinorFault" 1 5, "minor_faults" "Page faults without I/O.";
    "MajorFault" 1 6, "major_faults" "Page faults with I/O.";
}
profilers! { CACHE 16:
    "L1DataReadHit" 3 cache(L1D, 0, 0), "cache_l1d_read_hits" "Reads that hit the first data cache.";
    "L1DataReadMiss" 3 cache(L1D, 0, 1), "cache_l1d_read_misses" "Reads that missed the first data cache.";
    "L1DataWriteHit" 3 cache(L1D, 1, 0), "cache_l1d_write_hits" "Writes that hit the first data cache.";
    "L1InstrReadMiss" 3 cache(L1I, 0, 1), "cache_l1_instr_read_misses" "Reads that missed the first instruction cache.";
    "InstrTLBReadHit" 3 cache(ITLB, 0, 0), "cache_tlb_instr_read_hits" "Instruction address translations found.";
    "InstrTLBReadMiss" 3 cache(ITLB, 0, 1), "cache_tlb_instr_read_misses" "Instruction address translations not found.";
    "DataTLBReadHit" 3 cache(DTLB, 0, 0), "cache_tlb_data_read_hits" "Address translations of reads found.";
    "DataTLBReadMiss" 3 cache(DTLB, 0, 1), "cache_tlb_data_read_misses" "Address translations of reads not found.";
    "DataTLBWriteHit" 3 cache(DTLB, 1, 0), "cache_tlb_data_write_hits" "Address translations of writes found.";
    "DataTLBWriteMiss" 3 cache(DTLB, 1, 1), "cache_tlb_data_write_misses" "Address translations of writes not found.";
    "LLReadHit" 3 cache(LL, 0, 0), "cache_ll_read_hits" "Reads that hit the last cache.";
    "LLReadMiss" 3 cache(LL, 0, 1), "cache_ll_read_misses" "Reads that missed the last cache.";
    "LLWriteHit" 3 cache(LL, 1, 0), "cache_ll_write_hits" "Writes that hit the last cache.";
    "LLWriteMiss" 3 cache(LL, 1, 1), "cache_ll_write_misses" "Writes that missed the last cache.";
    "BPUReadHit" 3 cache(BPU, 0, 0), "cache_bpu_read_hits" "Branch predictions found.";
    "BPUReadMiss" 3 cache(BPU, 0, 1), "cache_bpu_read_misses" "Branch predictions not found.";
}
static TRACEPOINT: Family = Family::counter(
    "node_perf_<subsystem>_<event>",
    &["cpu"],
    "Times that a tracepoint was passed.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    let tables: [&[Profiler]; 3] = [&HARDWARE, &SOFTWARE, &CACHE];
    let all = tables.into_iter().flatten().map(|p| &p.family);
    all.chain([&TRACEPOINT]).collect()
}

const DISABLED: u64 = 1;
const INHERIT: u64 = 2;
const EXCLUDE_HV: u64 = 1 << 6;
const IDENTIFIER: u64 = 1 << 16;
/// Times enabled and running behind the value.
const TIMES: u64 = 1 | 2;
const GROUP: u64 = 8;

/// One opened event.
struct Counter {
    family: &'static Family,
    cpu: String,
    file: OwnedFd,
}

/// Tracepoints of one processor; the first is the leader.
struct Tracepoints {
    cpu: String,
    files: Vec<OwnedFd>,
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    let flags = Flags::read(&host.matches)?;
    let cpus = cpus(&flags.cpus)?;
    let mut counters = Vec::new();
    for (off, names, table) in [
        (flags.no_hardware, &flags.hardware, &HARDWARE[..]),
        (flags.no_software, &flags.software, &SOFTWARE[..]),
        (flags.no_cache, &flags.cache, &CACHE[..]),
    ] {
        if off {
            continue;
        }
        for profiler in chosen(table, names) {
            for cpu in &cpus {
                counters.extend(open(profiler, *cpu)?);
            }
        }
    }
    let names = tracepoint_names(&flags.tracepoints)?;
    let tracepoints = open_tracepoints(&flags.tracepoints, &cpus)?;
    Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
        for counter in &counters {
            let [value, ..] = read::<3>(&counter.file)?;
            out.put(counter.family, &[&counter.cpu], value as f64);
        }
        for group in &tracepoints {
            put_tracepoints(out, group, &names)?;
        }
        Ok(())
    }))
}

/// The profilers named; all where none is, or none of the names is known.
fn chosen(table: &'static [Profiler], names: &[String]) -> Vec<&'static Profiler> {
    let mut found = Vec::new();
    for name in names {
        match table.iter().find(|p| p.name == name) {
            Some(profiler) => found.push(profiler),
            None => tracing::error!(name, "unknown perf profiler"),
        }
    }
    if found.is_empty() {
        table.iter().collect()
    } else {
        found
    }
}

/// An event that this machine does not have is left out.
fn open(profiler: &'static Profiler, cpu: i32) -> Result<Option<Counter>, String> {
    let event = PerfEvent {
        kind: profiler.kind,
        config: profiler.config,
        sample_type: IDENTIFIER,
        read_format: TIMES,
        flags: DISABLED | INHERIT | EXCLUDE_HV,
        ..PerfEvent::default()
    };
    match sys::perf_event_open(&event, cpu, None) {
        Ok(file) => {
            sys::perf_enable(&file).map_err(|e| format!("perf event {}: {e}", profiler.name))?;
            Ok(Some(Counter {
                family: &profiler.family,
                cpu: cpu.to_string(),
                file,
            }))
        }
        Err(error) => {
            tracing::debug!(name = profiler.name, cpu, %error, "perf event is not available");
            Ok(None)
        }
    }
}

fn read<const N: usize>(file: &OwnedFd) -> Result<[u64; N], Error> {
    let mut bytes = [0u8; 8 * 64];
    let length =
        rustix::io::read(file, &mut bytes[..8 * N.min(64)]).map_err(std::io::Error::from)?;
    if length < 8 {
        return Err(Error::failed("a perf event gave no value"));
    }
    let mut values = [0; N];
    for (value, bytes) in values.iter_mut().zip(bytes[..length].chunks_exact(8)) {
        *value = bytes.first_chunk().map_or(0, |b| u64::from_ne_bytes(*b));
    }
    Ok(values)
}

/// Names of families.
fn tracepoint_names(tracepoints: &[String]) -> Result<Vec<String>, String> {
    tracepoints
        .iter()
        .map(|t| split(t).map(|(s, e)| format!("node_perf_{s}_{e}")))
        .collect()
}

fn split(tracepoint: &str) -> Result<(&str, &str), String> {
    let parts = tracepoint
        .split_once(':')
        .filter(|(_, event)| !event.contains(':'));
    parts.ok_or_else(|| {
        format!("--collector.perf.tracepoint: expected SUBSYSTEM:EVENT, got {tracepoint:?}")
    })
}

fn open_tracepoints(tracepoints: &[String], cpus: &[i32]) -> Result<Vec<Tracepoints>, String> {
    if tracepoints.is_empty() {
        return Ok(Vec::new());
    }
    let mounts =
        std::fs::read_to_string("/proc/mounts").map_err(|e| format!("/proc/mounts: {e}"))?;
    let tracefs = mounts.lines().map(|l| l.split(' ').collect::<Vec<_>>());
    let tracefs = tracefs.into_iter().find(|w| w.get(2) == Some(&"tracefs"));
    let tracefs = tracefs
        .and_then(|w| Some((*w.get(1)?).to_owned()))
        .ok_or("tracefs is not mounted")?;
    let mut ids = Vec::new();
    for tracepoint in tracepoints {
        let (subsystem, event) = split(tracepoint)?;
        let path = format!("{tracefs}/events/{subsystem}/{event}/id");
        let text = std::fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"))?;
        let id: u64 = text
            .trim()
            .parse()
            .map_err(|_| format!("{path}: expected a number"))?;
        ids.push(id);
    }
    let mut groups = Vec::new();
    for cpu in cpus {
        let mut files: Vec<OwnedFd> = Vec::new();
        for id in &ids {
            const PERF_TYPE_TRACEPOINT: u32 = 2;
            let leader = files.first();
            let event = PerfEvent {
                kind: PERF_TYPE_TRACEPOINT,
                config: *id,
                read_format: GROUP,
                flags: EXCLUDE_HV | if leader.is_none() { DISABLED } else { 0 },
                ..PerfEvent::default()
            };
            let file = sys::perf_event_open(&event, *cpu, leader);
            files.push(file.map_err(|e| format!("tracepoints on processor {cpu}: {e}"))?);
        }
        if let Some(leader) = files.first() {
            sys::perf_enable(leader).map_err(|e| format!("tracepoints on processor {cpu}: {e}"))?;
        }
        groups.push(Tracepoints {
            cpu: cpu.to_string(),
            files,
        });
    }
    Ok(groups)
}

/// A read of the leader gives how many values there are, then the values.
fn put_tracepoints(out: &mut Arena, group: &Tracepoints, names: &[String]) -> Result<(), Error> {
    let Some(leader) = group.files.first() else {
        return Ok(());
    };
    let mut bytes = vec![0u8; 8 * (1 + group.files.len())];
    let length = rustix::io::read(leader, &mut bytes[..]).map_err(std::io::Error::from)?;
    let values = bytes[..length].chunks_exact(8).skip(1);
    for (name, value) in names.iter().zip(values) {
        let value = value.first_chunk().map_or(0, |b| u64::from_ne_bytes(*b));
        let family = Dynamic {
            name,
            help: TRACEPOINT.help,
            kind: Kind::Counter,
        };
        out.put_dynamic(family, &[("cpu", &group.cpu)], value as f64);
    }
    Ok(())
}

/// Processors of the flag; without it as many as this process may use, counted from 0.
fn cpus(text: &str) -> Result<Vec<i32>, String> {
    if text.is_empty() {
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        return Ok((0..count as i32).collect());
    }
    let bad =
        || format!("--collector.perf.cpus: expected a list such as 0,2-6 or 0-15:2, got {text:?}");
    let mut cpus = Vec::new();
    for part in text.split(',') {
        let (range, stride) = part.split_once(':').unwrap_or((part, "1"));
        let stride: usize = stride.parse().ok().filter(|s| *s > 0).ok_or_else(bad)?;
        let numbers = parse_list(range.as_bytes())
            .filter(|n| !n.is_empty())
            .ok_or_else(bad)?;
        for number in numbers.into_iter().step_by(stride) {
            cpus.push(i32::try_from(number).map_err(|_| bad())?);
        }
    }
    Ok(cpus)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;
    use proptest::prelude::*;

    #[test]
    fn lists_of_processors() {
        assert_eq!(cpus("0,2-4").unwrap(), [0, 2, 3, 4]);
        assert_eq!(cpus("1-10:5").unwrap(), [1, 6]);
        for text in ["x", "1-", "1-3:0", "3-1", ","] {
            assert!(cpus(text).is_err(), "{text}");
        }
        assert!(!cpus("").unwrap().is_empty());
    }

    #[test]
    fn whatever_this_machine_counts() {
        let collected = Tree::new().collect("perf", &[]);
        assert!(collected.result.is_ok(), "{:?}", collected.result);
        assert!(
            Tree::new()
                .make("perf", &[("collector.perf.cpus", "a")])
                .is_err()
        );
    }

    #[test]
    fn names_of_profilers() {
        let one = chosen(&SOFTWARE, &["MinorFault".to_owned(), "Nonsense".to_owned()]);
        assert_eq!(one.len(), 1);
        assert_eq!(chosen(&SOFTWARE, &["Nonsense".to_owned()]).len(), 5);
        assert!(split("a:b:c").is_err() && split("a").is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = (cpus(&text), split(&text));
        }
    }
}
