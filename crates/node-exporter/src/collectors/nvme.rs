//! NVMe controllers and namespaces, from `class/nvme` of sysfs.

use crate::host::Host;
use crate::kernel::{Unread, list, short_once, text};
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Error, Scrape};
use exporter_core::exposition::{Arena, Family};
use std::path::Path;

exporter_core::flags! {
    /// Flags of this collector.
    pub struct Flags {
        /// Count sizes in sectors of 512 bytes, as the kernel does, instead of logical blocks.
        "collector.nvme.real-sizes" real_sizes: bool = ["false"];
    }
}

/// Flags of this collector.
pub const FLAGS: &[Flag] = Flags::TABLE;

const NAMESPACE: &[&str] = &["device", "nsid"];
static INFO: Family = Family::gauge(
    "node_nvme_info",
    &[
        "cntlid",
        "device",
        "firmware_revision",
        "model",
        "serial",
        "state",
    ],
    "What an NVMe controller is, constant 1.",
);
static NAMESPACE_INFO: Family = Family::gauge(
    "node_nvme_namespace_info",
    &["ana_state", "device", "nsid"],
    "What a namespace is, constant 1.",
);
static CAPACITY: Family = Family::gauge(
    "node_nvme_namespace_capacity_bytes",
    NAMESPACE,
    "Capacity of a namespace in bytes.",
);
static SIZE: Family = Family::gauge(
    "node_nvme_namespace_size_bytes",
    NAMESPACE,
    "Size of a namespace in bytes.",
);
static USED: Family = Family::gauge(
    "node_nvme_namespace_used_bytes",
    NAMESPACE,
    "Used part of a namespace in bytes.",
);
static BLOCK: Family = Family::gauge(
    "node_nvme_namespace_logical_block_size_bytes",
    NAMESPACE,
    "Size of a logical block in bytes.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&INFO, &NAMESPACE_INFO, &CAPACITY, &SIZE, &USED, &BLOCK]
}

struct Controller {
    name: String,
    /// In the order of the labels.
    texts: [String; 5],
    namespaces: Vec<Namespace>,
}

struct Namespace {
    id: String,
    ana_state: String,
    used: f64,
    size: f64,
    block: f64,
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    host.require_sys()?;
    let flags = Flags::read(&host.matches)?;
    let root = host.sys("class/nvme");
    Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
        let controllers = read_all(&root).map_err(Unread::no_data_if_missing)?;
        for controller in &controllers {
            put(out, controller, flags.real_sizes);
        }
        Ok::<(), Error>(())
    }))
}

fn put(out: &mut Arena, controller: &Controller, real_sizes: bool) {
    let device = controller.name.as_str();
    let [cntlid, firmware, model, serial, state] = controller.texts.each_ref();
    out.put(
        &INFO,
        &[cntlid, device, firmware, model, serial, state],
        1.0,
    );
    for n in &controller.namespaces {
        out.put(&NAMESPACE_INFO, &[&n.ana_state, device, &n.id], 1.0);
        let labels = [device, n.id.as_str()];
        // The original takes the kernel's sectors for logical blocks.
        let size = n.size * if real_sizes { 512.0 } else { n.block };
        out.put(&CAPACITY, &labels, size);
        out.put(&SIZE, &labels, size);
        out.put(&USED, &labels, n.used * n.block);
        out.put(&BLOCK, &labels, n.block);
    }
}

fn read_all(root: &Path) -> Result<Vec<Controller>, Unread> {
    let mut controllers = Vec::new();
    for name in list(root)? {
        let dir = root.join(&name);
        let text = |file: &str| short_once(dir.join(file));
        let texts = [
            text("cntlid")?,
            text("firmware_rev")?,
            text("model")?,
            text("serial")?,
            text("state")?,
        ];
        let mut namespaces = Vec::new();
        for entry in list(&dir)? {
            if let Some(id) = namespace_id(&entry) {
                namespaces.push(read_namespace(&dir.join(&entry), id)?);
            }
        }
        controllers.push(Controller {
            name,
            texts,
            namespaces,
        });
    }
    Ok(controllers)
}

fn read_namespace(dir: &Path, id: &str) -> Result<Namespace, Unread> {
    let number = |file: &str| -> Result<f64, Unread> {
        let text = short_once(dir.join(file))?;
        Ok(text::uint(text.as_bytes()).unwrap_or(0) as f64)
    };
    Ok(Namespace {
        id: id.to_owned(),
        used: number("nuse")?,
        size: number("size")?,
        block: number("queue/logical_block_size")?,
        ana_state: short_once(dir.join("ana_state")).unwrap_or_else(|_| "unknown".to_owned()),
    })
}

/// The digits behind `nvme<digits>n` anywhere in a name.
fn namespace_id(name: &str) -> Option<&str> {
    let digits = |t: &str| t.bytes().take_while(u8::is_ascii_digit).count();
    name.match_indices("nvme").find_map(|(at, prefix)| {
        let rest = &name[at + prefix.len()..];
        let controller = digits(rest);
        let id = rest[controller..].strip_prefix('n')?;
        let length = digits(id);
        (controller > 0 && length > 0).then(|| &id[..length])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;

    #[test]
    fn a_controller_with_a_namespace() {
        let mut tree = Tree::new();
        for (file, text) in [
            ("cntlid", "1997"),
            ("firmware_rev", "1B2Q"),
            ("model", "Some SSD"),
            ("serial", "S680"),
            ("state", "live"),
            ("nvme0n1/nuse", "488281250"),
            ("nvme0n1/size", "3906250000"),
            ("nvme0n1/queue/logical_block_size", "4096"),
        ] {
            tree = tree.file(&format!("sys/class/nvme/nvme0/{file}"), format!("{text}\n"));
        }
        tree.collect("nvme", &[]).expect_some(&[
            "node_nvme_info{cntlid=\"1997\",device=\"nvme0\",firmware_revision=\"1B2Q\",model=\"Some SSD\",serial=\"S680\",state=\"live\"} 1",
            "node_nvme_namespace_info{ana_state=\"unknown\",device=\"nvme0\",nsid=\"1\"} 1",
            "node_nvme_namespace_used_bytes{device=\"nvme0\",nsid=\"1\"} 2000000000000",
        ]);
        for (flag, size) in [("false", "16000000000000"), ("true", "2000000000000")] {
            tree.collect("nvme", &[("collector.nvme.real-sizes", flag)])
                .expect_some(&[&format!(
                    "node_nvme_namespace_size_bytes{{device=\"nvme0\",nsid=\"1\"}} {size}"
                )]);
        }
        Tree::new().collect("nvme", &[]).expect_no_data();
    }

    #[test]
    fn names_of_namespaces() {
        assert_eq!(namespace_id("nvme0n12"), Some("12"));
        assert_eq!(namespace_id("nvme0c1n1"), None);
        assert_eq!(namespace_id("hwmon1"), None);
    }
}
