//! Refusals that hyper words too sparsely.
//!
//! hyper answers a head that it cannot read with status 400 and nothing else. Clients are owed a
//! reason: an unknown version of the protocol and an unknown transfer coding have a status of their
//! own, and every refusal has a text.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream of HTTP/1 that words refusals.
pub struct Strict<S> {
    stream: S,
    /// Whether what is read next begins a head.
    at_head: bool,
    /// What the head at hand is refused with.
    verdict: Option<&'static str>,
    /// Bytes of a refusal that are still to be written.
    refusal: Vec<u8>,
}

impl<S> Strict<S> {
    /// Wraps a stream that nothing was read of.
    pub fn new(stream: S) -> Self {
        Strict {
            stream,
            at_head: true,
            verdict: None,
            refusal: Vec::new(),
        }
    }
}

/// The status for a head that hyper will not read, where it is not 400. Only what came in one piece
/// is looked at; heads that are refused for these reasons are short.
fn verdict(head: &[u8]) -> Option<&'static str> {
    let mut lines = head.split(|b| *b == b'\n').map(<[u8]>::trim_ascii);
    let version = lines.next()?.rsplit(|b| *b == b' ').next()?;
    if let [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] = version
        && *major != b'1'
        && major.is_ascii_digit()
        && minor.is_ascii_digit()
    {
        return Some("505 HTTP Version Not Supported");
    }
    lines
        .take_while(|line| !line.is_empty())
        .filter_map(|line| {
            let colon = memchr::memchr(b':', line)?;
            Some((&line[..colon], line[colon + 1..].trim_ascii()))
        })
        .any(|(name, value)| {
            name.eq_ignore_ascii_case(b"transfer-encoding")
                && !value.eq_ignore_ascii_case(b"chunked")
        })
        .then_some("501 Not Implemented")
}

/// The status that hyper refuses a head with, if that is what these bytes are.
fn refused(answer: &[u8]) -> Option<&str> {
    // Bodies pass here too, and large ones.
    if answer.len() > 512 || !answer.starts_with(b"HTTP/1.1 4") {
        return None;
    }
    let head = std::str::from_utf8(answer).ok()?;
    let (line, rest) = head.strip_prefix("HTTP/1.1 ")?.split_once("\r\n")?;
    let bare = line.starts_with('4')
        && rest.contains("connection: close\r\n")
        && rest.contains("content-length: 0\r\n")
        && !rest.contains("content-type:")
        && rest.ends_with("\r\n\r\n");
    bare.then_some(line)
}

impl<S: AsyncRead + Unpin> AsyncRead for Strict<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buf);
        let read = &buf.filled()[before..];
        if self.at_head && !read.is_empty() {
            self.at_head = false;
            self.verdict = verdict(read);
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Strict<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        this.at_head = true;
        if this.refusal.is_empty() {
            let Some(status) = refused(buf) else {
                return Pin::new(&mut this.stream).poll_write(cx, buf);
            };
            let status = this.verdict.take().unwrap_or(status);
            let length = status.len();
            this.refusal = format!(
                "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\n\
                 Content-Length: {length}\r\nConnection: close\r\n\r\n{status}"
            )
            .into_bytes();
        }
        // Until all of it is written the caller comes back with the same bytes.
        while !this.refusal.is_empty() {
            let written = ready!(Pin::new(&mut this.stream).poll_write(cx, &this.refusal))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            this.refusal.drain(..written);
        }
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match bufs {
            [one] => self.poll_write(cx, one),
            bufs if self.refusal.is_empty() => {
                self.at_head = true;
                Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
            }
            bufs => self.poll_write(cx, bufs.first().map_or(&[], |b| b)),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn verdicts() {
        for (head, status) in [
            ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", None),
            (
                "GET / HTTP/3.0\r\n\r\n",
                Some("505 HTTP Version Not Supported"),
            ),
            ("GET / HTTP/10.1\r\n\r\n", None),
            ("GET / HTTP/x.1\r\n\r\n", None),
            (
                "GET / HTTP/1.1\nTransfer-encoding: gzip\n\n",
                Some("501 Not Implemented"),
            ),
            ("GET / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n", None),
            ("GET / HTTP/1.1\r\n\r\nTransfer-Encoding: gzip\r\n", None),
        ] {
            assert_eq!(verdict(head.as_bytes()), status, "{head:?}");
        }
    }

    #[test]
    fn bare_refusals_only() {
        let bare = "HTTP/1.1 431 Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(refused(bare.as_bytes()), Some("431 Too Large"));
        let typed = bare.replace("connection", "content-type: text/plain\r\nconnection");
        let fine = bare.replace("431", "200");
        let longer = bare.replace("length: 0", "length: 9");
        for other in [typed, fine, longer, "x".repeat(600)] {
            assert_eq!(refused(other.as_bytes()), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = (verdict(&bytes), refused(&bytes));
        }
    }
}
