//! YAML files of users: strict loading with errors that name file, line and column.

use serde::de::{Deserialize, DeserializeOwned, Deserializer};
use std::path::Path;

/// Reads a YAML file. Unknown keys are errors where the type says so, keys that occur twice always;
/// a file without any value is the default. The error names file, line, column and what was
/// expected.
pub fn load<T: DeserializeOwned + Default>(path: &Path) -> Result<T, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    parse(&text).map_err(|e| format!("{}:{e}", path.display()))
}

/// The same for a text; the error begins with line and column.
pub fn parse<T: DeserializeOwned + Default>(text: &str) -> Result<T, String> {
    if is_empty(text) {
        return Ok(T::default());
    }
    serde_saphyr::from_str(text).map_err(|error| placed(&error))
}

/// A text of which only the first document counts and the last of keys that occur twice, as
/// programs with lenient YAML libraries read theirs; the error begins with line and column.
pub fn parse_lenient<T: DeserializeOwned + Default>(text: &str) -> Result<T, String> {
    if is_empty(text) {
        return Ok(T::default());
    }
    let options = serde_saphyr::options! {
        duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::LastWins,
        reject_unsupported_tags: false,
    };
    let mut bytes = text.as_bytes();
    let mut documents = serde_saphyr::read_with_options(&mut bytes, options);
    match documents.next() {
        Some(result) => result.map_err(|error| placed(&error)),
        None => Ok(T::default()),
    }
}

fn is_empty(text: &str) -> bool {
    !text.lines().any(|line| {
        let line = line.trim();
        // Comments, and directives such as `%YAML 1.1`.
        !line.is_empty() && !line.starts_with(['#', '%']) && line != "---" && line != "..."
    })
}

fn placed(error: &serde_saphyr::Error) -> String {
    let place = error.location();
    let (line, column) = place.map_or((1, 1), |l| (l.line(), l.column()));
    let message = error.without_snippet().to_string();
    // The library repeats the place in its sentence, and advises programmers.
    let advice = [" at line ", ", set DuplicateKeyPolicy", "; use "];
    let end = advice.iter().filter_map(|a| message.find(a)).min();
    let sentence = &message[..end.unwrap_or(message.len())];
    format!("{line}:{column}: {}", sentence.trim())
}

/// For `deserialize_with`: a key without a value is as good as no key, as in
/// `basic_auth_users:` with all its users commented out.
pub fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use std::collections::BTreeMap;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, default)]
    struct Sample {
        name: String,
        on: bool,
        #[serde(deserialize_with = "or_default")]
        map: BTreeMap<String, String>,
    }

    #[test]
    fn places_of_errors() {
        for (text, place, part) in [
            ("name: a\nnmae: b\n", "2:", "nmae"),
            ("name: a\non: perhaps\n", "2:", "bool"),
            ("map:\n  a: 1\n  a: 2\n", "3:", "a"),
            ("name: [\n", "", ""),
            ("- 1\n", "1:", ""),
            ("name: ~\n", "1:", "null"),
        ] {
            let error = parse::<Sample>(text).unwrap_err();
            let advice = ["DuplicateKeyPolicy", "use Option"];
            assert!(!advice.iter().any(|a| error.contains(a)), "{error}");
            assert!(error.starts_with(place), "{text:?}: {error}");
            assert!(error.contains(part), "{text:?}: {error}");
        }
    }

    #[test]
    fn lenient_files() {
        let text = "name: a\nname: b\nmap: &m {x: 1, x: 2}\n---\nname: c\n";
        let sample: Sample = parse_lenient(text).unwrap();
        assert_eq!((sample.name.as_str(), &sample.map["x"][..]), ("b", "2"));
        assert_eq!(parse_lenient::<Sample>("# none\n"), Ok(Sample::default()));
        let error = parse_lenient::<Sample>("name: a\non: perhaps\n").unwrap_err();
        assert!(error.starts_with("2:"), "{error}");
    }

    #[test]
    fn nothing_is_the_default_and_scalars_are_text() {
        for text in [
            "",
            "\n# only a comment\n",
            "---\n",
            "%YAML 1.1\n---\n",
            "map:\n",
            "map: ~\n",
        ] {
            assert_eq!(parse::<Sample>(text), Ok(Sample::default()), "{text:?}");
        }
        let sample: Sample = parse("name: 1\nmap: {a: true, b: 1.5}\n").unwrap();
        assert_eq!(sample.name, "1");
        assert_eq!(sample.map["a"], "true");
    }
}
