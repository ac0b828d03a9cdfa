//! What stands before the paths: TLS, rate limit, headers and authentication, as the web
//! configuration file has them.

use super::handler::{Request, Response};
use super::listen::Connection;
use super::router::Router;
use super::watch::Watched;
use std::io;

/// A connection after its handshake, if it had one.
pub enum Accepted {
    /// Without TLS.
    Plain(Watched<Box<dyn Connection>>),
    /// With TLS, and whether HTTP/2 was agreed on.
    Tls(Box<dyn Connection>, bool),
}

/// The settings in force.
#[derive(Default)]
pub struct Front {}

impl Front {
    /// Reads the web configuration file; the empty path is none.
    pub fn from_file(path: &std::path::Path) -> Result<Self, String> {
        match path.as_os_str().is_empty() {
            true => Ok(Front::default()),
            false => Err(format!("{}: not read yet", path.display())),
        }
    }

    /// Whether connections start with a handshake.
    pub fn is_tls(&self) -> bool {
        false
    }

    /// Whether HTTP/2 is offered.
    pub fn http2(&self) -> bool {
        false
    }

    /// Makes the handshake.
    pub async fn handshake(&self, stream: Watched<Box<dyn Connection>>) -> io::Result<Accepted> {
        Ok(Accepted::Plain(stream))
    }

    /// Answers a request.
    pub async fn answer(&self, request: Request, router: &Router) -> Response {
        router.answer(request).await
    }
}
