//! One session with a server: how it begins, and how one statement is asked.
//!
//! Statements go through the simple query protocol, with results as text and nothing prepared, so
//! that poolers in transaction mode can stand between.
//!
//! A session that is known to be ours alone is given its time limit once, and again only where the
//! time that is left has changed by much. Behind a pooler the next statement may run in another
//! session, and what is set in one stays there for others: each statement then carries its limit.

use crate::dsn::settings::{Host, Pem, Session, Settings, Tls};
use crate::pool::LINGER;
use crate::rows::{Column, Rows};
use crate::sql::literal;
use crate::version::Version;
use futures_util::StreamExt;
use sqlx::postgres::{PgConnectOptions, PgDatabaseError, PgRow, PgSeverity, PgSslMode};
use sqlx::{
    AssertSqlSafe, Column as _, ConnectOptions, Connection as _, Either, PgConnection, Row as _,
    ValueRef,
};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A parameter that the session starts with, at its default: the server tells who set it, so it
/// shows whether what we ask for at the start reaches the session that statements run in.
const MARK: (&str, &str) = ("xmlbinary", "base64");

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// There is no session: the server cannot be reached or lets nobody in.
    Unreachable(String),
    /// The session ended.
    Lost(String),
    /// The server answered with an error.
    Refused {
        /// SQLSTATE.
        code: String,
        /// The server's sentence.
        message: String,
    },
    /// The scrape ends before the answer.
    TooLate,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Unreachable(why) => write!(f, "no connection: {why}"),
            Failure::Lost(why) => write!(f, "the connection was lost: {why}"),
            Failure::Refused { code, message } => write!(f, "{message} (SQLSTATE {code})"),
            Failure::TooLate => f.write_str("no answer before the end of the scrape"),
        }
    }
}

impl Failure {
    /// SQLSTATE of a statement that the server refused.
    pub fn code(&self) -> &str {
        match self {
            Failure::Refused { code, .. } => code,
            _ => "",
        }
    }

    /// Whether the server gave no sign of life.
    pub fn is_down(&self) -> bool {
        !matches!(self, Failure::Refused { .. })
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        let sqlx::Error::Database(error) = error else {
            return Failure::Lost(sentence(&error));
        };
        let fatal = error
            .try_downcast_ref::<PgDatabaseError>()
            .is_some_and(|e| matches!(e.severity(), PgSeverity::Fatal | PgSeverity::Panic));
        let message = error.message().to_owned();
        if fatal {
            return Failure::Lost(message);
        }
        Failure::Refused {
            code: error.code().unwrap_or_default().into_owned(),
            message,
        }
    }
}

/// What went wrong, without the words that say that something did.
fn sentence(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Io(error) => error.to_string(),
        sqlx::Error::Tls(error) => format!("TLS: {error}"),
        sqlx::Error::Database(error) => error.message().to_owned(),
        sqlx::Error::Configuration(error) => error.to_string(),
        other => other.to_string(),
    }
}

/// What a session knows of its server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Server {
    /// `version()`.
    pub banner: String,
    /// The version that the banner tells.
    pub banner_version: Option<Version>,
    /// The version by banner, or else by the setting `server_version`.
    pub version: Option<Version>,
    /// Time limit that the session has of itself.
    statement_timeout: Option<Duration>,
    /// Where the server lives.
    time_zone: Option<String>,
}

impl Server {
    /// The version that statements are chosen by; one that cannot be told counts as the oldest.
    pub fn version(&self) -> Version {
        self.version.unwrap_or_default()
    }
}

/// What bounds a statement on the server's side.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The answer is of no use from then on.
    pub deadline: Instant,
    /// Whether a statement may take no more than half of the time that is left when it is asked.
    pub fair: bool,
    /// Longest time to wait for a lock.
    pub lock: Option<Duration>,
    /// Whether time stamps without a zone are to be read in the server's own.
    pub local_time: bool,
}

impl Limits {
    /// The limits of a statement that is asked now.
    pub fn from_now(mut self) -> Self {
        if self.fair {
            let now = Instant::now();
            self.deadline = now + self.deadline.saturating_duration_since(now) / 2;
        }
        self
    }

    /// Only the end of the scrape.
    pub fn until(deadline: Instant) -> Self {
        Limits {
            deadline,
            fair: false,
            lock: None,
            local_time: false,
        }
    }
}

/// The process of the server that a session is, and the way to it.
pub struct Backend {
    options: PgConnectOptions,
    id: u32,
}

impl Backend {
    /// What ends the statement that runs there.
    pub fn cancellation(&self) -> String {
        format!("SELECT pg_cancel_backend({})", self.id)
    }

    /// Ends the statement that runs there, over a session made for that. The secret of the
    /// protocol's own request is not told by the library.
    pub async fn cancel(&self) -> Result<(), Failure> {
        let mut session = self.options.connect().await?;
        let asking = sqlx::raw_sql(AssertSqlSafe(self.cancellation()));
        asking.execute(&mut session).await?;
        Ok(session.close().await?)
    }
}

/// A session.
pub struct Connection {
    session: PgConnection,
    server: Arc<Server>,
    /// Where the session is ours alone, with no pooler between.
    backend: Option<Arc<Backend>>,
    /// The time limit that the session has, where we gave it one.
    limit: Option<Duration>,
}

impl Connection {
    /// Tries the places of the settings in turn until one answers as wanted. `deadline` is that of
    /// the scrape which wants it; `unmarked` remembers that the server refused [`MARK`].
    pub async fn open(
        settings: &Settings,
        unmarked: &AtomicBool,
        deadline: Instant,
    ) -> Result<Self, Failure> {
        let mut hosts = settings.hosts.clone();
        if settings.shuffle && hosts.len() > 1 {
            let turn = jiff::Timestamp::now().subsec_nanosecond().unsigned_abs() as usize;
            let count = hosts.len();
            hosts.rotate_left(turn % count);
        }
        let mut wanted = vec![settings.session];
        if settings.session == Session::PreferStandby {
            wanted = vec![Session::Standby, Session::Any];
        }
        let mut why = Failure::TooLate;
        for session in wanted {
            for (index, host) in hosts.iter().enumerate() {
                let turn = turn(settings, deadline, hosts.len() - index);
                let ends = (turn, deadline);
                let opening = Self::open_host(settings, unmarked, host, session, ends);
                match tokio::time::timeout_at(turn.into(), opening).await {
                    Ok(Ok(connection)) => return Ok(connection),
                    Ok(Err(failure)) => why = at(host, &failure),
                    Err(_) => why = at(host, &Failure::TooLate),
                }
            }
        }
        Err(why)
    }

    async fn open_host(
        settings: &Settings,
        unmarked: &AtomicBool,
        host: &Host,
        wanted: Session,
        ends: (Instant, Instant),
    ) -> Result<Self, Failure> {
        let mut why = Failure::TooLate;
        let ways = if host.is_socket() {
            &[Tls::Off]
        } else {
            settings.tls.as_slice()
        };
        for tls in ways {
            let options = options(settings, host, *tls);
            match log_in(&options, unmarked).await {
                Ok(session) => {
                    let mut connection = Connection {
                        session,
                        server: Arc::default(),
                        backend: None,
                        limit: None,
                    };
                    connection
                        .introduce(settings, options, wanted, ends)
                        .await?;
                    return Ok(connection);
                }
                Err(error) => why = Failure::Unreachable(sentence(&error)),
            }
        }
        Err(why)
    }

    /// Learns who the server is, and whether it is of the wanted kind, until the end of its turn;
    /// statements are limited by that of the scrape.
    async fn introduce(
        &mut self,
        settings: &Settings,
        options: PgConnectOptions,
        wanted: Session,
        (deadline, scrape): (Instant, Instant),
    ) -> Result<(), Failure> {
        let is_encrypted = !matches!(options.get_ssl_mode(), PgSslMode::Disable);
        // The session that is ours alone is given its limit by the same statement, which waits for
        // nothing itself.
        let fair = Limits {
            fair: true,
            ..Limits::until(scrape)
        };
        let limit = self.timeout(fair.from_now().deadline);
        let rows = self.send(who(limit), 0).await?;
        self.server = Arc::new(server(&rows, settings.time_zone()));
        self.backend = process(&rows).map(|id| Arc::new(Backend { options, id }));
        // A shorter limit of the user's own is put in force again by the first statement.
        let own = self.server.statement_timeout.is_some_and(|own| own < limit);
        self.limit = Some(limit).filter(|_| self.backend.is_some() && !own);
        if settings.versions.newest_only && is_encrypted {
            self.check_tls(deadline).await?;
        }
        let kind = match wanted {
            Session::Any | Session::PreferStandby => return Ok(()),
            Session::ReadWrite => "current_setting('transaction_read_only') = 'off'",
            Session::ReadOnly => "current_setting('transaction_read_only') = 'on'",
            Session::Primary => "NOT pg_is_in_recovery()",
            Session::Standby => "pg_is_in_recovery()",
        };
        let asked = format!("SELECT {kind}");
        let rows = self.query(&asked, Limits::until(deadline)).await?;
        match rows.first().map(|row| row.boolean(0)) {
            Some(Ok(Some(true))) => Ok(()),
            _ => Err(Failure::Unreachable(
                "the server is not of the kind that target_session_attrs asks for".to_owned(),
            )),
        }
    }

    /// Whether the session's TLS is 1.3, as the server tells it; behind a pooler it tells of another.
    async fn check_tls(&mut self, deadline: Instant) -> Result<(), Failure> {
        const VERSION: &str = "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        let refused = |why: &str| Failure::Unreachable(format!("ssl_min_protocol_version: {why}"));
        if self.backend.is_none() {
            return Err(refused("TLSv1.3 cannot be made sure of behind a pooler"));
        }
        let rows = self.query(VERSION, Limits::until(deadline)).await?;
        match rows.first().and_then(|row| row.text(0)) {
            Some("TLSv1.3") => Ok(()),
            Some(_) => Err(refused("the server's TLS is older than TLSv1.3")),
            // With sslmode=prefer or allow there may be none.
            None => Ok(()),
        }
    }

    /// The server.
    pub fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// The process that the session is, where it can be told.
    pub fn backend(&self) -> Option<&Arc<Backend>> {
        self.backend.as_ref()
    }

    /// Asks one statement, or several between semicolons; the first answer that has rows is given.
    /// The server gives up by itself at about the deadline.
    pub async fn query(&mut self, sql: &str, limits: Limits) -> Result<Rows, Failure> {
        let wanted = self.timeout(limits.deadline);
        let plain = limits.lock.is_none() && !limits.local_time;
        if self.backend.is_none() || !plain {
            // A statement of the user's may set what stays.
            if limits.local_time && sql.contains("statement_timeout") {
                self.limit = None;
            }
            return self.query_alone(sql, limits).await;
        }
        if self.limit.is_some_and(|limit| suits(limit, wanted)) {
            return self.send(sql.to_owned(), 0).await;
        }
        if !limits.fair {
            return self.query_alone(sql, limits).await;
        }
        // Unknown while the answer is, and as it was where the statement fails.
        let before = self.limit.take();
        let milliseconds = wanted.as_millis();
        let set = format!("SELECT set_config('statement_timeout', '{milliseconds}', false)");
        let rows = match self.limits_count_at_once() {
            true => self.send(format!("{set}; {sql}"), 1).await,
            false => {
                self.send(set, 0).await?;
                self.send(sql.to_owned(), 0).await
            }
        };
        self.limit = match &rows {
            Ok(_) => Some(wanted),
            Err(_) if self.limits_count_at_once() => before,
            Err(_) => None,
        };
        rows
    }

    /// Before PostgreSQL 11 a time limit does not count for the message that sets it.
    fn limits_count_at_once(&self) -> bool {
        self.server.version.is_none_or(|v| v >= Version::major(11))
    }

    /// Asks a statement under limits that end with it.
    async fn query_alone(&mut self, sql: &str, limits: Limits) -> Result<Rows, Failure> {
        let preface = self.preface(limits);
        if !self.limits_count_at_once() {
            self.send(format!("BEGIN; {preface}"), 0).await?;
            let rows = self.send(sql.to_owned(), 0).await;
            if !matches!(rows, Err(Failure::Lost(_))) {
                self.send("COMMIT".to_owned(), 0).await?;
            }
            return rows;
        }
        self.send(format!("{preface}; {sql}"), 1).await
    }

    /// Sends one message and takes the first answer that has rows, behind so many others.
    async fn send(&mut self, text: String, skipped: usize) -> Result<Rows, Failure> {
        let mut parts = sqlx::raw_sql(AssertSqlSafe(text)).fetch_many(&mut self.session);
        let mut rows = Rows::default();
        let mut answers = 0;
        let mut done = false;
        while let Some(part) = parts.next().await {
            match part? {
                Either::Left(_) => {
                    answers += 1;
                    done = !rows.is_empty();
                }
                Either::Right(row) if answers >= skipped && !done => push(&mut rows, &row)?,
                Either::Right(_) => {}
            }
        }
        Ok(rows)
    }

    /// The time that a statement may take on the server, at least a millisecond: a little less than
    /// what is left, and no more than the session has of itself.
    fn timeout(&self, deadline: Instant) -> Duration {
        let left = deadline.saturating_duration_since(Instant::now());
        let margin = (left / 10).min(Duration::from_millis(250));
        let own = self.server.statement_timeout.unwrap_or(Duration::MAX);
        own.min(left - margin).max(Duration::from_millis(1))
    }

    /// The limits that hold for one statement alone. `set_config` rather than SET, which
    /// pg_stat_statements would remember anew for each number.
    fn preface(&self, limits: Limits) -> String {
        let timeout = self.timeout(limits.deadline).as_millis();
        let mut text = format!("SELECT set_config('statement_timeout', '{timeout}', true)");
        if let Some(lock) = limits.lock {
            let lock = lock.as_millis().max(1);
            text.push_str(&format!(", set_config('lock_timeout', '{lock}', true)"));
        }
        if let (true, Some(zone)) = (limits.local_time, &self.server.time_zone) {
            let zone = literal(zone);
            text.push_str(&format!(", set_config('TimeZone', {zone}, true)"));
        }
        text
    }

    /// Waits until an answer that nobody waits for any more has passed.
    pub async fn settle(&mut self) -> Result<(), Failure> {
        self.session.ping().await.map_err(Failure::from)
    }

    /// Says goodbye.
    pub async fn close(self) {
        // The session ends either way.
        let _ = self.session.close().await;
    }
}

/// Whether a limit that stands is near enough to the wanted one. What it is too long is made up for
/// by whoever waits, who has the statement cancelled.
fn suits(limit: Duration, wanted: Duration) -> bool {
    limit >= wanted * 3 / 4 && limit <= wanted * 5 / 4
}

/// Logs in with [`MARK`], or without where it is refused: poolers and relatives of PostgreSQL do
/// not take every parameter.
async fn log_in(
    options: &PgConnectOptions,
    unmarked: &AtomicBool,
) -> Result<PgConnection, sqlx::Error> {
    if !unmarked.load(Ordering::Relaxed) {
        match options.clone().options([MARK]).connect().await {
            Err(error) if refuses_parameters(&error) => {}
            result => return result,
        }
    }
    let session = options.connect().await?;
    unmarked.store(true, Ordering::Relaxed);
    Ok(session)
}

/// Whether a login failed for another reason than the account (SQLSTATE class 28), the database
/// (3D), or the state of the server (53, 57).
fn refuses_parameters(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else {
        return false;
    };
    let code = error.code().unwrap_or_default();
    let others = ["28", "3D", "53", "57"];
    !others.iter().any(|class| code.starts_with(class))
}

/// What a session is asked first: who the server is, and whether [`MARK`] has reached it; there
/// statements may take so long from then on.
fn who(limit: Duration) -> String {
    let limit = limit.as_millis();
    format!(
        "SELECT version(), max(CASE name WHEN 'server_version' THEN setting END), \
         max(CASE name WHEN 'statement_timeout' THEN reset_val END), \
         max(CASE name WHEN 'log_timezone' THEN setting END), \
         max(CASE name WHEN 'xmlbinary' THEN source END), pg_backend_pid(), \
         max(CASE WHEN name = 'xmlbinary' AND source = 'client' THEN \
         set_config('statement_timeout', '{limit}', false) END) FROM pg_settings \
         WHERE name IN ('server_version', 'statement_timeout', 'log_timezone', 'xmlbinary')"
    )
}

/// The process that a session is, where [`MARK`] has reached it.
fn process(rows: &Rows) -> Option<u32> {
    let row = rows.first()?;
    let marked = row.text(4) == Some("client");
    row.text(5)?.parse().ok().filter(|_| marked)
}

/// When the turn of a place ends, so that those behind it get theirs. The last one may take longer
/// than the scrape; then the next scrape has the connection.
fn turn(settings: &Settings, deadline: Instant, places: usize) -> Instant {
    let now = Instant::now();
    let left = deadline.saturating_duration_since(now);
    let share = match places {
        1 => left + LINGER,
        places => left / places.max(1) as u32,
    };
    now + settings.connect_timeout.unwrap_or(share).min(share)
}

fn at(host: &Host, failure: &Failure) -> Failure {
    let why = match failure {
        Failure::Unreachable(why) | Failure::Lost(why) => why.clone(),
        Failure::TooLate => "no answer in time".to_owned(),
        refused => refused.to_string(),
    };
    let separator = if host.is_socket() { "/.s.PGSQL." } else { ":" };
    Failure::Unreachable(format!("{}{separator}{}: {why}", host.name, host.port))
}

fn options(settings: &Settings, host: &Host, tls: Tls) -> PgConnectOptions {
    // An empty password, where there is none, keeps the library from looking for one.
    let password = host.password.as_ref().map_or("", |p| p.0.as_str());
    let mut options = PgConnectOptions::new_without_pgpass()
        .host(&host.name)
        .port(host.port)
        .username(&settings.user)
        .password(password)
        .extra_float_digits(None)
        .statement_cache_capacity(0)
        .disable_statement_logging()
        .ssl_mode(match tls {
            Tls::Off => PgSslMode::Disable,
            Tls::Offered => PgSslMode::Prefer,
            Tls::Unverified => PgSslMode::Require,
            Tls::Chain => PgSslMode::VerifyCa,
            Tls::Full => PgSslMode::VerifyFull,
        });
    if let Some(database) = &settings.database {
        options = options.database(database);
    }
    if let Some(name) = &settings.application_name {
        options = options.application_name(name);
    }
    if !settings.parameters.is_empty() {
        options = options.options(settings.parameters.iter().map(|(k, v)| (k, v)));
    }
    options = match &settings.root {
        Some(Pem::File(path)) => options.ssl_root_cert(path),
        Some(Pem::Inline(text)) => options.ssl_root_cert_from_pem(text.0.clone().into_bytes()),
        None => options,
    };
    if let Some((certificate, key)) = &settings.client {
        options = match certificate {
            Pem::File(path) => options.ssl_client_cert(path),
            Pem::Inline(text) => options.ssl_client_cert_from_pem(&text.0),
        };
        options = match key {
            Pem::File(path) => options.ssl_client_key(path),
            Pem::Inline(text) => options.ssl_client_key_from_pem(&text.0),
        };
    }
    options
}

fn server(rows: &Rows, time_zone: Option<&str>) -> Server {
    let Some(row) = rows.first() else {
        return Server::default();
    };
    let banner = row.text_or(0, "");
    let banner_version = Version::parse(banner);
    let timeout = row.text_or(2, "").parse().ok().filter(|ms| *ms > 0);
    Server {
        banner: banner.to_owned(),
        banner_version,
        version: banner_version.or_else(|| Version::numbers(row.text_or(1, ""))),
        statement_timeout: timeout.map(Duration::from_millis),
        time_zone: time_zone.or(row.text(3)).map(str::to_owned),
    }
}

fn push(rows: &mut Rows, row: &PgRow) -> Result<(), Failure> {
    if rows.is_empty() {
        let column = |c: &sqlx::postgres::PgColumn| Column {
            name: c.name().to_owned(),
            type_oid: c.type_info().oid().map_or(0, |oid| oid.0),
        };
        *rows = Rows::new(row.columns().iter().map(column).collect());
    }
    for index in 0..row.columns().len() {
        let value = row.try_get_raw(index).map_err(Failure::from)?;
        let bytes = match value.is_null() {
            true => None,
            false => Some(value.as_bytes().map_err(|e| Failure::Lost(e.to_string()))?),
        };
        rows.push(bytes);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_introduce_themselves() {
        let head = &["version", "max", "max", "max", "max", "pid"][..];
        let banner = "PostgreSQL 15.20 (Debian) on x86_64";
        let zone = "Europe/Oslo";
        let rows = Rows::written(&[head, &[banner, "15.20 (Debian)", "0", zone, "client", "7"]]);
        assert_eq!(process(&rows), Some(7));
        let known = server(&rows, None);
        assert_eq!(known.version, Some(Version(15, 20, 0)));
        assert_eq!(known.statement_timeout, None);
        assert_eq!(known.time_zone.as_deref(), Some("Europe/Oslo"));
        let row = ["CockroachDB CCL v23", "13.0.0", "5000", "NULL", "NULL", "7"];
        let rows = Rows::written(&[head, &row]);
        assert_eq!(process(&rows), None);
        let other = server(&rows, Some("UTC"));
        assert_eq!(other.banner_version, None);
        assert_eq!(other.version(), Version(13, 0, 0));
        assert_eq!(other.statement_timeout, Some(Duration::from_secs(5)));
        assert_eq!(other.time_zone.as_deref(), Some("UTC"));
    }

    #[test]
    fn limits_that_are_near_enough_stay() {
        let seconds = Duration::from_secs_f64;
        for (limit, wanted, stays) in [
            (4.6, 4.6, true),
            (4.6, 4.5, true),
            (4.6, 2.3, false),
            (2.3, 4.6, false),
        ] {
            assert_eq!(
                suits(seconds(limit), seconds(wanted)),
                stays,
                "{limit} {wanted}"
            );
        }
    }
}
