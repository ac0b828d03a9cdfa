//! Pieces of SQL text.

/// A string literal that means `text` whatever `standard_conforming_strings` says.
pub fn literal(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 3);
    quoted.push_str("E'");
    for c in text.chars() {
        if c == '\'' || c == '\\' {
            quoted.push(c);
        }
        quoted.push(c);
    }
    quoted.push('\'');
    quoted
}

/// ` AND expression NOT IN (…)`, nothing where there are no names.
pub fn and_not_in(expression: &str, names: &[String]) -> String {
    if names.is_empty() {
        return String::new();
    }
    let names: Vec<_> = names.iter().map(|name| literal(name)).collect();
    format!(" AND {expression} NOT IN ({})", names.join(", "))
}

/// The elements of a comma list, trimmed, without empty ones.
pub fn list(text: &str) -> Vec<String> {
    let elements = text.split(',').map(str::trim).filter(|e| !e.is_empty());
    elements.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting() {
        assert_eq!(literal("it's a \\ b"), "E'it''s a \\\\ b'");
        let names = ["a".to_owned(), "b'".to_owned()];
        assert_eq!(and_not_in("x", &names), " AND x NOT IN (E'a', E'b''')");
        assert_eq!(and_not_in("x", &[]), "");
    }

    #[test]
    fn lists() {
        assert_eq!(list(" a, b,,c d ,"), ["a", "b", "c d"]);
        assert!(list("").is_empty());
    }
}
