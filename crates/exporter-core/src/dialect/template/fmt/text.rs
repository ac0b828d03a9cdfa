//! Strings and bytes: `%s`, `%q` and `%x`, and how everything is padded.

use super::Flags;
use crate::dialect::strconv;
use std::io::Write;

/// Pads with blanks, or with zeros on the left.
pub fn pad(out: &mut Vec<u8>, text: &[u8], flags: Flags) {
    let length = text.utf8_chunks().fold(0, |sum, chunk| {
        sum + chunk.valid().chars().count() + chunk.invalid().len()
    });
    let missing = flags.width.unwrap_or(0).saturating_sub(length);
    let filler = |c| std::iter::repeat_n(c, missing);
    match (flags.minus, flags.zero) {
        (true, _) => {
            out.extend_from_slice(text);
            out.extend(filler(b' '));
        }
        (false, zero) => {
            out.extend(filler(if zero { b'0' } else { b' ' }));
            out.extend_from_slice(text);
        }
    }
}

/// `%s`
pub fn push_text(out: &mut Vec<u8>, text: &[u8], flags: Flags) {
    pad(out, cut(text, flags), flags);
}

/// The first characters, as many as the precision says.
fn cut(text: &[u8], flags: Flags) -> &[u8] {
    let Some(mut left) = flags.precision else {
        return text;
    };
    let mut end = 0;
    for chunk in text.utf8_chunks() {
        let lengths = chunk.valid().chars().map(char::len_utf8);
        for length in lengths.chain(chunk.invalid().iter().map(|_| 1)) {
            if left == 0 {
                return &text[..end];
            }
            left -= 1;
            end += length;
        }
    }
    text
}

/// `%q`
pub fn push_quoted(out: &mut Vec<u8>, text: &[u8], flags: Flags) {
    let text = cut(text, flags);
    let raw = std::str::from_utf8(text).ok();
    if let Some(raw) = raw.filter(|raw| flags.sharp && can_be_raw(raw)) {
        return pad(out, format!("`{raw}`").as_bytes(), flags);
    }
    let mut quoted = "\"".to_owned();
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            strconv::push_escaped(&mut quoted, c, '"', flags.plus);
        }
        for byte in chunk.invalid() {
            quoted.push_str(&format!("\\x{byte:02x}"));
        }
    }
    quoted.push('"');
    pad(out, quoted.as_bytes(), flags);
}

/// Whether a text can stand between back quotes.
fn can_be_raw(text: &str) -> bool {
    let bad = |c: char| c == '`' || c == '\u{feff}' || c == '\u{7f}' || c < ' ' && c != '\t';
    !text.contains(bad)
}

/// `%x` and `%X`; a precision says how many bytes.
pub fn push_hexadecimal(out: &mut Vec<u8>, bytes: &[u8], verb: char, flags: Flags) {
    let bytes = &bytes[..flags.precision.unwrap_or(bytes.len()).min(bytes.len())];
    let prefix: &[u8] = match (flags.sharp, verb) {
        (true, 'x') => b"0x",
        (true, _) => b"0X",
        (false, _) => b"",
    };
    let mut digits = Vec::with_capacity(bytes.len() * 2);
    for (at, byte) in bytes.iter().enumerate() {
        if flags.space && at > 0 {
            digits.push(b' ');
        }
        if flags.space || at == 0 {
            digits.extend_from_slice(prefix);
        }
        // Writing to a Vec cannot fail.
        let _ = match verb {
            'x' => write!(digits, "{byte:02x}"),
            _ => write!(digits, "{byte:02X}"),
        };
    }
    pad(out, &digits, flags);
}
