//! From the rows of a custom query to metrics.

use super::convert::array;
use super::{Namespace, Usage, label, value};
use crate::rows::{Row, Rows};
use exporter_core::exposition::{Arena, Distribution, Dynamic, Kind};
use std::borrow::Cow;

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
    let labels = labels(rows, row, namespace);
    let mut pairs: Vec<(&str, &str)> = labels.iter().map(|(k, v)| (*k, v.as_ref())).collect();
    pairs.extend(exposed.labels.iter().map(|(k, v)| (k.as_str(), v.as_str())));
    for (index, column) in rows.columns().iter().enumerate() {
        let Some((kind, suffix, help)) = meaning(namespace, &column.name) else {
            continue;
        };
        let name = format!("{}_{}{suffix}", exposed.name, column.name);
        let family = Dynamic {
            name: &name,
            help,
            kind,
        };
        if kind == Kind::Histogram {
            put_histogram(rows, row, index, family, &pairs, out)?;
        } else if let Some(value) = value(row.text(index), column.type_oid) {
            out.put_dynamic(family, &pairs, value);
        } else {
            let (namespace, column) = (exposed.name, &column.name);
            tracing::info!(namespace, column, "a value is no number and left out");
        }
    }
    Ok(())
}

/// The labels that columns give. One that the answer lacks takes the first column's value, as
/// upstream.
fn labels<'a>(rows: &Rows, row: Row<'a>, namespace: &'a Namespace) -> Vec<(&'a str, Cow<'a, str>)> {
    let columns = rows.columns();
    let declared = namespace.columns.iter();
    let names = declared.filter(|(_, (usage, _))| *usage == Usage::Label);
    names
        .map(|(name, _)| {
            let index = columns.iter().rposition(|c| c.name == *name).unwrap_or(0);
            let type_oid = columns.get(index).map_or(0, |c| c.type_oid);
            (name.as_str(), label(row.text(index), type_oid))
        })
        .collect()
}

/// Type, end of the name and help of what a column is exposed as; `None` where it is not, by itself.
fn meaning<'a>(namespace: &'a Namespace, column: &str) -> Option<(Kind, &'static str, &'a str)> {
    let Some((usage, help)) = namespace.columns.get(column) else {
        let help = "A column that the file of custom queries does not declare.";
        return (!is_part(namespace, column)).then_some((Kind::Untyped, "", help));
    };
    match usage {
        Usage::Label | Usage::Discard => None,
        Usage::Counter => Some((Kind::Counter, "", help)),
        Usage::Gauge => Some((Kind::Gauge, "", help)),
        Usage::Duration => Some((Kind::Gauge, "_milliseconds", help)),
        Usage::Histogram => Some((Kind::Histogram, "", help)),
    }
}

/// Whether a column belongs to a histogram.
fn is_part(namespace: &Namespace, column: &str) -> bool {
    namespace.columns.iter().any(|(name, (usage, _))| {
        let rest = column.strip_prefix(name.as_str());
        *usage == Usage::Histogram && matches!(rest, Some("_bucket" | "_sum" | "_count"))
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
