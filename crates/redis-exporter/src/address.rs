//! Addresses of servers, as flags, `/scrape` targets and the password file spell them.

use percent_encoding::percent_decode_str;
use std::fmt::Write;

/// An address taken apart, as Go's URL parser does it. Nothing is checked that only connecting
/// needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// Scheme in lower case; the valkey spellings are those of redis here.
    scheme: String,
    /// User and password, decoded.
    userinfo: Option<(String, Option<String>)>,
    /// Host and perhaps port, as they stand.
    host: String,
    /// Path as it stands.
    path: String,
    /// What follows the path, with its question mark.
    rest: String,
}

/// What to connect to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// Host and port, and whether TLS is spoken.
    Tcp {
        /// Name or address, without brackets.
        host: String,
        /// Port.
        port: u16,
        /// Whether TLS is spoken.
        tls: bool,
    },
    /// Path of a unix socket.
    Unix(String),
}

/// A user and a password, either of them perhaps empty.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Credentials {
    /// User (ACL), empty for the default one.
    pub user: String,
    /// Password, empty for none.
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<secret>")
    }
}

impl Url {
    /// Takes an address apart. The error never repeats the address.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.bytes().any(|b| b.is_ascii_control()) {
            return Err("expected an address without control characters".to_owned());
        }
        let (scheme, rest) = text.split_once("://").unwrap_or(("redis", text));
        let scheme = scheme_word(scheme)?;
        let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        let (path, query) = match tail.find('?') {
            Some(at) => tail.split_at(at),
            None => (tail, ""),
        };
        let (userinfo, host) = match authority.rsplit_once('@') {
            Some((userinfo, host)) => (Some(parse_userinfo(userinfo)?), host),
            None => (None, authority),
        };
        check_host(host)?;
        Ok(Url {
            scheme,
            userinfo,
            host: host.to_owned(),
            path: path.to_owned(),
            rest: query.to_owned(),
        })
    }

    /// The user of a `/scrape` target: empty where there is userinfo without one, `None` where
    /// there is no userinfo.
    pub fn user(&self) -> Option<&str> {
        self.userinfo.as_ref().map(|(user, _)| user.as_str())
    }

    /// The address without userinfo, as `/scrape` uses it.
    pub fn without_userinfo(mut self) -> Self {
        self.userinfo = None;
        self
    }

    /// What the userinfo says of a user and a password. A lone name is a password.
    pub fn credentials(&self) -> (Option<&str>, Option<&str>) {
        match &self.userinfo {
            None => (None, None),
            Some((user, Some(password))) if !user.is_empty() => (Some(user), Some(password)),
            Some((_, Some(password))) => (None, Some(password)),
            Some((name, None)) => (None, Some(name)),
        }
    }

    /// The key of the password file for this address and, perhaps, a user.
    pub fn password_key(&self, user: &str) -> String {
        let userinfo = match &self.userinfo {
            _ if !user.is_empty() => format!("{}@", encode(user)),
            None => String::new(),
            Some((name, None)) => format!("{}@", encode(name)),
            // A colon without a password goes.
            Some((name, Some(password))) if password.is_empty() => format!("{}@", encode(name)),
            Some((name, Some(password))) => format!("{}:{}@", encode(name), encode(password)),
        };
        let Url {
            scheme,
            host,
            path,
            rest,
            ..
        } = self;
        format!("{scheme}://{userinfo}{host}{path}{rest}")
    }

    /// The address for logs and errors: passwords are masked, also a lone name, which is one.
    pub fn redacted(&self) -> String {
        let userinfo = match &self.userinfo {
            None => String::new(),
            Some((user, Some(_))) => format!("{}:xxxxx@", encode(user)),
            Some((_, None)) => "xxxxx@".to_owned(),
        };
        format!("{}://{userinfo}{}{}", self.scheme, self.host, self.path)
    }

    /// What to connect to, and the database to select if it is not the first.
    pub fn endpoint(&self) -> Result<(Endpoint, Option<u64>), String> {
        match self.scheme.as_str() {
            "redis" | "rediss" => Ok((self.tcp(Some(6379))?, self.database()?)),
            "tcp" => Ok((self.tcp(None)?, None)),
            "unix" => Ok((Endpoint::Unix(format!("{}{}", self.host, self.path)), None)),
            other => Err(format!(
                "unknown scheme {other:?}, expected redis, rediss, valkey, valkeys, unix or tcp"
            )),
        }
    }

    /// Whether the scheme asks for TLS.
    pub fn is_tls(&self) -> bool {
        self.scheme == "rediss"
    }

    fn tcp(&self, default_port: Option<u16>) -> Result<Endpoint, String> {
        let (host, port) = split_port(&self.host);
        let port = match (port, default_port) {
            (Some(port), _) if !port.is_empty() => port
                .parse()
                .map_err(|_| format!("expected a port up to 65535, got {port:?}"))?,
            (_, Some(port)) => port,
            (_, None) => return Err("expected a port".to_owned()),
        };
        let host = percent_decode_str(host).decode_utf8_lossy().into_owned();
        Ok(Endpoint::Tcp {
            host: match host.is_empty() {
                true => "localhost".to_owned(),
                false => host,
            },
            port,
            tls: self.is_tls(),
        })
    }

    /// The digits behind the last slash of the path.
    fn database(&self) -> Result<Option<u64>, String> {
        let Some((_, digits)) = self.path.rsplit_once('/') else {
            return Ok(None);
        };
        if digits.is_empty() {
            return Ok(None);
        }
        let number = Some(digits).filter(|d| d.bytes().all(|b| b.is_ascii_digit()));
        let number = number.and_then(|d| d.parse().ok());
        match number {
            Some(0) => Ok(None),
            Some(number) => Ok(Some(number)),
            None => Err(format!("expected a database number, got {digits:?}")),
        }
    }
}

/// The scheme in lower case, in the words of redis.
fn scheme_word(scheme: &str) -> Result<String, String> {
    let mut bytes = scheme.bytes();
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
    if !bytes.next().is_some_and(|b| b.is_ascii_alphabetic()) || !bytes.all(legal) {
        return Err("expected a scheme of letters before ://".to_owned());
    }
    Ok(match scheme {
        "valkey" => "redis".to_owned(),
        "valkeys" => "rediss".to_owned(),
        other => other.to_ascii_lowercase(),
    })
}

fn parse_userinfo(text: &str) -> Result<(String, Option<String>), String> {
    let (user, password) = match text.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (text, None),
    };
    let password = password.map(decode).transpose()?;
    Ok((decode(user)?, password))
}

fn decode(text: &str) -> Result<String, String> {
    check_escapes(text)?;
    Ok(percent_decode_str(text).decode_utf8_lossy().into_owned())
}

fn check_escapes(text: &str) -> Result<(), String> {
    let bad = text.split('%').skip(1).any(|tail| {
        let digits = tail.as_bytes().get(..2);
        !digits.is_some_and(|d| d.iter().all(u8::is_ascii_hexdigit))
    });
    match bad {
        true => Err("expected two hexadecimal digits after each percent sign".to_owned()),
        false => Ok(()),
    }
}

/// Characters that stand for themselves in userinfo; the others are escaped.
fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b if b.is_ascii_alphanumeric() => out.push(char::from(b)),
            b'-' | b'_' | b'.' | b'~' | b'$' | b'&' | b'+' | b',' | b';' | b'=' => {
                out.push(char::from(byte));
            }
            // Writing to a String cannot fail.
            b => {
                let _ = write!(out, "%{b:02X}");
            }
        }
    }
    out
}

/// Host and what follows the colon behind it.
fn split_port(host: &str) -> (&str, Option<&str>) {
    if let Some(rest) = host.strip_prefix('[') {
        let (inside, after) = rest.split_once(']').unwrap_or((rest, ""));
        return (inside, after.strip_prefix(':'));
    }
    match host.rsplit_once(':') {
        // Several colons without brackets: an address without port.
        Some((before, _)) if before.contains(':') => (host, None),
        Some((before, port)) => (before, Some(port)),
        None => (host, None),
    }
}

fn check_host(host: &str) -> Result<(), String> {
    if host.contains([' ', '<', '>', '"', '\\', '^', '`', '{', '|', '}']) {
        return Err("expected a host without blanks and brackets".to_owned());
    }
    let after = match host.strip_prefix('[') {
        Some(rest) => {
            let (_, after) = rest
                .split_once(']')
                .ok_or("expected a closing bracket behind the IPv6 address")?;
            after
        }
        None => host.rfind(':').map_or("", |at| &host[at..]),
    };
    let port = match after {
        "" => return Ok(()),
        after => after.strip_prefix(':'),
    };
    match port.is_some_and(|p| p.bytes().all(|b| b.is_ascii_digit())) {
        true => check_escapes(host),
        false => Err("expected a number behind the colon of the host".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tcp(host: &str, port: u16, tls: bool) -> Endpoint {
        Endpoint::Tcp {
            host: host.to_owned(),
            port,
            tls,
        }
    }

    #[test]
    fn endpoints() {
        for (text, endpoint, database) in [
            ("redis://h:1", tcp("h", 1, false), None),
            ("redis://h", tcp("h", 6379, false), None),
            ("redis://", tcp("localhost", 6379, false), None),
            ("redis://:7/", tcp("localhost", 7, false), None),
            ("rediss://h/3", tcp("h", 6379, true), Some(3)),
            ("valkey://h/0", tcp("h", 6379, false), None),
            ("valkeys://h", tcp("h", 6379, true), None),
            ("h:8", tcp("h", 8, false), None),
            ("h", tcp("h", 6379, false), None),
            ("redis://[::1]:9/x/12?a=b", tcp("::1", 9, false), Some(12)),
            ("redis://u:p%40@h", tcp("h", 6379, false), None),
            ("tcp://h:1", tcp("h", 1, false), None),
            (
                "unix:///run/r.sock",
                Endpoint::Unix("/run/r.sock".into()),
                None,
            ),
        ] {
            assert_eq!(
                Url::parse(text).unwrap().endpoint().unwrap(),
                (endpoint, database),
                "{text}"
            );
        }
        for text in [
            "redis://h/x",
            "http://h",
            "tcp://h",
            "redis://h:70000",
            "redis://h/3x",
        ] {
            assert!(Url::parse(text).unwrap().endpoint().is_err(), "{text}");
        }
        for text in [
            "redis://h:x",
            "redis://h\n",
            "redis://a b",
            "redis://[::1",
            "1x://h",
            "redis://%zz@h",
            "://h",
        ] {
            assert!(Url::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn users_and_passwords() {
        for (text, user, password) in [
            ("redis://h", None, None),
            ("redis://u:p%2F@h", Some("u"), Some("p/")),
            ("redis://:p@h", None, Some("p")),
            ("redis://name@h", None, Some("name")),
        ] {
            assert_eq!(
                Url::parse(text).unwrap().credentials(),
                (user, password),
                "{text}"
            );
        }
        assert_eq!(Url::parse("redis://name@h").unwrap().user(), Some("name"));
        assert_eq!(Url::parse("redis://:x@h").unwrap().user(), Some(""));
    }

    #[test]
    fn keys_of_the_password_file() {
        for (text, user, key) in [
            ("h:1", "", "redis://h:1"),
            ("valkeys://h:1/", "", "rediss://h:1/"),
            ("redis://h:1/2", "u", "redis://u@h:1/2"),
            ("redis://a:b@h", "u", "redis://u@h"),
            ("redis://a:@h", "", "redis://a@h"),
            ("unix:///run/r.sock", "", "unix:///run/r.sock"),
        ] {
            assert_eq!(Url::parse(text).unwrap().password_key(user), key, "{text}");
        }
    }

    #[test]
    fn passwords_are_masked() {
        for (text, masked) in [
            ("redis://u:secret@h:1", "redis://u:xxxxx@h:1"),
            ("redis://secret@h", "redis://xxxxx@h"),
            ("redis://h/1?password=secret", "redis://h/1"),
        ] {
            assert_eq!(Url::parse(text).unwrap().redacted(), masked);
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            if let Ok(url) = Url::parse(&text) {
                let _ = (url.endpoint(), url.redacted(), url.password_key("u"));
            }
        }
    }
}
