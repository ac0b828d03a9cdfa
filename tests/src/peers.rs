//! Servers to probe: HTTP/1.1 and HTTP/2 with and without TLS, gRPC health, DNS, and scripted lines.
//! Each listens on a free loopback port and ends when it is dropped.

use crate::pki::Leaf;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::convert::Infallible;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

/// A body with or without trailers.
pub type Body = UnsyncBoxBody<Bytes, Infallible>;
/// Answers a request.
pub type Answer = Arc<dyn Fn(Request<Bytes>) -> Response<Body> + Send + Sync>;

/// A server configuration; with `authority` it wants client certificates of it.
pub fn tls(leaf: &Leaf, authority: Option<&str>) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match authority {
        None => builder.with_no_client_auth(),
        Some(pem) => {
            let mut roots = RootCertStore::empty();
            roots
                .add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap())
                .unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let chain = CertificateDer::from_pem_slice(leaf.certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes()).unwrap();
    let mut config = builder.with_single_cert(vec![chain], key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::new(config)
}

/// An answer with a body.
pub fn text(status: u16, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Full::new(body.into()).boxed_unsync());
    *response.status_mut() = status.try_into().unwrap();
    response
}

/// An HTTP server. Without TLS it speaks HTTP/1.1, or HTTP/2 where `h2c` is set.
pub struct Http {
    /// Where it listens.
    pub address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Http {
    /// Starts it.
    pub fn start(
        tls: Option<Arc<ServerConfig>>,
        h2c: bool,
        answer: impl Fn(Request<Bytes>) -> Response<Body> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let (stop, stopped) = oneshot::channel();
        let answer: Answer = Arc::new(answer);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.unwrap().block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    () = accept(listener, tls, h2c, answer) => {}
                    _ = stopped => {}
                }
            });
        });
        Http {
            address,
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

impl Drop for Http {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(
    listener: tokio::net::TcpListener,
    tls: Option<Arc<ServerConfig>>,
    h2c: bool,
    answer: Answer,
) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (tls, answer) = (tls.clone(), answer.clone());
        tokio::spawn(async move {
            let Some(config) = tls else {
                return serve(stream, h2c, answer).await;
            };
            // A client that does not like the certificate goes away.
            if let Ok(stream) = TlsAcceptor::from(config).accept(stream).await {
                let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                serve(stream, http2, answer).await;
            }
        });
    }
}

async fn serve<S>(stream: S, http2: bool, answer: Answer)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        let answer = answer.clone();
        async move {
            let (head, body) = request.into_parts();
            let body = body
                .collect()
                .await
                .map(|b| b.to_bytes())
                .unwrap_or_default();
            Ok::<_, Infallible>(answer(Request::from_parts(head, body)))
        }
    });
    let io = TokioIo::new(stream);
    // How a connection ends is up to the client.
    let _ = match http2 {
        true => {
            let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            builder.serve_connection(io, service).await
        }
        false => {
            hyper::server::conn::http1::Builder::new()
                .serve_connection(io, service)
                .await
        }
    };
}

/// The health service of gRPC: `services` by name with the number of their status.
pub fn health(
    services: &'static [(&'static str, u8)],
) -> impl Fn(Request<Bytes>) -> Response<Body> {
    move |request| {
        let mut response = text(200, "");
        let grpc = HeaderValue::from_static("application/grpc");
        response.headers_mut().insert("content-type", grpc);
        let ended = |response: &mut Response<Body>, code: &'static str| {
            response
                .headers_mut()
                .insert("grpc-status", HeaderValue::from_static(code));
        };
        if request.uri().path() != "/grpc.health.v1.Health/Check" {
            ended(&mut response, "12");
            return response;
        }
        let frame = request.into_body();
        // Five bytes of frame, key and length of the one field.
        let name = frame.get(7..).unwrap_or_default();
        let Some((_, status)) = services.iter().find(|s| s.0.as_bytes() == name) else {
            ended(&mut response, "5");
            return response;
        };
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        let message = Bytes::from(vec![0, 0, 0, 0, 2, 8, *status]);
        let body = Full::new(message).with_trailers(std::future::ready(Some(Ok(trailers))));
        *response.body_mut() = body.boxed_unsync();
        response
    }
}

/// A stream that a script can use.
pub trait Line: Read + Write {}
impl<T: Read + Write> Line for T {}

/// A server that has a conversation with each client, one thread a client.
pub struct Scripted {
    /// Where it listens.
    pub address: SocketAddr,
    stopped: Arc<AtomicBool>,
}

impl Scripted {
    /// Starts it.
    pub fn start(
        script: impl Fn(TcpStream) -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stopped = Arc::new(AtomicBool::new(false));
        let (script, told) = (Arc::new(script), stopped.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if told.load(Ordering::Acquire) {
                    return;
                }
                let script = script.clone();
                // A client that goes away early ends the conversation.
                std::thread::spawn(move || drop(script(stream)));
            }
        });
        Scripted { address, stopped }
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Release);
        // Wakes it up; that it is gone already is fine.
        let _ = TcpStream::connect(self.address);
    }
}

/// One line that a client sent.
pub fn line(stream: &mut impl Read) -> std::io::Result<String> {
    let mut line = Vec::new();
    let mut byte = [0];
    while stream.read(&mut byte)? == 1 && byte[0] != b'\n' {
        line.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}

/// Makes the server's side of a handshake on a stream that was plain so far.
pub fn upgrade(
    stream: TcpStream,
    config: &Arc<ServerConfig>,
) -> std::io::Result<StreamOwned<ServerConnection, TcpStream>> {
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let connection = ServerConnection::new(config.clone()).map_err(std::io::Error::other)?;
    Ok(StreamOwned::new(connection, stream))
}

/// A peer in datagrams.
pub struct Datagrams {
    /// Where it listens.
    pub address: SocketAddr,
}

impl Datagrams {
    /// Answers each datagram by those that `answer` makes of it, until the process ends.
    pub fn start(answer: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        std::thread::spawn(move || {
            let mut datagram = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut datagram) {
                for reply in answer(&datagram[..length]) {
                    let _gone = socket.send_to(&reply, from);
                }
            }
        });
        Datagrams { address }
    }
}

/// A DNS server over UDP and TCP on one port: `a.test` has an address, a mail exchange and a zone,
/// all else does not exist.
pub struct Dns {
    /// Where it listens.
    pub address: SocketAddr,
    _tcp: Scripted,
    stopped: Arc<AtomicBool>,
}

impl Dns {
    /// Starts it.
    pub fn start() -> Self {
        loop {
            let tcp = Scripted::start(|mut stream| over_stream(&mut stream));
            // The same port of the other protocol may be somebody else's.
            let Ok(udp) = UdpSocket::bind(tcp.address) else {
                continue;
            };
            let stopped = Arc::new(AtomicBool::new(false));
            let (address, told) = (tcp.address, stopped.clone());
            std::thread::spawn(move || {
                let mut query = [0; 512];
                while let Ok((length, from)) = udp.recv_from(&mut query) {
                    if told.load(Ordering::Acquire) {
                        return;
                    }
                    let _ = udp.send_to(&reply(&query[..length]), from);
                }
            });
            return Dns {
                address,
                _tcp: tcp,
                stopped,
            };
        }
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Release);
        if let Ok(socket) = UdpSocket::bind("127.0.0.1:0") {
            let _ = socket.send_to(b"", self.address);
        }
    }
}

/// Answers one query of a stream.
pub fn over_stream(stream: &mut impl Line) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut length = [0; 2];
    reader.read_exact(&mut length)?;
    let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
    reader.read_exact(&mut query)?;
    let answer = reply(&query);
    let stream = reader.into_inner();
    stream.write_all(&(answer.len() as u16).to_be_bytes())?;
    stream.write_all(&answer)?;
    stream.flush()
}

fn reply(query: &[u8]) -> Vec<u8> {
    let Some(end) = query.get(12..).and_then(|q| q.iter().position(|b| *b == 0)) else {
        return Vec::new();
    };
    let question = &query[12..(12 + end + 5).min(query.len())];
    let kind = question.get(end + 2).copied().unwrap_or(0);
    let known = question.starts_with(b"\x01a\x04test\0");
    let record = |kind: u8, data: &[u8]| {
        let mut record = vec![0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 60, 0, data.len() as u8];
        record.extend_from_slice(data);
        record
    };
    let answer = match kind {
        1 if known => vec![record(1, &[127, 0, 0, 1]), record(1, &[127, 0, 0, 2])],
        6 if known => vec![record(
            6,
            b"\x02ns\xc0\x0c\x01h\xc0\x0c\0\0\0\x2a\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04",
        )],
        15 if known => vec![record(15, b"\0\x0a\x02mx\xc0\x0c")],
        _ => Vec::new(),
    };
    let mut message = query[..2].to_vec();
    message.extend_from_slice(&[0x81, if known { 0x80 } else { 0x83 }, 0, 1]);
    message.extend_from_slice(&[0, answer.len() as u8, 0, 0, 0, 0]);
    message.extend_from_slice(question);
    message.extend(answer.concat());
    message
}

/// Reads a head of HTTP, up to its empty line.
pub fn head(stream: &mut impl Read) -> std::io::Result<Vec<String>> {
    let mut reader = BufReader::with_capacity(1, stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end() {
            "" => return Ok(lines),
            line => lines.push(line.to_owned()),
        }
    }
}
