//! gRPC: one call of the health service (`grpc.health.v1.Health/Check`) over HTTP/2.
//!
//! Its two messages have a field each, so they are written and read here by hand.

use crate::client::{EndTasks, Payload, Tasks, header_name, header_value};
use crate::error;
use crate::net::address::{self, Address};
use crate::net::dial;
use crate::probe::{Probe, within};
use crate::tls::{self, Session, Shown};
use crate::url::Url;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;
use exporter_core::exposition::Family;
use h2::Reason;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, header};
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite};

static PHASES: Family = Family::gauge(
    "probe_grpc_duration_seconds",
    &["phase"],
    "Time that the probe took by phase in seconds.",
);
static SSL: Family = Family::gauge("probe_grpc_ssl", &[], "Whether the call went over TLS.");
static STATUS: Family = Family::gauge("probe_grpc_status_code", &[], "Status of the call.");
static HEALTH: Family = Family::gauge(
    "probe_grpc_healthcheck_response",
    &["serving_status"],
    "Whether the server answered with this status.",
);

/// Families of this prober.
pub fn families() -> Vec<&'static Family> {
    let own: &[&Family] = &[&PHASES, &SSL, &STATUS, &HEALTH];
    [address::FAMILIES, own, tls::FAMILIES].concat()
}

/// Words of the serving status by number.
const SERVING: [&str; 4] = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];
/// Bytes of metadata that an answer may have.
const LONGEST_HEADERS: u32 = 16 << 20;
/// Answers have a few bytes.
const LARGEST: usize = 1 << 20;

const UNKNOWN: u32 = 2;
const DEADLINE_EXCEEDED: u32 = 4;
const INTERNAL: u32 = 13;
const UNAVAILABLE: u32 = 14;

/// How a call ended.
#[derive(Debug, Default)]
struct Outcome {
    status: u32,
    /// Number of the serving status, where the call succeeded.
    serving: Option<u64>,
    session: Option<Session>,
    presented: Vec<rustls_pki_types::CertificateDer<'static>>,
}

/// Status and reason of a call that failed.
#[derive(Debug)]
struct Failure {
    status: u32,
    why: String,
}

fn failure(status: u32, why: impl Into<String>) -> Failure {
    Failure {
        status,
        why: why.into(),
    }
}

/// Probes.
pub async fn probe(probe: &mut Probe<'_>) -> bool {
    let settings = &probe.module.grpc;
    let text = match probe.target {
        target if target.starts_with("http://") || target.starts_with("https://") => {
            target.to_owned()
        }
        target => format!("http://{target}"),
    };
    let url = match Url::parse(&text) {
        Ok(url) => url,
        Err(why) => {
            error!(probe.log, "Could not parse target URL", "err" => why);
            probe.out.put(&PHASES, &["resolve"], 0.0);
            probe.out.put(&SSL, &[], 0.0);
            probe.out.put(&STATUS, &[], 0.0);
            return false;
        }
    };
    if let Err(why) = tls::check(&settings.tls_config) {
        error!(probe.log, "Error creating TLS configuration", "err" => why);
        probe.out.put(&PHASES, &["resolve"], 0.0);
        probe.out.put(&SSL, &[], 0.0);
        probe.out.put(&STATUS, &[], 0.0);
        return false;
    }
    let address = address::choose(probe, &settings.ip, url.hostname()).await;
    let resolve = address.map_or(0.0, |_| probe.lookup_seconds);
    probe.out.put(&PHASES, &["resolve"], resolve);
    let Some(address) = address else {
        probe.out.put(&SSL, &[], 0.0);
        probe.out.put(&STATUS, &[], 0.0);
        return false;
    };
    let mut outcome = Outcome::default();
    let started = Instant::now();
    let called = within(probe.deadline, call(probe, &url, address, &mut outcome)).await;
    let seconds = started.elapsed().as_secs_f64();
    let called = called.unwrap_or_else(|why| Err(failure(DEADLINE_EXCEEDED, why)));
    if let Err(failure) = &called {
        error!(probe.log, "Error for gRPC request", "err" => failure.why, "code" => failure.status);
        outcome.status = failure.status;
    }
    put(probe, &outcome, called.is_ok(), seconds);
    let serving = outcome.serving == Some(1);
    if called.is_ok() && !serving {
        error!(probe.log, "Failed to check service", "serving_status" => word(outcome.serving));
    }
    serving
}

fn word(serving: Option<u64>) -> &'static str {
    let index = serving.and_then(|s| usize::try_from(s).ok());
    index.and_then(|i| SERVING.get(i)).copied().unwrap_or("")
}

fn put(probe: &mut Probe<'_>, outcome: &Outcome, answered: bool, seconds: f64) {
    let out = &mut probe.out;
    out.put(&PHASES, &["check"], seconds);
    out.put(&STATUS, &[], f64::from(outcome.status));
    let returned = word(outcome.serving);
    for status in SERVING {
        out.put(&HEALTH, &[status], f64::from(u8::from(status == returned)));
    }
    // A number that has no word yet.
    if let (Some(number), "") = (outcome.serving, returned) {
        out.put(&HEALTH, &[&(number as i32).to_string()], 1.0);
    }
    let shown = Shown {
        last_chain: false,
        cipher: false,
    };
    let session = outcome.session.as_ref().filter(|_| answered);
    out.put(&SSL, &[], f64::from(u8::from(session.is_some())));
    match session {
        Some(session) => session.put(out, shown),
        None => tls::put_rejected(&outcome.presented, out),
    }
}

async fn call(
    probe: &Probe<'_>,
    url: &Url,
    address: Address,
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    let settings = &probe.module.grpc;
    let port = match url.port() {
        "" if settings.tls => 443,
        "" => 80,
        port => port
            .parse()
            .map_err(|_| failure(UNAVAILABLE, "invalid port"))?,
    };
    let source =
        dial::source(&settings.source_ip_address).map_err(|why| failure(UNAVAILABLE, why))?;
    let stream = dial::connect(address.with_port(port), source).await;
    let stream = stream.map_err(|e| failure(UNAVAILABLE, format!("connection error: {e}")))?;
    let headers = metadata(&settings.metadata).map_err(|why| failure(INTERNAL, why))?;
    let message = frame(&settings.service);
    if !settings.tls {
        let reply = exchange(stream, "http", &url.host, headers, message).await?;
        outcome.serving = Some(reply);
        return Ok(());
    }
    let handshake = tls::connect(&settings.tls_config, url.hostname(), &[b"h2"], stream).await;
    let (stream, session) = handshake.map_err(|failed| {
        outcome.presented = failed.presented;
        failure(UNAVAILABLE, format!("connection error: {}", failed.why))
    })?;
    if !session.is_http2 {
        return Err(failure(
            UNAVAILABLE,
            "connection error: the server does not speak HTTP/2",
        ));
    }
    outcome.serving = Some(exchange(stream, "https", &url.host, headers, message).await?);
    outcome.session = Some(session);
    Ok(())
}

/// Configured metadata as headers; keys that end in `-bin` carry bytes.
fn metadata(configured: &[(String, Vec<Vec<u8>>)]) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, values) in configured {
        let name = name.to_ascii_lowercase();
        if is_reserved(&name) {
            continue;
        }
        let key = header_name(&name)?;
        for value in values {
            let text = match name.ends_with("-bin") {
                true => STANDARD_NO_PAD.encode(value),
                false => printable(&name, value)?,
            };
            headers.append(&key, header_value(&name, &text)?);
        }
    }
    Ok(headers)
}

/// Keys that the call itself sets, whose values in the module count for nothing.
fn is_reserved(name: &str) -> bool {
    let own = [
        "content-type",
        "user-agent",
        "te",
        "grpc-message-type",
        "grpc-encoding",
        "grpc-message",
        "grpc-status",
        "grpc-timeout",
        "grpc-status-details-bin",
    ];
    name.starts_with(':') || own.contains(&name)
}

/// A value of a key without `-bin`.
fn printable(name: &str, value: &[u8]) -> Result<String, String> {
    match value.iter().all(|b| matches!(b, b' '..=b'~')) {
        true => Ok(String::from_utf8_lossy(value).into_owned()),
        false => Err(format!(
            "metadata {name:?} has a character that is not printable ASCII"
        )),
    }
}

/// A `HealthCheckRequest` with its frame: field 1 is the service.
fn frame(service: &str) -> Vec<u8> {
    let mut message = Vec::new();
    if !service.is_empty() {
        message.push(0x0a);
        push_varint(&mut message, service.len() as u64);
        message.extend_from_slice(service.as_bytes());
    }
    let mut frame = vec![0];
    frame.extend_from_slice(&(message.len() as u32).to_be_bytes());
    frame.extend_from_slice(&message);
    frame
}

fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Field 1 of a `HealthCheckResponse`, 0 where it is absent.
fn parse_reply(mut body: &[u8]) -> Option<u64> {
    let (head, rest) = body.split_at_checked(5)?;
    let length = u32::from_be_bytes(head[1..].try_into().ok()?) as usize;
    // Nothing was offered to be compressed with.
    if head[0] != 0 {
        return None;
    }
    // There is one message, and nothing behind it.
    body = rest.get(..length).filter(|body| body.len() == rest.len())?;
    let mut status = 0;
    while !body.is_empty() {
        let key = varint(&mut body)?;
        match key & 7 {
            0 => {
                let value = varint(&mut body)?;
                if key >> 3 == 1 {
                    status = value;
                }
            }
            1 => body = body.get(8..)?,
            2 => {
                let length = usize::try_from(varint(&mut body)?).ok()?;
                body = body.get(length..)?;
            }
            5 => body = body.get(4..)?,
            _ => return None,
        }
    }
    Some(status)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

async fn exchange<S>(
    stream: S,
    scheme: &str,
    authority: &str,
    metadata: HeaderMap,
    message: Vec<u8>,
) -> Result<u64, Failure>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let unavailable =
        |e: &dyn std::fmt::Display| failure(UNAVAILABLE, format!("connection error: {e}"));
    let tasks = Tasks::default();
    let _ending = EndTasks(tasks.clone());
    let handshake = hyper::client::conn::http2::Builder::new(tasks)
        .max_header_list_size(LONGEST_HEADERS)
        .handshake(TokioIo::new(stream))
        .await;
    let (mut sender, connection) = handshake.map_err(|e| unavailable(&e))?;
    let target = format!("{scheme}://{authority}/grpc.health.v1.Health/Check");
    let uri = Uri::try_from(target).map_err(|e| unavailable(&e))?;
    let mut request = Request::new(Payload {
        bytes: Bytes::from(message),
        chunked: true,
    });
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    *request.version_mut() = http::Version::HTTP_2;
    let headers = request.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/grpc"),
    );
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    let agent = HeaderValue::from_static(concat!("Blackbox-Exporter/", env!("CARGO_PKG_VERSION")));
    headers.insert(header::USER_AGENT, agent);
    headers.extend(metadata);
    let talk = async {
        let response = sender.send_request(request).await.map_err(|e| broken(&e))?;
        read(response).await
    };
    // The connection moves only while it is polled; it ends when the server closes it.
    let mut talk = std::pin::pin!(talk);
    tokio::select! {
        biased;
        result = &mut talk => result,
        _ = connection => talk.await,
    }
}

async fn read(response: http::Response<hyper::body::Incoming>) -> Result<u64, Failure> {
    let (head, body) = response.into_parts();
    if !head.status.is_success() {
        let status = status_of_http(head.status.as_u16());
        return Err(failure(
            status,
            format!("unexpected HTTP status {}", head.status),
        ));
    }
    if !is_grpc(&head.headers) {
        return Err(failure(
            UNKNOWN,
            "the content type of the answer is not that of gRPC",
        ));
    }
    if let Some(result) = status(&head.headers) {
        return result.and(Err(failure(INTERNAL, "the answer has no message")));
    }
    let limited = http_body_util::Limited::new(body, LARGEST);
    let collected = limited.collect().await;
    let collected = collected.map_err(|e| broken(&*e))?;
    let trailers = collected.trailers().cloned().unwrap_or_default();
    match status(&trailers) {
        Some(result) => result?,
        None => {
            return Err(failure(
                INTERNAL,
                "the server ended the call without a status",
            ));
        }
    }
    parse_reply(&collected.to_bytes()).ok_or_else(|| failure(INTERNAL, "the answer is malformed"))
}

/// `application/grpc`, perhaps with a suffix or parameters.
fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let rest = kind.and_then(|kind| kind.strip_prefix(b"application/grpc"));
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

/// `grpc-status` of headers or trailers.
fn status(headers: &HeaderMap) -> Option<Result<(), Failure>> {
    let code = headers.get("grpc-status")?;
    let code = code
        .to_str()
        .ok()
        .and_then(|c| c.trim().parse().ok())
        .unwrap_or(UNKNOWN);
    if code == 0 {
        return Some(Ok(()));
    }
    let message = headers
        .get("grpc-message")
        .map(|m| String::from_utf8_lossy(m.as_bytes()));
    let message = crate::url::unescape(&message.unwrap_or_default());
    Some(Err(failure(code, format!("the call failed: {message}"))))
}

/// An exchange that broke off: what a reset of the stream means to a call, or that there is no
/// connection.
fn broken(error: &(dyn std::error::Error + 'static)) -> Failure {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let mut resets = causes.filter_map(|error| error.downcast_ref::<h2::Error>());
    let reset = resets.find(|e| e.is_reset() && e.is_remote());
    match reset.and_then(h2::Error::reason) {
        None => failure(UNAVAILABLE, format!("connection error: {error}")),
        Some(reason) => failure(
            status_of_reset(reason),
            format!("the server reset the stream: {reason}"),
        ),
    }
}

fn status_of_reset(reason: Reason) -> u32 {
    match reason {
        Reason::REFUSED_STREAM => UNAVAILABLE,
        Reason::CANCEL => 1,
        Reason::ENHANCE_YOUR_CALM | Reason::FLOW_CONTROL_ERROR => 8,
        Reason::INADEQUATE_SECURITY => 7,
        _ => INTERNAL,
    }
}

/// What an HTTP status means to a call.
fn status_of_http(status: u16) -> u32 {
    match status {
        400 => INTERNAL,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502 | 503 | 504 => UNAVAILABLE,
        _ => UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn messages() {
        assert_eq!(frame(""), [0, 0, 0, 0, 0]);
        assert_eq!(frame("ab"), [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
        assert_eq!(frame(&"a".repeat(200))[5..8], [0x0a, 0xc8, 0x01]);
        assert_eq!(parse_reply(&[0, 0, 0, 0, 2, 8, 1]), Some(1));
        assert_eq!(parse_reply(&[0, 0, 0, 0, 0]), Some(0));
        assert_eq!(parse_reply(&[0, 0, 0, 0, 5, 0x12, 1, 9, 8, 3]), Some(3));
        for bad in [
            &[][..],
            &[0, 0, 0, 0, 2, 8],
            &[1, 0, 0, 0, 2, 8, 1],
            &[0, 0, 0, 0, 1, 8],
        ] {
            assert_eq!(parse_reply(bad), None, "{bad:?}");
        }
        assert_eq!(
            (word(Some(1)), word(Some(9)), word(None)),
            ("SERVING", "", "")
        );
    }

    #[test]
    fn keys_are_lower_case_and_bytes_are_packed() {
        let configured = [
            ("X-Key".to_owned(), vec![b"a".to_vec(), b"b".to_vec()]),
            ("k-bin".to_owned(), vec![b"hi".to_vec(), b"\0\xff".to_vec()]),
            (":authority".to_owned(), vec![b"a".to_vec()]),
            ("User-Agent".to_owned(), vec![b"a".to_vec()]),
        ];
        let headers = metadata(&configured).unwrap();
        assert_eq!(headers.get_all("x-key").iter().count(), 2);
        let packed: Vec<_> = headers.get_all("k-bin").iter().collect();
        assert_eq!(packed, ["aGk", "AP8"]);
        assert_eq!(headers.keys_len(), 2);
        for (name, value) in [("x", "ü"), ("x", "a\nb"), ("a b", "c")] {
            let one = [(name.to_owned(), vec![value.as_bytes().to_vec()])];
            assert!(metadata(&one).is_err(), "{name} {value}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = parse_reply(&bytes);
        }
    }
}
