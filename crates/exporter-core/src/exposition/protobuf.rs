//! `io.prometheus.client.MetricFamily` messages: length-delimited, and in protobuf text form.
//!
//! Field numbers: <https://github.com/prometheus/client_model/blob/master/io/prometheus/client/metrics.proto>.

use super::names::{self, Escaping};
use super::{Arena, Exemplar, Kind, number};
use crate::exposition::arena::{FamilyView, SampleView};

/// Appends every family behind its length as a varint.
pub fn encode_delimited(arena: &Arena, escaping: Escaping, out: &mut Vec<u8>) {
    let mut sink = Binary { out };
    for family in arena.families() {
        sink.delimited(|sink| push_family(sink, &family, escaping));
    }
}

/// Appends every family in text form: over several lines with a blank line after each, or one a
/// line.
pub fn encode_text(arena: &Arena, escaping: Escaping, compact: bool, out: &mut Vec<u8>) {
    for family in arena.families() {
        let mut sink = TextForm {
            out,
            compact,
            depth: 0,
            first: true,
        };
        push_family(&mut sink, &family, escaping);
        sink.out.push(b'\n');
    }
}

/// One of the two ways to write fields.
trait Sink {
    fn message(&mut self, field: u32, name: &str, inside: impl FnOnce(&mut Self));
    fn text(&mut self, field: u32, name: &str, value: &str);
    fn double(&mut self, field: u32, name: &str, value: f64);
    fn integer(&mut self, field: u32, name: &str, value: u64);
    fn word(&mut self, field: u32, name: &str, number: u64, word: &str);
}

fn push_family(sink: &mut impl Sink, family: &FamilyView<'_>, escaping: Escaping) {
    sink.text(1, "name", &names::escape(family.name(), escaping, true));
    sink.text(2, "help", family.help());
    let (number, word) = match family.kind() {
        Kind::Counter => (0, "COUNTER"),
        Kind::Gauge => (1, "GAUGE"),
        Kind::Summary => (2, "SUMMARY"),
        Kind::Untyped => (3, "UNTYPED"),
        Kind::Histogram => (4, "HISTOGRAM"),
        Kind::GaugeHistogram => (5, "GAUGE_HISTOGRAM"),
    };
    sink.word(3, "type", number, word);
    for sample in family.samples() {
        sink.message(4, "metric", |sink| {
            push_metric(sink, family.kind(), &sample, escaping)
        });
    }
    if !family.unit().is_empty() {
        sink.text(5, "unit", family.unit());
    }
}

fn push_metric(sink: &mut impl Sink, kind: Kind, sample: &SampleView<'_>, escaping: Escaping) {
    for (name, value) in sample.labels().iter() {
        push_label(sink, name, value, escaping);
    }
    match sample.distribution() {
        None => push_value(sink, kind, sample, escaping),
        Some(d) if kind == Kind::Summary => sink.message(4, "summary", |sink| {
            sink.integer(1, "sample_count", d.count as u64);
            sink.double(2, "sample_sum", d.sum);
            for (quantile, value) in d.points {
                sink.message(3, "quantile", |sink| {
                    sink.double(1, "quantile", *quantile);
                    sink.double(2, "value", *value);
                });
            }
        }),
        Some(d) => sink.message(7, "histogram", |sink| {
            sink.integer(1, "sample_count", d.count as u64);
            sink.double(2, "sample_sum", d.sum);
            for (index, (bound, count)) in d.points.iter().enumerate() {
                sink.message(3, "bucket", |sink| {
                    sink.integer(1, "cumulative_count", *count as u64);
                    sink.double(2, "upper_bound", *bound);
                    if let Some(exemplar) = sample.exemplar(Some(index)) {
                        push_exemplar(sink, 3, exemplar, escaping);
                    }
                });
            }
        }),
    }
    if let Some(timestamp) = sample.timestamp_ms() {
        sink.integer(6, "timestamp_ms", timestamp as u64);
    }
}

fn push_value(sink: &mut impl Sink, kind: Kind, sample: &SampleView<'_>, escaping: Escaping) {
    let (field, name) = match kind {
        Kind::Counter => (3, "counter"),
        Kind::Gauge => (2, "gauge"),
        _ => (5, "untyped"),
    };
    sink.message(field, name, |sink| {
        sink.double(1, "value", sample.value());
        if let (Kind::Counter, Some(exemplar)) = (kind, sample.exemplar(None)) {
            push_exemplar(sink, 2, exemplar, escaping);
        }
    });
}

fn push_label(sink: &mut impl Sink, name: &str, value: &str, escaping: Escaping) {
    sink.message(1, "label", |sink| {
        sink.text(1, "name", &names::escape(name, escaping, false));
        sink.text(2, "value", value);
    });
}

fn push_exemplar(sink: &mut impl Sink, field: u32, exemplar: &Exemplar, escaping: Escaping) {
    sink.message(field, "exemplar", |sink| {
        for (name, value) in &exemplar.labels {
            push_label(sink, name, value, escaping);
        }
        sink.double(2, "value", exemplar.value);
        if let Some(timestamp) = exemplar.timestamp_ms {
            sink.message(3, "timestamp", |sink| {
                sink.integer(1, "seconds", timestamp.div_euclid(1000) as u64);
                let nanos = timestamp.rem_euclid(1000) * 1_000_000;
                sink.integer(2, "nanos", nanos as u64);
            });
        }
    });
}

struct Binary<'a> {
    out: &'a mut Vec<u8>,
}

impl Binary<'_> {
    fn key(&mut self, field: u32, wire: u32) {
        self.varint(u64::from(field << 3 | wire));
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.out.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }

    /// Writes what `inside` writes behind its length, moving it by the few bytes that takes.
    fn delimited(&mut self, inside: impl FnOnce(&mut Self)) {
        let start = self.out.len();
        inside(self);
        let length = self.out.len() - start;
        self.varint(length as u64);
        let prefix = self.out.len() - start - length;
        self.out[start..].rotate_right(prefix);
    }
}

impl Sink for Binary<'_> {
    fn message(&mut self, field: u32, _: &str, inside: impl FnOnce(&mut Self)) {
        self.key(field, 2);
        self.delimited(inside);
    }

    fn text(&mut self, field: u32, _: &str, value: &str) {
        self.key(field, 2);
        self.varint(value.len() as u64);
        self.out.extend_from_slice(value.as_bytes());
    }

    fn double(&mut self, field: u32, _: &str, value: f64) {
        self.key(field, 1);
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    fn integer(&mut self, field: u32, _: &str, value: u64) {
        self.key(field, 0);
        self.varint(value);
    }

    fn word(&mut self, field: u32, name: &str, number: u64, _: &str) {
        self.integer(field, name, number);
    }
}

struct TextForm<'a> {
    out: &'a mut Vec<u8>,
    compact: bool,
    depth: usize,
    first: bool,
}

impl TextForm<'_> {
    fn begin(&mut self, name: &str) {
        if self.compact {
            if !std::mem::take(&mut self.first) {
                self.out.push(b' ');
            }
        } else {
            self.out.extend(std::iter::repeat_n(b' ', 2 * self.depth));
        }
        self.out.extend_from_slice(name.as_bytes());
    }

    fn scalar(&mut self, name: &str, value: impl FnOnce(&mut Vec<u8>)) {
        self.begin(name);
        self.out.push(b':');
        if !self.compact {
            self.out.push(b' ');
        }
        value(self.out);
        self.end();
    }

    fn end(&mut self) {
        if !self.compact {
            self.out.push(b'\n');
        }
    }
}

impl Sink for TextForm<'_> {
    fn message(&mut self, _: u32, name: &str, inside: impl FnOnce(&mut Self)) {
        self.begin(name);
        self.out
            .extend_from_slice(if self.compact { b":{" } else { b": {" });
        self.end();
        self.depth += 1;
        self.first = true;
        inside(self);
        self.depth -= 1;
        self.first = false;
        if !self.compact {
            self.out.extend(std::iter::repeat_n(b' ', 2 * self.depth));
        }
        self.out.push(b'}');
        self.end();
    }

    fn text(&mut self, _: u32, name: &str, value: &str) {
        self.scalar(name, |out| {
            out.push(b'"');
            for c in value.chars() {
                match c {
                    '"' => out.extend_from_slice(b"\\\""),
                    '\\' => out.extend_from_slice(b"\\\\"),
                    '\n' => out.extend_from_slice(b"\\n"),
                    '\r' => out.extend_from_slice(b"\\r"),
                    '\t' => out.extend_from_slice(b"\\t"),
                    c if c.is_ascii_control() => {
                        out.extend_from_slice(format!("\\x{:02x}", u32::from(c)).as_bytes());
                    }
                    c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
                }
            }
            out.push(b'"');
        });
    }

    fn double(&mut self, _: u32, name: &str, value: f64) {
        self.scalar(name, |out| match value {
            v if v.is_nan() => out.extend_from_slice(b"nan"),
            v if v.is_infinite() && v > 0.0 => out.extend_from_slice(b"inf"),
            v if v.is_infinite() => out.extend_from_slice(b"-inf"),
            v => number::push(out, v),
        });
    }

    fn integer(&mut self, _: u32, name: &str, value: u64) {
        self.scalar(name, |out| {
            out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes())
        });
    }

    fn word(&mut self, _: u32, name: &str, _: u64, word: &str) {
        self.scalar(name, |out| out.extend_from_slice(word.as_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::Family;

    static UP: Family = Family::gauge("up", &["job"], "Up.");

    fn arena() -> Arena {
        let mut arena = Arena::new();
        arena.put(&UP, &["x"], 1.0);
        arena.seal();
        arena
    }

    #[test]
    fn bytes_on_the_wire() {
        let mut out = Vec::new();
        encode_delimited(&arena(), Escaping::Underscores, &mut out);
        let metric: &[u8] = b"\x0a\x08\x0a\x03job\x12\x01x\x12\x09\x09\0\0\0\0\0\0\xf0\x3f";
        let mut family = b"\x0a\x02up\x12\x03Up.\x18\x01\x22".to_vec();
        family.push(metric.len() as u8);
        family.extend(metric);
        let mut expected = vec![family.len() as u8];
        expected.extend(family);
        assert_eq!(out, expected);
    }

    #[test]
    fn long_messages_have_long_lengths() {
        let mut arena = Arena::new();
        arena.put(&UP, &["y".repeat(300).as_str()], 1.0);
        arena.seal();
        let mut out = Vec::new();
        encode_delimited(&arena, Escaping::Underscores, &mut out);
        let length = usize::from(out[0] & 0x7f) | usize::from(out[1]) << 7;
        assert_eq!(out.len(), length + 2);
    }

    #[test]
    fn text_forms() {
        let mut out = Vec::new();
        encode_text(&arena(), Escaping::Underscores, true, &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "name:\"up\" help:\"Up.\" type:GAUGE metric:{label:{name:\"job\" value:\"x\"} gauge:{value:1}}\n"
        );
        let mut out = Vec::new();
        encode_text(&arena(), Escaping::Underscores, false, &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "name: \"up\"\nhelp: \"Up.\"\ntype: GAUGE\nmetric: {\n  label: {\n    name: \"job\"\n    \
             value: \"x\"\n  }\n  gauge: {\n    value: 1\n  }\n}\n\n"
        );
    }
}
