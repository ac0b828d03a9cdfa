//! `--list-metrics`: every family, from the same tables that samples are put under.

use crate::collectors::TABLE;
use exporter_core::exposition::Family;
use exporter_core::{self_metrics, web};
use std::fmt::Write;

/// A Markdown table of all families, in the order of their collectors.
pub fn markdown(own: &[&'static Family]) -> String {
    let mut text = String::from(
        "# Metrics of node_exporter\n\n\
         Made by `node_exporter --list-metrics`. A name with a part in angle brackets stands for\n\
         names that are made of what the kernel tells.\n\n\
         | metric | type | labels | collector | meaning |\n|---|---|---|---|---|\n",
    );
    for definition in TABLE {
        for family in (definition.families)() {
            let state = if definition.default_on() {
                ""
            } else {
                " (off)"
            };
            push(&mut text, family, &format!("{}{state}", definition.name));
        }
    }
    let handler = web::metrics::FAMILIES.iter();
    let itself = own.iter().chain(handler).chain(self_metrics::FAMILIES);
    for family in itself {
        push(&mut text, family, "the exporter itself");
    }
    text
}

fn push(text: &mut String, family: &Family, collector: &str) {
    let labels = match family.labels {
        [] => "–".to_owned(),
        labels => labels.join(", "),
    };
    let help = family.help.replace('|', "\\|");
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "| `{}` | {} | {labels} | {collector} | {help} |",
        family.name,
        family.kind.word()
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_family_has_one_owner_and_a_sentence() {
        let mut seen = BTreeSet::new();
        for definition in TABLE {
            let families = (definition.families)();
            assert!(!families.is_empty(), "{}", definition.name);
            for family in families {
                // The frequency families are the one case of two collectors with one name.
                let shared = family.name.starts_with("node_cpu_") && family.name.contains("hertz");
                assert!(seen.insert(family.name) || shared, "{}", family.name);
                assert!(
                    family.help.ends_with('.'),
                    "{}: {}",
                    family.name,
                    family.help
                );
                assert!(family.labels.is_sorted(), "{}", family.name);
            }
        }
    }
}
