//! Tokens of clients, known by their SHA-256 digests.
//!
//! bcrypt makes guessing dear because passwords can be guessed. A token of random bytes cannot, so
//! one digest a request is enough, and nothing has to be remembered.

use http::HeaderValue;
use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};

/// The digest of a token.
pub type Digest = [u8; SHA256_OUTPUT_LEN];

/// Reads a digest of 64 hexadecimal digits, as `sha256sum` prints it.
pub fn parse_digest(text: &str) -> Result<Digest, &'static str> {
    let digits = text.as_bytes();
    if digits.len() != 2 * SHA256_OUTPUT_LEN {
        return Err("it has not 64 hexadecimal digits");
    }
    let mut parsed = Digest::default();
    for (byte, pair) in parsed.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        let (Some(high), Some(low)) = (digit(0), digit(1)) else {
            return Err("it has characters that are no hexadecimal digits");
        };
        *byte = (high * 16 + low) as u8;
    }
    Ok(parsed)
}

/// Whether credentials carry a token of one of these digests.
pub fn admits<'a>(
    digests: impl Iterator<Item = &'a Digest>,
    credentials: Option<&HeaderValue>,
) -> bool {
    let Some(token) = credentials.and_then(|c| bearer(c.as_bytes())) else {
        return false;
    };
    let presented = digest(&SHA256, token);
    // All of all are compared, so that the time tells nothing of how much was right.
    let differ = |known: &Digest| {
        let pairs = presented.as_ref().iter().zip(known);
        pairs.fold(0, |differ, (a, b)| differ | (a ^ b))
    };
    digests.fold(false, |admitted, known| admitted | (differ(known) == 0))
}

/// The token of `Bearer TOKEN`, by RFC 6750, section 2.1.
fn bearer(credentials: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = credentials.split_at_checked(7)?;
    let token = token.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"bearer ") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Of `abc`, from the standard's own example.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn who_is_let_in() {
        let digests = [[7; SHA256_OUTPUT_LEN], parse_digest(ABC).unwrap()];
        for (credentials, admitted) in [
            ("Bearer abc", true),
            ("bEARER  abc ", true),
            ("Bearer abcd", false),
            ("Bearer ab", false),
            ("Bearer ", false),
            ("Bearer", false),
            ("Basic abc", false),
            (ABC, false),
            (&format!("Bearer {ABC}"), false),
        ] {
            let header = HeaderValue::from_str(credentials).unwrap();
            let answer = admits(digests.iter(), Some(&header));
            assert_eq!(answer, admitted, "{credentials}");
            assert!(!admits([].iter(), Some(&header)), "{credentials}");
        }
        assert!(!admits(digests.iter(), None));
    }

    #[test]
    fn digests() {
        assert_eq!(parse_digest(&ABC.to_uppercase()), parse_digest(ABC));
        let odd = ABC.replace('b', "g");
        for bad in ["", "abc", &ABC[1..], &odd, &format!("{ABC}00")] {
            assert!(parse_digest(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = parse_digest(&text);
            let _ = bearer(text.as_bytes());
        }
    }
}
