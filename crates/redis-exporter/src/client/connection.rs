//! One connection: commands go out together, replies come back one for each.

use super::{Error, Value, reply};
use combine::parser::combinator::AnySendSyncPartialState;
use combine::stream::{Decoder, PointerOffset};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

/// A stream that commands and replies go over.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Commands of one write.
const TOGETHER: usize = 2000;
/// Bytes that the replies to one write may have: more is no server.
const MOST_BYTES: u64 = 256 << 20;

/// Commands to be sent together.
#[derive(Clone, Default)]
pub struct Pipeline {
    packed: Vec<u8>,
    /// Where each command ends.
    ends: Vec<usize>,
}

impl Pipeline {
    /// No commands.
    pub fn new() -> Self {
        Self::default()
    }

    /// One command.
    pub fn of(words: &[&str]) -> Self {
        let mut pipeline = Pipeline::new();
        pipeline.command(words);
        pipeline
    }

    /// Adds a command.
    pub fn command(&mut self, words: &[&str]) {
        self.with_bytes(words, &[]);
    }

    /// Adds a command whose last words may be any bytes.
    pub fn with_bytes(&mut self, words: &[&str], arguments: &[&[u8]]) {
        let mut command = redis::Cmd::new();
        for word in words {
            command.arg(*word);
        }
        for argument in arguments {
            command.arg(*argument);
        }
        command.write_packed_command(&mut self.packed);
        self.ends.push(self.packed.len());
    }

    /// Adds all commands of another one.
    pub fn append(&mut self, other: &Pipeline) {
        let start = self.packed.len();
        self.packed.extend_from_slice(&other.packed);
        self.ends.extend(other.ends.iter().map(|end| start + end));
    }

    /// Number of commands.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no command.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Parts of at most so many commands, and how many each has.
    fn parts(&self) -> impl Iterator<Item = (&[u8], usize)> {
        let mut start = 0;
        self.ends.chunks(TOGETHER).map(move |ends| {
            let end = ends.last().copied().unwrap_or(start);
            let part = &self.packed[start..end];
            start = end;
            (part, ends.len())
        })
    }
}

/// One connection.
pub struct Connection {
    stream: Box<dyn Stream>,
    /// Bytes that may still come in reply to what was sent last.
    left: u64,
    decoder: Decoder<AnySendSyncPartialState, PointerOffset<[u8]>>,
    each: Option<Duration>,
    /// Replies are outstanding, or the other side is gone.
    unusable: bool,
    /// The database that the address names.
    home: Option<u64>,
    selected: Option<String>,
}

impl Connection {
    /// Over a stream; `each` limits every write and every reply.
    pub fn new(stream: Box<dyn Stream>, each: Option<Duration>, home: Option<u64>) -> Self {
        Connection {
            stream,
            left: 0,
            decoder: Decoder::new(),
            each,
            unusable: false,
            home,
            selected: None,
        }
    }

    /// Whether it can be asked again: every reply has come and nothing else.
    pub fn is_usable(&self) -> bool {
        !self.unusable && self.decoder.buffer().is_empty()
    }

    /// Forgets buffers that replies have made large.
    pub fn rest(&mut self) {
        if self.is_usable() {
            self.decoder = Decoder::new();
        }
    }

    /// Sends all commands and waits for a reply to each. Errors of the server are among the
    /// replies; after an error of this connection it cannot be used again.
    pub async fn ask(
        &mut self,
        pipeline: &Pipeline,
        deadline: Instant,
    ) -> Result<Vec<Value>, Error> {
        let mut replies = Vec::with_capacity(pipeline.len());
        self.ask_into(pipeline, &mut replies, deadline).await?;
        Ok(replies)
    }

    /// The same, and replies that came before an error are there.
    pub async fn ask_into(
        &mut self,
        pipeline: &Pipeline,
        replies: &mut Vec<Value>,
        deadline: Instant,
    ) -> Result<(), Error> {
        if self.unusable {
            return Err(Error::Lost("the connection is lost".to_owned()));
        }
        // Stays so where this future is dropped in the middle.
        self.unusable = true;
        for (part, count) in pipeline.parts() {
            self.send(part, deadline).await?;
            for _ in 0..count {
                replies.push(self.receive(deadline).await?);
            }
        }
        self.unusable = false;
        Ok(())
    }

    /// Sends one command; an error of the server is an error.
    pub async fn command(&mut self, words: &[&str], deadline: Instant) -> Result<Value, Error> {
        let replies = self.ask(&Pipeline::of(words), deadline).await?;
        let reply = replies.into_iter().next().unwrap_or(Value::Nil);
        reply::ok(&reply)?;
        Ok(reply)
    }

    /// Selects a database, named by any text.
    pub async fn select(&mut self, database: &str, deadline: Instant) -> Result<(), Error> {
        if self.selected.as_deref() == Some(database) {
            return Ok(());
        }
        self.command(&["SELECT", database], deadline).await?;
        self.selected = Some(database.to_owned());
        Ok(())
    }

    /// Selects the database of the address, where an earlier scrape left another one.
    pub async fn go_home(&mut self, deadline: Instant) -> Result<(), Error> {
        if self.selected.is_none() {
            return Ok(());
        }
        let home = self.home.unwrap_or(0).to_string();
        self.select(&home, deadline).await?;
        self.selected = None;
        Ok(())
    }

    async fn send(&mut self, bytes: &[u8], deadline: Instant) -> Result<(), Error> {
        self.left = MOST_BYTES;
        let sending = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        match timeout(self.each, deadline, sending).await {
            Some(sent) => {
                sent.map_err(|e| Error::Lost(format!("the connection broke: {}", plain(&e))))
            }
            None => Err(Error::Silent(
                "the server takes no command: i/o timeout".to_owned(),
            )),
        }
    }

    async fn receive(&mut self, deadline: Instant) -> Result<Value, Error> {
        let mut metered = Metered {
            stream: &mut *self.stream,
            left: &mut self.left,
        };
        let receiving = redis::parse_redis_value_async(&mut self.decoder, &mut metered);
        match timeout(self.each, deadline, receiving).await {
            Some(reply) => reply.map_err(lost),
            None => Err(Error::Silent(
                "the server does not reply: i/o timeout".to_owned(),
            )),
        }
    }
}

/// Waits no longer than `each` and not beyond the deadline.
pub(super) async fn timeout<T>(
    each: Option<Duration>,
    deadline: Instant,
    what: impl Future<Output = T>,
) -> Option<T> {
    let end = each.map_or(deadline, |each| deadline.min(Instant::now() + each));
    tokio::time::timeout_at(end.into(), what).await.ok()
}

/// An error of the system without its number.
pub(super) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error ") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}

fn lost(error: redis::RedisError) -> Error {
    Error::Lost(if error.is_connection_dropped() {
        "the server closed the connection (EOF)".to_owned()
    } else if error.is_io_error() {
        format!("the connection broke: {error}")
    } else {
        "expected a reply of the Redis protocol, got something else".to_owned()
    })
}

/// The reading side of a stream that may bring only so many bytes.
struct Metered<'a> {
    stream: &'a mut dyn Stream,
    left: &'a mut u64,
}

impl AsyncRead for Metered<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut *self.stream).poll_read(cx, buf);
        let read = (buf.filled().len() - before) as u64;
        match self.left.checked_sub(read) {
            Some(left) => *self.left = left,
            None => return Poll::Ready(Err(io::Error::other("the replies are too long"))),
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    /// A connection to a server that reads one write and answers with these bytes, then waits.
    fn answering(answer: &'static [u8]) -> Connection {
        let (ours, mut theirs) = tokio::io::duplex(4096);
        tokio::spawn(async move {
            let mut buffer = [0; 4096];
            while theirs.read(&mut buffer).await.is_ok_and(|n| n > 0) {
                theirs.write_all(answer).await.unwrap();
            }
        });
        Connection::new(Box::new(ours), Some(Duration::from_millis(200)), None)
    }

    #[tokio::test]
    async fn a_reply_for_each_command() {
        let mut connection = answering(b"+OK\r\n-ERR no\r\n:3\r\n");
        let mut pipeline = Pipeline::new();
        for command in ["A", "B", "C"] {
            pipeline.command(&[command]);
        }
        let replies = connection.ask(&pipeline, soon()).await.unwrap();
        assert_eq!(replies[0], Value::Okay);
        assert_eq!(reply::error(&replies[1]).unwrap(), "ERR no");
        assert_eq!(replies[2], Value::Int(3));
        assert!(connection.is_usable());
    }

    #[tokio::test]
    async fn what_was_not_asked_for_makes_it_unusable() {
        let mut connection = answering(b"+OK\r\n+OK\r\n");
        connection.command(&["A"], soon()).await.unwrap();
        assert!(!connection.is_usable());
    }

    #[tokio::test]
    async fn no_reply_and_no_protocol() {
        let mut silent = answering(b"$5\r\nab");
        let error = silent.command(&["A"], soon()).await.unwrap_err();
        assert!(error.to_string().contains("i/o timeout"), "{error}");
        assert!(!silent.is_usable());
        let mut garbage = answering(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        let error = garbage.command(&["A"], soon()).await.unwrap_err();
        assert!(error.to_string().contains("Redis protocol"), "{error}");
        let mut long = answering(b"*2147483647\r\n");
        assert!(long.command(&["A"], soon()).await.is_err());
    }

    #[tokio::test]
    async fn a_server_that_closes() {
        let (ours, theirs) = tokio::io::duplex(64);
        drop(theirs);
        let mut connection = Connection::new(Box::new(ours), None, None);
        let error = connection.command(&["A"], soon()).await.unwrap_err();
        assert!(matches!(error, Error::Lost(_)));
    }

    #[test]
    fn long_pipelines_go_in_parts() {
        let mut pipeline = Pipeline::new();
        for _ in 0..TOGETHER + 1 {
            pipeline.command(&["PING"]);
        }
        let parts: Vec<_> = pipeline
            .parts()
            .map(|(bytes, n)| (bytes.len(), n))
            .collect();
        assert_eq!(parts, [(14 * TOGETHER, TOGETHER), (14, 1)]);
    }
}
