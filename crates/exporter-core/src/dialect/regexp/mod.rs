//! Regular expressions in RE2 syntax, as users' flags and files hold them, on the `regex` crate.
//!
//! [`translate`] reads RE2's grammar, with its limits, and [`class`] its classes; both write what the
//! crate takes to mean the same. What only the crate knows (`(?x)`, `\u0041`, `a**`) is an error.

mod class;
mod translate;

use regex::{Regex, RegexBuilder};

/// Bytes that a compiled pattern may take, as much as RE2 in Go lets one take.
const LARGEST: usize = 128 << 20;

/// Levels of parts that are compiled on the caller's stack.
const SHALLOW: u32 = 100;

/// Compiles a pattern; matching is a search. The error names the pattern.
pub fn compile(pattern: &str) -> Result<Regex, String> {
    let told = |why: String| format!("bad regular expression {pattern:?}: {why}");
    let translated = translate::translate(pattern).map_err(told)?;
    let build = || {
        RegexBuilder::new(&translated.text)
            .size_limit(LARGEST)
            .nest_limit(u32::MAX)
            .build()
    };
    let built = match translated.levels <= SHALLOW {
        true => build(),
        false => on_a_large_stack(build).map_err(told)?,
    };
    built.map_err(|error| told(reason(&error)))
}

/// Compilation goes as deep as the pattern does, which RE2 lets be a thousand levels.
fn on_a_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, String> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(64 << 20);
        let handle = thread
            .spawn_scoped(scope, work)
            .map_err(|e| e.to_string())?;
        handle
            .join()
            .map_err(|_| "it cannot be compiled".to_owned())
    })
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

/// The names of a pattern's groups as they were written, the whole first; those without one have
/// the empty name, and one name may stand twice.
pub fn names(regex: &Regex) -> impl Iterator<Item = &str> {
    regex
        .capture_names()
        .map(|name| name.map_or("", written_name))
}

/// A name for a group whose own the crate does not take, because it begins with a digit or so many
/// others have it already.
fn distinct_name(name: &str, before: usize) -> String {
    format!("_{before}.{name}")
}

/// The name that was written for a group of this name.
fn written_name(name: &str) -> &str {
    name.split_once('.').map_or(name, |(_, written)| written)
}

/// The first group of this name that has matched.
fn named<'t>(captures: &regex::Captures<'t>, name: &str) -> Option<regex::Match<'t>> {
    let others = (0..captures.len()).map(|before| distinct_name(name, before));
    let first = captures.name(name);
    first.or_else(|| others.into_iter().find_map(|other| captures.name(&other)))
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
                // A number has no leading zeros.
                let found = match name.parse::<usize>() {
                    Ok(index) if name.len() == 1 || !name.starts_with('0') => captures.get(index),
                    _ => named(captures, name),
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
            (r"a{01}", "a{01}", true),
            (r"a(?i)*b", "aab", true),
            (r"^(?i)\Qk\E$", "\u{212a}", true),
            (r"^a(?i)b(?-i)c$", "aBc", true),
            (r"^(a(?i)b|c)D$", "aBD", true),
            (r"^(a(?i)b|c)D$", "aBd", false),
            (r"(?U)^a+?$", "aa", true),
            (r"(?m)^b$", "a\nb\nc", true),
            (r"a$", "a\n", false),
            (r"(?s)^.$", "\n", true),
            (r"(?i)^[^k]$", "K", false),
            (r"[--/]", ".", true),
            (r"[[:]", ":", true),
            (r"[\x{D800}]|b", "b", true),
            (r"^\p{uppercase letter}\p{L}\P{Cs}$", "AbC", true),
            (r"x\B", "xy", true),
            (r"^\Bé", "é", true),
            (r"^é\B.", "éa", false),
            (r"(?:(?:a{10}){10}){10}|b", "b", true),
            (r"(a{1000}){0}b", "b", true),
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
            "(?i)*",
            "a|*",
            "a)",
            "a{2,1}",
            "(a{100}){100}",
            "((a{10}){10}){11}",
            "(a{501,}){2}",
            "((a{1000})*){2}",
            "[b-a]",
            r"[a-\d]",
            "[[:foo:]]",
            "[a",
            r"\p{Grek}",
            r"\p{IsGreek}",
            r"\p{Script=Greek}",
            r"\p{White_Space}",
            r"\x{110000}",
            r"\x4",
            "(?P<a-b>c)",
            "(?<>c)",
            "(?i-)",
            "(?--i)",
            "(?<=a)",
        ] {
            let error = compile(pattern).map(drop).unwrap_err();
            assert!(error.contains("bad regular expression"), "{error}");
        }
    }

    #[test]
    fn depth_and_size_have_limits() {
        let nested = |n| format!("{}a{}", "(".repeat(n), ")".repeat(n));
        let deepest = compile(&nested(999)).unwrap();
        assert!(deepest.is_match("a"));
        assert!(compile(&nested(1000)).is_err());
        let large = |n| format!("(?:{}){{1000}}", "ab?".repeat(n));
        assert!(compile(&large(2000)).unwrap_err().contains("too large"));
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
        let regex = compile(r"(?<1x>a)|(?P<n>b)|(?P<n>c)(?<1x>d)").unwrap();
        assert_eq!(
            names(&regex).collect::<Vec<_>>(),
            ["", "1x", "n", "n", "1x"]
        );
        for (text, expanded) in [("a", "a,"), ("b", ",b"), ("cd", "d,c")] {
            let captures = regex.captures(text).unwrap();
            assert_eq!(expand("$1x,$n", &captures), expanded);
        }
    }

    #[test]
    fn groups_that_are_never_there_are_counted() {
        let regex = compile(r"(?P<n>a){0}(b){0,0}?c").unwrap();
        let captures = regex.captures("abc").unwrap();
        let spans = captures.iter().map(|group| group.map(|g| g.as_str()));
        assert_eq!(spans.collect::<Vec<_>>(), [Some("c"), None, None]);
        assert_eq!(names(&regex).collect::<Vec<_>>(), ["", "n", ""]);
    }

    proptest! {
        #[test]
        fn no_pattern_makes_it_panic(pattern: String) {
            let _ = compile_anchored(&pattern);
        }

        #[test]
        fn no_row_of_tokens_makes_it_panic(tokens in prop::collection::vec(prop::sample::select(vec![
            "a", "é", "(", ")", "(?:", "(?i)", "(?P<n>", "(?-s:", "[", "]", "[^", "-", "^", "$", "|",
            "*", "+", "?", "{2}", "{2,}", "{0}", "{,", "}", r"\d", r"\pL", r"\p{Greek}", r"\Q", r"\E",
            r"\b", r"\z", r"\x{D800}", "\\", ".", "[:alpha:]", "[[:digit:]]",
        ]), 0..12)) {
            let _ = compile_anchored(&tokens.concat());
        }

        #[test]
        fn quoting_finds_itself(text in "[^\\\\]{0,20}") {
            let regex = compile(&format!("\\Q{text}\\E")).unwrap();
            prop_assert!(regex.is_match(&text));
        }
    }
}
