//! The configuration file: which processes belong to which group.
//!
//! The grammar is lenient, because users' files are: unknown keys are ignored, of keys that occur
//! twice the last counts, and only the first document is read.

use crate::naming::{Item, Selectors, Title};
use exporter_core::config;
use regex::Regex;
use serde::Deserialize;
use std::path::Path;

#[derive(Debug, Default, Deserialize)]
struct File {
    process_names: Option<Vec<Option<Entry>>>,
}

/// One item, or what it excludes, as written. A selector that is null is as if it were absent.
#[derive(Debug, Default, Deserialize)]
struct Entry {
    name: Option<String>,
    comm: Option<Vec<Option<String>>>,
    exe: Option<Vec<Option<String>>>,
    cmdline: Option<Vec<Option<String>>>,
    username: Option<Vec<Option<String>>>,
    uid: Option<Vec<Option<String>>>,
    cgroup: Option<Vec<Option<String>>>,
    not: Option<Box<Entry>>,
}

/// Name of processes whose item does not say any.
const DEFAULT_NAME: &str = "{{.ExeBase}}";

/// Reads a configuration file.
///
/// # Errors
/// The file, the place and what was expected.
pub fn load(path: &Path) -> Result<Vec<Item>, String> {
    let bytes = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let text = exporter_core::exposition::names::lossy(&bytes);
    parse(&text).map_err(|e| format!("{}:{e}", path.display()))
}

/// Parses a configuration. The error begins with a place.
pub fn parse(text: &str) -> Result<Vec<Item>, String> {
    let file: File = config::parse_lenient(text)?;
    let entries = file.process_names.unwrap_or_default().into_iter();
    entries
        .enumerate()
        .map(|(index, entry)| {
            item(entry.unwrap_or_default()).map_err(|e| format!(" process_names[{index}]: {e}"))
        })
        .collect()
}

fn item(mut entry: Entry) -> Result<Item, String> {
    let name = entry.name.take().filter(|n| !n.is_empty());
    let excluding = entry.not.take();
    let negated = excluding.is_some();
    let item = Item {
        name: Title::parse(name.as_deref().unwrap_or(DEFAULT_NAME))?,
        with: selectors(entry)?,
        without: excluding.map_or_else(|| Ok(Selectors::default()), |entry| exclusion(*entry))?,
    };
    if item.with.is_empty() && !negated {
        return Err(
            "expected at least one of comm, exe, cmdline, username, uid, cgroup and not, \
             each but the last a list"
                .to_owned(),
        );
    }
    Ok(item)
}

fn exclusion(entry: Entry) -> Result<Selectors, String> {
    if entry.name.is_some() || entry.not.is_some() {
        return Err("not: expected selectors, not a name or a further not".to_owned());
    }
    let selectors = selectors(entry).map_err(|e| format!("not: {e}"))?;
    match selectors.is_empty() {
        true => Err("not: expected at least one selector, a list".to_owned()),
        false => Ok(selectors),
    }
}

fn selectors(entry: Entry) -> Result<Selectors, String> {
    Ok(Selectors {
        comm: entry.comm.map(texts),
        exe: entry.exe.map(texts),
        cmdline: entry.cmdline.map(patterns).transpose()?,
        username: entry.username.map(texts),
        uid: entry.uid.map(users).transpose()?,
        cgroup: entry.cgroup.map(patterns).transpose()?,
    })
}

fn patterns(list: Vec<Option<String>>) -> Result<Vec<Regex>, String> {
    let compile = |p: &String| exporter_core::dialect::regexp::compile(p);
    texts(list).iter().map(compile).collect()
}

fn users(list: Vec<Option<String>>) -> Result<Vec<u64>, String> {
    let number = |text: &String| {
        let number = text.parse();
        number.map_err(|_| format!("uid: expected the number of a user, not {text:?}"))
    };
    texts(list).iter().map(number).collect()
}

/// An entry that is null is the empty string.
fn texts(list: Vec<Option<String>>) -> Vec<String> {
    list.into_iter().map(Option::unwrap_or_default).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn files_that_load() {
        for (text, items) in [
            ("", 0),
            ("# nothing\n", 0),
            ("process_names:\n", 0),
            ("process_names: []\n", 0),
            ("other: 1\n", 0),
            ("process_names:\n- comm: [a]\n  cgroups: [b]\n", 1),
            ("process_names:\n- name: null\n  exe: []\n", 1),
            (
                "process_names:\n- cmdline: ['.+']\n- comm: [1, true, ~, 1.50]\n",
                2,
            ),
            (
                "x: &x {comm: [a]}\nprocess_names:\n- <<: *x\n  name: n\n- *x\n",
                2,
            ),
            (
                "process_names:\n- comm: [a]\n  comm: [b]\n---\nprocess_names: 3\n",
                1,
            ),
        ] {
            let loaded = parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(loaded.len(), items, "{text}");
        }
        let items = parse("process_names:\n- comm: [1, true, ~, 1.50]\n").unwrap();
        assert_eq!(
            items[0].with.comm.as_deref().unwrap(),
            ["1", "true", "", "1.50"]
        );
    }

    #[test]
    fn files_that_do_not() {
        for (text, part) in [
            ("- a\n", "1:"),
            ("process_names: a\n", "1:"),
            (
                "process_names:\n- name: x\n",
                "process_names[0]: expected at least one",
            ),
            (
                "process_names:\n- comm: [a]\n-\n",
                "process_names[1]: expected at least one",
            ),
            ("process_names:\n- comm: ~\n", "expected at least one"),
            ("process_names:\n- comm: a\n", "2:"),
            (
                "process_names:\n- cmdline: ['(']\n",
                "bad regular expression",
            ),
            (
                "process_names:\n- name: '{{.Comm'\n  comm: [a]\n",
                "template",
            ),
            (
                "process_names:\n- uid: [root]\n",
                "process_names[0]: uid: expected the number of a user, not \"root\"",
            ),
            (
                "process_names:\n- comm: [a]\n  not: {}\n",
                "not: expected at least one selector",
            ),
            (
                "process_names:\n- comm: [a]\n  not: {name: x, comm: [b]}\n",
                "not: expected selectors",
            ),
            ("process_names:\n- comm: [a]\n  not: [b]\n", "3:"),
            (
                "process_names:\n- cgroup: ['(']\n",
                "bad regular expression",
            ),
            ("process_names:\n- name: '{{nope}}'\n  comm: [a]\n", "nope"),
        ] {
            let error = parse(text).map(drop).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
        let error = load(Path::new("/nowhere/all.yaml")).map(drop).unwrap_err();
        assert!(error.starts_with("/nowhere/all.yaml: "), "{error}");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = parse(&text);
        }
    }
}
