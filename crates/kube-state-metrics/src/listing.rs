//! `--list-metrics`: every family as a Markdown table.

use crate::resources::RESOURCES;
use crate::telemetry::FAMILIES;
use exporter_core::listing::Listing;
use std::fmt::Write;

/// The whole page.
pub fn markdown() -> String {
    let mut text = Listing::new("kube-state-metrics").finish(FAMILIES.iter().copied(), false);
    for resource in RESOURCES {
        for family in (resource.listing)() {
            let labels = family.labels.join(", ");
            let opt_in = if family.opt_in { " (opt-in)" } else { "" };
            let head = family.head;
            let help = head.help.replace('|', "\\|");
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "| `{}` | {} | {labels} | {}{opt_in} | {help} |",
                head.name,
                head.kind.word(false),
                resource.plural
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_page_is_current() {
        let page = "../../docs/metrics/kube-state-metrics.md";
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
        assert!(
            std::fs::read_to_string(page).unwrap_or_default() == markdown(),
            "docs/metrics/kube-state-metrics.md is old: cargo run --bin kube-state-metrics -- \
             --list-metrics > docs/metrics/kube-state-metrics.md"
        );
    }
}
