//! The one door of all exporters: listeners, TLS, authentication, limits, routes and the metrics
//! handler.

pub mod flags;
pub mod front;
mod handler;
pub mod landing;
pub mod listen;
pub mod metrics;
pub mod router;
mod server;
pub mod source;
mod strict;
mod watch;

pub use handler::{Answer, Body, Handler, Peer, Request, Response, full, text};
pub use landing::Landing;
pub use listen::Listener;
pub use metrics::{MetricsHandler, MetricsOptions, OnError};
pub use server::{Server, stop_signal};
pub use source::{Query, Refusal, ScrapeRequest, Scraped, Scraping, Source};
pub use watch::Patience;
