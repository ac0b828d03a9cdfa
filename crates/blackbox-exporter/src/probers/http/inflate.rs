//! Raw deflate and gzip, with Go's rules for what is well formed. What came out before a mistake
//! counts, so it is passed on.

use super::body::Sink;
use flate2::{Crc, Decompress, FlushDecompress, Status};
use std::io::{self, Write};

/// Bytes that a name or a comment of a gzip header may have, with the zero at its end.
const LONGEST_TEXT: usize = 512;

/// Raw deflate, without the frame of zlib.
pub struct Deflate {
    state: Decompress,
    ended: bool,
}

impl Deflate {
    /// Begins a stream.
    pub fn new() -> Self {
        Deflate {
            state: Decompress::new(false),
            ended: false,
        }
    }

    /// Takes input; the value is how much of it the stream used.
    pub fn push(
        &mut self,
        input: &[u8],
        mut out: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<usize> {
        let mut buffer = [0; 16 * 1024];
        let mut used = 0;
        while !self.ended {
            let (before_in, before_out) = (self.state.total_in(), self.state.total_out());
            let flush = FlushDecompress::None;
            let result = self.state.decompress(&input[used..], &mut buffer, flush);
            let consumed = (self.state.total_in() - before_in) as usize;
            let produced = (self.state.total_out() - before_out) as usize;
            out(&buffer[..produced])?;
            used += consumed;
            let status = result.map_err(|_| io::Error::other("flate: corrupt input"))?;
            self.ended = status == Status::StreamEnd;
            let dry = used == input.len() && produced < buffer.len();
            if dry || consumed == 0 && produced == 0 {
                break;
            }
        }
        Ok(used)
    }

    /// The input is over: the stream must be, too.
    pub fn end(&self) -> io::Result<()> {
        match self.ended {
            true => Ok(()),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// Members of gzip, one after another (RFC 1952).
pub struct Gzip {
    part: Part,
    crc: Crc,
    /// Whether a member was whole.
    whole: bool,
}

enum Part {
    Header(Vec<u8>),
    Data(Box<Deflate>),
    Trailer(Vec<u8>),
}

impl Gzip {
    /// Begins a stream.
    pub fn new() -> Self {
        Gzip {
            part: Part::Header(Vec::new()),
            crc: Crc::new(),
            whole: false,
        }
    }

    /// Takes input.
    pub fn push(&mut self, mut input: &[u8], sink: &mut Sink) -> io::Result<()> {
        while !input.is_empty() {
            let next = match &mut self.part {
                Part::Header(bytes) => {
                    bytes.extend_from_slice(std::mem::take(&mut input));
                    let Some(length) = header_length(bytes)? else {
                        return Ok(());
                    };
                    let behind = bytes.split_off(length);
                    self.part = Part::Data(Box::new(Deflate::new()));
                    self.crc.reset();
                    return self.push(&behind, sink);
                }
                Part::Data(deflate) => {
                    let crc = &mut self.crc;
                    let used = deflate.push(input, |bytes| {
                        crc.update(bytes);
                        sink.write_all(bytes)
                    })?;
                    input = &input[used..];
                    deflate.ended.then(|| Part::Trailer(Vec::new()))
                }
                Part::Trailer(bytes) => {
                    let (own, behind) = input.split_at(input.len().min(8 - bytes.len()));
                    bytes.extend_from_slice(own);
                    input = behind;
                    let expected = [
                        self.crc.sum().to_le_bytes(),
                        self.crc.amount().to_le_bytes(),
                    ];
                    match bytes.len() {
                        8 if *bytes != expected.concat() => {
                            return Err(io::Error::other("gzip: invalid checksum"));
                        }
                        8 => {
                            self.whole = true;
                            Some(Part::Header(Vec::new()))
                        }
                        _ => None,
                    }
                }
            };
            match next {
                Some(next) => self.part = next,
                None => continue,
            }
        }
        Ok(())
    }

    /// The input is over: it must be between two members.
    pub fn end(&self) -> io::Result<()> {
        match &self.part {
            Part::Header(bytes) if bytes.is_empty() && self.whole => Ok(()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// Length of the header that bytes begin with; `None` where more are needed.
pub fn header_length(bytes: &[u8]) -> io::Result<Option<usize>> {
    let bad = || io::Error::other("gzip: invalid header");
    let magic = [0x1f, 0x8b, 8];
    let Some((fixed, _)) = bytes.split_at_checked(10) else {
        return Ok(None);
    };
    if !fixed.starts_with(&magic) {
        return Err(bad());
    }
    let (checked, extra, texts) = (
        fixed[3] & 2 != 0,
        fixed[3] & 4 != 0,
        (fixed[3] & 24).count_ones(),
    );
    let mut at = fixed.len();
    if extra {
        let Some(length) = bytes.get(at..at + 2) else {
            return Ok(None);
        };
        at += 2 + usize::from(u16::from_le_bytes([length[0], length[1]]));
    }
    for _ in 0..texts {
        let text = bytes.get(at..).unwrap_or_default();
        match text.iter().take(LONGEST_TEXT).position(|b| *b == 0) {
            Some(end) => at += end + 1,
            None if text.len() >= LONGEST_TEXT => return Err(bad()),
            None => return Ok(None),
        }
    }
    if checked {
        let Some(told) = bytes.get(at..at + 2) else {
            return Ok(None);
        };
        let mut crc = Crc::new();
        crc.update(&bytes[..at]);
        if crc.sum().to_le_bytes()[..2] != *told {
            return Err(bad());
        }
        at += 2;
    }
    Ok((bytes.len() >= at).then_some(at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn member(body: &[u8]) -> Vec<u8> {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(body).unwrap();
        gzip.finish().unwrap()
    }

    /// Bytes that came out, and whether all was well.
    fn unpack(input: &[u8]) -> (Vec<u8>, bool) {
        let (mut gzip, mut sink) = (Gzip::new(), Sink::new(true, None));
        let pushed = input
            .chunks(7)
            .try_for_each(|c| gzip.push(c, &mut sink))
            .and_then(|()| gzip.end());
        (sink.kept.unwrap(), pushed.is_ok())
    }

    #[test]
    fn members_must_be_whole() {
        let (a, b) = (member(b"hello "), member(b"world"));
        let both = [a.as_slice(), &b].concat();
        assert_eq!(unpack(&both), (b"hello world".to_vec(), true));
        assert_eq!(unpack(&a[..a.len() - 1]), (b"hello ".to_vec(), false));
        let trailed = [a.as_slice(), b"trail"].concat();
        assert_eq!(unpack(&trailed), (b"hello ".to_vec(), false));
        let mut wrong = a.clone();
        let at = wrong.len() - 6;
        wrong[at] ^= 1;
        assert_eq!(unpack(&wrong), (b"hello ".to_vec(), false));
        assert_eq!(unpack(b""), (Vec::new(), false));
    }

    #[test]
    fn headers() {
        let of = |flags: u8, rest: &[u8]| {
            let fixed = [0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 255];
            header_length(&[&fixed, rest].concat()).ok()
        };
        assert_eq!(of(0, b""), Some(Some(10)));
        assert_eq!(of(0xe0, b""), Some(Some(10)));
        assert_eq!(of(4, b"\x02\0ab"), Some(Some(14)));
        assert_eq!(of(4, b"\x02\0a"), Some(None));
        assert_eq!(of(24, b"name\0note\0"), Some(Some(20)));
        assert_eq!(of(8, b"name"), Some(None));
        assert_eq!(of(8, &[b'a'; 512]), None);
        assert_eq!(of(2, b"\0\0"), None);
        assert_eq!(header_length(b"\x1f\x8b\x09\0\0\0\0\0\0\0").ok(), None);
        assert_eq!(header_length(b"\x1f\x8b").ok(), Some(None));
    }

    #[test]
    fn what_came_before_a_mistake_is_passed_on() {
        // A stored block of four bytes, then a block of a type that there is not.
        let input = b"\x00\x04\x00\xfb\xffbody\xff";
        let (mut deflate, mut out) = (Deflate::new(), Vec::new());
        let result = deflate.push(input, |bytes| {
            out.extend_from_slice(bytes);
            Ok(())
        });
        assert!(result.is_err() && out == b"body", "{out:?}");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = header_length(&bytes);
            let _ = unpack(&[&[0x1f, 0x8b, 8], bytes.as_slice()].concat());
        }
    }
}
