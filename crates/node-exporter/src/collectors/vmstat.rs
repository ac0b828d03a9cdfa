//! Virtual memory counters, from `vmstat` of procfs.

use crate::host::Host;
use crate::kernel::filter::compile;
use crate::kernel::{KernelFile, text};
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Scrape};
use exporter_core::exposition::{Arena, Dynamic, Family, Kind};
use std::collections::HashMap;

exporter_core::flags! {
    /// Flags of this collector.
    pub struct Flags {
        /// Regular expression of fields to expose.
        "collector.vmstat.fields" fields: String = ["^(oom_kill|pgpg|pswp|pg.*fault).*"];
    }
}

/// Flags of this collector.
pub const FLAGS: &[Flag] = Flags::TABLE;

static FIELDS: Family = Family::untyped("node_vmstat_<field>", &[], "Field of vmstat.");

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&FIELDS]
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    let flags = Flags::read(&host.matches)?;
    let wanted = compile("collector.vmstat.fields", &flags.fields)?;
    let mut file = KernelFile::new(host.proc("vmstat"));
    let mut buffer = Vec::new();
    // The family of each field that is wanted, decided once.
    let mut names: HashMap<Vec<u8>, Option<String>> = HashMap::new();
    Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
        for line in text::lines(file.read(&mut buffer)?) {
            let (field, value) = parse(line)?;
            let name = match names.get(field) {
                Some(name) => name,
                None => {
                    let text = String::from_utf8_lossy(field);
                    let name = wanted
                        .is_match(&text)
                        .then(|| format!("node_vmstat_{text}"));
                    names.entry(field.to_vec()).or_insert(name)
                }
            };
            if let Some(name) = name {
                let family = Dynamic {
                    name,
                    help: FIELDS.help,
                    kind: Kind::Untyped,
                };
                out.put_dynamic(family, &[], value);
            }
        }
        Ok(())
    }))
}

/// Field and value.
pub fn parse(line: &[u8]) -> Result<(&[u8], f64), String> {
    let ([field, value], count) = text::first_words::<2>(line);
    match (text::float(value), count) {
        (Some(value), 2..) => Ok((field, value)),
        _ => Err(format!(
            "vmstat: expected a field and a number, got {:?}",
            String::from_utf8_lossy(line)
        )),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Tree;
    use proptest::prelude::*;

    #[test]
    fn wanted_fields() {
        let tree = Tree::new().file(
            "proc/vmstat",
            "nr_free_pages 977769\npgpgin 7344136\npgmajfault 12\n",
        );
        tree.collect("vmstat", &[])
            .expect("node_vmstat_pgmajfault 12\nnode_vmstat_pgpgin 7344136\n");
        tree.write("proc/vmstat", "nr_free_pages\n");
        tree.collect("vmstat", &[])
            .expect_failure("field and a number");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = super::parse(&bytes);
        }
    }
}
