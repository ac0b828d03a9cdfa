//! Results whose columns are labels and values of known families: most tables of the server.

use super::{Asking, Collector};
use crate::server::{RowView, Rows, Session, Version};
use exporter_core::exposition::{Arena, Family};

/// The most labels of a family here.
const MOST_LABELS: usize = 6;

/// Where a label's value comes from.
#[derive(Clone, Copy, Debug)]
pub enum Label {
    /// A column; NULL is the empty text.
    Column(usize),
    /// Always this.
    Word(&'static str),
}

/// A column that is put as a sample of each row.
#[derive(Debug)]
pub struct Value {
    /// The family.
    pub family: &'static Family,
    /// Values of the family's labels, in their order.
    pub labels: &'static [Label],
    /// Position in the result.
    pub column: usize,
    /// From the server's unit to the exposed one.
    pub unit: fn(f64) -> f64,
}

/// As it is.
pub fn one(value: f64) -> f64 {
    value
}

/// Picoseconds to seconds.
pub fn pico(value: f64) -> f64 {
    value / 1e12
}

impl Value {
    /// A column as it is.
    pub const fn new(family: &'static Family, labels: &'static [Label], column: usize) -> Self {
        Value {
            family,
            labels,
            column,
            unit: one,
        }
    }

    /// A column of picoseconds.
    pub const fn pico(family: &'static Family, labels: &'static [Label], column: usize) -> Self {
        Value {
            family,
            labels,
            column,
            unit: pico,
        }
    }

    /// A column in another unit.
    pub const fn scaled(
        family: &'static Family,
        labels: &'static [Label],
        column: usize,
        unit: fn(f64) -> f64,
    ) -> Self {
        Value {
            family,
            labels,
            column,
            unit,
        }
    }

    fn put(&self, row: RowView<'_>, out: &mut Arena) {
        // What is NULL or no number has no sample.
        let Some(number) = row.number(self.column) else {
            return;
        };
        let mut labels = [""; MOST_LABELS];
        for (slot, label) in labels.iter_mut().zip(self.labels) {
            *slot = match label {
                Label::Column(column) => row.text(*column),
                Label::Word(word) => word,
            };
        }
        let labels = &labels[..self.labels.len().min(MOST_LABELS)];
        out.put(self.family, labels, (self.unit)(number));
    }
}

/// Puts the values of all rows.
pub fn put(rows: &Rows, values: &[Value], out: &mut Arena) {
    for row in rows.iter() {
        for value in values {
            value.put(row, out);
        }
    }
}

/// A statement for a version of the server.
pub type Statement = fn(Version) -> String;

/// A collector that is one statement and its values.
pub struct Grid {
    /// The statement.
    pub statement: Statement,
    /// What its columns are.
    pub values: &'static [Value],
}

impl Grid {
    /// The collector.
    pub fn boxed(statement: Statement, values: &'static [Value]) -> Box<dyn Collector> {
        Box::new(Grid { statement, values })
    }
}

impl Collector for Grid {
    fn collect<'a>(&'a self, session: &'a mut Session, out: &'a mut Arena) -> Asking<'a> {
        Box::pin(async move {
            let rows = session.query((self.statement)(session.version())).await?;
            put(&rows, self.values, out);
            Ok(())
        })
    }
}

/// The families of these values, each once.
pub fn families(values: &'static [Value]) -> Vec<&'static Family> {
    let mut families: Vec<&'static Family> = Vec::new();
    for value in values {
        if !families.iter().any(|f| f.name == value.family.name) {
            families.push(value.family);
        }
    }
    families
}
