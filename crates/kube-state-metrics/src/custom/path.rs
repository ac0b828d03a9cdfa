//! Paths to values within objects.

use super::value::number;
use exporter_core::dialect::strconv;
use serde_json::Value;

/// Steps from a value to one within it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Path(Vec<Step>);

/// One step. On a map it is a key unless `form` finds something.
#[derive(Clone, Debug, PartialEq)]
struct Step {
    text: String,
    form: Form,
}

#[derive(Clone, Debug, PartialEq)]
enum Form {
    /// A key and nothing else.
    Key,
    /// A number: on a list the element there, from the end where it is negative.
    Index(i64),
    /// `key=value`: on a map the value where it is that one.
    Pair { key: String, value: String },
    /// `[key=value]`: on a list the first map that has it.
    Lookup { key: String, value: Value },
}

impl Path {
    /// From the steps of a configuration.
    ///
    /// # Errors
    /// A step in brackets without `=`.
    pub fn new(steps: &[String]) -> Result<Self, String> {
        steps
            .iter()
            .map(|step| Step::new(step))
            .collect::<Result<_, _>>()
            .map(Path)
    }

    /// The value at the end, where there is one that is not null.
    pub fn get<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        let mut at = value;
        for step in &self.0 {
            at = step.get(at)?;
        }
        (!at.is_null()).then_some(at)
    }

    /// The only step, if there is no other.
    pub fn only_step(&self) -> Option<&str> {
        match self.0.as_slice() {
            [step] => Some(&step.text),
            _ => None,
        }
    }

    /// The steps as messages tell them.
    pub fn joined(&self) -> String {
        let steps: Vec<_> = self.0.iter().map(|step| step.text.as_str()).collect();
        steps.join(",")
    }
}

impl Step {
    fn new(text: &str) -> Result<Self, String> {
        let within = text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'));
        let form = match (within, text.split_once('=')) {
            (Some(within), _) => {
                let pair = within.split_once('=');
                let (key, value) = pair.ok_or_else(|| format!("invalid list lookup: {text}"))?;
                Form::Lookup {
                    key: key.to_owned(),
                    value: Value::String(value.to_owned()),
                }
            }
            (None, Some((key, value))) => Form::Pair {
                key: key.to_owned(),
                value: value.to_owned(),
            },
            (None, None) => text.parse().map_or(Form::Key, Form::Index),
        };
        let text = text.to_owned();
        Ok(Step { text, form })
    }

    fn get<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        match (value, &self.form) {
            (Value::Object(_), Form::Lookup { .. }) => None,
            (Value::Object(map), Form::Pair { key, value }) => match map.get(key) {
                Some(found) if found.as_str() == Some(value) => Some(found),
                _ => map.get(&self.text),
            },
            (Value::Object(map), _) => map.get(&self.text),
            (Value::Array(list), Form::Index(index)) => {
                let length = i64::try_from(list.len()).ok()?;
                let index = if *index < 0 {
                    length.checked_add(*index)?
                } else {
                    *index
                };
                list.get(usize::try_from(index).ok()?)
            }
            (Value::Array(list), Form::Lookup { key, value }) => list
                .iter()
                .find(|element| element.get(key).is_some_and(|found| alike(found, value))),
            _ => None,
        }
    }
}

/// Whether a value is the text of a lookup, as text, as a number or as a truth value.
fn alike(found: &Value, wanted: &Value) -> bool {
    let same_number = || match (number(found), number(wanted)) {
        (Ok(found), Ok(wanted)) => found == wanted,
        _ => false,
    };
    let same_truth = || match (found, wanted) {
        (Value::Bool(found), Value::String(wanted)) => strconv::parse_bool(wanted) == Some(*found),
        _ => false,
    };
    found == wanted || same_number() || same_truth()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn path(steps: &[&str]) -> Path {
        let steps: Vec<String> = steps.iter().map(|s| (*s).to_owned()).collect();
        Path::new(&steps).unwrap()
    }

    #[test]
    fn steps() {
        let object = json!({
            "a": {"b": 1, "0": "zero", "k": "v", "x=y": "odd"},
            "none": null,
            "list": [
                {"type": "Ready", "on": true, "n": 3, "s": "0.5"},
                {"type": "Done", "on": false, "n": "2Ki"},
                "text"
            ]
        });
        for (steps, expected) in [
            (&[][..], Some(object.clone())),
            (&["a", "b"], Some(json!(1))),
            (&["a", "0"], Some(json!("zero"))),
            (&["a", "k=v"], Some(json!("v"))),
            (&["a", "k=w"], None),
            (&["a", "x=y"], Some(json!("odd"))),
            (&["a", "b", "c"], None),
            (&["none"], None),
            (&["none", "x"], None),
            (&["list", "0", "type"], Some(json!("Ready"))),
            (&["list", "-1"], Some(json!("text"))),
            (&["list", "-4"], None),
            (&["list", "3"], None),
            (&["list", "type"], None),
            (&["list", "type=Ready"], None),
            (&["list", "[type=Done]", "n"], Some(json!("2Ki"))),
            (&["list", "[n=3]", "type"], Some(json!("Ready"))),
            (&["list", "[n=2048]", "type"], Some(json!("Done"))),
            (&["list", "[s=500m]", "type"], Some(json!("Ready"))),
            (&["list", "[on=f]", "type"], Some(json!("Done"))),
            (&["list", "[type=None]"], None),
            (&["a", "[k=v]"], None),
        ] {
            assert_eq!(path(steps).get(&object), expected.as_ref(), "{steps:?}");
        }
    }

    #[test]
    fn lookups_name_a_value() {
        let steps = ["a".to_owned(), "[b]".to_owned()];
        assert_eq!(
            Path::new(&steps),
            Err("invalid list lookup: [b]".to_owned())
        );
        assert_eq!(path(&["a", "b"]).joined(), "a,b");
        assert_eq!(
            (path(&["a"]).only_step(), path(&["a", "b"]).only_step()),
            (Some("a"), None)
        );
    }

    proptest! {
        #[test]
        fn no_step_makes_it_panic(step in "[-+\\[\\]=a-z0-9]{0,24}") {
            let value = json!([{"a": 1}, {"a": [null]}]);
            if let Ok(path) = Path::new(&[step]) {
                let _ = path.get(&value);
                let _ = path.get(&value[0]);
            }
        }
    }
}
