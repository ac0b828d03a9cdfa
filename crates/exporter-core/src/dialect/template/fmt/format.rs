//! `Sprintf`: formats and which operands they take.

use super::{Flags, verbs};
use crate::dialect::template::value::Value;

/// Widths and precisions above this are errors in Go too; written out they may have a digit more.
const WIDEST: i64 = 1_000_000;
/// What a width or precision is cut to, so that a template cannot fill the memory.
const WIDEST_WRITTEN: usize = 4096;

/// The operands of a format, and which of them is next.
struct Operands<'a> {
    values: &'a [Value],
    next: usize,
    /// An index was written, so that operands that are left are none too many.
    reordered: bool,
    /// The index of this directive is one of the operands.
    good: bool,
}

/// A width or precision.
struct Size {
    /// `Err` where `*` finds no fitting number.
    value: Result<Option<i64>, ()>,
    /// An index stands before it that is for what comes next.
    open: bool,
}

impl<'a> Operands<'a> {
    fn take(&mut self) -> Option<&'a Value> {
        let value = self.values.get(self.next);
        self.next += usize::from(value.is_some());
        value
    }

    /// Reads `[2]`, which says the next operand; whether there was a number, and what follows it.
    fn index<'t>(&mut self, text: &'t [u8]) -> (bool, &'t [u8]) {
        if text.first() != Some(&b'[') {
            return (false, text);
        }
        self.reordered = true;
        let end = text.iter().position(|b| *b == b']');
        let Some(end) = end.filter(|_| text.len() > 2) else {
            self.good = false;
            return (false, &text[1..]);
        };
        let inside = std::str::from_utf8(&text[1..end]).unwrap_or_default();
        let is_number = inside.bytes().all(|b| b.is_ascii_digit());
        let number = inside.parse::<usize>().ok().filter(|_| is_number);
        let index = number.and_then(|n| n.checked_sub(1));
        let index = index.filter(|index| *index < self.values.len());
        match index {
            Some(index) => self.next = index,
            None => self.good = false,
        }
        (number.is_some(), &text[end + 1..])
    }

    /// A width or precision with the index before it, and what follows.
    fn indexed_size<'t>(&mut self, text: &'t [u8]) -> (Size, &'t [u8]) {
        let (indexed, rest) = self.index(text);
        let starred = rest.starts_with(b"*");
        let (value, rest) = self.size(rest);
        let open = indexed && !starred;
        (Size { value, open }, rest)
    }

    /// A width or precision: `*` or digits, and what follows. `Err` where `*` finds no fitting number.
    fn size<'t>(&mut self, text: &'t [u8]) -> (Result<Option<i64>, ()>, &'t [u8]) {
        if let Some(rest) = text.strip_prefix(b"*") {
            return (self.star(), rest);
        }
        let count = text.iter().take_while(|b| b.is_ascii_digit()).count();
        let mut number = 0;
        for digit in &text[..count] {
            // As in Go, what follows is then no directive.
            if number > WIDEST {
                return (Ok(None), &[]);
            }
            number = number * 10 + i64::from(digit - b'0');
        }
        (Ok(Some(number).filter(|_| count > 0)), &text[count..])
    }

    fn star(&mut self) -> Result<Option<i64>, ()> {
        match self.take() {
            Some(Value::Whole(_, number)) if (-WIDEST..=WIDEST).contains(number) => {
                Ok(Some(*number))
            }
            _ => Err(()),
        }
    }
}

/// `Sprintf`
pub fn printf(format: &[u8], values: &[Value]) -> Vec<u8> {
    let mut out = Vec::with_capacity(format.len() + 16);
    let mut operands = Operands {
        values,
        next: 0,
        reordered: false,
        good: true,
    };
    let mut rest = format;
    while let Some(at) = rest.iter().position(|b| *b == b'%') {
        out.extend_from_slice(&rest[..at]);
        rest = directive(&mut out, &rest[at + 1..], &mut operands);
    }
    out.extend_from_slice(rest);
    if !operands.reordered && operands.next < values.len() {
        push_extra(&mut out, &values[operands.next..]);
    }
    out
}

fn push_extra(out: &mut Vec<u8>, values: &[Value]) {
    out.extend_from_slice(b"%!(EXTRA ");
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            out.extend_from_slice(b", ");
        }
        if *value != Value::Nil {
            out.extend_from_slice(value.kind().as_bytes());
            out.push(b'=');
        }
        verbs::push(out, value, 'v', Flags::default());
    }
    out.push(b')');
}

/// One directive behind its percent sign; gives what follows it.
fn directive<'t>(out: &mut Vec<u8>, text: &'t [u8], operands: &mut Operands<'_>) -> &'t [u8] {
    operands.good = true;
    let (flags, rest) = flags(out, text, operands);
    let Some((verb, rest)) = first_char(rest) else {
        out.extend_from_slice(b"%!(NOVERB)");
        return rest;
    };
    let complain = |out: &mut Vec<u8>, what: &str| {
        out.extend_from_slice(format!("%!{verb}({what})").as_bytes());
    };
    if verb == '%' {
        out.push(b'%');
    } else if !operands.good {
        complain(out, "BADINDEX");
    } else if let Some(value) = operands.take() {
        verbs::push(out, value, verb, of_verb(flags, verb));
    } else {
        complain(out, "MISSING");
    }
    rest
}

/// `%#v` and `%+v` mean something else than the flags alone, and so do those of `%w`, which is for
/// errors alone.
fn of_verb(flags: Flags, verb: char) -> Flags {
    match verb {
        'v' | 'w' => Flags {
            source: flags.sharp,
            named: flags.plus,
            sharp: false,
            plus: false,
            ..flags
        },
        _ => flags,
    }
}

/// The first character; a byte that is none counts as U+FFFD.
fn first_char(bytes: &[u8]) -> Option<(char, &[u8])> {
    let chunk = bytes.utf8_chunks().next()?;
    match chunk.valid().chars().next() {
        Some(c) => Some((c, &bytes[c.len_utf8()..])),
        None => Some((char::REPLACEMENT_CHARACTER, &bytes[1..])),
    }
}

/// Flags, width and precision, and what follows them. Complains of `*` that finds no number.
fn flags<'t>(out: &mut Vec<u8>, text: &'t [u8], operands: &mut Operands<'_>) -> (Flags, &'t [u8]) {
    let mut flags = Flags::default();
    let mut rest = text;
    while let Some((flag, tail)) = rest.split_first() {
        match flag {
            b'-' => flags.minus = true,
            b'+' => flags.plus = true,
            b'#' => flags.sharp = true,
            b' ' => flags.space = true,
            b'0' => flags.zero = true,
            _ => break,
        }
        rest = tail;
    }
    let (indexed, rest) = width(out, rest, operands, &mut flags);
    // A point at the very end is taken for the verb.
    let point = rest.strip_prefix(b".").filter(|tail| !tail.is_empty());
    let (indexed, rest) = match point {
        Some(tail) => {
            operands.good &= !indexed;
            precision(out, tail, operands, &mut flags)
        }
        None => (indexed, rest),
    };
    flags.zero &= !flags.minus;
    match indexed {
        true => (flags, rest),
        false => (flags, operands.index(rest).1),
    }
}

/// Reads a width; whether an index before it is for what comes next, and what follows.
fn width<'t>(
    out: &mut Vec<u8>,
    text: &'t [u8],
    operands: &mut Operands<'_>,
    flags: &mut Flags,
) -> (bool, &'t [u8]) {
    let (width, rest) = operands.indexed_size(text);
    match width.value {
        Ok(Some(size)) => {
            flags.minus |= size < 0;
            flags.width = Some(written(size));
            // An index stands before a verb or a star, not before digits.
            operands.good &= !width.open;
        }
        Ok(None) => {}
        Err(()) => out.extend_from_slice(b"%!(BADWIDTH)"),
    }
    (width.open, rest)
}

/// The same for a precision behind its point.
fn precision<'t>(
    out: &mut Vec<u8>,
    text: &'t [u8],
    operands: &mut Operands<'_>,
    flags: &mut Flags,
) -> (bool, &'t [u8]) {
    let (precision, rest) = operands.indexed_size(text);
    match precision.value.map(Option::unwrap_or_default) {
        Ok(size @ 0..) => flags.precision = Some(written(size)),
        _ => out.extend_from_slice(b"%!(BADPREC)"),
    }
    (precision.open, rest)
}

fn written(size: i64) -> usize {
    let size = usize::try_from(size.unsigned_abs()).unwrap_or(usize::MAX);
    size.min(WIDEST_WRITTEN)
}
