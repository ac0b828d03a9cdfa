//! The classes of characters that Go's standard library asks for.

use regex::Regex;
use std::sync::LazyLock;

/// Whether a character leaves a mark on paper, or is the blank: what Go's `%q` writes as it is.
pub fn is_print(c: char) -> bool {
    static PRINT: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"^[\p{L}\p{M}\p{N}\p{P}\p{S}]$").ok());
    match c.is_ascii() {
        true => c == ' ' || c.is_ascii_graphic(),
        false => matches(&PRINT, c),
    }
}

/// A letter or a decimal digit of any script: what names in templates are made of.
pub fn is_letter_or_digit(c: char) -> bool {
    static WORD: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^[\p{L}\p{Nd}]$").ok());
    match c.is_ascii() {
        true => c.is_ascii_alphanumeric(),
        false => matches(&WORD, c),
    }
}

fn matches(class: &Option<Regex>, c: char) -> bool {
    let class = class.as_ref();
    class.is_some_and(|class| class.is_match(c.encode_utf8(&mut [0; 4])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes() {
        for (c, print, word) in [
            ('a', true, true),
            (' ', true, false),
            ('\u{7f}', false, false),
            ('é', true, true),
            ('\u{a0}', false, false),
            ('\u{ad}', false, false),
            ('\u{301}', true, false),
            ('٣', true, true),
            ('²', true, false),
            ('\u{2028}', false, false),
            ('\u{e000}', false, false),
            ('\u{fffd}', true, false),
        ] {
            assert_eq!((is_print(c), is_letter_or_digit(c)), (print, word), "{c:?}");
        }
    }
}
