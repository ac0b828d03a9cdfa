//! Label selectors, where there is no API server to apply them.

use crate::object::Pairs;

/// Requirements that all have to be met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    Exists,
    Absent,
    In(Vec<String>),
    NotIn(Vec<String>),
    Above(i64),
    Below(i64),
}

impl Selector {
    /// Reads a selector as the API server does: `a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1,m<2`.
    ///
    /// # Errors
    /// The requirement that is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let requirements = split(text).into_iter().map(|term| {
            Requirement::parse(term.trim()).ok_or_else(|| {
                let term = term.trim();
                format!("{term:?} is no requirement such as a=b, a!=b, a in (b,c), a or !a")
            })
        });
        requirements.collect::<Result<_, _>>().map(Selector)
    }

    /// Whether an object with these labels is selected.
    pub fn selects(&self, labels: &Pairs) -> bool {
        self.0.iter().all(|requirement| requirement.met(labels))
    }
}

impl Requirement {
    fn parse(term: &str) -> Option<Self> {
        let new = |key: &str, test| {
            let key = key.trim();
            is_key(key).then(|| Requirement {
                key: key.to_owned(),
                test,
            })
        };
        if let Some(key) = term.strip_prefix('!') {
            return new(key, Test::Absent);
        }
        if let Some(list) = term.strip_suffix(')') {
            let (head, list) = list.split_once('(')?;
            let (key, operator) = head.trim().split_once(char::is_whitespace)?;
            let list: Vec<_> = list.split(',').map(value).collect::<Option<_>>()?;
            return match operator.trim() {
                "in" => new(key, Test::In(list)),
                "notin" => new(key, Test::NotIn(list)),
                _ => None,
            };
        }
        let Some(at) = term.find(['=', '!', '<', '>']) else {
            return new(term, Test::Exists);
        };
        let (key, rest) = term.split_at(at);
        let equals = rest.strip_prefix("==").or_else(|| rest.strip_prefix('='));
        if let Some(text) = equals {
            return new(key, Test::In(vec![value(text)?]));
        }
        if let Some(text) = rest.strip_prefix("!=") {
            return new(key, Test::NotIn(vec![value(text)?]));
        }
        match rest.strip_prefix('>') {
            Some(number) => new(key, Test::Above(number.trim().parse().ok()?)),
            None => {
                let number = rest.strip_prefix('<')?;
                new(key, Test::Below(number.trim().parse().ok()?))
            }
        }
    }

    fn met(&self, labels: &Pairs) -> bool {
        let value = labels.get(&self.key);
        let number = || value.and_then(|value| value.parse::<i64>().ok());
        match &self.test {
            Test::Exists => value.is_some(),
            Test::Absent => value.is_none(),
            Test::In(list) => value.is_some_and(|value| list.contains(value)),
            Test::NotIn(list) => value.is_none_or(|value| !list.contains(value)),
            Test::Above(bound) => number().is_some_and(|number| number > *bound),
            Test::Below(bound) => number().is_some_and(|number| number < *bound),
        }
    }
}

/// Parts between the commas that stand in no parentheses.
fn split(text: &str) -> Vec<&str> {
    let mut inside = false;
    text.split(|letter| {
        match letter {
            '(' => inside = true,
            ')' => inside = false,
            _ => {}
        }
        letter == ',' && !inside
    })
    .collect()
}

fn is_key(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|byte| may_stand(byte) || byte == b'/')
}

fn value(text: &str) -> Option<String> {
    let text = text.trim();
    text.bytes().all(may_stand).then(|| text.to_owned())
}

fn may_stand(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::parse;
    use proptest::prelude::*;

    #[test]
    fn requirements() {
        let labels: Pairs = parse(br#"{"app":"web","tier/x":"","size":"7"}"#).unwrap();
        for (selector, selected) in [
            ("app=web", true),
            ("app == web,size", true),
            ("app=db", false),
            ("app!=db, none!=x", true),
            ("app!=web", false),
            ("app in (db, web),size=7", true),
            ("app in (db)", false),
            ("app notin (db),none notin (a,b)", true),
            ("app notin (web)", false),
            ("tier/x", true),
            ("tier/x=", true),
            ("none=", false),
            ("!none", true),
            ("! app", false),
            ("size>6,size<8", true),
            ("size>7", false),
            ("app<9", false),
        ] {
            let parsed = Selector::parse(selector).unwrap();
            assert_eq!(parsed.selects(&labels), selected, "{selector}");
        }
    }

    #[test]
    fn what_is_no_selector() {
        for wrong in [
            "", "a,", "a b", "a=b c", "a in b", "a in (b", "=b", "a>x", "a!b", "a on (b)",
        ] {
            assert!(Selector::parse(wrong).is_err(), "{wrong}");
        }
        let why = Selector::parse("a=b,c=d=e").unwrap_err();
        assert!(why.starts_with("\"c=d=e\" is no requirement"), "{why}");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[a-z!=<>(), ]{0,20}|\\PC*") {
            let _ = Selector::parse(&text);
        }
    }
}
