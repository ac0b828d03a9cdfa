//! From the rows of a custom query to metrics.

use super::convert::array;
use super::{Namespace, Usage, label, value};
use crate::rows::{Row, Rows};
use exporter_core::exposition::{Arena, Distribution, Dynamic, Kind};

/// What is put around the samples of a namespace.
#[derive(Clone, Copy, Debug)]
pub struct Exposed<'a> {
    /// First part of the names, after the prefix was applied.
    pub name: &'a str,
    /// Labels beside those of columns: `server` and the constant ones.
    pub labels: &'a [(String, String)],
}

/// Puts the rows of a namespace. The error costs all of them.
pub fn expose(
    rows: &Rows,
    namespace: &Namespace,
    exposed: Exposed<'_>,
    out: &mut Arena,
) -> Result<(), String> {
    let mut arena = Arena::new();
    for row in rows.iter() {
        put_row(rows, row, namespace, exposed, &mut arena)?;
    }
    out.append(&arena);
    Ok(())
}

fn put_row(
    rows: &Rows,
    row: Row<'_>,
    namespace: &Namespace,
    exposed: Exposed<'_>,
    out: &mut Arena,
) -> Result<(), String> {
    let columns = rows.columns();
    let place = |name: &str| columns.iter().rposition(|c| c.name == name);
    let mut labels: Vec<(&str, std::borrow::Cow<'_, str>)> = Vec::new();
    for (name, (usage, _)) in &namespace.columns {
        if *usage == Usage::Label {
            // A label that the answer lacks takes the first column's value, as upstream.
            let index = place(name).unwrap_or(0);
            let oid = columns.get(index).map_or(0, |c| c.type_oid);
            labels.push((name, label(row.text(index), oid)));
        }
    }
    let mut pairs: Vec<(&str, &str)> = labels.iter().map(|(k, v)| (*k, v.as_ref())).collect();
    pairs.extend(exposed.labels.iter().map(|(k, v)| (k.as_str(), v.as_str())));
    let histograms: Vec<&str> = namespace
        .columns
        .iter()
        .filter(|(_, (usage, _))| *usage == Usage::Histogram)
        .map(|(name, _)| name.as_str())
        .collect();
    for (index, column) in columns.iter().enumerate() {
        let declared = namespace.columns.get(&column.name);
        let (kind, suffix, help) = match declared {
            Some((Usage::Label | Usage::Discard, _)) => continue,
            Some((Usage::Histogram, help)) => {
                let name = format!("{}_{}", exposed.name, column.name);
                put_histogram(
                    rows,
                    row,
                    index,
                    Dynamic {
                        name: &name,
                        help,
                        kind: Kind::Histogram,
                    },
                    &pairs,
                    out,
                )?;
                continue;
            }
            Some((Usage::Counter, help)) => (Kind::Counter, "", help.as_str()),
            Some((Usage::Gauge, help)) => (Kind::Gauge, "", help.as_str()),
            Some((Usage::Duration, help)) => (Kind::Gauge, "_milliseconds", help.as_str()),
            None if is_part(&histograms, &column.name) => continue,
            None => (
                Kind::Untyped,
                "",
                "A column that the file of custom queries does not declare.",
            ),
        };
        let name = format!("{}_{}{suffix}", exposed.name, column.name);
        match value(row.text(index), column.type_oid) {
            Some(value) => {
                let family = Dynamic {
                    name: &name,
                    help,
                    kind,
                };
                out.put_dynamic(family, &pairs, value);
            }
            None => {
                let (namespace, column) = (exposed.name, &column.name);
                tracing::info!(namespace, column, "a value is no number and left out");
            }
        }
    }
    Ok(())
}

/// Whether a column belongs to a histogram.
fn is_part(histograms: &[&str], column: &str) -> bool {
    histograms.iter().any(|name| {
        let rest = column.strip_prefix(name);
        matches!(rest, Some("_bucket" | "_sum" | "_count"))
    })
}

/// A column of upper bounds, with its siblings `_bucket` (cumulative counts), `_sum` and `_count`.
fn put_histogram(
    rows: &Rows,
    row: Row<'_>,
    index: usize,
    family: Dynamic<'_>,
    pairs: &[(&str, &str)],
    out: &mut Arena,
) -> Result<(), String> {
    let columns = rows.columns();
    let column = columns.get(index).map_or("", |c| c.name.as_str());
    let sibling = |suffix: &str| {
        let name = format!("{column}{suffix}");
        columns.iter().rposition(|c| c.name == name)
    };
    let number = |index: usize| {
        let value = value(row.text(index), columns[index].type_oid);
        value.filter(|v| !v.is_nan())
    };
    let left_out = |why: &str| {
        tracing::info!(metric = family.name, why, "a histogram is left out");
        Ok(())
    };
    let (Some(buckets), Some(sum), Some(count)) =
        (sibling("_bucket"), sibling("_sum"), sibling("_count"))
    else {
        return left_out("one of the columns _bucket, _sum and _count is not there");
    };
    let elements = |index: usize| {
        let name = &columns[index].name;
        array(row.text_or(index, ""))
            .ok_or_else(|| format!("column {name}: expected an array of numbers"))
    };
    let (bounds, counts) = (elements(index)?, elements(buckets)?);
    let (Some(sum), Some(count)) = (number(sum), number(count)) else {
        return left_out("sum or count is no number");
    };
    let points: Vec<(f64, f64)> = bounds.into_iter().zip(counts).collect();
    let distribution = Distribution {
        sum,
        count,
        points: &points,
    };
    out.put_dynamic_distribution(family, pairs, distribution, None);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::load;
    use super::*;
    use crate::rows::Column;
    use crate::testing::text;

    fn rows(columns: &[(&str, u32)], values: &[Option<&str>]) -> Rows {
        let column = |(name, type_oid): &(&str, u32)| Column {
            name: (*name).to_owned(),
            type_oid: *type_oid,
        };
        let mut rows = Rows::new(columns.iter().map(column).collect());
        for value in values {
            rows.push(value.map(str::as_bytes));
        }
        rows
    }

    fn exposed(file: &str, rows: &Rows) -> Result<String, String> {
        let namespace = &load(file).unwrap()[0];
        let labels = [("server".to_owned(), "h:1".to_owned())];
        let mut out = Arena::new();
        let around = Exposed {
            name: &namespace.name,
            labels: &labels,
        };
        expose(rows, namespace, around, &mut out)?;
        Ok(text(out))
    }

    const FILE: &str = "q:\n  query: x\n  metrics:\n    - l: {usage: LABEL}\n    - gone: {usage: \
                        LABEL}\n    - c: {usage: COUNTER, description: C}\n    - g: {usage: GAUGE}\n    \
                        - d: {usage: DURATION}\n    - m: {usage: MAPPEDMETRIC}\n    - z: {usage: \
                        nothing}\n    - absent: {usage: GAUGE}\n";

    #[test]
    fn each_usage() {
        let columns = [
            ("l", 25),
            ("c", 20),
            ("g", 701),
            ("d", 25),
            ("m", 16),
            ("z", 25),
            ("u", 23),
        ];
        let rows = rows(
            &columns,
            &[
                Some("a"),
                Some("5"),
                None,
                Some("1s"),
                Some("t"),
                Some("9"),
                Some("7"),
            ],
        );
        let labels = "{gone=\"a\",l=\"a\",server=\"h:1\"}";
        assert_eq!(
            exposed(FILE, &rows).unwrap(),
            format!("q_c{labels} 5\nq_g{labels} NaN\nq_m{labels} 1\nq_u{labels} 7\n")
        );
    }

    const HISTOGRAM: &str = "q:\n  query: x\n  metrics:\n    - h: {usage: HISTOGRAM}\n";

    #[test]
    fn histograms() {
        let columns = [
            ("h", 1022),
            ("h_bucket", 1016),
            ("h_sum", 701),
            ("h_count", 20),
        ];
        let full = [Some("{1,2,5}"), Some("{3,4}"), Some("9.5"), Some("6")];
        assert_eq!(
            exposed(HISTOGRAM, &rows(&columns, &full)).unwrap(),
            "q_h_bucket{server=\"h:1\",le=\"1\"} 3\nq_h_bucket{server=\"h:1\",le=\"2\"} 4\n\
             q_h_bucket{server=\"h:1\",le=\"+Inf\"} 6\nq_h_sum{server=\"h:1\"} 9.5\n\
             q_h_count{server=\"h:1\"} 6\n"
        );
        let short = rows(&columns[..3], &full[..3]);
        assert_eq!(exposed(HISTOGRAM, &short).unwrap(), "");
        let mut bad = full;
        bad[0] = Some("{x}");
        let error = exposed(HISTOGRAM, &rows(&columns, &bad)).unwrap_err();
        assert_eq!(error, "column h: expected an array of numbers");
    }
}
