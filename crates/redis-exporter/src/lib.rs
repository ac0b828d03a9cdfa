//! The Redis exporter: metrics of Redis, Valkey, their relatives, Sentinels and clusters.

pub mod address;
pub mod client;
pub mod key_list;
pub mod options;
pub mod passwords;
