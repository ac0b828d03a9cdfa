//! The PostgreSQL exporter.
//!
//! `dsn` reads where servers are, `connection` and `pool` hold sessions with one, `target` asks it;
//! `collectors` holds one file a collector and the table that names them; `queries` reads files of
//! custom queries; `legacy` is what is asked of every server that is named; `probe` answers for
//! servers that a request names.

pub mod collectors;
pub mod config;
pub mod connection;
pub mod dsn;
pub mod pool;
pub mod queries;
pub mod rows;
pub mod sql;
pub mod target;
pub mod version;

#[cfg(test)]
mod testing;
