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
