//! What stands before the paths: TLS, rate limit, headers and authentication, as the web
//! configuration file has them.
//!
//! The file, and the certificates that it names, are looked at before every request and every
//! handshake and read again when they changed. While they cannot be read or hold errors, requests
//! get status 500 and handshakes fail.

mod auth;
mod file;
mod limit;
mod tls;
mod token;

use super::handler::{ConfigApplied, Peer, Request, Response, full, text};
use super::listen::{Connection, Inbound};
use super::router::Router;
use super::watch::Watched;
pub use auth::{check_hash, hash};
pub use file::{Parts, TlsSection};

use auth::Authenticator;
use file::{Settings, Sources};
use http::{HeaderValue, StatusCode, header};
use limit::Limiter;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

/// A connection after its handshake, if it had one.
pub enum Accepted {
    /// Without TLS.
    Plain(Watched<Inbound>),
    /// With TLS, and whether HTTP/2 was agreed on.
    Tls(Box<dyn Connection>, bool),
}

/// The settings in force.
#[derive(Default)]
pub struct Front {
    live: Option<Live>,
    /// Name of what passwords protect, where it is told.
    realm: Option<&'static str>,
    /// Fixed at start: a listener cannot change between plain and TLS.
    is_tls: bool,
    http2: bool,
    limiter: Option<Limiter>,
    authenticator: Authenticator,
    /// Paths that are answered without a password.
    open: Vec<String>,
}

/// Where settings come from and what was read of it last.
struct Live {
    origin: Origin,
    state: Mutex<State>,
}

/// Where settings come from.
enum Origin {
    /// The web configuration file.
    File(PathBuf),
    /// Flags; the files that they name are read again as those of the configuration file are.
    Parts(Box<Parts>),
}

impl Origin {
    fn read(&self) -> (Sources, Result<Arc<Settings>, String>) {
        match self {
            Origin::File(path) => file::read(path),
            Origin::Parts(parts) => file::of_parts(parts),
        }
    }

    /// For logs.
    fn name(&self) -> std::path::Display<'_> {
        match self {
            Origin::File(path) => path.display(),
            Origin::Parts(_) => Path::new("flags").display(),
        }
    }
}

struct State {
    sources: Sources,
    settings: Result<Arc<Settings>, String>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Live {
    /// The settings of the files as they are now.
    fn current(&self) -> Result<Arc<Settings>, String> {
        let mut state = lock(&self.state);
        if !state.sources.are_current() {
            let changed = !state.sources.look_the_same();
            let (sources, settings) = self.origin.read();
            if changed {
                self.tell(&settings);
            }
            *state = State { sources, settings };
        }
        state.settings.clone()
    }

    fn tell(&self, settings: &Result<Arc<Settings>, String>) {
        let path = self.origin.name();
        match settings.as_ref().map(|settings| settings.fault()) {
            Err(error) => tracing::error!(err = error, "Unable to parse configuration"),
            Ok(Some(fault)) => tracing::error!(%path, err = fault, "web configuration has a fault"),
            Ok(None) => tracing::info!(%path, "web configuration was read again"),
        }
    }
}

impl Front {
    /// Reads the web configuration file; the empty path is none.
    pub fn from_file(path: &Path) -> Result<Self, String> {
        if path.as_os_str().is_empty() {
            return Ok(Front::default());
        }
        Self::new(Origin::File(path.to_owned()))
    }

    /// Takes settings of flags.
    ///
    /// # Errors
    /// What is wrong with a word or a file.
    pub fn from_parts(parts: Parts) -> Result<Self, String> {
        let realm = parts.realm;
        let mut front = Self::new(Origin::Parts(Box::new(parts)))?;
        front.realm = realm;
        Ok(front)
    }

    fn new(origin: Origin) -> Result<Self, String> {
        let (sources, settings) = origin.read();
        let settings = settings?;
        if let Some(fault) = settings.fault() {
            return Err(format!("{}: {fault}", origin.name()));
        }
        let limiter = settings.limiter();
        if let Some(limiter) = &limiter {
            limiter.announce();
        }
        Ok(Front {
            is_tls: settings.tls.is_some(),
            http2: settings.tls.is_some() && settings.http2,
            limiter,
            authenticator: Authenticator::default(),
            open: Vec::new(),
            realm: None,
            live: Some(Live {
                origin,
                state: Mutex::new(State {
                    sources,
                    settings: Ok(settings),
                }),
            }),
        })
    }

    /// Answers these paths without a password, such as those that Kubernetes probes.
    pub fn open(mut self, paths: &[&str]) -> Self {
        self.open = paths.iter().map(|path| (*path).to_owned()).collect();
        self
    }

    /// Whether connections start with a handshake.
    pub fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// Whether HTTP/2 is offered.
    pub fn http2(&self) -> bool {
        self.http2
    }

    /// Makes the handshake.
    pub async fn handshake(&self, mut stream: Watched<Inbound>) -> io::Result<Accepted> {
        let Some(live) = self.live.as_ref().filter(|_| self.is_tls) else {
            return Ok(Accepted::Plain(stream));
        };
        let mut opening = [0; tls::OPENING];
        let (first, rest) = opening.split_at_mut(1);
        stream.read_exact(first).await?;
        if first[0].is_ascii_alphabetic() {
            let answer = b"HTTP/1.0 400 Bad Request\r\n\r\n\
                           Client sent an HTTP request to an HTTPS server.\n";
            refuse(stream, answer).await?;
            return Err(io::Error::other("an HTTP request on a TLS port"));
        }
        stream.read_exact(rest).await?;
        if tls::is_too_old(&opening) {
            refuse(stream, &alert(PROTOCOL_VERSION)).await?;
            return Err(io::Error::other("a client that knows no TLS 1.2"));
        }
        let config = match live.current().map(|settings| settings.tls.clone()) {
            Ok(Some(config)) => config,
            Ok(None) => Err("TLS was taken out of the file".to_owned()),
            Err(error) => Err(error),
        };
        let config = match config {
            Ok(config) => config,
            Err(error) => {
                refuse(stream, &alert(INTERNAL_ERROR)).await?;
                return Err(io::Error::other(error));
            }
        };
        let stream = tls::Begun::new(&opening, stream);
        let tls = TlsAcceptor::from(config).accept(stream).await?;
        let h2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
        Ok(Accepted::Tls(Box::new(tls), h2))
    }

    /// Answers a request: settings, rate limit, headers, authentication, path.
    pub async fn answer(&self, mut request: Request, router: &Router) -> Response {
        let Some(live) = &self.live else {
            return router.answer(request).await;
        };
        let Ok(settings) = live.current() else {
            return text(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error");
        };
        if self.limiter.as_ref().is_some_and(|l| !l.admits()) {
            return text(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests");
        }
        let credentials = request.headers().get(header::AUTHORIZATION);
        let admitted = settings.are_open()
            || self.open.iter().any(|path| path == request.uri().path())
            || token::admits(settings.digests(), credentials)
            || self
                .authenticator
                .admits(&settings.users, credentials, host(&request))
                .await;
        if matches!(live.origin, Origin::File(_)) {
            let applied = settings.fault().is_none() && settings.tls.is_some() == self.is_tls;
            request.extensions_mut().insert(ConfigApplied(applied));
        }
        let mut response = match admitted {
            true => router.answer(request).await,
            false => unauthorized(&settings, self.realm),
        };
        for (name, value) in &settings.headers {
            response.headers_mut().insert(name.clone(), value.clone());
        }
        response
    }
}

/// The host that a request comes from, without its port.
fn host(request: &Request) -> &str {
    let peer = request.extensions().get::<Peer>();
    let peer = peer.map_or("", |peer| peer.0.as_str());
    peer.rsplit_once(':').map_or(peer, |(host, _)| host)
}

/// Alerts of TLS, by RFC 8446, section 6.
const PROTOCOL_VERSION: u8 = 70;
const INTERNAL_ERROR: u8 = 80;

/// A record with a fatal alert.
fn alert(description: u8) -> [u8; 7] {
    [21, 3, 1, 0, 2, 2, description]
}

/// Says why and closes. What the client had sent is taken first, or the system would tell it of a
/// broken connection rather than pass the answer on.
async fn refuse(mut stream: Watched<Inbound>, answer: &[u8]) -> io::Result<()> {
    // On the heap, or every connection would have room for it.
    let mut sent = vec![0; 16 << 10];
    let _some = stream.read(&mut sent).await?;
    stream.write_all(answer).await?;
    stream.shutdown().await
}

/// Names the schemes that would do, `Basic` alone where there are no tokens, as the originals have it.
fn unauthorized(settings: &Settings, realm: Option<&str>) -> Response {
    let mut response = text(StatusCode::UNAUTHORIZED, "");
    *response.body_mut() = full("Unauthorized\n");
    let headers = response.headers_mut();
    if !settings.users.is_empty() {
        let named = realm.map(|realm| format!("Basic realm=\"{realm}\""));
        let basic = named.and_then(|text| HeaderValue::try_from(text).ok());
        let basic = basic.unwrap_or(HeaderValue::from_static("Basic"));
        headers.append(header::WWW_AUTHENTICATE, basic);
    }
    if settings.take_tokens() {
        let bearer = HeaderValue::from_static("Bearer");
        headers.append(header::WWW_AUTHENTICATE, bearer);
    }
    response
}
