//! One HTTP request over one connection of its own, with the time that each phase took.
//!
//! The connection is made here and not by a library, so that its phases are measured where they
//! happen, and so that the address that was chosen is the one that is asked.

pub mod conntrack;
mod first_byte;
mod head;
pub mod proxy;

use crate::config::{ProxyOptions, TlsOptions};
use crate::net::address::{Address, literal};
use crate::net::dial;
use crate::net::resolve::{self, Family};
use crate::tls::{self, Session};
use crate::url::Url;
use bytes::Bytes;
use conntrack::{Open, Reason};
use first_byte::Waiting;
pub use head::Head;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, Uri, Version, header};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use proxy::Via;
use rustls_pki_types::CertificateDer;
use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Headers that an answer over HTTP/1 may have.
const MOST_HEADERS: usize = 512;
/// Bytes that the head of an answer over HTTP/1 may have.
const LONGEST_HEAD: usize = 1 << 20;
/// Bytes of headers that an answer over HTTP/2 may have.
const LONGEST_HEADERS: u32 = 10 << 20;
/// A handshake that takes longer is given up.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// A stream of any kind.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A request and the way to its server.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// Where it goes. Its host is what the server is asked for.
    pub url: &'a Url,
    /// The address to connect to; without it the host of the URL is looked up.
    pub address: Option<Address>,
    /// The address to connect from.
    pub source: Option<IpAddr>,
    /// What the certificate must be for.
    pub server_name: &'a str,
    /// How TLS is spoken.
    pub tls: &'a TlsOptions,
    /// Whether HTTP/2 is offered.
    pub http2: bool,
    /// The proxy.
    pub proxy: &'a ProxyOptions,
    /// Method.
    pub method: &'a Method,
    /// `Host`, the URL's where it is empty.
    pub host: &'a str,
    /// Headers but `Host`.
    pub headers: &'a HeaderMap,
    /// Body.
    pub body: &'a Payload,
}

/// Seconds that the phases of one exchange took; 0 where a phase was not reached.
#[derive(Clone, Copy, Debug, Default)]
pub struct Times {
    /// Looking up the host, where the address was not known.
    pub resolve: f64,
    /// Connecting, to the proxy where there is one.
    pub connect: f64,
    /// TLS handshake.
    pub tls: f64,
    /// From the connection being ready to the first byte of the answer.
    pub processing: f64,
}

/// Why there is no answer.
#[derive(Debug, Default)]
pub struct Trouble {
    /// A sentence.
    pub why: String,
    /// Certificates, where the trouble is with them.
    pub presented: Vec<CertificateDer<'static>>,
}

impl From<String> for Trouble {
    fn from(why: String) -> Self {
        Trouble {
            why,
            presented: Vec::new(),
        }
    }
}

/// An answer whose body is still to be read.
pub struct Answer {
    /// Status, version and headers.
    pub head: Head,
    /// What TLS told.
    pub session: Option<Session>,
    /// When its first byte came.
    pub first_byte: Instant,
    body: Incoming,
    driver: Driver,
    _open: Open,
}

impl Answer {
    /// The next piece of the body; `None` at its end.
    pub async fn data(&mut self) -> Result<Option<Bytes>, String> {
        loop {
            let body = &mut self.body;
            let next = std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx));
            match self.driver.alongside(next).await {
                None => return Ok(None),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => return Ok(Some(data)),
                    // Trailers say nothing of interest.
                    Err(_) => continue,
                },
                Some(Err(error)) => return Err(sentence(&error)),
            }
        }
    }
}

/// A body that is there already.
#[derive(Clone, Debug, Default)]
pub struct Payload {
    /// What is sent.
    pub bytes: Bytes,
    /// Whether it is sent in chunks, without its length.
    pub chunked: bool,
}

impl Body for Payload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = std::mem::take(&mut self.bytes);
        Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        match self.chunked {
            true => SizeHint::default(),
            false => SizeHint::with_exact(self.bytes.len() as u64),
        }
    }
}

type Connection = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

/// What moves bytes while somebody waits for an answer; dropping it closes the connection.
struct Driver {
    connection: Option<Connection>,
    _tasks: Option<EndTasks>,
}

impl Driver {
    /// Waits for something that this connection brings.
    async fn alongside<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        std::future::poll_fn(|cx| {
            if let Poll::Ready(value) = work.as_mut().poll(cx) {
                return Poll::Ready(value);
            }
            if let Some(connection) = &mut self.connection
                && connection.as_mut().poll(cx).is_ready()
            {
                self.connection = None;
            }
            work.as_mut().poll(cx)
        })
        .await
    }
}

/// Runs what HTTP/2 needs beside; all of it ends when this is dropped.
#[derive(Clone, Debug, Default)]
pub struct Tasks(Arc<Mutex<JoinSet<()>>>);

impl<F> hyper::rt::Executor<F> for Tasks
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, task: F) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .spawn(task);
    }
}

/// Ends the tasks. Those hold clones of the set, so that it does not drop by itself.
#[derive(Debug)]
pub struct EndTasks(pub Tasks);

impl Drop for EndTasks {
    fn drop(&mut self) {
        self.0
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .abort_all();
    }
}

/// Sends a request and waits for the head of its answer.
pub async fn send(outgoing: Outgoing<'_>, times: &mut Times) -> Result<Answer, Trouble> {
    let via = proxy::choose(outgoing.proxy, outgoing.url, outgoing.address)?;
    // Phases count from when there is a connection, but for the lookup.
    let mut connecting = Connecting {
        times,
        reached: Times::default(),
    };
    let (stream, session, open, http2) =
        connect(outgoing, via.as_ref(), &mut connecting.reached).await?;
    connecting.times.connect = connecting.reached.connect;
    connecting.times.tls = connecting.reached.tls;
    drop(connecting);
    let waiting = Waiting::begin(times);
    let (response, driver) = match http2 {
        true => Box::pin(over_http2(outgoing, stream)).await,
        false => over_http1(outgoing, waiting.watch(stream), via.as_ref()).await,
    }?;
    let first_byte = waiting.end();
    let (parts, body) = response.into_parts();
    Ok(Answer {
        head: Head::new(parts, outgoing.method, body.size_hint().exact()),
        session,
        first_byte,
        body,
        driver,
        _open: open,
    })
}

/// Keeps the time of the lookup, whatever becomes of the connection.
struct Connecting<'t> {
    times: &'t mut Times,
    reached: Times,
}

impl Drop for Connecting<'_> {
    fn drop(&mut self) {
        self.times.resolve = self.reached.resolve;
    }
}

async fn over_http1(
    outgoing: Outgoing<'_>,
    stream: impl Stream + 'static,
    via: Option<&Via>,
) -> Result<(Response<Incoming>, Driver), Trouble> {
    let mut builder = hyper::client::conn::http1::Builder::new();
    builder
        .title_case_headers(true)
        .max_headers(MOST_HEADERS)
        .max_buf_size(LONGEST_HEAD)
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true);
    let handshake = builder.handshake::<_, Payload>(TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.map_err(|e| sentence(&e))?;
    let mut driver = Driver {
        connection: Some(Box::pin(connection)),
        _tasks: None,
    };
    let absolute = via.filter(|via| via.is_http() && !outgoing.url.is_tls());
    let before = match absolute {
        Some(_) => format!("http://{}", outgoing.host()),
        None => String::new(),
    };
    let mut request = request(outgoing, &before)?;
    let host = HeaderValue::try_from(outgoing.host()).map_err(|e| format!("Host: {e}"))?;
    let headers = std::mem::take(request.headers_mut());
    let closes = says_close(&headers);
    let all = request.headers_mut();
    all.insert(header::HOST, host);
    all.extend(headers);
    if let Some(credentials) = absolute.and_then(Via::authorization) {
        all.insert(header::PROXY_AUTHORIZATION, credentials);
    }
    // Without it the library sends no body with GET and HEAD.
    if outgoing.body.chunked && !outgoing.body.bytes.is_empty() {
        all.insert(
            header::TRANSFER_ENCODING,
            HeaderValue::from_static("chunked"),
        );
    }
    if !closes {
        all.append(header::CONNECTION, HeaderValue::from_static("close"));
    }
    let response = driver.alongside(sender.send_request(request)).await;
    Ok((response.map_err(|e| sentence(&e))?, driver))
}

/// Whether `Connection` asks for the end of it already.
fn says_close(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::CONNECTION).iter();
    let mut words = values
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','));
    words.any(|word| word.trim().eq_ignore_ascii_case("close"))
}

async fn over_http2(
    outgoing: Outgoing<'_>,
    stream: Box<dyn Stream>,
) -> Result<(Response<Incoming>, Driver), Trouble> {
    let tasks = Tasks::default();
    let ending = EndTasks(tasks.clone());
    let handshake = hyper::client::conn::http2::Builder::new(tasks)
        .max_header_list_size(LONGEST_HEADERS)
        .handshake::<_, Payload>(TokioIo::new(stream))
        .await;
    let (mut sender, connection) = handshake.map_err(|e| sentence(&e))?;
    let mut driver = Driver {
        connection: Some(Box::pin(connection)),
        _tasks: Some(ending),
    };
    let before = format!("{}://{}", outgoing.url.scheme, outgoing.host());
    let mut request = request(outgoing, &before)?;
    *request.version_mut() = Version::HTTP_2;
    let response = driver.alongside(sender.send_request(request)).await;
    Ok((response.map_err(|e| sentence(&e))?, driver))
}

impl Outgoing<'_> {
    /// What the server is asked for. The zone of an address says nothing to it.
    fn host(&self) -> String {
        let host = match self.host {
            "" => &self.url.host,
            host => host,
        };
        let zone = host.find('%').zip(host.rfind(']'));
        match zone.filter(|(start, end)| host.starts_with('[') && start < end) {
            Some((start, end)) => [&host[..start], &host[end..]].concat(),
            None => host.to_owned(),
        }
    }
}

/// A request. `before` stands before path and query.
fn request(outgoing: Outgoing<'_>, before: &str) -> Result<http::Request<Payload>, Trouble> {
    let mut request = http::Request::new(outgoing.body.clone());
    *request.method_mut() = outgoing.method.clone();
    *request.headers_mut() = outgoing.headers.clone();
    let target = format!("{before}{}", outgoing.url.request_target());
    *request.uri_mut() = Uri::try_from(target).map_err(|e| format!("invalid URL: {e}"))?;
    let method = outgoing.method;
    let states_nothing = matches!(*method, Method::POST | Method::PUT | Method::PATCH);
    if states_nothing && outgoing.body.bytes.is_empty() && !outgoing.body.chunked {
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    Ok(request)
}

type Connected = (Box<dyn Stream>, Option<Session>, Open, bool);

/// Connects, over the proxy where there is one, and makes the handshake.
async fn connect(
    outgoing: Outgoing<'_>,
    via: Option<&Via>,
    times: &mut Times,
) -> Result<Connected, Trouble> {
    let url = outgoing.url;
    let (stream, open) = match via {
        Some(via) => dial_host(via.url(), None, outgoing.source, times).await?,
        None => dial_host(url, outgoing.address, outgoing.source, times).await?,
    };
    let mut stream: Box<dyn Stream> = Box::new(stream);
    let mut session = None;
    if let Some(via) = via {
        (stream, session) = Box::pin(via.enter(stream, outgoing, times)).await?;
    }
    if !url.is_tls() {
        return Ok((stream, session, open, false));
    }
    let protocols: &[&[u8]] = if outgoing.http2 {
        &[b"h2", b"http/1.1"]
    } else {
        &[]
    };
    let started = Instant::now();
    let handshake = tls::connect(outgoing.tls, outgoing.server_name, protocols, stream);
    let result = tokio::time::timeout(HANDSHAKE, handshake).await;
    times.tls += started.elapsed().as_secs_f64();
    let result = result.map_err(|_| "TLS handshake: it took more than 10 seconds".to_owned())?;
    let (stream, session) = result.map_err(|failed| Trouble {
        why: failed.why,
        presented: failed.presented,
    })?;
    let http2 = session.is_http2;
    Ok((Box::new(stream), Some(session), open, http2))
}

/// Connects to the host of a URL. A name may have several addresses, which are tried in turn.
async fn dial_host(
    url: &Url,
    address: Option<Address>,
    source: Option<IpAddr>,
    times: &mut Times,
) -> Result<(TcpStream, Open), Trouble> {
    let attempt = conntrack::attempt();
    let addresses = match address {
        Some(address) => vec![address],
        None => {
            let started = Instant::now();
            let found = resolve::lookup(url.hostname(), Family::Both).await;
            // An address is not looked up.
            if literal(url.hostname()).is_none() {
                times.resolve += started.elapsed().as_secs_f64();
            }
            match found {
                Ok(addresses) => addresses,
                Err(why) => {
                    attempt.failed(Reason::Resolution);
                    return Err(format!("dial tcp: {why}").into());
                }
            }
        }
    };
    let started = Instant::now();
    let mut last = io::Error::other("there is no address");
    for address in addresses {
        match dial::connect(address.with_port(url.port_or_default()), source).await {
            Ok(stream) => {
                times.connect += started.elapsed().as_secs_f64();
                return Ok((stream, attempt.established()));
            }
            Err(error) => last = error,
        }
    }
    attempt.failed(Reason::of(&last));
    Err(format!("dial tcp {}: {last}", url.host).into())
}

/// An error and its causes.
fn sentence(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// A header name as the protocol has it. The error is a sentence.
pub fn header_name(name: &str) -> Result<HeaderName, String> {
    HeaderName::try_from(name).map_err(|_| format!("invalid header name {name:?}"))
}

/// A header value. The error is a sentence without the value, which may be a secret.
pub fn header_value(name: &str, value: &str) -> Result<HeaderValue, String> {
    HeaderValue::try_from(value.trim()).map_err(|_| format!("invalid value of header {name:?}"))
}
