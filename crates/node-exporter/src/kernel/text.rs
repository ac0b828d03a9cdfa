//! Numbers and words in kernel text, by the rules of the original's language.

use exporter_core::dialect::strconv;

/// Lines without their ends; a final empty line is none.
pub fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (line, tail) = match memchr::memchr(b'\n', rest) {
            Some(at) => (&rest[..at], &rest[at + 1..]),
            None => (rest, &rest[rest.len()..]),
        };
        rest = tail;
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    })
}

/// Runs of bytes that are no ASCII white space.
pub fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|b| b.is_ascii_whitespace() || *b == 0x0b)
        .filter(|w| !w.is_empty())
}

/// The first `N` words and how many words there are in all.
pub fn first_words<const N: usize>(line: &[u8]) -> ([&[u8]; N], usize) {
    let mut first = [&line[..0]; N];
    let mut count = 0;
    for word in words(line) {
        if let Some(place) = first.get_mut(count) {
            *place = word;
        }
        count += 1;
    }
    (first, count)
}

/// Decimal digits only, 64 bits.
pub fn uint(text: &[u8]) -> Option<u64> {
    radix(text, 10)
}

/// Decimal digits with an optional sign, 64 bits.
pub fn int(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => (false, text),
    };
    let magnitude = i128::from(uint(digits)?);
    i64::try_from(if negative { -magnitude } else { magnitude }).ok()
}

/// Digits of a base from 2 to 36, 64 bits, no sign.
pub fn radix(text: &[u8], base: u32) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |value, byte| {
        let digit = char::from(*byte).to_digit(base)?;
        value
            .checked_mul(u64::from(base))?
            .checked_add(u64::from(digit))
    })
}

/// A value file: base by prefix (`0x`, `0b`, `0o`, `0`), `_` between digits, 64 bits, no sign.
pub fn prefixed_uint(text: &[u8]) -> Option<u64> {
    strconv::parse_uint(std::str::from_utf8(text).ok()?, 0)
}

/// The same with an optional sign.
pub fn prefixed_int(text: &[u8]) -> Option<i64> {
    strconv::parse_int(std::str::from_utf8(text).ok()?, 0)
}

/// A float as the original reads it: exponents, hexadecimal floats, `inf`, `nan`; overflow is none.
pub fn float(text: &[u8]) -> Option<f64> {
    // Up to 15 digits every integer is exact.
    if (1..=15).contains(&text.len()) && text.iter().all(u8::is_ascii_digit) {
        return uint(text).map(|v| v as f64);
    }
    strconv::parse_float(std::str::from_utf8(text).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers() {
        assert_eq!(uint(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(uint(b"18446744073709551616"), None);
        assert_eq!(uint(b"+1"), None);
        assert_eq!(uint(b""), None);
        assert_eq!(int(b"-9223372036854775808"), Some(i64::MIN));
        assert_eq!(int(b"9223372036854775808"), None);
        assert_eq!(int(b"+3"), Some(3));
        assert_eq!(radix(b"fF", 16), Some(255));
        assert_eq!(prefixed_uint(b"0x1f"), Some(31));
        assert_eq!(prefixed_uint(b"017"), Some(15));
        assert_eq!(float(b"1e3"), Some(1000.0));
        assert_eq!(float(b"1e400"), None);
        assert_eq!(float(b" 1"), None);
    }

    #[test]
    fn splits() {
        assert_eq!(
            lines(b"a\r\n\nb").collect::<Vec<_>>(),
            [&b"a"[..], b"", b"b"]
        );
        assert_eq!(lines(b"a\n").count(), 1);
        let ([a, b, c], n) = first_words::<3>(b"  x\ty ");
        assert_eq!((a, b, c, n), (&b"x"[..], &b"y"[..], &b""[..], 2));
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes: Vec<u8>) {
            let _ = (uint(&bytes), int(&bytes), prefixed_uint(&bytes), float(&bytes));
            let _ = (lines(&bytes).count(), words(&bytes).count(), first_words::<4>(&bytes).1);
        }
    }
}
