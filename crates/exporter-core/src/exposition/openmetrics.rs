//! OpenMetrics 1.0.0; version 0.0.1 has the same body.
//!
//! See <https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md>.

use super::names::{self, Escaping};
use super::text::{
    push_escaped, push_header_name, push_label_name, push_labels, push_separator, push_series,
};
use super::{Arena, Exemplar, Kind, number};
use crate::exposition::arena::{FamilyView, SampleView};

/// Appends the exposition of a sealed arena, its end mark included.
pub fn encode(arena: &Arena, escaping: Escaping, out: &mut Vec<u8>) {
    for family in arena.families() {
        let word = word(arena, &family);
        encode_family(&family, word, escaping, out);
    }
    out.extend_from_slice(b"# EOF\n");
}

/// A counter that does not end in `_total` cannot be one here, and `x_total` beside a family `x`
/// cannot either: both would be the family `x`.
fn word(arena: &Arena, family: &FamilyView<'_>) -> &'static str {
    match family.kind() {
        Kind::Counter => match family.name().strip_suffix("_total") {
            Some(base) if !arena.exposes(base) => "counter",
            _ => "unknown",
        },
        Kind::Untyped => "unknown",
        kind => kind.word(),
    }
}

fn encode_family(
    family: &FamilyView<'_>,
    word: &'static str,
    escaping: Escaping,
    out: &mut Vec<u8>,
) {
    let name = names::escape(family.name(), escaping, true);
    let base = match word {
        "counter" => name.strip_suffix("_total").unwrap_or(&name),
        _ => &name,
    };
    for (keyword, value) in [
        ("HELP", family.help()),
        ("TYPE", word),
        ("UNIT", family.unit()),
    ] {
        if keyword == "UNIT" && (value.is_empty() || !base.ends_with(value)) {
            continue;
        }
        out.extend_from_slice(b"# ");
        out.extend_from_slice(keyword.as_bytes());
        out.push(b' ');
        push_header_name(out, base);
        out.push(b' ');
        push_escaped(out, value, true);
        out.push(b'\n');
    }
    let line = Line {
        name: &name,
        bare: names::is_legacy(&name, true),
        escaping,
    };
    for sample in family.samples() {
        line.push_sample(out, family.kind(), &sample);
    }
}

struct Line<'a> {
    name: &'a str,
    bare: bool,
    escaping: Escaping,
}

/// A value, or a count of observations.
enum Value {
    Float(f64),
    Count(f64),
}

impl Line<'_> {
    fn push_sample(&self, out: &mut Vec<u8>, kind: Kind, sample: &SampleView<'_>) {
        let Some(d) = sample.distribution() else {
            let exemplar = sample.exemplar(None);
            return self.push(
                out,
                sample,
                "",
                None,
                Value::Float(sample.value()),
                exemplar,
            );
        };
        if kind == Kind::Summary {
            for (quantile, value) in d.points {
                let label = Some(("quantile", *quantile));
                self.push(out, sample, "", label, Value::Float(*value), None);
            }
            self.push(out, sample, "_sum", None, Value::Float(d.sum), None);
            self.push(out, sample, "_count", None, Value::Count(d.count), None);
            return;
        }
        for (index, (bound, count)) in d.points.iter().enumerate() {
            let exemplar = sample.exemplar(Some(index));
            let label = Some(("le", *bound));
            self.push(
                out,
                sample,
                "_bucket",
                label,
                Value::Count(*count),
                exemplar,
            );
        }
        if d.points.last().is_none_or(|p| p.0 != f64::INFINITY) {
            let label = Some(("le", f64::INFINITY));
            self.push(out, sample, "_bucket", label, Value::Count(d.count), None);
        }
        let (sum, count) = match kind {
            Kind::GaugeHistogram => ("_gsum", "_gcount"),
            _ => ("_sum", "_count"),
        };
        self.push(out, sample, sum, None, Value::Float(d.sum), None);
        self.push(out, sample, count, None, Value::Count(d.count), None);
    }

    fn push(
        &self,
        out: &mut Vec<u8>,
        sample: &SampleView<'_>,
        suffix: &str,
        extra: Option<(&str, f64)>,
        value: Value,
        exemplar: Option<&Exemplar>,
    ) {
        push_series(out, self.name, suffix, self.bare, |out, first| {
            push_labels(out, sample.labels(), self.escaping, first);
            if let Some((label, bound)) = extra {
                push_separator(out, first);
                out.extend_from_slice(label.as_bytes());
                out.extend_from_slice(b"=\"");
                number::push_open_metrics(out, bound);
                out.push(b'"');
            }
        });
        out.push(b' ');
        match value {
            Value::Count(count) if count.fract() == 0.0 && count.abs() < 9e15 => {
                number::push_integer(out, count as i64);
            }
            Value::Count(value) | Value::Float(value) => number::push_open_metrics(out, value),
        }
        if let Some(timestamp) = sample.timestamp_ms() {
            out.push(b' ');
            number::push_open_metrics(out, timestamp as f64 / 1000.0);
        }
        if let Some(exemplar) = exemplar.filter(|e| !e.labels.is_empty()) {
            self.push_exemplar(out, exemplar);
        }
        out.push(b'\n');
    }

    fn push_exemplar(&self, out: &mut Vec<u8>, exemplar: &Exemplar) {
        out.extend_from_slice(b" # {");
        let mut first = true;
        for (name, value) in &exemplar.labels {
            push_separator(out, &mut first);
            push_label_name(out, name, self.escaping);
            out.extend_from_slice(b"=\"");
            push_escaped(out, value, true);
            out.push(b'"');
        }
        out.extend_from_slice(b"} ");
        number::push_open_metrics(out, exemplar.value);
        if let Some(timestamp) = exemplar.timestamp_ms {
            out.push(b' ');
            number::push_open_metrics(out, timestamp as f64 / 1000.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::{Distribution, Dynamic, Family};

    static REQUESTS: Family = Family::counter("requests_total", &["code"], "Say \"requests\".");
    static ODD: Family = Family::counter("odd", &[], "Lacks the suffix.");
    static LATENCY: Family = Family::new(Kind::Histogram, "latency", &[], "Latency.");

    #[test]
    fn renames_counters_and_ends_with_a_mark() {
        let mut arena = Arena::new();
        arena.put(&REQUESTS, &["200"], 3.0);
        let labels = vec![("trace_id".to_owned(), "abc".to_owned())];
        arena.exemplar(
            None,
            Exemplar {
                labels,
                value: 1.0,
                timestamp_ms: Some(1500),
            },
        );
        arena.put(&ODD, &[], 1.0);
        let points = [(1.0, 2.0)];
        arena.put_distribution(
            &LATENCY,
            &[],
            Distribution {
                sum: 1.0,
                count: 2.0,
                points: &points,
            },
        );
        arena.seal();
        let mut out = Vec::new();
        encode(&arena, Escaping::AllowUtf8, &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "# HELP latency Latency.\n# TYPE latency histogram\nlatency_bucket{le=\"1.0\"} 2\n\
             latency_bucket{le=\"+Inf\"} 2\nlatency_sum 1.0\nlatency_count 2\n\
             # HELP odd Lacks the suffix.\n# TYPE odd unknown\nodd 1.0\n\
             # HELP requests Say \\\"requests\\\".\n# TYPE requests counter\n\
             requests_total{code=\"200\"} 3.0 # {trace_id=\"abc\"} 1.0 1.5\n# EOF\n"
        );
    }

    #[test]
    fn a_counter_beside_a_family_of_its_base_name_keeps_its_own() {
        let mut arena = Arena::new();
        for (name, kind) in [
            ("x_total", Kind::Counter),
            ("x", Kind::Gauge),
            ("y_total", Kind::Counter),
            ("y", Kind::Counter),
            ("z_total", Kind::Counter),
            ("z_totals", Kind::Gauge),
        ] {
            let help = "";
            arena.put_dynamic(Dynamic { name, help, kind }, &[], 1.0);
        }
        arena.seal();
        assert!(arena.problems().is_empty());
        let mut out = Vec::new();
        encode(&arena, Escaping::AllowUtf8, &mut out);
        let text = String::from_utf8(out).unwrap();
        let types: Vec<&str> = text
            .lines()
            .filter_map(|l| l.strip_prefix("# TYPE "))
            .collect();
        let expected = [
            "x gauge",
            "x_total unknown",
            "y unknown",
            "y_total unknown",
            "z counter",
            "z_totals gauge",
        ];
        assert_eq!(types, expected);
        assert_eq!(text.lines().filter(|l| !l.starts_with('#')).count(), 6);
    }
}
