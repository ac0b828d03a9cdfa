//! What is kept of an object: its series, with everything that repeats written once.
//!
//! ```text
//! width           1 or 4: bytes of an offset, less 1
//! families        one bit a family, set where the object has series of it
//! base            length, then the labels that begin each series, as text
//! offsets         one a set bit, from the start of the sections
//! sections        for each set bit its series, up to the next section
//!
//! series          head, value, labels
//! head            bit 0: labels carry their names, their number follows the value
//!                 bit 1: the value is a float of 8 bytes; else it is the rest of the head
//! label value     even: length times two, then the text as it stands between quotes
//!                 odd: a word of the list below, or the place of an equal text in the sections
//! ```
//!
//! Numbers are base-128 varints, the low bits first. A pod of fifty series and 9 kB of text takes
//! about 1.3 kB. No string is shared between objects, so nothing is counted or locked when one goes.

use super::head::Line;
use exporter_core::exposition::number;
use hashbrown::HashTable;
use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::{Arc, LazyLock};

/// Words that series of many objects hold. The first 64 take one byte.
const WORDS: &[&str] = &[
    "true",
    "false",
    "unknown",
    "byte",
    "core",
    "integer",
    "cpu",
    "memory",
    "Pending",
    "Succeeded",
    "Failed",
    "Unknown",
    "Running",
    "BestEffort",
    "Burstable",
    "Guaranteed",
    "Exists",
    "Equal",
    "NoExecute",
    "NoSchedule",
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/unreachable",
    "300",
    "ReplicaSet",
    "DaemonSet",
    "StatefulSet",
    "Job",
    "Deployment",
    "Always",
    "OnFailure",
    "Never",
    "default",
    "default-scheduler",
    "4",
    "6",
    "Ready",
    "MemoryPressure",
    "DiskPressure",
    "PIDPressure",
    "NetworkUnavailable",
    "ephemeral_storage",
    "pods",
    "hugepages_1Gi",
    "hugepages_2Mi",
    "InternalIP",
    "Hostname",
    "Available",
    "Progressing",
    "NewReplicaSetAvailable",
    "MinimumReplicasAvailable",
    "ReplicaFailure",
    "Active",
    "Terminating",
    "ClusterIP",
    "None",
    "TCP",
    "UDP",
    "Opaque",
    "hard",
    "used",
    "RollingUpdate",
    "Node",
    "Bound",
    "ReadWriteOnce",
];

static WORD_NUMBERS: LazyLock<HashMap<&'static str, u64>> = LazyLock::new(|| {
    WORDS
        .iter()
        .zip(0..)
        .map(|(word, number)| (*word, number))
        .collect()
});

/// The series of one object. Cloning shares them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record(Arc<[u8]>);

/// Makes records, keeping its buffers from one to the next.
#[derive(Default)]
pub struct Writer {
    base: Vec<u8>,
    sections: Vec<u8>,
    /// Families begun, with where their sections begin.
    begun: Vec<(usize, usize)>,
    /// Places of literals in `sections`.
    literals: HashTable<usize>,
    hasher: foldhash::fast::FixedState,
    scratch: Vec<u8>,
    out: Vec<u8>,
}

impl Writer {
    /// Begins an object whose series all begin with these labels.
    pub fn begin<'a>(&mut self, base: impl Iterator<Item = (&'a str, &'a str)>) {
        self.base.clear();
        self.sections.clear();
        self.begun.clear();
        self.literals.clear();
        for (name, value) in base {
            if !self.base.is_empty() {
                self.base.push(b',');
            }
            self.base.extend_from_slice(name.as_bytes());
            self.base.extend_from_slice(b"=\"");
            push_escaped(&mut self.base, value.as_bytes());
            self.base.push(b'"');
        }
    }

    /// Writes a family, of which `put` puts the series. Families come in ascending order.
    pub fn family(&mut self, number: usize, put: impl FnOnce(&mut Self)) {
        let start = self.sections.len();
        put(self);
        if self.sections.len() > start {
            self.begun.push((number, start));
        }
    }

    /// Puts a series whose labels have the names of its family, in their order.
    pub fn put(&mut self, labels: &[&str], value: f64) {
        self.head(value, false);
        for label in labels {
            self.text(label);
        }
    }

    /// Puts a series that brings its own label names.
    pub fn put_named<'a>(
        &mut self,
        labels: impl ExactSizeIterator<Item = (&'a str, &'a str)>,
        value: f64,
    ) {
        self.head(value, true);
        push_varint(&mut self.sections, labels.len() as u64);
        for (name, value) in labels {
            self.text(name);
            self.text(value);
        }
    }

    fn head(&mut self, value: f64, named: bool) {
        let named = u64::from(named);
        let whole = value as u64;
        if whole < 1 << 53 && whole as f64 == value {
            push_varint(&mut self.sections, whole << 2 | named);
        } else {
            push_varint(&mut self.sections, 2 | named);
            self.sections.extend_from_slice(&value.to_le_bytes());
        }
    }

    /// Appends a label value: a word, the place of an equal text, or the text itself.
    fn text(&mut self, text: &str) {
        if text.len() < 2 {
            return self.literal(text.as_bytes());
        }
        if let Some(word) = WORD_NUMBERS.get(text) {
            return push_varint(&mut self.sections, word << 1 | 1);
        }
        let mut escaped = std::mem::take(&mut self.scratch);
        escaped.clear();
        push_escaped(&mut escaped, text.as_bytes());
        let hash = self.hasher.hash_one(&escaped[..]);
        let sections = &self.sections;
        match self
            .literals
            .find(hash, |place| literal_at(sections, *place) == escaped)
        {
            Some(place) => {
                let reference = (WORDS.len() + place) as u64;
                push_varint(&mut self.sections, reference << 1 | 1);
            }
            None => {
                let place = self.sections.len();
                self.literal(&escaped);
                let (sections, hasher) = (&self.sections, &self.hasher);
                let rehash = |place: &usize| hasher.hash_one(literal_at(sections, *place));
                self.literals.insert_unique(hash, place, rehash);
            }
        }
        self.scratch = escaped;
    }

    fn literal(&mut self, escaped: &[u8]) {
        // A text of one byte may have to be escaped, too.
        if escaped.len() == 1 {
            let start = self.sections.len();
            self.sections.push(0);
            push_escaped(&mut self.sections, escaped);
            self.sections[start] = ((self.sections.len() - start - 1) << 1) as u8;
            return;
        }
        push_varint(&mut self.sections, (escaped.len() as u64) << 1);
        self.sections.extend_from_slice(escaped);
    }

    /// The record of the object begun, one of `families` families.
    pub fn finish(&mut self, families: usize) -> Record {
        let out = &mut self.out;
        out.clear();
        let width = if self.sections.len() <= usize::from(u16::MAX) {
            2
        } else {
            4
        };
        out.push(width as u8 - 1);
        out.resize(1 + families.div_ceil(8), 0);
        for (number, _) in &self.begun {
            out[1 + number / 8] |= 1 << (number % 8);
        }
        push_varint(out, self.base.len() as u64);
        out.extend_from_slice(&self.base);
        for (_, start) in &self.begun {
            out.extend_from_slice(&(*start as u32).to_le_bytes()[..width]);
        }
        out.extend_from_slice(&self.sections);
        Record(out.as_slice().into())
    }
}

impl Record {
    /// Bytes that it takes.
    pub fn size(&self) -> usize {
        self.0.len()
    }

    /// Appends the lines of one of `families` families.
    pub fn render(&self, families: usize, number: usize, line: &Line, out: &mut Vec<u8>) {
        let bytes = &self.0[..];
        let bits = &bytes[1..1 + families.div_ceil(8)];
        if bits[number / 8] & 1 << (number % 8) == 0 {
            return;
        }
        let width = usize::from(bytes[0]) + 1;
        let (before, all) = ranks(bits, number);
        let mut reader = Reader {
            bytes,
            at: 1 + bits.len(),
        };
        let base_length = reader.varint() as usize;
        let base = reader.take(base_length);
        let offsets = reader.take(all * width);
        let sections = &bytes[reader.at..];
        let offset = |index: usize| {
            let mut le = [0; 4];
            le[..width].copy_from_slice(&offsets[index * width..(index + 1) * width]);
            u32::from_le_bytes(le) as usize
        };
        let end = if before + 1 < all {
            offset(before + 1)
        } else {
            sections.len()
        };
        let mut reader = Reader {
            bytes: &sections[..end],
            at: offset(before),
        };
        while reader.at < end {
            reader.line(base, line, out);
        }
    }
}

/// How many bits are set before `number`, and in all.
fn ranks(bits: &[u8], number: usize) -> (usize, usize) {
    let (mut before, mut all) = (0, 0);
    for (index, chunk) in bits.chunks(8).enumerate() {
        let mut le = [0; 8];
        le[..chunk.len()].copy_from_slice(chunk);
        let word = u64::from_le_bytes(le);
        all += word.count_ones() as usize;
        before += match number.checked_sub(index * 64) {
            Some(bit) if bit < 64 => (word & ((1 << bit) - 1)).count_ones() as usize,
            Some(_) => word.count_ones() as usize,
            None => 0,
        };
    }
    (before, all)
}

/// Reads what [`Writer`] wrote; nothing else comes here.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    #[inline]
    fn varint(&mut self) -> u64 {
        let first = self.bytes[self.at];
        self.at += 1;
        if first < 0x80 {
            return u64::from(first);
        }
        let (mut value, mut shift) = (u64::from(first & 0x7f), 7);
        loop {
            let byte = self.bytes[self.at];
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return value;
            }
            shift += 7;
        }
    }

    #[inline]
    fn take(&mut self, length: usize) -> &'a [u8] {
        let taken = &self.bytes[self.at..self.at + length];
        self.at += length;
        taken
    }

    #[inline]
    fn text(&mut self) -> &'a [u8] {
        let code = self.varint() as usize;
        if code & 1 == 0 {
            return self.take(code >> 1);
        }
        match WORDS.get(code >> 1) {
            Some(word) => word.as_bytes(),
            None => literal_at(self.bytes, (code >> 1) - WORDS.len()),
        }
    }

    #[inline]
    fn line(&mut self, base: &[u8], line: &Line, out: &mut Vec<u8>) {
        let head = self.varint();
        let value = if head & 2 == 0 {
            Value::Whole(head >> 2)
        } else {
            let mut le = [0; 8];
            le.copy_from_slice(self.take(8));
            Value::Float(f64::from_le_bytes(le))
        };
        out.extend_from_slice(&line.start);
        out.extend_from_slice(base);
        if head & 1 == 0 {
            for start in &line.labels {
                out.extend_from_slice(start);
                let text = self.text();
                out.extend_from_slice(text);
                out.push(b'"');
            }
        } else {
            let mut separator: &[u8] = if base.is_empty() { b"" } else { b"," };
            for _ in 0..self.varint() {
                out.extend_from_slice(separator);
                out.extend_from_slice(self.text());
                out.extend_from_slice(b"=\"");
                out.extend_from_slice(self.text());
                out.push(b'"');
                separator = b",";
            }
        }
        if out.last() == Some(&b'{') {
            out.pop();
            out.push(b' ');
        } else {
            out.extend_from_slice(b"} ");
        }
        match value {
            Value::Whole(value) => push_whole(out, value),
            Value::Float(value) => number::push(out, value),
        }
        out.push(b'\n');
    }
}

enum Value {
    Whole(u64),
    Float(f64),
}

/// A whole number below 2^53 as the text format prints the float.
fn push_whole(out: &mut Vec<u8>, value: u64) {
    if value < 10 {
        return out.push(b'0' + value as u8);
    }
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(value).as_bytes();
    let exponent = digits.len() - 1;
    if exponent < 6 {
        return out.extend_from_slice(digits);
    }
    let zeros = digits
        .iter()
        .rev()
        .take_while(|digit| **digit == b'0')
        .count();
    out.push(digits[0]);
    let rest = &digits[1..digits.len() - zeros];
    if !rest.is_empty() {
        out.push(b'.');
        out.extend_from_slice(rest);
    }
    out.extend_from_slice(b"e+");
    out.extend_from_slice(&[b'0' + (exponent / 10) as u8, b'0' + (exponent % 10) as u8]);
}

/// The literal whose length stands at `place`.
fn literal_at(sections: &[u8], place: usize) -> &[u8] {
    let mut reader = Reader {
        bytes: sections,
        at: place,
    };
    let length = reader.varint() as usize >> 1;
    reader.take(length)
}

fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn push_escaped(out: &mut Vec<u8>, text: &[u8]) {
    let mut rest = text;
    while let Some(at) = memchr::memchr3(b'\\', b'\n', b'"', rest) {
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

#[cfg(test)]
mod tests {
    use super::super::{Head, Heads, Kind};
    use super::*;
    use proptest::prelude::*;

    /// A series: whether it brings its label names, two label values, a value.
    type Sample = (bool, String, String, f64);

    fn plainly(base: &[(String, String)], name: &str, sample: &Sample) -> String {
        let (named, first, second, value) = sample;
        let escape = |text: &str| {
            let text = text.replace('\\', "\\\\").replace('\n', "\\n");
            text.replace('"', "\\\"")
        };
        let own = match named {
            true => ["n1", "n2"],
            false => ["l1", "l2"],
        };
        let own = own.into_iter().zip([first, second]);
        let own = own.map(|(name, value)| (name.to_owned(), value.clone()));
        let labels = base.iter().cloned().chain(own);
        let labels: Vec<String> = labels
            .map(|(name, value)| format!("{name}=\"{}\"", escape(&value)))
            .collect();
        let mut number = Vec::new();
        number::push(&mut number, *value);
        format!(
            "{name}{{{}}} {}\n",
            labels.join(","),
            String::from_utf8(number).unwrap()
        )
    }

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![
            any::<f64>(),
            (0u64..1 << 54).prop_map(|whole| whole as f64),
            (0u64..300).prop_map(|whole| whole as f64 * 1e6),
            -3.0..3.0f64,
        ]
    }

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a-c\"\\\\\n]{0,4}",
            Just("true".to_owned()),
            Just("node-0001".to_owned()),
            ".{0,300}",
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn says_what_was_put(
            base in proptest::collection::vec(("[a-z]{1,5}", text()), 0..3),
            families in proptest::collection::vec(
                proptest::collection::vec((any::<bool>(), text(), text(), value()), 0..4),
                1..140,
            ),
        ) {
            let head = |number: usize| Head {
                name: format!("family_{number}").into(),
                kind: Kind::Gauge,
                help: "".into(),
                labels: &["l1", "l2"],
            };
            // Without labels at the beginning all series bring their names.
            let named = base.is_empty();
            let heads = Heads::new((0..families.len()).map(head).collect());
            let mut writer = Writer::default();
            writer.begin(base.iter().map(|(name, value)| (name.as_str(), value.as_str())));
            let mut expected = Vec::new();
            for (number, samples) in families.iter().enumerate() {
                let mut text = String::new();
                writer.family(number, |writer| {
                    for (own, first, second, value) in samples {
                        let own = *own || named;
                        let labels = [("n1", first.as_str()), ("n2", second.as_str())];
                        match own {
                            true => writer.put_named(labels.into_iter(), *value),
                            false => writer.put(&[first, second], *value),
                        }
                        let sample = (own, first.clone(), second.clone(), *value);
                        text += &plainly(&base, &format!("family_{number}"), &sample);
                    }
                });
                expected.push(text);
            }
            let record = writer.finish(families.len());
            for (number, expected) in expected.iter().enumerate() {
                let mut out = Vec::new();
                record.render(families.len(), number, heads.line(number), &mut out);
                prop_assert_eq!(String::from_utf8(out).unwrap(), expected.as_str());
            }
        }
    }

    #[test]
    fn a_series_without_labels_has_no_braces() {
        let heads = Heads::new(vec![Head {
            name: "bare".into(),
            kind: Kind::Gauge,
            help: "".into(),
            labels: &[],
        }]);
        let mut writer = Writer::default();
        writer.begin(std::iter::empty());
        writer.family(0, |writer| writer.put_named(std::iter::empty(), 1.5));
        let mut out = Vec::new();
        writer.finish(1).render(1, 0, heads.line(0), &mut out);
        assert_eq!(out, b"bare 1.5\n");
    }
}
