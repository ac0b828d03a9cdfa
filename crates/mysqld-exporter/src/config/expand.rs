//! References in values: `$NAME` and `${NAME}` to the environment, `%(key)s` to other keys.

/// How many references may lead from one to the next.
const DEPTH: usize = 99;

/// Replaces references to variables that are set; other uses of `$` stay as they are, since
/// passwords hold them. Names that are not set are given to `unset`.
pub fn variables(
    text: &str,
    variable: impl Fn(&str) -> Option<String>,
    mut unset: impl FnMut(&str),
) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let reference = &rest[at..];
        let (name, whole) = name_of(reference).unwrap_or(("", "$"));
        match variable(name).filter(|_| !name.is_empty()) {
            Some(value) => out.push_str(&value),
            None => {
                if !name.is_empty() {
                    unset(name);
                }
                out.push_str(whole);
            }
        }
        rest = &reference[whole.len()..];
    }
    out.push_str(rest);
    out
}

/// The name in `$NAME` or `${NAME}` and the whole of the reference.
fn name_of(reference: &str) -> Option<(&str, &str)> {
    let body = &reference[1..];
    if let Some(inner) = body.strip_prefix('{') {
        let name = &inner[..inner.find('}')?];
        return is_name(name).then(|| (name, &reference[..name.len() + 3]));
    }
    let length = body
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(body.len());
    let name = &body[..length];
    is_name(name).then(|| (name, &reference[..length + 1]))
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Replaces `%(key)s` by what `lookup` knows of the key; unknown ones stay.
pub fn keys(text: &str, lookup: impl Fn(&str) -> Option<String>) -> String {
    let mut value = text.to_owned();
    let mut from = 0;
    for _ in 0..DEPTH {
        let Some(start) = value[from..].find("%(").map(|at| at + from) else {
            break;
        };
        let Some(end) = value[start..].find(")s").map(|at| at + start) else {
            break;
        };
        match lookup(&value[start + 2..end]) {
            Some(replacement) => value.replace_range(start..end + 2, &replacement),
            None => from = start + 2,
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn known(name: &str) -> Option<String> {
        (name == "SET").then(|| "v$SET".to_owned())
    }

    #[test]
    fn only_what_is_set_is_replaced() {
        for (text, expected, missing) in [
            ("a${SET}b", "av$SETb", None),
            ("$SET.", "v$SET.", None),
            ("pa$$word", "pa$$word", Some("word")),
            ("100$", "100$", None),
            ("${SET", "${SET", None),
            ("${}", "${}", None),
            ("$1a", "$1a", None),
            ("$SETTER", "$SETTER", Some("SETTER")),
        ] {
            let mut unset = None;
            let value = variables(text, known, |name| unset = Some(name.to_owned()));
            assert_eq!(value, expected, "{text}");
            assert_eq!(unset.as_deref(), missing, "{text}");
        }
    }

    #[test]
    fn other_keys() {
        let lookup = |key: &str| match key {
            "a" => Some("1%(b)s".to_owned()),
            "b" => Some("2".to_owned()),
            "loop" => Some("%(loop)s".to_owned()),
            _ => None,
        };
        assert_eq!(keys("x%(a)sy", lookup), "x12y");
        assert_eq!(keys("%(no)s%(b)s", lookup), "%(no)s2");
        assert_eq!(keys("%(b", lookup), "%(b");
        assert_eq!(keys("%(loop)s", lookup), "%(loop)s");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            variables(&text, |_| Some("x".into()), |_| {});
            keys(&text, |key| Some(key.to_owned()));
        }
    }
}
