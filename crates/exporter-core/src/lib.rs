//! What every exporter of this workspace shares, and nothing that one of them owns.
//!
//! The rooms, from the inside out: [`exposition`] is the model of one scrape and its encoders,
//! [`collector`] what fills it, [`web`] the door it leaves by. [`cli`], [`config`], [`dialect`] and
//! [`log`] are how users talk to an exporter, [`reload`] and [`probe`] how requests do;
//! [`build_info`], [`self_metrics`] and [`listing`] are what it says of itself. [`launch`] puts them
//! together, so that a `main` reads as a table of contents.
//!
//! An application exposes what it keeps in a registry of the `prometheus` crate with the same
//! formats, TLS, passwords and limits:
//!
//! ```no_run
//! use exporter_core::web::{MetricsHandler, MetricsOptions, Server, front::Front};
//!
//! # async fn serve() -> Result<(), String> {
//! let registry = prometheus::Registry::new();
//! let server = Server::new()
//!     .bind("127.0.0.1:9000")?
//!     .front(Front::from_file("web.yml".as_ref())?)
//!     .route("/metrics", MetricsHandler::new(registry, MetricsOptions::default()));
//! server.run().await
//! # }
//! ```
//!
//! Whatever else implements [`web::Source`] is exposed in the same way; `examples/opentelemetry.rs`
//! does so for a reader of the OpenTelemetry SDK.

#![forbid(unsafe_code)]

pub mod build_info;
pub mod cli;
pub mod collector;
pub mod config;
pub mod dialect;
pub mod exposition;
pub mod launch;
pub mod listing;
pub mod log;
pub mod probe;
pub mod reload;
pub mod self_metrics;
pub mod web;
