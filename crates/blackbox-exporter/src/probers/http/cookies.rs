//! Cookies that one hop sets and later hops get (RFC 6265), for the length of one probe.

use crate::url::Url;
use http::{HeaderMap, HeaderValue, header};
use std::net::IpAddr;

/// The cookies of one probe.
#[derive(Debug, Default)]
pub struct Jar(Vec<Cookie>);

#[derive(Debug)]
struct Cookie {
    name: String,
    value: String,
    domain: String,
    host_only: bool,
    path: String,
    secure: bool,
}

impl Jar {
    /// Takes the cookies of an answer of a host.
    pub fn take(&mut self, headers: &HeaderMap, url: &Url, host: &str) {
        for value in headers.get_all(header::SET_COOKIE) {
            let Ok(text) = value.to_str() else {
                continue;
            };
            if let Some((cookie, lives)) = parse(text, &url.path, host) {
                self.0.retain(|c| {
                    (&c.name, &c.domain, &c.path) != (&cookie.name, &cookie.domain, &cookie.path)
                });
                if lives {
                    self.0.push(cookie);
                }
            }
        }
    }

    /// The `Cookie` header for a request, added to what is there.
    pub fn put(&self, headers: &mut HeaderMap, url: &Url, host: &str) {
        let host = host.to_ascii_lowercase();
        let path = if url.path.is_empty() { "/" } else { &url.path };
        let mut fitting: Vec<&Cookie> = self
            .0
            .iter()
            .filter(|c| {
                let domain = match c.host_only {
                    true => host == c.domain,
                    false => is_below(&host, &c.domain),
                };
                domain && is_under(path, &c.path) && (!c.secure || url.is_tls())
            })
            .collect();
        fitting.sort_by_key(|c| std::cmp::Reverse(c.path.len()));
        if fitting.is_empty() {
            return;
        }
        let mut pairs: Vec<String> = Vec::new();
        if let Some(present) = headers.get(header::COOKIE).and_then(|v| v.to_str().ok()) {
            pairs.push(present.to_owned());
        }
        pairs.extend(fitting.iter().map(|c| format!("{}={}", c.name, c.value)));
        if let Ok(value) = HeaderValue::try_from(pairs.join("; ")) {
            headers.insert(header::COOKIE, value);
        }
    }
}

/// A cookie, and whether it lives beyond this answer.
fn parse(text: &str, request_path: &str, host: &str) -> Option<(Cookie, bool)> {
    let host = host.to_ascii_lowercase();
    let mut parts = text.split(';').map(str::trim);
    let (name, value) = parts.next()?.split_once('=')?;
    if name.trim().is_empty() {
        return None;
    }
    let folder = request_path
        .rfind('/')
        .map_or("/", |at| &request_path[..at.max(1)]);
    let mut cookie = Cookie {
        name: name.trim().to_owned(),
        value: value.trim().trim_matches('"').to_owned(),
        domain: host.clone(),
        host_only: true,
        path: folder.to_owned(),
        secure: false,
    };
    let mut lives = true;
    for part in parts {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        match key.trim().to_ascii_lowercase().as_str() {
            "domain" if !value.trim().is_empty() => {
                let domain = value.trim().trim_start_matches('.').to_ascii_lowercase();
                if domain != host {
                    // An address has no parents, and nobody speaks for a whole top-level domain.
                    let is_name = host.parse::<IpAddr>().is_err();
                    if !is_name || !is_below(&host, &domain) || !domain.contains('.') {
                        return None;
                    }
                }
                cookie.host_only = domain == host && host.parse::<IpAddr>().is_ok();
                cookie.domain = domain;
            }
            "path" if value.starts_with('/') => cookie.path = value.to_owned(),
            "secure" => cookie.secure = true,
            "max-age" => {
                lives = value
                    .trim()
                    .parse::<i64>()
                    .map_or(lives, |seconds| seconds > 0)
            }
            _ => {}
        }
    }
    Some((cookie, lives))
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
        ] {
            assert_eq!(sent(set, from, to), cookies, "{set:?}");
        }
    }
}
