//! The PostgreSQL exporter.
//!
//! `dsn` reads where servers are, `connection` and `pool` hold sessions with one, `target` asks it;
//! `collectors` holds one file a collector and the table that names them; `discovery` finds
//! the databases of a server; `queries` reads files of
//! custom queries; `legacy` is what is asked of every server that is named; `probe` answers for
//! servers that a request names; `app` is what happens between the arguments and the first scrape,
//! `sys` holds the only `unsafe` code.

#![deny(unsafe_code)]

pub mod app;
pub mod collectors;
pub mod config;
pub mod connection;
pub mod discovery;
pub mod dsn;
pub mod exporter;
pub mod legacy;
pub mod options;
pub mod pool;
pub mod probe;
pub mod queries;
pub mod rows;
pub mod sql;
pub mod sys;
pub mod target;
pub mod version;

#[cfg(test)]
mod testing;
