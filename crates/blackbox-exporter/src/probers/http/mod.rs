//! HTTP: a request, its redirects, and checks on the last answer.

mod body;
mod checks;
mod cookies;
mod date;
mod hops;
mod token;

use crate::client::conntrack;
use crate::error;
use crate::net::address;
use crate::probe::{Probe, within};
use crate::tls::{self, Session, Shown};
use exporter_core::exposition::Family;
pub use hops::basic;
use hops::{Final, Prepared, Start};
use rustls_pki_types::CertificateDer;
use std::time::Instant;

static PHASES: Family = Family::gauge(
    "probe_http_duration_seconds",
    &["phase"],
    "Time that the request took by phase in seconds, the sum of all redirects.",
);
static STATUS: Family = Family::gauge("probe_http_status_code", &[], "Status code of the answer.");
static LENGTH: Family = Family::gauge(
    "probe_http_content_length",
    &[],
    "Length of the body as the answer tells it in bytes, -1 where it does not.",
);
static BODY: Family = Family::gauge(
    "probe_http_uncompressed_body_length",
    &[],
    "Length of the body after decompression in bytes, as far as it was read.",
);
static REDIRECTS: Family =
    Family::gauge("probe_http_redirects", &[], "Redirects that were received.");
static SSL: Family = Family::gauge(
    "probe_http_ssl",
    &[],
    "Whether the last answer came over TLS.",
);
static VERSION: Family = Family::gauge("probe_http_version", &[], "Version of HTTP of the answer.");
static REGEX: Family = Family::gauge(
    "probe_failed_due_to_regex",
    &[],
    "Whether a regular expression of the module made the probe fail.",
);
static CEL: Family = Family::gauge(
    "probe_failed_due_to_cel",
    &[],
    "Whether a CEL expression of the module made the probe fail.",
);
static LAST_MODIFIED: Family = Family::gauge(
    "probe_http_last_modified_timestamp_seconds",
    &[],
    "Last-Modified of the answer in seconds since the epoch.",
);

/// Families of this prober.
pub fn families() -> Vec<&'static Family> {
    let own: &[&Family] = &[
        &PHASES,
        &STATUS,
        &LENGTH,
        &BODY,
        &REDIRECTS,
        &SSL,
        &VERSION,
        &REGEX,
        &CEL,
        &LAST_MODIFIED,
    ];
    [address::FAMILIES, own, tls::FAMILIES].concat()
}

/// Families that the exporter tells of itself for this prober.
pub static OWN_FAMILIES: &[&Family] = conntrack::FAMILIES;

/// What is measured, complete or as far as it came.
#[derive(Debug, Default)]
struct Measured {
    /// `None` where nothing was looked up.
    resolve: Option<f64>,
    /// Whether a request was about to be sent.
    requested: bool,
    connect: f64,
    tls: f64,
    processing: f64,
    /// When the first byte of the answer that counts came.
    first_byte: Option<Instant>,
    transfer: f64,
    status: u16,
    content_length: i64,
    body_length: u64,
    redirects: u32,
    version: f64,
    session: Option<Session>,
    over_tls: bool,
    presented: Vec<CertificateDer<'static>>,
    failed_due_to_regex: bool,
    failed_due_to_cel: bool,
    last_modified: Option<i64>,
}

/// Probes.
pub async fn probe(probe: &mut Probe<'_>) -> bool {
    let mut measured = Measured::default();
    let success = run(probe, &mut measured).await;
    put(probe, &measured);
    success
}

async fn run(probe: &mut Probe<'_>, measured: &mut Measured) -> bool {
    let start = match Start::new(probe) {
        Ok(start) => start,
        Err(why) => {
            error!(probe.log, "Could not parse target URL", "err" => why);
            return false;
        }
    };
    if probe.module.http.enable_http3 {
        error!(probe.log, "HTTP/3 is not supported");
        return false;
    }
    let settings = &probe.module.http;
    let skips = settings.skip_resolve_phase_with_proxy && settings.client.proxy.is_configured();
    let mut address = None;
    if !skips {
        address = address::choose(probe, &settings.ip, start.url.hostname()).await;
        measured.resolve = Some(probe.lookup_seconds);
        if address.is_none() {
            return false;
        }
    }
    let prepared = match Prepared::new(settings) {
        Ok(prepared) => prepared,
        Err(why) => {
            error!(probe.log, "Error creating request", "err" => why);
            return false;
        }
    };
    measured.requested = true;
    let deadline = probe.deadline;
    let probing = async {
        match hops::follow(probe, start, prepared, address, measured).await {
            Ok(last) => judge(probe, last, measured).await,
            Err(why) => {
                error!(probe.log, "Error for HTTP request", "err" => why);
                false
            }
        }
    };
    let result = within(deadline, probing).await;
    if let Some(first_byte) = measured.first_byte {
        measured.transfer = first_byte.elapsed().as_secs_f64();
    }
    match result {
        Ok(success) => success,
        Err(why) => {
            error!(probe.log, "Error for HTTP request", "err" => why);
            false
        }
    }
}

async fn judge(probe: &mut Probe<'_>, last: Final, measured: &mut Measured) -> bool {
    checks::judge(&probe.module.http, last, measured, &mut probe.log).await
}

fn put(probe: &mut Probe<'_>, measured: &Measured) {
    let out = &mut probe.out;
    if let Some(resolve) = measured.resolve {
        out.put(&PHASES, &["resolve"], resolve);
    }
    if measured.requested {
        out.put(&PHASES, &["connect"], measured.connect);
        out.put(&PHASES, &["tls"], measured.tls);
        out.put(&PHASES, &["processing"], measured.processing);
        out.put(&PHASES, &["transfer"], measured.transfer);
    }
    out.put(&STATUS, &[], f64::from(measured.status));
    out.put(&LENGTH, &[], measured.content_length as f64);
    out.put(&BODY, &[], measured.body_length as f64);
    out.put(&REDIRECTS, &[], f64::from(measured.redirects));
    out.put(&SSL, &[], f64::from(u8::from(measured.over_tls)));
    out.put(&VERSION, &[], measured.version);
    out.put(
        &REGEX,
        &[],
        f64::from(u8::from(measured.failed_due_to_regex)),
    );
    let settings = &probe.module.http;
    if settings.fail_if_json_matches.is_some() || settings.fail_if_json_not_matches.is_some() {
        out.put(&CEL, &[], f64::from(u8::from(measured.failed_due_to_cel)));
    }
    if let Some(seconds) = measured.last_modified {
        out.put(&LAST_MODIFIED, &[], seconds as f64);
    }
    let shown = Shown {
        last_chain: true,
        cipher: true,
    };
    match &measured.session {
        Some(session) => session.put(out, shown),
        None => tls::put_rejected(&measured.presented, out),
    }
}
