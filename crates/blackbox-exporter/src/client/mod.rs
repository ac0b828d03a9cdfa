//! One HTTP request over one connection of its own, with the time that each phase took.
//!
//! The connection is made here and not by a library, so that its phases are measured where they
//! happen, and so that the address that was chosen is the one that is asked.

pub mod conntrack;
mod http1;
pub mod proxy;

use crate::config::{ProxyOptions, TlsOptions};
use crate::net::address::{Address, literal};
use crate::net::dial;
use crate::net::resolve::{self, Family};
use crate::tls::{self, Session};
use crate::url::Url;
use bytes::Bytes;
use conntrack::{Open, Reason};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version, header};
use http_body::{Body, Frame, SizeHint};
pub use http1::Head;
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
    body: Coming,
    _open: Open,
}

/// A body by version of HTTP.
enum Coming {
    One(Box<http1::Body>),
    Two(Box<(Incoming, Driver)>),
}

impl Answer {
    /// The next piece of the body; `None` at its end.
    pub async fn data(&mut self) -> Result<Option<Bytes>, String> {
        let (body, driver) = match &mut self.body {
            Coming::One(body) => return body.data().await,
            Coming::Two(pair) => (&mut pair.0, &mut pair.1),
        };
        loop {
            let next = std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx));
            match driver.alongside(next).await {
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
    _tasks: EndTasks,
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
    let ready = Instant::now();
    let (head, body) = match http2 {
        true => over_http2(outgoing, stream, times).await?,
        false => over_http1(outgoing, stream, via.as_ref(), times).await?,
    };
    Ok(Answer {
        head,
        session,
        first_byte: ready + Duration::from_secs_f64(times.processing),
        body,
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
    stream: Box<dyn Stream>,
    via: Option<&Via>,
    times: &mut Times,
) -> Result<(Head, Coming), Trouble> {
    let url = outgoing.url;
    let absolute = via.filter(|via| via.is_http() && !url.is_tls());
    let target = match absolute {
        Some(_) => format!("http://{}{}", outgoing.host(), url.request_target()),
        None => url.request_target(),
    };
    let credentials = absolute.and_then(Via::authorization);
    let request = http1::encode(outgoing, &target, credentials)?;
    let (head, body) = http1::exchange(stream, request, outgoing.method, times).await?;
    Ok((head, Coming::One(Box::new(body))))
}

async fn over_http2(
    outgoing: Outgoing<'_>,
    stream: Box<dyn Stream>,
    times: &mut Times,
) -> Result<(Head, Coming), Trouble> {
    let ready = Instant::now();
    let tasks = Tasks::default();
    let ending = EndTasks(tasks.clone());
    let handshake = hyper::client::conn::http2::Builder::new(tasks)
        .max_header_list_size(LONGEST_HEADERS)
        .handshake::<_, Payload>(TokioIo::new(stream))
        .await;
    let (mut sender, connection) = handshake.map_err(|e| sentence(&e))?;
    let mut driver = Driver {
        connection: Some(Box::pin(connection)),
        _tasks: ending,
    };
    let response = driver
        .alongside(sender.send_request(request(outgoing)?))
        .await;
    let (head, body) = response.map_err(|e| sentence(&e))?.into_parts();
    times.processing = ready.elapsed().as_secs_f64();
    let told = head.headers.get(header::CONTENT_LENGTH);
    let told = told.and_then(|v| v.to_str().ok()?.parse().ok());
    let is_over = body.is_end_stream() && *outgoing.method != Method::HEAD;
    let head = Head {
        status: head.status.as_u16(),
        version: (2, 0),
        content_length: told.unwrap_or(if is_over { 0 } else { -1 }),
        headers: head.headers,
    };
    Ok((head, Coming::Two(Box::new((body, driver)))))
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

/// A request as HTTP/2 has it.
fn request(outgoing: Outgoing<'_>) -> Result<http::Request<Payload>, Trouble> {
    let mut request = http::Request::new(outgoing.body.clone());
    *request.method_mut() = outgoing.method.clone();
    *request.headers_mut() = outgoing.headers.clone();
    *request.version_mut() = Version::HTTP_2;
    let url = outgoing.url;
    // The library takes all that Go sends as it is written but for these.
    let target = url.request_target().replace('"', "%22");
    let target = target.replace('<', "%3C").replace('>', "%3E");
    let target = format!("{}://{}{target}", url.scheme, outgoing.host());
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
        (stream, session) = via.enter(stream, outgoing, times).await?;
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
    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
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
