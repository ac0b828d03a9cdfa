//! Watchdog timers, from `class/watchdog` of sysfs (`watchdog/watchdog-kernel-api`).

use crate::host::Host;
use crate::kernel::{Devices, KernelFile, Unread, text};
use crate::whole::whole;
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Scrape};
use exporter_core::exposition::{Arena, Family};

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

const NAME: &[&str] = &["name"];
static NUMBERS: [(&str, Family); 7] = [
    (
        "bootstatus",
        Family::gauge("node_watchdog_bootstatus", NAME, "Status at boot."),
    ),
    (
        "fw_version",
        Family::gauge("node_watchdog_fw_version", NAME, "Version of the firmware."),
    ),
    (
        "nowayout",
        Family::gauge(
            "node_watchdog_nowayout",
            NAME,
            "Whether it cannot be stopped.",
        ),
    ),
    (
        "timeleft",
        Family::gauge(
            "node_watchdog_timeleft_seconds",
            NAME,
            "Time left before a reset in seconds.",
        ),
    ),
    (
        "timeout",
        Family::gauge(
            "node_watchdog_timeout_seconds",
            NAME,
            "Time without a sign of life before a reset in seconds.",
        ),
    ),
    (
        "pretimeout",
        Family::gauge(
            "node_watchdog_pretimeout_seconds",
            NAME,
            "Time before a reset that a warning is given in seconds.",
        ),
    ),
    (
        "access_cs0",
        Family::gauge(
            "node_watchdog_access_cs0",
            NAME,
            "Whether the machine booted from its first flash chip.",
        ),
    ),
];
static INFO: Family = Family::gauge(
    "node_watchdog_info",
    &[
        "identity",
        "name",
        "options",
        "pretimeout_governor",
        "state",
        "status",
    ],
    "What a watchdog is, constant 1.",
);
/// Text files in the order of the labels, the name left out.
const TEXTS: [&str; 5] = [
    "identity",
    "options",
    "pretimeout_governor",
    "state",
    "status",
];

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    NUMBERS.iter().map(|n| &n.1).chain([&INFO]).collect()
}

struct Watchdog {
    numbers: [KernelFile; 7],
    texts: [KernelFile; 5],
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    host.require_sys()?;
    let mut watchdogs = Devices::new(host.sys("class/watchdog"));
    Ok(whole(move |out: &mut Arena, _: &Scrape| {
        let watchdogs = watchdogs.refresh(|_, path| {
            Some(Watchdog {
                numbers: NUMBERS.each_ref().map(|n| KernelFile::new(path.join(n.0))),
                texts: TEXTS.map(|t| KernelFile::new(path.join(t))),
            })
        });
        for watchdog in watchdogs.map_err(Unread::no_data_if_out_of_reach)? {
            let name = watchdog.name.as_str();
            for ((_, family), file) in NUMBERS.iter().zip(&mut watchdog.state.numbers) {
                let mut short = [0; 128];
                let value = match file.short(&mut short) {
                    Ok(digits) => text::prefixed_int(digits),
                    Err(unread) if unread.is_missing() => continue,
                    Err(unread) => return Err(unread.no_data_if_out_of_reach()),
                };
                let value = value
                    .ok_or_else(|| format!("{}: expected a whole number", file.path().display()))?;
                out.put(family, &[name], value as f64);
            }
            let mut texts = Vec::with_capacity(5);
            for file in &mut watchdog.state.texts {
                texts.push(match file.short_text() {
                    Ok(text) => text,
                    Err(unread) if unread.is_missing() => String::new(),
                    Err(unread) => return Err(unread.no_data_if_out_of_reach()),
                });
            }
            if let [identity, options, governor, state, status] = texts.as_slice() {
                out.put(
                    &INFO,
                    &[identity, name, options, governor, state, status],
                    1.0,
                );
            }
        }
        Ok(())
    }))
}

#[cfg(test)]
mod tests {
    use crate::testing::Tree;

    #[test]
    fn one_full_and_one_empty() {
        let tree = Tree::new()
            .file("sys/class/watchdog/watchdog0/timeout", "60\n")
            .file(
                "sys/class/watchdog/watchdog0/identity",
                "Software Watchdog\n",
            )
            .dir("sys/class/watchdog/watchdog1");
        tree.collect("watchdog", &[]).expect(
            "node_watchdog_info{identity=\"\",name=\"watchdog1\",options=\"\",pretimeout_governor=\"\",state=\"\",status=\"\"} 1\n\
             node_watchdog_info{identity=\"Software Watchdog\",name=\"watchdog0\",options=\"\",pretimeout_governor=\"\",state=\"\",status=\"\"} 1\n\
             node_watchdog_timeout_seconds{name=\"watchdog0\"} 60\n",
        );
        Tree::new().collect("watchdog", &[]).expect_no_data();
    }
}
