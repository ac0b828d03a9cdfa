//! Collectors on answers that are written down.

use crate::collectors::{Setup, Statements, TABLE, flags};
use crate::rows::Rows;
use crate::version::Version;
use exporter_core::cli::{Matches, Source};
use exporter_core::collector::Error;
use exporter_core::exposition::{Arena, Offers, format};

/// The newest server.
pub const NEWEST: Version = Version::major(18);

/// What a user gave.
pub fn setup(given: &[(&'static str, &str)]) -> Setup {
    let mut matches = Matches::defaults(&flags());
    for (name, value) in given {
        matches.set(name, Source::CommandLine, vec![(*value).to_owned()]);
    }
    Setup {
        matches,
        exclude_databases: vec!["excluded".to_owned()],
    }
}

/// A collector by its name.
pub fn collector(name: &str, given: &[(&'static str, &str)]) -> Statements {
    let definition = TABLE.iter().find(|d| d.name == name).unwrap();
    (definition.new)(&setup(given))
        .unwrap()
        .named(definition.name)
}

/// The samples that a collector's statements make of these answers, sorted, without comments.
pub fn samples(collector: &Statements, version: Version, answers: &[&[&[&str]]]) -> String {
    let mut arena = Arena::new();
    put(collector, version, answers, &mut arena).unwrap();
    text(arena)
}

/// Puts what the statements make of these answers.
pub fn put(
    collector: &Statements,
    version: Version,
    answers: &[&[&[&str]]],
    arena: &mut Arena,
) -> Result<(), Error> {
    assert_eq!(collector.list().len(), answers.len());
    for (statement, answer) in collector.list().iter().zip(answers) {
        statement.put(&Rows::written(answer), version, arena)?;
    }
    Ok(())
}

/// The samples of an arena as text.
pub fn text(mut arena: Arena) -> String {
    arena.seal();
    assert!(arena.problems().is_empty(), "{:?}", arena.problems());
    let mut bytes = Vec::new();
    format::negotiate(None, Offers::default()).encode(&arena, &mut bytes);
    let text = String::from_utf8(bytes).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| format!("{line}\n")).collect()
}
