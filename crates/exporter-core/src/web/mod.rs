//! The one door of all exporters: listeners, TLS, authentication, limits, routes and the metrics
//! handler.

mod handler;

pub use handler::{Answer, Body, Handler, Peer, Request, Response, full, text};
