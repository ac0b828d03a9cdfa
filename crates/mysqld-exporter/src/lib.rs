//! The MySQL exporter: metrics of MySQL, MariaDB and their relatives.
//!
//! `config` reads the credentials file, `server` keeps the few connections to one server,
//! `collectors` holds one file a collector and the table that names them.

#![forbid(unsafe_code)]

pub mod collectors;
pub mod config;
pub mod server;
#[cfg(test)]
mod testing;
