//! The blackbox exporter: probes of endpoints over HTTP, TCP, UDP, DNS, ICMP, gRPC, unix and web sockets.
//!
//! `config` is the module file, `probers` holds one file a prober and the table that names them.
//! They stand on `net` (names, addresses, connections), `tls`, `client` (one HTTP request), `dns`
//! (messages) and `expression` (CEL). A probe is a [`probe::Probe`]; `service` makes one of a request
//! and keeps its report in `history`; `app` is what happens between the arguments and the first of
//! them.

#![forbid(unsafe_code)]

pub mod app;
pub mod client;
pub mod config;
pub mod dns;
pub mod expression;
mod hex;
pub mod history;
pub mod live;
pub mod log;
pub mod net;
pub mod pace;
pub mod pages;
pub mod probe;
pub mod probers;
pub mod routes;
pub mod service;
#[cfg(test)]
mod testing;
pub mod tls;
pub mod url;
