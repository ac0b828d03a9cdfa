//! NVMe subsystems and their paths, from `class/nvme-subsystem` of sysfs.

use crate::host::Host;
use crate::kernel::{Unread, list, short_once};
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Scrape};
use exporter_core::exposition::{Arena, Family};
use std::path::Path;

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

const SUBSYSTEM: &[&str] = &["subsystem"];
static INFO: Family = Family::gauge(
    "node_nvmesubsystem_info",
    &["iopolicy", "model", "nqn", "serial", "subsystem"],
    "What a subsystem is, constant 1.",
);
static NAMESPACE: Family = Family::gauge(
    "node_nvmesubsystem_namespace_info",
    &["device", "subsystem"],
    "Namespace of a subsystem, constant 1.",
);
static PATHS: Family = Family::gauge(
    "node_nvmesubsystem_paths",
    SUBSYSTEM,
    "Controllers of a subsystem.",
);
static LIVE: Family = Family::gauge(
    "node_nvmesubsystem_paths_live",
    SUBSYSTEM,
    "Controllers of a subsystem that are live.",
);
static STATE: Family = Family::gauge(
    "node_nvmesubsystem_path_state",
    &["controller", "state", "subsystem", "transport"],
    "Whether a controller is in a state.",
);
const STATES: [&str; 7] = [
    "connecting",
    "dead",
    "deleting",
    "live",
    "new",
    "resetting",
    "unknown",
];

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&INFO, &NAMESPACE, &PATHS, &LIVE, &STATE]
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    host.require_sys()?;
    let root = host.sys("class/nvme-subsystem");
    Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
        let mut found = Vec::new();
        for name in list(&root).map_err(Unread::no_data_if_out_of_reach)? {
            if name.starts_with("nvme-subsys") {
                found.push(Subsystem::read(&root, name).map_err(Unread::no_data_if_out_of_reach)?);
            }
        }
        for subsystem in &found {
            subsystem.put(out);
        }
        Ok(())
    }))
}

struct Subsystem {
    name: String,
    /// I/O policy, model, qualified name and serial number.
    texts: [String; 4],
    namespaces: Vec<String>,
    /// Name, transport and state.
    controllers: Vec<(String, String, &'static str)>,
}

impl Subsystem {
    fn read(root: &Path, name: String) -> Result<Self, Unread> {
        let dir = root.join(&name);
        let text = |file: &str| short_once(dir.join(file));
        let texts = [
            text("iopolicy")?,
            text("model")?,
            text("subsysnqn")?,
            text("serial")?,
        ];
        let (mut namespaces, mut controllers) = (Vec::new(), Vec::new());
        for entry in list(&dir)? {
            match numbers(&entry) {
                Some((_, true)) => namespaces.push(entry),
                Some((_, false)) => {
                    let file = |f: &str| short_once(dir.join(&entry).join(f));
                    let (state, transport, _) =
                        (file("state")?, file("transport")?, file("address")?);
                    let state = if state == "deleting (no IO)" {
                        "deleting"
                    } else {
                        &state
                    };
                    let state = STATES
                        .into_iter()
                        .find(|s| *s == state)
                        .unwrap_or("unknown");
                    controllers.push((entry, transport, state));
                }
                None => {}
            }
        }
        Ok(Subsystem {
            name,
            texts,
            namespaces,
            controllers,
        })
    }

    fn put(&self, out: &mut Arena) {
        let name = self.name.as_str();
        let [policy, model, nqn, serial] = self.texts.each_ref();
        out.put(&INFO, &[policy, model, nqn, serial, name], 1.0);
        for namespace in &self.namespaces {
            out.put(&NAMESPACE, &[namespace, name], 1.0);
        }
        let live = self.controllers.iter().filter(|c| c.2 == "live").count();
        out.put(&PATHS, &[name], self.controllers.len() as f64);
        out.put(&LIVE, &[name], live as f64);
        for (controller, transport, current) in &self.controllers {
            for state in STATES {
                let value = f64::from(u8::from(state == *current));
                out.put(&STATE, &[controller, state, name, transport], value);
            }
        }
    }
}

/// `nvme0` is a controller, `nvme0n1` a namespace: the number, and whether it is a namespace.
fn numbers(name: &str) -> Option<(&str, bool)> {
    let rest = name.strip_prefix("nvme")?;
    let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    match rest.split_once('n') {
        Some((controller, namespace)) => {
            (digits(controller) && digits(namespace)).then_some((controller, true))
        }
        None => digits(rest).then_some((rest, false)),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Tree;

    #[test]
    fn one_subsystem() {
        let mut tree = Tree::new();
        for (file, text) in [
            ("subsysnqn", "nqn.2014"),
            ("model", "M"),
            ("serial", "S"),
            ("iopolicy", "numa"),
            ("nvme0/state", "live"),
            ("nvme0/transport", "tcp"),
            ("nvme0/address", "a"),
            ("nvme1/state", "deleting (no IO)"),
            ("nvme1/transport", "tcp"),
            ("nvme1/address", "a"),
            ("nvme0n1/x", ""),
        ] {
            tree = tree.file(
                &format!("sys/class/nvme-subsystem/nvme-subsys0/{file}"),
                format!("{text}\n"),
            );
        }
        tree.collect("nvmesubsystem", &[]).expect_some(&[
            "node_nvmesubsystem_info{iopolicy=\"numa\",model=\"M\",nqn=\"nqn.2014\",serial=\"S\",subsystem=\"nvme-subsys0\"} 1",
            "node_nvmesubsystem_namespace_info{device=\"nvme0n1\",subsystem=\"nvme-subsys0\"} 1",
            "node_nvmesubsystem_paths{subsystem=\"nvme-subsys0\"} 2",
            "node_nvmesubsystem_paths_live{subsystem=\"nvme-subsys0\"} 1",
            "node_nvmesubsystem_path_state{controller=\"nvme1\",state=\"deleting\",subsystem=\"nvme-subsys0\",transport=\"tcp\"} 1",
        ]);
        Tree::new().collect("nvmesubsystem", &[]).expect_no_data();
    }
}
