//! The request and the redirects that follow it.

use super::cookies::Jar;
use super::{Measured, token};
use crate::client::{self, Answer, Outgoing, Payload, Times, header_name, header_value};
use crate::config::{Client, Http, TlsOptions, read_secret};
use crate::net::address::{Address, bracketed};
use crate::net::dial;
use crate::probe::Probe;
use crate::url::Url;
use crate::{debug, tls};
use base64::Engine;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use std::net::IpAddr;

/// Redirects that are followed.
const MOST_REDIRECTS: u32 = 10;

/// Bytes of the body of a redirect that are read.
const MOST_DRAINED: i64 = 2048;

/// The answer that counts.
pub struct Final {
    /// Head and body.
    pub answer: Answer,
    /// Whether it is a redirect that was not followed, whose body nobody reads.
    pub closed: bool,
}

/// Where a probe begins.
#[derive(Debug)]
pub struct Start {
    /// The target.
    pub url: Url,
    /// `Host`, the URL's where it is empty.
    host: String,
    /// What the certificate must be for.
    server_name: String,
}

impl Start {
    /// Reads the target of a probe.
    pub fn new(probe: &Probe<'_>) -> Result<Self, String> {
        let target = probe.target;
        let starts = |scheme: &str| {
            target
                .get(..scheme.len())
                .is_some_and(|t| t.eq_ignore_ascii_case(scheme))
        };
        let text = match starts("http://") || starts("https://") {
            true => target.to_owned(),
            false => format!("http://{target}"),
        };
        let url = Url::parse(&text)?;
        let headers = &probe.module.http.headers;
        let configured = headers
            .iter()
            .rev()
            .find(|h| h.0.eq_ignore_ascii_case("host"));
        let host = configured.map_or(String::new(), |h| crate::url::ascii_host(&h.1));
        let server_name = match host.as_str() {
            "" => url.hostname().to_owned(),
            host => crate::url::split_host(host).0.to_owned(),
        };
        Ok(Start {
            host,
            server_name,
            url,
        })
    }
}

/// One request of the chain.
struct Hop {
    url: Url,
    /// `Host`, the URL's where it is empty.
    host: String,
    /// The address that was chosen, on the first hop and on those relative to it.
    address: Option<Address>,
    method: Method,
    with_body: bool,
    referer: Option<String>,
}

/// Where credentials go: the host that was asked for and those below it.
struct Trust {
    host: String,
    lost: bool,
}

impl Trust {
    fn admits(&mut self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let same = host == self.host
            || host
                .strip_suffix(&self.host)
                .is_some_and(|h| h.ends_with('.'));
        self.lost |= !same;
        !self.lost
    }
}

/// What all hops share.
struct Chain<'m> {
    settings: &'m Http,
    source: Option<IpAddr>,
    /// Configured headers and credentials of the first request.
    headers: HeaderMap,
    /// Headers that every request gets in addition.
    added: Vec<(HeaderName, HeaderValue)>,
    /// `Authorization` of the configured headers, which no other replaces.
    own_authorization: Option<HeaderValue>,
    authorization: Option<HeaderValue>,
    body: Payload,
    server_name: String,
    /// The host of the first URL as it is dialled: with the address in place of the name.
    dialled: String,
    /// TLS without `server_name`, for other hosts.
    elsewhere: TlsOptions,
    trust: Trust,
    jar: Jar,
}

/// What can be said of a request before it is sent.
#[derive(Debug)]
pub struct Prepared {
    source: Option<IpAddr>,
    method: Method,
    body: Payload,
}

impl Prepared {
    /// Checks method, body and files.
    pub fn new(settings: &Http) -> Result<Self, String> {
        tls::check(&settings.client.tls)?;
        let method = match settings.method.as_str() {
            "" => Method::GET,
            text => Method::try_from(text).map_err(|_| format!("invalid method {text:?}"))?,
        };
        Ok(Prepared {
            source: dial::source(&settings.source_ip_address)?,
            method,
            body: payload(settings)?,
        })
    }
}

/// Sends the request, follows redirects, and returns the last answer.
pub async fn follow(
    probe: &mut Probe<'_>,
    start: Start,
    prepared: Prepared,
    address: Option<Address>,
    measured: &mut Measured,
) -> Result<Final, String> {
    let settings = &probe.module.http;
    let Prepared {
        source,
        method,
        body,
    } = prepared;
    let mut chain = Chain::new(settings, &start, source, body, address).await?;
    let mut hop = Hop {
        url: start.url,
        host: start.host,
        address,
        method,
        with_body: true,
        referer: None,
    };
    loop {
        debug!(probe.log, "Making HTTP request", "url" => hop.url.redacted(), "host" => hop.host());
        let mut answer = {
            let mut summed = Summed {
                times: Times::default(),
                is_first: measured.redirects == 0,
                measured,
            };
            chain.send(&hop, &mut summed).await?
        };
        let next = chain.next(&hop, &answer)?;
        let Some(next) = next else {
            return Ok(Final {
                answer,
                closed: false,
            });
        };
        measured.redirects += 1;
        if !settings.client.follow_redirects || measured.redirects > MOST_REDIRECTS {
            debug!(probe.log, "Not following redirect");
            return Ok(Final {
                answer,
                closed: true,
            });
        }
        debug!(probe.log, "Received redirect", "location" => next.url.redacted());
        drain(&mut answer).await;
        hop = next;
    }
}

/// Reads the body of a redirect where it is short or does not tell its length, as the original does:
/// a server that does not finish its redirects fails.
async fn drain(answer: &mut Answer) {
    let mut left = MOST_DRAINED;
    while answer.head.content_length <= MOST_DRAINED && left > 0 {
        match answer.data().await {
            Ok(Some(bytes)) => left -= bytes.len() as i64,
            Ok(None) | Err(_) => return,
        }
    }
}

/// Adds the times of a hop to those of the probe, also where the deadline ends it.
struct Summed<'a> {
    times: Times,
    is_first: bool,
    measured: &'a mut Measured,
}

impl Drop for Summed<'_> {
    fn drop(&mut self) {
        if !self.is_first {
            *self.measured.resolve.get_or_insert(0.0) += self.times.resolve;
        }
        self.measured.connect += self.times.connect;
        self.measured.tls += self.times.tls;
        self.measured.processing += self.times.processing;
    }
}

impl Hop {
    /// The host that is asked for, with its port.
    fn host(&self) -> &str {
        match self.host.as_str() {
            "" => &self.url.host,
            host => host,
        }
    }

    fn hostname(&self) -> &str {
        crate::url::split_host(self.host()).0
    }
}

impl<'m> Chain<'m> {
    async fn new(
        settings: &'m Http,
        start: &Start,
        source: Option<IpAddr>,
        body: Payload,
        address: Option<Address>,
    ) -> Result<Self, String> {
        let mut headers = configured_headers(&settings.headers)?;
        let client = &settings.client;
        // A token goes before whatever else there is.
        let others = |value: &HeaderValue| client.oauth2.is_none() && !value.is_empty();
        let own_authorization = headers.remove(header::AUTHORIZATION).filter(others);
        let authorization = match user_of(&start.url).filter(others) {
            None if own_authorization.is_none() => {
                let agent = headers.get(header::USER_AGENT).cloned();
                credentials(client, agent).await?
            }
            user => user,
        };
        let dialled = match (address, start.url.port()) {
            (None, _) => start.url.host.clone(),
            (Some(address), "") => bracketed(address),
            (Some(address), port) => format!("{}:{port}", bracketed(address)),
        };
        let host = match start.host.as_str() {
            "" => start.url.hostname(),
            host => crate::url::split_host(host).0,
        };
        Ok(Chain {
            settings,
            source,
            headers,
            added: added_headers(client)?,
            own_authorization,
            authorization,
            body,
            server_name: start.server_name.clone(),
            dialled,
            elsewhere: client.tls.elsewhere(),
            trust: Trust {
                host: host.to_ascii_lowercase(),
                lost: false,
            },
            jar: Jar::default(),
        })
    }

    async fn send(&mut self, hop: &Hop, summed: &mut Summed<'_>) -> Result<Answer, String> {
        if !matches!(hop.url.scheme.as_str(), "http" | "https") {
            let scheme = &hop.url.scheme;
            return Err(format!("unsupported protocol scheme {scheme:?}"));
        }
        let trusted = self.trust.admits(hop.hostname());
        let headers = self.headers_of(hop, trusted);
        let first = hop.address.is_some() || hop.url.host == self.dialled;
        let client = &self.settings.client;
        let empty = Payload::default();
        let outgoing = Outgoing {
            source: self.source,
            url: &hop.url,
            address: hop.address,
            server_name: if first {
                &self.server_name
            } else {
                hop.url.hostname()
            },
            tls: if first { &client.tls } else { &self.elsewhere },
            http2: client.enable_http2,
            proxy: &client.proxy,
            method: &hop.method,
            host: &hop.host,
            headers: &headers,
            body: if hop.with_body { &self.body } else { &empty },
        };
        match client::send(outgoing, &mut summed.times).await {
            Ok(answer) => {
                self.jar
                    .take(&answer.head.headers, &hop.url, hop.hostname());
                Ok(answer)
            }
            Err(trouble) => {
                summed.measured.presented = trouble.presented;
                Err(trouble.why)
            }
        }
    }

    /// `Authorization` of a hop. A user in its URL is for this host, whoever it is.
    fn authorization_of(&self, hop: &Hop, trusted: bool) -> Option<HeaderValue> {
        let trusting = |value: &Option<HeaderValue>| value.clone().filter(|_| trusted);
        let user = user_of(&hop.url).filter(|_| self.settings.client.oauth2.is_none());
        trusting(&self.own_authorization)
            .or(user)
            .or_else(|| trusting(&self.authorization))
    }

    fn headers_of(&self, hop: &Hop, trusted: bool) -> HeaderMap {
        let mut headers = self.headers.clone();
        if !hop.with_body {
            let about_body: Vec<_> = headers
                .keys()
                .filter(|name| name.as_str().starts_with("content-"))
                .cloned()
                .collect();
            for name in about_body {
                headers.remove(name);
            }
        }
        if !trusted {
            for name in [
                header::COOKIE,
                header::WWW_AUTHENTICATE,
                header::PROXY_AUTHORIZATION,
                header::PROXY_AUTHENTICATE,
            ] {
                headers.remove(name);
            }
            headers.remove("cookie2");
        }
        if let Some(value) = self.authorization_of(hop, trusted) {
            headers.insert(header::AUTHORIZATION, value);
        }
        if let Some(referer) = &hop.referer
            && !headers.contains_key(header::REFERER)
            && let Ok(value) = HeaderValue::try_from(referer)
        {
            headers.insert(header::REFERER, value);
        }
        self.jar.put(&mut headers, &hop.url, hop.hostname());
        for (name, value) in &self.added {
            if trusted || name != header::COOKIE {
                headers.append(name, value.clone());
            }
        }
        headers
    }

    /// The request that an answer redirects to.
    fn next(&self, hop: &Hop, answer: &Answer) -> Result<Option<Hop>, String> {
        let status = answer.head.status;
        let keeps = matches!(status, 307 | 308);
        let changes = matches!(status, 301..=303);
        let location = answer.head.headers.get(header::LOCATION);
        let location = location.map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned());
        let Some(location) = location.filter(|l| !l.is_empty() && (keeps || changes)) else {
            return Ok(None);
        };
        // What was streamed cannot be sent again.
        if keeps && hop.with_body && self.body.chunked {
            return Ok(None);
        }
        let url = hop
            .url
            .join(&location)
            .map_err(|e| format!("bad Location: {e}"))?;
        let relative =
            Url::parse(&location).is_ok_and(|r| r.scheme.is_empty() && r.host.is_empty());
        let same = relative || url.host == self.dialled && hop.address.is_some();
        let is_simple = matches!(hop.method, Method::GET | Method::HEAD);
        Ok(Some(Hop {
            host: if relative {
                hop.host.clone()
            } else {
                String::new()
            },
            address: hop.address.filter(|_| same),
            method: match keeps || is_simple {
                true => hop.method.clone(),
                false => Method::GET,
            },
            with_body: hop.with_body && keeps,
            referer: self.referer(hop, &url),
            url,
        }))
    }

    /// The URL of a hop with the address that was dialled, unless TLS ends there.
    fn referer(&self, hop: &Hop, next: &Url) -> Option<String> {
        if hop.url.is_tls() && !next.is_tls() {
            return None;
        }
        let mut url = hop.url.clone();
        url.user = None;
        if hop.address.is_some() {
            url.host.clone_from(&self.dialled);
        }
        Some(url.to_string())
    }
}

/// What names the exporter to servers.
const USER_AGENT: &str = concat!("Blackbox-Exporter/", env!("CARGO_PKG_VERSION"));

/// The `headers` of the module, but for those that the request itself makes.
fn configured_headers(configured: &[(String, String)]) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    let mut sorted: Vec<_> = configured.iter().collect();
    sorted.sort_by_key(|h| h.0.to_ascii_lowercase());
    for (name, value) in sorted {
        let key = header_name(name)?;
        if matches!(
            key,
            header::HOST | header::CONTENT_LENGTH | header::TRANSFER_ENCODING | header::TRAILER
        ) {
            continue;
        }
        if key == header::USER_AGENT && value.is_empty() {
            headers.remove(key);
            continue;
        }
        headers.insert(key, header_value(name, value)?);
    }
    Ok(headers)
}

/// `http_headers`, secret files read now.
fn added_headers(client: &Client) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    let mut added = Vec::new();
    for (name, sources) in &client.http_headers {
        let key = header_name(name)?;
        let mut values = sources.values.clone();
        values.extend(sources.secrets.iter().map(|s| s.0.clone()));
        for file in &sources.files {
            values.push(read_secret(file).map_err(|e| format!("unable to read headers file {e}"))?);
        }
        for value in values {
            added.push((key.clone(), header_value(name, &value)?));
        }
    }
    Ok(added)
}

/// `Authorization` from the options of the client.
async fn credentials(
    client: &Client,
    agent: Option<HeaderValue>,
) -> Result<Option<HeaderValue>, String> {
    let text = if let Some(authorization) = &client.authorization {
        let credentials = authorization.credentials.resolve();
        let credentials =
            credentials.map_err(|e| format!("unable to read authorization credentials: {e}"))?;
        format!("{} {credentials}", authorization.kind)
    } else if let Some(auth) = &client.basic_auth {
        let user = auth.username.resolve()?;
        let password = auth.password.resolve()?;
        basic(&user, &password)
    } else if let Some(oauth) = &client.oauth2 {
        let agent = agent.unwrap_or_else(|| HeaderValue::from_static(USER_AGENT));
        // On the heap, or every probe would have room for the exchange of a token.
        Box::pin(token::authorization(oauth, &agent)).await?
    } else {
        return Ok(None);
    };
    let mut value = header_value("Authorization", &text)?;
    value.set_sensitive(true);
    Ok(Some(value))
}

/// `Authorization` from the user in a URL.
fn user_of(url: &Url) -> Option<HeaderValue> {
    let (user, password) = url.user.as_ref()?;
    let text = basic(user, password.as_deref().unwrap_or_default());
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// RFC 7617
pub fn basic(user: &str, password: &str) -> String {
    let packed = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    format!("Basic {packed}")
}

fn payload(settings: &Http) -> Result<Payload, String> {
    if settings.body_file.is_empty() {
        return Ok(Payload {
            bytes: Bytes::from(settings.body.clone()),
            chunked: false,
        });
    }
    let file = &settings.body_file;
    let bytes = std::fs::read(file).map_err(|e| format!("failed to open body file {file}: {e}"))?;
    Ok(Payload {
        bytes: bytes.into(),
        chunked: true,
    })
}
