//! Which proxy a request goes through, and how it is entered: HTTP, HTTPS and SOCKS 5.

use super::{Outgoing, Stream, Times, Trouble, header_name, header_value};
use crate::config::ProxyOptions;
use crate::net::address::{Address, bracketed, literal};
use crate::tls::{self, Session};
use crate::url::Url;
use base64::Engine;
use exporter_core::dialect::no_proxy;
use http::HeaderValue;
use std::net::IpAddr;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Bytes that the answer of a proxy may have.
const LONGEST_HEAD: usize = 64 * 1024;

/// A proxy.
#[derive(Clone, Debug)]
pub struct Via {
    url: Url,
}

/// The proxy for a URL; `None` where it is reached directly.
pub fn choose(
    options: &ProxyOptions,
    url: &Url,
    address: Option<Address>,
) -> Result<Option<Via>, Trouble> {
    let (proxy, exceptions) = match &options.url {
        Some(proxy) => (proxy.clone(), options.no_proxy.clone()),
        None if options.from_environment => match from_environment(url)? {
            Some(found) => found,
            None => return Ok(None),
        },
        None => return Ok(None),
    };
    let port = url.port_or_default();
    // Only a proxy without exceptions is asked for the own host.
    let loopback = address.is_some_and(|a| a.ip.is_loopback()) || is_own(url.hostname());
    if loopback && (options.url.is_none() || !exceptions.is_empty()) {
        return Ok(None);
    }
    let by_address = address.is_some_and(|a| excepts(&exceptions, &a.ip.to_string(), port));
    if by_address || excepts(&exceptions, url.hostname(), port) {
        return Ok(None);
    }
    Ok(Some(Via { url: proxy }))
}

/// What the environment says for a scheme. The own host is never asked over it.
fn from_environment(url: &Url) -> Result<Option<(Url, String)>, Trouble> {
    let variable = |name: &str| {
        let lower = std::env::var(name.to_ascii_lowercase());
        std::env::var(name).or(lower).ok().filter(|v| !v.is_empty())
    };
    let name = if url.is_tls() {
        "HTTPS_PROXY"
    } else {
        "HTTP_PROXY"
    };
    let Some(text) = variable(name).filter(|_| !is_own(url.hostname())) else {
        return Ok(None);
    };
    let text = if text.contains("://") {
        text
    } else {
        format!("http://{text}")
    };
    let proxy = Url::parse(&text).map_err(|e| format!("{name}: {e}"))?;
    Ok(Some((proxy, variable("NO_PROXY").unwrap_or_default())))
}

/// Whether a host is the one that the exporter runs on.
fn is_own(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whether a list of hosts without a proxy holds one, whose name may end in the dot of the root.
fn excepts(list: &str, host: &str, port: u16) -> bool {
    no_proxy::holds(list, host.trim_end_matches('.'), port)
}

impl Via {
    /// The proxy.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Whether it understands requests for other hosts.
    pub fn is_http(&self) -> bool {
        !self.url.scheme.starts_with("socks5")
    }

    /// `Proxy-Authorization`, where the proxy's URL has a user.
    pub fn authorization(&self) -> Option<HeaderValue> {
        let (user, password) = self.url.user.as_ref()?;
        let text = format!("{user}:{}", password.as_deref().unwrap_or_default());
        let packed = base64::engine::general_purpose::STANDARD.encode(text);
        let mut value = HeaderValue::try_from(format!("Basic {packed}")).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Asks the proxy, which a stream leads to, for a way to the server. A plain request over an HTTP
    /// proxy needs none. The value has what TLS told where it is spoken with the proxy.
    pub async fn enter(
        &self,
        mut stream: Box<dyn Stream>,
        outgoing: Outgoing<'_>,
        times: &mut Times,
    ) -> Result<(Box<dyn Stream>, Option<Session>), Trouble> {
        let started = Instant::now();
        let mut session = None;
        if self.url.is_tls() {
            let options = outgoing.tls.elsewhere();
            let connected = tls::connect(&options, self.url.hostname(), &[], stream).await;
            let (tls, told) = connected.map_err(|f| format!("proxyconnect tcp: {}", f.why))?;
            stream = Box::new(tls);
            session = Some(told);
        }
        match self.url.scheme.as_str() {
            "" | "http" | "https" if !outgoing.url.is_tls() => {}
            "" | "http" | "https" => self.tunnel(&mut stream, outgoing).await?,
            "socks5" | "socks5h" => self.socks(&mut stream, outgoing).await?,
            other => return Err(format!("unsupported proxy scheme {other:?}").into()),
        }
        times.connect += started.elapsed().as_secs_f64();
        Ok((stream, session))
    }

    /// CONNECT (RFC 9110, section 9.3.6).
    async fn tunnel(
        &self,
        stream: &mut Box<dyn Stream>,
        outgoing: Outgoing<'_>,
    ) -> Result<(), Trouble> {
        let port = outgoing.url.port_or_default();
        let host = match outgoing.address {
            Some(address) => bracketed(address),
            None => match outgoing.url.hostname() {
                v6 if v6.contains(':') => format!("[{v6}]"),
                name => name.to_owned(),
            },
        };
        let mut head = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n");
        for (name, values) in &outgoing.proxy.connect_header {
            header_name(name)?;
            for value in values {
                let value = header_value(name, &value.0)?;
                head.push_str(&format!(
                    "{name}: {}\r\n",
                    String::from_utf8_lossy(value.as_bytes())
                ));
            }
        }
        if let Some(value) = self.authorization() {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            head.push_str(&format!("Proxy-Authorization: {value}\r\n"));
        }
        head.push_str("\r\n");
        let io = |e: std::io::Error| format!("proxyconnect tcp: {e}");
        stream.write_all(head.as_bytes()).await.map_err(io)?;
        let line = head_of_proxy(stream).await?;
        let mut words = line.splitn(3, ' ');
        match (words.next(), words.next()) {
            (Some(version), Some("200")) if version.starts_with("HTTP/1.") => Ok(()),
            _ => {
                let status = line.split_once(' ').map_or("", |(_, status)| status);
                Err(format!("the proxy answered CONNECT with {status:?}").into())
            }
        }
    }

    /// RFC 1928 and RFC 1929
    async fn socks(
        &self,
        stream: &mut Box<dyn Stream>,
        outgoing: Outgoing<'_>,
    ) -> Result<(), Trouble> {
        let io = |e: std::io::Error| format!("socks connect: {e}");
        let methods: &[u8] = if self.url.user.is_some() {
            &[5, 2, 0, 2]
        } else {
            &[5, 1, 0]
        };
        stream.write_all(methods).await.map_err(io)?;
        let mut chosen = [0; 2];
        stream.read_exact(&mut chosen).await.map_err(io)?;
        match chosen {
            [5, 0] => {}
            [5, 2] => self.socks_password(stream).await?,
            _ => {
                return Err("socks connect: no acceptable authentication"
                    .to_owned()
                    .into());
            }
        }
        let mut request = vec![5, 1, 0];
        match outgoing
            .address
            .or_else(|| literal(outgoing.url.hostname()))
            .map(|a| a.ip)
        {
            Some(IpAddr::V4(ip)) => {
                request.push(1);
                request.extend(ip.octets());
            }
            Some(IpAddr::V6(ip)) => {
                request.push(4);
                request.extend(ip.octets());
            }
            None => {
                let name = outgoing.url.hostname().as_bytes();
                let length =
                    u8::try_from(name.len()).map_err(|_| "the host name is too long".to_owned())?;
                request.extend([3, length]);
                request.extend(name);
            }
        }
        request.extend(outgoing.url.port_or_default().to_be_bytes());
        stream.write_all(&request).await.map_err(io)?;
        let mut head = [0; 4];
        stream.read_exact(&mut head).await.map_err(io)?;
        if head[1] != 0 {
            return Err(format!("socks connect: the proxy answered with code {}", head[1]).into());
        }
        let length = match head[3] {
            1 => 4,
            4 => 16,
            3 => usize::from(stream.read_u8().await.map_err(io)?),
            _ => return Err("socks connect: the answer is malformed".to_owned().into()),
        };
        stream
            .read_exact(&mut vec![0; length + 2])
            .await
            .map_err(io)?;
        Ok(())
    }

    async fn socks_password(&self, stream: &mut Box<dyn Stream>) -> Result<(), Trouble> {
        let io = |e: std::io::Error| format!("socks connect: {e}");
        let (user, password) = self.url.user.clone().unwrap_or_default();
        let mut request = vec![1];
        for text in [user, password.unwrap_or_default()] {
            let length = u8::try_from(text.len())
                .map_err(|_| "socks connect: user or password is too long".to_owned())?;
            request.push(length);
            request.extend(text.as_bytes());
        }
        stream.write_all(&request).await.map_err(io)?;
        let mut answer = [0; 2];
        stream.read_exact(&mut answer).await.map_err(io)?;
        match answer[1] {
            0 => Ok(()),
            _ => Err("socks connect: user or password was refused"
                .to_owned()
                .into()),
        }
    }
}

/// Reads the answer to CONNECT and nothing behind it. Its first line.
async fn head_of_proxy(stream: &mut Box<dyn Stream>) -> Result<String, Trouble> {
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") && !answer.ends_with(b"\n\n") {
        if answer.len() > LONGEST_HEAD {
            let why = "proxyconnect tcp: the answer of the proxy is too long";
            return Err(why.to_owned().into());
        }
        let byte = stream.read_u8().await;
        answer.push(byte.map_err(|e| format!("proxyconnect tcp: {e}"))?);
    }
    let text = String::from_utf8_lossy(&answer);
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions() {
        for (list, host, port, excepted) in [
            ("*", "a.test", 80, true),
            ("a.test", "a.test", 80, true),
            ("a.test", "x.a.test", 80, true),
            ("a.test", "xa.test", 80, false),
            (".a.test", "a.test", 80, false),
            (".a.test", "x.a.test", 80, true),
            ("*.a.test", "x.a.test", 80, true),
            ("a.test:81", "a.test", 80, false),
            ("a.test:80", "a.test", 80, true),
            ("10.0.0.0/8", "10.1.2.3", 80, true),
            ("10.0.0.0/8", "11.1.2.3", 80, false),
            ("::1", "::1", 80, true),
            ("fe80::/10", "fe80::1", 80, true),
            ("10.0.0.1, B.test ", "b.TEST", 80, true),
            ("", "a.test", 80, false),
        ] {
            assert_eq!(excepts(list, host, port), excepted, "{list} {host}");
        }
    }
}
