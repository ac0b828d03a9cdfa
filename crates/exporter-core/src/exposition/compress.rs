//! Content encodings.

use flate2::{Compress, Compression, FlushCompress, Status};
use std::io;

/// How a body is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// Not at all.
    Identity,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

impl Coding {
    /// The word in headers.
    pub const fn word(self) -> &'static str {
        match self {
            Coding::Identity => "identity",
            Coding::Gzip => "gzip",
            Coding::Zstd => "zstd",
        }
    }
}

/// Chooses among offers, the preferred first, as the Go library does: the pair of offer and clause
/// with strictly the highest quality wins. Nothing that matches gives identity.
pub fn negotiate(accept_encoding: Option<&str>, offers: &[Coding]) -> Coding {
    let clauses = parse(accept_encoding.unwrap_or(""));
    let mut best = (Coding::Identity, 0.0);
    for offer in offers {
        for (word, quality) in &clauses {
            if (*word == "*" || *word == offer.word()) && *quality > best.1 {
                best = (*offer, *quality);
            }
        }
    }
    best.0
}

/// Clauses up to the first malformed one. One that is well up to its quality still counts.
fn parse(header: &str) -> Vec<(&str, f64)> {
    let mut clauses = Vec::new();
    for clause in header.split(',') {
        let (word, parameter) = match clause.split_once(';') {
            Some((word, parameter)) => (word.trim(), Some(parameter.trim())),
            None => (clause.trim(), None),
        };
        let parsed = match parameter {
            None => Some((1.0, "")),
            Some(parameter) => parameter.strip_prefix("q=").and_then(quality),
        };
        let Some((quality, rest)) = parsed.filter(|_| !word.is_empty()) else {
            break;
        };
        clauses.push((word, quality));
        if !rest.is_empty() {
            break;
        }
    }
    clauses
}

/// A quality by RFC 9110, section 12.4.2, without its upper bound, and what stands behind it.
fn quality(text: &str) -> Option<(f64, &str)> {
    if !text.starts_with(['0', '1']) {
        return None;
    }
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let end = match text[1..].strip_prefix('.') {
        Some(fraction) => 2 + digits(fraction),
        None => 1,
    };
    let (number, rest) = text.split_at(end);
    Some((number.parse().ok()?, rest))
}

/// Compresses whole bodies, keeping its state from one to the next.
///
/// Level 1: an exposition is repetitive enough that higher levels cost several times the CPU for a
/// few percent of size.
pub struct Gzip {
    state: Compress,
}

/// Magic, deflate, no flags, no time, fastest, unknown system (RFC 1952, section 2.3).
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255];

impl Default for Gzip {
    fn default() -> Self {
        Gzip {
            state: Compress::new(Compression::new(1), false),
        }
    }
}

impl Gzip {
    /// Appends a gzip member that holds `body`.
    pub fn compress(&mut self, body: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        self.state.reset();
        out.extend_from_slice(&HEADER);
        let mut rest = body;
        loop {
            if out.capacity() - out.len() < 64 {
                out.reserve(body.len() / 8 + 4096);
            }
            let before = self.state.total_in();
            let status = self
                .state
                .compress_vec(rest, out, FlushCompress::Finish)
                .map_err(io::Error::other)?;
            rest = &rest[(self.state.total_in() - before) as usize..];
            if status == Status::StreamEnd {
                break;
            }
        }
        let mut crc = flate2::Crc::new();
        crc.update(body);
        out.extend_from_slice(&crc.sum().to_le_bytes());
        out.extend_from_slice(&crc.amount().to_le_bytes());
        Ok(())
    }
}

/// Appends a zstd frame that holds `body`.
pub fn zstd(body: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    zstd::stream::copy_encode(body, out, 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn choice() {
        use Coding::{Gzip, Identity, Zstd};
        let two: &[Coding] = &[Identity, Gzip];
        let three: &[Coding] = &[Identity, Gzip, Zstd];
        for (header, offers, coding) in [
            ("", two, Identity),
            ("gzip", two, Gzip),
            ("gzip, deflate, br", two, Gzip),
            ("*", two, Identity),
            ("gzip;q=0.5, identity;q=0.5", two, Identity),
            ("identity;q=0.5, gzip", two, Gzip),
            ("gzip;q=0", two, Identity),
            ("gzip;q=-1, gzip", two, Identity),
            ("gzip;q=2, gzip", two, Identity),
            ("gzip;q=1e1, identity", two, Gzip),
            ("gzip;q=0.5x, identity", two, Gzip),
            ("gzip;q=0., gzip", two, Gzip),
            ("GZIP", two, Identity),
            ("x-gzip", two, Identity),
            ("identity;q=0", two, Identity),
            ("br;level=3, gzip", two, Identity),
            ("gzip, br;level=3", two, Gzip),
            ("zstd", two, Identity),
            ("zstd, gzip", three, Gzip),
            ("zstd, gzip;q=0.9", three, Zstd),
        ] {
            assert_eq!(negotiate(Some(header), offers), coding, "{header}");
        }
        assert_eq!(negotiate(None, two), Identity);
    }

    #[test]
    fn round_trips() {
        let mut gzip = Gzip::default();
        for body in [
            &b""[..],
            b"short",
            &b"node_cpu_seconds_total 1\n".repeat(20_000),
        ] {
            let mut packed = Vec::new();
            gzip.compress(body, &mut packed).unwrap();
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(&packed[..])
                .read_to_end(&mut plain)
                .unwrap();
            assert_eq!(plain, body);
            let mut packed = Vec::new();
            zstd(body, &mut packed).unwrap();
            assert_eq!(::zstd::decode_all(&packed[..]).unwrap(), body);
        }
    }
}
