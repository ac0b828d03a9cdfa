//! When the first byte of an answer comes, also where what follows it is none, and when the last.

use super::{Stream, Times};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Waiting for an answer. Its time is kept even where a deadline ends the waiting.
pub struct Waiting<'t> {
    times: &'t mut Times,
    began: Instant,
    first: Arc<OnceLock<Instant>>,
}

impl<'t> Waiting<'t> {
    /// Begins now.
    pub fn begin(times: &'t mut Times) -> Self {
        Waiting {
            times,
            began: Instant::now(),
            first: Arc::default(),
        }
    }

    /// A stream whose first byte is that of the answer.
    pub fn watch(&self, stream: Box<dyn Stream>) -> Watched {
        Watched {
            stream,
            first: self.first.clone(),
        }
    }

    /// The answer is there. When its first byte came.
    pub fn end(self) -> Instant {
        *self.first.get_or_init(Instant::now)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(first) = self.first.get() {
            self.times.processing = (*first - self.began).as_secs_f64();
        }
    }
}

/// A stream that notes when its first byte comes. Its end is an end, whether TLS says so or not.
pub struct Watched {
    stream: Box<dyn Stream>,
    first: Arc<OnceLock<Instant>>,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, into);
        if into.filled().len() > before {
            self.first.get_or_init(Instant::now);
        }
        match read {
            // Many servers close TLS without a word.
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Poll::Ready(Ok(()))
            }
            read => read,
        }
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
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
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Gone;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn only_bytes_of_the_peer_count() {
        let (ours, mut peer) = tokio::io::duplex(16);
        let mut times = Times::default();
        let waiting = Waiting::begin(&mut times);
        let mut stream = waiting.watch(Box::new(ours));
        stream.write_all(b"ask").await.unwrap();
        drop(waiting);
        assert_eq!(times.processing, 0.0);
        let waiting = Waiting::begin(&mut times);
        let mut stream = waiting.watch(stream.stream);
        peer.write_all(b"x").await.unwrap();
        stream.read_u8().await.unwrap();
        drop(waiting);
        assert!(times.processing > 0.0);
    }

    #[tokio::test]
    async fn an_end_without_a_word_is_an_end() {
        let mut times = Times::default();
        let mut stream = Waiting::begin(&mut times).watch(Box::new(Gone(b"said")));
        let mut all = Vec::new();
        assert_eq!(stream.read_to_end(&mut all).await.unwrap(), 4);
    }
}
