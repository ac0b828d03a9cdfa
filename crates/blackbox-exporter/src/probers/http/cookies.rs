//! Cookies that one hop sets and later hops get (RFC 6265), for the length of one probe.

use super::date;
use crate::url::Url;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

/// The cookies of one probe.
#[derive(Debug, Default)]
pub struct Jar(Vec<Cookie>);

#[derive(Debug)]
struct Cookie {
    name: String,
    value: String,
    quoted: bool,
    domain: String,
    host_only: bool,
    path: String,
    secure: bool,
}

impl Jar {
    /// Takes the cookies of an answer of a host.
    pub fn take(&mut self, headers: &HeaderMap, url: &Url, host: &str) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |t| t.as_secs().try_into().unwrap_or(i64::MAX));
        for value in headers.get_all(header::SET_COOKIE) {
            // What is not ASCII is not a cookie, but may stand in what else the header says.
            let text = String::from_utf8_lossy(value.as_bytes());
            let Some((cookie, lives)) = parse(&text, &url.path, host, now) else {
                continue;
            };
            let id = |c: &Cookie| (c.name.clone(), c.domain.clone(), c.path.clone());
            let known = self.0.iter().position(|c| id(c) == id(&cookie));
            match (known, lives) {
                (Some(at), true) => self.0[at] = cookie,
                (Some(at), false) => drop(self.0.remove(at)),
                (None, true) => self.0.push(cookie),
                (None, false) => {}
            }
        }
    }

    /// The `Cookie` header for a request, added to what is there.
    pub fn put(&self, headers: &mut HeaderMap, url: &Url, host: &str) {
        let host = host.to_ascii_lowercase();
        let path = if url.path.is_empty() { "/" } else { &url.path };
        let fits = |c: &&Cookie| {
            let domain = match c.host_only {
                true => host == c.domain,
                false => is_below(&host, &c.domain),
            };
            domain && is_under(path, &c.path) && (!c.secure || url.is_tls() || is_local(&c.domain))
        };
        let mut fitting: Vec<&Cookie> = self.0.iter().filter(fits).collect();
        fitting.sort_by(|a, b| b.path.cmp(&a.path));
        if fitting.is_empty() {
            return;
        }
        let mut pairs: Vec<String> = Vec::new();
        if let Some(present) = headers.get(header::COOKIE).and_then(|v| v.to_str().ok()) {
            pairs.push(present.to_owned());
        }
        pairs.extend(fitting.iter().map(|c| c.pair()));
        if let Ok(value) = HeaderValue::try_from(pairs.join("; ")) {
            headers.insert(header::COOKIE, value);
        }
    }
}

impl Cookie {
    fn pair(&self) -> String {
        let quoted = !self.value.is_empty() && (self.quoted || self.value.contains([' ', ',']));
        match quoted {
            true => format!("{}=\"{}\"", self.name, self.value),
            false => format!("{}={}", self.name, self.value),
        }
    }
}

/// A cookie, and whether it lives beyond this answer. `now` is in seconds since the epoch.
fn parse(text: &str, request_path: &str, host: &str, now: i64) -> Option<(Cookie, bool)> {
    let host = host.to_ascii_lowercase();
    let mut parts = text.split(';').map(trim);
    let (name, value) = parts.next()?.split_once('=')?;
    let name = trim(name);
    if HeaderName::try_from(name).is_err() {
        return None;
    }
    let inner = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
    let value = inner.unwrap_or(value);
    if !is_value(value) {
        return None;
    }
    let folder = match request_path.rfind('/') {
        Some(at) if request_path.starts_with('/') => &request_path[..at.max(1)],
        _ => "/",
    };
    let mut cookie = Cookie {
        name: name.to_owned(),
        value: value.to_owned(),
        quoted: inner.is_some(),
        domain: host.clone(),
        host_only: true,
        path: folder.to_owned(),
        secure: false,
    };
    let (mut domain, mut seconds, mut end) = ("", 0, None);
    for part in parts {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        if !is_value(value) {
            continue;
        }
        match key.to_ascii_lowercase().as_str() {
            "domain" => domain = value,
            "path" if value.starts_with('/') => cookie.path = value.to_owned(),
            "path" => cookie.path = folder.to_owned(),
            "secure" => cookie.secure = true,
            "max-age" if value == "0" || !value.starts_with('0') => {
                seconds = value
                    .parse::<i64>()
                    .map_or(seconds, |s| if s > 0 { 1 } else { -1 });
            }
            "expires" => end = date::parse_end(value),
            _ => {}
        }
    }
    (cookie.domain, cookie.host_only) = scope(domain, &host)?;
    let lives = match seconds {
        0 => end.is_none_or(|end| end > now),
        seconds => seconds > 0,
    };
    Some((cookie, lives))
}

/// The domain that a cookie of a host is for, and whether it is for that host alone. An address has
/// no parents, and nobody speaks for a whole top-level domain.
fn scope(told: &str, host: &str) -> Option<(String, bool)> {
    if told.is_empty() {
        return Some((host.to_owned(), true));
    }
    if host.parse::<IpAddr>().is_ok() {
        return (told == host).then(|| (host.to_owned(), true));
    }
    let domain = told.strip_prefix('.').unwrap_or(told).to_ascii_lowercase();
    let malformed = domain.is_empty() || domain.starts_with('.') || domain.ends_with('.');
    if malformed || !is_below(host, &domain) {
        return None;
    }
    match domain.contains('.') {
        true => Some((domain, false)),
        false => (domain == host).then_some((domain, true)),
    }
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\r', '\n'])
}

fn is_value(text: &str) -> bool {
    text.bytes()
        .all(|b| matches!(b, b' '..=b'~') && !matches!(b, b'"' | b';' | b'\\'))
}

/// Hosts that need no TLS to be trusted with a secure cookie.
fn is_local(domain: &str) -> bool {
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    let is_loopback = domain.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    is_loopback || domain.rsplit('.').next() == Some("localhost")
}

fn is_below(host: &str, domain: &str) -> bool {
    host == domain || host.strip_suffix(domain).is_some_and(|h| h.ends_with('.'))
}

fn is_under(path: &str, folder: &str) -> bool {
    path == folder
        || path
            .strip_prefix(folder)
            .is_some_and(|rest| folder.ends_with('/') || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(set: &[&str], from: &str, to: &str) -> String {
        let mut jar = Jar::default();
        let mut headers = HeaderMap::new();
        for value in set {
            headers.append(header::SET_COOKIE, HeaderValue::try_from(*value).unwrap());
        }
        let (from, to) = (Url::parse(from).unwrap(), Url::parse(to).unwrap());
        jar.take(&headers, &from, from.hostname());
        let mut headers = HeaderMap::new();
        jar.put(&mut headers, &to, to.hostname());
        let value = headers.get(header::COOKIE);
        value.map_or("", |v| v.to_str().unwrap()).to_owned()
    }

    #[test]
    fn scopes() {
        for (set, from, to, cookies) in [
            (
                &["a=1"][..],
                "http://h.test/x/y",
                "http://h.test/x/z",
                "a=1",
            ),
            (&["a=1"], "http://h.test/x/y", "http://h.test/z", ""),
            (
                &["a=1; Path=/"],
                "http://h.test/x/y",
                "http://h.test/z",
                "a=1",
            ),
            (&["a=1; Path=/"], "http://h.test/", "http://o.test/", ""),
            (
                &["a=1; Domain=test.org"],
                "http://h.test.org/",
                "http://o.test.org/",
                "a=1",
            ),
            (
                &["a=1; Domain=org"],
                "http://h.test.org/",
                "http://h.test.org/",
                "",
            ),
            (
                &["a=1; Domain=other.org"],
                "http://h.test.org/",
                "http://other.org/",
                "",
            ),
            (&["a=1; Secure"], "https://h.test/", "http://h.test/", ""),
            (
                &["a=1", "a=2", "b=3"],
                "http://h.test/",
                "http://h.test/",
                "a=2; b=3",
            ),
            (
                &["a=1", "a=; Max-Age=0"],
                "http://h.test/",
                "http://h.test/",
                "",
            ),
            (&["nonsense", "=x"], "http://h.test/", "http://h.test/", ""),
            (
                &["a=\"q v\"", "b= x y", "c=1,2", "d="],
                "http://h.test/",
                "http://h.test/",
                "a=\"q v\"; b=\" x y\"; c=\"1,2\"; d=",
            ),
            (
                &["a b=1", "c=x\"y", "d=x\\y", "e=ü"],
                "http://h.test/",
                "http://h.test/",
                "",
            ),
            (
                &[
                    "a=1; Expires=Wed, 21 Oct 2015 07:28:00 GMT",
                    "b=2; Expires=Wed, 21-Oct-2099 07:28:00 GMT",
                    "c=3; Max-Age=05",
                    "d=4; Max-Age=-1",
                ],
                "http://h.test/",
                "http://h.test/",
                "b=2; c=3",
            ),
            (
                &["a=1; Secure"],
                "http://127.0.0.1/",
                "http://127.0.0.1/",
                "a=1",
            ),
            (
                &["a=1; Domain=h.test."],
                "http://h.test/",
                "http://h.test/",
                "",
            ),
            (
                &["a=1; Path=/x", "b=2; Path=/", "a=3; Path=/x"],
                "http://h.test/",
                "http://h.test/x",
                "a=3; b=2",
            ),
        ] {
            assert_eq!(sent(set, from, to), cookies, "{set:?}");
        }
    }
}
