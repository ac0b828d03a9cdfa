//! Web sockets (RFC 6455): the upgrade of a connection, and perhaps a conversation over it.

use super::http::basic;
use crate::client::{header_name, header_value};
use crate::config::{Step, WebSocket, read_secret};
use crate::log::ProbeLog;
use crate::net::address::{self, Address};
use crate::net::dial;
use crate::probe::{Probe, within};
use crate::tls;
use crate::url::Url;
use crate::{debug, error, warning};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use exporter_core::dialect::regexp::expand;
use exporter_core::exposition::Family;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::Empty;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use ring::rand::{SecureRandom, SystemRandom};
use std::io;
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::task::JoinSet;

static STATUS: Family = Family::gauge(
    "probe_websocket_status_code",
    &[],
    "Status code of the answer to the upgrade.",
);
static UPGRADED: Family = Family::gauge(
    "probe_websocket_connection_upgraded",
    &[],
    "Whether the connection was upgraded.",
);
static REGEX: Family = Family::gauge(
    "probe_websocket_failed_due_to_regex",
    &[],
    "Whether the conversation failed.",
);
static PHASES: Family = Family::gauge(
    "probe_websocket_duration_seconds",
    &["phase"],
    "Time that the probe took by phase in seconds.",
);

/// Families of this prober.
pub fn families() -> Vec<&'static Family> {
    let own: &[&Family] = &[&STATUS, &UPGRADED, &REGEX, &PHASES];
    [address::FAMILIES, own].concat()
}

/// A message may have so many bytes.
const LARGEST: u64 = 1 << 24;
/// What a server's key ends in before it is hashed.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

#[derive(Default)]
struct Measured {
    status: u16,
    upgraded: bool,
    failed: bool,
    connect: Option<f64>,
    processing: Option<f64>,
    transfer: Option<f64>,
}

/// Probes.
pub async fn probe(probe: &mut Probe<'_>) -> bool {
    let url = match Url::parse(probe.target) {
        Ok(url) => url,
        Err(why) => {
            error!(probe.log, "Could not parse target URL", "err" => why);
            return false;
        }
    };
    let mut measured = Measured::default();
    let success = run(probe, &url, &mut measured).await;
    let out = &mut probe.out;
    out.put(&STATUS, &[], f64::from(measured.status));
    out.put(&UPGRADED, &[], f64::from(u8::from(measured.upgraded)));
    out.put(&REGEX, &[], f64::from(u8::from(measured.failed)));
    let phases = [
        ("connect", measured.connect),
        ("processing", measured.processing),
        ("transfer", measured.transfer),
    ];
    for (phase, seconds) in phases {
        if let Some(seconds) = seconds {
            out.put(&PHASES, &[phase], seconds);
        }
    }
    success
}

async fn run(probe: &mut Probe<'_>, url: &Url, measured: &mut Measured) -> bool {
    if !matches!(url.scheme.as_str(), "ws" | "wss") || url.user.is_some() || url.host.is_empty() {
        error!(probe.log, "Expected a ws:// or wss:// URL without user");
        return false;
    }
    let module = probe.module;
    let settings = &module.websocket;
    let address = address::choose(probe, &settings.ip, url.hostname()).await;
    probe.out.put(&PHASES, &["resolve"], probe.lookup_seconds);
    let Some(address) = address else {
        return false;
    };
    let deadline = probe.deadline;
    let headers = headers(settings, &mut probe.log);
    let opening = open(settings, url, address, headers, measured);
    let mut socket = match within(deadline, opening).await.and_then(|result| result) {
        Ok(socket) => socket,
        Err(why) => {
            error!(probe.log, "Error dialing websocket", "err" => why);
            return false;
        }
    };
    if settings.steps.is_empty() {
        close(&mut socket).await;
        return true;
    }
    let started = Instant::now();
    let talked = within(deadline, talk(&mut socket, &settings.steps, &mut probe.log)).await;
    measured.transfer = Some(started.elapsed().as_secs_f64());
    match talked.and_then(|result| result) {
        Ok(()) => {
            close(&mut socket).await;
            true
        }
        Err(why) => {
            error!(probe.log, "Error in the conversation", "err" => why);
            measured.failed = true;
            false
        }
    }
}

/// Credentials, then the headers of the module. What cannot be read is told and left out.
fn headers(settings: &WebSocket, log: &mut ProbeLog) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut add = |name: &str, value: Result<String, String>, log: &mut ProbeLog| {
        let pair = value.and_then(|v| Ok((header_name(name)?, header_value(name, &v)?)));
        match pair {
            Ok((name, value)) => {
                headers.append(name, value);
            }
            Err(why) => warning!(log, "A header is left out", "header" => name, "err" => why),
        }
    };
    if let Some(auth) = &settings.client.basic_auth {
        let pair = auth
            .username
            .resolve()
            .and_then(|user| Ok(basic(&user, &auth.password.resolve()?)));
        add("Authorization", pair, log);
    }
    if let Some(authorization) = &settings.client.authorization {
        let credentials = authorization.credentials.resolve();
        if credentials.as_ref().map_or(true, |c| !c.is_empty()) {
            let kind = &authorization.kind;
            add(
                "Authorization",
                credentials.map(|c| format!("{kind} {c}")),
                log,
            );
        }
    }
    let all = settings.client.http_headers.iter().chain(&settings.headers);
    for (name, sources) in all {
        for value in &sources.values {
            add(name, Ok(value.clone()), log);
        }
        for secret in &sources.secrets {
            add(name, Ok(secret.0.clone()), log);
        }
        for file in &sources.files {
            add(name, read_secret(file), log);
        }
    }
    headers
}

type Socket = TokioIo<Upgraded>;

async fn open(
    settings: &WebSocket,
    url: &Url,
    address: Address,
    headers: HeaderMap,
    measured: &mut Measured,
) -> Result<Socket, String> {
    let started = Instant::now();
    let stream = dial::connect(address.with_port(url.port_or_default()), None).await;
    let stream = stream.map_err(|e| format!("connect: {e}"))?;
    measured.connect = Some(started.elapsed().as_secs_f64());
    let connected = Instant::now();
    let upgraded = async {
        if !url.is_tls() {
            return upgrade(stream, url, headers, measured).await;
        }
        let handshake = tls::connect(&settings.client.tls, url.hostname(), &[], stream).await;
        let (stream, _) = handshake.map_err(|failed| failed.why)?;
        upgrade(stream, url, headers, measured).await
    };
    let result = upgraded.await;
    measured.processing = Some(connected.elapsed().as_secs_f64());
    result
}

async fn upgrade<S>(
    stream: S,
    url: &Url,
    headers: HeaderMap,
    measured: &mut Measured,
) -> Result<Socket, String>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let told = |e: hyper::Error| format!("upgrade: {e}");
    let mut builder = hyper::client::conn::http1::Builder::new();
    builder.title_case_headers(true);
    let handshake = builder
        .handshake::<_, Empty<Bytes>>(TokioIo::new(stream))
        .await;
    let (mut sender, connection) = handshake.map_err(told)?;
    let mut nonce = [0; 16];
    // Fails only where the system has no random numbers at all.
    let _ = SystemRandom::new().fill(&mut nonce);
    let key = STANDARD.encode(nonce);
    let mut request = Request::new(Empty::new());
    *request.method_mut() = Method::GET;
    *request.uri_mut() =
        Uri::try_from(url.request_target()).map_err(|e| format!("invalid URL: {e}"))?;
    let all = request.headers_mut();
    let value = |text: &str| HeaderValue::try_from(text).map_err(|e| e.to_string());
    all.insert(header::HOST, value(&url.host)?);
    all.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    all.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    all.insert(header::SEC_WEBSOCKET_KEY, value(&key)?);
    all.insert(
        header::SEC_WEBSOCKET_VERSION,
        HeaderValue::from_static("13"),
    );
    for (name, value) in &headers {
        all.append(name, value.clone());
    }
    // Ends with the upgrade, or with this function.
    let mut driving = JoinSet::new();
    driving.spawn(connection.with_upgrades());
    let response = sender.send_request(request).await.map_err(told)?;
    measured.status = response.status().as_u16();
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(format!(
            "the server answered with status {}",
            response.status()
        ));
    }
    let accepted = response.headers().get(header::SEC_WEBSOCKET_ACCEPT);
    if accepted.map(HeaderValue::as_bytes) != Some(accept(&key).as_bytes()) {
        return Err("the server did not accept the key".to_owned());
    }
    let upgraded = hyper::upgrade::on(response).await.map_err(told)?;
    measured.upgraded = true;
    Ok(TokioIo::new(upgraded))
}

/// What the server answers a key with.
fn accept(key: &str) -> String {
    let digest = ring::digest::digest(
        &ring::digest::SHA1_FOR_LEGACY_USE_ONLY,
        format!("{key}{GUID}").as_bytes(),
    );
    STANDARD.encode(digest)
}

async fn talk(
    socket: &mut (impl AsyncRead + AsyncWrite + Unpin),
    steps: &[Step],
    log: &mut ProbeLog,
) -> Result<(), String> {
    for step in steps {
        let mut send = step.send.clone();
        if let Some(pattern) = &step.expect {
            let message = read_message(socket)
                .await
                .map_err(|e| format!("receiving: {e}"))?;
            let text = String::from_utf8_lossy(&message);
            debug!(log, "Received message", "message" => text);
            let Some(captures) = pattern.regex.captures(&text) else {
                return Err(format!("the message does not match {:?}", pattern.text));
            };
            if let Ok(template) = std::str::from_utf8(&step.send) {
                send = expand(template, &captures).into_bytes();
            }
        }
        if !send.is_empty() {
            write_frame(socket, TEXT, &send)
                .await
                .map_err(|e| format!("sending: {e}"))?;
        }
    }
    Ok(())
}

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

async fn write_frame(
    socket: &mut (impl AsyncWrite + Unpin),
    opcode: u8,
    payload: &[u8],
) -> io::Result<()> {
    let mut mask = [0; 4];
    let _ = SystemRandom::new().fill(&mut mask);
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&mask);
    frame.extend(
        payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    socket.write_all(&frame).await?;
    socket.flush().await
}

/// The next text or binary message; pings are answered on the way.
async fn read_message(socket: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<Vec<u8>> {
    let mut message = Vec::new();
    loop {
        let head = socket.read_u16().await?;
        let (last, opcode) = (head & 0x8000 != 0, (head >> 8 & 0xf) as u8);
        if head & 0x80 != 0 {
            return Err(io::Error::other("a server may not mask its frames"));
        }
        let length = match head & 0x7f {
            126 => u64::from(socket.read_u16().await?),
            127 => socket.read_u64().await?,
            short => u64::from(short),
        };
        if length + message.len() as u64 > LARGEST {
            return Err(io::Error::other("the message is too large"));
        }
        let mut payload = Vec::new();
        let read = (&mut *socket)
            .take(length)
            .read_to_end(&mut payload)
            .await?;
        if read as u64 != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match opcode {
            PING => write_frame(socket, PONG, &payload).await?,
            CLOSE => return Err(io::Error::other("the server closed the conversation")),
            CONTINUATION..=2 => {
                message.append(&mut payload);
                if last {
                    return Ok(message);
                }
            }
            _ => {}
        }
    }
}

/// Says goodbye; nobody waits for the answer.
async fn close(socket: &mut (impl AsyncWrite + Unpin)) {
    let _ = write_frame(socket, CLOSE, &1000u16.to_be_bytes()).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys() {
        // The example of RFC 6455, section 1.3.
        assert_eq!(
            accept("dGhlIHNhbXBsZSBub25jZQ=="),
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
    }

    #[tokio::test]
    async fn messages_in_pieces() {
        let (mut near, mut far) = tokio::io::duplex(1 << 18);
        far.write_all(b"\x89\x01p\x01\x02he\x80\x03llo\x81\x7e\x00\x7e")
            .await
            .unwrap();
        far.write_all(&[b'x'; 126]).await.unwrap();
        far.write_all(b"\x88\x00").await.unwrap();
        assert_eq!(read_message(&mut near).await.unwrap(), b"hello");
        assert_eq!(read_message(&mut near).await.unwrap().len(), 126);
        assert!(read_message(&mut near).await.is_err());
        let mut pong = [0; 7];
        far.read_exact(&mut pong).await.unwrap();
        assert_eq!(pong[..2], [0x8a, 0x81]);
        assert_eq!(pong[6] ^ pong[2], b'p');
        write_frame(&mut near, TEXT, &[b'y'; 70_000]).await.unwrap();
        let mut head = [0; 10];
        far.read_exact(&mut head).await.unwrap();
        assert_eq!(head[..2], [0x81, 0xff]);
        assert_eq!(u64::from_be_bytes(head[2..].try_into().unwrap()), 70_000);
    }
}
