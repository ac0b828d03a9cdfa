//! Interrupts by line and processor, from `interrupts` of procfs (`filesystems/proc`).

use crate::host::Host;
use crate::kernel::text;
use crate::kernel::{Filter, KernelFile};
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Scrape};
use exporter_core::exposition::{Arena, Family};

exporter_core::flags! {
    /// Flags of this collector.
    pub struct Flags {
        /// Regular expression of interrupts (NAME;INFO;DEVICES) to keep.
        "collector.interrupts.name-include" include: String = [""];
        /// Regular expression of interrupts (NAME;INFO;DEVICES) to leave out.
        "collector.interrupts.name-exclude" exclude: String = [""];
        /// Expose zeros.
        "collector.interrupts.include-zeros" zeros: bool = ["true"];
    }
}

/// Flags of this collector.
pub const FLAGS: &[Flag] = Flags::TABLE;

static INTERRUPTS: Family = Family::counter(
    "node_interrupts_total",
    &["cpu", "devices", "info", "type"],
    "Interrupts serviced by a processor.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&INTERRUPTS]
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    let flags = Flags::read(&host.matches)?;
    let mut filter = Filter::new(
        ("collector.interrupts.name-exclude", &flags.exclude),
        ("collector.interrupts.name-include", &flags.include),
    )?;
    let mut file = KernelFile::new(host.proc("interrupts"));
    let mut buffer = Vec::new();
    Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
        let contents = String::from_utf8_lossy(file.read(&mut buffer)?);
        for row in parse(&contents)? {
            if !filter.keeps(&format!("{};{};{}", row.name, row.info, row.devices)) {
                continue;
            }
            for (cpu, value) in row.values.iter().enumerate() {
                if flags.zeros || *value != 0.0 {
                    let mut digits = itoa::Buffer::new();
                    out.put(
                        &INTERRUPTS,
                        &[digits.format(cpu), &row.devices, &row.info, row.name],
                        *value,
                    );
                }
            }
        }
        Ok(())
    }))
}

/// One line.
pub struct Row<'a> {
    name: &'a str,
    info: String,
    devices: String,
    values: Vec<f64>,
}

/// Reads lines with a description; the last of a name counts.
pub fn parse(contents: &str) -> Result<Vec<Row<'_>>, String> {
    let mut lines = contents.lines();
    let header = lines
        .next()
        .ok_or("interrupts: expected a line of processors")?;
    let processors = header.split_whitespace().count();
    let mut rows: Vec<Row<'_>> = Vec::new();
    for line in lines {
        let Some((name, rest)) = line.split_once(':') else {
            continue;
        };
        let name = name.trim_start();
        let words: Vec<&str> = rest.split_whitespace().collect();
        if words.len() < processors + 1 {
            continue;
        }
        let (values, description) = words.split_at(processors);
        let values: Option<Vec<f64>> = values.iter().map(|v| text::float(v.as_bytes())).collect();
        let values = values.ok_or_else(|| format!("interrupts: expected numbers behind {name}"))?;
        let numbered = text::int(name.as_bytes()).is_some();
        let (info, devices) = match description {
            [info, devices @ ..] if numbered => ((*info).to_owned(), devices.join(" ")),
            all => (all.join(" "), String::new()),
        };
        rows.retain(|row| row.name != name);
        rows.push(Row {
            name,
            info,
            devices,
            values,
        });
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;
    use proptest::prelude::*;

    #[test]
    fn lines_with_descriptions() {
        let tree = Tree::new().file("proc/interrupts", "           CPU0       CPU1\n  0:         18          0  IR-IO-APIC-edge      timer x\nNMI:         47       5031   Non-maskable interrupts\nERR:          0\n");
        tree.collect("interrupts", &[("collector.interrupts.include-zeros", "false")]).expect(
            "node_interrupts_total{cpu=\"0\",devices=\"\",info=\"Non-maskable interrupts\",type=\"NMI\"} 47\n\
             node_interrupts_total{cpu=\"0\",devices=\"timer x\",info=\"IR-IO-APIC-edge\",type=\"0\"} 18\n\
             node_interrupts_total{cpu=\"1\",devices=\"\",info=\"Non-maskable interrupts\",type=\"NMI\"} 5031\n",
        );
        let text = tree
            .collect(
                "interrupts",
                &[("collector.interrupts.name-exclude", "^NMI;")],
            )
            .text;
        assert!(!text.contains("NMI") && text.contains("cpu=\"1\""));
        tree.write("proc/interrupts", "");
        tree.collect("interrupts", &[]).expect_failure("processors");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = parse(&text);
        }
    }
}
