//! What the tests of collectors share.

use crate::server::Rows;
use exporter_core::exposition::{Arena, Offers, format};

/// Rows as a server would give them.
pub fn rows(columns: &[&str], cells: &[&[Option<&str>]]) -> Rows {
    let mut rows = Rows::new(columns);
    for row in cells {
        rows.push(row);
    }
    rows
}

/// Rows without NULL.
pub fn texts(columns: &[&str], cells: &[&[&str]]) -> Rows {
    let mut rows = Rows::new(columns);
    for row in cells {
        let row: Vec<Option<&str>> = row.iter().map(|c| Some(*c)).collect();
        rows.push(&row);
    }
    rows
}

/// Names and values.
pub fn pairs(pairs: &[(&str, &str)]) -> Rows {
    let mut rows = Rows::new(&["Variable_name", "Value"]);
    for (name, value) in pairs {
        rows.push(&[Some(name), Some(value)]);
    }
    rows
}

/// The sample lines of what is put.
pub fn expose(put: impl FnOnce(&mut Arena)) -> String {
    let mut arena = Arena::new();
    put(&mut arena);
    arena.seal();
    let mut bytes = Vec::new();
    format::negotiate(None, Offers::default()).encode(&arena, &mut bytes);
    let text = String::from_utf8(bytes).unwrap();
    let samples = text.lines().filter(|l| !l.starts_with('#'));
    samples.map(|line| format!("{line}\n")).collect()
}
