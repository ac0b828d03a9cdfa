//! The Redis exporter: metrics of Redis, Valkey, their relatives, Sentinels and clusters.
//!
//! `collectors` holds one file a collector: its families, how it reads replies, what it puts.
//! `scrape` sends the commands of all of them in order; `client` speaks with servers; `exporter`
//! answers the requests of the telemetry path and of `/scrape`; `app` is what happens between the
//! arguments and the first scrape.

pub mod address;
pub mod app;
pub mod client;
pub mod collectors;
pub mod discovery;
pub mod exporter;
pub mod key_list;
pub mod options;
pub mod passwords;
pub mod reach;
pub mod samples;
pub mod scrape;
pub mod settings;
