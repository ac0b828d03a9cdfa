//! One file a prober, and the table that names them.

pub mod dns;
pub mod grpc;
pub mod http;
pub mod icmp;
pub mod script;
pub mod tcp;
pub mod udp;
pub mod unix;
pub mod websocket;

use crate::probe::Probe;
use exporter_core::exposition::Family;
use std::pin::Pin;

/// A probe under way; its value is whether it succeeded.
pub type Probing<'a> = Pin<Box<dyn Future<Output = bool> + Send + 'a>>;

/// A prober.
#[derive(Debug)]
pub struct Prober {
    /// The word that modules name it by.
    pub name: &'static str,
    /// Probes. The samples, the log and the verdict are all that is left of it.
    pub run: for<'a> fn(&'a mut Probe<'_>) -> Probing<'a>,
    /// Its families.
    pub families: fn() -> Vec<&'static Family>,
}

/// All probers.
pub static TABLE: &[Prober] = &[
    Prober {
        name: "http",
        run: |p| Box::pin(http::probe(p)),
        families: http::families,
    },
    Prober {
        name: "tcp",
        run: |p| Box::pin(tcp::probe(p)),
        families: tcp::families,
    },
    Prober {
        name: "udp",
        run: |p| Box::pin(udp::probe(p)),
        families: udp::families,
    },
    Prober {
        name: "icmp",
        run: |p| Box::pin(icmp::probe(p)),
        families: icmp::families,
    },
    Prober {
        name: "dns",
        run: |p| Box::pin(dns::probe(p)),
        families: dns::families,
    },
    Prober {
        name: "grpc",
        run: |p| Box::pin(grpc::probe(p)),
        families: grpc::families,
    },
    Prober {
        name: "unix",
        run: |p| Box::pin(unix::probe(p)),
        families: unix::families,
    },
    Prober {
        name: "websocket",
        run: |p| Box::pin(websocket::probe(p)),
        families: websocket::families,
    },
];

/// The prober of this name.
pub fn find(name: &str) -> Option<&'static Prober> {
    TABLE.iter().find(|p| p.name == name)
}
