//! Device mapper multipath devices, from `block/dm-*` of sysfs (`admin-guide/device-mapper`).

use crate::host::Host;
use crate::kernel::file::UintError;
use crate::kernel::{Unread, list, short_once, uint_once};
use crate::whole::whole;
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Error, Scrape};
use exporter_core::exposition::{Arena, Family};
use std::path::Path;

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

const DEVICE: &[&str] = &["device", "sysfs_name"];
static INFO: Family = Family::gauge(
    "node_dmmultipath_device_info",
    &["device", "sysfs_name", "uuid"],
    "What a multipath device is, constant 1.",
);
static ACTIVE: Family = Family::gauge(
    "node_dmmultipath_device_active",
    DEVICE,
    "Whether a multipath device is not suspended.",
);
static SIZE: Family = Family::gauge(
    "node_dmmultipath_device_size_bytes",
    DEVICE,
    "Size of a multipath device in bytes.",
);
static PATHS: Family = Family::gauge(
    "node_dmmultipath_device_paths",
    DEVICE,
    "Paths of a multipath device.",
);
static PATHS_ACTIVE: Family = Family::gauge(
    "node_dmmultipath_device_paths_active",
    DEVICE,
    "Paths that work.",
);
static PATHS_FAILED: Family = Family::gauge(
    "node_dmmultipath_device_paths_failed",
    DEVICE,
    "Paths that do not work.",
);
static STATE: Family = Family::gauge(
    "node_dmmultipath_path_state",
    &["device", "path", "state"],
    "State of a path, constant 1.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![
        &INFO,
        &ACTIVE,
        &SIZE,
        &PATHS,
        &PATHS_ACTIVE,
        &PATHS_FAILED,
        &STATE,
    ]
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    host.proc_or_default()?;
    let block = host.sys_or_default()?.join("block");
    Ok(whole(move |out: &mut Arena, _: &Scrape| {
        let devices = list(&block).map_err(Unread::no_data_if_out_of_reach)?;
        for device in devices.iter().filter(|d| d.starts_with("dm-")) {
            put(out, &block, device)?;
        }
        Ok(())
    }))
}

fn put(out: &mut Arena, block: &Path, sysfs_name: &str) -> Result<(), Error> {
    let dir = block.join(sysfs_name);
    let uuid = match short_once(dir.join("dm/uuid")) {
        Ok(uuid) if uuid.starts_with("mpath-") => uuid,
        Ok(_) => return Ok(()),
        Err(unread) if unread.is_missing() => return Ok(()),
        Err(unread) => return Err(unread.into()),
    };
    let number = |file: &str| {
        uint_once(dir.join(file)).map_err(|error| match error {
            UintError::Unread(unread) => unread.no_data_if_missing(),
            error => error.into(),
        })
    };
    let name = short_once(dir.join("dm/name")).map_err(Unread::no_data_if_missing)?;
    let suspended = number("dm/suspended")?;
    let size = number("size")?;
    let paths = list(&dir.join("slaves")).unwrap_or_default();
    let mut active = 0;
    for path in &paths {
        let state = short_once(block.join(path).join("device/state"))
            .unwrap_or_else(|_| "unknown".to_owned());
        active += usize::from(matches!(state.as_str(), "running" | "live"));
        out.put(&STATE, &[&name, path, &state], 1.0);
    }
    let labels = [name.as_str(), sysfs_name];
    out.put(&INFO, &[&name, sysfs_name, &uuid], 1.0);
    out.put(&ACTIVE, &labels, f64::from(u8::from(suspended != 1)));
    out.put(&SIZE, &labels, size as f64 * 512.0);
    out.put(&PATHS, &labels, paths.len() as f64);
    out.put(&PATHS_ACTIVE, &labels, active as f64);
    out.put(&PATHS_FAILED, &labels, (paths.len() - active) as f64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Tree;

    #[test]
    fn devices_and_paths() {
        let tree = Tree::new()
            .file("sys/block/dm-5/dm/uuid", "mpath-3600508b1\n")
            .file("sys/block/dm-5/dm/name", "mpathA\n")
            .file("sys/block/dm-5/dm/suspended", "0\n")
            .file("sys/block/dm-5/size", "10\n")
            .dir("sys/block/dm-5/slaves/sda")
            .dir("sys/block/dm-5/slaves/sdb")
            .file("sys/block/sda/device/state", "running\n")
            .file("sys/block/sdb/device/state", "offline\n")
            .file("sys/block/dm-6/dm/uuid", "LVM-x\n");
        tree.collect("dmmultipath", &[]).expect_some(&[
            "node_dmmultipath_device_info{device=\"mpathA\",sysfs_name=\"dm-5\",uuid=\"mpath-3600508b1\"} 1",
            "node_dmmultipath_device_size_bytes{device=\"mpathA\",sysfs_name=\"dm-5\"} 5120",
            "node_dmmultipath_device_paths_failed{device=\"mpathA\",sysfs_name=\"dm-5\"} 1",
            "node_dmmultipath_path_state{device=\"mpathA\",path=\"sdb\",state=\"offline\"} 1",
        ]);
        Tree::new().collect("dmmultipath", &[]).expect_no_data();
    }
}
