//! The body of an answer: decompressed, counted, limited, and kept where somebody wants to look at
//! it.

use crate::client::Answer;
use crate::config::Compression;
use brotli_decompressor::DecompressorWriter;
use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use flate2::{Decompress, FlushDecompress, Status};
use std::io::{self, Write};

/// Bytes of a body that are kept for checks; a probe must not take the memory of all others.
const MOST_KEPT: usize = 256 << 20;

/// A body being read.
pub struct Reader {
    stage: Stage,
    first: Option<Bytes>,
}

enum Stage {
    Plain(Sink),
    Gzip(Box<MultiGzDecoder<Sink>>),
    Brotli(Box<DecompressorWriter<Sink>>),
    Deflate(Deflate),
}

/// Where decompressed bytes go.
#[derive(Debug, Default)]
pub struct Sink {
    /// Bytes so far.
    pub count: u64,
    /// The bytes, where they are kept.
    pub kept: Option<Vec<u8>>,
    limit: Option<u64>,
}

impl Sink {
    /// Counts, keeps the bytes if asked to, and refuses those beyond a limit.
    pub fn new(keep: bool, limit: Option<u64>) -> Self {
        Sink {
            count: 0,
            kept: keep.then(Vec::new),
            limit,
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = self.limit.map_or(u64::MAX, |limit| limit - self.count);
        let fits = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        self.count += fits as u64;
        if let Some(kept) = &mut self.kept {
            if kept.len() + fits > MOST_KEPT {
                return Err(io::Error::other("the body is too large to be checked"));
            }
            kept.extend_from_slice(&bytes[..fits]);
        }
        match fits < bytes.len() {
            true => Err(io::Error::other("http: request body too large")),
            false => Ok(fits),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Raw deflate, without the frame of zlib.
struct Deflate {
    state: Decompress,
    sink: Sink,
    ended: bool,
}

impl Deflate {
    fn push(&mut self, mut input: &[u8]) -> io::Result<()> {
        let mut buffer = [0; 16 * 1024];
        while !self.ended {
            let (consumed, produced) = (self.state.total_in(), self.state.total_out());
            let flush = FlushDecompress::None;
            let status = self.state.decompress(input, &mut buffer, flush);
            let consumed = (self.state.total_in() - consumed) as usize;
            let produced = (self.state.total_out() - produced) as usize;
            // What came out before a mistake counts.
            self.sink.write_all(&buffer[..produced])?;
            input = &input[consumed..];
            let status = status.map_err(|_| io::Error::other("flate: corrupt input"))?;
            self.ended = status == Status::StreamEnd;
            if consumed == 0 && produced == 0 || input.is_empty() && produced < buffer.len() {
                break;
            }
        }
        Ok(())
    }
}

impl Reader {
    /// Makes the decompressor. Gzip looks at its header at once.
    ///
    /// # Errors
    /// A sentence, and the bytes of the body that were used up over it.
    pub async fn new(
        compression: Option<Compression>,
        sink: Sink,
        answer: &mut Answer,
    ) -> Result<Self, (String, u64)> {
        let mut first = None;
        let stage = match compression {
            None | Some(Compression::Identity) => Stage::Plain(sink),
            Some(Compression::Brotli) => {
                Stage::Brotli(Box::new(DecompressorWriter::new(sink, 4096)))
            }
            Some(Compression::Deflate) => Stage::Deflate(Deflate {
                state: Decompress::new(false),
                sink,
                ended: false,
            }),
            Some(Compression::Unknown) => {
                return Err(("unsupported compression algorithm".to_owned(), 0));
            }
            Some(Compression::Gzip) => {
                first = Some(gzip_head(answer).await?);
                Stage::Gzip(Box::new(MultiGzDecoder::new(sink)))
            }
        };
        Ok(Reader { stage, first })
    }

    /// Reads to the end. What came before an error is in the sink.
    pub async fn read(&mut self, answer: &mut Answer) -> Result<(), String> {
        if let Some(first) = self.first.take() {
            self.push(&first).map_err(|e| e.to_string())?;
        }
        while let Some(bytes) = answer.data().await? {
            self.push(&bytes).map_err(|e| e.to_string())?;
        }
        self.end().map_err(|e| e.to_string())
    }

    fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stage {
            Stage::Plain(sink) => sink.write_all(bytes),
            // Flushed, because a deadline may end the reading, and what came counts.
            Stage::Gzip(decoder) => decoder.write_all(bytes).and_then(|()| decoder.flush()),
            Stage::Brotli(decoder) => decoder.write_all(bytes),
            Stage::Deflate(deflate) => deflate.push(bytes),
        }
    }

    /// The body is over: a compressed one must be whole.
    fn end(&mut self) -> io::Result<()> {
        match &mut self.stage {
            Stage::Plain(_) => Ok(()),
            Stage::Gzip(decoder) => decoder.try_finish(),
            Stage::Brotli(decoder) => decoder.close(),
            Stage::Deflate(deflate) => match deflate.ended {
                true => Ok(()),
                false => Err(io::ErrorKind::UnexpectedEof.into()),
            },
        }
    }

    /// What was read so far.
    pub fn sink(&self) -> &Sink {
        match &self.stage {
            Stage::Plain(sink) => sink,
            Stage::Gzip(decoder) => decoder.get_ref(),
            Stage::Brotli(decoder) => decoder.get_ref(),
            Stage::Deflate(deflate) => &deflate.sink,
        }
    }
}

/// The beginning of a body, which must be that of a gzip member.
async fn gzip_head(answer: &mut Answer) -> Result<Bytes, (String, u64)> {
    let mut head = Vec::new();
    loop {
        let magic = [0x1f, 0x8b, 8];
        let seen = head.len().min(magic.len());
        if head[..seen] != magic[..seen] {
            return Err(("gzip: invalid header".to_owned(), head.len() as u64));
        }
        if head.len() >= 10 {
            return Ok(head.into());
        }
        match answer.data().await {
            Ok(Some(bytes))
                if head.is_empty() && bytes.len() >= 10 && bytes.starts_with(&magic) =>
            {
                return Ok(bytes);
            }
            Ok(Some(bytes)) => head.extend_from_slice(&bytes),
            Ok(None) => return Err(("gzip: unexpected end".to_owned(), head.len() as u64)),
            Err(why) => return Err((why, head.len() as u64)),
        }
    }
}

/// Bytes that the original's gzip reader takes off the body before it looks at them.
const GZIP_BUFFER: u64 = 4096;

/// Counts what is left of a body that cannot be decompressed, `used` bytes of which are gone, up to
/// a limit. The count is told as it grows, because the deadline may end it.
pub async fn count_rest(answer: &mut Answer, used: u64, limit: u64, count: &mut u64) {
    let gone = if used == 0 { 0 } else { GZIP_BUFFER };
    let mut total = used;
    loop {
        *count = total.saturating_sub(gone).min(limit);
        match answer.data().await {
            Ok(Some(bytes)) if *count < limit => total += bytes.len() as u64,
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(stage: Stage) -> Reader {
        Reader { stage, first: None }
    }

    fn unpack(mut reader: Reader, input: &[u8]) -> (u64, bool) {
        let pushed = input
            .chunks(7)
            .try_for_each(|c| reader.push(c))
            .and_then(|()| reader.end());
        (reader.sink().count, pushed.is_ok())
    }

    #[test]
    fn compressed_bodies_must_be_whole() {
        let body = b"hello hello hello ".repeat(5000);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&body).unwrap();
        let gzip = gzip.finish().unwrap();
        let mut deflate =
            flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        deflate.write_all(&body).unwrap();
        let deflate = deflate.finish().unwrap();
        let gz = |limit| {
            reader(Stage::Gzip(Box::new(MultiGzDecoder::new(Sink::new(
                false, limit,
            )))))
        };
        let raw = |limit| {
            reader(Stage::Deflate(Deflate {
                state: Decompress::new(false),
                sink: Sink::new(false, limit),
                ended: false,
            }))
        };
        assert_eq!(unpack(gz(None), &gzip), (90_000, true));
        assert_eq!(unpack(raw(None), &deflate), (90_000, true));
        assert!(!unpack(gz(None), &gzip[..gzip.len() - 1]).1);
        assert!(!unpack(raw(None), &deflate[..deflate.len() - 1]).1);
        assert_eq!(unpack(gz(Some(1000)), &gzip), (1000, false));
        assert_eq!(unpack(raw(Some(1000)), &deflate), (1000, false));
        assert_eq!(unpack(raw(Some(90_000)), &deflate), (90_000, true));
        for empty in [gz(None), raw(None)] {
            assert!(!unpack(empty, b"").1);
        }
        let brotli = || {
            reader(Stage::Brotli(Box::new(DecompressorWriter::new(
                Sink::new(true, None),
                4096,
            ))))
        };
        // A stream of one uncompressed block that says "hi".
        let packed = [0x8b, 0x00, 0x80, b'h', b'i', 0x03];
        assert_eq!(unpack(brotli(), &packed), (2, true));
        assert!(!unpack(brotli(), &packed[..4]).1 && !unpack(brotli(), b"").1);
    }
}
