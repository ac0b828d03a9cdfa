//! Asking servers: connections, replies, TLS and clusters.
//!
//! The protocol (RESP2) is that of the `redis` crate. The connection is ours, because a scrape
//! wants what the crate's connections do not offer: a name for TLS other than the host, the
//! server's own words for a refused password, no commands of its own, and a limit for each reply.

mod cluster;
mod connection;
mod dial;
pub mod reply;
mod tls;

pub use cluster::{Cluster, slot};
pub use connection::{Connection, Pipeline};
pub use dial::{Destination, Dialer};
pub use redis::Value;
pub use tls::{Tls, TlsFiles};

use std::fmt;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// No connection, or none that is of use any more.
    Lost(String),
    /// Nothing came in time; the connection is of no use any more.
    Silent(String),
    /// The server's own words.
    Server(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Error::Lost(why) | Error::Silent(why) | Error::Server(why)) = self;
        f.write_str(why)
    }
}

impl std::error::Error for Error {}
