//! The answer to a statement, as text in one buffer.

use exporter_core::exposition::names::lossy;
use mysql_async::{Column, Row, Value};

/// Rows of a result: the names of the columns and the cells as text. Bytes that are no UTF-8 are
/// replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    columns: Vec<String>,
    text: String,
    /// Start and end in `text`; `None` is NULL.
    cells: Vec<Option<(usize, usize)>>,
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct RowView<'a> {
    rows: &'a Rows,
    start: usize,
}

impl Rows {
    /// No rows of these columns.
    pub fn new(columns: &[&str]) -> Self {
        Rows {
            columns: columns.iter().map(|c| (*c).to_owned()).collect(),
            ..Rows::default()
        }
    }

    /// Adds a row of cells; missing cells are NULL, those too many are dropped.
    pub fn push(&mut self, cells: &[Option<&str>]) {
        for at in 0..self.columns.len() {
            self.push_cell(cells.get(at).copied().flatten());
        }
    }

    fn push_cell(&mut self, cell: Option<&str>) {
        let start = self.text.len();
        self.cells.push(cell.map(|text| {
            self.text.push_str(text);
            (start, self.text.len())
        }));
    }

    pub(super) fn set_columns(&mut self, columns: &[Column]) {
        let names = columns.iter().map(|c| c.name_str().into_owned());
        self.columns = names.collect();
    }

    pub(super) fn push_row(&mut self, row: &Row) {
        for at in 0..self.columns.len() {
            match row.as_ref(at) {
                Some(Value::Bytes(bytes)) => self.push_cell(Some(&lossy(bytes))),
                Some(Value::NULL) | None => self.push_cell(None),
                // Not in the text protocol.
                Some(other) => self.push_cell(Some(other.as_sql(true).trim_matches('\''))),
            }
        }
    }

    /// Names of the columns, as the server spells them.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Position of a column, by its exact name.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| c == name)
    }

    /// Position of a column in whatever letter case.
    pub fn column_in_any_case(&self, name: &str) -> Option<usize> {
        let same = |c: &String| c.eq_ignore_ascii_case(name);
        self.columns.iter().position(same)
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.cells
            .len()
            .checked_div(self.columns.len())
            .unwrap_or(0)
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// All rows.
    pub fn iter(&self) -> impl Iterator<Item = RowView<'_>> {
        let width = self.columns.len();
        (0..self.len()).map(move |row| RowView {
            rows: self,
            start: row * width,
        })
    }

    /// The first row.
    pub fn first(&self) -> Option<RowView<'_>> {
        self.iter().next()
    }

    /// The last row.
    pub fn last(&self) -> Option<RowView<'_>> {
        let row = self.len().checked_sub(1)?;
        Some(RowView {
            rows: self,
            start: row * self.columns.len(),
        })
    }

    /// The only cell of the first row, as `SELECT @@version` gives it.
    pub fn scalar(&self) -> Option<&str> {
        self.first()?.get(0)
    }
}

impl<'a> RowView<'a> {
    /// A cell; `None` where it is NULL or there is no such column.
    pub fn get(&self, column: usize) -> Option<&'a str> {
        if column >= self.rows.columns.len() {
            return None;
        }
        let (start, end) = (*self.rows.cells.get(self.start + column)?)?;
        self.rows.text.get(start..end)
    }

    /// A cell, empty where it is NULL.
    pub fn text(&self, column: usize) -> &'a str {
        self.get(column).unwrap_or("")
    }

    /// A cell as a number; `None` where it is NULL or no number.
    pub fn number(&self, column: usize) -> Option<f64> {
        number(self.get(column)?)
    }
}

/// A number as the server writes numbers.
pub fn number(text: &str) -> Option<f64> {
    let digits = |b: u8| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b'e' | b'E');
    if !text.bytes().all(digits) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells() {
        let mut rows = Rows::new(&["Name", "value"]);
        assert!(rows.is_empty());
        assert!(rows.last().is_none());
        rows.push(&[Some("a"), None]);
        rows.push(&[Some(""), Some("18446744073709551615")]);
        assert_eq!(rows.len(), 2);
        let first = rows.first().unwrap();
        assert_eq!(
            (first.get(0), first.get(1), first.get(2)),
            (Some("a"), None, None)
        );
        let last = rows.last().unwrap();
        assert_eq!(last.number(1), Some(1.8446744073709552e19));
        assert_eq!(last.number(0), None);
        assert_eq!(rows.column("name"), None);
        assert_eq!(rows.column_in_any_case("name"), Some(0));
        assert_eq!(rows.scalar(), Some("a"));
        assert_eq!(Rows::default().len(), 0);
    }

    #[test]
    fn numbers_are_what_servers_write() {
        assert_eq!(number("-1.5e3"), Some(-1500.0));
        for text in ["", "nan", "inf", "1 ", "0x10"] {
            assert_eq!(number(text), None, "{text}");
        }
    }
}
