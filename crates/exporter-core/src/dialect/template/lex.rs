//! From text to tokens.

use super::number::{self, Number};
use crate::dialect::unicode;

/// A piece of an action, or the text between two.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// Text between actions.
    Text(String),
    /// `{{`
    Open,
    /// `}}`
    Close,
    /// White space within an action; it separates operands.
    Space,
    /// A name without a dot.
    Word(String),
    /// `.name`
    Field(String),
    /// `$name`, or `$` alone.
    Variable(String),
    /// A lone `.`.
    Dot,
    /// A string in either quotes.
    Quoted(Vec<u8>),
    /// A number or a character.
    Number(Number),
    /// `|`, `(`, `)` or `,`
    Punctuation(char),
    /// `:=`
    Declare,
    /// `=`
    Assign,
}

const SPACES: &[char] = &[' ', '\t', '\r', '\n'];

pub(super) fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    let mut trim_left = false;
    loop {
        let (mut between, action) = match rest.split_once("{{") {
            Some((between, action)) => (between, Some(action)),
            None => (rest, None),
        };
        if trim_left {
            between = between.trim_start_matches(SPACES);
        }
        let Some(mut action) = action else {
            push_text(&mut tokens, between);
            return Ok(tokens);
        };
        let mut body = action;
        if let Some(after) = action.strip_prefix('-')
            && after.starts_with(SPACES)
        {
            action = after;
            body = &after[1..];
            between = between.trim_end_matches(SPACES);
        }
        push_text(&mut tokens, between);
        // Only directly behind the braces or the one blank of a trim marker.
        (rest, trim_left) = match body.strip_prefix("/*") {
            Some(comment) => skip_comment(comment)?,
            None => lex_action(action, &mut tokens)?,
        };
    }
}

fn push_text(tokens: &mut Vec<Token>, text: &str) {
    if !text.is_empty() {
        tokens.push(Token::Text(text.to_owned()));
    }
}

/// What follows a comment, and whether the white space there goes.
fn skip_comment(comment: &str) -> Result<(&str, bool), String> {
    let (_, after) = comment.split_once("*/").ok_or("a comment is not closed")?;
    if let Some(rest) = after.strip_prefix("}}") {
        return Ok((rest, false));
    }
    let trimming = after.strip_prefix(SPACES);
    match trimming.and_then(|after| after.strip_prefix("-}}")) {
        Some(rest) => Ok((rest, true)),
        None => Err("a comment must end right before its closing braces".to_owned()),
    }
}

fn lex_action<'a>(action: &'a str, tokens: &mut Vec<Token>) -> Result<(&'a str, bool), String> {
    tokens.push(Token::Open);
    let mut rest = action;
    loop {
        let spaces = rest.len() - rest.trim_start_matches(SPACES).len();
        if spaces > 0 && rest[spaces..].starts_with("-}}") {
            tokens.push(Token::Close);
            return Ok((&rest[spaces + 3..], true));
        }
        if let Some(after) = rest.strip_prefix("}}") {
            tokens.push(Token::Close);
            return Ok((after, false));
        }
        if spaces > 0 {
            tokens.push(Token::Space);
            rest = &rest[spaces..];
            continue;
        }
        let (token, after) = lex_token(rest)?;
        tokens.push(token);
        rest = after;
    }
}

fn lex_token(text: &str) -> Result<(Token, &str), String> {
    let Some(first) = text.chars().next() else {
        return Err("an action is not closed by }}".to_owned());
    };
    let tail = &text[first.len_utf8()..];
    if let Some(after) = text.strip_prefix(":=") {
        return Ok((Token::Declare, after));
    }
    match first {
        '=' => Ok((Token::Assign, tail)),
        '|' | '(' | ')' | ',' => Ok((Token::Punctuation(first), tail)),
        '"' => quoted(text),
        '`' => {
            let (raw, after) = tail.split_once('`').ok_or("a raw string is not closed")?;
            Ok((Token::Quoted(raw.into()), after))
        }
        '\'' => character(tail),
        '.' if !tail.starts_with(|c: char| c.is_ascii_digit()) => {
            let (name, after) = name(tail);
            bounded(after)?;
            let token = match name {
                "" => Token::Dot,
                name => Token::Field(name.to_owned()),
            };
            Ok((token, after))
        }
        '$' => {
            let (_, after) = name(tail);
            bounded(after)?;
            let len = text.len() - after.len();
            Ok((Token::Variable(text[..len].to_owned()), after))
        }
        '+' | '-' | '.' | '0'..='9' => number(text),
        c if is_name(c) => {
            let (word, after) = name(text);
            bounded(after)?;
            Ok((Token::Word(word.to_owned()), after))
        }
        c => Err(format!("unexpected {c:?} in an action")),
    }
}

fn is_name(c: char) -> bool {
    c == '_' || unicode::is_letter_or_digit(c)
}

fn name(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c| !is_name(c)).unwrap_or(text.len()))
}

/// A name ends where something else can begin.
fn bounded(after: &str) -> Result<(), String> {
    match after.chars().next() {
        Some(c) if SPACES.contains(&c) || ".,|:)(".contains(c) => Ok(()),
        None => Ok(()),
        Some('}') if after.starts_with("}}") => Ok(()),
        Some(c) => Err(format!("unexpected {c:?} behind a name")),
    }
}

fn number(text: &str) -> Result<(Token, &str), String> {
    let (written, rest) = text.split_at(number::length(text));
    if rest.starts_with(is_name) {
        return Err(format!("bad number {written:?}"));
    }
    Ok((Token::Number(Number::parse(written)?), rest))
}

fn quoted(text: &str) -> Result<(Token, &str), String> {
    let mut bytes = Vec::new();
    let mut rest = &text[1..];
    loop {
        let c = rest.chars().next().filter(|c| *c != '\n');
        let c = c.ok_or("a string is not closed")?;
        rest = &rest[c.len_utf8()..];
        match c {
            '"' => break,
            '\\' => rest = escape(rest, '"', &mut bytes)?,
            c => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Ok((Token::Quoted(bytes), rest))
}

/// What follows a backslash, appended to `bytes`.
fn escape<'a>(text: &'a str, quote: char, bytes: &mut Vec<u8>) -> Result<&'a str, String> {
    let bad = || "a string holds an unknown escape".to_owned();
    let c = text.chars().next().ok_or_else(bad)?;
    let tail = &text[c.len_utf8()..];
    let digits = |text: &'a str, count: usize, radix: u32| {
        let (digits, rest) = text.split_at_checked(count).ok_or_else(bad)?;
        if !digits.chars().all(|c| c.is_digit(radix)) {
            return Err(bad());
        }
        let number = u32::from_str_radix(digits, radix).map_err(|_| bad())?;
        Ok::<_, String>((number, rest))
    };
    let byte = match c {
        'a' => 7,
        'b' => 8,
        'f' => 12,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 11,
        '\\' => b'\\',
        c if c == quote => c as u8,
        '0'..='7' => {
            let (number, rest) = digits(text, 3, 8)?;
            bytes.push(u8::try_from(number).map_err(|_| bad())?);
            return Ok(rest);
        }
        'x' => {
            let (number, rest) = digits(tail, 2, 16)?;
            bytes.push(number as u8);
            return Ok(rest);
        }
        'u' | 'U' => {
            let (number, rest) = digits(tail, if c == 'u' { 4 } else { 8 }, 16)?;
            let c = char::from_u32(number).ok_or_else(bad)?;
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            return Ok(rest);
        }
        _ => return Err(bad()),
    };
    bytes.push(byte);
    Ok(tail)
}

fn character(text: &str) -> Result<(Token, &str), String> {
    let bad = || "expected one character in single quotes".to_owned();
    let c = text.chars().next().filter(|c| !matches!(c, '\'' | '\n'));
    let c = c.ok_or_else(bad)?;
    let tail = &text[c.len_utf8()..];
    let (code, rest) = if c == '\\' {
        let mut bytes = Vec::new();
        let rest = escape(tail, '\'', &mut bytes)?;
        let code = match std::str::from_utf8(&bytes) {
            Ok(text) => text.chars().next().map_or(0, u32::from),
            Err(_) => bytes.first().map_or(0, |b| u32::from(*b)),
        };
        (code, rest)
    } else {
        (u32::from(c), tail)
    };
    let rest = rest.strip_prefix('\'').ok_or_else(bad)?;
    Ok((Token::Number(Number::character(code)), rest))
}
