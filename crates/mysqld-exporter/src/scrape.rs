//! One scrape: which server, as whom, how long, which collectors; then `mysql_up` and the samples.

use crate::collectors::Registered;
use crate::config::{CLIENT, Config, Section, Wanted};
use crate::server::{Address, Server, SessionOptions, Version};
use exporter_core::collector::{AsyncCollector, AsyncSet, SetOptions};
use exporter_core::exposition::{Arena, Family};
use exporter_core::probe::{self, AllowList, Targets};
use exporter_core::reload::{ReloadFamilies, Reloader};
use exporter_core::web::{Query, Refusal, ScrapeRequest, Scraped, Scraping, Source};
use http::StatusCode;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

static UP: Family = Family::gauge(
    "mysql_up",
    &[],
    "Whether the server could be connected to and answers.",
);
static DURATION: Family = Family::gauge(
    "mysql_exporter_collector_duration_seconds",
    &["collector"],
    "Time that a collector took in this scrape in seconds.",
);
static SUCCESS: Family = Family::gauge(
    "mysql_exporter_collector_success",
    &["collector"],
    "Whether a collector finished without error.",
);

/// Families that belong to no collector.
pub const FAMILIES: [&Family; 3] = [&UP, &DURATION, &SUCCESS];

/// How long a scrape may take where the scraper does not say how long it waits.
const DEFAULT_PATIENCE: Duration = Duration::from_secs(30);
/// Servers that connections are kept to.
const MOST_SERVERS: usize = 256;
/// How long a connection is kept to a server that no one asks for.
const IDLE: Duration = Duration::from_secs(300);

/// How scrapes are made.
#[derive(Clone, Debug)]
pub struct ScrapeOptions {
    /// Seconds to take off the scraper's timeout.
    pub timeout_offset: f64,
    /// Longest time of a scrape, beside what the scraper says.
    pub longest: Option<Duration>,
    /// Longest time of a collector.
    pub query_timeout: Option<Duration>,
    /// Most connections to one server.
    pub connections: usize,
    /// What every connection sets.
    pub session: SessionOptions,
    /// Targets that requests may name.
    pub allowed: AllowList,
}

/// What all paths share: configuration, collectors, servers.
pub struct Exporter {
    config: RwLock<Arc<Config>>,
    /// Counts loads, so that servers of an older configuration are not met again.
    generation: AtomicU64,
    servers: Targets<Result<Arc<Server>, String>>,
    set: AsyncSet<Server>,
    /// Names of the enabled collectors and the versions they want.
    enabled: Vec<(&'static str, (u32, u32))>,
    options: ScrapeOptions,
}

/// Why a request has no server to ask.
enum Unusable {
    NoTarget,
    NotAllowed,
    NoSection(String),
    /// The section's name, and why.
    Section(String, String),
}

impl Exporter {
    /// Without configuration yet.
    pub fn new(collectors: Vec<(&'static str, Registered)>, options: ScrapeOptions) -> Self {
        let mut enabled = Vec::new();
        let mut named = Vec::new();
        for (_, registered) in collectors {
            enabled.push((registered.name, registered.minimum));
            let collector: Arc<dyn AsyncCollector<Server>> = Arc::new(registered);
            named.push((enabled[named.len()].0, collector));
        }
        let set = SetOptions {
            duration: &DURATION,
            success: &SUCCESS,
            // The pool of connections says how many ask at a time.
            workers: named.len(),
        };
        Exporter {
            config: RwLock::default(),
            generation: AtomicU64::new(0),
            servers: Targets::new(MOST_SERVERS, IDLE),
            set: AsyncSet::new(named, set),
            enabled,
            options,
        }
    }

    /// Puts a configuration in force. Scrapes under way keep the one they have.
    pub fn configure(&self, config: Config) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.servers.clear();
    }

    /// Closes connections that no one asked for in a while.
    pub fn expire(&self) {
        self.servers.expire();
    }

    fn config(&self) -> Arc<Config> {
        let config = self.config.read().unwrap_or_else(PoisonError::into_inner);
        config.clone()
    }

    /// The server that a request means: its target, or else the section's own.
    fn server(&self, module: &str, target: Option<&str>) -> Result<Arc<Server>, Unusable> {
        let section = self.config().section(module);
        let section = section.ok_or_else(|| Unusable::NoSection(module.to_owned()))?;
        let unusable = |why| Unusable::Section(module.to_owned(), why);
        let address = match target {
            Some(target) if !self.options.allowed.allows(target) => {
                return Err(Unusable::NotAllowed);
            }
            Some(target) => Address::parse(target).map_err(unusable)?,
            None => section.address.clone(),
        };
        let files = fingerprint(&section).map_err(unusable)?;
        let generation = self.generation.load(Ordering::Acquire);
        let key = format!("{generation} {files} {module} {address}");
        let make = || {
            let options = self.options.session;
            Server::new(address, &section, options, self.options.connections).map(Arc::new)
        };
        let server = Result::clone(&self.servers.get(&key, make));
        server.map_err(|why| {
            // Perhaps a file was read while it was being written.
            self.servers.remove(&key);
            unusable(why)
        })
    }

    async fn scrape(&self, server: Arc<Server>, request: &ScrapeRequest) -> Arena {
        let mut out = Arena::new();
        let deadline = self.deadline(request.scrape_timeout.as_deref());
        let started = Instant::now();
        match server.check(self.bounded(deadline)).await {
            Ok(version) => {
                let elapsed = started.elapsed().as_secs_f64();
                out = self
                    .collect(server, version, deadline, &request.query)
                    .await;
                out.put(&DURATION, &["connection"], elapsed);
                out.put(&UP, &[], 1.0);
            }
            Err(error) => {
                let target = server.address.to_string();
                tracing::error!(target, err = %error, "the server is down");
                out.put(&UP, &[], 0.0);
            }
        }
        out
    }

    async fn collect(
        &self,
        server: Arc<Server>,
        version: Version,
        deadline: Instant,
        query: &Query,
    ) -> Arena {
        let selected = self.select(&query.all("collect[]"));
        let wanted = |name: &str| {
            let known = self.enabled.iter().find(|(enabled, _)| *enabled == name);
            known.is_some_and(|(_, minimum)| version.is_at_least(*minimum))
                && selected.contains(&name)
        };
        let deadline = self.bounded(deadline);
        let out = self.set.scrape(server.clone(), wanted, deadline).await;
        server.rest();
        out
    }

    /// Names that are enabled among those asked for; all that are enabled where that is none.
    fn select(&self, asked: &[String]) -> Vec<&'static str> {
        let all = self.enabled.iter().map(|(name, _)| *name);
        let is_asked = |name: &&str| {
            let name = name.strip_prefix("collect.").unwrap_or(name);
            asked.iter().any(|a| a == name)
        };
        let selected: Vec<&'static str> = all.clone().filter(is_asked).collect();
        match selected.is_empty() {
            true => all.collect(),
            false => selected,
        }
    }

    fn deadline(&self, header: Option<&str>) -> Instant {
        let patience = probe::timeout(header, self.options.timeout_offset);
        let patience = patience.unwrap_or_else(|err| {
            tracing::error!(err, "scrape timeout header ignored");
            None
        });
        let patience = patience.unwrap_or(DEFAULT_PATIENCE);
        Instant::now() + self.options.longest.map_or(patience, |l| l.min(patience))
    }

    /// The end of what one collector may take from now on.
    fn bounded(&self, deadline: Instant) -> Instant {
        match self.options.query_timeout {
            Some(timeout) => deadline.min(Instant::now() + timeout),
            None => deadline,
        }
    }
}

/// Tells certificate files apart from what they were before.
///
/// # Errors
/// A file that is not there.
fn fingerprint(section: &Section) -> Result<String, String> {
    let Wanted::Authorities { ca, pair } = &section.tls.wanted else {
        return Ok(String::new());
    };
    let pair = pair.iter().flat_map(|(cert, key)| [cert, key]);
    let of = |path: &Path| {
        let file = std::fs::metadata(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let changed = (file.ctime(), file.ctime_nsec());
        Ok(format!("{}.{}.{:?} ", file.ino(), file.size(), changed))
    };
    [ca].into_iter().chain(pair).map(|path| of(path)).collect()
}

impl Unusable {
    fn log(&self) {
        if let Unusable::Section(section, err) = self {
            tracing::error!(section, err, "the section cannot be used for this target");
        }
    }

    fn refusal(&self) -> Refusal {
        let status = match self {
            Unusable::NotAllowed => StatusCode::FORBIDDEN,
            _ => StatusCode::BAD_REQUEST,
        };
        // The reason stays in the log: it may tell of files and accounts.
        let text = match self {
            Unusable::NoTarget => "target is required\n".to_owned(),
            Unusable::NotAllowed => "target is not allowed\n".to_owned(),
            Unusable::NoSection(name) => format!("Could not find config section [{name}]\n"),
            Unusable::Section(name, _) => {
                format!("Error forming dsn from config section [{name}]\n")
            }
        };
        Refusal { status, text }
    }
}

/// `/probe`: the target and the section are the request's.
pub struct Probe(pub Arc<Exporter>);

impl Source for Probe {
    fn scrape<'a>(&'a self, request: &'a ScrapeRequest) -> Scraping<'a> {
        Box::pin(async move {
            let target = request.query.first("target").filter(|t| !t.is_empty());
            let module = request.query.first("auth_module").filter(|m| !m.is_empty());
            let server = match target {
                Some(target) => self.0.server(module.unwrap_or(CLIENT), Some(target)),
                None => Err(Unusable::NoTarget),
            };
            let server = server.map_err(|why| {
                why.log();
                why.refusal()
            })?;
            Ok(Scraped::Arena(self.0.scrape(server, request).await))
        })
    }
}

/// The telemetry path: the section `client`, with its own server or the request's.
pub struct Telemetry {
    /// What is shared with `/probe`.
    pub exporter: Arc<Exporter>,
    /// Tells of reloads.
    pub reloader: Reloader,
    /// Under these names.
    pub families: ReloadFamilies,
}

impl Source for Telemetry {
    fn scrape<'a>(&'a self, request: &'a ScrapeRequest) -> Scraping<'a> {
        Box::pin(async move {
            let target = request.query.first("target").filter(|t| !t.is_empty());
            let mut out = match self.exporter.server(CLIENT, target) {
                Ok(server) => self.exporter.scrape(server, request).await,
                Err(refused @ Unusable::NotAllowed) => return Err(refused.refusal()),
                Err(why) => {
                    why.log();
                    let mut down = Arena::new();
                    down.put(&UP, &[], 0.0);
                    down
                }
            };
            self.reloader.put(self.families, &mut out);
            Ok(Scraped::Arena(out))
        })
    }
}
