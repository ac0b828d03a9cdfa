//! The one door of all exporters: listeners, TLS, authentication, limits, routes and the metrics
//! handler.

mod handler;
pub mod metrics;
pub mod source;

pub use handler::{Answer, Body, Handler, Peer, Request, Response, full, text};
pub use metrics::{MetricsHandler, MetricsOptions, OnError};
pub use source::{Query, Refusal, ScrapeRequest, Scraped, Scraping, Source};
