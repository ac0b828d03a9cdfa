//! A conversation over a stream, with TLS before it or in its middle.

use super::{Medium, Outcome, take};
use crate::config::{Step, TlsOptions};
use crate::error;
use crate::log::ProbeLog;
use crate::tls;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Bytes that a line may have with its end.
const LONGEST_LINE: usize = 64 * 1024;

/// A stream of any kind.
pub trait Plain: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Plain for T {}

/// A stream whose reads may have gone further than was used.
struct Talk {
    stream: Box<dyn Plain>,
    buffer: Vec<u8>,
    /// Where what was not used begins.
    start: usize,
}

/// A conversation and its settings.
#[derive(Clone, Copy, Debug)]
pub struct Script<'m> {
    /// The steps.
    pub steps: &'m [Step],
    /// Whether TLS comes first.
    pub tls: bool,
    /// How TLS is spoken.
    pub tls_config: &'m TlsOptions,
    /// What the certificate must be for, where the settings do not say it.
    pub server_name: &'m str,
}

impl Script<'_> {
    /// Has the conversation. The value is whether it went as it should.
    pub async fn run(
        self,
        stream: impl Plain + 'static,
        log: &mut ProbeLog,
        outcome: &mut Outcome,
    ) -> bool {
        let mut talk = Talk::new(Box::new(stream));
        if self.tls && !self.start_tls(&mut talk, log, outcome).await {
            return false;
        }
        outcome.connected = true;
        for (at, step) in self.steps.iter().enumerate() {
            if !take(at, step, &mut talk, log, outcome).await {
                return false;
            }
            if step.starttls && !self.start_tls(&mut talk, log, outcome).await {
                return false;
            }
        }
        true
    }

    async fn start_tls(&self, talk: &mut Talk, log: &mut ProbeLog, outcome: &mut Outcome) -> bool {
        let stream = std::mem::replace(&mut talk.stream, Box::new(tokio::io::empty()));
        match tls::connect(self.tls_config, self.server_name, &[], stream).await {
            Ok((stream, session)) => {
                outcome.session = Some(session);
                *talk = Talk::new(Box::new(stream));
                true
            }
            Err(failed) => {
                error!(log, "TLS handshake (client) failed", "err" => failed.why);
                outcome.rejected = failed.presented;
                false
            }
        }
    }
}

impl Talk {
    fn new(stream: Box<dyn Plain>) -> Self {
        Talk {
            stream,
            buffer: Vec::new(),
            start: 0,
        }
    }

    /// Reads more; false at the end of the stream.
    async fn fill(&mut self) -> io::Result<bool> {
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.reserve(4096);
        Ok(self.stream.read_buf(&mut self.buffer).await? > 0)
    }
}

impl Medium for Talk {
    const TELLS_MISMATCH: bool = false;

    /// A line without its end; one that the stream ends in counts.
    async fn text(&mut self) -> io::Result<Option<String>> {
        let mut seen = 0;
        let (length, used) = loop {
            let unread = &self.buffer[self.start..];
            if let Some(at) = unread[seen..].iter().position(|b| *b == b'\n') {
                break (seen + at, seen + at + 1);
            }
            if unread.len() >= LONGEST_LINE {
                return Err(io::Error::other("a line is too long"));
            }
            seen = unread.len();
            if !self.fill().await? {
                break (seen, seen);
            }
        };
        if used == 0 {
            return Ok(None);
        }
        if length >= LONGEST_LINE {
            return Err(io::Error::other("a line is too long"));
        }
        let line = &self.buffer[self.start..self.start + length];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = String::from_utf8_lossy(line).into_owned();
        self.start += used;
        Ok(Some(line))
    }

    async fn bytes(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() - self.start < count {
            if !self.fill().await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let bytes = self.buffer[self.start..self.start + count].to_vec();
        self.start += count;
        Ok(bytes)
    }

    /// A line feed follows, also on what is no text.
    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(&[bytes, b"\n"].concat()).await?;
        self.stream.flush().await
    }
}

impl std::fmt::Debug for Talk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Talk")
            .field("unread", &(self.buffer.len() - self.start))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Gone;
    use crate::tls::Ending;

    #[tokio::test]
    async fn an_end_without_a_word_is_an_end() {
        let mut talk = Talk::new(Box::new(Ending(Gone(b"a\r\nlast"))));
        assert_eq!(talk.text().await.unwrap().as_deref(), Some("a"));
        assert_eq!(talk.text().await.unwrap().as_deref(), Some("last"));
        assert_eq!(talk.text().await.unwrap(), None);
        let mut two = Talk::new(Box::new(Ending(Gone(b"ab"))));
        assert_eq!(two.bytes(2).await.unwrap(), b"ab");
        assert!(two.bytes(1).await.is_err());
    }

    #[tokio::test]
    async fn lines_are_limited() {
        for (length, fits) in [(LONGEST_LINE - 1, true), (LONGEST_LINE, false)] {
            let mut talk = Talk::new(Box::new(Gone(b"")));
            talk.buffer = [&vec![b'x'; length][..], b"\n"].concat();
            assert_eq!(talk.text().await.is_ok(), fits, "{length}");
        }
    }
}
