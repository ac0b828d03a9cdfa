//! Reads text format 0.0.4 for comparing, not for storing: whatever it cannot read is told.

use std::collections::BTreeMap;

/// One exposition: types of families, values of series.
#[derive(Debug, Default, PartialEq)]
pub struct Exposition {
    /// Type by family name.
    pub types: BTreeMap<String, String>,
    /// Value by (family, series).
    pub series: BTreeMap<(String, Series), String>,
    /// Lines that are none of the format.
    pub bad: Vec<String>,
}

/// Sample name and labels, sorted by label name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Series {
    /// Name of the sample, with `_bucket`, `_sum` or `_count`.
    pub name: String,
    /// Labels in ascending order.
    pub labels: Vec<(String, String)>,
}

impl std::fmt::Display for Series {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)?;
        let labels: Vec<_> = self
            .labels
            .iter()
            .map(|(name, value)| format!("{name}={value:?}"))
            .collect();
        if labels.is_empty() {
            return Ok(());
        }
        write!(f, "{{{}}}", labels.join(","))
    }
}

/// Reads an exposition.
pub fn parse(text: &str) -> Exposition {
    let mut exposition = Exposition::default();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            if let Some((name, kind)) = rest.split_once(' ') {
                exposition.types.insert(name.to_owned(), kind.to_owned());
            }
        } else if !line.is_empty() && !line.starts_with('#') {
            match sample(line) {
                Some((series, value)) => {
                    let family = family(&series.name, &exposition.types);
                    exposition.series.insert((family, series), value);
                }
                None => exposition.bad.push(line.to_owned()),
            }
        }
    }
    exposition
}

fn family(sample: &str, types: &BTreeMap<String, String>) -> String {
    let base = ["_bucket", "_sum", "_count"]
        .iter()
        .filter_map(|suffix| sample.strip_suffix(suffix))
        .find(|base| {
            types
                .get(*base)
                .is_some_and(|kind| kind == "histogram" || kind == "summary")
        });
    base.unwrap_or(sample).to_owned()
}

fn sample(line: &str) -> Option<(Series, String)> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = read_labels(inside, &mut labels)?;
    }
    labels.sort();
    let value = rest.split_whitespace().next()?;
    let series = Series {
        name: name.to_owned(),
        labels,
    };
    Some((series, value.to_owned()))
}

fn read_labels<'a>(mut rest: &'a str, labels: &mut Vec<(String, String)>) -> Option<&'a str> {
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(after) = rest.strip_prefix('}') {
            return Some(after);
        }
        let (name, tail) = rest.split_once("=\"")?;
        let mut value = String::new();
        let mut characters = tail.char_indices();
        let end = loop {
            match characters.next()? {
                (at, '"') => break at,
                (_, '\\') => match characters.next()?.1 {
                    'n' => value.push('\n'),
                    other => value.push(other),
                },
                (_, other) => value.push(other),
            }
        };
        labels.push((name.to_owned(), value));
        rest = &tail[end + 1..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_and_families() {
        let text = "# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 2\n# TYPE a_count counter\n\
                    a_count{b=\"x\\\"y\\n\",a=\"}\"} 3 17\nnonsense\n";
        let exposition = parse(text);
        assert_eq!(exposition.bad, ["nonsense"]);
        let shown: Vec<_> = exposition
            .series
            .iter()
            .map(|((family, series), value)| format!("{family}: {series} {value}"))
            .collect();
        assert_eq!(
            shown,
            [
                "a_count: a_count{a=\"}\",b=\"x\\\"y\\n\"} 3",
                "h: h_bucket{le=\"+Inf\"} 1",
                "h: h_sum 2"
            ]
        );
    }
}
