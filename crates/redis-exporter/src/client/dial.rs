//! Connecting: TCP, unix sockets, TLS, then AUTH, SELECT and a name.

use super::connection::{plain, timeout};
use super::{Connection, Error, Pipeline, Tls, reply};
use crate::address::{Credentials, Endpoint};
use rustls_pki_types::ServerName;
use std::time::{Duration, Instant};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

/// Limit of a TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Where to connect to, and as whom. Connections to equal destinations are alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Destination {
    /// Host or socket.
    pub endpoint: Endpoint,
    /// Database to select, if not the first.
    pub database: Option<u64>,
    /// User and password; nothing is sent without a password.
    pub credentials: Credentials,
    /// Name that the certificate has to have, empty for the host.
    pub server_name: String,
}

/// Makes connections.
#[derive(Debug, Default)]
pub struct Dialer {
    /// TLS settings.
    pub tls: Tls,
    /// Limit of connecting, of each write and of each reply.
    pub each: Option<Duration>,
    /// Whether connections get the name `redis_exporter`.
    pub set_client_name: bool,
}

impl Dialer {
    /// Connects and authenticates. The error is the real cause, without credentials.
    pub async fn connect(&self, to: &Destination, deadline: Instant) -> Result<Connection, Error> {
        let mut connection = match &to.endpoint {
            Endpoint::Unix(path) => {
                let stream = self
                    .in_time(path, deadline, UnixStream::connect(path))
                    .await?;
                Connection::new(Box::new(stream), self.each, to.database)
            }
            Endpoint::Tcp { host, port, tls } => {
                let name = match host.contains(':') {
                    true => format!("[{host}]:{port}"),
                    false => format!("{host}:{port}"),
                };
                let connecting = TcpStream::connect((host.as_str(), *port));
                let stream = self.in_time(&name, deadline, connecting).await?;
                // Commands go in one write each; without it the last one would wait.
                let _ = stream.set_nodelay(true);
                if *tls {
                    self.handshake(stream, host, &name, to, deadline).await?
                } else {
                    Connection::new(Box::new(stream), self.each, to.database)
                }
            }
        };
        self.greet(&mut connection, to, deadline).await?;
        Ok(connection)
    }

    async fn in_time<T>(
        &self,
        name: &str,
        deadline: Instant,
        connecting: impl Future<Output = std::io::Result<T>>,
    ) -> Result<T, Error> {
        let told = |why: String| Error::Lost(format!("could not connect to {name}: {why}"));
        match timeout(self.each, deadline, connecting).await {
            Some(Ok(stream)) => Ok(stream),
            Some(Err(error)) => Err(told(plain(&error))),
            None => Err(told("i/o timeout".to_owned())),
        }
    }

    async fn handshake(
        &self,
        stream: TcpStream,
        host: &str,
        name: &str,
        to: &Destination,
        deadline: Instant,
    ) -> Result<Connection, Error> {
        let told = |why: String| Error::Lost(format!("no TLS with {name}: {why}"));
        let config = self.tls.config().map_err(told)?;
        let verified = match to.server_name.as_str() {
            "" => host,
            name => name,
        };
        let verified = ServerName::try_from(verified.to_owned()).map_err(|_| {
            told(format!(
                "{verified:?} is no name that a certificate can have"
            ))
        })?;
        let connecting = TlsConnector::from(config).connect(verified, stream);
        let limit = self.each.map_or(HANDSHAKE, |each| each.min(HANDSHAKE));
        match timeout(Some(limit), deadline, connecting).await {
            Some(Ok(stream)) => Ok(Connection::new(Box::new(stream), self.each, to.database)),
            Some(Err(error)) => Err(told(plain(&error))),
            None => Err(told("i/o timeout".to_owned())),
        }
    }

    /// What upstream's client sends first, in one write.
    async fn greet(
        &self,
        connection: &mut Connection,
        to: &Destination,
        deadline: Instant,
    ) -> Result<(), Error> {
        let mut pipeline = Pipeline::new();
        let Credentials { user, password } = &to.credentials;
        if !password.is_empty() {
            match user.is_empty() {
                true => pipeline.command(&["AUTH", password]),
                false => pipeline.command(&["AUTH", user, password]),
            }
        }
        if let Some(database) = to.database {
            pipeline.command(&["SELECT", &database.to_string()]);
        }
        let required = pipeline.len();
        if self.set_client_name {
            pipeline.command(&["CLIENT", "SETNAME", "redis_exporter"]);
        }
        for (at, reply) in connection
            .ask(&pipeline, deadline)
            .await?
            .iter()
            .enumerate()
        {
            match reply::ok(reply) {
                Err(error) if at < required => return Err(error),
                Err(error) => tracing::error!(%error, "could not set the name of the connection"),
                Ok(_) => {}
            }
        }
        Ok(())
    }
}
