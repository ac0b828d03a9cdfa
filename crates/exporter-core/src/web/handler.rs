//! What a path of the server is answered by.

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;

/// A body of a request or a response, whole or streamed.
pub type Body = UnsyncBoxBody<Bytes, io::Error>;
/// A request. Its extensions carry the [`Peer`] and, where there is a web configuration file, what
/// became of it.
pub type Request = http::Request<Body>;
/// A response.
pub type Response = http::Response<Body>;
/// A response to come.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Response> + Send + 'a>>;

/// Who sent a request, as the listener saw it: an address and port, a vsock address, or a path.
#[derive(Clone, Debug)]
pub struct Peer(pub String);

/// Whether the web configuration file could be applied as it is now.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConfigApplied(pub bool);

/// Answers the requests of one path.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request, of any method; the server drops the body of an answer to HEAD.
    fn handle(&self, request: Request) -> Answer<'_>;
}

impl<F, T> Handler for F
where
    F: Fn(Request) -> T + Send + Sync + 'static,
    T: Future<Output = Response> + Send + 'static,
{
    fn handle(&self, request: Request) -> Answer<'_> {
        Box::pin(self(request))
    }
}

/// A body that is there already.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// A plain-text answer that no browser guesses another type for.
pub fn text(status: StatusCode, what: impl fmt::Display) -> Response {
    let mut response = Response::new(full(format!("{what}\n")));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}
