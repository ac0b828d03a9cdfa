//! What the kernel and the host are called, from `uname(2)`.

use crate::host::Host;
use crate::kernel::names::label_text;
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Scrape};
use exporter_core::exposition::{Arena, Family};

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

static INFO: Family = Family::gauge(
    "node_uname_info",
    &[
        "domainname",
        "machine",
        "nodename",
        "release",
        "sysname",
        "version",
    ],
    "What the kernel and the host are called, constant 1.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&INFO]
}

/// Makes the collector.
pub fn new(_: &Host) -> Result<Box<dyn Collector>, String> {
    Ok(Box::new(|out: &mut Arena, _: &Scrape| {
        let name = rustix::system::uname();
        let parts = [
            name.domainname(),
            name.machine(),
            name.nodename(),
            name.release(),
            name.sysname(),
            name.version(),
        ];
        let parts = parts.map(|p| label_text(p.to_bytes()));
        out.put(&INFO, &parts.each_ref().map(|p| p.as_ref()), 1.0);
        Ok(())
    }))
}

#[cfg(test)]
mod tests {
    #[test]
    fn names() {
        let collected = crate::testing::Tree::new().collect("uname", &[]);
        assert!(
            collected.text.contains("sysname=\"Linux\""),
            "{}",
            collected.text
        );
    }
}
