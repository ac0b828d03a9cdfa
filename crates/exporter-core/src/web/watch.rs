//! Which connections have been waiting too long.
//!
//! A head must arrive within seconds of its first byte, or a few clients that send a byte now and
//! then hold every connection. Between requests a connection may rest for longer than scrapes are
//! apart. While an answer is being made nobody is in a hurry; while it is being written the client
//! must take some of it now and then. A client that has closed its side may be gone or may be
//! waiting: it is given a few seconds, then nothing is made for it any more. Where all connections
//! are taken, the one that has waited the longest makes way for a new one.

use super::listen::Inbound;
use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// From its first byte to its last, a head (and a TLS handshake) may take this long.
const HEAD: Duration = Duration::from_secs(10);
/// Prometheus comes back within this time unless it scrapes very rarely.
const REST: Duration = Duration::from_secs(180);
/// How often connections are looked at.
const LOOK: Duration = Duration::from_secs(5);
/// How often is looked for a client that is gone.
const LOOK_FOR_CLIENT: Duration = Duration::from_secs(1);
/// How long an answer is made on for a client that has closed its side.
const HALF_CLOSED: Duration = Duration::from_secs(3);
/// A connection that has waited for this long makes way for a new one where all are taken. Whoever
/// has something to say has begun by then.
pub const YOUNG: Duration = Duration::from_millis(100);
/// Heads beyond this size are read and answered a few at a time, or those who send many would fill
/// the memory.
pub const SMALL_HEAD: usize = 32 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing of a request has come yet.
    Rest,
    /// Some of a head has come.
    Head,
}

/// How long clients may take before their connection is closed.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a head from its first byte to its last, and for a TLS handshake.
    pub head: Duration,
    /// For a request with its body. Not bounded where it is `None`.
    pub request: Option<Duration>,
    /// For an answer, from the end of the head of its request to its last byte. Not bounded where
    /// it is `None`, as long as the client takes some of it now and then.
    pub answer: Option<Duration>,
    /// Between requests.
    pub rest: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Patience {
            head: HEAD,
            request: None,
            answer: None,
            rest: REST,
        }
    }
}

impl Patience {
    /// How often connections are looked at.
    fn tick(&self) -> Duration {
        let bounds = [self.head, self.rest].into_iter();
        let bounds = bounds.chain(self.request).chain(self.answer);
        let shortest = bounds.min().unwrap_or(LOOK);
        (shortest / 2).clamp(Duration::from_millis(20), LOOK)
    }
}

#[derive(Debug)]
struct State {
    phase: Phase,
    since: Instant,
    /// Of the head that is being read.
    bytes: usize,
    /// Held while a head is large.
    large: Option<OwnedSemaphorePermit>,
}

/// What a connection is doing and since when.
#[derive(Debug)]
pub struct Activity {
    patience: Patience,
    state: Mutex<State>,
    answering: AtomicUsize,
    /// Reads tell nothing of heads: the frames of HTTP/2 are windows and pings as well.
    many_streams: AtomicBool,
    /// Large heads that may still begin, of all connections.
    large_heads: Arc<Semaphore>,
    evicted: AtomicBool,
    eviction: Notify,
    /// When bodies under way must be over; `None` for those that take as long as they take.
    terms: Mutex<Vec<(u64, Option<Instant>)>>,
}

/// A request being answered; dropping it lets the connection rest.
pub struct Answering(Arc<Activity>);

/// The time that a body has; dropping it says that the body is over.
#[derive(Debug)]
pub struct Term {
    activity: Arc<Activity>,
    number: u64,
}

impl Activity {
    /// A new connection, which has a head to send.
    pub fn new(patience: Patience, large_heads: Arc<Semaphore>) -> Self {
        Activity {
            patience,
            state: Mutex::new(State {
                phase: Phase::Head,
                since: Instant::now(),
                bytes: 0,
                large: None,
            }),
            answering: AtomicUsize::new(0),
            many_streams: AtomicBool::new(false),
            large_heads,
            evicted: AtomicBool::new(false),
            eviction: Notify::new(),
            terms: Mutex::default(),
        }
    }

    /// The time for the body of a request whose head has come just now, where it is bounded.
    pub fn request_term(self: &Arc<Self>) -> Option<Term> {
        let since = self.lock().since;
        self.patience.request.map(|most| self.term(since, most))
    }

    /// The time for an answer to a request whose head has come just now, where it is bounded.
    pub fn answer_term(self: &Arc<Self>) -> Option<Term> {
        let now = Instant::now();
        self.patience.answer.map(|most| self.term(now, most))
    }

    fn term(self: &Arc<Self>, since: Instant, most: Duration) -> Term {
        let mut terms = self.terms();
        let number = terms.last().map_or(0, |(number, _)| number + 1);
        terms.push((number, since.checked_add(most)));
        Term {
            activity: self.clone(),
            number,
        }
    }

    fn terms(&self) -> MutexGuard<'_, Vec<(u64, Option<Instant>)>> {
        self.terms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a body is over its time.
    fn is_overdue(&self) -> bool {
        let now = Instant::now();
        let mut ends = self.terms().clone().into_iter().filter_map(|(_, end)| end);
        ends.any(|end| end <= now)
    }

    /// A whole head has come.
    pub fn answering(self: &Arc<Self>) -> Answering {
        self.answering.fetch_add(1, Ordering::AcqRel);
        self.rest();
        Answering(self.clone())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rest(&self) {
        *self.lock() = State {
            phase: Phase::Rest,
            since: Instant::now(),
            bytes: 0,
            large: None,
        };
    }

    /// The connection speaks HTTP/2 from here on.
    pub fn many_streams(&self) {
        self.many_streams.store(true, Ordering::Release);
        self.rest();
    }

    /// What lets a large head, which was read just now, be answered; HTTP/2 takes it here only.
    /// `None` where too many of them are about.
    pub fn large_head(&self) -> Option<OwnedSemaphorePermit> {
        let held = self.lock().large.take();
        held.or_else(|| self.large_heads.clone().try_acquire_owned().ok())
    }

    fn has_read(&self, bytes: usize) -> io::Result<()> {
        if self.many_streams.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut state = self.lock();
        if state.phase == Phase::Rest {
            (state.phase, state.since) = (Phase::Head, Instant::now());
        }
        // During an answer it is a body, of which nothing is kept.
        if self.answering.load(Ordering::Acquire) == 0 {
            state.bytes += bytes;
        }
        if state.bytes > SMALL_HEAD && state.large.is_none() {
            let permit = self.large_heads.clone().try_acquire_owned();
            state.large = Some(permit.map_err(|_| io::Error::other("too many large heads"))?);
        }
        Ok(())
    }

    fn has_written(&self) {
        let mut state = self.lock();
        if state.phase == Phase::Rest {
            state.since = Instant::now();
        }
    }

    /// Since when the connection has been waiting for its client; `None` during an answer.
    pub fn waiting_since(&self) -> Option<Instant> {
        let busy = self.answering.load(Ordering::Acquire) > 0;
        let gone = self.evicted.load(Ordering::Acquire);
        (!busy && !gone).then(|| self.lock().since)
    }

    /// Ends the connection.
    pub fn evict(&self) {
        self.evicted.store(true, Ordering::Release);
        self.eviction.notify_one();
    }

    /// Resolves when the connection has been waiting for longer than it may, or has to go.
    pub async fn too_long(self: Arc<Self>) {
        let Patience { head, rest, .. } = self.patience;
        loop {
            tokio::select! {
                () = tokio::time::sleep(self.patience.tick()) => {}
                () = self.eviction.notified() => return,
            }
            let patience = match self.lock().phase {
                Phase::Head => head,
                Phase::Rest if !self.terms().is_empty() => rest.max(REST),
                Phase::Rest => rest,
            };
            let has_waited = |since: Instant| since.elapsed() > patience;
            if self.is_overdue() || self.waiting_since().is_some_and(has_waited) {
                return;
            }
        }
    }

    /// Resolves when an answer is being made for a client that closed its side a while ago.
    pub async fn abandoned(self: Arc<Self>, socket: Inbound) {
        let mut since = None;
        loop {
            tokio::time::sleep(LOOK_FOR_CLIENT).await;
            if self.answering.load(Ordering::Acquire) == 0 || !socket.has_closed() {
                since = None;
            } else if since.get_or_insert_with(Instant::now).elapsed() >= HALF_CLOSED {
                return;
            }
        }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.rest();
        self.0.answering.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Drop for Term {
    fn drop(&mut self) {
        let number = self.number;
        self.activity.terms().retain(|(other, _)| *other != number);
    }
}

/// A body with the time that it has.
pub struct Timed<B> {
    body: B,
    term: Option<Term>,
}

impl<B> Timed<B> {
    /// Bounds a body.
    pub fn new(body: B, term: Term) -> Self {
        Timed {
            body,
            term: Some(term),
        }
    }
}

impl<B: Body<Data: Buf> + Unpin> Body for Timed<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(frame, Poll::Ready(None)) {
            self.term = None;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream that tells what passes through it.
pub struct Watched<S> {
    stream: S,
    activity: Arc<Activity>,
}

impl<S> Watched<S> {
    /// Wraps a stream.
    pub fn new(stream: S, activity: Arc<Activity>) -> Self {
        Watched { stream, activity }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buf);
        let read = buf.filled().len() - before;
        if read > 0 {
            self.activity.has_read(read)?;
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, buf);
        if result.is_ready() {
            self.activity.has_written();
        }
        result
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
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        if result.is_ready() {
            self.activity.has_written();
        }
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::net::UnixStream;

    fn activity() -> Arc<Activity> {
        of(Patience::default())
    }

    fn of(patience: Patience) -> Arc<Activity> {
        Arc::new(Activity::new(patience, Arc::new(Semaphore::new(1))))
    }

    async fn ends_after(activity: Arc<Activity>) -> Duration {
        let started = Instant::now();
        activity.too_long().await;
        started.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn heads_are_hurried_and_rests_are_not() {
        let activity = activity();
        let passed = ends_after(activity.clone()).await;
        assert!(
            passed >= HEAD && passed < Duration::from_secs(20),
            "{passed:?}"
        );
        drop(activity.answering());
        let passed = ends_after(activity.clone()).await;
        assert!(passed > Duration::from_secs(120), "{passed:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn frames_of_http2_begin_no_head() {
        let activity = activity();
        activity.many_streams();
        drop(activity.answering());
        activity.has_read(2 * SMALL_HEAD).unwrap();
        let passed = ends_after(activity.clone()).await;
        assert!(passed > Duration::from_secs(120), "{passed:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_answered_who_has_left() {
        let (mut client, server) = UnixStream::pair().unwrap();
        let activity = activity();
        let gone = tokio::spawn(activity.clone().abandoned(Inbound::new(server)));
        let answering = activity.answering();
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(!gone.is_finished());
        client.shutdown().await.unwrap();
        tokio::time::sleep(HALF_CLOSED - LOOK_FOR_CLIENT).await;
        assert!(!gone.is_finished(), "it may still be waiting");
        let started = Instant::now();
        gone.await.unwrap();
        assert!(started.elapsed() < Duration::from_secs(10));
        // Without an answer under way there is nothing to give up.
        drop(answering);
        let (_, server) = UnixStream::pair().unwrap();
        let gone = activity.abandoned(Inbound::new(server));
        let waited = tokio::time::timeout(Duration::from_secs(60), gone).await;
        assert!(waited.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn bodies_have_their_time_where_it_is_bounded() {
        let second = Duration::from_secs(1);
        let patience = Patience {
            head: second,
            request: Some(3 * second),
            answer: Some(8 * second),
            rest: 2 * second,
        };
        let new = || of(patience);
        let about = |passed: Duration, most: Duration| {
            assert!(passed >= most && passed <= most + second, "{passed:?}");
        };
        about(ends_after(new()).await, second);
        let resting = new();
        drop(resting.answering());
        about(ends_after(resting).await, 2 * second);
        // What is read of a request and what is written of an answer may rest for longer.
        let activity = new();
        let reading = activity.request_term();
        let busy = activity.answering();
        about(ends_after(activity.clone()).await, 3 * second);
        drop(reading);
        let writing = activity.answer_term();
        drop(busy);
        about(ends_after(activity.clone()).await, 8 * second);
        drop(writing);
        activity.rest();
        about(ends_after(activity).await, 2 * second);
    }

    #[tokio::test(start_paused = true)]
    async fn a_time_without_end_is_no_fault() {
        let patience = Patience {
            answer: Some(Duration::MAX),
            rest: Duration::MAX,
            ..Patience::default()
        };
        let activity = of(patience);
        drop(activity.answering());
        let _term = activity.answer_term();
        let year = Duration::from_secs(365 * 86_400);
        let waiting = activity.too_long();
        assert!(tokio::time::timeout(year / 12, waiting).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_may_take_its_time() {
        let activity = activity();
        let busy = activity.answering();
        assert_eq!(activity.waiting_since(), None);
        let waiting = ends_after(activity.clone());
        let patience = Duration::from_secs(600);
        assert!(tokio::time::timeout(patience, waiting).await.is_err());
        drop(busy);
        assert!(activity.waiting_since().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_to_go_goes_at_once() {
        let activity = activity();
        activity.evict();
        assert_eq!(activity.waiting_since(), None);
        assert_eq!(ends_after(activity).await, Duration::ZERO);
    }

    #[tokio::test]
    async fn large_heads_are_read_a_few_at_a_time() {
        let large_heads = Arc::new(Semaphore::new(1));
        let open = || {
            let (client, server) = duplex(4 * SMALL_HEAD);
            let activity = Arc::new(Activity::new(Patience::default(), large_heads.clone()));
            (client, Watched::new(server, activity.clone()), activity)
        };
        let (mut client, mut first, activity) = open();
        let (mut other, mut second, _) = open();
        let (small, mut large) = (vec![b'a'; SMALL_HEAD], vec![0; 2 * SMALL_HEAD]);
        client.write_all(&[b'a'; SMALL_HEAD + 1]).await.unwrap();
        first.read_exact(&mut large[..=SMALL_HEAD]).await.unwrap();
        other.write_all(&small).await.unwrap();
        second.read_exact(&mut large[..SMALL_HEAD]).await.unwrap();
        other.write_all(b"a").await.unwrap();
        assert!(second.read_u8().await.is_err());
        let held = activity.large_head().unwrap();
        assert!(activity.large_head().is_none());
        drop(activity.answering());
        drop(held);
        let (mut third, mut server, _) = open();
        third.write_all(&[b'a'; SMALL_HEAD + 1]).await.unwrap();
        server.read_exact(&mut large[..=SMALL_HEAD]).await.unwrap();
    }
}
