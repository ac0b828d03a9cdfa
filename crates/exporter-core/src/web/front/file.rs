//! The web configuration file.

use super::auth::{self, Users};
use super::limit::Limiter;
use super::tls::{self, Material};
use super::token::{self, Digest};
use crate::config;
use crate::dialect::duration;
use http::{HeaderName, HeaderValue};
use rustls::ServerConfig;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What exporters that are older than the file have flags for.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    /// TLS; paths are relative to the working directory.
    pub tls: TlsSection,
    /// Users and their bcrypt hashes.
    pub users: Vec<(String, String)>,
    /// What passwords protect, for the challenge.
    pub realm: Option<&'static str>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    #[serde(deserialize_with = "config::or_default")]
    tls_server_config: TlsSection,
    #[serde(deserialize_with = "config::or_default")]
    http_server_config: HttpSection,
    #[serde(deserialize_with = "config::or_default")]
    rate_limit: RateSection,
    #[serde(deserialize_with = "config::or_default")]
    basic_auth_users: BTreeMap<String, String>,
    #[serde(deserialize_with = "config::or_default")]
    bearer_tokens: BTreeMap<String, String>,
}

/// `tls_server_config`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct TlsSection {
    pub cert: Option<String>,
    pub cert_file: Option<PathBuf>,
    pub key: Option<String>,
    pub key_file: Option<PathBuf>,
    pub client_ca: Option<String>,
    pub client_ca_file: Option<PathBuf>,
    pub client_auth_type: Option<String>,
    pub client_allowed_sans: Option<Vec<String>>,
    pub min_version: Option<String>,
    pub max_version: Option<String>,
    #[serde(deserialize_with = "config::or_default")]
    pub cipher_suites: Vec<String>,
    pub prefer_server_cipher_suites: Option<bool>,
    #[serde(deserialize_with = "config::or_default")]
    pub curve_preferences: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct HttpSection {
    http2: Option<bool>,
    #[serde(deserialize_with = "config::or_default")]
    headers: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RateSection {
    interval: Option<String>,
    #[serde(deserialize_with = "config::or_default")]
    burst: u32,
}

/// What the file says, checked.
#[derive(Debug)]
pub struct Settings {
    /// Where connections start with a handshake: how, or why they cannot.
    pub tls: Option<Result<Arc<ServerConfig>, String>>,
    /// Whether HTTP/2 is offered over TLS.
    pub http2: bool,
    /// Headers of every answer.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Users and their hashes.
    pub users: Users,
    /// Tokens by what they are called: their digests, or what is wrong with the text.
    tokens: Vec<(String, Result<Digest, &'static str>)>,
    rate: Option<(Duration, u32)>,
}

impl Settings {
    /// What is wrong beyond the file's grammar. At start that is an error; later it concerns those
    /// only who need it: handshakes fail and a bad hash fits no password.
    pub fn fault(&self) -> Option<String> {
        if let Some(Err(error)) = &self.tls {
            return Some(error.clone());
        }
        let bad_user = self.users.iter().find_map(|(user, hash)| {
            let why = auth::check_hash(hash).err()?;
            Some(format!(
                "basic_auth_users: expected a bcrypt hash of the password of {user:?}: {why}"
            ))
        });
        let bad_token = || {
            self.tokens.iter().find_map(|(name, digest)| {
                let why = digest.err()?;
                Some(format!(
                    "bearer_tokens: expected the SHA-256 of the token {name:?}: {why}"
                ))
            })
        };
        bad_user.or_else(bad_token)
    }

    /// Whether everybody is let in.
    pub fn are_open(&self) -> bool {
        self.users.is_empty() && self.tokens.is_empty()
    }

    /// Whether there are tokens, good or bad.
    pub fn take_tokens(&self) -> bool {
        !self.tokens.is_empty()
    }

    /// The digests of tokens.
    pub fn digests(&self) -> impl Iterator<Item = &Digest> {
        self.tokens.iter().filter_map(|(_, d)| d.as_ref().ok())
    }

    /// A new bucket, where there is a rate limit.
    pub fn limiter(&self) -> Option<Limiter> {
        self.rate
            .map(|(interval, burst)| Limiter::new(interval, burst))
    }
}

/// Files that settings were read from, and what they were then.
#[derive(Debug, Default)]
pub struct Sources {
    files: Vec<(PathBuf, Option<Identity>)>,
    /// Whether a file was so young that a change in the same tick of the clock would not show.
    fresh: bool,
}

/// Ticks of file times are at most this long.
const TICK: Duration = Duration::from_millis(50);

/// Device, inode, size, and times of content and inode.
type Identity = (u64, u64, u64, (i64, i64), (i64, i64));

fn identity(path: &Path) -> Option<Identity> {
    let of = |m: Metadata| {
        let (content, inode) = ((m.mtime(), m.mtime_nsec()), (m.ctime(), m.ctime_nsec()));
        (m.dev(), m.ino(), m.size(), content, inode)
    };
    // Links are followed: Kubernetes swaps the link of a mounted secret.
    std::fs::metadata(path).ok().map(of)
}

/// Whether a time (seconds and nanoseconds) is now, or to come.
fn is_fresh((seconds, nanoseconds): (i64, i64)) -> bool {
    let (Ok(seconds), Ok(nanoseconds)) = (u64::try_from(seconds), u64::try_from(nanoseconds))
    else {
        return false;
    };
    let since = Duration::from_secs(seconds) + Duration::from_nanos(nanoseconds);
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.is_ok_and(|now| now < since + TICK)
}

impl Sources {
    /// Whether all files are certainly what they were.
    pub fn are_current(&self) -> bool {
        !self.fresh && self.look_the_same()
    }

    /// Whether no file shows a change.
    pub fn look_the_same(&self) -> bool {
        self.files
            .iter()
            .all(|(path, known)| identity(path) == *known)
    }

    fn add(&mut self, path: &Path) {
        let identity = identity(path);
        self.fresh |= identity.is_some_and(|(.., inode)| is_fresh(inode));
        self.files.push((path.to_owned(), identity));
    }
}

/// Reads the file and what it points to.
pub fn read(path: &Path) -> (Sources, Result<Arc<Settings>, String>) {
    let mut sources = Sources::default();
    sources.add(path);
    let settings = config::load::<File>(path).and_then(|file| {
        check(file, path, &mut sources).map_err(|e| format!("{}: {e}", path.display()))
    });
    (sources, settings.map(Arc::new))
}

/// Checks what flags say and reads the files that they name.
pub fn of_parts(parts: &Parts) -> (Sources, Result<Arc<Settings>, String>) {
    let file = File {
        tls_server_config: parts.tls.clone(),
        basic_auth_users: parts.users.iter().cloned().collect(),
        ..File::default()
    };
    let mut sources = Sources::default();
    let settings = check(file, Path::new(""), &mut sources);
    (sources, settings.map(Arc::new))
}

fn check(file: File, path: &Path, sources: &mut Sources) -> Result<Settings, String> {
    let base = path.parent().unwrap_or(Path::new(""));
    let http = &file.http_server_config;
    let section = file.tls_server_config.without_empty();
    tls::check_words(&section)?;
    let http2 = http.http2.unwrap_or(true);
    let tls = tls(&section, base, http2, sources);
    let offers = |tls: &ServerConfig| tls.alpn_protocols.contains(&b"h2".to_vec());
    let http2 = matches!(&tls, Some(Ok(tls)) if offers(tls));
    Ok(Settings {
        tls: tls.map(|result| result.map(Arc::new)),
        http2,
        headers: headers(&http.headers)?,
        users: file.basic_auth_users.into_iter().collect(),
        tokens: tokens(file.bearer_tokens),
        rate: rate(&file.rate_limit)?,
    })
}

fn tokens(map: BTreeMap<String, String>) -> Vec<(String, Result<Digest, &'static str>)> {
    let digest = |(name, text): (String, String)| (name, token::parse_digest(&text));
    map.into_iter().map(digest).collect()
}

/// Go durations; a bare number counts nanoseconds.
fn rate(section: &RateSection) -> Result<Option<(Duration, u32)>, String> {
    let Some(text) = &section.interval else {
        return Ok(None);
    };
    let nanoseconds = match text.parse::<i64>() {
        Ok(number) => number,
        Err(_) => duration::parse(text).map_err(|e| format!("rate_limit: interval: {e}"))?,
    };
    let nanoseconds = u64::try_from(nanoseconds)
        .map_err(|_| "rate_limit: interval: expected a duration that is not negative".to_owned())?;
    Ok((nanoseconds > 0).then(|| (Duration::from_nanos(nanoseconds), section.burst)))
}

/// Headers that may be set, and their values where those are fixed.
const HEADERS: [(&str, &[&str]); 5] = [
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
    ("Content-Security-Policy", &[]),
];

fn headers(map: &BTreeMap<String, String>) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    let mut headers = Vec::new();
    for (name, value) in map {
        let known = HEADERS.iter().find(|h| h.0 == name);
        let (_, values) =
            known.ok_or_else(|| format!("HTTP header {name:?} can not be configured"))?;
        if !values.is_empty() && !values.contains(&value.as_str()) {
            return Err(format!(
                "HTTP header {name:?}: expected one of {}, got {value:?}",
                values.join(", ")
            ));
        }
        let bad = |_| format!("HTTP header {name:?}: expected printable characters");
        let value = HeaderValue::try_from(value.as_str()).map_err(bad)?;
        let name = HeaderName::try_from(name.to_ascii_lowercase());
        headers.push((name.map_err(|e| e.to_string())?, value));
    }
    Ok(headers)
}

impl TlsSection {
    /// Keys with an empty text count as not given.
    fn without_empty(self) -> Self {
        let text = |text: Option<String>| text.filter(|t| !t.is_empty());
        let path = |path: Option<PathBuf>| path.filter(|p| !p.as_os_str().is_empty());
        TlsSection {
            cert: text(self.cert),
            cert_file: path(self.cert_file),
            key: text(self.key),
            key_file: path(self.key_file),
            client_ca: text(self.client_ca),
            client_ca_file: path(self.client_ca_file),
            client_auth_type: text(self.client_auth_type),
            min_version: text(self.min_version),
            max_version: text(self.max_version),
            ..self
        }
    }

    /// TLS is on where one of seven keys is given.
    fn is_on(&self) -> bool {
        self.cert.is_some()
            || self.key.is_some()
            || self.cert_file.is_some()
            || self.key_file.is_some()
            || self.client_ca.is_some()
            || self.client_ca_file.is_some()
            || self.client_auth_type.is_some()
    }
}

fn tls(
    section: &TlsSection,
    base: &Path,
    http2: bool,
    sources: &mut Sources,
) -> Option<Result<ServerConfig, String>> {
    section
        .is_on()
        .then(|| server_config(section, base, http2, sources))
}

fn server_config(
    section: &TlsSection,
    base: &Path,
    http2: bool,
    sources: &mut Sources,
) -> Result<ServerConfig, String> {
    if section.cert.is_none() && section.cert_file.is_none() {
        return Err("missing one of cert or cert_file".to_owned());
    }
    if section.key.is_none() && section.key_file.is_none() {
        return Err("missing one of key or key_file".to_owned());
    }
    let mut pem = |name: &str, file: &Option<PathBuf>, inline: &Option<String>| match (file, inline)
    {
        (Some(file), _) => {
            let path = base.join(file);
            sources.add(&path);
            let contents = std::fs::read(&path);
            let told = |e| format!("failed to read {name}_file ({}): {e}", path.display());
            contents.map(Some).map_err(told)
        }
        (None, Some(text)) => Ok(Some(text.clone().into_bytes())),
        (None, None) => Ok(None),
    };
    let certificate = pem("cert", &section.cert_file, &section.cert)?;
    let key = pem("key", &section.key_file, &section.key)?;
    let material = Material {
        certificate: certificate.ok_or("missing one of cert or cert_file")?,
        key: key.ok_or("missing one of key or key_file")?,
        client_ca: pem("client_ca", &section.client_ca_file, &section.client_ca)?,
    };
    tls::server_config(section, &material, http2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Arc<Settings>, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("web.yml");
        std::fs::write(&path, text).unwrap();
        let settings = read(&path).1?;
        match settings.fault() {
            Some(fault) => Err(format!("{}: {fault}", path.display())),
            None => Ok(settings),
        }
    }

    #[test]
    fn plain_settings() {
        for text in [
            "",
            "# nothing\n",
            "tls_server_config:\n  min_version: TLS13\n",
            "tls_server_config:\n  max_version: TLS10\n  client_allowed_sans: [a]\n",
            "tls_server_config:\n  cert_file: \"\"\n  client_auth_type: \"\"\n",
            "tls_server_config:\nhttp_server_config:\nrate_limit:\nbasic_auth_users:\nbearer_tokens:\n",
            "http_server_config:\n  headers:\n  http2:\nrate_limit:\n  burst:\n",
        ] {
            assert!(read_text(text).unwrap().tls.is_none(), "{text}");
        }
        let settings = read_text("http_server_config:\n  http2: false\n  headers:\n    X-XSS-Protection: 1\nrate_limit:\n  interval: 1500000000\n  burst: 3\n").unwrap();
        assert_eq!(settings.headers[0].1, "1");
        assert_eq!(settings.rate, Some((Duration::from_millis(1500), 3)));
        assert!(
            read_text("rate_limit:\n  burst: 3\n")
                .unwrap()
                .limiter()
                .is_none()
        );
    }

    #[test]
    fn settings_of_flags() {
        let mut parts = Parts {
            users: vec![("u".to_owned(), "$2b$04$x".to_owned())],
            ..Parts::default()
        };
        let (sources, settings) = of_parts(&parts);
        assert!(sources.are_current());
        let settings = settings.unwrap();
        assert!(settings.tls.is_none() && settings.users.contains_key("u"));
        parts.tls.cert_file = Some(PathBuf::from("/nowhere/cert.pem"));
        parts.tls.key_file = Some(PathBuf::from("/nowhere/key.pem"));
        let (_, settings) = of_parts(&parts);
        let told = match settings {
            Ok(settings) => settings.fault().unwrap_or_default().to_owned(),
            Err(error) => error,
        };
        assert!(told.contains("/nowhere/cert.pem"), "{told}");
    }

    #[test]
    fn mistakes_are_told() {
        for (text, part) in [
            ("tls_server_cfg: {}\n", ":1:"),
            (
                "tls_server_config:\n  cert: x\n",
                "missing one of key or key_file",
            ),
            (
                "tls_server_config:\n  key: x\n",
                "missing one of cert or cert_file",
            ),
            ("tls_server_config:\n  cert: x\n  key: y\n", "X509KeyPair"),
            (
                "tls_server_config:\n  cert_file: none.pem\n  key: y\n",
                "none.pem",
            ),
            ("http_server_config:\n  headers: {X-Other: a}\n", "X-Other"),
            (
                "http_server_config:\n  headers: {X-Frame-Options: maybe}\n",
                "sameorigin",
            ),
            ("http_server_config:\n  http2: perhaps\n", ":2:"),
            (
                "tls_server_config:\n  min_version: TLS9\n",
                "unknown TLS version: TLS9",
            ),
            (
                "tls_server_config:\n  curve_preferences: [P256]\n",
                "unknown curve: P256",
            ),
            (
                "tls_server_config:\n  cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]\n",
                "unknown cipher: TLS_RSA_WITH_RC4_128_SHA",
            ),
            (
                "tls_server_config:\n  client_auth_type: verify\n",
                "invalid ClientAuth: verify",
            ),
            (
                "http_server_config:\n  headers: {x-frame-options: deny}\n",
                "can not",
            ),
            (
                "http_server_config:\n  headers: {X-Content-Type-Options: \"\"}\n",
                "nosniff",
            ),
            ("rate_limit:\n  burst: -1\n", ":2:"),
            ("rate_limit:\n  interval: 1d\n", "interval"),
            ("basic_auth_users:\n  a: plain\n", "bcrypt"),
            ("bearer_tokens:\n  a: plain\n", "SHA-256 of the token \"a\""),
            ("bearer_tokens: [a]\n", ":1:"),
        ] {
            let error = read_text(text).unwrap_err();
            assert!(
                error.contains(part) && error.contains("web.yml"),
                "{text}: {error}"
            );
            assert!(!error.contains("plain"), "{error}");
        }
    }

    #[test]
    fn changes_are_seen() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("web.yml");
        std::fs::write(&path, "").unwrap();
        assert!(!read(&path).0.are_current(), "it may change in this tick");
        std::thread::sleep(TICK * 2);
        let (sources, _) = read(&path);
        assert!(sources.are_current());
        std::fs::write(&path, "# longer\n").unwrap();
        assert!(!sources.are_current());
        std::fs::remove_file(&path).unwrap();
        assert!(!sources.are_current());
    }
}
