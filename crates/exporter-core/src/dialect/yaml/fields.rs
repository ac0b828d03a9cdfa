//! Values of a mapping by key, and the mistakes found on the way.

use super::{Node, Place, Value};

/// Mistakes in a document, in the order found.
#[derive(Debug, Default)]
pub struct Problems(Vec<(Place, String)>);

impl Problems {
    /// Adds one.
    pub fn push(&mut self, place: Place, what: impl Into<String>) {
        self.0.push((place, what.into()));
    }

    /// Passes a value on; its absence is a mistake at the node.
    pub fn expected<T>(&mut self, value: Option<T>, node: &Node, what: &str) -> Option<T> {
        if value.is_none() {
            let got = match &node.value {
                Value::Scalar { text, .. } if text.len() < 80 => format!("{text:?}"),
                _ => node.kind().to_owned(),
            };
            self.push(node.place, format!("expected {what}, got {got}"));
        }
        value
    }

    /// The value where nothing is wrong, else all mistakes by place, one a line, each beginning with
    /// `prefix`, line and column.
    pub fn into_result<T>(mut self, value: T, prefix: &str) -> Result<T, String> {
        if self.0.is_empty() {
            return Ok(value);
        }
        self.0.sort_by_key(|p| p.0);
        let lines = self
            .0
            .iter()
            .map(|(place, what)| format!("{prefix}{place}: {what}"));
        Err(lines.collect::<Vec<_>>().join("\n"))
    }
}

/// The entries of one mapping. [`Fields::finish`] tells the keys that nobody asked for.
pub struct Fields<'n> {
    what: &'static str,
    place: Place,
    entries: &'n [(Node, Node)],
    asked: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// Looks into a node; one that is no mapping is a mistake.
    pub fn of(node: &'n Node, what: &'static str, problems: &mut Problems) -> Self {
        let entries = match &node.value {
            Value::Mapping(entries) => entries.as_slice(),
            _ => {
                problems.push(
                    node.place,
                    format!("expected a mapping for {what}, got {}", node.kind()),
                );
                &[]
            }
        };
        Fields {
            what,
            place: node.place,
            entries,
            asked: Vec::new(),
        }
    }

    /// Where the mapping begins.
    pub fn place(&self) -> Place {
        self.place
    }

    /// The node of a key, unless it stands for nothing.
    pub fn node(&mut self, key: &'static str) -> Option<&'n Node> {
        self.asked.push(key);
        let entry = self.entries.iter().find(|e| e.0.text() == Some(key));
        entry.map(|e| &e.1).filter(|node| !node.is_null())
    }

    /// The value of a key, if it is there.
    pub fn get<T>(
        &mut self,
        key: &'static str,
        problems: &mut Problems,
        read: impl FnOnce(&Node, &mut Problems) -> Option<T>,
    ) -> Option<T> {
        self.node(key).and_then(|node| read(node, problems))
    }

    /// Where a key stands, the mapping's own place where it is absent.
    pub fn place_of(&self, key: &str) -> Place {
        let entry = self.entries.iter().find(|e| e.0.text() == Some(key));
        entry.map_or(self.place, |e| e.0.place)
    }

    /// Keys that nobody asked for are mistakes.
    pub fn finish(self, problems: &mut Problems) {
        for (key, _) in self.entries {
            let name = key.text().unwrap_or_default();
            if self.asked.contains(&name) {
                continue;
            }
            let hint = match nearest(name, &self.asked) {
                Some(known) => format!("did you mean {known:?}?"),
                None => format!("it takes {}", self.asked.join(", ")),
            };
            problems.push(
                key.place,
                format!("unknown key {name:?} in {}; {hint}", self.what),
            );
        }
    }
}

/// The items of a sequence; those that stand for nothing are left out.
pub fn list<T>(
    node: &Node,
    problems: &mut Problems,
    mut read: impl FnMut(&Node, &mut Problems) -> Option<T>,
) -> Option<Vec<T>> {
    let Value::Sequence(items) = &node.value else {
        return problems.expected(None, node, "a list");
    };
    let there = items.iter().filter(|item| !item.is_null());
    Some(there.filter_map(|item| read(item, problems)).collect())
}

/// The known word that a mistyped one resembles most, if any does.
pub fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let limit = (word.chars().count() / 3).max(1);
    let scored = known
        .iter()
        .map(|k| (distance(&word.to_lowercase(), k), *k));
    scored
        .filter(|s| s.0 <= limit)
        .min_by_key(|s| s.0)
        .map(|s| s.1)
}

/// Letters to insert, drop, replace or swap with their neighbour to get from one to the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            row[j] = (rows[i - 1][j] + 1)
                .min(row[j - 1] + 1)
                .min(rows[i - 1][j - 1] + cost);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(rows[i - 2][j - 2] + 1);
            }
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::super::{first_document, scalar};
    use super::*;
    use proptest::prelude::*;

    struct Sample {
        name: Option<String>,
        on: Option<bool>,
        count: Option<i64>,
        items: Option<Vec<String>>,
    }

    fn read(text: &str) -> Result<Sample, String> {
        let node = first_document(text)?.ok_or("1:1: nothing")?;
        let mut problems = Problems::default();
        let mut fields = Fields::of(&node, "sample", &mut problems);
        let sample = Sample {
            name: fields.get("name", &mut problems, scalar::string),
            on: fields.get("on_time", &mut problems, scalar::boolean),
            count: fields.get("count", &mut problems, scalar::integer),
            items: fields.get("items", &mut problems, |node, problems| {
                list(node, problems, scalar::string)
            }),
        };
        fields.finish(&mut problems);
        problems.into_result(sample, "")
    }

    #[test]
    fn mistakes_have_places() {
        for (text, expected) in [
            (
                "nmae: a\n",
                "1:1: unknown key \"nmae\" in sample; did you mean \"name\"?",
            ),
            (
                "name: a\non_time: perhaps\n",
                "2:10: expected true or false, got \"perhaps\"",
            ),
            ("items: one\n", "1:8: expected a list, got \"one\""),
            (
                "name: a\nname: b\n",
                "2:1: key \"name\" is there already, at line 1",
            ),
            (
                "- 1\n",
                "1:1: expected a mapping for sample, got a sequence",
            ),
            (
                "count: x\non_time: y z\n",
                "1:8: expected a whole number, got \"x\"\n2:10: expected true or false, got \"y z\"",
            ),
            (
                "xyzzy: 1\n",
                "1:1: unknown key \"xyzzy\" in sample; it takes name, on_time, count, items",
            ),
        ] {
            assert_eq!(read(text).map(|_| ()).unwrap_err(), expected, "{text:?}");
        }
        assert!(read("name: [\n").is_err() && read("items:\n\t- a\n").is_err());
    }

    #[test]
    fn scalars_by_kind() {
        for (text, value) in [
            ("true", Some(true)),
            ("\"true\"", Some(true)),
            ("'yes'", Some(true)),
            ("off", Some(false)),
            ("tRue", None),
            ("1", None),
            ("\"\"", None),
        ] {
            let sample = read(&format!("on_time: {text}\n"));
            assert_eq!(sample.ok().and_then(|s| s.on), value, "{text}");
        }
        for (text, value) in [
            ("010", Some(8)),
            ("0x1f", Some(31)),
            ("1_000", Some(1000)),
            ("+5", Some(5)),
            ("2.9", Some(2)),
            ("1e3", Some(1000)),
            ("\"7\"", Some(7)),
            ("\"2.9\"", None),
            ("true", None),
            ("1e30", None),
        ] {
            let sample = read(&format!("count: {text}\n"));
            assert_eq!(sample.ok().and_then(|s| s.count), value, "{text}");
        }
        for (text, value) in [
            ("1", "1"),
            ("true", "true"),
            ("!!binary aGk=", "hi"),
            ("'~'", "~"),
        ] {
            let sample = read(&format!("name: {text}\n"));
            assert_eq!(
                sample.ok().and_then(|s| s.name).as_deref(),
                Some(value),
                "{text}"
            );
        }
        assert_eq!(read("name: ~\n").ok().and_then(|s| s.name), None);
        assert_eq!(
            read("items: [a, ~, 1]\n")
                .ok()
                .and_then(|s| s.items)
                .unwrap(),
            ["a", "1"]
        );
    }

    #[test]
    fn anchors_merges_and_further_documents() {
        let sample = read("<<: {name: a, count: 1}\ncount: 2\n---\n: [ }\n").unwrap();
        assert_eq!((sample.name.as_deref(), sample.count), (Some("a"), Some(2)));
        let sample = read("items: [&x a, *x]\n").unwrap();
        assert_eq!(sample.items.unwrap(), ["a", "a"]);
        assert!(first_document("# nothing\n").unwrap().is_none());
        let mut bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for (before, name) in ["a", "b", "c", "d", "e", "f"]
            .iter()
            .zip(["b", "c", "d", "e", "f", "g"])
        {
            let aliases = vec![format!("*{before}"); 10].join(",");
            bomb.push_str(&format!("{name}: &{name} [{aliases}]\n"));
        }
        assert!(first_document(&bomb).unwrap_err().contains("too large"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = read(&text);
        }
    }
}
