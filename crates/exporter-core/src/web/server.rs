//! Serves connections, and bounds what any of them can take.

use super::flags::HEALTH;
use super::front::Front;
use super::handler::{Handler, Peer, Request, Response, full, text};
use super::landing::{self, Landing};
use super::listen::{Inbound, Listener};
use super::router::{Router, path};
use super::strict::Strict;
use super::watch::{Activity, Patience, SMALL_HEAD, Timed, Watched, YOUNG};
use bytes::Bytes;
use http::{StatusCode, Version, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// Connections at a time; more wait in the backlog.
const CONNECTIONS: u32 = 512;
/// The same for those that ask for health alone.
const HEALTH_CONNECTIONS: u32 = 64;
/// Scrapes under way get this long after a signal to stop.
const GRACE: Duration = Duration::from_secs(5);
/// Bytes of request line and headers; what hyper reads in one piece.
const HEAD_BYTES: usize = 1 << 20;
const HEADERS: usize = 1024;
/// The same of each stream of HTTP/2, of which a connection has many.
const HEAD_BYTES_OF_STREAMS: u32 = 128 << 10;
/// Heads above [`SMALL_HEAD`] that are read or answered at a time.
const LARGE_HEADS: usize = 16;

/// A server with its paths, not yet listening.
pub struct Server {
    listeners: Vec<Listener>,
    router: Router,
    front: Front,
    connections: u32,
    patience: Patience,
    health: Option<Listener>,
}

impl Default for Server {
    fn default() -> Self {
        Server {
            listeners: Vec::new(),
            router: Router::default(),
            front: Front::default(),
            connections: CONNECTIONS,
            patience: Patience::default(),
            health: None,
        }
    }
}

/// What connections share.
struct Shared {
    router: Router,
    front: Front,
    connections: Arc<Semaphore>,
    most_connections: u32,
    patience: Patience,
    stopping: watch::Receiver<bool>,
    large_heads: Arc<Semaphore>,
    /// The connections that are served.
    open: Mutex<Vec<Arc<Activity>>>,
}

impl Shared {
    fn new(router: Router, front: Front, most: u32, stopping: watch::Receiver<bool>) -> Self {
        Shared {
            router,
            front,
            connections: Arc::new(Semaphore::new(most as usize)),
            most_connections: most,
            patience: Patience::default(),
            stopping,
            large_heads: Arc::new(Semaphore::new(LARGE_HEADS)),
            open: Mutex::default(),
        }
    }

    /// What connections that may ask for health alone share.
    fn of_health(stopping: watch::Receiver<bool>) -> Self {
        let mut router = Router::default();
        for path in HEALTH {
            router.add(*path, Arc::new(landing::healthy()));
        }
        Shared::new(router, Front::default(), HEALTH_CONNECTIONS, stopping)
    }

    fn open(&self) -> MutexGuard<'_, Vec<Arc<Activity>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for one more connection. Where all are taken, the one that has waited for its client
    /// the longest goes; answers under way are waited for.
    async fn place(&self) -> Option<OwnedSemaphorePermit> {
        loop {
            if self.connections.available_permits() == 0 {
                self.make_room();
            }
            let place = self.connections.clone().acquire_owned();
            if let Ok(place) = tokio::time::timeout(YOUNG, place).await {
                return place.ok();
            }
        }
    }

    fn make_room(&self) {
        let open = self.open();
        let waiting = open.iter().filter_map(|a| Some((a.waiting_since()?, a)));
        let longest = waiting.min_by_key(|(since, _)| *since);
        if let Some((_, activity)) = longest.filter(|(since, _)| since.elapsed() > YOUNG) {
            activity.evict();
        }
    }
}

impl Server {
    /// A server without paths.
    pub fn new() -> Self {
        Self::default()
    }

    /// Binds one address; see [`Listener::bind`].
    pub fn bind(mut self, address: &str) -> Result<Self, String> {
        self.listeners.push(Listener::bind(address)?);
        Ok(self)
    }

    /// Takes listeners that are bound already.
    pub fn listeners(mut self, listeners: Vec<Listener>) -> Self {
        self.listeners.extend(listeners);
        self
    }

    /// Serves so many connections at a time instead of 512, where answers take long.
    pub fn connections(mut self, most: u32) -> Self {
        self.connections = most;
        self
    }

    /// Gives clients other times than those of [`Patience::default`].
    pub fn patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// Applies a web configuration file.
    pub fn front(mut self, front: Front) -> Self {
        self.front = front;
        self
    }

    /// Answers a path.
    pub fn route(mut self, path: impl Into<String>, handler: impl Handler) -> Self {
        self.router.add(path, Arc::new(handler));
        self
    }

    /// Answers every path that has no handler of its own.
    pub fn fallback(mut self, handler: impl Handler) -> Self {
        self.router.set_fallback(Arc::new(handler));
        self
    }

    /// Answers the telemetry path, and `/` with the page. A telemetry path of `/` answers every path
    /// that has no handler of its own, as in the originals.
    pub fn telemetry(self, path: &str, handler: impl Handler, page: Landing) -> Self {
        match path {
            "/" => self.fallback(handler),
            path => self.route(path, handler).route("/", page.handler()),
        }
    }

    /// Answers health and readiness with 200, at no cost.
    pub fn health(self) -> Self {
        self.route("/-/healthy", landing::healthy())
            .route("/-/ready", landing::healthy())
    }

    /// Answers health and readiness on one more listener, which has neither TLS nor passwords nor
    /// any other path.
    pub fn health_on(mut self, listener: Listener) -> Self {
        self.health = Some(listener);
        self
    }

    /// Serves until SIGTERM or SIGINT, then lets requests under way finish.
    pub async fn run(self) -> Result<(), String> {
        let stop = stop_signal().map_err(|e| format!("signals: {e}"))?;
        self.run_until(stop).await
    }

    /// Serves until `stop` is ready, then lets requests under way finish.
    pub async fn run_until(self, stop: impl Future<Output = ()>) -> Result<(), String> {
        if self.listeners.is_empty() {
            return Err("there is no address to listen on".to_owned());
        }
        for listener in &self.listeners {
            tracing::info!(address = listener.address(), "Listening on");
            let address = listener.address();
            if self.front.is_tls() {
                let http2 = self.front.http2();
                tracing::info!(http2, address, "TLS is enabled.");
            } else {
                tracing::info!(http2 = false, address, "TLS is disabled.");
            }
        }
        let (stopping, told) = watch::channel(false);
        let mut accepting = Vec::new();
        if let Some(listener) = self.health {
            tracing::info!(address = listener.address(), "Answering health on");
            let shared = Arc::new(Shared::of_health(told.clone()));
            accepting.push(tokio::spawn(accept(listener, shared)));
        }
        let shared = Arc::new(Shared {
            patience: self.patience,
            ..Shared::new(self.router, self.front, self.connections, told)
        });
        for listener in self.listeners {
            accepting.push(tokio::spawn(accept(listener, shared.clone())));
        }
        stop.await;
        tracing::info!("Stopping");
        for task in accepting {
            task.abort();
        }
        // Received by every connection; none is an error.
        let _ = stopping.send(true);
        let all = shared.connections.acquire_many(shared.most_connections);
        if tokio::time::timeout(GRACE, all).await.is_err() {
            tracing::warn!("some requests did not finish in time");
        }
        Ok(())
    }
}

/// Resolves at SIGTERM or SIGINT. SIGHUP is ignored from here on.
///
/// # Errors
/// Where the signals cannot be waited for.
pub fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        let _ignored = hangup;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

async fn accept(listener: Listener, shared: Arc<Shared>) {
    let mut back_off = Duration::ZERO;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                back_off = Duration::ZERO;
                let Some(place) = shared.place().await else {
                    return;
                };
                let activity = Arc::new(Activity::new(shared.patience, shared.large_heads.clone()));
                shared.open().push(activity.clone());
                let serving = serve(stream, Peer(peer), shared.clone(), activity, place);
                tokio::spawn(serving);
            }
            Err(error) => {
                back_off = (back_off * 2).clamp(Duration::from_millis(5), Duration::from_secs(1));
                tracing::error!(%error, "accepting a connection failed, trying again");
                tokio::time::sleep(back_off).await;
            }
        }
    }
}

async fn serve(
    stream: Inbound,
    peer: Peer,
    shared: Arc<Shared>,
    activity: Arc<Activity>,
    _place: OwnedSemaphorePermit,
) {
    let abandoned = activity.clone().abandoned(stream.clone());
    let _open = Open {
        shared: shared.clone(),
        activity: activity.clone(),
    };
    let stream = Watched::new(stream, activity.clone());
    let too_long = activity.clone().too_long();
    let serving = async {
        match shared.front.handshake(stream).await {
            Ok(super::front::Accepted::Plain(stream)) => {
                serve_http1(TokioIo::new(Strict::new(stream)), peer, &shared, &activity).await;
            }
            Ok(super::front::Accepted::Tls(stream, false)) => {
                serve_http1(TokioIo::new(Strict::new(stream)), peer, &shared, &activity).await;
            }
            Ok(super::front::Accepted::Tls(stream, true)) => {
                serve_http2(TokioIo::new(stream), peer, &shared, &activity).await;
            }
            Err(error) => tracing::debug!(peer = peer.0, %error, "TLS handshake failed"),
        }
    };
    tokio::select! {
        () = serving => {}
        () = too_long => {}
        () = abandoned => tracing::debug!("the client has left before its answer was ready"),
    }
}

/// A connection in the list of those that are served; dropping it takes it out.
struct Open {
    shared: Arc<Shared>,
    activity: Arc<Activity>,
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut open = self.shared.open();
        if let Some(at) = open.iter().position(|a| Arc::ptr_eq(a, &self.activity)) {
            open.swap_remove(at);
        }
    }
}

async fn serve_http1<I>(io: TokioIo<I>, peer: Peer, shared: &Arc<Shared>, activity: &Arc<Activity>)
where
    TokioIo<I>: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    let service = service_fn(|request| answer(request, &peer, shared, activity));
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        // Idle connections and slow heads have different patience; see `watch`.
        .header_read_timeout(None)
        // A client that has sent its request may close its side and still wants the answer, for
        // a while; see `watch`.
        .half_close(true)
        .max_buf_size(HEAD_BYTES + 4096)
        .max_headers(HEADERS);
    let mut connection = pin!(builder.serve_connection(io, service));
    let mut stopping = shared.stopping.clone();
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = told(&mut stopping) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(peer = peer.0, %error, "connection ended");
    }
}

/// Resolves when the server stops.
async fn told(stopping: &mut watch::Receiver<bool>) {
    // An error is the end of the server too.
    let _ = stopping.wait_for(|stop| *stop).await;
}

async fn serve_http2<I>(io: TokioIo<I>, peer: Peer, shared: &Arc<Shared>, activity: &Arc<Activity>)
where
    TokioIo<I>: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let (peer, shared, activity) = (peer, shared.clone(), activity.clone());
    let (name, watched) = (peer.0.clone(), activity.clone());
    let mut stopping = shared.stopping.clone();
    let service = service_fn(move |request| {
        let (peer, shared, activity) = (peer.clone(), shared.clone(), activity.clone());
        async move { answer(request, &peer, &shared, &activity).await }
    });
    let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(64)
        .max_header_list_size(HEAD_BYTES_OF_STREAMS);
    watched.many_streams();
    let mut connection = pin!(builder.serve_connection(io, service));
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = told(&mut stopping) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(peer = name, %error, "connection ended");
    }
}

async fn answer(
    request: http::Request<Incoming>,
    peer: &Peer,
    shared: &Shared,
    activity: &Arc<Activity>,
) -> Result<Response, Infallible> {
    let large = head_bytes(request.headers()) > SMALL_HEAD;
    let held = large.then(|| activity.large_head());
    let reading = activity.request_term();
    let (busy, writing) = (activity.answering(), activity.answer_term());
    let mut request: Request =
        request.map(|body| body.map_err(std::io::Error::other).boxed_unsync());
    if let Some(term) = reading
        && !hyper::body::Body::is_end_stream(request.body())
    {
        request = request.map(|body| Timed::new(body, term).boxed_unsync());
    }
    request.extensions_mut().insert(peer.clone());
    let mut response = match malformed(&request) {
        _ if matches!(held, Some(None)) => crowded(),
        Some(refusal) => refusal,
        None => shared.front.answer(request, &shared.router).await,
    };
    if !response.headers().contains_key(header::CONTENT_TYPE) {
        let empty = hyper::body::Body::is_end_stream(response.body());
        if !empty {
            let plain = http::HeaderValue::from_static("text/plain; charset=utf-8");
            response.headers_mut().insert(header::CONTENT_TYPE, plain);
        }
    }
    if let Some(term) = writing {
        response = response.map(|body| Timed::new(body, term).boxed_unsync());
    }
    drop(busy);
    Ok(response)
}

fn crowded() -> Response {
    let why = "Too many requests with large headers, try again later.";
    text(StatusCode::SERVICE_UNAVAILABLE, why)
}

/// What hyper lets through and the protocol forbids.
fn malformed(request: &Request) -> Option<Response> {
    if request.method() == http::Method::OPTIONS && request.uri() == "*" {
        return Some(Response::new(full(Bytes::new())));
    }
    let hosts: Vec<_> = request.headers().get_all(header::HOST).iter().collect();
    let codings = request.headers().get_all(header::TRANSFER_ENCODING);
    let expect = request.headers().get(header::EXPECT);
    let (status, why) = match hosts.as_slice() {
        [] if request.version() == Version::HTTP_11 => {
            (StatusCode::BAD_REQUEST, ": missing required Host header")
        }
        [_, _, ..] => (StatusCode::BAD_REQUEST, ": too many Host headers"),
        [host] if !host.as_bytes().iter().all(may_stand_in_host) => {
            (StatusCode::BAD_REQUEST, ": malformed Host header")
        }
        _ if head_bytes(request.headers()) > HEAD_BYTES => {
            (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "")
        }
        _ if !has_path(request) => (StatusCode::BAD_REQUEST, ""),
        _ if codings
            .iter()
            .any(|c| !c.as_bytes().eq_ignore_ascii_case(b"chunked")) =>
        {
            (
                StatusCode::NOT_IMPLEMENTED,
                ": unsupported transfer encoding",
            )
        }
        _ if expect.is_some_and(|e| !e.as_bytes().eq_ignore_ascii_case(b"100-continue")) => {
            (StatusCode::EXPECTATION_FAILED, "")
        }
        _ => return None,
    };
    let mut response = text(status, format_args!("{status}{why}"));
    if request.version() < Version::HTTP_2 {
        let close = http::HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    Some(response)
}

/// About what the head took; hyper looks at its bound only between reads.
fn head_bytes(headers: &http::HeaderMap) -> usize {
    headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum()
}

/// Whether the target is a path, of which every escape can be read.
fn has_path(request: &Request) -> bool {
    let target = request.uri().path();
    let is_connect = request.method() == http::Method::CONNECT;
    is_connect || (target.starts_with('/') && path::is_escaped_well(target))
}

/// Letters of names, addresses and ports, as RFC 3986 has them.
fn may_stand_in_host(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!$%&()*+,-.:;='[]_~".contains(byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    /// Address, what stops it, and how it ended.
    type Started = (
        String,
        tokio::sync::oneshot::Sender<()>,
        tokio::task::JoinHandle<Result<(), String>>,
    );

    async fn start() -> Started {
        start_for(CONNECTIONS).await
    }

    /// Starts a server that answers `/slow` after 300 ms.
    async fn start_for(most: u32) -> Started {
        let listener = Listener::bind("127.0.0.1:0").unwrap();
        let address = listener.address();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let server = Server::new()
            .connections(most)
            .listeners(vec![listener])
            .route("/fast", |_: Request| async { text(StatusCode::OK, "fast") })
            .route("/slow", |_: Request| async {
                tokio::time::sleep(Duration::from_millis(300)).await;
                text(StatusCode::OK, "slow")
            });
        let running = tokio::spawn(server.run_until(async {
            let _ = stopped.await;
        }));
        (address, stop, running)
    }

    async fn exchange(address: &str, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn answers_by_the_protocol() {
        let (address, _stop, _running) = start().await;
        for (request, start) in [
            ("GET /fast HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK"),
            ("GET /fast HTTP/1.0\r\n\r\n", "HTTP/1.0 200 OK"),
            (
                "GET http://other/fast HTTP/1.1\r\nHost: x\r\n\r\n",
                "HTTP/1.1 200 OK",
            ),
            ("BREW /fast HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK"),
            ("GET /fast HTTP/1.1\r\n\r\n", "HTTP/1.1 400"),
            (
                "GET /fast HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
                "HTTP/1.1 400",
            ),
            ("GET /fast HTTP/1.1\r\nHost: a/b\r\n\r\n", "HTTP/1.1 400"),
            ("GET fast HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 400"),
            ("GET * HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 400"),
            ("GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 400"),
            (
                "GET /fast?x=%zz HTTP/1.1\r\nHost: x\r\n\r\n",
                "HTTP/1.1 200",
            ),
            ("GET /fast HTTP/1.1\nHost: x\n\n", "HTTP/1.1 200"),
            ("GET /fast\r\n\r\n", "HTTP/1.1 400"),
            (
                "GET /fast HTTP/1.1\r\nHost: x\r\nA B: c\r\n\r\n",
                "HTTP/1.1 400",
            ),
            ("GET //fast HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 301"),
            ("GET /fast HTTP/3.0\r\nHost: x\r\n\r\n", "HTTP/1.1 505"),
            (
                "GET /fast HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
                "HTTP/1.1 501",
            ),
            (
                "POST /fast HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
                "HTTP/1.1 501",
            ),
            ("nonsense\r\n\r\n", "HTTP/1.1 400"),
            ("GET /none HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404"),
            (
                "GET /fast HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\n\r\n",
                "HTTP/1.1 417",
            ),
            ("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK"),
        ] {
            let answer = exchange(&address, request).await;
            assert!(answer.starts_with(start), "{request:?}: {answer:?}");
        }
        let answer = exchange(&address, "nonsense\r\n\r\n").await;
        assert!(answer.ends_with("\r\n\r\n400 Bad Request"), "{answer}");
        let answer = exchange(&address, "HEAD /fast HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert!(
            answer.contains("content-length: 5") && answer.ends_with("\r\n\r\n"),
            "{answer}"
        );
    }

    #[tokio::test]
    async fn who_says_nothing_makes_way() {
        let (address, _stop, _running) = start_for(4).await;
        let mut slow = TcpStream::connect(&address).await.unwrap();
        slow.write_all(b"GET /slow HTTP/1.0\r\n\r\n").await.unwrap();
        let mut idle = Vec::new();
        for _ in 0..30 {
            idle.push(TcpStream::connect(&address).await.unwrap());
        }
        let request = "GET /fast HTTP/1.1\r\nHost: x\r\n\r\n";
        let answer = exchange(&address, request).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let closed = idle.iter_mut().map(|stream| stream.read_u8());
        let closed = how_many_end(closed).await;
        assert!(closed >= 26, "{closed} of 30");
        // An answer under way stays.
        let mut answer = String::new();
        slow.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("slow\n"), "{answer}");
    }

    /// How many of these end before long.
    async fn how_many_end<F: Future>(all: impl Iterator<Item = F>) -> usize {
        let mut ready = 0;
        for one in all {
            let short = Duration::from_millis(20);
            ready += usize::from(tokio::time::timeout(short, one).await.is_ok());
        }
        ready
    }

    #[tokio::test]
    async fn large_heads_are_held_a_few_at_a_time() {
        let (address, _stop, _running) = start().await;
        let mut open = Vec::new();
        for _ in 0..3 * LARGE_HEADS {
            let mut stream = TcpStream::connect(&address).await.unwrap();
            let head = format!("GET /fast HTTP/1.0\r\nCookie: {}", "a".repeat(100_000));
            // Whoever is refused may find the connection closed already.
            let _refused = stream.write_all(head.as_bytes()).await;
            open.push(stream);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        let closed = how_many_end(open.iter_mut().map(|stream| stream.read_u8())).await;
        assert_eq!(closed, 2 * LARGE_HEADS);
        // Small ones pass all the time, and large ones again when the others are through.
        let small = exchange(&address, "GET /fast HTTP/1.0\r\n\r\n").await;
        assert!(small.starts_with("HTTP/1.0 200"), "{small}");
        let mut answered = 0;
        for mut stream in open {
            let mut answer = String::new();
            if stream.write_all(b"\r\n\r\n").await.is_ok() {
                let _refused = stream.read_to_string(&mut answer).await;
            }
            answered += usize::from(answer.starts_with("HTTP/1.0 200"));
        }
        assert_eq!(answered, LARGE_HEADS);
        let head = format!(
            "GET /fast HTTP/1.0\r\nCookie: {}\r\n\r\n",
            "a".repeat(100_000)
        );
        let large = exchange(&address, &head).await;
        assert!(large.starts_with("HTTP/1.0 200"), "{large}");
    }

    #[tokio::test]
    async fn large_heads_pass_and_larger_ones_do_not() {
        let (address, _stop, _running) = start().await;
        let head = |bytes: usize| {
            let cookie = "a".repeat(bytes);
            format!("GET /fast HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\n\r\n")
        };
        assert!(
            exchange(&address, &head(900_000))
                .await
                .starts_with("HTTP/1.1 200")
        );
        assert!(
            exchange(&address, &head(1_060_000))
                .await
                .starts_with("HTTP/1.1 431")
        );
        let mut stream = TcpStream::connect(&address).await.unwrap();
        // The server may close before all of it is written.
        let _ = stream.write_all(head(3_000_000).as_bytes()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert!(!answer.starts_with(b"HTTP/1.1 200"));
    }

    #[tokio::test]
    async fn requests_under_way_finish() {
        let (address, stop, running) = start().await;
        let request = "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n";
        let answer = tokio::spawn(async move { exchange(&address, request).await });
        tokio::time::sleep(Duration::from_millis(100)).await;
        stop.send(()).unwrap();
        assert!(answer.await.unwrap().ends_with("slow\n"));
        running.await.unwrap().unwrap();
    }
}
