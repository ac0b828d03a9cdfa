//! One exchange over HTTP/1: the request goes out while the answer comes in.

mod head;

pub use head::Head;

use super::{Outgoing, Stream, Times};
use bytes::{Buf, Bytes, BytesMut};
use head::{Fields, Framing, status_line};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that all heads of an answer may have.
const LONGEST_HEAD: usize = 10 << 20;
/// Bytes that the line before a chunk, and all trailers, may have.
const LONGEST_CHUNK_LINE: usize = 4096;
/// Bytes around the chunks of a body beyond what small chunks need.
const MOST_EXCESS: u64 = 16 * 1024;
/// Bytes of head and body that are sent at once.
const TOGETHER: usize = 4096;
/// Bytes of one read.
const READ: usize = 16 * 1024;

const CUT: &str = "unexpected EOF";

/// A request as it goes over the wire. `target` is its second word, `credentials` are for a proxy.
pub fn encode(
    outgoing: Outgoing<'_>,
    target: &str,
    credentials: Option<HeaderValue>,
) -> Result<VecDeque<Bytes>, String> {
    let host = HeaderValue::try_from(outgoing.host()).map_err(|e| format!("Host: {e}"))?;
    let mut head = format!("{} {target} HTTP/1.1\r\n", outgoing.method).into_bytes();
    let mut add = |name: &str, value: &[u8]| {
        head.extend(title_case(name));
        head.extend_from_slice(b": ");
        head.extend_from_slice(value);
        head.extend_from_slice(b"\r\n");
    };
    add("host", host.as_bytes());
    for (name, value) in outgoing.headers {
        add(name.as_str(), value.as_bytes());
    }
    if let Some(credentials) = credentials {
        add(header::PROXY_AUTHORIZATION.as_str(), credentials.as_bytes());
    }
    let body = &outgoing.body.bytes;
    let chunked =
        outgoing.body.chunked && !(body.is_empty() && usually_lacks_body(outgoing.method));
    if chunked {
        add("transfer-encoding", b"chunked");
    } else if !body.is_empty() || states_length(outgoing.method) {
        add("content-length", body.len().to_string().as_bytes());
    }
    if !names(outgoing.headers, b"close") {
        add("connection", b"close");
    }
    head.extend_from_slice(b"\r\n");
    // Simple servers read once, so that a short body has to come with the head.
    if !chunked && head.len() + body.len() <= TOGETHER {
        head.extend_from_slice(body);
        return Ok(VecDeque::from([head.into()]));
    }
    let mut pieces = VecDeque::new();
    if chunked && !body.is_empty() {
        head.extend_from_slice(format!("{:x}\r\n", body.len()).as_bytes());
    }
    pieces.push_back(Bytes::from(head));
    pieces.push_back(body.clone());
    if chunked {
        let end: &[u8] = if body.is_empty() { b"" } else { b"\r\n" };
        pieces.push_back(Bytes::from([end, b"0\r\n\r\n"].concat()));
    }
    Ok(pieces)
}

/// Whether a request without a body says so.
fn states_length(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}

fn usually_lacks_body(method: &Method) -> bool {
    let words = ["GET", "HEAD", "DELETE", "OPTIONS", "PROPFIND", "SEARCH"];
    words.contains(&method.as_str())
}

/// `x-a` as `X-A`.
fn title_case(name: &str) -> impl Iterator<Item = u8> + '_ {
    let mut after_hyphen = true;
    name.bytes().map(move |byte| {
        let upper = std::mem::replace(&mut after_hyphen, byte == b'-');
        if upper {
            byte.to_ascii_uppercase()
        } else {
            byte
        }
    })
}

/// A connection, and what of it was read but not used.
struct Wire {
    stream: Box<dyn Stream>,
    unsent: VecDeque<Bytes>,
    buffer: BytesMut,
    scratch: Box<[u8]>,
}

impl Wire {
    fn new(stream: Box<dyn Stream>, unsent: VecDeque<Bytes>) -> Self {
        Wire {
            stream,
            unsent,
            buffer: BytesMut::new(),
            scratch: vec![0; READ].into(),
        }
    }

    /// Reads more, while what is left of the request goes out; false at the end of the stream.
    async fn fill(&mut self) -> io::Result<bool> {
        let read = std::future::poll_fn(|cx| {
            self.send(cx);
            let mut into = ReadBuf::new(&mut self.scratch);
            match Pin::new(&mut self.stream).poll_read(cx, &mut into) {
                Poll::Ready(Ok(())) => Poll::Ready(Ok(into.filled().len())),
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                Poll::Pending => Poll::Pending,
            }
        });
        let length = match read.await {
            // Many servers close TLS without a word.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            other => other?,
        };
        self.buffer.extend_from_slice(&self.scratch[..length]);
        Ok(length > 0)
    }

    /// Sends what the stream takes. An answer may come although the request could not be sent.
    fn send(&mut self, cx: &mut Context<'_>) {
        while let Some(piece) = self.unsent.front_mut() {
            if piece.is_empty() {
                self.unsent.pop_front();
                continue;
            }
            match Pin::new(&mut self.stream).poll_write(cx, piece) {
                Poll::Ready(Ok(written)) if written > 0 => piece.advance(written),
                Poll::Ready(_) => return self.unsent.clear(),
                Poll::Pending => return,
            }
        }
        // What is not flushed now is with the next read.
        let _ = Pin::new(&mut self.stream).poll_flush(cx);
    }

    /// The next line without its end; a carriage return before it goes too.
    async fn line(&mut self, left: &mut usize) -> Result<BytesMut, String> {
        let mut seen = 0;
        loop {
            if let Some(at) = self.buffer[seen..].iter().position(|b| *b == b'\n') {
                let length = seen + at + 1;
                *left = left.checked_sub(length).ok_or("the line is too long")?;
                let mut line = self.buffer.split_to(length);
                let end = if line.ends_with(b"\r\n") { 2 } else { 1 };
                line.truncate(length - end);
                return Ok(line);
            }
            seen = self.buffer.len();
            if seen > *left {
                return Err("the line is too long".to_owned());
            }
            if !self.fill().await.map_err(|e| e.to_string())? {
                return Err(CUT.to_owned());
            }
        }
    }

    /// Waits until at least so many bytes are there.
    async fn at_least(&mut self, count: usize) -> Result<(), String> {
        while self.buffer.len() < count {
            if !self.fill().await.map_err(|e| e.to_string())? {
                return Err(CUT.to_owned());
            }
        }
        Ok(())
    }
}

/// Sends a request and reads the head of its answer, behind which the stream is for other talk.
pub async fn converse(
    stream: Box<dyn Stream>,
    request: Bytes,
) -> Result<(Head, Box<dyn Stream>), String> {
    let mut wire = Wire::new(stream, VecDeque::from([request]));
    let mut left = LONGEST_HEAD;
    let (head, _) = read_head(&mut wire, &mut left, false).await?;
    Ok((head, wire.stream))
}

/// Sends a request and reads the head of its answer. The time to the first byte is kept in `times`
/// also where what follows is no answer.
pub async fn exchange(
    stream: Box<dyn Stream>,
    request: VecDeque<Bytes>,
    method: &Method,
    times: &mut Times,
) -> Result<(Head, Body), String> {
    let ready = Instant::now();
    let mut wire = Wire::new(stream, request);
    wire.at_least(1).await.map_err(|why| match why.as_str() {
        CUT => "EOF".to_owned(),
        _ => why,
    })?;
    times.processing = ready.elapsed().as_secs_f64();
    let mut left = LONGEST_HEAD;
    loop {
        let (head, framing) = read_head(&mut wire, &mut left, *method == Method::HEAD).await?;
        // What comes before the answer proper.
        if (100..200).contains(&head.status) && head.status != StatusCode::SWITCHING_PROTOCOLS {
            continue;
        }
        let body = Body {
            framing: match head.status == StatusCode::SWITCHING_PROTOCOLS
                && names(&head.headers, b"upgrade")
            {
                true => Framing::Close,
                false => framing,
            },
            wire,
            chunk: Chunk::default(),
        };
        return Ok((head, body));
    }
}

/// Whether `Connection` names an option.
fn names(headers: &HeaderMap, option: &[u8]) -> bool {
    let values = headers.get_all(header::CONNECTION).iter();
    let mut words = values.flat_map(|v| v.as_bytes().split(|b| *b == b','));
    words.any(|word| word.trim_ascii().eq_ignore_ascii_case(option))
}

async fn read_head(
    wire: &mut Wire,
    left: &mut usize,
    is_head: bool,
) -> Result<(Head, Framing), String> {
    let status = status_line(&wire.line(left).await?)?;
    let mut fields = Fields::default();
    while !fields.take(&wire.line(left).await?)? {}
    Head::new(status, fields.into_headers(), is_head)
}

/// Where a chunked body is.
#[derive(Debug, Default)]
struct Chunk {
    left: u64,
    /// Whether the end of a chunk is still to come.
    open: bool,
    excess: u64,
}

/// A body that is still to be read.
pub struct Body {
    wire: Wire,
    framing: Framing,
    chunk: Chunk,
}

impl Body {
    /// The next piece; `None` at the end, and after an error.
    pub async fn data(&mut self) -> Result<Option<Bytes>, String> {
        let next = self.next().await;
        if next.is_err() {
            self.framing = Framing::Empty;
        }
        next
    }

    async fn next(&mut self) -> Result<Option<Bytes>, String> {
        match self.framing {
            Framing::Empty | Framing::Length(0) => Ok(None),
            Framing::Length(left) => {
                let piece = self.piece(left).await?;
                self.framing = Framing::Length(left - piece.len() as u64);
                Ok(Some(piece))
            }
            Framing::Chunked => self.chunk().await,
            Framing::Close => match self.piece(u64::MAX).await {
                Ok(piece) => Ok(Some(piece)),
                Err(why) if why == CUT => Ok(None),
                Err(why) => Err(why),
            },
        }
    }

    /// What is there, but not more than `most` bytes.
    async fn piece(&mut self, most: u64) -> Result<Bytes, String> {
        self.wire.at_least(1).await?;
        let there = self.wire.buffer.len();
        let length = usize::try_from(most).unwrap_or(usize::MAX).min(there);
        Ok(self.wire.buffer.split_to(length).freeze())
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, String> {
        if self.chunk.left == 0 {
            if self.chunk.open {
                self.wire.at_least(2).await?;
                if self.wire.buffer.split_to(2)[..] != *b"\r\n" {
                    return Err("malformed chunked encoding".to_owned());
                }
            }
            self.chunk.left = self.next_chunk().await?;
            self.chunk.open = true;
            if self.chunk.left == 0 {
                self.trailers().await?;
                self.framing = Framing::Empty;
                return Ok(None);
            }
        }
        let piece = self.piece(self.chunk.left).await?;
        self.chunk.left -= piece.len() as u64;
        Ok(Some(piece))
    }

    /// The line before a chunk: its size in bytes.
    async fn next_chunk(&mut self) -> Result<u64, String> {
        let mut most = LONGEST_CHUNK_LINE;
        let line = self.wire.line(&mut most).await?;
        let used = LONGEST_CHUNK_LINE - most;
        // A bare line feed does not end it.
        if used != line.len() + 2 || line.contains(&b'\r') {
            return Err("malformed chunked encoding".to_owned());
        }
        let size = chunk_size(&line)?;
        let excess = self.chunk.excess + used as u64;
        self.chunk.excess = excess.saturating_sub(16 + 2 * size.min(u64::from(u32::MAX)));
        match self.chunk.excess > MOST_EXCESS {
            true => Err("chunked encoding contains too much non-data".to_owned()),
            false => Ok(size),
        }
    }

    /// Fields behind the last chunk, which must be well formed and say nothing of interest.
    async fn trailers(&mut self) -> Result<(), String> {
        self.wire.at_least(2).await?;
        if self.wire.buffer.starts_with(b"\r\n") {
            return Ok(());
        }
        let end = b"\r\n\r\n";
        while !self.wire.buffer.windows(end.len()).any(|w| w == end) {
            let full = self.wire.buffer.len() >= LONGEST_CHUNK_LINE;
            if full || !self.wire.fill().await.map_err(|e| e.to_string())? {
                return Err("the trailer of a chunked body does not end".to_owned());
            }
        }
        let (mut fields, mut most) = (Fields::default(), usize::MAX);
        while !fields.take(&self.wire.line(&mut most).await?)? {}
        Ok(())
    }
}

/// The size in the line before a chunk, in front of its extensions.
fn chunk_size(line: &[u8]) -> Result<u64, String> {
    let digits = line.trim_ascii_end().split(|b| *b == b';').next();
    let digits = digits.unwrap_or_default();
    if digits.is_empty() || digits.len() > 16 {
        return Err("the length of a chunk is malformed".to_owned());
    }
    digits.iter().try_fold(0, |size, digit| {
        let value = char::from(*digit).to_digit(16);
        let value = value.ok_or("the length of a chunk is malformed")?;
        Ok(size << 4 | u64::from(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// Status and body of an answer that comes in pieces; the error of what is none.
    async fn read(pieces: &[&[u8]]) -> Result<(u16, Vec<u8>), String> {
        let (ours, mut peer) = tokio::io::duplex(64 * 1024);
        let request = VecDeque::from([Bytes::from_static(b"GET / HTTP/1.1\r\n\r\n")]);
        let serving = async {
            let mut request = [0; 18];
            peer.read_exact(&mut request).await.unwrap();
            for piece in pieces {
                peer.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
            drop(peer);
        };
        let reading = async {
            let mut times = Times::default();
            let (head, mut body) =
                exchange(Box::new(ours), request, &Method::GET, &mut times).await?;
            assert!(times.processing > 0.0);
            let mut all = Vec::new();
            let result = loop {
                match body.data().await {
                    Ok(Some(piece)) => all.extend_from_slice(&piece),
                    Ok(None) => break Ok((head.status, all)),
                    Err(why) => break Err(why),
                }
            };
            // Nothing comes behind an error.
            assert_eq!(body.data().await, Ok(None));
            result
        };
        tokio::join!(serving, reading).1
    }

    fn run(pieces: &[&[u8]]) -> Option<(u16, String)> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let read = runtime.block_on(read(pieces)).ok()?;
        Some((read.0, String::from_utf8(read.1).unwrap()))
    }

    fn chunked(body: &str) -> Option<String> {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        run(&[head.as_bytes(), body.as_bytes()]).map(|read| read.1)
    }

    #[test]
    fn answers() {
        let ok = |status: u16, body: &str| Some((status, body.to_owned()));
        let told: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbo";
        assert_eq!(run(&[told, b"dy and more"]), ok(200, "body"));
        assert_eq!(run(&[told]), None);
        assert_eq!(run(&[b"HTTP/1.0 404 x\n\nab", b"c"]), ok(404, "abc"));
        let early: &[u8] = b"HTTP/1.1 103 x\r\nLink: a\r\n\r\nHTTP/1.1 204 x\r\n\r\nabc";
        assert_eq!(run(&[early]), ok(204, ""));
        let upgraded: &[u8] = b"HTTP/1.1 101 x\r\nConnection: a, Upgrade\r\n\r\nabc";
        assert_eq!(run(&[upgraded]), ok(101, "abc"));
        assert_eq!(run(&[b"HTTP/1.1 101 x\r\n\r\nabc"]), ok(101, ""));
        for bad in [
            "",
            "SSH-2.0-x\r\n",
            "HTTP/1.1 200 OK\r\n",
            "HTTP/1.1 200 OK\r\nX: y\r\n",
        ] {
            assert_eq!(run(&[bad.as_bytes()]), None, "{bad}");
        }
        let long = "x".repeat(LONGEST_HEAD);
        assert_eq!(
            run(&[b"HTTP/1.1 200 OK\r\nX: ", long.as_bytes(), b"\r\n\r\n"]),
            None
        );
    }

    #[test]
    fn chunks() {
        for (body, text) in [
            ("4\r\nbody\r\n0\r\n\r\n", Some("body")),
            ("4;a=b \r\nbody\r\n1 \r\n!\r\n0\r\n\r\n", Some("body!")),
            (
                "0A\r\n0123456789\r\n0\r\nX-T: a\r\n\r\n",
                Some("0123456789"),
            ),
            ("4\nbody\n0\n\n", None),
            ("4\r\nbody!\r\n0\r\n\r\n", None),
            ("4\r\nbody\r\n0\r\n", None),
            ("4\r\nbody\r\n0\r\nX\r\n\r\n", None),
            ("4\r\nbo", None),
            ("\r\n", None),
            ("-4\r\nbody\r\n0\r\n\r\n", None),
            ("00000000000000004\r\nbody\r\n0\r\n\r\n", None),
            ("ffffffffffffffff\r\nbody", None),
        ] {
            assert_eq!(chunked(body).as_deref(), text, "{body:?}");
        }
        let padded = |length: usize| format!("1;{}\r\n!\r\n0\r\n\r\n", "x".repeat(length));
        assert!(chunked(&padded(4000)).is_some() && chunked(&padded(4100)).is_none());
        let many = format!("1;{}\r\n!\r\n", "x".repeat(1000)).repeat(20);
        assert_eq!(chunked(&(many + "0\r\n\r\n")), None);
    }

    #[test]
    fn names_are_in_title_case() {
        let cased: Vec<u8> = title_case("x-request-ID").collect();
        assert_eq!(cased, b"X-Request-ID");
    }
}
