//! Link aggregation, from `class/net` of sysfs (see `networking/bonding`).

use crate::host::Host;
use crate::kernel::{KernelFile, Unread, short_once, text};
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Error, Scrape};
use exporter_core::exposition::{Arena, Family};
use std::path::Path;

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

static SLAVES: Family = Family::gauge(
    "node_bonding_slaves",
    &["master"],
    "Slaves configured for a bonding master.",
);
static ACTIVE: Family = Family::gauge(
    "node_bonding_active",
    &["master"],
    "Slaves of a bonding master whose link is up.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&SLAVES, &ACTIVE]
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    let root = host.sys("class/net");
    let mut masters = KernelFile::new(root.join("bonding_masters"));
    let mut buffer = Vec::new();
    Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
        let names = masters
            .read(&mut buffer)
            .map_err(Unread::no_data_if_missing)?;
        let mut found = Vec::new();
        for master in text::words(names) {
            let master = String::from_utf8_lossy(master).into_owned();
            let (slaves, active) =
                count(&root.join(&master)).map_err(Unread::no_data_if_missing)?;
            found.push((master, slaves, active));
        }
        for (master, slaves, active) in found {
            out.put(&SLAVES, &[&master], f64::from(slaves));
            out.put(&ACTIVE, &[&master], f64::from(active));
        }
        Ok::<(), Error>(())
    }))
}

fn count(master: &Path) -> Result<(u32, u32), Unread> {
    let (mut slaves, mut active) = (0, 0);
    for slave in short_all(&master.join("bonding/slaves"))?.split_whitespace() {
        let status = |prefix: &str| {
            let link = master.join(format!("{prefix}_{slave}"));
            short_once(link.join("bonding_slave/mii_status"))
        };
        let status = match status("lower") {
            Err(unread) if unread.is_missing() => status("slave"),
            status => status,
        }?;
        slaves += 1;
        active += u32::from(status == "up");
    }
    Ok((slaves, active))
}

fn short_all(path: &Path) -> Result<String, Unread> {
    let bytes = crate::kernel::read_once(path)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use crate::testing::Tree;

    #[test]
    fn masters_and_slaves() {
        let tree = Tree::new()
            .file("sys/class/net/bonding_masters", "bond0 dmz\n")
            .file("sys/class/net/bond0/bonding/slaves", "\n")
            .file("sys/class/net/dmz/bonding/slaves", "eth0 eth4\n")
            .file(
                "sys/class/net/dmz/lower_eth0/bonding_slave/mii_status",
                "up\n",
            )
            .file(
                "sys/class/net/dmz/slave_eth4/bonding_slave/mii_status",
                "down\n",
            );
        tree.collect("bonding", &[]).expect(
            "node_bonding_active{master=\"bond0\"} 0\nnode_bonding_active{master=\"dmz\"} 1\n\
             node_bonding_slaves{master=\"bond0\"} 0\nnode_bonding_slaves{master=\"dmz\"} 2\n",
        );
        let tree = tree.file("sys/class/net/bonding_masters", "gone\n");
        tree.collect("bonding", &[]).expect_no_data();
        Tree::new().collect("bonding", &[]).expect_no_data();
    }
}
