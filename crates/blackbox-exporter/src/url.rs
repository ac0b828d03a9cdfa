//! URLs as Go's `net/url` reads them: paths and queries stay as they are written.

use percent_encoding::percent_decode_str;
use std::fmt;
use std::net::Ipv6Addr;

/// An absolute URL with an authority, or a reference to resolve against one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Url {
    /// Lower case; empty in a reference without one.
    pub scheme: String,
    /// User and perhaps password, decoded.
    pub user: Option<(String, Option<String>)>,
    /// Host and perhaps port as written, IPv6 in brackets.
    pub host: String,
    /// Path, escaped.
    pub path: String,
    /// What stands behind the question mark.
    pub query: Option<String>,
}

impl Url {
    /// Parses a URL or a reference. A fragment is dropped. The error is a sentence without the text,
    /// which may hold a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.bytes().any(|b| b.is_ascii_control()) {
            return Err("invalid control character in URL".to_owned());
        }
        let text = text.split('#').next().unwrap_or_default();
        let mut url = Url::default();
        let mut rest = text;
        if let Some((scheme, tail)) = scheme(text)? {
            url.scheme = scheme.to_ascii_lowercase();
            rest = tail;
        } else if text
            .split(['/', '?'])
            .next()
            .is_some_and(|first| first.contains(':'))
        {
            return Err("first path segment in URL cannot contain colon".to_owned());
        }
        // Without a slash what follows is neither host nor path.
        if !url.scheme.is_empty() && !rest.starts_with(['/', '?']) && !rest.is_empty() {
            return Ok(url);
        }
        if let Some((before, query)) = rest.split_once('?') {
            url.query = Some(escape_blanks(query));
            rest = before;
        }
        let is_path = url.scheme.is_empty() && rest.starts_with("///");
        if let Some(tail) = rest.strip_prefix("//").filter(|_| !is_path) {
            let end = tail.find('/').unwrap_or(tail.len());
            url.set_authority(&tail[..end])?;
            rest = &tail[end..];
        }
        check_escapes(rest)?;
        url.path = escape(rest, b"");
        Ok(url)
    }

    fn set_authority(&mut self, authority: &str) -> Result<(), String> {
        let host = match authority.rsplit_once('@') {
            Some((user, host)) => {
                let odd =
                    |b: u8| !(b.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&b));
                if user.bytes().any(odd) {
                    return Err("invalid user in URL".to_owned());
                }
                check_escapes(user)?;
                let (name, password) = match user.split_once(':') {
                    Some((name, password)) => (name, Some(unescape(password))),
                    None => (user, None),
                };
                self.user = Some((unescape(name), password));
                host
            }
            None => authority,
        };
        let odd = |c: char| " \\^`{|}".contains(c);
        if host.contains(odd) {
            return Err("invalid character in host name".to_owned());
        }
        let port = match host.strip_prefix('[') {
            Some(bracketed) => {
                let (address, port) = bracketed.rsplit_once(']').ok_or("missing ']' in host")?;
                let zoneless = address.split("%25").next().unwrap_or_default();
                zoneless
                    .parse::<Ipv6Addr>()
                    .map_err(|_| "invalid IP address in brackets")?;
                port
            }
            None => host.rfind(':').map_or("", |at| &host[at..]),
        };
        let is_port = |p: &str| {
            p.strip_prefix(':')
                .is_some_and(|p| p.bytes().all(|b| b.is_ascii_digit()))
        };
        if !port.is_empty() && !is_port(port) {
            return Err(format!("invalid port {port:?} after host"));
        }
        // A zone is written with an escaped percent sign; elsewhere only what is not ASCII may be.
        let zoned = host.starts_with('[');
        check_escapes(host)?;
        let escapes = host.split('%').skip(1);
        if !zoned && escapes.clone().any(|e| e.as_bytes()[0] < b'8') {
            return Err("invalid URL escape in host name".to_owned());
        }
        self.host = ascii_host(&unescape(host));
        Ok(())
    }

    /// The host without port and brackets.
    pub fn hostname(&self) -> &str {
        split_host(&self.host).0
    }

    /// The port as written, empty where there is none.
    pub fn port(&self) -> &str {
        split_host(&self.host).1
    }

    /// The port, by scheme where none is written.
    pub fn port_or_default(&self) -> u16 {
        match self.port().parse() {
            Ok(port) => port,
            Err(_) if matches!(self.scheme.as_str(), "https" | "wss") => 443,
            Err(_) if self.scheme.starts_with("socks5") => 1080,
            Err(_) => 80,
        }
    }

    /// Whether it speaks TLS.
    pub fn is_tls(&self) -> bool {
        matches!(self.scheme.as_str(), "https" | "wss")
    }

    /// Path and query as a request has them. In queries the library takes all that Go sends as it is
    /// written but for quotes and angle brackets.
    pub fn request_target(&self) -> String {
        let mut target = match self.path.as_str() {
            "" => "/".to_owned(),
            path if path.starts_with('/') => path.to_owned(),
            path => format!("/{path}"),
        };
        if let Some(query) = &self.query {
            target.push('?');
            for c in query.chars() {
                match c {
                    '"' => target.push_str("%22"),
                    '<' => target.push_str("%3C"),
                    '>' => target.push_str("%3E"),
                    c => target.push(c),
                }
            }
        }
        target
    }

    /// Resolves a reference (RFC 3986, section 5.2).
    pub fn join(&self, reference: &str) -> Result<Url, String> {
        let mut url = Url::parse(reference)?;
        if !url.scheme.is_empty() {
            url.path = without_dots(&url.path);
            return Ok(url);
        }
        url.scheme.clone_from(&self.scheme);
        if !url.host.is_empty() {
            url.path = without_dots(&url.path);
            return Ok(url);
        }
        url.host.clone_from(&self.host);
        url.user.clone_from(&self.user);
        if url.path.is_empty() {
            url.path.clone_from(&self.path);
            url.query = url.query.or_else(|| self.query.clone());
            return Ok(url);
        }
        if !url.path.starts_with('/') {
            let folder = self.path.rfind('/').map_or("/", |at| &self.path[..=at]);
            url.path = format!("{folder}{}", url.path);
        }
        url.path = without_dots(&url.path);
        Ok(url)
    }

    /// The URL with a password shown as `xxxxx`.
    pub fn redacted(&self) -> String {
        let mut url = self.clone();
        if let Some((_, Some(password))) = &mut url.user {
            *password = "xxxxx".to_owned();
        }
        url.to_string()
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.scheme.is_empty() {
            write!(f, "{}:", self.scheme)?;
        }
        if !self.host.is_empty() || self.user.is_some() {
            f.write_str("//")?;
            if let Some((name, password)) = &self.user {
                f.write_str(&escape(name, b"/?#@:%"))?;
                if let Some(password) = password {
                    write!(f, ":{}", escape(password, b"/?#@:%"))?;
                }
                f.write_str("@")?;
            }
            f.write_str(&self.host)?;
        }
        f.write_str(&self.path)?;
        match &self.query {
            Some(query) => write!(f, "?{query}"),
            None => Ok(()),
        }
    }
}

/// Scheme and what follows its colon.
fn scheme(text: &str) -> Result<Option<(&str, &str)>, String> {
    let Some(end) = text.find(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c))) else {
        return Ok(None);
    };
    match text[end..].strip_prefix(':') {
        Some(_) if end == 0 => Err("missing protocol scheme".to_owned()),
        Some(tail) if text.as_bytes()[0].is_ascii_alphabetic() => Ok(Some((&text[..end], tail))),
        Some(_) => Err("first path segment in URL cannot contain colon".to_owned()),
        None => Ok(None),
    }
}

/// A host, perhaps with a port, as DNS, `Host` and certificates have it: letters that are not ASCII
/// are converted for lookup (UTS 46). What cannot be converted stays, and is not found.
pub fn ascii_host(host: &str) -> String {
    if host.is_ascii() {
        return host.to_owned();
    }
    let (name, port) = host.split_at(host.rfind(':').unwrap_or(host.len()));
    let converted = idna::uts46::Uts46::new().to_ascii(
        name.as_bytes(),
        idna::AsciiDenyList::STD3,
        idna::uts46::Hyphens::Check,
        idna::uts46::DnsLength::Ignore,
    );
    match converted {
        Ok(name) => format!("{name}{port}"),
        Err(_) => host.to_owned(),
    }
}

/// Splits `host:port`, `[v6]:port` or a host alone; brackets are taken off.
pub fn split_host(host: &str) -> (&str, &str) {
    if let Some(bracketed) = host.strip_prefix('[') {
        let (name, rest) = bracketed.split_once(']').unwrap_or((bracketed, ""));
        return (name, rest.strip_prefix(':').unwrap_or(""));
    }
    host.rsplit_once(':').unwrap_or((host, ""))
}

/// Every percent sign is followed by two hexadecimal digits.
fn check_escapes(text: &str) -> Result<(), String> {
    let mut parts = text.split('%');
    parts.next();
    let is_hex =
        |part: &str| part.len() >= 2 && part.as_bytes()[..2].iter().all(u8::is_ascii_hexdigit);
    match parts.all(is_hex) {
        true => Ok(()),
        false => Err("invalid URL escape".to_owned()),
    }
}

/// Escapes what would break a request line; queries are sent as they are written otherwise.
fn escape_blanks(query: &str) -> String {
    let mut out = String::with_capacity(query.len());
    for c in query.chars() {
        match c {
            ' ' => out.push_str("%20"),
            c if c.is_ascii_control() => out.push_str(&format!("%{:02X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

/// Escapes what may not stand in a URL, and `more`.
pub fn escape(text: &str, more: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        let odd =
            !byte.is_ascii_graphic() || b"\"<>\\^`{|}".contains(&byte) || more.contains(&byte);
        if odd {
            out.push_str(&format!("%{byte:02X}"));
        } else {
            out.push(char::from(byte));
        }
    }
    out
}

/// Replaces percent escapes; malformed ones stay.
pub fn unescape(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Resolves `.` and `..` of a path.
fn without_dots(path: &str) -> String {
    if !path.contains("/.") {
        return path.to_owned();
    }
    let mut kept: Vec<&str> = Vec::new();
    let segments: Vec<&str> = path.split('/').collect();
    for (at, segment) in segments.iter().enumerate() {
        let last = at + 1 == segments.len();
        match *segment {
            "." if last => kept.push(""),
            "." => {}
            ".." => {
                if kept.len() > 1 {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            other => kept.push(other),
        }
    }
    kept.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hosts_of_other_alphabets() {
        for (host, ascii) in [
            ("Example.ORG:80", "Example.ORG:80"),
            ("bücher.example:8080", "xn--bcher-kva.example:8080"),
            ("BÜCHER.example", "xn--bcher-kva.example"),
            ("faß.example", "xn--fa-hia.example"),
            ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
            // Not for lookup: they stay, and no server knows them.
            ("bü_cher.example", "bü_cher.example"),
            ("-ü.example", "-ü.example"),
        ] {
            assert_eq!(ascii_host(host), ascii, "{host}");
        }
        let url = Url::parse("http://b%C3%BCcher.example/ü").unwrap();
        assert_eq!(url.host, "xn--bcher-kva.example");
        let next = url.join("//ü.example/x").unwrap();
        assert_eq!(next.hostname(), "xn--tda.example");
    }

    #[test]
    fn parts() {
        let url = Url::parse("HTTP://u:p%40@[::1]:8080/a b/%2f?x=1 2#frag").unwrap();
        assert_eq!(url.scheme, "http");
        assert_eq!(url.user, Some(("u".to_owned(), Some("p@".to_owned()))));
        assert!(Url::parse("ht tp://x").is_err() && Url::parse("a b/c:d").is_ok());
        assert_eq!((url.hostname(), url.port()), ("::1", "8080"));
        assert_eq!(url.request_target(), "/a%20b/%2f?x=1%202");
        assert_eq!(
            url.to_string(),
            "http://u:p%40@[::1]:8080/a%20b/%2f?x=1%202"
        );
        assert_eq!(
            url.redacted(),
            "http://u:xxxxx@[::1]:8080/a%20b/%2f?x=1%202"
        );
        let url = Url::parse("http://::1/").unwrap();
        assert_eq!((url.hostname(), url.port()), (":", "1"));
        assert_eq!(Url::parse("///a/b").unwrap().path, "///a/b");
        assert_eq!(Url::parse("mailto:a@b").unwrap().to_string(), "mailto:");
        assert_eq!(Url::parse("https://a").unwrap().request_target(), "/");
        assert_eq!(Url::parse("http://a?x").unwrap().request_target(), "/?x");
        let url = Url::parse("ws://a/?{\"<é>\"}").unwrap();
        assert_eq!(url.request_target(), "/?{%22%3Cé%3E%22}");
        assert!(http::Uri::try_from(url.request_target()).is_ok());
        for bad in [
            "http://a:b",
            "http://a b/",
            "http://%zz",
            "http://%41",
            "http://[::1",
            "http://[127.0.0.1]/",
            "http://[::g]:80/",
            "http://a b@h/",
            "http://a\\b/",
            "http://a/%zz",
            ":x",
            "http://a\n",
            "1:2",
        ] {
            assert!(Url::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn references() {
        let base = Url::parse("http://h:1/a/b/c?q").unwrap();
        for (reference, joined) in [
            ("d", "http://h:1/a/b/d"),
            ("../d?x", "http://h:1/a/d?x"),
            ("../../../d", "http://h:1/d"),
            ("/x/./y/..", "http://h:1/x/"),
            ("//other/p", "http://other/p"),
            ("https://o/../p", "https://o/p"),
            ("?y", "http://h:1/a/b/c?y"),
            ("", "http://h:1/a/b/c?q"),
        ] {
            assert_eq!(
                base.join(reference).unwrap().to_string(),
                joined,
                "{reference}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String, reference: String) {
            if let Ok(url) = Url::parse(&text) {
                let _ = (url.join(&reference), url.to_string(), url.request_target(), url.port_or_default());
            }
        }
    }
}
