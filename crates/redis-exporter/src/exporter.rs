//! Answers the requests of the telemetry path and of `/scrape`: which server, as whom, with what.

use crate::address::{Credentials, Endpoint, Url};
use crate::client::{Connection, Destination, Dialer, Error};
use crate::collectors::itself::{self, Counters};
use crate::passwords::PasswordFile;
use crate::samples::{Names, Samples};
use crate::scrape::{Job, Kept, Scraper};
use crate::settings::{Lists, Settings};
use exporter_core::exposition::Arena;
use exporter_core::probe::{AllowList, Targets};
use exporter_core::web::{Query, Refusal, ScrapeRequest, Scraped, Scraping, Source};
use http::StatusCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Mutex as AsyncMutex;

/// A server that was not scraped for so long is disconnected from.
const IDLE: Duration = Duration::from_secs(150);
/// Arenas that are kept for their buffers.
const SPARE: usize = 3;

/// Everything that scrapes need, shared by all paths.
pub struct Exporter {
    /// Scrapes.
    pub scraper: Scraper,
    /// Passwords by address.
    pub passwords: Arc<PasswordFile>,
    /// Version of this exporter.
    pub version: &'static str,
    names: Names,
    counters: Counters,
    allowed: AllowList,
    main: AsyncMutex<Kept>,
    targets: Targets<AsyncMutex<Kept>>,
    /// Role of the server of the telemetry path when it was last known.
    last_role: Mutex<String>,
    spare: Mutex<Vec<Arena>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One scrape as the request or the flags ask for it.
struct Target<'a> {
    url: Result<Url, String>,
    /// Whether the user and password of the address count: not where a request named it.
    trusted: bool,
    server_name: String,
    lists: &'a Lists,
    counters: &'a Counters,
}

impl Exporter {
    /// Answers by these settings.
    ///
    /// # Errors
    /// A list of allowed targets that cannot be read.
    pub fn new(
        settings: Settings,
        dialer: Dialer,
        passwords: Arc<PasswordFile>,
        version: &'static str,
    ) -> Result<Self, String> {
        let pattern = &settings.extra.allowed_targets;
        let patterns = Some(pattern).filter(|p| !p.is_empty());
        let allowed =
            AllowList::new(patterns).map_err(|e| format!("scrape-allowed-targets: {e}"))?;
        let most = usize::try_from(settings.extra.max_idle_connections).unwrap_or(0);
        let names = Names::new(&settings.options.namespace, crate::collectors::families());
        Ok(Exporter {
            scraper: Scraper::new(settings, dialer),
            passwords,
            version,
            names,
            counters: Counters::default(),
            allowed,
            main: AsyncMutex::default(),
            targets: Targets::new(most, IDLE),
            last_role: Mutex::default(),
            spare: Mutex::default(),
        })
    }

    /// Drops connections that nobody asks for any more, now and then.
    pub async fn expire(self: Arc<Self>) {
        loop {
            tokio::time::sleep(IDLE / 5).await;
            self.targets.expire();
        }
    }

    fn settings(&self) -> &Settings {
        &self.scraper.settings
    }

    fn keeps_connections(&self) -> bool {
        self.settings().extra.max_idle_connections > 0
    }

    fn arena(&self) -> Arena {
        lock(&self.spare).pop().unwrap_or_default()
    }

    /// Scrapes the server of the flags.
    async fn telemetry(&self, deadline: Instant) -> Arena {
        let mut out = Samples::new(self.arena(), &self.names);
        self.counters.scrape();
        let address = &self.settings().options.address;
        if !address.is_empty() {
            let target = Target {
                url: Url::parse(address),
                trusted: true,
                server_name: self.settings().options.tls_server_name.clone(),
                lists: &self.settings().lists,
                counters: &self.counters,
            };
            // One scrape at a time, as upstream; a server that hangs must not hold the others up
            // beyond their own deadlines.
            match tokio::time::timeout_at(deadline.into(), self.main.lock()).await {
                Ok(mut kept) => {
                    let role = lock(&self.last_role).clone();
                    let role = self
                        .scrape(target, &mut kept, deadline, role, &mut out)
                        .await;
                    *lock(&self.last_role) = role;
                    if !self.keeps_connections() {
                        *kept = Kept::default();
                    }
                }
                Err(_) => {
                    let why = "another scrape of the server did not end in time";
                    tracing::error!("{why}");
                    itself::put_outcome(why, Duration::ZERO, &mut out);
                }
            }
        }
        self.counters.put(&mut out);
        self.put_build(&mut out);
        out.into_arena()
    }

    fn put_build(&self, out: &mut Samples<'_>) {
        if !self.settings().options.redis_only {
            itself::put_build(self.version, out);
        }
    }

    /// Scrapes the target of a request, with counters of its own.
    async fn target(&self, request: &ScrapeRequest) -> Result<Arena, Refusal> {
        let query = &request.query;
        let url = self
            .named(query)
            .inspect_err(|_| self.counters.request_error())?;
        let lists = self.settings().lists_of(query).map_err(|why| {
            self.counters.request_error();
            refusal(StatusCode::BAD_REQUEST, &why)
        })?;
        let counters = Counters::default();
        counters.scrape();
        let given = ["tls_server_name", "tls-server-name"];
        let given = given
            .iter()
            .find_map(|n| query.first(n).filter(|v| !v.is_empty()));
        let server_name = given.unwrap_or(&self.settings().options.tls_server_name);
        let key = format!(
            "{} {}\n{server_name}",
            url.user().unwrap_or("\n"),
            url.redacted()
        );
        let target = Target {
            url: Ok(url),
            trusted: false,
            server_name: server_name.to_owned(),
            lists: &lists,
            counters: &counters,
        };
        let mut out = Samples::new(self.arena(), &self.names);
        let deadline = request.deadline;
        let kept = self
            .keeps_connections()
            .then(|| self.targets.get(&key, AsyncMutex::default));
        // A second scrape of the same server at the same time has a connection of its own.
        let mut taken = kept.as_ref().and_then(|kept| kept.try_lock().ok());
        let mut own = Kept::default();
        let kept = taken.as_deref_mut().unwrap_or(&mut own);
        self.scrape(target, kept, deadline, String::new(), &mut out)
            .await;
        counters.put(&mut out);
        self.put_build(&mut out);
        Ok(out.into_arena())
    }

    /// The target that a request names, if it may.
    fn named(&self, query: &Query) -> Result<Url, Refusal> {
        let bad = |why: &str| refusal(StatusCode::BAD_REQUEST, why);
        let target = query.first("target").filter(|t| !t.is_empty());
        let target = target.ok_or_else(|| bad("'target' parameter must be specified"))?;
        let url =
            Url::parse(target).map_err(|why| bad(&format!("invalid 'target' parameter: {why}")))?;
        let plain = url.clone().without_userinfo();
        let spelled = plain.redacted();
        let short = spelled.strip_prefix("redis://").unwrap_or(&spelled);
        match self.allowed.allows(&spelled) || self.allowed.allows(short) {
            true => Ok(url),
            false => Err(refusal(
                StatusCode::FORBIDDEN,
                &format!(
                    "target {spelled} is not among those that --scrape-allowed-targets allows"
                ),
            )),
        }
    }

    /// Scrapes, puts the outcome, and gives the role that the server has or had before.
    async fn scrape(
        &self,
        target: Target<'_>,
        kept: &mut Kept,
        deadline: Instant,
        last_role: String,
        out: &mut Samples<'_>,
    ) -> String {
        let began = Instant::now();
        let name = target
            .url
            .as_ref()
            .map_or("<redacted>".to_owned(), Url::redacted);
        let (to, seed) = self.destinations(&target).await;
        let job = Job {
            to,
            seed,
            lists: target.lists,
            deadline,
        };
        if self.settings().options.append_role {
            // Holds until the role of today is known.
            out.set_role(&last_role);
        }
        let mut role = None;
        let result = self.scraper.scrape(&job, kept, out, &mut role).await;
        let elapsed = began.elapsed();
        target.counters.took(elapsed);
        let error = result.err().unwrap_or_default();
        if !error.is_empty() {
            tracing::error!("Couldn't scrape {name}: {error}");
        }
        itself::put_outcome(&error, elapsed, out);
        role.unwrap_or(last_role)
    }

    /// Where to connect to, and as whom; for the whole cluster the address itself names no user.
    async fn destinations(
        &self,
        target: &Target<'_>,
    ) -> (Result<Destination, String>, Option<Destination>) {
        let url = match &target.url {
            Ok(url) => url,
            Err(why) => return (Err(why.clone()), None),
        };
        let (endpoint, database) = match url.endpoint() {
            Ok(endpoint) => endpoint,
            Err(why) => return (Err(format!("{}: {why}", url.redacted())), None),
        };
        let known = self.credentials(url, target.trusted).await;
        let (user, password) = match target.trusted {
            true => url.credentials(),
            false => (None, None),
        };
        let destination = Destination {
            endpoint,
            database,
            credentials: Credentials {
                user: user.map_or(known.user.clone(), str::to_owned),
                password: password.map_or(known.password.clone(), str::to_owned),
            },
            server_name: target.server_name.clone(),
        };
        let seed = Destination {
            database: None,
            credentials: known,
            ..destination.clone()
        };
        let is_cluster = matches!(seed.endpoint, Endpoint::Tcp { .. });
        (Ok(destination), is_cluster.then_some(seed))
    }

    /// User and password of flags and files for an address.
    async fn credentials(&self, url: &Url, trusted: bool) -> Credentials {
        let options = &self.settings().options;
        let named = url.user().filter(|_| !trusted);
        let user = named.unwrap_or(&options.user);
        let key = match trusted {
            true => url.password_key(user),
            false => url.clone().without_userinfo().password_key(user),
        };
        let password = match self.passwords.find(&key) {
            Some(password) => password,
            None if !options.password.is_empty() => options.password.clone(),
            None => self.password_of_text_file().await,
        };
        Credentials {
            user: user.to_owned(),
            password,
        }
    }

    /// Read at each scrape, so that it can be replaced.
    async fn password_of_text_file(&self) -> String {
        let path = self.settings().extra.password_text_file.clone();
        if path.is_empty() {
            return String::new();
        }
        let name = path.clone();
        let reading = tokio::task::spawn_blocking(move || std::fs::read_to_string(path));
        match reading.await {
            Ok(Ok(text)) => text.trim_end_matches(['\r', '\n']).to_owned(),
            Ok(Err(error)) => {
                tracing::error!(path = name, %error, "could not read redis.password-text-file");
                String::new()
            }
            Err(_) => String::new(),
        }
    }

    /// A new connection to the cluster of the flags.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn connect_to_cluster(&self, deadline: Instant) -> Result<(Connection, Url), Error> {
        let url = Url::parse(&self.settings().options.address).map_err(Error::Lost)?;
        let lists = Lists::default();
        let target = Target {
            url: Ok(url.clone()),
            trusted: true,
            server_name: self.settings().options.tls_server_name.clone(),
            lists: &lists,
            counters: &self.counters,
        };
        let (to, seed) = self.destinations(&target).await;
        to.map_err(Error::Lost)?;
        let seed =
            seed.ok_or_else(|| Error::Lost("expected host and port of a cluster node".to_owned()))?;
        Ok((self.scraper.dialer.connect(&seed, deadline).await?, url))
    }
}

fn refusal(status: StatusCode, why: &str) -> Refusal {
    Refusal {
        status,
        text: format!("{why}\n"),
    }
}

fn recycle(exporter: &Exporter, mut arena: Arena) {
    arena.clear();
    let mut spare = lock(&exporter.spare);
    if spare.len() < SPARE && arena.capacity() < 1 << 20 {
        spare.push(arena);
    }
}

/// The telemetry path.
pub struct Telemetry(pub Arc<Exporter>);

impl Source for Telemetry {
    fn scrape<'a>(&'a self, request: &'a ScrapeRequest) -> Scraping<'a> {
        Box::pin(async move { Ok(Scraped::Arena(self.0.telemetry(request.deadline).await)) })
    }

    fn recycle(&self, arena: Arena) {
        recycle(&self.0, arena);
    }
}

/// The path that is told its target.
pub struct Scrape(pub Arc<Exporter>);

impl Source for Scrape {
    fn scrape<'a>(&'a self, request: &'a ScrapeRequest) -> Scraping<'a> {
        Box::pin(async move { self.0.target(request).await.map(Scraped::Arena) })
    }

    fn recycle(&self, arena: Arena) {
        recycle(&self.0, arena);
    }
}
