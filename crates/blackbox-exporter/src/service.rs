//! `/probe`: from a request to a probe, and from its samples to an answer.

use crate::client::conntrack;
use crate::config::{Config, Module};
use crate::history::{History, Report};
use crate::live::Live;
use crate::log::LogSettings;
use crate::pace::Pace;
use crate::probe::{self, Probe};
use crate::probers::{self, Prober};
use crate::url;
use bytes::Bytes;
use exporter_core::exposition::compress::{self, Coding, Gzip};
use exporter_core::exposition::{Arena, Escaping, Family, Format, Offers, Syntax, format};
use exporter_core::reload::{ReloadFamilies, Reloader};
use exporter_core::web::{
    Answer, Handler, Query, Request, Response, ScrapeRequest, Scraped, Scraping, Source, full, text,
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;

static UNKNOWN: Family = Family::counter(
    "blackbox_module_unknown_total",
    &[],
    "Probe requests that named a module that does not exist.",
);

/// The two families of reloading.
pub const RELOADS: ReloadFamilies = exporter_core::reload_families!("blackbox_exporter");

/// Families that the exporter tells of itself.
pub fn own_families() -> Vec<&'static Family> {
    let own = [&UNKNOWN, RELOADS.successful, RELOADS.timestamp];
    [&own[..], probers::http::OWN_FAMILIES].concat()
}

/// Arenas that wait for the next probe.
const SPARE: usize = 64;

/// How probes are run.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Seconds that are taken off the scrape timeout.
    pub timeout_offset: f64,
    /// Probes at a time; more wait.
    pub most_probes: usize,
    /// What of a probe's log is kept.
    pub log: LogSettings,
}

/// What probes share.
pub struct Service {
    live: Arc<Live>,
    history: Arc<History>,
    settings: Settings,
    places: Semaphore,
    pace: Arc<Pace>,
    unknown: AtomicU64,
    spare: Mutex<Vec<Arena>>,
    gzip: Mutex<Option<Gzip>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A request that is in order.
struct Asked {
    module: Arc<Module>,
    prober: &'static Prober,
    target: String,
    hostname: String,
    timeout: f64,
    debug: bool,
}

/// Status and text of a request that is not.
type Refused = (StatusCode, String);

impl Service {
    /// Probes by this configuration.
    pub fn new(live: Arc<Live>, history: Arc<History>, settings: Settings) -> Self {
        Service {
            live,
            history,
            settings,
            places: Semaphore::new(settings.most_probes),
            pace: Arc::default(),
            unknown: AtomicU64::new(0),
            spare: Mutex::default(),
            gzip: Mutex::default(),
        }
    }

    /// Checks a request, in the order that decides which mistake is told.
    fn read(&self, config: &Config, query: &Query, headers: &HeaderMap) -> Result<Asked, Refused> {
        let bad = |why: String| (StatusCode::BAD_REQUEST, why);
        let first = |name| query.first(name).unwrap_or_default();
        let name = match first("module") {
            "" => "http_2xx",
            name => name,
        };
        let Some(module) = config.modules.get(name).cloned() else {
            self.unknown.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(module = name, "Unknown module");
            return Err(bad(format!("Unknown module {name:?}")));
        };
        let header = headers.get("x-prometheus-scrape-timeout-seconds");
        let header = header.map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned());
        let timeout = probe::timeout(
            header.as_deref(),
            self.settings.timeout_offset,
            module.timeout,
        );
        let timeout = timeout.map_err(|why| {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            (
                status,
                format!("Failed to parse timeout from Prometheus header: {why}"),
            )
        })?;
        let target = first("target");
        if target.is_empty() {
            return Err(bad("Target parameter is missing".to_owned()));
        }
        let prober = probers::find(&module.prober);
        let prober = prober.ok_or_else(|| bad(format!("Unknown prober {:?}", module.prober)))?;
        let hostname = first("hostname");
        Ok(Asked {
            module: named(module, hostname).map_err(bad)?,
            prober,
            target: usable(prober.name, target),
            hostname: hostname.to_owned(),
            timeout,
            debug: query.first("debug") == Some("true"),
        })
    }

    async fn answer(&self, head: http::request::Parts) -> Response {
        let query = Query::parse(head.uri.query().unwrap_or(""));
        let asked = match self.read(&self.live.config(), &query, &head.headers) {
            Ok(asked) => asked,
            Err((status, why)) => return text(status, why),
        };
        // Waiting is part of the time that a probe gets.
        let patience = Duration::try_from_secs_f64(asked.timeout).unwrap_or_default();
        let Ok(Ok(_place)) = tokio::time::timeout(patience, self.places.acquire()).await else {
            let why = "Too many probes at a time, try again later.";
            return text(StatusCode::SERVICE_UNAVAILABLE, why);
        };
        let shown = without_password(&asked.target);
        let arena = lock(&self.spare).pop().unwrap_or_default();
        let Asked {
            module,
            target,
            hostname,
            ..
        } = &asked;
        let mut probe = Probe::new(module, target, hostname, &shown, self.settings.log, arena);
        let success = probe.run(asked.prober, asked.timeout).await;
        let Probe {
            out: mut arena,
            log,
            ..
        } = probe;
        arena.seal();
        let header = |name: &str| head.headers.get(name).and_then(|v| v.to_str().ok());
        let wanted = format::negotiate(header("accept"), Offers::default());
        let body = encode(&arena, wanted);
        let report = (asked.debug || !self.history.is_off()).then(|| Report {
            id: 0,
            module: asked.module.clone(),
            shown: shown.clone(),
            success,
            log: log.into_lines(),
            // Names that need escaping are rare; the report shows them as they were sent.
            metrics: match wanted.syntax == Syntax::Text {
                true => body.clone(),
                false => encode(&arena, PLAIN),
            },
            target: asked.target,
        });
        self.give_back(arena);
        let debug = report.as_ref().filter(|_| asked.debug).map(Report::text);
        if let Some(report) = report.filter(|_| !self.history.is_off()) {
            self.history.add(report);
        }
        match debug {
            Some(debug) => plain(debug),
            None => self.respond(body, wanted, header("accept-encoding")),
        }
    }

    fn give_back(&self, mut arena: Arena) {
        arena.clear();
        let mut spare = lock(&self.spare);
        if spare.len() < SPARE && arena.capacity() < 1 << 18 {
            spare.push(arena);
        }
    }

    fn respond(&self, body: Bytes, wanted: Format, accept_encoding: Option<&str>) -> Response {
        let coding = compress::negotiate(accept_encoding, &[Coding::Identity, Coding::Gzip]);
        let packed = (coding == Coding::Gzip).then(|| self.pack(&body)).flatten();
        let encoded = packed.is_some();
        let mut response = Response::new(full(packed.map_or(body, Bytes::from)));
        let headers = response.headers_mut();
        if let Ok(value) = HeaderValue::try_from(wanted.content_type()) {
            headers.insert(header::CONTENT_TYPE, value);
        }
        if encoded {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }

    fn pack(&self, body: &[u8]) -> Option<Vec<u8>> {
        let mut gzip = lock(&self.gzip).take().unwrap_or_default();
        let mut packed = Vec::new();
        let result = gzip.compress(body, &mut packed);
        *lock(&self.gzip) = Some(gzip);
        result.ok().map(|()| packed)
    }
}

/// What debug reports are written in.
const PLAIN: Format = Format {
    syntax: Syntax::Text,
    escaping: Escaping::Underscores,
};

fn encode(arena: &Arena, wanted: Format) -> Bytes {
    let mut bytes = Vec::with_capacity(4096);
    wanted.encode(arena, &mut bytes);
    bytes.into()
}

/// A text answer whose type has no charset, as the original's.
pub fn plain(body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(full(body));
    let plain = HeaderValue::from_static("text/plain");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}

/// A module that a request names the host for: HTTP asks for it, TCP expects its certificate.
fn named(module: Arc<Module>, hostname: &str) -> Result<Arc<Module>, String> {
    if hostname.is_empty() {
        return Ok(module);
    }
    match module.prober.as_str() {
        "http" => {
            let configured = module
                .http
                .headers
                .iter()
                .find(|h| h.0.eq_ignore_ascii_case("host"));
            if let Some((_, host)) = configured.filter(|h| h.1 != hostname) {
                return Err(format!(
                    "host header defined both in module configuration ({host}) and with \
                     URL-parameter 'hostname' ({hostname})"
                ));
            }
            let mut changed = (*module).clone();
            changed
                .http
                .headers
                .retain(|h| !h.0.eq_ignore_ascii_case("host"));
            changed
                .http
                .headers
                .push(("Host".to_owned(), hostname.to_owned()));
            Ok(Arc::new(changed))
        }
        "tcp" if module.tcp.tls_config.server_name.is_empty() => {
            let mut changed = (*module).clone();
            changed.tcp.tls_config.server_name = hostname.to_owned();
            Ok(Arc::new(changed))
        }
        _ => Ok(module),
    }
}

/// A target that was escaped once too often is unescaped again, where that makes it one.
fn usable(prober: &str, target: &str) -> String {
    let is_url = |text: &str| {
        let whole = if text.contains("://") {
            text.to_owned()
        } else {
            format!("http://{text}")
        };
        url::Url::parse(&whole).is_ok_and(|u| !u.hostname().is_empty() && !u.host.contains('%'))
    };
    if matches!(prober, "http" | "grpc" | "websocket") && target.contains('%') && !is_url(target) {
        let again = url::unescape(target);
        if is_url(&again) {
            return again;
        }
    }
    target.to_owned()
}

/// A target with the password of its URL shown as `xxxxx`.
fn without_password(target: &str) -> String {
    let start = target.find("://").map_or(0, |at| at + 3);
    let end = target[start..]
        .find(['/', '?', '#'])
        .map_or(target.len(), |at| start + at);
    let Some(at) = target[start..end].rfind('@').map(|at| start + at) else {
        return target.to_owned();
    };
    match target[start..at].find(':') {
        Some(colon) => format!("{}:xxxxx{}", &target[..start + colon], &target[at..]),
        None => target.to_owned(),
    }
}

/// `/probe`
pub struct ProbeHandler(pub Arc<Service>);

impl Handler for ProbeHandler {
    fn handle(&self, request: Request) -> Answer<'_> {
        let (head, _) = request.into_parts();
        Box::pin(self.0.pace.keep(self.0.answer(head)))
    }
}

/// `/metrics`: what the exporter says of itself.
pub struct Own {
    /// The probes.
    pub service: Arc<Service>,
    /// The reloads.
    pub reloader: Reloader,
}

impl Source for Own {
    fn scrape<'a>(&'a self, _: &'a ScrapeRequest) -> Scraping<'a> {
        Box::pin(async move {
            let mut arena = Arena::new();
            arena.put(
                &UNKNOWN,
                &[],
                self.service.unknown.load(Ordering::Relaxed) as f64,
            );
            self.reloader.put(RELOADS, &mut arena);
            conntrack::put(&mut arena);
            Ok(Scraped::Arena(arena))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        for (target, shown) in [
            ("http://u:p@h/x@y", "http://u:xxxxx@h/x@y"),
            ("u:p@h:1", "u:xxxxx@h:1"),
            ("http://u@h", "http://u@h"),
            ("http://h:1/?a=b:c@d", "http://h:1/?a=b:c@d"),
            ("h:1", "h:1"),
        ] {
            assert_eq!(without_password(target), shown);
        }
        for (prober, target, used) in [
            ("http", "https%3A%2F%2Fa.test%2Fx", "https://a.test/x"),
            ("http", "http://a.test/%2F", "http://a.test/%2F"),
            ("http", "a.test/100%25", "a.test/100%25"),
            ("tcp", "a%3A1", "a%3A1"),
        ] {
            assert_eq!(usable(prober, target), used);
        }
    }
}
