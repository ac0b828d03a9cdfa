//! The exporters of this workspace.

use std::net::SocketAddr;

/// One exporter.
#[derive(Debug)]
pub struct Exporter {
    /// Crate name, and the name of its image.
    pub name: &'static str,
    /// Name of its binary.
    pub binary: &'static str,
    /// Port it listens on.
    pub port: u16,
    /// What it exports, for units and image labels.
    pub about: &'static str,
}

/// All exporters that can be built.
pub const ALL: &[Exporter] = &[
    Exporter {
        name: "node-exporter",
        binary: "node_exporter",
        port: 9100,
        about: "Prometheus exporter for Linux hosts",
    },
    Exporter {
        name: "process-exporter",
        binary: "process-exporter",
        port: 9256,
        about: "Prometheus exporter for named groups of processes",
    },
    Exporter {
        name: "kube-state-metrics",
        binary: "kube-state-metrics",
        port: 8080,
        about: "Prometheus exporter for the state of Kubernetes objects",
    },
    Exporter {
        name: "blackbox-exporter",
        binary: "blackbox_exporter",
        port: 9115,
        about: "Prometheus exporter for probes over HTTP, TCP, DNS, ICMP and gRPC",
    },
    Exporter {
        name: "mysqld-exporter",
        binary: "mysqld_exporter",
        port: 9104,
        about: "Prometheus exporter for MySQL and MariaDB servers",
    },
    Exporter {
        name: "postgres-exporter",
        binary: "postgres_exporter",
        port: 9187,
        about: "Prometheus exporter for PostgreSQL servers",
    },
    Exporter {
        name: "redis-exporter",
        binary: "redis_exporter",
        port: 9121,
        about: "Prometheus exporter for Redis and Valkey servers",
    },
];

/// Authorities that are trusted where no others are named.
const AUTHORITIES: (&str, &str) = (
    "/etc/ssl/certs/ca-certificates.crt",
    "etc/ssl/certs/ca-certificates.crt",
);

impl Exporter {
    /// Files that its image has beside the binary: where they are, from the root of the repository,
    /// and where they go, from the root of the image.
    pub fn files(&self) -> &'static [(&'static str, &'static str)] {
        match self.name {
            // They connect to nothing by TLS.
            "node-exporter" | "process-exporter" => &[],
            "blackbox-exporter" => &[
                ("docker/blackbox.yml", "etc/blackbox_exporter/config.yml"),
                AUTHORITIES,
            ],
            _ => &[AUTHORITIES],
        }
    }

    /// The configuration that is published beside its binary, as named in `docker/`.
    pub fn config(&self) -> Option<&'static str> {
        (self.name == "blackbox-exporter").then_some("blackbox.yml")
    }

    /// Arguments that make it listen on loopback addresses only: metrics on the first, what else it
    /// has on the second.
    pub fn listen(&self, metrics: SocketAddr, other: SocketAddr) -> Vec<String> {
        match self.name {
            "kube-state-metrics" => vec![
                format!("--host={}", metrics.ip()),
                format!("--port={}", metrics.port()),
                format!("--telemetry-host={}", other.ip()),
                format!("--telemetry-port={}", other.port()),
            ],
            // Of Go's own flag dialect.
            "process-exporter" | "redis-exporter" | "nginx-vts-exporter" => {
                vec![format!("-web.listen-address={metrics}")]
            }
            _ => vec![format!("--web.listen-address={metrics}")],
        }
    }
}

/// The exporters named, all where none is.
pub fn named(names: &[String]) -> Result<Vec<&'static Exporter>, String> {
    if names.is_empty() {
        return Ok(ALL.iter().collect());
    }
    names.iter().map(|name| find(name)).collect()
}

/// One exporter by the name of its crate or binary.
pub fn find(name: &str) -> Result<&'static Exporter, String> {
    ALL.iter()
        .find(|e| e.name == name || e.binary == name)
        .ok_or_else(|| {
            let known: Vec<_> = ALL.iter().map(|e| e.name).collect();
            format!(
                "no exporter is named {name:?}; there are: {}",
                known.join(", ")
            )
        })
}
