//! Control groups of version 1 controllers, from `cgroups` of procfs (`admin-guide/cgroup-v1`).

use crate::host::Host;
use crate::kernel::{KernelFile, text};
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Scrape};
use exporter_core::exposition::{Arena, Family};

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

static CGROUPS: Family = Family::gauge(
    "node_cgroups_cgroups",
    &["subsys_name"],
    "Control groups of a controller.",
);
static ENABLED: Family = Family::gauge(
    "node_cgroups_enabled",
    &["subsys_name"],
    "Whether a controller is enabled.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&CGROUPS, &ENABLED]
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    host.require_proc()?;
    let mut file = KernelFile::new(host.proc("cgroups"));
    let mut buffer = Vec::new();
    Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
        for (name, cgroups, enabled) in parse(file.read(&mut buffer)?)? {
            out.put(&CGROUPS, &[&name], cgroups as f64);
            out.put(&ENABLED, &[&name], enabled as f64);
        }
        Ok(())
    }))
}

/// Reads name, number of groups and whether it is enabled of every controller.
pub fn parse(contents: &[u8]) -> Result<Vec<(String, i64, i64)>, String> {
    let mut controllers = Vec::new();
    for line in text::lines(contents).filter(|l| !l.starts_with(b"#")) {
        let ([name, hierarchy, cgroups, enabled], count) = text::first_words::<4>(line);
        let numbers = (text::int(hierarchy), text::int(cgroups), text::int(enabled));
        let (Some(_), Some(cgroups), Some(enabled), 4..) = (numbers.0, numbers.1, numbers.2, count)
        else {
            return Err("cgroups: expected a name and three whole numbers a line".to_owned());
        };
        controllers.push((String::from_utf8_lossy(name).into_owned(), cgroups, enabled));
    }
    Ok(controllers)
}

#[cfg(test)]
mod tests {
    use crate::testing::Tree;
    use proptest::prelude::*;

    #[test]
    fn controllers() {
        let text = "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t0\t91\t1\n";
        let tree = Tree::new().file("proc/cgroups", text);
        tree.collect("cgroups", &[]).expect(
            "node_cgroups_cgroups{subsys_name=\"cpu\"} 91\nnode_cgroups_enabled{subsys_name=\"cpu\"} 1\n",
        );
        tree.write("proc/cgroups", "cpu 0 1\n");
        tree.collect("cgroups", &[]).expect_failure("whole numbers");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = super::parse(&bytes);
        }
    }
}
