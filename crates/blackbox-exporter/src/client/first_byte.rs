//! When the first byte of an answer comes, also where what follows it is none.

use super::{Stream, Times};
use std::sync::{Arc, OnceLock};
use std::time::Instant;
use tokio_util::io::InspectReader;

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
    pub fn watch(&self, stream: Box<dyn Stream>) -> impl Stream + use<> {
        let first = self.first.clone();
        InspectReader::new(stream, move |bytes| {
            if !bytes.is_empty() {
                first.get_or_init(Instant::now);
            }
        })
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

#[cfg(test)]
mod tests {
    use super::*;
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
        let mut stream = waiting.watch(Box::new(stream));
        peer.write_all(b"x").await.unwrap();
        stream.read_u8().await.unwrap();
        drop(waiting);
        assert!(times.processing > 0.0);
    }
}
