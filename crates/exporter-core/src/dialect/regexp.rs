//! Regular expressions in RE2 syntax, as users' flags and files hold them, on the `regex` crate.
//!
//! The two agree on almost everything. What differs is translated: `\d`, `\w`, `\s` and `\b` mean
//! ASCII there, a brace that starts no repetition is a literal, `\Q…\E` quotes, octal escapes are
//! code points, escaped punctuation is itself, groups may share a name or begin it with a digit.
//! What only this crate knows (`(?x)`, `\u0041`, one repetition upon another) is an error.

use regex::Regex;

/// Compiles a pattern; matching is a search. The error names the pattern.
pub fn compile(pattern: &str) -> Result<Regex, String> {
    let told = |why: String| format!("bad regular expression {pattern:?}: {why}");
    let translated = translate(pattern).map_err(told)?;
    Regex::new(&translated).map_err(|error| told(reason(&error)))
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

/// Largest count of a repetition in RE2.
const MOST_REPEATS: u32 = 1000;

fn translate(pattern: &str) -> Result<String, String> {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut names = Vec::new();
    let mut rest = pattern;
    let mut in_class = false;
    // Whether what stands before is a repetition already.
    let mut repeated = false;
    while let Some(c) = rest.chars().next() {
        let tail = &rest[c.len_utf8()..];
        if !in_class && let Some(end) = repetition(rest)? {
            let operator = &rest[..end];
            if repeated {
                return Err(format!("invalid nested repetition operator: {operator:?}"));
            }
            repeated = true;
            out.push_str(operator);
            rest = &rest[end..];
            continue;
        }
        repeated = false;
        rest = match c {
            '\\' => escape(tail, in_class, &mut out)?,
            '{' if !in_class => {
                out.push_str("\\{");
                tail
            }
            '(' if !in_class => open_group(tail, &mut names, &mut out)?,
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
            '[' => named_class(tail, &mut out)?,
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
    Ok(out)
}

/// The length of a repetition operator at the beginning of a text, with its `?` for fewest first.
fn repetition(text: &str) -> Result<Option<usize>, String> {
    let end = match text.as_bytes().first() {
        Some(b'*' | b'+' | b'?') => 1,
        Some(b'{') if is_repetition(text) => text.find('}').map_or(1, |at| at + 1),
        _ => return Ok(None),
    };
    let counts = text[..end]
        .trim_matches(['{', '}', '*', '+', '?'])
        .split(',');
    for count in counts.filter(|c| !c.is_empty()) {
        if count.parse::<u32>().map_or(true, |n| n > MOST_REPEATS) {
            return Err(format!("invalid repeat count: {:?}", &text[..end]));
        }
    }
    Ok(Some(end + usize::from(text[end..].starts_with('?'))))
}

/// What follows an opening parenthesis. A name is kept where this crate takes it, and left out where
/// it begins with a digit or is there already: it then cannot be referred to.
fn open_group<'a>(
    tail: &'a str,
    names: &mut Vec<&'a str>,
    out: &mut String,
) -> Result<&'a str, String> {
    out.push('(');
    let Some(inner) = tail.strip_prefix('?') else {
        return Ok(tail);
    };
    if let Some(named) = inner.strip_prefix("P<").or_else(|| inner.strip_prefix('<'))
        && let Some((name, rest)) = named.split_once('>')
        && !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    {
        let taken = names.contains(&name) || name.starts_with(|c: char| c.is_ascii_digit());
        if !taken {
            names.push(name);
            out.push_str(&format!("?P<{name}>"));
        }
        return Ok(rest);
    }
    let flags: &str = inner.split([':', ')']).next().unwrap_or_default();
    match flags.chars().all(|c| "imsU-".contains(c)) {
        true => Ok(tail),
        false => Err(format!(
            "invalid or unsupported Perl syntax: \"(?{}\"",
            flags.chars().take(1).collect::<String>()
        )),
    }
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

/// Names of classes that may stand within a class.
const CLASSES: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
    "space", "upper", "word", "xdigit",
];

/// `[:alpha:]` within a class, else a literal bracket.
fn named_class<'a>(tail: &'a str, out: &mut String) -> Result<&'a str, String> {
    let name = tail.get(1..).and_then(|t| t.split_once(":]"));
    let Some((name, rest)) = name else {
        out.push_str("\\[");
        return Ok(tail);
    };
    if !CLASSES.contains(&name.trim_start_matches('^')) {
        return Err(format!("invalid character class range: \"[:{name}:]\""));
    }
    out.push_str(&format!("[:{name}:]"));
    Ok(rest)
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
fn escape<'a>(tail: &'a str, in_class: bool, out: &mut String) -> Result<&'a str, String> {
    let Some(c) = tail.chars().next() else {
        return Err("trailing backslash at end of expression".to_owned());
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
        ('Q', _) => return Ok(quoted(rest, out)),
        ('0'..='7', _) => return octal(tail, out),
        ('p' | 'P' | 'x', _) => return Ok(braced(c, rest, out)),
        ('A' | 'z', false) | ('a' | 'f' | 't' | 'n' | 'r' | 'v', _) => {
            out.push('\\');
            out.push(c);
            return Ok(rest);
        }
        _ if c.is_ascii_punctuation() => {
            push_punctuation(c, out);
            return Ok(rest);
        }
        _ => return Err(format!("invalid escape sequence: \"\\{c}\"")),
    };
    out.push_str(ascii);
    Ok(rest)
}

/// A class or a code point, perhaps with its name in braces; `\p{^Greek}` is `\P{Greek}` here.
fn braced<'a>(c: char, rest: &'a str, out: &mut String) -> &'a str {
    let Some((name, tail)) = rest.strip_prefix('{').and_then(|r| r.split_once('}')) else {
        out.push('\\');
        out.push(c);
        return rest;
    };
    let (c, name) = match (c, name.strip_prefix('^')) {
        ('p', Some(name)) => ('P', name),
        ('P', Some(name)) => ('p', name),
        _ => (c, name),
    };
    out.push_str(&format!("\\{c}{{{name}}}"));
    tail
}

/// An octal escape: a zero and up to two digits, or two digits and up to one more. One digit alone
/// would refer to a group, which RE2 cannot.
fn octal<'a>(text: &'a str, out: &mut String) -> Result<&'a str, String> {
    let digits = text
        .bytes()
        .take(3)
        .take_while(|b| (b'0'..b'8').contains(b))
        .count();
    if digits == 1 && !text.starts_with('0') {
        return Err(format!("invalid escape sequence: \"\\{}\"", &text[..1]));
    }
    let code = u32::from_str_radix(&text[..digits], 8).unwrap_or(0);
    out.push_str(&format!("\\x{{{code:X}}}"));
    Ok(&text[digits..])
}

/// Punctuation that means itself.
fn push_punctuation(c: char, out: &mut String) {
    if regex_syntax_meta(c) {
        out.push('\\');
        out.push(c);
    } else {
        out.push_str(&format!("\\x{:02X}", u32::from(c)));
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
            (r"^+OK", "+OK", false),
            (r"^+OK", "OK", true),
            (r"^\101\012$", "A\n", true),
            (r"\<a\>", "<a>", true),
            (r"^\p{Greek}\x{41}\p{^Greek}$", "αAb", true),
            (r"^[\p{Greek}\x{41}]+$", "αA", true),
            (r"[[:^alpha:]]", "1", true),
            (r"(?P<x>a)(?P<x>b)(?P<1>c)", "abc", true),
            (r"^a{1000}$", "a", false),
            (r"a+?b*?", "aab", true),
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
        for pattern in [
            "(",
            "[a",
            "a**",
            "a++",
            "a{2}{3}",
            "a{1001}",
            "a{1,1001}",
            "(?=x)",
            "(?x)a",
            "(?#c)",
            "(?>a)",
            r"\1",
            r"\Z",
            r"\C",
            r"\G",
            r"\R",
            r"\h",
            r"\u0041",
            "a\\",
            "*a",
        ] {
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
