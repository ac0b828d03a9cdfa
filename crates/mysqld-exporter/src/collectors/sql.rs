//! Text of users in statements.

use std::fmt::Write;

/// A text as a literal that means the same in every SQL mode: its bytes in hexadecimal.
pub fn literal(text: &str) -> String {
    if text.is_empty() {
        return "''".to_owned();
    }
    let mut literal = String::from("_utf8mb4 0x");
    for byte in text.bytes() {
        // Writing to a String cannot fail.
        let _ = write!(literal, "{byte:02x}");
    }
    literal
}

/// Literals separated by commas.
pub fn literals<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let literals: Vec<String> = texts.into_iter().map(literal).collect();
    literals.join(", ")
}

/// A name in backticks.
pub fn name(text: &str) -> String {
    format!("`{}`", text.replace('`', "``"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_escapes() {
        assert_eq!(literal("a'\\"), "_utf8mb4 0x61275c");
        assert_eq!(literals(["", "b"]), "'', _utf8mb4 0x62");
        assert_eq!(name("a`b"), "`a``b`");
    }
}
