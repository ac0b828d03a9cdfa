//! Metric names that are made of the server's names.

use std::fmt::Write;

/// A variable's name in lower case, whatever is no letter, digit or underscore replaced by one.
pub fn sanitised(name: &str, out: &mut String) {
    out.clear();
    for c in name.chars() {
        out.push(match c {
            c if c.is_ascii_alphanumeric() => c.to_ascii_lowercase(),
            _ => '_',
        });
    }
}

/// A prefix and a name, in a buffer that is used again.
pub fn joined<'a>(prefix: &str, name: &str, out: &'a mut String) -> &'a str {
    out.clear();
    // Writing to a String cannot fail.
    let _ = write!(out, "{prefix}{name}");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_other_character_becomes_one_underscore() {
        let mut out = String::new();
        sanitised("Com_xa-é.B c", &mut out);
        assert_eq!(out, "com_xa___b_c");
    }
}
