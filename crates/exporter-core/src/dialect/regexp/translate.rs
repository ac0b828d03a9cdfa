//! RE2's grammar: reads a pattern by its rules and limits, and writes it as the `regex` crate means it.
//! <https://github.com/google/re2/wiki/Syntax>
//!
//! What is written needs no flags around it: each part stands in a group with those it needs.

use super::class;

/// Largest count of a repetition, also of one within others, multiplied.
const MOST_REPEATS: u64 = 1000;
/// Deepest nesting.
const MOST_LEVELS: u32 = 1000;
/// Most instructions, counted as RE2 in Go does: 128 MiB of them at 40 bytes.
const MOST_INSTRUCTIONS: u64 = (128 << 20) / 40;

/// A translated pattern.
pub struct Translated {
    /// The pattern.
    pub text: String,
    /// How many levels of parts it has.
    pub levels: u32,
}

/// Translates a pattern. The error is what RE2 finds wrong.
pub fn translate(pattern: &str) -> Result<Translated, String> {
    let mut parser = Parser {
        groups: vec![Group::new(Open::Pattern, Flags::default())],
        flags: Flags::default(),
        names: Vec::new(),
    };
    parser.parse(pattern)?;
    let whole = parser.close()?;
    match parser.groups.is_empty() {
        true => Ok(Translated {
            text: whole.text,
            levels: whole.levels,
        }),
        false => Err(format!("missing closing ): {pattern:?}")),
    }
}

/// `(?imsU)`.
#[derive(Clone, Copy, Default)]
pub struct Flags {
    /// Letters of either case.
    pub fold: bool,
    lines: bool,
    dot_all: bool,
    lazy: bool,
}

/// A part of a pattern.
struct Part {
    text: String,
    levels: u32,
    instructions: u64,
    /// The counts of repetitions within one another, multiplied, where that is most.
    repeats: u64,
    /// Whether an operator may follow its text directly.
    is_atom: bool,
    /// Whether it is a single character.
    is_literal: bool,
    /// Its groups that capture, each as an empty one.
    groups: String,
}

impl Part {
    fn atom(text: impl Into<String>) -> Self {
        Part {
            text: text.into(),
            levels: 1,
            instructions: 1,
            repeats: 1,
            is_atom: true,
            is_literal: false,
            groups: String::new(),
        }
    }

    fn literal(c: char, flags: Flags) -> Self {
        let escaped = regex::escape(c.encode_utf8(&mut [0; 4]));
        let text = match flags.fold && c.is_alphabetic() {
            true => format!("(?i:{escaped})"),
            false => escaped,
        };
        Part {
            is_literal: true,
            ..Part::atom(text)
        }
    }
}

/// What a group was opened by.
enum Open {
    Pattern,
    Plain,
    Capture(Option<String>),
}

/// A group that is being read.
struct Group {
    open: Open,
    /// Those to go back to when it ends.
    outer: Flags,
    branches: Vec<Part>,
    parts: Vec<Part>,
}

impl Group {
    fn new(open: Open, outer: Flags) -> Self {
        Group {
            open,
            outer,
            branches: Vec::new(),
            parts: Vec::new(),
        }
    }

    /// Makes one branch of the parts read so far.
    fn end_branch(&mut self) {
        let parts = std::mem::take(&mut self.parts);
        let literal = parts.iter().all(|p| p.is_literal);
        let step = u32::from(parts.len() > 1 && !literal);
        let branch = Part {
            levels: parts.iter().map(|p| p.levels).max().unwrap_or(1) + step,
            instructions: parts.iter().map(|p| p.instructions).sum::<u64>().max(1),
            repeats: parts.iter().map(|p| p.repeats).max().unwrap_or(1),
            is_atom: parts.len() == 1 && parts[0].is_atom,
            is_literal: false,
            groups: parts.iter().map(|p| p.groups.as_str()).collect(),
            text: parts.into_iter().map(|p| p.text).collect(),
        };
        self.branches.push(branch);
    }
}

struct Parser {
    groups: Vec<Group>,
    flags: Flags,
    names: Vec<String>,
}

impl Parser {
    fn parse(&mut self, pattern: &str) -> Result<(), String> {
        let mut rest = pattern;
        // The operator that stands directly before, if one does.
        let mut operator: Option<&str> = None;
        while let Some(c) = rest.chars().next() {
            let tail = &rest[c.len_utf8()..];
            let mut repeated = None;
            rest = match c {
                '(' if tail.starts_with('?') => self.open_special(rest)?,
                '(' => {
                    self.open(Open::Capture(None));
                    tail
                }
                ')' => {
                    let part = self.close()?;
                    self.push(part)
                        .map_err(|()| format!("unexpected ): {pattern:?}"))?;
                    tail
                }
                '|' => {
                    self.group().end_branch();
                    tail
                }
                '*' | '+' | '?' => {
                    repeated = Some(rest);
                    self.repeat(rest, &rest[..1], tail, operator)?
                }
                '{' => match counts(rest)? {
                    Some(after) => {
                        repeated = Some(rest);
                        let written = &rest[..rest.len() - after.len()];
                        self.repeat(rest, written, after, operator)?
                    }
                    None => self.literal('{', tail),
                },
                '[' => {
                    let (class, tail) = class::bracketed(rest, self.flags)?;
                    self.add(Part::atom(class));
                    tail
                }
                '.' => {
                    let dot = if self.flags.dot_all { "(?s:.)" } else { "." };
                    self.add(Part::atom(dot));
                    tail
                }
                '^' => {
                    let start = if self.flags.lines { "(?m:^)" } else { "^" };
                    self.add(Part::atom(start));
                    tail
                }
                '$' => {
                    let end = if self.flags.lines { "(?m:$)" } else { "$" };
                    self.add(Part::atom(end));
                    tail
                }
                '\\' => self.escape(rest)?,
                c => self.literal(c, tail),
            };
            operator = repeated;
        }
        Ok(())
    }

    fn group(&mut self) -> &mut Group {
        if self.groups.is_empty() {
            self.groups.push(Group::new(Open::Pattern, self.flags));
        }
        let last = self.groups.len() - 1;
        &mut self.groups[last]
    }

    fn add(&mut self, part: Part) {
        self.group().parts.push(part);
    }

    fn literal<'p>(&mut self, c: char, tail: &'p str) -> &'p str {
        let part = Part::literal(c, self.flags);
        self.add(part);
        tail
    }

    fn open(&mut self, open: Open) {
        self.groups.push(Group::new(open, self.flags));
    }

    /// Ends the innermost group and makes one part of it.
    fn close(&mut self) -> Result<Part, String> {
        let Some(mut group) = self.groups.pop() else {
            return Err("unexpected )".to_owned());
        };
        group.end_branch();
        self.flags = group.outer;
        let count = group.branches.len() as u64;
        let is_atom = count == 1 && group.branches[0].is_atom;
        let branches = &group.branches;
        let mut levels = branches.iter().map(|b| b.levels).max().unwrap_or(1);
        let mut instructions = branches.iter().map(|b| b.instructions).sum::<u64>() + count - 1;
        let repeats = branches.iter().map(|b| b.repeats).max().unwrap_or(1);
        let mut groups: String = branches.iter().map(|b| b.groups.as_str()).collect();
        levels += u32::from(count > 1);
        let texts: Vec<_> = branches.iter().map(|b| b.text.as_str()).collect();
        let inner = texts.join("|");
        let text = match &group.open {
            Open::Pattern => inner,
            Open::Plain if is_atom => inner,
            Open::Plain => format!("(?:{inner})"),
            Open::Capture(name) => {
                levels += 1;
                instructions += 2;
                let opening = match name {
                    Some(name) => format!("(?P<{name}>"),
                    None => "(".to_owned(),
                };
                groups.insert_str(0, &format!("{opening})"));
                format!("{opening}{inner})")
            }
        };
        within_limits(Part {
            text,
            levels,
            instructions,
            repeats,
            is_atom: true,
            is_literal: false,
            groups,
        })
    }

    /// Adds what a closed group became; there must be a group around it.
    fn push(&mut self, part: Part) -> Result<(), ()> {
        let around = self.groups.last_mut().ok_or(())?;
        around.parts.push(part);
        Ok(())
    }

    /// Applies `*`, `+`, `?` or counts to the part before. `from` begins with the operator.
    fn repeat<'p>(
        &mut self,
        from: &'p str,
        written: &str,
        after: &'p str,
        before: Option<&'p str>,
    ) -> Result<&'p str, String> {
        let (marked, after) = match after.strip_prefix('?') {
            Some(after) => (true, after),
            None => (false, after),
        };
        if let Some(before) = before {
            let both = &before[..before.len() - after.len()];
            return Err(format!("invalid nested repetition operator: {both:?}"));
        }
        let lazy = marked != self.flags.lazy;
        let Some(part) = self.group().parts.pop() else {
            let operator = &from[..from.len() - after.len()];
            return Err(format!(
                "missing argument to repetition operator: {operator:?}"
            ));
        };
        let repeated = repetition(part, written, lazy)?;
        self.add(within_limits(repeated)?);
        Ok(after)
    }

    /// `(?` and flags or a name.
    fn open_special<'p>(&mut self, text: &'p str) -> Result<&'p str, String> {
        for opening in ["(?P<", "(?<"] {
            let Some(named) = text.strip_prefix(opening) else {
                continue;
            };
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let Some((name, rest)) = named.split_once('>') else {
                return Err(format!("invalid named capture: {text:?}"));
            };
            if name.is_empty() || !name.chars().all(word) {
                // Of `(?<` what is no name looks like a condition that RE2 does not have.
                return Err(format!("invalid named capture: \"{opening}{name}>\""));
            }
            let name = self.keep_name(name);
            self.open(Open::Capture(Some(name)));
            return Ok(rest);
        }
        let (flags, opens, rest) = self.read_flags(&text[2..]).ok_or_else(|| {
            let shown: String = text.chars().take(4).collect();
            format!("invalid or unsupported Perl syntax: {shown:?}")
        })?;
        if opens {
            self.open(Open::Plain);
        }
        self.flags = flags;
        Ok(rest)
    }

    /// A name that the crate takes, which [`super::written_name`] reads.
    fn keep_name(&mut self, name: &str) -> String {
        let before = self.names.iter().filter(|n| *n == name).count();
        self.names.push(name.to_owned());
        match before {
            0 if !name.starts_with(|c: char| c.is_ascii_digit()) => name.to_owned(),
            before => super::distinct_name(name, before),
        }
    }

    /// Flags up to `)` or `:`, and whether it is the latter, which opens a group.
    fn read_flags<'p>(&self, text: &'p str) -> Option<(Flags, bool, &'p str)> {
        let mut flags = self.flags;
        let (mut on, mut seen) = (true, false);
        for (at, c) in text.char_indices() {
            match c {
                'i' => flags.fold = on,
                'm' => flags.lines = on,
                's' => flags.dot_all = on,
                'U' => flags.lazy = on,
                '-' if on => {
                    (on, seen) = (false, false);
                    continue;
                }
                ':' | ')' if on || seen => return Some((flags, c == ':', &text[at + 1..])),
                _ => return None,
            }
            seen = true;
        }
        None
    }

    /// What a backslash begins.
    fn escape<'p>(&mut self, text: &'p str) -> Result<&'p str, String> {
        let assertion = match text.as_bytes().get(1) {
            Some(b'A') => r"\A",
            Some(b'z') => r"\z",
            Some(b'b') => r"(?-u:\b)",
            Some(b'B') => r"(?-u:\B)",
            Some(b'Q') => {
                let (quoted, rest) = text[2..].split_once(r"\E").unwrap_or((&text[2..], ""));
                for c in quoted.chars() {
                    self.literal(c, "");
                }
                return Ok(rest);
            }
            _ => "",
        };
        if !assertion.is_empty() {
            self.add(Part::atom(assertion));
            return Ok(&text[2..]);
        }
        if let Some((class, rest)) = class::named(text, self.flags)? {
            self.add(Part::atom(class));
            return Ok(rest);
        }
        let (code, rest) = class::character(text)?;
        match char::from_u32(code) {
            Some(c) => Ok(self.literal(c, rest)),
            None => {
                self.add(Part::atom(class::NOTHING));
                Ok(rest)
            }
        }
    }
}

/// A part that is repeated as an operator says.
fn repetition(part: Part, written: &str, lazy: bool) -> Result<Part, String> {
    let wrapped = match part.is_atom {
        true => part.text,
        false => format!("(?:{})", part.text),
    };
    let (inner, mut repeats) = (part.instructions, part.repeats);
    let instructions = match written {
        "*" => inner + 2,
        "+" | "?" => inner + 1,
        _ => {
            let (least, most) = bounds(written);
            let count = most.unwrap_or(least);
            // What is never there counts for nothing.
            repeats = match most {
                Some(0) => 1,
                _ => repeats.saturating_mul(count.max(1)),
            };
            if (least >= 2 || count >= 2) && repeats > MOST_REPEATS {
                return Err(format!("invalid repeat count: {written:?}"));
            }
            match most {
                None if least == 0 => inner + 2,
                None => inner * least + 1,
                Some(most) => inner * most + (most - least),
            }
        }
    };
    let text = match written {
        // The crate would forget groups that are never there; what never matches keeps them.
        "{0}" | "{0,0}" if !part.groups.is_empty() => {
            format!("(?:{}{})?", class::NOTHING, part.groups)
        }
        _ => format!("{wrapped}{written}{}", if lazy { "?" } else { "" }),
    };
    Ok(Part {
        text,
        levels: part.levels + 1,
        instructions: instructions.max(1),
        repeats,
        is_atom: false,
        is_literal: false,
        groups: part.groups,
    })
}

fn within_limits(part: Part) -> Result<Part, String> {
    if part.levels > MOST_LEVELS {
        return Err("expression nests too deeply".to_owned());
    }
    if part.instructions > MOST_INSTRUCTIONS {
        return Err("expression too large".to_owned());
    }
    Ok(part)
}

/// What follows `{n}`, `{n,}` or `{n,m}`; any other brace is a literal. Counts have no leading zeros.
fn counts(text: &str) -> Result<Option<&str>, String> {
    let Some((inside, rest)) = text[1..].split_once('}') else {
        return Ok(None);
    };
    let (least, most) = inside.split_once(',').unwrap_or((inside, inside));
    let is_number = |t: &str| {
        !t.is_empty()
            && t.bytes().all(|b| b.is_ascii_digit())
            && (t.len() == 1 || !t.starts_with('0'))
    };
    let open = inside.contains(',') && most.is_empty();
    if !is_number(least) || !(open || is_number(most)) {
        return Ok(None);
    }
    let value = |t: &str| t.parse::<u64>().unwrap_or(u64::MAX);
    let most = if open { value(least) } else { value(most) };
    if value(least) > MOST_REPEATS || most > MOST_REPEATS || value(least) > most {
        return Err(format!("invalid repeat count: \"{{{inside}}}\""));
    }
    Ok(Some(rest))
}

/// The numbers of counts that [`counts`] has found to be right.
fn bounds(written: &str) -> (u64, Option<u64>) {
    let inside = written.trim_matches(['{', '}']);
    let value = |t: &str| t.parse().unwrap_or(0);
    match inside.split_once(',') {
        None => (value(inside), Some(value(inside))),
        Some((least, "")) => (value(least), None),
        Some((least, most)) => (value(least), Some(value(most))),
    }
}
