//! What a connection is made of: the data source name over the service file, the environment and
//! the defaults.

use super::environment::Environment;
use super::passfile::{self, Wanted};
use super::{Dsn, service};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One place where the server may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Name, address or socket directory.
    pub name: String,
    /// Port, also part of the socket's name.
    pub port: u16,
    /// Password for this place.
    pub password: Option<Secret>,
}

/// A password, which prints as `<secret>`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<secret>")
    }
}

impl Host {
    /// Whether this is a socket directory.
    pub fn is_socket(&self) -> bool {
        self.name.starts_with('/')
    }
}

/// One way to try TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Never.
    Off,
    /// If the server offers it, unverified.
    Offered,
    /// Unverified.
    Unverified,
    /// The certificate's chain is verified.
    Chain,
    /// Chain and host name are verified.
    Full,
}

/// What is asked of the version of TLS. The protocol's library knows 1.2 and 1.3 and no bound
/// between them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Versions {
    /// Nothing below 1.3, which is checked on the session that was made.
    pub newest_only: bool,
    /// Nothing above 1.2, which is not kept to.
    pub not_newest: bool,
}

/// A certificate or key: where it is, or itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pem {
    /// A file.
    File(PathBuf),
    /// Text; not printed, it may be a key.
    Inline(Secret),
}

/// Which kind of server is wanted where several hosts are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Session {
    /// Whoever answers.
    Any,
    /// One that accepts writes.
    ReadWrite,
    /// One that does not.
    ReadOnly,
    /// One that is not in recovery.
    Primary,
    /// One that is.
    Standby,
    /// A standby, else whoever answers.
    PreferStandby,
}

/// What a connection is made of.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Places to try in turn; at least one.
    pub hosts: Vec<Host>,
    /// User.
    pub user: String,
    /// Database; `None` is the server's choice.
    pub database: Option<String>,
    /// Ways to try TLS, in turn.
    pub tls: Vec<Tls>,
    /// Bounds of the version of TLS.
    pub versions: Versions,
    /// Certificates that server certificates must descend from.
    pub root: Option<Pem>,
    /// Our certificate and its key.
    pub client: Option<(Pem, Pem)>,
    /// Longest time for one place, name resolution, TLS and login included.
    pub connect_timeout: Option<Duration>,
    /// Name of the session.
    pub application_name: Option<String>,
    /// Parameters that the session starts with.
    pub parameters: Vec<(String, String)>,
    /// Wanted kind of server.
    pub session: Session,
    /// Whether the places are tried in random order.
    pub shuffle: bool,
}

/// Keys with a variable of their own.
const VARIABLES: &[(&str, &str)] = &[
    ("host", "PGHOST"),
    ("hostaddr", "PGHOSTADDR"),
    ("port", "PGPORT"),
    ("user", "PGUSER"),
    ("password", "PGPASSWORD"),
    ("dbname", "PGDATABASE"),
    ("passfile", "PGPASSFILE"),
    ("sslmode", "PGSSLMODE"),
    ("sslrootcert", "PGSSLROOTCERT"),
    ("sslcert", "PGSSLCERT"),
    ("sslkey", "PGSSLKEY"),
    ("sslsni", "PGSSLSNI"),
    ("sslnegotiation", "PGSSLNEGOTIATION"),
    ("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION"),
    ("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION"),
    ("connect_timeout", "PGCONNECT_TIMEOUT"),
    ("application_name", "PGAPPNAME"),
    ("options", "PGOPTIONS"),
    ("client_encoding", "PGCLIENTENCODING"),
    ("datestyle", "PGDATESTYLE"),
    ("target_session_attrs", "PGTARGETSESSIONATTRS"),
    ("load_balance_hosts", "PGLOADBALANCEHOSTS"),
    ("service", "PGSERVICE"),
    ("timezone", "PGTZ"),
    ("geqo", "PGGEQO"),
];

/// Keys that say how to connect; every other key is a parameter of the session.
const OURS: &[&str] = &[
    "host",
    "hostaddr",
    "port",
    "user",
    "password",
    "dbname",
    "database",
    "passfile",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "sslsni",
    "sslinline",
    "sslnegotiation",
    "ssl_min_protocol_version",
    "ssl_max_protocol_version",
    "connect_timeout",
    "application_name",
    "fallback_application_name",
    "options",
    "client_encoding",
    "datestyle",
    "target_session_attrs",
    "load_balance_hosts",
    "service",
    "servicefile",
    "min_protocol_version",
    "max_protocol_version",
    "tz",
    "timezone",
    "binary_parameters",
    "disable_prepared_binary_result",
    "krbsrvname",
    "krbspn",
];

/// Where distributions keep the certificates that they trust.
const SYSTEM_ROOTS: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Where a key's value is looked for.
struct Sources<'a> {
    dsn: &'a Dsn,
    service: Vec<(String, String)>,
    env: &'a Environment,
}

impl Sources<'_> {
    /// The value of a key; empty values do not count.
    fn get(&self, key: &str) -> Option<&str> {
        let said = self.dsn.get(key).filter(|v| !v.is_empty());
        let service = || {
            let found = self.service.iter().rev().find(|(k, _)| k == key);
            found.map(|(_, v)| v.as_str()).filter(|v| !v.is_empty())
        };
        let variable = || {
            let found = VARIABLES.iter().find(|(k, _)| *k == key);
            found.and_then(|(_, name)| self.env.get(name))
        };
        said.or_else(service).or_else(variable)
    }

    fn home(&self, file: &str) -> Option<PathBuf> {
        Some(Path::new(self.env.get("HOME")?).join(file))
    }

    /// A file that is named, or else the one that lies at its usual place.
    fn file(&self, key: &str, usual: &str) -> Option<PathBuf> {
        match self.get(key) {
            Some(path) => Some(PathBuf::from(path)),
            None => self.home(usual).filter(|path| path.exists()),
        }
    }
}

impl Settings {
    /// Resolves a data source name. Reads the service file, the password file and looks at keys.
    pub fn resolve(dsn: &Dsn, env: &Environment) -> Result<Self, String> {
        let mut sources = Sources {
            dsn,
            service: Vec::new(),
            env,
        };
        sources.service = service_pairs(&sources)?;
        refuse_unsupported(&sources)?;
        let user = sources.get("user").or(env.get("USER")).map(str::to_owned);
        let user = user.or_else(own_name).ok_or(
            "user: expected one in the data source name, as the user that runs the exporter has no \
             name",
        )?;
        let database = sources.get("dbname").or_else(|| sources.get("database"));
        let database = database.map(str::to_owned);
        let root = root(&sources)?;
        let hosts = hosts(&sources, &user, database.as_deref())?;
        Ok(Settings {
            tls: tls(&sources, root.is_some())?,
            versions: versions(&sources)?,
            root: root.or_else(|| system_roots(env)),
            client: client(&sources)?,
            connect_timeout: connect_timeout(&sources)?,
            application_name: sources
                .get("application_name")
                .or_else(|| sources.get("fallback_application_name"))
                .map(str::to_owned),
            parameters: parameters(&sources)?,
            session: session(&sources)?,
            shuffle: match sources.get("load_balance_hosts") {
                None | Some("disable") => false,
                Some("random") => true,
                Some(_) => return Err("load_balance_hosts: expected disable or random".into()),
            },
            hosts,
            user,
            database,
        })
    }

    /// The time zone that the data source name asks for.
    pub fn time_zone(&self) -> Option<&str> {
        let found = self.parameters.iter().rev();
        let mut found = found.filter(|(k, _)| k.eq_ignore_ascii_case("timezone"));
        found.next().map(|(_, value)| value.as_str())
    }
}

/// The name of the user that runs the exporter.
fn own_name() -> Option<String> {
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    name_of(&users, rustix::process::getuid().as_raw())
}

/// The name of a user in the text of `/etc/passwd`.
fn name_of(users: &str, id: u32) -> Option<String> {
    let id = id.to_string();
    let line = users.lines().find(|l| l.split(':').nth(2) == Some(&id))?;
    line.split(':').next().map(str::to_owned)
}

fn service_pairs(sources: &Sources<'_>) -> Result<Vec<(String, String)>, String> {
    let Some(name) = sources.get("service") else {
        return Ok(Vec::new());
    };
    let path = sources.get("servicefile").map(PathBuf::from);
    let path = path.or_else(|| sources.env.get("PGSERVICEFILE").map(PathBuf::from));
    let path = path.or_else(|| sources.home(".pg_service.conf"));
    let path = path.ok_or("service: there is no service file and no HOME to look for one")?;
    let text = std::fs::read_to_string(&path)
        .map_err(|e| format!("service file {}: {e}", path.display()))?;
    service::section(&text, name)
        .ok_or_else(|| format!("service file {} has no section [{name}]", path.display()))
}

/// What the protocol's library cannot do is told rather than left out.
fn refuse_unsupported(sources: &Sources<'_>) -> Result<(), String> {
    let utf8 = |v: &str| matches!(v.to_ascii_uppercase().as_str(), "UTF8" | "UTF-8");
    if sources.get("client_encoding").is_some_and(|v| !utf8(v)) {
        return Err("client_encoding: expected UTF8 or nothing".to_owned());
    }
    let iso = |v: &str| v.replace(' ', "").eq_ignore_ascii_case("ISO,MDY");
    if sources.get("datestyle").is_some_and(|v| !iso(v)) {
        return Err("datestyle: expected \"ISO, MDY\" or nothing".to_owned());
    }
    if !matches!(sources.get("sslnegotiation"), None | Some("postgres")) {
        return Err(
            "sslnegotiation: only postgres is supported; servers that offer direct TLS offer that \
             too"
            .to_owned(),
        );
    }
    Ok(())
}

fn hosts(sources: &Sources<'_>, user: &str, database: Option<&str>) -> Result<Vec<Host>, String> {
    let names = sources.get("hostaddr").or_else(|| sources.get("host"));
    let names: Vec<&str> = names.unwrap_or("localhost").split(',').collect();
    let ports: Vec<&str> = sources.get("port").unwrap_or("5432").split(',').collect();
    if ports.len() != 1 && ports.len() != names.len() {
        return Err(format!(
            "port: expected one port or as many as hosts ({}), got {}",
            names.len(),
            ports.len()
        ));
    }
    let passfile = sources.file("passfile", ".pgpass");
    let host = |(index, name): (usize, &&str)| {
        let name = if name.is_empty() { "localhost" } else { name };
        let port = ports.get(index).unwrap_or(&ports[0]);
        let port = if port.is_empty() { "5432" } else { port };
        if name.starts_with('@') {
            return Err("host: sockets in the abstract name space are not supported".to_owned());
        }
        let looked_up = || {
            let wanted = Wanted {
                host: name,
                port,
                database: database.unwrap_or(user),
                user,
            };
            passfile::look_up(passfile.as_deref()?, wanted)
        };
        let password = sources.get("password").map(str::to_owned);
        Ok(Host {
            name: name.to_owned(),
            port: port
                .parse()
                .map_err(|_| "port: expected a number from 1 to 65535".to_owned())?,
            password: password.or_else(looked_up).map(Secret),
        })
    };
    names.iter().enumerate().map(host).collect()
}

/// The ways that `sslmode` stands for. A known root certificate makes unverified ways verify.
fn tls(sources: &Sources<'_>, has_root: bool) -> Result<Vec<Tls>, String> {
    if sources.get("sslrootcert") == Some("system") {
        return match sources.get("sslmode") {
            None | Some("verify-full") => Ok(vec![Tls::Full]),
            Some(_) => Err("sslrootcert=system: expected sslmode=verify-full".to_owned()),
        };
    }
    let required = if has_root {
        Tls::Chain
    } else {
        Tls::Unverified
    };
    Ok(match sources.get("sslmode").unwrap_or("require") {
        "disable" => vec![Tls::Off],
        "allow" => vec![Tls::Off, required],
        "prefer" if has_root => vec![Tls::Chain, Tls::Off],
        "prefer" => vec![Tls::Offered],
        "require" => vec![required],
        "verify-ca" => vec![Tls::Chain],
        "verify-full" => vec![Tls::Full],
        other => {
            return Err(format!(
                "sslmode: expected disable, allow, prefer, require, verify-ca or verify-full, got \
                 {other:?}"
            ));
        }
    })
}

/// Versions of TLS, the oldest first.
const VERSIONS: &[&str] = &["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"];

fn versions(sources: &Sources<'_>) -> Result<Versions, String> {
    let place = |key: &str| match sources.get(key) {
        None => Ok(None),
        Some(text) => {
            let found = VERSIONS.iter().position(|v| v.eq_ignore_ascii_case(text));
            let expected = || format!("{key}: expected TLSv1, TLSv1.1, TLSv1.2 or TLSv1.3");
            found.map(Some).ok_or_else(expected)
        }
    };
    let least = place("ssl_min_protocol_version")?.unwrap_or(0);
    let most = place("ssl_max_protocol_version")?.unwrap_or(3);
    if least > most {
        return Err("ssl_min_protocol_version is above ssl_max_protocol_version".to_owned());
    }
    if most < 2 {
        return Err("ssl_max_protocol_version: TLS before 1.2 is not supported".to_owned());
    }
    Ok(Versions {
        newest_only: least == 3,
        not_newest: most == 2,
    })
}

fn inline(sources: &Sources<'_>) -> bool {
    matches!(sources.get("sslinline"), Some("true" | "yes" | "on" | "1"))
}

/// The certificates that were asked for; those at the usual place where none were.
fn root(sources: &Sources<'_>) -> Result<Option<Pem>, String> {
    match sources.get("sslrootcert") {
        Some("system") => Ok(None),
        Some(text) if inline(sources) => Ok(Some(Pem::Inline(Secret(text.to_owned())))),
        Some(path) if Path::new(path).exists() => Ok(Some(Pem::File(path.into()))),
        Some(path) => match sources.get("sslmode") {
            Some("verify-ca" | "verify-full") => {
                Err(format!("sslrootcert: {path}: there is no such file"))
            }
            _ => Ok(None),
        },
        None => Ok(sources
            .file("sslrootcert", ".postgresql/root.crt")
            .map(Pem::File)),
    }
}

fn system_roots(env: &Environment) -> Option<Pem> {
    let said = env.get("SSL_CERT_FILE").into_iter();
    let mut all = said.chain(SYSTEM_ROOTS.iter().copied());
    all.find(|path| Path::new(path).exists())
        .map(|path| Pem::File(path.into()))
}

fn client(sources: &Sources<'_>) -> Result<Option<(Pem, Pem)>, String> {
    if inline(sources) {
        let pem = |key| sources.get(key).map(|v| Pem::Inline(Secret(v.to_owned())));
        return Ok(pem("sslcert").zip(pem("sslkey")));
    }
    let certificate = sources.file("sslcert", ".postgresql/postgresql.crt");
    let key = sources.file("sslkey", ".postgresql/postgresql.key");
    let (Some(certificate), Some(key)) = (certificate, key) else {
        return Ok(None);
    };
    check_key(&key)?;
    Ok(Some((Pem::File(certificate), Pem::File(key))))
}

/// A key that others may read is refused, as every PostgreSQL client does.
fn check_key(path: &Path) -> Result<(), String> {
    let meta = std::fs::metadata(path).map_err(|e| format!("sslkey: {}: {e}", path.display()))?;
    let forbidden = if meta.uid() == 0 { 0o037 } else { 0o077 };
    if meta.mode() & forbidden != 0 {
        return Err(format!(
            "sslkey: {}: others may access it, expected mode 0600 or less, or 0640 if root owns it",
            path.display()
        ));
    }
    Ok(())
}

fn connect_timeout(sources: &Sources<'_>) -> Result<Option<Duration>, String> {
    let Some(text) = sources.get("connect_timeout") else {
        return Ok(None);
    };
    let seconds: i64 = text
        .trim()
        .parse()
        .map_err(|_| "connect_timeout: expected a whole number of seconds".to_owned())?;
    let seconds = u64::try_from(seconds).ok().filter(|s| *s > 0);
    Ok(seconds.map(Duration::from_secs))
}

fn session(sources: &Sources<'_>) -> Result<Session, String> {
    Ok(match sources.get("target_session_attrs").unwrap_or("any") {
        "any" => Session::Any,
        "read-write" => Session::ReadWrite,
        "read-only" => Session::ReadOnly,
        "primary" => Session::Primary,
        "standby" => Session::Standby,
        "prefer-standby" => Session::PreferStandby,
        other => {
            return Err(format!(
                "target_session_attrs: expected any, read-write, read-only, primary, standby or \
                 prefer-standby, got {other:?}"
            ));
        }
    })
}

/// Every key that is none of ours, and what stands in `options`.
fn parameters(sources: &Sources<'_>) -> Result<Vec<(String, String)>, String> {
    let mut parameters = match sources.get("options") {
        Some(options) => command_line(options)?,
        None => Vec::new(),
    };
    for variable in ["timezone", "geqo"] {
        if let Some(value) = sources.get(variable) {
            parameters.push((variable.to_owned(), value.to_owned()));
        }
    }
    let said = sources.service.iter().chain(sources.dsn.pairs());
    for (key, value) in said {
        let name = match key.as_str() {
            "tz" | "timezone" => "timezone",
            key if OURS.contains(&key) => continue,
            key => key,
        };
        parameters.retain(|(k, _)| k != name);
        parameters.push((name.to_owned(), value.clone()));
    }
    Ok(parameters)
}

/// Reads `-c name=value`, `-cname=value` and `--name=value`, blanks escaped by backslashes.
fn command_line(options: &str) -> Result<Vec<(String, String)>, String> {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut rest = options.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => word.extend(rest.next()),
            c if c.is_whitespace() => words.extend((!word.is_empty()).then(|| word.split_off(0))),
            c => word.push(c),
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    let expected = || "options: expected -c name=value or --name=value".to_owned();
    let mut parameters = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let pair = match (word.as_str(), word.strip_prefix("--")) {
            ("-c", _) => words.next().ok_or_else(expected)?,
            (_, Some(pair)) => pair.to_owned(),
            (word, None) => word.strip_prefix("-c").ok_or_else(expected)?.to_owned(),
        };
        let (name, value) = pair.split_once('=').ok_or_else(expected)?;
        parameters.push((name.replace('-', "_"), value.to_owned()));
    }
    Ok(parameters)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn resolve(text: &str, env: &[(&str, &str)]) -> Result<Settings, String> {
        let env = [&[("USER", "me")], env].concat();
        Settings::resolve(&Dsn::parse(text)?, &Environment::of(&env))
    }

    #[test]
    fn versions_of_tls() {
        let of = |text: &str, env: &[(&str, &str)]| resolve(text, env).map(|s| s.versions);
        assert_eq!(of("user=u", &[]), Ok(Versions::default()));
        let newest = of("user=u ssl_min_protocol_version=TLSv1.3", &[]).unwrap();
        assert!(newest.newest_only && !newest.not_newest);
        let older = of("user=u", &[("PGSSLMAXPROTOCOLVERSION", "tlsv1.2")]).unwrap();
        assert!(older.not_newest && !older.newest_only);
        for (text, part) in [
            ("ssl_min_protocol_version=1.2", "expected TLSv1"),
            ("ssl_max_protocol_version=TLSv1.1", "not supported"),
            (
                "ssl_min_protocol_version=TLSv1.3 ssl_max_protocol_version=TLSv1.2",
                "is above",
            ),
        ] {
            let error = of(&format!("user=u {text}"), &[]).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn the_name_wins_over_service_and_environment() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "[s]\nhost=from.service\nport=1\nuser=su\n").unwrap();
        let path = file.path().to_str().unwrap();
        let env = [
            ("PGSERVICEFILE", path),
            ("PGHOST", "from.env"),
            ("PGPORT", "9"),
            ("PGDATABASE", "ed"),
            ("PGSSLMODE", "disable"),
        ];
        let settings = resolve("user=du service=s", &env).unwrap();
        assert_eq!(settings.hosts[0].name, "from.service");
        assert_eq!(settings.hosts[0].port, 1);
        assert_eq!(settings.user, "du");
        assert_eq!(settings.database.as_deref(), Some("ed"));
        assert_eq!(settings.tls, [Tls::Off]);
        assert!(resolve("service=t", &env).unwrap_err().contains("[t]"));
    }

    #[test]
    fn defaults() {
        let settings = resolve("", &[]).unwrap();
        assert_eq!(settings.hosts[0].name, "localhost");
        assert_eq!(settings.hosts[0].port, 5432);
        assert_eq!(settings.user, "me");
        assert_eq!(settings.database, None);
        assert_eq!(settings.tls, [Tls::Unverified]);
        assert_eq!(settings.application_name, None);
        assert!(settings.parameters.is_empty());
    }

    #[test]
    fn names_of_users() {
        let users = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n";
        assert_eq!(name_of(users, 65534).as_deref(), Some("nobody"));
        assert_eq!(name_of(users, 7), None);
    }

    #[test]
    fn ways_of_tls() {
        let root = tempfile::NamedTempFile::new().unwrap();
        let root = root.path().to_str().unwrap();
        for (mode, without, with) in [
            ("disable", vec![Tls::Off], vec![Tls::Off]),
            (
                "allow",
                vec![Tls::Off, Tls::Unverified],
                vec![Tls::Off, Tls::Chain],
            ),
            ("prefer", vec![Tls::Offered], vec![Tls::Chain, Tls::Off]),
            ("require", vec![Tls::Unverified], vec![Tls::Chain]),
            ("verify-ca", vec![Tls::Chain], vec![Tls::Chain]),
            ("verify-full", vec![Tls::Full], vec![Tls::Full]),
        ] {
            let plain = resolve(&format!("sslmode={mode}"), &[]).unwrap();
            assert_eq!(plain.tls, without, "{mode}");
            let text = format!("sslmode={mode} sslrootcert={root}");
            assert_eq!(resolve(&text, &[]).unwrap().tls, with, "{mode}");
        }
        assert_eq!(resolve("sslrootcert=system", &[]).unwrap().tls, [Tls::Full]);
        assert!(
            resolve("sslmode=maybe", &[])
                .unwrap_err()
                .contains("verify-full")
        );
        let missing = "sslrootcert=/nowhere/at.all sslmode=";
        assert!(resolve(&format!("{missing}verify-ca"), &[]).is_err());
        assert_eq!(
            resolve(&format!("{missing}require"), &[]).unwrap().tls,
            [Tls::Unverified]
        );
    }

    #[test]
    fn several_hosts_and_ports() {
        let hosts = |text| {
            let settings = resolve(text, &[]).unwrap();
            let hosts = settings.hosts.into_iter();
            hosts
                .map(|h| format!("{}:{}", h.name, h.port))
                .collect::<Vec<_>>()
        };
        assert_eq!(hosts("host=a,b port=1"), ["a:1", "b:1"]);
        assert_eq!(
            hosts("host=a,,/run port=1,2,3"),
            ["a:1", "localhost:2", "/run:3"]
        );
        assert!(resolve("host=a,b,c port=1,2", &[]).is_err());
        assert!(resolve("port=70000", &[]).is_err());
    }

    #[test]
    fn parameters_of_the_session() {
        let settings = resolve(
            "options='-c geqo=off --work-mem=5MB -csearch_path=a\\\\ b' statement_timeout=5000 tz=UTC",
            &[("PGTZ", "Asia/Tokyo")],
        )
        .unwrap();
        let pairs: Vec<_> = settings
            .parameters
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect();
        let expected = [
            ("geqo", "off"),
            ("work_mem", "5MB"),
            ("search_path", "a b"),
            ("statement_timeout", "5000"),
            ("timezone", "UTC"),
        ];
        assert_eq!(pairs, expected);
        assert_eq!(settings.time_zone(), Some("UTC"));
        assert!(resolve("options='-d 5'", &[]).is_err());
    }

    #[test]
    fn passwords_do_not_print() {
        let settings = resolve(
            "password=s3cret sslinline=true sslcert=s3cret sslkey=s3cret",
            &[],
        );
        assert!(!format!("{:?}", settings.unwrap()).contains("s3cret"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = command_line(&text);
            let mut dsn = Dsn::from_pairs(Vec::new());
            dsn.set("host", &text);
            dsn.set("port", &text);
            let _ = Settings::resolve(&dsn, &Environment::default());
        }
    }
}
