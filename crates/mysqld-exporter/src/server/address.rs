//! Where a server listens.

use std::fmt;
use std::path::PathBuf;

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// Host, without brackets, and port; the port is checked when it is connected to.
    Tcp {
        /// Name or address.
        host: String,
        /// Number, as it was written.
        port: String,
    },
    /// Path of a unix socket.
    Socket(PathBuf),
}

/// Where servers listen when a socket without path is asked for.
const DEFAULT_SOCKET: &str = "/tmp/mysql.sock";

impl Address {
    /// Reads `host:port`, `[address]:port` or `unix://PATH`.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix://") {
            let path = if path.is_empty() {
                DEFAULT_SOCKET
            } else {
                path
            };
            return Ok(Address::Socket(path.into()));
        }
        let expected = || format!("expected host:port or unix://PATH, got {text:?}");
        let (host, port) = text.rsplit_once(':').ok_or_else(expected)?;
        let host = match host.strip_prefix('[') {
            Some(inner) => inner.strip_suffix(']').ok_or_else(expected)?,
            None if host.contains([':', '[', ']']) => return Err(expected()),
            None => host,
        };
        Ok(Address::Tcp {
            host: host.to_owned(),
            port: port.to_owned(),
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Address::Tcp { host, port } => write!(f, "{host}:{port}"),
            Address::Socket(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        for (text, printed) in [
            ("db:3306", "db:3306"),
            ("[::1]:3306", "[::1]:3306"),
            ("unix:///run/mysqld.sock", "unix:///run/mysqld.sock"),
            ("unix://", "unix:///tmp/mysql.sock"),
            ("db:", "db:"),
            (":3306", ":3306"),
        ] {
            assert_eq!(Address::parse(text).unwrap().to_string(), printed);
        }
        for text in [
            "db",
            "",
            "/run/mysqld.sock",
            "::1:3306",
            "[::1:3306",
            "a:b:c",
        ] {
            let error = Address::parse(text).unwrap_err();
            assert!(error.starts_with("expected host:port"), "{error}");
        }
    }
}
