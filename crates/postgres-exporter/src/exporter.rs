//! One scrape: the servers that are named, their answers, and what the exporter says of itself.

use crate::connection::Failure;
use crate::legacy::{Legacy, Named};
use crate::queries::Queries;
use crate::target::Target;
use exporter_core::collector::AsyncSet;
use exporter_core::exposition::{Arena, Family};
use exporter_core::reload::{ReloadFamilies, Reloader};
use exporter_core::web::source::{Refusal, ScrapeRequest, Scraped, Scraping, Source};
use futures_util::future::{join, join_all};
use http::StatusCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

static UP: Family = Family::gauge(
    "pg_up",
    &[],
    "Whether the server, or any of several, answered (1) or none did (0).",
);
static DURATION: Family = Family::gauge(
    "pg_exporter_last_scrape_duration_seconds",
    &[],
    "Time that this scrape took beside collectors, in seconds.",
);
static ERROR: Family = Family::gauge(
    "pg_exporter_last_scrape_error",
    &[],
    "Whether a server did not answer, or a query that is no collector's failed, in this scrape.",
);
static SCRAPES: Family = Family::counter(
    "pg_exporter_scrapes_total",
    &[],
    "Scrapes since the exporter was started.",
);

/// Families of this part.
pub const FAMILIES: &[&Family] = &[&UP, &DURATION, &ERROR, &SCRAPES];

/// What scrapes of any servers share.
pub struct Exporter {
    /// What every server is asked.
    pub legacy: Legacy,
    /// What the first server is asked.
    pub collectors: AsyncSet<Target>,
    /// Names of those collectors.
    pub names: Vec<&'static str>,
    /// Whether every server is asked by collectors, and told apart by the label `server`
    /// everywhere.
    pub by_server: bool,
}

/// What one server answered.
struct Answered {
    arena: Arena,
    /// Whether there was any answer.
    up: bool,
    /// Whether something went wrong.
    failed: bool,
    /// When what is asked of every server was done.
    done: Instant,
}

impl Exporter {
    /// Scrapes these servers, and the first by collectors.
    ///
    /// # Errors
    /// A request that selects collectors which are not there.
    pub async fn scrape(
        &self,
        servers: &[Arc<Named>],
        scrapes: u64,
        request: &ScrapeRequest,
    ) -> Result<Arena, Refusal> {
        let wanted = self.wanted(request)?;
        let queries = self.legacy.queries();
        let started = Instant::now();
        let asking = servers.iter().enumerate().map(|(index, named)| {
            let wanted = (index == 0 || self.by_server).then_some(wanted.as_slice());
            self.ask(named, wanted, &queries, request.deadline)
        });
        let answers = join_all(asking).await;
        let mut out = Arena::new();
        let mut duration = 0.0_f64;
        let truth = |value: bool| f64::from(u8::from(value));
        let labels = self.legacy.constant_labels().iter();
        let labels: Vec<(&str, &str)> = labels.map(|(k, v)| (k.as_str(), v.as_str())).collect();
        for (answer, named) in answers.iter().zip(servers) {
            out.append(&answer.arena);
            let took = answer.done.duration_since(started).as_secs_f64();
            duration = duration.max(took);
            if self.by_server {
                let mut up = Arena::new();
                up.put_pairs(&UP, &labels, truth(answer.up));
                up.label_all("server", named.target.server());
                out.append(&up);
            }
        }
        let up = answers.iter().any(|a| a.up);
        let failed = answers.iter().any(|a| a.failed);
        if !self.by_server || servers.is_empty() {
            out.put_pairs(&UP, &labels, truth(up));
        }
        out.put_pairs(&ERROR, &labels, truth(failed));
        out.put_pairs(&DURATION, &labels, duration);
        out.put_pairs(&SCRAPES, &labels, scrapes as f64);
        queries.put(self.legacy.constant_labels(), &mut out);
        Ok(out)
    }

    /// The collectors that a request selects by `collect[]` and `exclude[]`.
    fn wanted(&self, request: &ScrapeRequest) -> Result<Vec<&'static str>, Refusal> {
        let collect = request.query.all("collect[]");
        let exclude = request.query.all("exclude[]");
        let unknown = collect
            .iter()
            .find(|name| !self.names.contains(&name.as_str()));
        if let Some(name) = unknown {
            return Err(bad_request(format!(
                "missing or disabled collector: {name}"
            )));
        }
        let wanted = self.names.iter().copied().filter(|name| {
            let is = |other: &String| other == name;
            (collect.is_empty() || collect.iter().any(is)) && !exclude.iter().any(is)
        });
        Ok(wanted.collect())
    }

    async fn ask(
        &self,
        named: &Arc<Named>,
        wanted: Option<&[&'static str]>,
        queries: &Queries,
        deadline: Instant,
    ) -> Answered {
        let mut arena = Arena::new();
        let target = &named.target;
        let opening = self.legacy.open(target, queries, deadline, &mut arena);
        let opened = opening.await;
        let (server, refused) = match opened {
            Ok(opened) => opened,
            Err(failure) => {
                tell(target, &failure);
                return Answered {
                    arena,
                    up: false,
                    failed: true,
                    done: Instant::now(),
                };
            }
        };
        let custom = async {
            let mut arena = Arena::new();
            let asking = self
                .legacy
                .custom(named, &server, queries, deadline, &mut arena);
            let failed = asking.await;
            (arena, failed, Instant::now())
        };
        let collecting = self.collect(target, wanted, deadline);
        let ((queried, failed, done), collected) = join(custom, collecting).await;
        arena.append(&queried);
        arena.append(&collected);
        Answered {
            arena,
            up: true,
            failed: refused || failed,
            done,
        }
    }

    /// What the wanted collectors put; nothing where a server is not asked by collectors.
    async fn collect(
        &self,
        target: &Arc<Target>,
        wanted: Option<&[&'static str]>,
        deadline: Instant,
    ) -> Arena {
        let Some(wanted) = wanted else {
            return Arena::new();
        };
        let is_wanted = |name: &str| wanted.contains(&name);
        let collecting = self.collectors.scrape(target.clone(), is_wanted, deadline);
        let mut collected = collecting.await;
        if self.by_server {
            collected.label_all("server", target.server());
        }
        collected
    }
}

/// That a server does not answer is told at every scrape.
fn tell(target: &Target, failure: &Failure) {
    let (server, err) = (target.server(), failure.to_string());
    tracing::error!(server, err, "the server does not answer");
}

/// Status 400 with a sentence.
pub fn bad_request(why: impl Into<String>) -> Refusal {
    Refusal {
        status: StatusCode::BAD_REQUEST,
        text: format!("{}\n", why.into()),
    }
}

/// The source of the telemetry path.
pub struct Metrics {
    /// What scrapes share.
    pub exporter: Arc<Exporter>,
    /// The configured servers.
    pub servers: Vec<Arc<Named>>,
    /// Scrapes so far.
    pub scrapes: AtomicU64,
    /// The configuration file and how it was read.
    pub config: (Reloader, ReloadFamilies),
}

impl Source for Metrics {
    fn scrape<'a>(&'a self, request: &'a ScrapeRequest) -> Scraping<'a> {
        Box::pin(async move {
            let scrapes = self.scrapes.fetch_add(1, Ordering::Relaxed) + 1;
            let scraping = self.exporter.scrape(&self.servers, scrapes, request);
            let mut arena = scraping.await?;
            for named in &self.servers {
                // One stays open for the next scrape.
                named.target.pool().keep(1);
            }
            self.config.0.put(self.config.1, &mut arena);
            Ok(Scraped::Arena(arena))
        })
    }
}
