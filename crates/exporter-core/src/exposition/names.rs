//! Metric and label names: which are legal everywhere, and how the others are written for those
//! who take only those.

use std::borrow::Cow;
use std::fmt::Write;

/// How names that are not legal in the classic grammar are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Escaping {
    /// Each other character becomes `_`.
    #[default]
    Underscores,
    /// As they are, quoted.
    AllowUtf8,
    /// `_` doubled, dots as `_dot_`, others as `__`.
    Dots,
    /// `U__`, then others as `_hex_`.
    Values,
}

impl Escaping {
    /// The word in media types.
    pub const fn word(self) -> &'static str {
        match self {
            Escaping::Underscores => "underscores",
            Escaping::AllowUtf8 => "allow-utf-8",
            Escaping::Dots => "dots",
            Escaping::Values => "values",
        }
    }

    /// The scheme that a word names.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Underscores, Self::AllowUtf8, Self::Dots, Self::Values]
            .into_iter()
            .find(|scheme| scheme.word() == word)
    }
}

/// Whether a name matches `[a-zA-Z_:][a-zA-Z0-9_:]*`; label names have no colon.
pub fn is_legacy(name: &str, colon: bool) -> bool {
    let legal = |b: u8, first: bool| {
        b.is_ascii_alphabetic()
            || b == b'_'
            || (b == b':' && colon)
            || (!first && b.is_ascii_digit())
    };
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| legal(b, true)) && bytes.all(|b| legal(b, false))
}

/// A name under a scheme. Legal names stay; under [`Escaping::AllowUtf8`] all do.
pub fn escape(name: &str, scheme: Escaping, colon: bool) -> Cow<'_, str> {
    if scheme == Escaping::AllowUtf8 || is_legacy(name, colon) {
        return Cow::Borrowed(name);
    }
    let mut escaped = String::with_capacity(name.len() + 8);
    if scheme == Escaping::Values {
        escaped.push_str("U__");
    }
    for (at, c) in name.chars().enumerate() {
        let legal =
            c.is_ascii_alphabetic() || (c == ':' && colon) || (c.is_ascii_digit() && at > 0);
        match (scheme, c) {
            (Escaping::Dots | Escaping::Values, '_') => escaped.push_str("__"),
            (_, '_') => escaped.push('_'),
            _ if legal => escaped.push(c),
            (Escaping::Dots, '.') => escaped.push_str("_dot_"),
            (Escaping::Dots, _) => escaped.push_str("__"),
            (Escaping::Values, c) => {
                // Writing into a String cannot fail.
                let _ = write!(escaped, "_{:x}_", u32::from(c));
            }
            _ => escaped.push('_'),
        }
    }
    Cow::Owned(escaped)
}

/// Bytes as text: each run of invalid UTF-8 becomes one U+FFFD.
pub fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len());
    let mut in_run = false;
    for chunk in bytes.utf8_chunks() {
        if !chunk.valid().is_empty() {
            text.push_str(chunk.valid());
            in_run = false;
        }
        if !chunk.invalid().is_empty() && !in_run {
            text.push(char::REPLACEMENT_CHARACTER);
            in_run = true;
        }
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legal_names() {
        for name in ["a", "_x9", "a:b"] {
            assert!(is_legacy(name, true), "{name}");
        }
        for name in ["", "9a", "a.b", "é"] {
            assert!(!is_legacy(name, true), "{name}");
        }
        assert!(!is_legacy("a:b", false));
    }

    #[test]
    fn schemes() {
        for (name, underscores, dots, values) in [
            ("ok_name", "ok_name", "ok_name", "ok_name"),
            (
                "http.status_code",
                "http_status_code",
                "http_dot_status__code",
                "U__http_2e_status__code",
            ),
            ("a b", "a_b", "a__b", "U__a_20_b"),
            ("1a", "_a", "__a", "U___31_a"),
            ("é", "_", "__", "U___e9_"),
        ] {
            assert_eq!(escape(name, Escaping::Underscores, true), underscores);
            assert_eq!(escape(name, Escaping::Dots, true), dots);
            assert_eq!(escape(name, Escaping::Values, true), values);
            assert_eq!(escape(name, Escaping::AllowUtf8, true), name);
        }
    }

    #[test]
    fn one_mark_a_run() {
        assert_eq!(lossy(b"a\xff\xfeb\xff"), "a\u{fffd}b\u{fffd}");
    }
}
