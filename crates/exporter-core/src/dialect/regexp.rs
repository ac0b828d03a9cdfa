//! Regular expressions in RE2 syntax, as users' flags and files hold them, on the `regex` crate.
//!
//! The two agree on almost everything. What differs is translated: `\d`, `\w`, `\s` and `\b` mean
//! ASCII there, a brace that starts no repetition is a literal, `\Q…\E` quotes, `\C` is a byte,
//! and `\z` and `\pN` are spelled alike.

use regex::Regex;

/// Compiles a pattern; matching is a search. The error names the pattern.
pub fn compile(pattern: &str) -> Result<Regex, String> {
    Regex::new(&translate(pattern))
        .map_err(|error| format!("bad regular expression {pattern:?}: {}", reason(&error)))
}

/// Compiles a pattern that must match from end to end.
pub fn compile_anchored(pattern: &str) -> Result<Regex, String> {
    // Checked alone first, so that a stray parenthesis cannot close the group.
    compile(pattern)?;
    compile(&format!("^(?:{pattern})$"))
}

fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().next_back().unwrap_or_default();
    last.trim_start_matches("error: ").to_owned()
}

fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut rest = pattern;
    let mut in_class = false;
    while let Some(c) = rest.chars().next() {
        let tail = &rest[c.len_utf8()..];
        rest = match c {
            '\\' => escape(tail, in_class, &mut out),
            '{' if !in_class && !is_repetition(rest) => {
                out.push_str("\\{");
                tail
            }
            '[' if !in_class => {
                in_class = true;
                open_class(tail, &mut out)
            }
            '[' if in_class && !tail.starts_with(':') => {
                out.push_str("\\[");
                tail
            }
            // Within a class these are operators here and literals there.
            '&' | '~' if in_class && tail.starts_with(c) => {
                out.push('\\');
                out.push(c);
                tail
            }
            '[' => named_class(tail, &mut out),
            ']' if in_class => {
                in_class = false;
                out.push(']');
                tail
            }
            '-' if in_class && tail.starts_with('-') => {
                out.push_str("\\-");
                tail
            }
            c => {
                out.push(c);
                tail
            }
        };
    }
    out
}

/// What follows an opening bracket: `^`, and a `]` that stands first and so is a literal.
fn open_class<'a>(tail: &'a str, out: &mut String) -> &'a str {
    out.push('[');
    let tail = match tail.strip_prefix('^') {
        Some(tail) => {
            out.push('^');
            tail
        }
        None => tail,
    };
    match tail.strip_prefix(']') {
        Some(tail) => {
            out.push_str("\\]");
            tail
        }
        None => tail,
    }
}

/// `[:alpha:]` within a class, else a literal bracket.
fn named_class<'a>(tail: &'a str, out: &mut String) -> &'a str {
    match tail.find(":]") {
        Some(end)
            if tail[1..end]
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b == b'^') =>
        {
            out.push('[');
            out.push_str(&tail[..end + 2]);
            &tail[end + 2..]
        }
        _ => {
            out.push_str("\\[");
            tail
        }
    }
}

/// `{n}`, `{n,}` or `{n,m}`.
fn is_repetition(text: &str) -> bool {
    let Some((inside, _)) = text[1..].split_once('}') else {
        return false;
    };
    let (low, high) = inside.split_once(',').unwrap_or((inside, ""));
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    !low.is_empty() && digits(low) && digits(high)
}

/// What follows a backslash.
fn escape<'a>(tail: &'a str, in_class: bool, out: &mut String) -> &'a str {
    let Some(c) = tail.chars().next() else {
        out.push('\\');
        return tail;
    };
    let rest = &tail[c.len_utf8()..];
    let ascii = match (c, in_class) {
        ('d', false) => "[0-9]",
        ('D', false) => "[^0-9]",
        ('w', false) => "[0-9A-Za-z_]",
        ('W', false) => "[^0-9A-Za-z_]",
        ('s', false) => "[\\t\\n\\x0c\\r ]",
        ('S', false) => "[^\\t\\n\\x0c\\r ]",
        ('d', true) => "0-9",
        ('w', true) => "0-9A-Za-z_",
        ('s', true) => "\\t\\n\\x0c\\r ",
        ('D', true) => "[^0-9]",
        ('W', true) => "[^0-9A-Za-z_]",
        ('S', true) => "[^\\t\\n\\x0c\\r ]",
        ('b', false) => "(?-u:\\b)",
        // Between two characters of a multi-byte letter there is no position in text.
        ('B', false) => "\\B",
        ('C', false) => "(?s:.)",
        ('Q', _) => return quoted(rest, out),
        _ => {
            push_escape(c, rest, out);
            return rest;
        }
    };
    out.push_str(ascii);
    rest
}

/// Octal escapes and escaped punctuation; what the other syntax would not know stays an error.
fn push_escape(c: char, rest: &str, out: &mut String) {
    let octal = c.is_digit(8) && c != '0' && rest.starts_with(|d: char| d.is_digit(8));
    if c == '0' || octal {
        // `regex` reads octal digits only on request: written as a code point instead.
        out.push_str("\\x00");
        return;
    }
    let punctuation = c.is_ascii_punctuation();
    if punctuation && !regex_syntax_meta(c) {
        out.push_str(&format!("\\x{:02X}", u32::from(c)));
    } else {
        out.push('\\');
        out.push(c);
    }
}

fn regex_syntax_meta(c: char) -> bool {
    "\\.+*?()|[]{}^$#&-~".contains(c)
}

/// Everything up to `\E` as it stands.
fn quoted<'a>(text: &'a str, out: &mut String) -> &'a str {
    let (literal, rest) = text.split_once("\\E").unwrap_or((text, ""));
    out.push_str(&regex::escape(literal));
    rest
}

/// Replaces `$name`, `${name}`, `$1` and `$$` of a template by what the groups of a match hold, as
/// Go's `Expand` does: a name is the longest run of letters, digits and underscores, and one that
/// does not exist is empty.
pub fn expand(template: &str, captures: &regex::Captures<'_>) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        if let Some(tail) = after.strip_prefix('$') {
            out.push('$');
            rest = tail;
            continue;
        }
        match group(after) {
            Some((name, tail)) => {
                let found = match name.parse::<usize>() {
                    Ok(index) => captures.get(index),
                    Err(_) => captures.name(name),
                };
                out.push_str(found.map_or("", |m| m.as_str()));
                rest = tail;
            }
            None => {
                out.push('$');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// The group named behind a dollar sign and what follows it.
fn group(text: &str) -> Option<(&str, &str)> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    if let Some(braced) = text.strip_prefix('{') {
        let (name, rest) = braced.split_once('}')?;
        return (!name.is_empty() && name.chars().all(is_name)).then_some((name, rest));
    }
    let end = text.find(|c| !is_name(c)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn re2_meanings() {
        for (pattern, text, found) in [
            (r"^\d+$", "12", true),
            (r"^\d+$", "٣", false),
            (r"^\w+$", "é", false),
            (r"^[\w.]+$", "a.b_9", true),
            (r"^[^\s]$", "\u{a0}", true),
            (r"\bx\b", "a x", true),
            (r"a{2}", "aa", true),
            (r"a{,2}", "a{,2}", true),
            (r"{x}", "{x}", true),
            (r"\Qa.b\E+", "a.bbb", true),
            (r"\Qa.b\E", "axb", false),
            (r"[]a]", "]", true),
            (r"[[:alpha:]]+", "abc", true),
            (r"[a[b]", "[", true),
            (r"[a&&b]", "&", true),
            (r"\/\-\_", "/-_", true),
            (r"\pL", "é", true),
            (r"(?i)ETH\d", "eth0", true),
            (
                r"^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$",
                "nvme0n1p2",
                true,
            ),
            (r"^(?P<x>a)$", "a", true),
            (r"^.$", "\n", false),
        ] {
            let regex = compile(pattern).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(regex.is_match(text), found, "{pattern} in {text:?}");
        }
    }

    #[test]
    fn anchors_and_errors() {
        let regex = compile_anchored("a|b").unwrap();
        assert!(regex.is_match("a") && !regex.is_match("ab"));
        assert!(compile_anchored("a)|(b").is_err());
        for pattern in ["(", "[a", "a**b(", "(?=x)", r"\1"] {
            let error = compile(pattern).map(drop).unwrap_err();
            assert!(error.contains("bad regular expression"), "{error}");
        }
    }

    #[test]
    fn templates() {
        let regex = compile(r"(?P<first>\w+) (\w+)").unwrap();
        let captures = regex.captures("one two").unwrap();
        for (template, text) in [
            ("$1-$2", "one-two"),
            ("${first}x", "onex"),
            ("$firstx", ""),
            ("$1x", ""),
            ("$$1 $", "$1 $"),
            ("${bad", "${bad"),
            ("$9", ""),
        ] {
            assert_eq!(expand(template, &captures), text, "{template}");
        }
    }

    proptest! {
        #[test]
        fn no_pattern_makes_it_panic(pattern: String) {
            let _ = compile_anchored(&pattern);
        }

        #[test]
        fn quoting_finds_itself(text in "[^\\\\]{0,20}") {
            let regex = compile(&format!("\\Q{text}\\E")).unwrap();
            prop_assert!(regex.is_match(&text));
        }
    }
}
