//! A conversation over a stream: lines and bytes to wait for, texts to send, TLS in the middle.

use crate::config::{Step, TlsOptions};
use crate::log::ProbeLog;
use crate::tls::{self, Session, Shown};
use crate::{debug, error};
use exporter_core::dialect::regexp::expand;
use exporter_core::exposition::{Arena, Family};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

static REGEX: Family = Family::gauge(
    "probe_failed_due_to_regex",
    &[],
    "Whether the peer ended the conversation before it sent a line that was waited for.",
);
static BYTES: Family = Family::gauge(
    "probe_failed_due_to_bytes",
    &[],
    "Whether the peer sent other bytes than those that were waited for.",
);
static EXPECT_INFO: Family = Family::gauge(
    "probe_expect_info",
    &[],
    "Constant 1, labelled with what the module takes out of the line that matched; the labels are \
     those of the step.",
);

/// Families of conversations.
pub static FAMILIES: &[&Family] = &[&REGEX, &BYTES, &EXPECT_INFO];

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

/// What is left of a conversation, for the series.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Whether there is somebody to talk to, over TLS where it comes first.
    connected: bool,
    failed_due_to_regex: bool,
    failed_due_to_bytes: bool,
    infos: Vec<BTreeMap<String, String>>,
    session: Option<Session>,
    rejected: Vec<rustls_pki_types::CertificateDer<'static>>,
}

impl Outcome {
    /// Puts the series.
    pub fn put(&self, out: &mut Arena) {
        if self.connected {
            out.put(&REGEX, &[], f64::from(u8::from(self.failed_due_to_regex)));
            out.put(&BYTES, &[], f64::from(u8::from(self.failed_due_to_bytes)));
        }
        for (at, info) in self.infos.iter().enumerate() {
            if self.infos[..at].contains(info) {
                continue;
            }
            let pairs: Vec<_> = info.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            out.put_pairs(&EXPECT_INFO, &pairs, 1.0);
        }
        let shown = Shown {
            last_chain: true,
            cipher: false,
        };
        match &self.session {
            Some(session) => session.put(out, shown),
            None => tls::put_rejected(&self.rejected, out),
        }
    }
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
            debug!(log, "Processing query response entry", "entry_number" => at);
            if !self.take(step, &mut talk, log, outcome).await {
                return false;
            }
        }
        true
    }

    async fn take(
        &self,
        step: &Step,
        talk: &mut Talk,
        log: &mut ProbeLog,
        outcome: &mut Outcome,
    ) -> bool {
        let mut send = Cow::Borrowed(step.send.as_slice());
        if let Some(pattern) = &step.expect {
            let line = match talk.line_matching(&pattern.regex, log).await {
                Ok(Some(line)) => line,
                Ok(None) => {
                    outcome.failed_due_to_regex = true;
                    error!(log, "Regexp did not match", "regexp" => pattern.text);
                    return false;
                }
                Err(why) => {
                    error!(log, "Error reading lines", "err" => why);
                    return false;
                }
            };
            if let Some(captures) = pattern.regex.captures(&line) {
                if let Some(labels) = &step.labels {
                    let value = |text: &[u8]| expand(&String::from_utf8_lossy(text), &captures);
                    let info = labels
                        .iter()
                        .map(|(name, text)| (name.clone(), value(text)));
                    outcome.infos.push(info.collect());
                }
                if let Ok(template) = std::str::from_utf8(&step.send) {
                    send = Cow::Owned(expand(template, &captures).into_bytes());
                }
            }
        }
        if !step.expect_bytes.is_empty() && !expect_bytes(step, talk, log, outcome).await {
            return false;
        }
        if !send.is_empty() {
            debug!(log, "Sending line");
            if let Err(why) = talk.send(&send).await {
                error!(log, "Failed to send", "err" => why);
                return false;
            }
        }
        !step.starttls || self.start_tls(talk, log, outcome).await
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

async fn expect_bytes(
    step: &Step,
    talk: &mut Talk,
    log: &mut ProbeLog,
    outcome: &mut Outcome,
) -> bool {
    match talk.bytes(step.expect_bytes.len()).await {
        Ok(bytes) if bytes == step.expect_bytes => true,
        Ok(_) => {
            outcome.failed_due_to_bytes = true;
            error!(log, "Bytes did not match");
            false
        }
        Err(why) => {
            error!(log, "Error reading bytes", "err" => why);
            false
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
        match self.stream.read_buf(&mut self.buffer).await {
            // Many servers close TLS without a word.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            other => Ok(other? > 0),
        }
    }

    /// The first line that matches; `None` where the stream ends before.
    async fn line_matching(
        &mut self,
        regex: &regex::Regex,
        log: &mut ProbeLog,
    ) -> io::Result<Option<String>> {
        let mut seen = 0;
        loop {
            let unread = &self.buffer[self.start..];
            let end = unread[seen..]
                .iter()
                .position(|b| *b == b'\n')
                .map(|at| seen + at);
            let (line, used) = match end {
                Some(end) => (&unread[..end], end + 1),
                None if unread.len() >= LONGEST_LINE => {
                    return Err(io::Error::other("a line is too long"));
                }
                None => {
                    seen = unread.len();
                    if self.fill().await? {
                        continue;
                    }
                    let rest = &self.buffer[self.start..];
                    if rest.is_empty() {
                        return Ok(None);
                    }
                    (rest, rest.len())
                }
            };
            if line.len() >= LONGEST_LINE {
                return Err(io::Error::other("a line is too long"));
            }
            let line =
                String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned();
            self.start += used;
            seen = 0;
            debug!(log, "Read line", "line" => line);
            if regex.is_match(&line) {
                return Ok(Some(line));
            }
        }
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

    /// Sends bytes and a line feed.
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
    use crate::log::LogSettings;
    use exporter_core::dialect::regexp;
    use exporter_core::log::Shape;
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use tokio::io::ReadBuf;
    use tracing::Level;

    /// A peer that says something and is gone then, which TLS tells as an error.
    struct Gone(&'static [u8]);

    impl AsyncRead for Gone {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            into: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let said = std::mem::take(&mut self.0);
            into.put_slice(said);
            Poll::Ready(match said.is_empty() {
                true => Err(io::ErrorKind::UnexpectedEof.into()),
                false => Ok(()),
            })
        }
    }

    impl AsyncWrite for Gone {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    async fn line(talk: &mut Talk, pattern: &str) -> io::Result<Option<String>> {
        let settings = LogSettings {
            level: Level::ERROR,
            failures: Level::ERROR,
            shape: Shape::Logfmt,
        };
        let mut log = ProbeLog::new(settings, "m", "t");
        let regex = regexp::compile(pattern).unwrap();
        talk.line_matching(&regex, &mut log).await
    }

    #[tokio::test]
    async fn an_end_without_a_word_is_an_end() {
        let talk = |said| Talk::new(Box::new(Gone(said)));
        let found = line(&mut talk(b"a\r\nlast"), "^last$").await.unwrap();
        assert_eq!(found.as_deref(), Some("last"));
        assert_eq!(line(&mut talk(b"a\n"), "b").await.unwrap(), None);
        let mut two = talk(b"ab");
        assert_eq!(two.bytes(2).await.unwrap(), b"ab");
        assert!(two.bytes(1).await.is_err());
    }

    #[tokio::test]
    async fn lines_are_limited() {
        for (length, fits) in [(LONGEST_LINE - 1, true), (LONGEST_LINE, false)] {
            let mut talk = Talk::new(Box::new(Gone(b"")));
            talk.buffer = [&vec![b'x'; length][..], b"\n"].concat();
            assert_eq!(line(&mut talk, "x").await.is_ok(), fits, "{length}");
        }
    }
}
