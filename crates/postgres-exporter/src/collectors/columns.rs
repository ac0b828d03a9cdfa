//! Views whose columns are families.

use crate::rows::Rows;
use exporter_core::collector::Error;
use exporter_core::exposition::{Arena, Family};

/// A column, or an expression of columns, and the family it is exposed as.
pub type Column = (&'static str, Family);

/// The columns as a list for SELECT.
pub fn select(columns: &[&'static Column]) -> String {
    let names: Vec<_> = columns.iter().map(|c| c.0).collect();
    names.join(", ")
}

/// Puts rows that begin with `labels` label columns, in the order of the label names; null labels
/// read `unknown`, null numbers 0.
pub fn put(
    rows: &Rows,
    labels: usize,
    columns: &[&'static Column],
    out: &mut Arena,
) -> Result<(), Error> {
    let mut values = Vec::new();
    for row in rows.iter() {
        for index in 0..columns.len() {
            values.push(row.number_or_zero(labels + index)?);
        }
    }
    for (row, values) in rows.iter().zip(values.chunks(columns.len().max(1))) {
        let names: Vec<&str> = (0..labels).map(|i| row.text_or(i, "unknown")).collect();
        for (column, value) in columns.iter().zip(values) {
            out.put(&column.1, &names, *value);
        }
    }
    Ok(())
}

/// The same, but a null number is left out and a null label is empty.
pub fn put_known(
    rows: &Rows,
    labels: usize,
    columns: &[&'static Column],
    out: &mut Arena,
) -> Result<(), Error> {
    let mut values = Vec::new();
    for row in rows.iter() {
        for index in 0..columns.len() {
            values.push(row.number(labels + index)?);
        }
    }
    for (row, values) in rows.iter().zip(values.chunks(columns.len().max(1))) {
        let names: Vec<&str> = (0..labels).map(|i| row.text_or(i, "")).collect();
        for (column, value) in columns.iter().zip(values) {
            if let Some(value) = value {
                out.put(&column.1, &names, *value);
            }
        }
    }
    Ok(())
}
