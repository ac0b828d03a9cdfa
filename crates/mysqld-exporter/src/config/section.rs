//! One section of the credentials file, checked.

use super::{CLIENT, Defaults};
use crate::server::Address;
use exporter_core::dialect::strconv;
use std::fmt;
use std::path::PathBuf;

/// A password. It prints as `<secret>`.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Password(String);

impl Password {
    /// Keeps it.
    pub fn new(text: impl Into<String>) -> Self {
        Password(text.into())
    }

    /// The password itself, for the handshake only.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

/// How to log in to a server, and to which where the request names none.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Section {
    /// Name in brackets.
    pub name: String,
    /// Account name.
    pub user: String,
    /// Password of the account, empty for none.
    pub password: Password,
    /// The server, where a request does not say one.
    pub address: Address,
    /// Whether the password may be sent as it is; only ever over TLS or a unix socket.
    pub cleartext: bool,
    /// How the connection is secured.
    pub tls: Tls,
}

/// What a section asks of TLS.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tls {
    /// The decision that follows from all keys together.
    pub wanted: Wanted,
    /// Name to verify instead of the host of the address.
    pub server_name: Option<String>,
    /// Oldest version.
    pub min: Option<TlsVersion>,
    /// Newest version.
    pub max: Option<TlsVersion>,
}

/// Whether and how TLS is used.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Wanted {
    /// Plain.
    No,
    /// Required, and whoever answers is believed.
    Unverified,
    /// If the server offers it, and whoever answers is believed.
    Preferred,
    /// Required; the certificate is verified by the system's authorities.
    System,
    /// Required; the certificate is verified by the authorities of a file, and the client shows
    /// its own if it has one.
    Authorities {
        /// PEM file of authorities.
        ca: PathBuf,
        /// PEM files of the client's certificate and key.
        pair: Option<(PathBuf, PathBuf)>,
    },
    /// `tls` is no word that is known: every connection fails.
    Unknown(String),
}

/// A version of TLS, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsVersion {
    /// 1.0
    V10,
    /// 1.1
    V11,
    /// 1.2
    V12,
    /// 1.3
    V13,
}

const TLS_VERSIONS: [(&str, TlsVersion); 4] = [
    ("TLSv1.0", TlsVersion::V10),
    ("TLSv1.1", TlsVersion::V11),
    ("TLSv1.2", TlsVersion::V12),
    ("TLSv1.3", TlsVersion::V13),
];

impl Section {
    /// Checks the keys that `get` finds. The error says what makes the section useless, and no
    /// value of it.
    pub(super) fn read(
        name: &str,
        get: impl Fn(&str) -> Option<String>,
        defaults: &Defaults,
    ) -> Result<Section, String> {
        let text = |key: &str| get(key).unwrap_or_default();
        let is_client = name == CLIENT;
        let mut user = text("user");
        if user.is_empty() && is_client {
            user.clone_from(&defaults.user);
        }
        let address = address(&get, is_client.then_some(&defaults.address))?;
        let cleartext = boolean(&get, "enable-cleartext-plugin")?.unwrap_or(false);
        let tls = tls(&get, defaults.skip_verify)?;
        if user.is_empty() {
            return Err("no user: expected the key `user`".to_owned());
        }
        Ok(Section {
            name: name.to_owned(),
            user,
            password: Password(text("password")),
            address,
            cleartext,
            tls,
        })
    }
}

/// The server's address. What the file leaves open comes from the flag, key by key, so a socket
/// of the flag wins over a host of the file.
fn address(
    get: &impl Fn(&str) -> Option<String>,
    flag: Option<&Address>,
) -> Result<Address, String> {
    let text = |key: &str| get(key).filter(|v| !v.is_empty());
    let port = match get("port") {
        Some(text) => {
            let port = strconv::parse_int(&text, 0);
            port.ok_or("port: expected a whole number")?
        }
        None => 0,
    };
    let (flag_host, flag_port, flag_socket) = match flag {
        Some(Address::Tcp { host, port }) => (Some(host.clone()), Some(port.clone()), None),
        Some(Address::Socket(path)) => (None, None, Some(path.clone())),
        None => (None, None, None),
    };
    if let Some(path) = text("socket").map(PathBuf::from).or(flag_socket) {
        return Ok(Address::Socket(path));
    }
    let host = text("host").or(flag_host).filter(|h| !h.is_empty());
    let port = match port {
        0 => flag_port.unwrap_or_else(|| "3306".to_owned()),
        port => port.to_string(),
    };
    Ok(Address::Tcp {
        host: host.unwrap_or_else(|| "127.0.0.1".to_owned()),
        port,
    })
}

/// The one misspelled key of the original comes first; the others are what people write.
const SKIP_VERIFY: [&str; 3] = [
    "ssl-skip-verfication",
    "ssl-skip-verification",
    "ssl-skip-verify",
];

fn tls(get: &impl Fn(&str) -> Option<String>, skip_verify: bool) -> Result<Tls, String> {
    let text = |key: &str| get(key).filter(|v| !v.is_empty());
    let mut skip = None;
    for key in SKIP_VERIFY {
        skip = skip.or(boolean(get, key)?);
    }
    let min = version(get, "tls-min-version")?;
    let max = version(get, "tls-max-version")?;
    if min.zip(max).is_some_and(|(min, max)| min > max) {
        return Err("tls-min-version is above tls-max-version".to_owned());
    }
    if max.is_some_and(|max| max < TlsVersion::V12) {
        return Err("tls-max-version: TLS before 1.2 is not supported".to_owned());
    }
    if max == Some(TlsVersion::V12) {
        tracing::warn!(
            "tls-max-version=TLSv1.2 is not kept to: TLS 1.3 is used where both know it"
        );
    }
    let server_name = text("tls-server-name");
    if skip.unwrap_or(skip_verify) {
        return Ok(Tls {
            wanted: Wanted::Unverified,
            server_name: None,
            min: None,
            max: None,
        });
    }
    let ca = text("ssl-ca").map(PathBuf::from);
    let verified = min.is_some() || max.is_some() || server_name.is_some();
    let wanted = match (ca, text("tls").as_deref()) {
        (Some(ca), _) => Wanted::Authorities {
            ca,
            pair: text("ssl-cert")
                .zip(text("ssl-key"))
                .map(|(cert, key)| (cert.into(), key.into())),
        },
        (None, _) if verified => Wanted::System,
        (None, None) => Wanted::No,
        (None, Some(word)) => match (word, strconv::parse_bool(word)) {
            (_, Some(true)) => Wanted::System,
            (_, Some(false)) => Wanted::No,
            (word, None) if word.eq_ignore_ascii_case("skip-verify") => Wanted::Unverified,
            (word, None) if word.eq_ignore_ascii_case("preferred") => Wanted::Preferred,
            (word, None) => Wanted::Unknown(word.to_owned()),
        },
    };
    Ok(Tls {
        wanted,
        server_name,
        min,
        max,
    })
}

fn version(get: &impl Fn(&str) -> Option<String>, key: &str) -> Result<Option<TlsVersion>, String> {
    let Some(text) = get(key).filter(|v| !v.is_empty()) else {
        return Ok(None);
    };
    let known = TLS_VERSIONS.iter().find(|(word, _)| *word == text);
    match known {
        Some((_, version)) => Ok(Some(*version)),
        None => {
            let words = TLS_VERSIONS.map(|(word, _)| word);
            Err(format!("{key}: expected one of {}", words.join(", ")))
        }
    }
}

fn boolean(get: &impl Fn(&str) -> Option<String>, key: &str) -> Result<Option<bool>, String> {
    let Some(text) = get(key) else {
        return Ok(None);
    };
    match text.as_str() {
        "1" | "t" | "T" | "TRUE" | "true" | "True" | "YES" | "yes" | "Yes" | "y" | "ON" | "on"
        | "On" => Ok(Some(true)),
        "0" | "f" | "F" | "FALSE" | "false" | "False" | "NO" | "no" | "No" | "n" | "OFF"
        | "off" | "Off" => Ok(Some(false)),
        _ => Err(format!("{key}: expected true or false")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(keys: &[(&str, &str)]) -> Result<Section, String> {
        let get = |key: &str| {
            let found = keys.iter().find(|(k, _)| *k == key);
            found.map(|(_, v)| (*v).to_owned())
        };
        let defaults = Defaults {
            path: PathBuf::new(),
            address: Address::parse("localhost:3306").unwrap(),
            user: "u".to_owned(),
            password: None,
            password_file: None,
            skip_verify: false,
        };
        Section::read("client", get, &defaults)
    }

    fn wanted(keys: &[(&str, &str)]) -> Wanted {
        read(keys).unwrap().tls.wanted
    }

    #[test]
    fn the_order_of_decisions_about_tls() {
        let authorities = |pair: Option<(&str, &str)>| Wanted::Authorities {
            ca: "ca".into(),
            pair: pair.map(|(c, k)| (c.into(), k.into())),
        };
        assert_eq!(wanted(&[]), Wanted::No);
        assert_eq!(wanted(&[("tls", "false")]), Wanted::No);
        assert_eq!(wanted(&[("tls", "true")]), Wanted::System);
        assert_eq!(wanted(&[("tls", "skip-verify")]), Wanted::Unverified);
        assert_eq!(wanted(&[("tls", "preferred")]), Wanted::Preferred);
        assert_eq!(
            wanted(&[("tls", "custom")]),
            Wanted::Unknown("custom".into())
        );
        assert_eq!(wanted(&[("ssl-cert", "c"), ("ssl-key", "k")]), Wanted::No);
        assert_eq!(
            wanted(&[("tls", "false"), ("tls-server-name", "db")]),
            Wanted::System
        );
        assert_eq!(
            wanted(&[("ssl-ca", "ca"), ("ssl-cert", "c")]),
            authorities(None)
        );
        assert_eq!(
            wanted(&[("ssl-ca", "ca"), ("ssl-cert", "c"), ("ssl-key", "k")]),
            authorities(Some(("c", "k")))
        );
        for key in SKIP_VERIFY {
            assert_eq!(wanted(&[("ssl-ca", "ca"), (key, "1")]), Wanted::Unverified);
        }
    }

    #[test]
    fn what_makes_a_section_useless() {
        for (keys, part) in [
            (&[("port", "many")][..], "port: expected a whole number"),
            (
                &[("enable-cleartext-plugin", "2")],
                "expected true or false",
            ),
            (
                &[("tls-min-version", "1.2")],
                "expected one of TLSv1.0, TLSv1.1, TLSv1.2, TLSv1.3",
            ),
            (
                &[
                    ("tls-min-version", "TLSv1.3"),
                    ("tls-max-version", "TLSv1.2"),
                ],
                "above",
            ),
            (&[("tls-max-version", "TLSv1.1")], "not supported"),
        ] {
            let error = read(keys).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn the_password_does_not_print() {
        let section = read(&[("password", "hunter2")]).unwrap();
        assert!(!format!("{section:?}").contains("hunter2"));
    }
}
