//! Starts the built binaries and talks to them as users, probes and Prometheus do.

pub mod charts;
pub mod client;
pub mod daemon;
pub mod hung_mount;
pub mod mariadb;
pub mod peers;
pub mod pki;
pub mod port;
pub mod postgres;
pub mod redis;

pub use client::{Client, Reply};
pub use daemon::{Daemon, run};
pub use mariadb::MariaDb;
