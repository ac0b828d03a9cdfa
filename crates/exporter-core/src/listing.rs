//! `--list-metrics`: every family as a Markdown table, from the same statics that samples are put
//! under.

use crate::collector::Definition;
use crate::exposition::Family;
use crate::{self_metrics, web};
use std::fmt::Write;

/// A table under way.
#[derive(Clone, Debug)]
pub struct Listing {
    text: String,
}

impl Listing {
    /// The head of the page of a binary.
    pub fn new(binary: &str) -> Self {
        Listing {
            text: format!(
                "# Metrics of {binary}\n\n\
                 Made by `{binary} --list-metrics`. A name with a part in angle brackets stands for\n\
                 names that are made at run time.\n\n\
                 | metric | type | labels | collector | meaning |\n|---|---|---|---|---|\n"
            ),
        }
    }

    /// Adds the families of one collector.
    pub fn add<'a>(&mut self, collector: &str, families: impl IntoIterator<Item = &'a Family>) {
        for family in families {
            self.push(family, collector);
        }
    }

    /// Adds all collectors of a table; those that do not run unasked are marked.
    pub fn add_table<Cx, Made>(&mut self, table: &[Definition<Cx, Made>]) {
        for definition in table {
            let state = if definition.default_on() {
                ""
            } else {
                " (off)"
            };
            let families = (definition.families)();
            self.add(&format!("{}{state}", definition.name), families);
        }
    }

    /// The whole page, with what the exporter says of itself: `own`, the metrics handler where it is
    /// counted, and the process.
    pub fn finish<'a>(
        mut self,
        own: impl IntoIterator<Item = &'a Family>,
        handler: bool,
    ) -> String {
        let itself = "the exporter itself";
        self.add(itself, own);
        let handler = handler.then_some(web::metrics::FAMILIES).into_iter();
        self.add(itself, handler.flatten().copied());
        self.add(itself, self_metrics::FAMILIES.iter().copied());
        self.text
    }

    fn push(&mut self, family: &Family, collector: &str) {
        let labels = match family.labels {
            [] => "–".to_owned(),
            labels => labels.join(", "),
        };
        let help = family.help.replace('|', "\\|");
        // Writing to a String cannot fail.
        let _ = writeln!(
            self.text,
            "| `{}` | {} | {labels} | {collector} | {help} |",
            family.name,
            family.kind.word()
        );
    }
}
