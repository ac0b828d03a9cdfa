//! The answer to one statement, in flat buffers.

use exporter_core::exposition::names::lossy;

/// A column of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Object id of its type.
    pub type_oid: u32,
}

/// The rows of one answer. Values stand in the text form of the protocol.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    columns: Vec<Column>,
    text: String,
    /// End of each value in `text`, and whether it is a value at all.
    cells: Vec<Option<(u32, u32)>>,
}

impl Rows {
    /// No rows yet.
    pub fn new(columns: Vec<Column>) -> Self {
        Rows {
            columns,
            ..Rows::default()
        }
    }

    /// The columns; none where the answer had no row.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Adds one value, row by row. Bytes that are no UTF-8 are replaced.
    pub fn push(&mut self, value: Option<&[u8]>) {
        let cell = value.map(|bytes| {
            let start = self.text.len() as u32;
            self.text.push_str(&lossy(bytes));
            (start, self.text.len() as u32)
        });
        self.cells.push(cell);
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// The rows, in order.
    pub fn iter(&self) -> impl Iterator<Item = Row<'_>> {
        let width = self.columns.len().max(1);
        self.cells
            .chunks_exact(width)
            .map(|cells| Row { rows: self, cells })
    }

    /// The first row.
    pub fn first(&self) -> Option<Row<'_>> {
        self.iter().next()
    }

    /// An answer written down, for tests: a line of column names, then a line a row; `NULL` is null.
    #[cfg(test)]
    pub fn written(table: &[&[&str]]) -> Self {
        let [head, body @ ..] = table else {
            return Rows::default();
        };
        let column = |name: &&str| Column {
            name: (*name).to_owned(),
            type_oid: 25,
        };
        let mut rows = Rows::new(head.iter().map(column).collect());
        for row in body {
            assert_eq!(row.len(), head.len(), "{row:?}");
            for value in *row {
                rows.push((*value != "NULL").then_some(value.as_bytes()));
            }
        }
        rows
    }
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    rows: &'a Rows,
    cells: &'a [Option<(u32, u32)>],
}

impl<'a> Row<'a> {
    /// The text of a value; `None` is null, and what lies beyond the last column.
    pub fn text(&self, column: usize) -> Option<&'a str> {
        let (start, end) = (*self.cells.get(column)?)?;
        Some(&self.rows.text[start as usize..end as usize])
    }

    /// The text of a value, or another where it is null.
    pub fn text_or(&self, column: usize, other: &'a str) -> &'a str {
        self.text(column).unwrap_or(other)
    }

    /// A number; `None` is null.
    pub fn number(&self, column: usize) -> Result<Option<f64>, String> {
        let Some(text) = self.text(column) else {
            return Ok(None);
        };
        text.parse().map(Some).map_err(|_| {
            let name = self.rows.columns.get(column).map_or("", |c| &c.name);
            format!("column {name}: expected a number, got {text:?}")
        })
    }

    /// A number, 0 where it is null.
    pub fn number_or_zero(&self, column: usize) -> Result<f64, String> {
        Ok(self.number(column)?.unwrap_or(0.0))
    }

    /// A boolean as `t` and `f`; `None` is null.
    pub fn boolean(&self, column: usize) -> Result<Option<bool>, String> {
        match self.text(column) {
            None => Ok(None),
            Some("t") => Ok(Some(true)),
            Some("f") => Ok(Some(false)),
            Some(text) => {
                let name = self.rows.columns.get(column).map_or("", |c| &c.name);
                Err(format!("column {name}: expected a boolean, got {text:?}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_by_type() {
        let rows = Rows::written(&[&["a", "b", "c"], &["1.5", "t", "NULL"], &["x", "", "f"]]);
        let all: Vec<_> = rows.iter().collect();
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].number(0), Ok(Some(1.5)));
        assert_eq!(all[0].boolean(1), Ok(Some(true)));
        assert_eq!((all[0].number(2), all[0].text(2)), (Ok(None), None));
        assert_eq!(all[0].text(7), None);
        let error = all[1].number(0).unwrap_err();
        assert_eq!(error, "column a: expected a number, got \"x\"");
        assert!(all[1].boolean(1).unwrap_err().contains("column b"));
    }

    #[test]
    fn numbers_of_the_protocol() {
        let rows = Rows::written(&[&["a"], &["Infinity"], &["-Infinity"], &["NaN"], &["1e+20"]]);
        let numbers: Vec<_> = rows.iter().map(|r| r.number(0).unwrap().unwrap()).collect();
        assert_eq!(numbers[..2], [f64::INFINITY, f64::NEG_INFINITY]);
        assert!(numbers[2].is_nan());
        assert_eq!(numbers[3], 1e20);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(values: Vec<Option<Vec<u8>>>, width in 0usize..4) {
            let mut rows = Rows::new(vec![Column::default(); width]);
            for value in &values {
                rows.push(value.as_deref());
            }
            for row in rows.iter() {
                for column in 0..5 {
                    let _ = (row.text(column), row.number(column), row.boolean(column));
                }
            }
        }
    }
}
