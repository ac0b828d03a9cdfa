//! From a section to a connection that is ready for statements.

use super::{Address, Error, Version};
use crate::config::{Section, Tls, TlsVersion, Wanted};
use mysql_async::prelude::Queryable;
use mysql_async::{ClientIdentity, Conn, DriverError, Error as Driver, Opts, OptsBuilder, SslOpts};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Packets up to this size are read; it is the protocol's own limit.
const MAX_PACKET: usize = 1 << 30;
/// A peer that is gone without a word is noticed by the kernel.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// What every connection sets for its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionOptions {
    /// Seconds to wait for a metadata lock; `None` leaves the server's value.
    pub lock_wait_timeout: Option<i64>,
    /// Whether `log_slow_filter` is set (MariaDB and Percona Server know it).
    pub log_slow_filter: bool,
    /// Seconds from which statements of ours are slow for the server's slow log; `None` leaves the
    /// server's value.
    pub long_query_time: Option<i64>,
}

/// Everything that a connection to one server is made with.
pub struct Route {
    opts: Opts,
    /// Without TLS, for servers that do not offer it, where that is allowed.
    plain: Option<Opts>,
    /// Every connection fails for this reason.
    unusable: Option<String>,
    min_tls: Option<TlsVersion>,
    options: SessionOptions,
    known: Mutex<Option<Known>>,
}

/// The version in a server's greeting, which may be a proxy's, and what that server said it is.
type Known = ((u16, u16, u16), Version);

/// A connection that is ready for statements.
pub struct Connected {
    /// The connection.
    pub conn: Conn,
    /// What the server says it is.
    pub version: Version,
}

impl Route {
    /// Reads the certificate files.
    pub fn new(
        address: &Address,
        section: &Section,
        options: SessionOptions,
    ) -> Result<Self, String> {
        let mut unusable = None;
        let mut builder = OptsBuilder::default()
            .prefer_socket(false)
            .max_allowed_packet(Some(MAX_PACKET))
            .wait_timeout(Some(0))
            .stmt_cache_size(0)
            .tcp_keepalive(Some(KEEPALIVE))
            .user(Some(section.user.as_str()))
            .pass(Some(section.password.reveal()).filter(|p| !p.is_empty()));
        builder = match address {
            Address::Socket(path) => builder.socket(Some(path.to_string_lossy())),
            Address::Tcp { host, port } => {
                let port = port.parse().unwrap_or_else(|_| {
                    unusable = Some(format!("port {port:?}: expected a number up to 65535"));
                    0
                });
                let host = if host.is_empty() { "localhost" } else { host };
                builder.ip_or_hostname(host).tcp_port(port)
            }
        };
        if let Wanted::Unknown(word) = &section.tls.wanted {
            unusable = Some(format!(
                "tls: expected true, false, skip-verify or preferred, got {word:?}"
            ));
        }
        // A unix socket is as private as TLS; the client library does not encrypt it.
        let is_socket = matches!(address, Address::Socket(_));
        let ssl = match is_socket {
            true => None,
            false => ssl(&section.tls)?,
        };
        let preferred = section.tls.wanted == Wanted::Preferred;
        let private = is_socket || (ssl.is_some() && !preferred);
        builder = builder.enable_cleartext_plugin(section.cleartext && private);
        Ok(Route {
            plain: preferred.then(|| Opts::from(builder.clone())),
            opts: builder.ssl_opts(ssl).into(),
            unusable,
            min_tls: section.tls.min.filter(|_| !is_socket),
            options,
            known: Mutex::default(),
        })
    }

    /// Connects, logs in, asks for the version unless a server that greets the same told it before,
    /// and sets up the session, statements of which take no more than `limit`.
    pub async fn connect(&self, limit: Duration) -> Result<Connected, Error> {
        if let Some(why) = &self.unusable {
            return Err(Error::Connection(why.clone()));
        }
        let mut conn = self.log_in().await?;
        self.check_tls(&mut conn).await?;
        let version = self.version(&mut conn).await?;
        self.set_up(&mut conn, limit_setting(version, limit))
            .await?;
        Ok(Connected { conn, version })
    }

    async fn version(&self, conn: &mut Conn) -> Result<Version, Error> {
        let greeting = conn.server_version();
        if let Some((known, version)) = *self.known()
            && known == greeting
        {
            return Ok(version);
        }
        let text: Option<String> = conn.query_first("SELECT @@version").await?;
        let text = text.unwrap_or_default();
        let version = Version::parse(&text).ok_or_else(|| {
            Error::Connection(format!("version {text:?}: expected three numbers and dots"))
        })?;
        *self.known() = Some((greeting, version));
        Ok(version)
    }

    fn known(&self) -> MutexGuard<'_, Option<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn log_in(&self) -> Result<Conn, Error> {
        let refused = match Conn::new(self.opts.clone()).await {
            Ok(conn) => return Ok(conn),
            Err(error) => error,
        };
        let offers_no_tls = matches!(
            refused,
            Driver::Driver(DriverError::NoClientSslFlagFromServer)
        );
        match &self.plain {
            Some(plain) if offers_no_tls => Ok(Conn::new(plain.clone()).await?),
            _ => Err(refused.into()),
        }
    }

    /// The client library knows TLS 1.2 and 1.3 and no bound between them, so the bound is checked
    /// on the connection that was made.
    async fn check_tls(&self, conn: &mut Conn) -> Result<(), Error> {
        if self.min_tls != Some(TlsVersion::V13) {
            return Ok(());
        }
        let status: Option<(String, String)> = conn
            .query_first("SHOW SESSION STATUS LIKE 'Ssl_version'")
            .await?;
        match status {
            Some((_, version)) if version == "TLSv1.3" => Ok(()),
            _ => Err(Error::Connection(
                "the server's TLS is older than tls-min-version".to_owned(),
            )),
        }
    }

    async fn set_up(&self, conn: &mut Conn, limit: Option<String>) -> Result<(), Error> {
        let mut settings = Vec::new();
        if let Some(seconds) = self.options.lock_wait_timeout {
            settings.push(format!("lock_wait_timeout = {seconds}"));
        }
        if self.options.log_slow_filter {
            settings.push("log_slow_filter = 'tmp_table_on_disk,filesort_on_disk'".to_owned());
        }
        if let Some(seconds) = self.options.long_query_time {
            settings.push(format!("long_query_time = {seconds}"));
        }
        let others = settings.clone();
        settings.extend(limit);
        match set(conn, &settings).await {
            // Relatives and proxies of MySQL that do not take a limit have none.
            Err(Error::Server { .. }) if settings.len() > others.len() => set(conn, &others).await,
            result => result,
        }
    }
}

impl Connected {
    /// Has the server end statements of this session that take longer, where it knows how.
    pub async fn limit_statements(&mut self, limit: Duration) -> Result<(), Error> {
        let Some(setting) = limit_setting(self.version, limit) else {
            return Ok(());
        };
        match set(&mut self.conn, &[setting]).await {
            // Relatives and proxies of MySQL that do not take it have no limit.
            Err(Error::Server { .. }) => Ok(()),
            result => result,
        }
    }
}

async fn set(conn: &mut Conn, settings: &[String]) -> Result<(), Error> {
    match settings.is_empty() {
        true => Ok(()),
        false => {
            let statement = format!("SET {}", settings.join(", "));
            Ok(conn.query_drop(statement).await?)
        }
    }
}

/// What has the server end statements that take longer, where it knows how.
fn limit_setting(version: Version, limit: Duration) -> Option<String> {
    let milliseconds = limit.as_millis().max(1);
    if version.is_mysql((5, 7, 8)) {
        Some(format!("max_execution_time = {milliseconds}"))
    } else if version.is_mariadb((10, 1, 1)) {
        let seconds = milliseconds as f64 / 1e3;
        Some(format!("max_statement_time = {seconds}"))
    } else {
        None
    }
}

/// What the client library is told of TLS.
fn ssl(tls: &Tls) -> Result<Option<SslOpts>, String> {
    // The client library takes the process's provider; an earlier choice stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let unverified = || SslOpts::default().with_danger_accept_invalid_certs(true);
    let mut ssl = match &tls.wanted {
        Wanted::No | Wanted::Unknown(_) => return Ok(None),
        Wanted::Unverified | Wanted::Preferred => unverified(),
        Wanted::System => {
            SslOpts::default().with_root_certs(system_roots().map(Into::into).collect())
        }
        Wanted::Authorities { ca, pair } => {
            let ca = authorities(ca)?;
            let ssl = SslOpts::default().with_root_certs(vec![ca.into()]);
            match pair {
                Some((cert, key)) => ssl.with_client_identity(Some(identity(cert, key)?)),
                None => ssl,
            }
        }
    };
    if !ssl.accept_invalid_certs() {
        ssl = ssl.with_disable_built_in_roots(true);
    }
    if let Some(name) = &tls.server_name {
        ssl = ssl.with_danger_tls_hostname_override(Some(name.clone()));
    }
    Ok(Some(ssl))
}

/// The system's authorities, in DER. What the TLS library does not understand is left out.
fn system_roots() -> impl Iterator<Item = Vec<u8>> {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(err = %error, "a certificate of the system cannot be read");
    }
    let usable = |der: &CertificateDer<'static>| RootCertStore::empty().add(der.clone()).is_ok();
    let certificates = found.certs.into_iter().filter(usable);
    certificates.map(|der| der.as_ref().to_vec())
}

fn authorities(path: &Path) -> Result<Vec<u8>, String> {
    let pem = read(path)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match certificates {
        Ok(found) if !found.is_empty() => Ok(pem),
        _ => Err(format!("{}: expected certificates in PEM", path.display())),
    }
}

fn identity(cert: &Path, key: &Path) -> Result<ClientIdentity, String> {
    let (chain, private) = (authorities(cert)?, read(key)?);
    if PrivateKeyDer::from_pem_slice(&private).is_err() {
        return Err(format!("{}: expected a private key in PEM", key.display()));
    }
    Ok(ClientIdentity::new(chain.into(), private.into()))
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))
}
