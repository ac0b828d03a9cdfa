//! DNS: one query over UDP, TCP or TLS, and rules on what comes back.

use crate::config::{Dns, RecordRules};
use crate::dns::message::{Message, Question, Record};
use crate::dns::names::{CLASSES, RCODES, TYPES, number, word};
use crate::log::ProbeLog;
use crate::net::address::{self, Address};
use crate::net::{dial, resolve};
use crate::probe::{Probe, within};
use crate::tls;
use crate::{debug, error};
use exporter_core::dialect::regexp;
use exporter_core::exposition::Family;
use exporter_core::web::listen::port_number;
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UdpSocket;

static PHASES: Family = Family::gauge(
    "probe_dns_duration_seconds",
    &["phase"],
    "Time that the probe took by phase in seconds.",
);
static ANSWER: Family = Family::gauge(
    "probe_dns_answer_rrs",
    &[],
    "Records in the answer section.",
);
static AUTHORITY: Family = Family::gauge(
    "probe_dns_authority_rrs",
    &[],
    "Records in the authority section.",
);
static ADDITIONAL: Family = Family::gauge(
    "probe_dns_additional_rrs",
    &[],
    "Records in the additional section.",
);
static SUCCEEDED: Family = Family::gauge(
    "probe_dns_query_succeeded",
    &[],
    "Whether a response arrived that could be read.",
);
static SERIAL: Family = Family::gauge("probe_dns_serial", &[], "Serial number of the zone.");
static QUERY_INFO: Family = Family::gauge(
    "probe_dns_query_info",
    &["query_name", "query_type"],
    "Constant 1, labelled with the name and type that were asked for, where the module has query_info.",
);

/// Families of this prober.
pub fn families() -> Vec<&'static Family> {
    let own: &[&Family] = &[
        &PHASES,
        &ANSWER,
        &AUTHORITY,
        &ADDITIONAL,
        &SUCCEEDED,
        &SERIAL,
        &QUERY_INFO,
    ];
    [address::FAMILIES, own].concat()
}

/// Bytes of a response over UDP to a query that does not offer more.
const LARGEST_DATAGRAM: usize = 512;
const SOA: u16 = 6;

#[derive(Default)]
struct Measured {
    /// From the beginning of the exchange to its end.
    exchange: f64,
    /// From sending to the answer.
    request: f64,
    response: Option<Message>,
}

/// Probes.
pub async fn probe(probe: &mut Probe<'_>) -> bool {
    let mut measured = Measured::default();
    let settings = &probe.module.dns;
    let kind = query_type(settings);
    if settings.query_info {
        let (name, kind) = (query_name(probe), word(TYPES, kind, "TYPE"));
        probe.out.put(&QUERY_INFO, &[name, &kind], 1.0);
    }
    let response = ask(probe, &mut measured).await;
    let connect = (measured.exchange - measured.request).max(0.0);
    let resolve = probe.lookup_seconds;
    for (phase, seconds) in [
        ("resolve", resolve),
        ("connect", connect),
        ("request", measured.request),
    ] {
        probe.out.put(&PHASES, &[phase], seconds);
    }
    let empty = Message::default();
    let message = measured.response.as_ref().unwrap_or(&empty);
    let sections = [
        (&ANSWER, &message.answer),
        (&AUTHORITY, &message.authority),
        (&ADDITIONAL, &message.additional),
    ];
    for (family, records) in sections {
        probe.out.put(family, &[], records.len() as f64);
    }
    probe.out.put(
        &SUCCEEDED,
        &[],
        f64::from(u8::from(measured.response.is_some())),
    );
    if kind == SOA && measured.response.is_some() {
        let mut serials = message.answer.iter().filter_map(Record::serial);
        probe
            .out
            .put(&SERIAL, &[], f64::from(serials.next_back().unwrap_or(0)));
    }
    response && judge(settings, message, &mut probe.log)
}

fn query_type(settings: &Dns) -> u16 {
    match settings.query_type.as_str() {
        "" => 255,
        text => number(TYPES, text).unwrap_or(255),
    }
}

/// The name of the module, or else that of the request.
fn query_name<'a>(probe: &Probe<'a>) -> &'a str {
    match probe.module.dns.query_name.as_str() {
        "" => probe.hostname,
        name => name,
    }
}

/// Whether a response came.
async fn ask(probe: &mut Probe<'_>, measured: &mut Measured) -> bool {
    let settings = &probe.module.dns;
    let transport = match settings.transport_protocol.as_str() {
        "" | "udp" => Transport::Udp,
        "tcp" if settings.dns_over_tls => Transport::Tls,
        "tcp" => Transport::Tcp,
        other => {
            let why = format!("transport_protocol {other:?}: expected udp or tcp");
            error!(probe.log, "Configuration error", "err" => why);
            return false;
        }
    };
    let target = probe.target;
    let (host, port) = split(
        target,
        if transport == Transport::Tls {
            "853"
        } else {
            "53"
        },
    );
    let Some(address) = address::choose(probe, &settings.ip, host).await else {
        probe.lookup_seconds = 0.0;
        return false;
    };
    if settings.dns_over_tls && transport != Transport::Tls {
        error!(probe.log, "Configuration error", "err" => "dns_over_tls needs transport_protocol: tcp");
        return false;
    }
    let started = Instant::now();
    let asking = exchange(probe, transport, host, port, address, &mut measured.request);
    let result = within(probe.deadline, asking)
        .await
        .and_then(|result| result);
    measured.exchange = started.elapsed().as_secs_f64();
    match result {
        Ok(message) if message.is_cut || !message.records().all(Record::is_well_formed) => {
            error!(probe.log, "Error while sending a DNS query", "err" => "the response is malformed");
            false
        }
        Ok(message) => {
            debug!(probe.log, "Got response", "rcode" => word(RCODES, message.rcode, "RCODE"));
            measured.response = Some(message);
            true
        }
        Err(why) => {
            error!(probe.log, "Error while sending a DNS query", "err" => why);
            false
        }
    }
}

/// Host and port; without a port the whole is a host, an address of IPv6 too.
fn split<'t>(target: &'t str, default: &'t str) -> (&'t str, &'t str) {
    address::split_host_port(target).unwrap_or((target, default))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Udp,
    Tcp,
    Tls,
}

/// Keeps the time of a request, also of one that the deadline cuts off.
struct Stopwatch<'t> {
    started: Instant,
    seconds: &'t mut f64,
}

impl<'t> Stopwatch<'t> {
    fn start(seconds: &'t mut f64) -> Self {
        Stopwatch {
            started: Instant::now(),
            seconds,
        }
    }
}

impl Drop for Stopwatch<'_> {
    fn drop(&mut self) {
        *self.seconds = self.started.elapsed().as_secs_f64();
    }
}

async fn exchange(
    probe: &Probe<'_>,
    transport: Transport,
    host: &str,
    port: &str,
    address: Address,
    request: &mut f64,
) -> Result<Message, String> {
    let settings = &probe.module.dns;
    let source = dial::source(&settings.source_ip_address)?;
    let port = port_number(port).map_err(|e| e.to_string())?;
    let server = address.with_port(port);
    let question = Question {
        name: query_name(probe).to_owned(),
        kind: query_type(settings),
        class: number(CLASSES, &settings.query_class).unwrap_or(1),
    };
    let id = resolve::random_id();
    let query = question.encode(id, settings.recursion_desired)?;
    let io = |e: std::io::Error| e.to_string();
    match transport {
        Transport::Udp => {
            let socket = dial::datagrams(server, source).await.map_err(io)?;
            let _stopwatch = Stopwatch::start(request);
            over_udp(&socket, &query, id).await
        }
        Transport::Tcp => {
            let stream = dial::connect(server, source).await.map_err(io)?;
            over_stream(stream, &query, id, request).await
        }
        Transport::Tls => {
            let stream = dial::connect(server, source).await.map_err(io)?;
            let connected = tls::connect(&settings.tls_config, host, &[], stream).await;
            let (stream, _) = connected.map_err(|failed| failed.why)?;
            over_stream(stream, &query, id, request).await
        }
    }
}

async fn over_udp(socket: &UdpSocket, query: &[u8], id: u16) -> Result<Message, String> {
    socket.send(query).await.map_err(|e| e.to_string())?;
    // What is longer is cut off.
    let mut buffer = [0; LARGEST_DATAGRAM];
    loop {
        let length = socket.recv(&mut buffer).await.map_err(|e| e.to_string())?;
        // An answer to another query.
        if length < 2 || buffer[..2] != id.to_be_bytes() {
            continue;
        }
        return Message::parse(&buffer[..length]);
    }
}

async fn over_stream(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    query: &[u8],
    id: u16,
    request: &mut f64,
) -> Result<Message, String> {
    let _stopwatch = Stopwatch::start(request);
    let length = u16::try_from(query.len()).map_err(|e| e.to_string())?;
    let exchange = async {
        stream
            .write_all(&[&length.to_be_bytes()[..], query].concat())
            .await?;
        stream.flush().await?;
        let length = stream.read_u16().await?;
        let mut answer = vec![0; usize::from(length)];
        stream.read_exact(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = exchange.await;
    let message = Message::parse(&answer.map_err(|e| e.to_string())?)?;
    match message.id == id {
        true => Ok(message),
        false => Err("the id of the response is not that of the query".to_owned()),
    }
}

/// Whether a response is what the module expects.
fn judge(settings: &Dns, message: &Message, log: &mut ProbeLog) -> bool {
    if !is_valid_rcode(settings, message.rcode, log) {
        return false;
    }
    [
        ("answer", &settings.answer, &message.answer),
        ("authority", &settings.authority, &message.authority),
        ("additional", &settings.additional, &message.additional),
    ]
    .into_iter()
    .all(|(section, rules, records)| {
        debug!(log, "Validating RRs", "section" => section);
        match check(
            rules,
            records,
            |line| debug!(log, "Validating RR", "rr" => line),
        ) {
            Ok(()) => true,
            Err(why) => {
                error!(log, "RRs validation failed", "section" => section, "err" => why);
                false
            }
        }
    })
}

fn is_valid_rcode(settings: &Dns, rcode: u16, log: &mut ProbeLog) -> bool {
    let valid = match &settings.valid_rcodes {
        None => vec![0],
        Some(words) => {
            let unknown = words.iter().find(|w| number(RCODES, w).is_none());
            if let Some(unknown) = unknown {
                error!(log, "Invalid rcode", "rcode" => unknown);
                return false;
            }
            words.iter().filter_map(|w| number(RCODES, w)).collect()
        }
    };
    if !valid.contains(&rcode) {
        error!(log, "Rcode is not one of the valid rcodes", "rcode" => word(RCODES, rcode, "RCODE"));
        return false;
    }
    true
}

/// Holds the records of a section against its rules.
fn check(
    rules: &RecordRules,
    records: &[Record],
    mut tell: impl FnMut(&str),
) -> Result<(), String> {
    let needs_records =
        !rules.fail_if_not_matches.is_empty() || !rules.fail_if_none_matches.is_empty();
    if records.is_empty() && needs_records {
        return Err("there are no records to match".to_owned());
    }
    let lines: Vec<String> = records.iter().map(ToString::to_string).collect();
    let matches = |pattern: &String, line: &str| regexp::compile(pattern).map(|r| r.is_match(line));
    let (mut all_match, mut none_matches) = (true, true);
    for line in &lines {
        tell(line);
        for pattern in &rules.fail_if_matches {
            if matches(pattern, line)? {
                return Err(format!("{line:?} matches {pattern:?}"));
            }
        }
        for pattern in &rules.fail_if_all_match {
            all_match &= matches(pattern, line)?;
        }
        for pattern in &rules.fail_if_not_matches {
            if !matches(pattern, line)? {
                return Err(format!("{line:?} does not match {pattern:?}"));
            }
        }
        for pattern in &rules.fail_if_none_matches {
            none_matches &= !matches(pattern, line)?;
        }
    }
    if !rules.fail_if_all_match.is_empty() && !all_match {
        return Err("not all records match fail_if_all_match_regexp".to_owned());
    }
    if !rules.fail_if_none_matches.is_empty() && none_matches {
        return Err("no record matches fail_if_none_matches_regexp".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules() {
        let record = |last: u8| Record {
            name: "a.".to_owned(),
            kind: 1,
            class: 1,
            ttl: 1,
            data: vec![127, 0, 0, last],
        };
        let two = [record(1), record(2)];
        let list = |patterns: &[&str]| patterns.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>();
        let none = RecordRules::default();
        assert!(check(&none, &two, |_| {}).is_ok() && check(&none, &[], |_| {}).is_ok());
        let rules = |m: &[&str], a: &[&str], n: &[&str], o: &[&str]| RecordRules {
            fail_if_matches: list(m),
            fail_if_all_match: list(a),
            fail_if_not_matches: list(n),
            fail_if_none_matches: list(o),
        };
        for (rules, many, empty) in [
            (rules(&[r"\.2$"], &[], &[], &[]), false, true),
            (rules(&[], &[r"127"], &[], &[]), true, true),
            (rules(&[], &[r"\.2$"], &[], &[]), false, true),
            (rules(&[], &[], &[r"127"], &[]), true, false),
            (rules(&[], &[], &[r"\.2$"], &[]), false, false),
            (rules(&[], &[], &[], &[r"\.2$"]), true, false),
            (rules(&[], &[], &[], &["x"]), false, false),
            (rules(&["("], &[], &[], &[]), false, true),
        ] {
            assert_eq!(check(&rules, &two, |_| {}).is_ok(), many, "{rules:?}");
            assert_eq!(check(&rules, &[], |_| {}).is_ok(), empty, "{rules:?}");
        }
    }

    #[test]
    fn targets() {
        assert_eq!(split("a", "53"), ("a", "53"));
        assert_eq!(split("a:5353", "53"), ("a", "5353"));
        assert_eq!(split("::1", "53"), ("::1", "53"));
        assert_eq!(split("[::1]:5", "53"), ("::1", "5"));
    }
}
