//! The MySQL exporter: metrics of MySQL, MariaDB and their relatives.
//!
//! `config` reads the credentials file, `server` keeps the few connections to one server,
//! `collectors` holds one file a collector and the table that names them, `scrape` is what happens
//! at a request, `app` what happens between the arguments and the first one.

#![forbid(unsafe_code)]

pub mod app;
pub mod collectors;
pub mod config;
pub mod options;
pub mod scrape;
pub mod server;
#[cfg(test)]
mod testing;
