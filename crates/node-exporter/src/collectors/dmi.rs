//! What the firmware says the machine is, from `class/dmi/id` of sysfs. It cannot change while the
//! machine runs, so it is read at start.

use crate::host::Host;
use crate::kernel::KernelFile;
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Error, Scrape};
use exporter_core::exposition::{Arena, Family};
use rustix::io::Errno;

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

const LABELS: &[&str] = &[
    "bios_date",
    "bios_release",
    "bios_vendor",
    "bios_version",
    "board_asset_tag",
    "board_name",
    "board_serial",
    "board_vendor",
    "board_version",
    "chassis_asset_tag",
    "chassis_serial",
    "chassis_vendor",
    "chassis_version",
    "product_family",
    "product_name",
    "product_serial",
    "product_sku",
    "product_uuid",
    "product_version",
    "system_vendor",
];
static INFO: Family = Family::gauge(
    "node_dmi_info",
    LABELS,
    "What the firmware says the machine is, constant 1; labels that may not be read are left out.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&INFO]
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    host.require_sys()?;
    let directory = host.sys("class/dmi/id");
    let mut found: Vec<(&str, String)> = Vec::new();
    for label in LABELS {
        let file = if *label == "system_vendor" {
            "sys_vendor"
        } else {
            label
        };
        match KernelFile::new(directory.join(file)).short_text() {
            Ok(text) => found.push((label, text)),
            Err(u)
                if matches!(
                    u.errno,
                    Errno::NOENT | Errno::ACCESS | Errno::PERM | Errno::NOTDIR
                ) => {}
            Err(unread) => {
                return Err(format!(
                    "failed to read Desktop Management Interface (DMI): {unread}"
                ));
            }
        }
    }
    Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
        if found.is_empty() {
            return Err(Error::no_data(
                "this machine tells nothing of itself in class/dmi/id",
            ));
        }
        let pairs: Vec<(&str, &str)> = found.iter().map(|(l, v)| (*l, v.as_str())).collect();
        out.put_pairs(&INFO, &pairs, 1.0);
        Ok(())
    }))
}

#[cfg(test)]
mod tests {
    use crate::testing::Tree;

    #[test]
    fn readable_files_become_labels() {
        let tree = Tree::new()
            .file("sys/class/dmi/id/sys_vendor", "Vendor \n")
            .file("sys/class/dmi/id/bios_date", "\n")
            .file("sys/class/dmi/id/chassis_type", "3\n");
        tree.collect("dmi", &[])
            .expect("node_dmi_info{bios_date=\"\",system_vendor=\"Vendor\"} 1\n");
        Tree::new().collect("dmi", &[]).expect_no_data();
    }
}
