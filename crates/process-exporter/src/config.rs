//! The configuration file: which processes belong to which group.
//!
//! The grammar is lenient, because users' files are: unknown keys are ignored, of keys that occur
//! twice the last counts, and only the first document is read.

use crate::naming::{Item, Selectors, Title};
use exporter_core::dialect::yaml::{Node, lenient};
use regex::Regex;
use std::path::Path;

/// One item, or what it excludes, as written. A selector that is null is as if it were absent.
#[derive(Debug, Default)]
struct Entry {
    name: Option<String>,
    comm: Option<Vec<String>>,
    exe: Option<Vec<String>>,
    cmdline: Option<Vec<String>>,
    username: Option<Vec<String>>,
    uid: Option<Vec<String>>,
    cgroup: Option<Vec<String>>,
    not: Option<Box<Entry>>,
}

impl Entry {
    fn read(node: &Node) -> Result<Self, String> {
        let mut entry = Entry::default();
        for (key, value) in lenient::entries(node)? {
            match key.as_str() {
                "name" => entry.name = lenient::text(value)?,
                "comm" => entry.comm = texts(value)?,
                "exe" => entry.exe = texts(value)?,
                "cmdline" => entry.cmdline = texts(value)?,
                "username" => entry.username = texts(value)?,
                "uid" => entry.uid = texts(value)?,
                "cgroup" => entry.cgroup = texts(value)?,
                "not" => {
                    entry.not = Some(Box::new(Entry::read(value)?)).filter(|_| !value.is_null())
                }
                _ => {}
            }
        }
        Ok(entry)
    }
}

/// An item that is null is the empty string.
fn texts(node: &Node) -> Result<Option<Vec<String>>, String> {
    let Some(items) = lenient::list(node)? else {
        return Ok(None);
    };
    let text = |item| Ok(lenient::text(item)?.unwrap_or_default());
    items.iter().map(text).collect::<Result<_, _>>().map(Some)
}

/// Name of processes whose item does not say any.
const DEFAULT_NAME: &str = "{{.ExeBase}}";

/// Reads a configuration file.
///
/// # Errors
/// The file, the place and what was expected.
pub fn load(path: &Path) -> Result<Vec<Item>, String> {
    let told = |error: String| format!("{}: {error}", path.display());
    let bytes = std::fs::read(path).map_err(|e| told(e.to_string()))?;
    let text = lenient::decoded(&bytes).map_err(told)?;
    parse(&text).map_err(|e| format!("{}:{e}", path.display()))
}

/// Parses a configuration. The error begins with a place.
pub fn parse(text: &str) -> Result<Vec<Item>, String> {
    let Some(document) = lenient::first_document(text)? else {
        return Ok(Vec::new());
    };
    let mut entries = Vec::new();
    for (key, value) in lenient::entries(&document)? {
        if key == "process_names" {
            let items = lenient::list(value)?.unwrap_or_default();
            entries = items.iter().map(Entry::read).collect::<Result<_, _>>()?;
        }
    }
    let entries = entries.into_iter().enumerate();
    entries
        .map(|(index, entry)| item(entry).map_err(|e| format!(" process_names[{index}]: {e}")))
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
        comm: entry.comm,
        exe: entry.exe,
        cmdline: entry.cmdline.map(patterns).transpose()?,
        username: entry.username,
        uid: entry.uid.map(users).transpose()?,
        cgroup: entry.cgroup.map(patterns).transpose()?,
    })
}

fn patterns(list: Vec<String>) -> Result<Vec<Regex>, String> {
    let compile = |p: &String| exporter_core::dialect::regexp::compile(p);
    list.iter().map(compile).collect()
}

fn users(list: Vec<String>) -> Result<Vec<u64>, String> {
    let number = |text: &String| {
        let number = text.parse();
        number.map_err(|_| format!("uid: expected the number of a user, not {text:?}"))
    };
    list.iter().map(number).collect()
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
    }

    #[test]
    fn names_of_tasks_as_they_are_meant() {
        for (item, names) in [
            ("comm: [1, true, ~, 1.50]", &["1", "true", "", "1.50"][..]),
            (
                "comm: [!!int \"7\", !!str ~, !!float 1, !!bool yes]",
                &["7", "~", "1", "yes"],
            ),
            ("comm: [!!binary aGk=, !mine a, ! b]", &["hi", "a", "b"]),
            ("comm: !!map [a]", &["a"]),
            ("{comm: [a], comm: [b], ~: x}", &["b"]),
            ("{comm: [a], <<: {comm: [b]}}", &["b"]),
            ("{<<: [{comm: [a]}, {comm: [b], exe: [c]}]}", &["a"]),
            ("{comm: [a], other: {<<: 1}, not: ~}", &["a"]),
        ] {
            let text = format!("process_names:\n- {item}\n");
            let items = parse(&text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(items[0].with.comm.as_deref().unwrap(), names, "{text}");
        }
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
            ("process_names:\n- comm: [!!int x]\n", ": \"x\" is no int"),
            (
                "process_names:\n- comm: [!!binary '?']\n",
                ": expected base64",
            ),
            (
                "process_names:\n- {comm: a, comm: [b]}\n",
                "2:10: expected a list, got a scalar",
            ),
            (
                "process_names:\n- {comm: [a], <<: 1}\n",
                "2:19: expected a mapping",
            ),
            (
                "process_names:\n- [a]: b\n",
                "2:3: expected a text, got a sequence",
            ),
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
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("all.yaml");
        std::fs::write(&file, b"process_names:\n- comm: [\xff]\n").unwrap();
        let error = load(&file).map(drop).unwrap_err();
        assert!(error.ends_with("byte 25 is no UTF-8"), "{error}");
        std::fs::write(&file, b"\xff\xfe\xe9\x00:\x00 \x001\x00").unwrap();
        assert_eq!(load(&file).map(|items| items.len()), Ok(0));
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
