//! Classes of characters, and characters that are written with a backslash.

use super::translate::Flags;

/// A class that has nothing in it, and one that has everything.
pub const NOTHING: &str = r"[^\x{0}-\x{10FFFF}]";
const EVERYTHING: &str = r"[\x{0}-\x{10FFFF}]";

/// Names of classes that may stand within a class.
const POSIX: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
    "space", "upper", "word", "xdigit",
];

/// Reads a class in brackets and gives it in the crate's grammar, and what follows.
pub fn bracketed(text: &str, flags: Flags) -> Result<(String, &str), String> {
    let missing = || format!("missing closing ]: {text:?}");
    let (negated, mut rest) = match text[1..].strip_prefix('^') {
        Some(rest) => (true, rest),
        None => (false, &text[1..]),
    };
    let mut items = String::new();
    let mut first = true;
    while first || !rest.starts_with(']') {
        first = false;
        rest = match item(rest)? {
            Some((item, after)) => {
                items.push_str(&item);
                after
            }
            None => range(rest, &mut items)?.ok_or_else(missing)?,
        };
    }
    let class = match (items.is_empty(), negated) {
        (true, false) => NOTHING.to_owned(),
        (true, true) => EVERYTHING.to_owned(),
        (false, _) => folded(
            &format!("[{}{items}]", if negated { "^" } else { "" }),
            flags,
        ),
    };
    Ok((class, &rest[1..]))
}

/// Reads `\pL`, `\d` and the like; `None` for what is none of these.
pub fn named(text: &str, flags: Flags) -> Result<Option<(String, &str)>, String> {
    if let Some((class, rest)) = perl(text) {
        return Ok(Some((folded(class, flags), rest)));
    }
    let read = unicode(text)?;
    Ok(read.map(|(class, rest)| (folded(&class, flags), rest)))
}

fn folded(class: &str, flags: Flags) -> String {
    match flags.fold {
        true => format!("(?i:{class})"),
        false => class.to_owned(),
    }
}

/// An item of a class that is a class itself.
fn item(text: &str) -> Result<Option<(String, &str)>, String> {
    if let Some(posix) = text.strip_prefix("[:")
        && let Some((name, rest)) = posix.split_once(":]")
    {
        return match POSIX.contains(&name.strip_prefix('^').unwrap_or(name)) {
            true => Ok(Some((format!("[:{name}:]"), rest))),
            false => Err(format!("invalid character class range: \"[:{name}:]\"")),
        };
    }
    if let Some(read) = unicode(text)? {
        return Ok(Some(read));
    }
    Ok(perl(text).map(|(class, rest)| (class.to_owned(), rest)))
}

/// A character or a range of them, written to `items`. `None` where the text ends.
fn range<'t>(text: &'t str, items: &mut String) -> Result<Option<&'t str>, String> {
    let Some((low, mut rest)) = member(text)? else {
        return Ok(None);
    };
    let mut high = low;
    if let Some(after) = rest.strip_prefix('-')
        && !after.is_empty()
        && !after.starts_with(']')
    {
        let Some(read) = member(after)? else {
            return Ok(None);
        };
        (high, rest) = read;
        if high < low {
            let written = &text[..text.len() - rest.len()];
            return Err(format!("invalid character class range: {written:?}"));
        }
    }
    // Surrogates are code points that no text has.
    let low = if (0xD800..0xE000).contains(&low) {
        0xE000
    } else {
        low
    };
    let high = if (0xD800..0xE000).contains(&high) {
        0xD7FF
    } else {
        high
    };
    if low <= high {
        push_member(items, low);
        if low < high {
            items.push('-');
            push_member(items, high);
        }
    }
    Ok(Some(rest))
}

fn push_member(items: &mut String, code: u32) {
    match char::from_u32(code) {
        Some(c) if c.is_alphanumeric() => items.push(c),
        _ => items.push_str(&format!("\\x{{{code:X}}}")),
    }
}

fn member(text: &str) -> Result<Option<(u32, &str)>, String> {
    match text.chars().next() {
        None => Ok(None),
        Some('\\') => character(text).map(Some),
        Some(c) => Ok(Some((u32::from(c), &text[c.len_utf8()..]))),
    }
}

/// `\d`, `\s`, `\w` and their opposites: ASCII.
fn perl(text: &str) -> Option<(&'static str, &str)> {
    let class = match text.strip_prefix('\\')?.chars().next()? {
        'd' => "[0-9]",
        'D' => "[^0-9]",
        'w' => "[0-9A-Za-z_]",
        'W' => "[^0-9A-Za-z_]",
        's' => "[\\t\\n\\x0c\\r ]",
        'S' => "[^\\t\\n\\x0c\\r ]",
        _ => return None,
    };
    Some((class, &text[2..]))
}

/// `\pL`, `\p{Greek}`, `\P{^Greek}`.
fn unicode(text: &str) -> Result<Option<(String, &str)>, String> {
    let Some(after) = text
        .strip_prefix("\\p")
        .or_else(|| text.strip_prefix("\\P"))
    else {
        return Ok(None);
    };
    let negated = text.starts_with("\\P");
    let invalid = |shown: &str| format!("invalid character class range: {shown:?}");
    let Some(first) = after.chars().next() else {
        // A class of one letter that is not there is an escape of the letter p.
        return Err(format!("invalid escape sequence: {text:?}"));
    };
    let (name, rest) = match after.strip_prefix('{') {
        Some(inner) => inner.split_once('}').ok_or_else(|| invalid(text))?,
        None => after.split_at(first.len_utf8()),
    };
    let written = &text[..text.len() - rest.len()];
    let (negated, name) = match name.strip_prefix('^') {
        Some(name) => (!negated, name),
        None => (negated, name),
    };
    let name = known(name).ok_or_else(|| invalid(written))?;
    // Surrogates are code points that no text has.
    if SURROGATES.contains(&name.as_str()) {
        let class = if negated { EVERYTHING } else { NOTHING };
        return Ok(Some((class.to_owned(), rest)));
    }
    let letter = if negated { 'P' } else { 'p' };
    Ok(Some((format!("\\{letter}{{{name}}}"), rest)))
}

/// Names of scripts and of a category that are as short as the codes of scripts, which are no names
/// in Go.
const SHORT_NAMES: [&str; 10] = [
    "ahom", "cham", "kawi", "lisu", "mark", "miao", "modi", "newa", "thai", "toto",
];

/// Names of classes that are neither category nor script.
const WHOLES: [&str; 3] = ["any", "ascii", "assigned"];

/// Names of the category of surrogates, which the crate does not have.
const SURROGATES: [&str; 2] = ["cs", "surrogate"];

/// A name of a category or a script, without what does not count in it: case, blanks, hyphens and
/// underscores.
fn known(name: &str) -> Option<String> {
    let name: String = name
        .chars()
        .filter(|c| !matches!(c, ' ' | '-' | '_'))
        .map(|c| c.to_ascii_lowercase())
        .collect();
    let is_code = name.len() == 4 && !SHORT_NAMES.contains(&name.as_str());
    let is_word = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric());
    if SURROGATES.contains(&name.as_str()) {
        return Some(name);
    }
    // The crate takes `isgreek` too.
    if is_code || !is_word || name.starts_with("is") {
        return None;
    }
    if WHOLES.contains(&name.as_str()) {
        return Some(name);
    }
    // Named by kind, because the crate knows properties too, of which RE2 has none.
    let kinds = ["gc", "sc"].map(|kind| format!("{kind}={name}"));
    let exists = |name: &String| regex::Regex::new(&format!("\\p{{{name}}}")).is_ok();
    kinds.into_iter().find(exists)
}

/// A character written with a backslash: its code point, which may be a surrogate, and what follows.
pub fn character(text: &str) -> Result<(u32, &str), String> {
    let tail = &text[1..];
    let Some(c) = tail.chars().next() else {
        return Err("trailing backslash at end of expression".to_owned());
    };
    let rest = &tail[c.len_utf8()..];
    let code = match c {
        'a' => 7,
        'f' => 12,
        'n' => 10,
        'r' => 13,
        't' => 9,
        'v' => 11,
        'x' => return hexadecimal(rest).ok_or_else(|| invalid_escape(text, 4)),
        '0'..='7' => return octal(tail).ok_or_else(|| invalid_escape(text, 2)),
        c if c.is_ascii() && !c.is_ascii_alphanumeric() => u32::from(c),
        _ => return Err(invalid_escape(text, 2)),
    };
    Ok((code, rest))
}

fn invalid_escape(text: &str, length: usize) -> String {
    let shown: String = text.chars().take(length).collect();
    format!("invalid escape sequence: {shown:?}")
}

/// Two digits, or any number of them in braces.
fn hexadecimal(text: &str) -> Option<(u32, &str)> {
    let (digits, rest) = match text.strip_prefix('{') {
        Some(inner) => inner.split_once('}')?,
        None => text.split_at_checked(2)?,
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let significant = digits.trim_start_matches('0');
    let code = match significant {
        "" => 0,
        digits => u32::from_str_radix(digits, 16).ok()?,
    };
    (code <= u32::from(char::MAX)).then_some((code, rest))
}

/// A zero and up to two digits, or two digits and up to one more. One digit alone would refer to a
/// group, which RE2 cannot.
fn octal(text: &str) -> Option<(u32, &str)> {
    let is_digit = |b: &u8| (b'0'..b'8').contains(b);
    let length = text.bytes().take(3).take_while(is_digit).count();
    if length == 1 && !text.starts_with('0') {
        return None;
    }
    let (digits, rest) = text.split_at(length);
    Some((u32::from_str_radix(digits, 8).ok()?, rest))
}
