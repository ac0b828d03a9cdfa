//! Known vulnerabilities of the processors, from `devices/system/cpu/vulnerabilities` of sysfs
//! (`admin-guide/hw-vuln`).

use crate::host::{Host, require};
use crate::kernel::{glob, read_once};
use crate::whole::whole;
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Scrape};
use exporter_core::exposition::{Arena, Family};

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

static INFO: Family = Family::gauge(
    "node_cpu_vulnerabilities_info",
    &["codename", "mitigation", "state"],
    "Vulnerability, its state and how it is mitigated, constant 1.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&INFO]
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    let sys = host.sys.clone();
    let root = host.sys("devices/system/cpu/vulnerabilities");
    Ok(whole(move |out: &mut Arena, _: &Scrape| {
        require("sysfs", &sys)?;
        for codename in glob(&root, "*") {
            let contents = read_once(root.join(&codename))?;
            let (state, mitigation) = parse(&String::from_utf8_lossy(&contents));
            out.put(&INFO, &[&codename, &mitigation, state], 1.0);
        }
        Ok(())
    }))
}

/// State and mitigation of one file.
pub fn parse(text: &str) -> (&'static str, String) {
    const STATES: [&str; 4] = ["not affected", "vulnerable", "mitigation", "unknown"];
    let text = text.trim();
    let lower = text.to_lowercase();
    match STATES.iter().find(|state| lower.starts_with(**state)) {
        Some(&"not affected") => ("not affected", String::new()),
        Some(state) => {
            let words: Vec<&str> = text.split_whitespace().skip(1).collect();
            (state, words.join(" "))
        }
        None => ("unknown", text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn states() {
        for (text, state, mitigation) in [
            ("Not affected\n", "not affected", ""),
            ("Vulnerable: No microcode\n", "vulnerable", "No microcode"),
            (
                "Mitigation; Clear CPU  buffers\n",
                "mitigation",
                "Clear CPU buffers",
            ),
            ("KVM: whatever\n", "unknown", "KVM: whatever"),
        ] {
            assert_eq!(parse(text), (state, mitigation.to_owned()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = parse(&text);
        }
    }
}
