//! The text formats: Prometheus 0.0.4 and, with another header, 1.0.0.

use super::names::{self, Escaping};
use super::{Arena, Kind, number};
use crate::exposition::arena::{FamilyView, Labels, SampleView};

/// Appends the exposition of a sealed arena.
pub fn encode(arena: &Arena, escaping: Escaping, out: &mut Vec<u8>) {
    for family in arena.families() {
        encode_family(&family, escaping, out);
    }
}

fn encode_family(family: &FamilyView<'_>, escaping: Escaping, out: &mut Vec<u8>) {
    let name = names::escape(family.name(), escaping, true);
    out.extend_from_slice(b"# HELP ");
    push_header_name(out, &name);
    out.push(b' ');
    push_escaped(out, family.help(), false);
    out.extend_from_slice(b"\n# TYPE ");
    push_header_name(out, &name);
    out.push(b' ');
    let word = match family.kind() {
        // The format knows no gauge histograms.
        Kind::GaugeHistogram => Kind::Histogram.word(),
        kind => kind.word(),
    };
    out.extend_from_slice(word.as_bytes());
    out.push(b'\n');
    let bare = names::is_legacy(&name, true);
    for sample in family.samples() {
        let line = Line {
            name: &name,
            bare,
            escaping,
        };
        match sample.distribution() {
            None => line.push(out, &sample, "", None, sample.value()),
            Some(d) if family.kind() == Kind::Summary => {
                for (quantile, value) in d.points {
                    line.push(out, &sample, "", Some(("quantile", *quantile)), *value);
                }
                line.push(out, &sample, "_sum", None, d.sum);
                line.push(out, &sample, "_count", None, d.count);
            }
            Some(d) => {
                for (bound, count) in d.points {
                    line.push(out, &sample, "_bucket", Some(("le", *bound)), *count);
                }
                if d.points.last().is_none_or(|p| p.0 != f64::INFINITY) {
                    let infinite = Some(("le", f64::INFINITY));
                    line.push(out, &sample, "_bucket", infinite, d.count);
                }
                line.push(out, &sample, "_sum", None, d.sum);
                line.push(out, &sample, "_count", None, d.count);
            }
        }
    }
}

/// What the sample lines of a family share.
struct Line<'a> {
    name: &'a str,
    /// The name needs no quotes.
    bare: bool,
    escaping: Escaping,
}

impl Line<'_> {
    fn push(
        &self,
        out: &mut Vec<u8>,
        sample: &SampleView<'_>,
        suffix: &str,
        extra: Option<(&str, f64)>,
        value: f64,
    ) {
        push_series(out, self.name, suffix, self.bare, |out, first| {
            push_labels(out, sample.labels(), self.escaping, first);
            if let Some((label, bound)) = extra {
                push_separator(out, first);
                out.extend_from_slice(label.as_bytes());
                out.extend_from_slice(b"=\"");
                number::push(out, bound);
                out.push(b'"');
            }
        });
        out.push(b' ');
        number::push(out, value);
        if let Some(timestamp) = sample.timestamp_ms() {
            out.push(b' ');
            number::push_integer(out, timestamp);
        }
        out.push(b'\n');
    }
}

/// Appends name and labels of a series; a name that is not legal stands quoted within the braces.
/// `labels` appends them and is told whether none stands before.
pub(super) fn push_series(
    out: &mut Vec<u8>,
    name: &str,
    suffix: &str,
    bare: bool,
    labels: impl FnOnce(&mut Vec<u8>, &mut bool),
) {
    let mut first = true;
    if bare {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(suffix.as_bytes());
        out.push(b'{');
    } else {
        out.extend_from_slice(b"{\"");
        push_escaped(out, name, true);
        out.extend_from_slice(suffix.as_bytes());
        out.push(b'"');
        first = false;
    }
    let before = out.len();
    labels(out, &mut first);
    if bare && out.len() == before {
        out.pop();
    } else {
        out.push(b'}');
    }
}

/// Appends labels without braces.
pub(super) fn push_labels(
    out: &mut Vec<u8>,
    labels: Labels<'_>,
    escaping: Escaping,
    first: &mut bool,
) {
    for (name, value) in labels.iter() {
        push_separator(out, first);
        push_label_name(out, name, escaping);
        out.extend_from_slice(b"=\"");
        push_escaped(out, value, true);
        out.push(b'"');
    }
}

pub(super) fn push_separator(out: &mut Vec<u8>, first: &mut bool) {
    if !std::mem::take(first) {
        out.push(b',');
    }
}

/// Appends a label name, quoted where it is not legal.
pub(super) fn push_label_name(out: &mut Vec<u8>, name: &str, escaping: Escaping) {
    if names::is_legacy(name, false) {
        out.extend_from_slice(name.as_bytes());
        return;
    }
    let name = names::escape(name, escaping, false);
    push_quoted_unless(out, &name, names::is_legacy(&name, false));
}

/// Appends a family name in a comment line, quoted where it is not legal.
pub(super) fn push_header_name(out: &mut Vec<u8>, name: &str) {
    push_quoted_unless(out, name, names::is_legacy(name, true));
}

fn push_quoted_unless(out: &mut Vec<u8>, name: &str, bare: bool) {
    if bare {
        out.extend_from_slice(name.as_bytes());
    } else {
        out.push(b'"');
        push_escaped(out, name, true);
        out.push(b'"');
    }
}

/// Appends text with backslash and newline escaped, and where `quotes` is set double quotes too.
pub(super) fn push_escaped(out: &mut Vec<u8>, text: &str, quotes: bool) {
    let mut rest = text.as_bytes();
    while let Some(at) = special(rest, quotes) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(match rest[at] {
            b'\n' => b"\\n",
            b'"' => b"\\\"",
            _ => b"\\\\",
        });
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

fn special(text: &[u8], quotes: bool) -> Option<usize> {
    // Label values are mostly shorter than what vectors are for.
    if text.len() < 16 {
        return text
            .iter()
            .position(|b| *b == b'\\' || *b == b'\n' || (quotes && *b == b'"'));
    }
    if quotes {
        memchr::memchr3(b'\\', b'\n', b'"', text)
    } else {
        memchr::memchr2(b'\\', b'\n', text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::{Distribution, Dynamic, Family};

    static HOSTILE: Family =
        Family::gauge("hostile", &["a", "b"], "Back\\slash,\nline and \"quote\".");
    static LATENCY: Family = Family::new(Kind::Histogram, "latency_seconds", &["path"], "Latency.");
    static QUANTILES: Family = Family::new(Kind::Summary, "size_bytes", &[], "");

    fn encoded(arena: &mut Arena, escaping: Escaping) -> String {
        arena.seal();
        assert_eq!(arena.problems(), &[] as &[String]);
        let mut out = Vec::new();
        encode(arena, escaping, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn hostile_values() {
        let mut arena = Arena::new();
        arena.put(
            &HOSTILE,
            &["\\\"\n\t", "a long value with \" and \\ and \n in it"],
            1e6,
        );
        assert_eq!(
            encoded(&mut arena, Escaping::Underscores),
            "# HELP hostile Back\\\\slash,\\nline and \"quote\".\n# TYPE hostile gauge\n\
             hostile{a=\"\\\\\\\"\\n\t\",b=\"a long value with \\\" and \\\\ and \\n in it\"} 1e+06\n"
        );
    }

    #[test]
    fn distributions() {
        let mut arena = Arena::new();
        let points = [(0.5, 1.0), (1.0, 10_000_001.0)];
        let histogram = Distribution {
            sum: 3.5,
            count: 10_000_002.0,
            points: &points,
        };
        arena.put_distribution(&LATENCY, &[("path", "/")], histogram);
        let summary = Distribution {
            sum: 7.0,
            count: 2.0,
            points: &[(0.99, 4.0)],
        };
        arena.put_distribution(&QUANTILES, &[], summary);
        assert_eq!(
            encoded(&mut arena, Escaping::Underscores),
            "# HELP latency_seconds Latency.\n# TYPE latency_seconds histogram\n\
             latency_seconds_bucket{path=\"/\",le=\"0.5\"} 1\n\
             latency_seconds_bucket{path=\"/\",le=\"1\"} 1.0000001e+07\n\
             latency_seconds_bucket{path=\"/\",le=\"+Inf\"} 1.0000002e+07\n\
             latency_seconds_sum{path=\"/\"} 3.5\n\
             latency_seconds_count{path=\"/\"} 1.0000002e+07\n\
             # HELP size_bytes \n# TYPE size_bytes summary\n\
             size_bytes{quantile=\"0.99\"} 4\nsize_bytes_sum 7\nsize_bytes_count 2\n"
        );
    }

    #[test]
    fn names_of_any_characters() {
        let mut arena = Arena::new();
        let family = Dynamic {
            name: "http.requests",
            help: "",
            kind: Kind::Counter,
        };
        arena.put_dynamic_at(
            family,
            &[("status.code", "200")],
            1.0,
            Some(1_700_000_000_000),
        );
        assert_eq!(
            encoded(&mut arena, Escaping::AllowUtf8),
            "# HELP \"http.requests\" \n# TYPE \"http.requests\" counter\n\
             {\"http.requests\",\"status.code\"=\"200\"} 1 1700000000000\n"
        );
        assert_eq!(
            encoded(&mut arena, Escaping::Dots),
            "# HELP http_dot_requests \n# TYPE http_dot_requests counter\n\
             http_dot_requests{status_dot_code=\"200\"} 1 1700000000000\n"
        );
    }
}
