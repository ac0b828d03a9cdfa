//! Pressure stall information, from `pressure` of procfs (`accounting/psi`).

use crate::host::Host;
use crate::kernel::{KernelFile, text};
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Error, Scrape};
use exporter_core::exposition::{Arena, Family};
use rustix::io::Errno;

exporter_core::flags! {
    /// Flags of this collector.
    pub struct Flags {
        /// Expose the time that all tasks waited for a processor, which kernels tell for groups.
        "collector.pressure.cpu-full" cpu_full: bool = ["false"];
    }
}

/// Flags of this collector.
pub const FLAGS: &[Flag] = Flags::TABLE;

static CPU_FULL: Family = Family::counter(
    "node_pressure_cpu_stalled_seconds_total",
    &[],
    "Time that all tasks waited for a processor in seconds.",
);

/// A file, the line that is read of it, and the family.
static LINES: [(&str, &str, Family); 6] = [
    (
        "cpu",
        "some",
        Family::counter(
            "node_pressure_cpu_waiting_seconds_total",
            &[],
            "Time that some tasks waited for a processor in seconds.",
        ),
    ),
    (
        "io",
        "some",
        Family::counter(
            "node_pressure_io_waiting_seconds_total",
            &[],
            "Time that some tasks waited for I/O in seconds.",
        ),
    ),
    (
        "io",
        "full",
        Family::counter(
            "node_pressure_io_stalled_seconds_total",
            &[],
            "Time that all tasks waited for I/O in seconds.",
        ),
    ),
    (
        "memory",
        "some",
        Family::counter(
            "node_pressure_memory_waiting_seconds_total",
            &[],
            "Time that some tasks waited for memory in seconds.",
        ),
    ),
    (
        "memory",
        "full",
        Family::counter(
            "node_pressure_memory_stalled_seconds_total",
            &[],
            "Time that all tasks waited for memory in seconds.",
        ),
    ),
    (
        "irq",
        "full",
        Family::counter(
            "node_pressure_irq_stalled_seconds_total",
            &[],
            "Time that all tasks were held up by interrupts in seconds.",
        ),
    ),
];

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    LINES.iter().map(|l| &l.2).chain([&CPU_FULL]).collect()
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    host.require_proc()?;
    let flags = Flags::read(&host.matches)?;
    let files = ["cpu", "io", "memory", "irq"];
    let mut files = files.map(|name| (name, KernelFile::new(host.proc("pressure").join(name))));
    let mut buffer = Vec::new();
    Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
        let mut any = false;
        for (name, file) in &mut files {
            let contents = match file.read(&mut buffer) {
                Ok(contents) => contents,
                Err(unread) if unread.is_missing() => continue,
                Err(unread) if unread.errno == Errno::OPNOTSUPP => {
                    return Err(Error::no_data("pressure stall information is switched off"));
                }
                Err(unread) => return Err(unread.into()),
            };
            any = true;
            let totals = parse(contents)?;
            let lines = LINES.iter().filter(|l| l.0 == *name);
            let total = |line: &str| if line == "some" { totals.0 } else { totals.1 };
            if let Some((_, line, _)) = lines.clone().find(|l| total(l.1).is_none()) {
                return Err(Error::no_data(format!(
                    "pressure/{name} has no line {line}"
                )));
            }
            for (_, line, family) in lines {
                out.put(family, &[], seconds(total(line).unwrap_or(0)));
            }
            if let (true, "cpu", Some(full)) = (flags.cpu_full, *name, totals.1) {
                out.put(&CPU_FULL, &[], seconds(full));
            }
        }
        match any {
            true => Ok(()),
            false => Err(Error::no_data(
                "this kernel has no pressure stall information",
            )),
        }
    }))
}

fn seconds(microseconds: u64) -> f64 {
    microseconds as f64 / 1000.0 / 1000.0
}

/// Totals of the lines `some` and `full` in microseconds.
pub fn parse(contents: &[u8]) -> Result<(Option<u64>, Option<u64>), String> {
    let mut totals = (None, None);
    for line in text::lines(contents) {
        let ([kind, a10, a60, a300, total], count) = text::first_words::<5>(line);
        if !line.starts_with(b"some") && !line.starts_with(b"full") {
            continue;
        }
        let averages = [(a10, "avg10="), (a60, "avg60="), (a300, "avg300=")];
        let fine = averages.iter().all(|(word, key)| {
            let value = word.strip_prefix(key.as_bytes());
            value.is_some_and(|v| text::float(v).is_some())
        });
        // What follows the digits is not looked at.
        let total = total.strip_prefix(b"total=").and_then(|t| {
            let end = t.iter().position(|b| !b.is_ascii_digit());
            text::uint(&t[..end.unwrap_or(t.len())])
        });
        let known = kind == b"some" || kind == b"full";
        if !known || !fine || total.is_none() || count < 5 {
            return Err(format!(
                "pressure: expected three averages and a total, got {:?}",
                String::from_utf8_lossy(line)
            ));
        }
        if kind == b"some" {
            totals.0 = total;
        } else {
            totals.1 = total;
        }
    }
    Ok(totals)
}

#[cfg(test)]
mod tests {
    use crate::testing::Tree;
    use proptest::prelude::*;

    #[test]
    fn totals() {
        let line = |kind: &str, total: u64| {
            format!("{kind} avg10=0.00 avg60=0.10 avg300=1.00 total={total}\n")
        };
        let tree = Tree::new()
            .file(
                "proc/pressure/cpu",
                line("some", 14036781) + &line("full", 0),
            )
            .file(
                "proc/pressure/io",
                line("some", 159886802) + &line("full", 159229614),
            )
            .file("proc/pressure/irq", line("full", 8494));
        tree.collect("pressure", &[]).expect(
            "node_pressure_cpu_waiting_seconds_total 14.036781000000001\nnode_pressure_io_stalled_seconds_total 159.229614\n\
             node_pressure_io_waiting_seconds_total 159.886802\nnode_pressure_irq_stalled_seconds_total 0.008494\n",
        );
        for odd in [line("some", 1), line("some", 1) + " " + &line("full", 1)] {
            tree.write("proc/pressure/io", odd);
            let collected = tree.collect("pressure", &[]);
            assert_eq!(
                collected.text,
                "node_pressure_cpu_waiting_seconds_total 14.036781000000001\n"
            );
            collected.expect_no_data();
        }
        tree.write(
            "proc/pressure/io",
            line("some", 1) + &line("full", 2).replace("\n", "x 3\n"),
        );
        tree.collect("pressure", &[])
            .expect_some(&["node_pressure_io_stalled_seconds_total 0.000002"]);
        tree.write("proc/pressure/cpu", line("some", 1) + &line("full", 3000));
        std::fs::remove_file(tree.path("proc/pressure/io")).unwrap();
        tree.collect("pressure", &[("collector.pressure.cpu-full", "true")])
            .expect_some(&["node_pressure_cpu_stalled_seconds_total 0.003"]);
        tree.write("proc/pressure/cpu", "some avg10=x\n");
        tree.collect("pressure", &[]).expect_failure("averages");
        Tree::new().collect("pressure", &[]).expect_no_data();
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = super::parse(&bytes);
        }
    }
}
