//! Status of TokuDB, from `SHOW ENGINE TOKUDB STATUS`.

use super::{Asking, Collector, Grant, PROCESS, names, status_value};
use crate::server::{Rows, Session};
use exporter_core::cli::{Flag, Matches};
use exporter_core::exposition::{Arena, Dynamic, Family, Kind};

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];
/// What it needs.
pub const GRANT: Grant = PROCESS;

static OTHER: Family = Family::untyped(
    "mysql_engine_tokudb_<name>",
    &[],
    "Status of the TokuDB engine.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&OTHER]
}

/// Makes the collector.
pub fn new(_: &Matches) -> Result<Box<dyn Collector>, String> {
    Ok(Box::new(TokudbStatus))
}

struct TokudbStatus;

impl Collector for TokudbStatus {
    fn collect<'a>(&'a self, session: &'a mut Session, out: &'a mut Arena) -> Asking<'a> {
        Box::pin(async move {
            put(&session.query("SHOW ENGINE TOKUDB STATUS").await?, out);
            Ok(())
        })
    }
}

fn put(rows: &Rows, out: &mut Arena) {
    let mut metric = String::new();
    for row in rows.iter() {
        if let Some(value) = status_value::parse(row.text(2)) {
            let name = name(row.text(1));
            let family = Dynamic {
                name: names::joined("mysql_engine_tokudb_", &name, &mut metric),
                help: OTHER.help,
                kind: Kind::Untyped,
            };
            out.put_dynamic(family, &[], value);
        }
    }
}

/// `ft: "off the leaf" - count` and the like as part of a name.
fn name(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    for c in text.to_lowercase().chars() {
        match c {
            '>' | ',' | ':' | '(' | ')' => {}
            '+' | '/' => name.push_str("and"),
            c if c.is_ascii_alphanumeric() => name.push(c),
            _ => name.push('_'),
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{expose, texts};
    use proptest::prelude::*;

    #[test]
    fn names_of_all_kinds() {
        let status = texts(
            &["Type", "Name", "Status"],
            &[
                &["TokuDB", "indexer: number of calls to indexer->build()", "1"],
                &["TokuDB", "disk free space", "more than twice the reserve"],
                &["TokuDB", "a+b/c - d", "2"],
            ],
        );
        assert_eq!(
            expose(|out| put(&status, out)),
            "mysql_engine_tokudb_aandbandc___d 2\n\
             mysql_engine_tokudb_indexer_number_of_calls_to_indexer_build 1\n"
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            expose(|out| put(&texts(&["a", "b", "c"], &[&["", &text, "1"]]), out));
        }
    }
}
