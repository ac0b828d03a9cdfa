//! The handler of the telemetry path: from a source to bytes on the wire.

use super::handler::{Answer, Body, ConfigApplied, Handler, Request, Response, full, text};
use super::source::{Query, Refusal, ScrapeRequest, Scraped, Source, patience};
use crate::build_info::BuildInfo;
use crate::exposition::compress::{self, Coding, Gzip};
use crate::exposition::{Arena, Family, Offers, format};
use crate::self_metrics::ProcessMetrics;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a scrape may take when the scraper does not say how long it waits.
const DEFAULT_PATIENCE: Duration = Duration::from_secs(30);
/// Arenas with more samples are encoded on a thread that may be busy.
const LARGE: usize = 20_000;

static REQUESTS: Family = Family::counter(
    "promhttp_metric_handler_requests_total",
    &["code"],
    "Scrapes answered, by HTTP status code.",
);
static IN_FLIGHT: Family = Family::gauge(
    "promhttp_metric_handler_requests_in_flight",
    &[],
    "Scrapes being answered now, this one included.",
);
static ERRORS: Family = Family::counter(
    "promhttp_metric_handler_errors_total",
    &["cause"],
    "Scrapes with errors inside the metrics handler, by what went wrong.",
);

static CONFIG: Family = Family::gauge(
    "exporter_web_config_last_reload_successful",
    &[],
    "Whether the web configuration file, if there is one, could be applied as it is now.",
);

/// Families that the handler adds by itself.
pub const FAMILIES: &[&Family] = &[&REQUESTS, &IN_FLIGHT, &ERRORS, &CONFIG];

/// What happens when a scrape holds inconsistent samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// All valid samples are served, and the errors logged.
    Continue,
    /// All valid samples are served; that what the monitored system says twice is served once goes
    /// without saying.
    Tolerate,
    /// Status 500 and the errors as text.
    Refuse,
}

/// How an exporter answers scrapes.
#[derive(Clone, Debug)]
pub struct MetricsOptions {
    /// Scrapes at a time; more are answered with 503. 0 is no limit.
    pub max_requests: usize,
    /// Formats beside text and protobuf.
    pub offers: Offers,
    /// Encodings, the preferred first.
    pub codings: &'static [Coding],
    /// What happens when a scrape holds inconsistent samples.
    pub on_error: OnError,
    /// Whether `promhttp_metric_handler_requests_*` is exposed, and what became of the web
    /// configuration file.
    pub request_metrics: bool,
    /// Whether `promhttp_metric_handler_errors_total` is exposed.
    pub error_metrics: bool,
    /// Whether `process_*` is exposed.
    pub process_metrics: bool,
    /// What `<name>_build_info` says, if it is exposed.
    pub build_info: Option<BuildInfo>,
    /// Upper bound of a scrape's time beside what the scraper says.
    pub timeout: Option<Duration>,
}

impl MetricsOptions {
    /// For paths that tell of a target only, such as `/probe`: nothing of the exporter itself, any
    /// number at a time, and inconsistent samples are refused.
    pub fn of_a_target() -> Self {
        MetricsOptions {
            max_requests: 0,
            on_error: OnError::Refuse,
            request_metrics: false,
            error_metrics: false,
            process_metrics: false,
            ..MetricsOptions::default()
        }
    }
}

impl Default for MetricsOptions {
    fn default() -> Self {
        MetricsOptions {
            max_requests: 40,
            offers: Offers::default(),
            codings: &[Coding::Identity, Coding::Gzip],
            on_error: OnError::Continue,
            request_metrics: true,
            error_metrics: true,
            process_metrics: true,
            build_info: None,
            timeout: None,
        }
    }
}

/// The handler of one source. Cloning is cheap and shares it.
#[derive(Clone)]
pub struct MetricsHandler {
    inner: Arc<Inner>,
}

struct Inner {
    source: Box<dyn Source>,
    options: MetricsOptions,
    counters: Counters,
    process: Mutex<ProcessMetrics>,
    buffers: Arc<Pool>,
    gzip: Mutex<Option<Gzip>>,
}

#[derive(Default)]
struct Counters {
    in_flight: AtomicUsize,
    ok: AtomicU64,
    failed: AtomicU64,
    refused: AtomicU64,
    gathering: AtomicU64,
    encoding: AtomicU64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl MetricsHandler {
    /// Answers from this source.
    pub fn new(source: impl Source, options: MetricsOptions) -> Self {
        MetricsHandler {
            inner: Arc::new(Inner {
                source: Box::new(source),
                options,
                counters: Counters::default(),
                process: Mutex::default(),
                buffers: Arc::default(),
                gzip: Mutex::default(),
            }),
        }
    }

    /// One scrape as text, as if a request without headers had asked for it.
    pub async fn once(&self) -> Result<String, String> {
        let request = ScrapeRequest {
            query: Query::default(),
            deadline: self.inner.deadline(None),
            scrape_timeout: None,
            format: format::negotiate(None, Offers::default()),
        };
        let scraped = self.inner.source.scrape(&request).await;
        let Scraped::Arena(mut arena) = scraped.map_err(|refusal| refusal.text)? else {
            return Err("this exporter renders its answer in pieces".to_owned());
        };
        self.inner.complete(&mut arena, &request.query, None);
        let mut bytes = Vec::new();
        request.format.encode(&arena, &mut bytes);
        String::from_utf8(bytes).map_err(|e| e.to_string())
    }
}

impl Handler for MetricsHandler {
    fn handle(&self, request: Request) -> Answer<'_> {
        let (head, _) = request.into_parts();
        Box::pin(async move {
            let inner = &self.inner;
            let _in_flight = InFlight::new(&inner.counters.in_flight);
            let limit = inner.options.max_requests;
            if limit > 0 && inner.counters.in_flight.load(Ordering::Acquire) > limit {
                count(&inner.counters.refused);
                let why =
                    format!("Limit of concurrent requests reached ({limit}), try again later.");
                return text(StatusCode::SERVICE_UNAVAILABLE, why);
            }
            let header = |name: &str| head.headers.get(name).and_then(|v| v.to_str().ok());
            let scrape_timeout = header("x-prometheus-scrape-timeout-seconds");
            let request = ScrapeRequest {
                query: Query::parse(head.uri.query().unwrap_or("")),
                deadline: inner.deadline(scrape_timeout),
                scrape_timeout: scrape_timeout.map(str::to_owned),
                format: format::negotiate(header("accept"), inner.options.offers),
            };
            let asked = Asked {
                request,
                coding: compress::negotiate(header("accept-encoding"), inner.options.codings),
                config: head.extensions.get().copied(),
            };
            inner.clone().answer(asked).await
        })
    }
}

/// A scrape and how it is answered.
struct Asked {
    request: ScrapeRequest,
    coding: Coding,
    config: Option<ConfigApplied>,
}

/// Counts a scrape for as long as it is being answered.
struct InFlight<'a>(&'a AtomicUsize);

impl<'a> InFlight<'a> {
    fn new(counter: &'a AtomicUsize) -> Self {
        counter.fetch_add(1, Ordering::AcqRel);
        InFlight(counter)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Inner {
    fn deadline(&self, header: Option<&str>) -> Instant {
        let patience = [patience(header), self.options.timeout];
        let patience = patience.into_iter().flatten().min();
        Instant::now() + patience.unwrap_or(DEFAULT_PATIENCE)
    }

    async fn answer(self: Arc<Self>, asked: Asked) -> Response {
        match self.source.scrape(&asked.request).await {
            Err(refusal) => refuse(refusal),
            Ok(Scraped::Rendered {
                content_type,
                content_encoding,
                body,
            }) => {
                count(&self.counters.ok);
                respond(content_type, content_encoding, body)
            }
            Ok(Scraped::Arena(arena)) if arena.len() > LARGE => {
                let inner = self.clone();
                let encoding = tokio::task::spawn_blocking(move || inner.encode(arena, &asked));
                encoding.await.unwrap_or_else(|_| self.encoding_failed())
            }
            Ok(Scraped::Arena(arena)) => self.encode(arena, &asked),
        }
    }

    /// Adds what the exporter says of itself, selects families by `name[]`, sorts and checks.
    fn complete(&self, arena: &mut Arena, query: &Query, config: Option<ConfigApplied>) {
        if let Some(info) = &self.options.build_info {
            info.put(arena);
        }
        if self.options.process_metrics {
            lock(&self.process).put(arena);
        }
        self.put_counters(arena);
        if let (true, Some(config)) = (self.options.request_metrics, config) {
            arena.put(&CONFIG, &[], f64::from(u8::from(config.0)));
        }
        arena.seal();
        if !arena.problems().is_empty() {
            count(&self.counters.gathering);
            if self.options.on_error == OnError::Tolerate {
                let problems = arena.problems().len();
                tracing::debug!(problems, "samples were left out");
            } else {
                let error = gather_error(arena.problems());
                tracing::error!(error, "error gathering metrics");
            }
        }
        let names = query.all("name[]");
        if !names.is_empty() {
            arena.retain_families(|name| names.iter().any(|n| n == name));
        }
    }

    fn put_counters(&self, arena: &mut Arena) {
        let value = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as f64;
        let counters = &self.counters;
        if self.options.request_metrics {
            arena.put(&REQUESTS, &["200"], value(&counters.ok));
            arena.put(&REQUESTS, &["500"], value(&counters.failed));
            arena.put(&REQUESTS, &["503"], value(&counters.refused));
            let in_flight = counters.in_flight.load(Ordering::Acquire);
            arena.put(&IN_FLIGHT, &[], in_flight as f64);
        }
        if self.options.error_metrics {
            arena.put(&ERRORS, &["encoding"], value(&counters.encoding));
            arena.put(&ERRORS, &["gathering"], value(&counters.gathering));
        }
    }

    fn encode(&self, mut arena: Arena, asked: &Asked) -> Response {
        let (request, coding) = (&asked.request, asked.coding);
        self.complete(&mut arena, &request.query, asked.config);
        if self.options.on_error == OnError::Refuse && !arena.problems().is_empty() {
            count(&self.counters.failed);
            let why = format!(
                "An error has occurred while serving metrics:\n\n{}",
                gather_error(arena.problems())
            );
            return text(StatusCode::INTERNAL_SERVER_ERROR, why);
        }
        let mut plain = self.buffers.take();
        request.format.encode(&arena, &mut plain);
        self.source.recycle(arena);
        let packed = match coding {
            Coding::Identity => Ok(plain),
            coding => self.compress(plain, coding),
        };
        let Ok(bytes) = packed else {
            return self.encoding_failed();
        };
        count(&self.counters.ok);
        let encoding = (coding != Coding::Identity).then(|| coding.word());
        let body = full(self.buffers.lend(bytes));
        respond(request.format.content_type(), encoding, body)
    }

    fn compress(&self, plain: Vec<u8>, coding: Coding) -> std::io::Result<Vec<u8>> {
        let mut packed = self.buffers.take();
        let result = match coding {
            Coding::Zstd => compress::zstd(&plain, &mut packed),
            _ => {
                let mut gzip = lock(&self.gzip).take().unwrap_or_default();
                let result = gzip.compress(&plain, &mut packed);
                *lock(&self.gzip) = Some(gzip);
                result
            }
        };
        self.buffers.give_back(plain);
        result.map(|()| packed)
    }

    fn encoding_failed(&self) -> Response {
        count(&self.counters.encoding);
        count(&self.counters.failed);
        let why = "An error has occurred while serving metrics:\n\nencoding failed";
        text(StatusCode::INTERNAL_SERVER_ERROR, why)
    }
}

fn respond(content_type: String, content_encoding: Option<&'static str>, body: Body) -> Response {
    let mut response = Response::new(body);
    let headers: &mut HeaderMap = response.headers_mut();
    if let Ok(value) = HeaderValue::try_from(content_type) {
        headers.insert(header::CONTENT_TYPE, value);
    }
    if let Some(encoding) = content_encoding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    response
}

fn refuse(refusal: Refusal) -> Response {
    let mut response = text(refusal.status, "");
    *response.body_mut() = full(refusal.text);
    response
}

fn gather_error(problems: &[String]) -> String {
    match problems {
        [problem] => problem.clone(),
        problems => {
            let mut error = format!("{} error(s) occurred:", problems.len());
            for problem in problems {
                error.push_str("\n* ");
                error.push_str(problem);
            }
            error
        }
    }
}

/// Buffers for bodies. Two scrapes at a time are common (two Prometheus servers); what more of
/// them needed is given back to the system.
#[derive(Default)]
struct Pool {
    spare: Mutex<Vec<Vec<u8>>>,
}

/// Buffers beyond this are not kept.
const KEPT_BYTES: usize = 4 << 20;

impl Pool {
    fn take(&self) -> Vec<u8> {
        lock(&self.spare).pop().unwrap_or_default()
    }

    fn give_back(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        let mut spare = lock(&self.spare);
        if spare.len() < 3 && buffer.capacity() <= KEPT_BYTES {
            spare.push(buffer);
        }
    }

    /// Bytes that return to the pool when the last part of them was written.
    fn lend(self: &Arc<Self>, buffer: Vec<u8>) -> Bytes {
        Bytes::from_owner(Lent {
            buffer,
            pool: self.clone(),
        })
    }
}

struct Lent {
    buffer: Vec<u8>,
    pool: Arc<Pool>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.pool.give_back(std::mem::take(&mut self.buffer));
    }
}

#[cfg(test)]
mod tests {
    use super::super::source::Scraping;
    use super::*;
    use http_body_util::BodyExt;
    use std::io::Read;

    static UP: Family = Family::gauge("up", &["job"], "Up.");
    static LOAD: Family = Family::gauge("load", &[], "Load.");

    /// Answers with `up` twice for the query `twice`, refuses for the query `refuse`.
    struct Fake;

    impl Source for Fake {
        fn scrape<'a>(&'a self, request: &'a ScrapeRequest) -> Scraping<'a> {
            Box::pin(async move {
                if request.query.first("refuse").is_some() {
                    return Err(Refusal {
                        status: StatusCode::BAD_REQUEST,
                        text: "no".to_owned(),
                    });
                }
                if request.query.first("slow").is_some() {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                let mut arena = Arena::new();
                arena.put(&UP, &["a"], 1.0);
                arena.put(&LOAD, &[], 2.0);
                if request.query.first("twice").is_some() {
                    arena.put(&UP, &["a"], 2.0);
                }
                Ok(Scraped::Arena(arena))
            })
        }
    }

    fn handler(on_error: OnError, max_requests: usize) -> MetricsHandler {
        let options = MetricsOptions {
            max_requests,
            on_error,
            process_metrics: false,
            ..MetricsOptions::default()
        };
        MetricsHandler::new(Fake, options)
    }

    fn request(uri: &str, headers: &[(&'static str, &str)]) -> Request {
        let mut request = Request::new(full(""));
        *request.uri_mut() = uri.parse().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        request
    }

    async fn get(
        handler: &MetricsHandler,
        uri: &str,
        headers: &[(&'static str, &str)],
    ) -> (StatusCode, HeaderMap, Vec<u8>) {
        let response = handler.handle(request(uri, headers)).await;
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        (head.status, head.headers, body)
    }

    #[tokio::test]
    async fn the_running_scrape_is_not_counted_yet() {
        let handler = handler(OnError::Continue, 0);
        for count in 0..3 {
            let (status, headers, body) = get(&handler, "/metrics", &[]).await;
            let body = String::from_utf8(body).unwrap();
            assert_eq!(status, 200);
            let content_type = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";
            assert_eq!(headers["content-type"], content_type);
            let line = format!("promhttp_metric_handler_requests_total{{code=\"200\"}} {count}\n");
            assert!(body.contains(&line), "{body}");
            assert!(body.contains("promhttp_metric_handler_requests_in_flight 1\n"));
        }
    }

    #[tokio::test]
    async fn duplicates_are_told_and_dropped_or_refused() {
        let lenient = handler(OnError::Continue, 0);
        let (status, _, body) = get(&lenient, "/metrics?twice", &[]).await;
        assert_eq!(status, 200);
        assert!(
            String::from_utf8(body)
                .unwrap()
                .contains("up{job=\"a\"} 1\n")
        );
        let (_, _, body) = get(&lenient, "/metrics", &[]).await;
        let counted = "promhttp_metric_handler_errors_total{cause=\"gathering\"} 1\n";
        assert!(String::from_utf8(body).unwrap().contains(counted));
        let strict = handler(OnError::Refuse, 0);
        let (status, _, body) = get(&strict, "/metrics?twice", &[]).await;
        assert_eq!(status, 500);
        let body = String::from_utf8(body).unwrap();
        assert!(body.starts_with("An error has occurred while serving metrics:\n\ncollected"));
    }

    #[tokio::test]
    async fn gzip_and_name_filter() {
        let handler = handler(OnError::Continue, 0);
        let gzip = [("accept-encoding", "gzip")];
        for _ in 0..2 {
            let (_, headers, body) = get(&handler, "/metrics?name[]=load&name[]=x", &gzip).await;
            assert_eq!(headers["content-encoding"], "gzip");
            let mut plain = String::new();
            flate2::read::GzDecoder::new(&body[..])
                .read_to_string(&mut plain)
                .unwrap();
            assert_eq!(plain, "# HELP load Load.\n# TYPE load gauge\nload 2\n");
        }
    }

    #[tokio::test]
    async fn refusals_have_no_newline_and_are_not_counted() {
        let handler = handler(OnError::Continue, 0);
        let (status, headers, body) = get(&handler, "/metrics?refuse=1", &[]).await;
        assert_eq!((status.as_u16(), body.as_slice()), (400, &b"no"[..]));
        assert_eq!(headers["x-content-type-options"], "nosniff");
    }

    #[tokio::test]
    async fn more_than_the_limit_come_back_later() {
        let handler = handler(OnError::Continue, 1);
        let (slow, refused) = tokio::join!(get(&handler, "/metrics?slow", &[]), async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            get(&handler, "/metrics", &[]).await
        });
        assert_eq!(slow.0, 200);
        assert_eq!(refused.0, 503);
        let body = String::from_utf8(refused.2).unwrap();
        assert_eq!(
            body,
            "Limit of concurrent requests reached (1), try again later.\n"
        );
        let (_, _, body) = get(&handler, "/metrics", &[]).await;
        let counted = "promhttp_metric_handler_requests_total{code=\"503\"} 1\n";
        assert!(String::from_utf8(body).unwrap().contains(counted));
    }
}
