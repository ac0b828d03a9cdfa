//! One scrape of one server: what is sent, in which order, and what a failure costs.
//!
//! Commands go out in as few writes as they can: one for all that does not depend on what the server
//! is, one for what does, then those that need a reply before the next. A connection that was kept
//! may have died meanwhile; then the scrape begins again with a new one.

use crate::client::{Cluster, Connection, Destination, Dialer, Error, Pipeline, Value, reply};
use crate::collectors::info::Info;
use crate::collectors::*;
use crate::reach::{Reach, Servers};
use crate::samples::Samples;
use crate::settings::{Lists, Settings};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A kept connection is not older than this: a name may stand for another server by now.
const MOST_AGE: Duration = Duration::from_secs(300);
/// Databases of a server that does not tell how many it has.
const DATABASES: i64 = 16;

/// What to scrape.
pub struct Job<'a> {
    /// The server, or why its address is none.
    pub to: Result<Destination, String>,
    /// The same without what only the address says: for connections to a whole cluster.
    pub seed: Option<Destination>,
    /// Keys and streams to look up.
    pub lists: &'a Lists,
    /// The answer has to be there by then.
    pub deadline: Instant,
}

/// What stays of a server between scrapes.
#[derive(Default)]
pub struct Kept {
    open: Option<Open>,
    cluster: Option<(Destination, Cluster)>,
}

struct Open {
    to: Destination,
    connection: Connection,
    since: Instant,
    /// Role and run id at the last scrape.
    identity: Option<(String, String)>,
}

impl Kept {
    /// Ends a scrape: gives up buffers, and connections that cannot or need not be used again.
    pub async fn rest(&mut self, deadline: Instant) {
        if let Some(open) = &mut self.open {
            let home = match open.connection.is_usable() {
                true => open.connection.go_home(deadline).await.is_ok(),
                false => false,
            };
            open.connection.rest();
            if !home || open.since.elapsed() > MOST_AGE {
                self.open = None;
            }
        }
        if let Some((_, cluster)) = &mut self.cluster {
            cluster.rest();
        }
    }

    /// Forgets a connection whose server is not what it was: it may have been failed over, and the
    /// address may lead to another one.
    fn identify(&mut self, info: &Info<'_>) {
        let text = |field| info.get(field).unwrap_or("").to_owned();
        let now = (text("role"), text("run_id"));
        if let Some(open) = &mut self.open {
            if open.identity.as_ref().is_some_and(|before| *before != now) {
                open.since = Instant::now()
                    .checked_sub(MOST_AGE * 2)
                    .unwrap_or(open.since);
            }
            open.identity = Some(now);
        }
    }
}

/// Scrapes by settings.
pub struct Scraper {
    /// What the flags ask for.
    pub settings: Settings,
    /// Makes connections.
    pub dialer: Dialer,
    /// Whether each of the two LATENCY commands was refused before.
    latency_refused: [AtomicBool; 2],
}

/// Places of the replies to the first round.
struct First {
    pipeline: Pipeline,
    info: usize,
    config: Option<usize>,
    latency: Option<usize>,
    slowlog: usize,
    commandlog: Option<usize>,
    tile38: Option<usize>,
    modules: Option<usize>,
    search: Option<usize>,
}

impl First {
    fn new(settings: &Settings) -> Self {
        let mut pipeline = Pipeline::new();
        let mut add = |words: &[&str]| {
            pipeline.command(words);
            pipeline.len() - 1
        };
        let options = &settings.options;
        // The order is upstream's where it can be seen: INFO is read before LATENCY HISTOGRAM.
        let info = add(&["INFO", "ALL"]);
        let config = settings
            .config_command
            .as_ref()
            .map(|name| add(&[name, "GET", "*"]));
        let latency = (!options.exclude_latency).then(|| {
            let latest = add(&["LATENCY", "LATEST"]);
            add(&["LATENCY", "HISTOGRAM"]);
            latest
        });
        let slowlog = add(&["SLOWLOG", "LEN"]);
        add(&["SLOWLOG", "GET", "1"]);
        let mut optional = |wanted: bool, words: &[&str]| wanted.then(|| add(words));
        First {
            info,
            config,
            latency,
            slowlog,
            commandlog: optional(!options.is_tile38, &["COMMAND", "INFO", "COMMANDLOG"]),
            tile38: optional(options.is_tile38, &["SERVER", "EXT"]),
            modules: optional(options.include_modules, &["INFO", "MODULES"]),
            search: optional(settings.search_indexes.is_some(), &["FT._LIST"]),
            pipeline,
        }
    }
}

/// Replies that may be missing.
struct Replies(Vec<Value>);

impl Replies {
    /// A reply that is no error; errors are logged at debug level.
    fn get(&self, at: Option<usize>, what: &str) -> Option<&Value> {
        let reply = self.0.get(at?)?;
        match reply::error(reply) {
            None => Some(reply),
            Some(error) => {
                tracing::debug!(error, "could not read {what}");
                None
            }
        }
    }

    /// The same as text.
    fn text(&self, at: Option<usize>, what: &str) -> Option<&str> {
        reply::text(self.get(at, what)?)
    }
}

impl Scraper {
    /// Scrapes by these settings.
    pub fn new(settings: Settings, dialer: Dialer) -> Self {
        Scraper {
            settings,
            dialer,
            latency_refused: Default::default(),
        }
    }

    /// Scrapes and puts all but the outcome. The role of the server is told to `role` once it is
    /// known. The error is what the scrape failed with.
    pub async fn scrape(
        &self,
        job: &Job<'_>,
        kept: &mut Kept,
        out: &mut Samples<'_>,
        role: &mut Option<String>,
    ) -> Result<(), String> {
        let result = self.ask(job, kept, out, role).await;
        kept.rest(job.deadline).await;
        result.map_err(|error| error.to_string())
    }

    async fn ask(
        &self,
        job: &Job<'_>,
        kept: &mut Kept,
        out: &mut Samples<'_>,
        role: &mut Option<String>,
    ) -> Result<(), Error> {
        let first = First::new(&self.settings);
        let replies = self.first_round(job, kept, &first, out).await?;
        let text = self.info(kept, &first, &replies, job.deadline).await?;
        let info = Info::parse(&text);
        kept.identify(&info);
        let server_role = info.get("role").unwrap_or("");
        *role = Some(server_role.to_owned());
        if self.settings.options.append_role {
            out.set_role(server_role);
        }
        let databases = self.put_config(&first, &replies, job.deadline, out).await?;
        let databases = self
            .second_round(kept, &first, &replies, &info, databases, job.deadline, out)
            .await;
        self.put_info(&info, databases, out);
        self.put_replies(&first, &replies, &info, out);
        self.list_clients(kept, job.deadline, out).await;
        self.look_up(job, kept, &info, databases, out).await;
        let Some(open) = &mut kept.open else {
            return Ok(());
        };
        let connection = &mut open.connection;
        if info.has_section("Sentinel") {
            sentinel::put_info(&info, out);
            let wanted = self.settings.wanted_of_sentinels();
            if let Err(error) = sentinel::collect(connection, wanted, job.deadline, out).await {
                tracing::error!(%error, "could not ask the Sentinel for its masters");
            }
        }
        if let (Some(names), Some(list)) = (
            &self.settings.search_indexes,
            replies.get(first.search, "the list of search indexes"),
        ) && let Err(error) = search::collect(connection, list, names, job.deadline, out).await
        {
            tracing::error!(%error, "could not read a search index");
        }
        let read_only = self.settings.options.script_read_only;
        scripts::collect(
            connection,
            &self.settings.scripts,
            read_only,
            job.deadline,
            out,
        )
        .await
    }

    /// Connects where nothing was kept, and sends what does not depend on the server. What has not
    /// come is missing at the end of the replies.
    async fn first_round(
        &self,
        job: &Job<'_>,
        kept: &mut Kept,
        first: &First,
        out: &mut Samples<'_>,
    ) -> Result<Replies, Error> {
        let to = job.to.as_ref().map_err(|why| Error::Lost(why.clone()));
        let began = Instant::now();
        let opened = match to {
            Ok(to) => self.open(kept, to, job.deadline).await,
            Err(error) => Err(error),
        };
        itself::put_connect_time(began.elapsed(), out);
        let mut was_kept = opened?;
        let to = job.to.as_ref().map_err(|why| Error::Lost(why.clone()))?;
        loop {
            let mut replies = Vec::new();
            let asked = match &mut kept.open {
                Some(open) => {
                    self.ask_first(open, first, &mut replies, job.deadline, out)
                        .await
                }
                None => Err(Error::Lost("the connection is lost".to_owned())),
            };
            match asked {
                Err(Error::Lost(_))
                    if was_kept && replies.is_empty() && Instant::now() < job.deadline =>
                {
                    tracing::debug!("the connection that was kept is lost, connecting again");
                    kept.open = None;
                    was_kept = self.open(kept, to, job.deadline).await?;
                }
                Err(error) if replies.len() <= first.info => return Err(error),
                Err(error) => {
                    tracing::error!(%error, "the server did not reply to all commands");
                    return Ok(Replies(replies));
                }
                Ok(()) => return Ok(Replies(replies)),
            }
        }
    }

    async fn ask_first(
        &self,
        open: &mut Open,
        first: &First,
        replies: &mut Vec<Value>,
        deadline: Instant,
        out: &mut Samples<'_>,
    ) -> Result<(), Error> {
        if self.settings.options.ping_on_connect {
            let began = Instant::now();
            match open.connection.command(&["PING"], deadline).await {
                Ok(_) => itself::put_ping_time(began.elapsed(), out),
                Err(Error::Server(error)) => tracing::error!(error, "could not PING"),
                Err(error) => return Err(error),
            }
        }
        open.connection
            .ask_into(&first.pipeline, replies, deadline)
            .await
    }

    /// Makes sure that there is a connection; whether it was there before.
    async fn open(
        &self,
        kept: &mut Kept,
        to: &Destination,
        deadline: Instant,
    ) -> Result<bool, Error> {
        let usable = |open: &Open| open.to == *to && open.connection.is_usable();
        if kept.open.as_ref().is_some_and(usable) {
            return Ok(true);
        }
        kept.open = None;
        kept.open = Some(Open {
            to: to.clone(),
            connection: self.dialer.connect(to, deadline).await?,
            since: Instant::now(),
            identity: None,
        });
        Ok(false)
    }

    /// The text of INFO ALL or, where that is refused or empty, of INFO.
    async fn info(
        &self,
        kept: &mut Kept,
        first: &First,
        replies: &Replies,
        deadline: Instant,
    ) -> Result<Vec<u8>, Error> {
        let all = replies.0.get(first.info);
        let text = all.and_then(reply::bytes);
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            return Ok(text.to_vec());
        }
        let open = kept.open.as_mut();
        let open = open.ok_or_else(|| Error::Lost("the connection is lost".to_owned()))?;
        let reply = open.connection.command(&["INFO"], deadline).await;
        let reply = reply.map_err(|error| match (all.and_then(reply::error), error) {
            // The connection broke behind a refusal, which tells more.
            (Some(refusal), Error::Lost(_) | Error::Silent(_)) => Error::Server(refusal),
            (_, error) => error,
        })?;
        let unexpected = || Error::Server("expected text in reply to INFO".to_owned());
        reply::bytes(&reply)
            .map(<[u8]>::to_vec)
            .ok_or_else(unexpected)
    }

    /// Puts the configuration; the number of databases, where it tells that.
    async fn put_config(
        &self,
        first: &First,
        replies: &Replies,
        deadline: Instant,
        out: &mut Samples<'_>,
    ) -> Result<Option<i64>, Error> {
        let options = &self.settings.options;
        let Some(reply) = replies.get(first.config, "the configuration") else {
            return Ok(None);
        };
        let pairs = reply::pairs(reply).into_iter();
        let settings: Vec<(&str, &str)> = pairs
            .filter_map(|(key, value)| Some((key, reply::text(value)?)))
            .collect();
        config::put(
            &settings,
            options.include_config,
            options.redact_config,
            out,
        );
        if options.include_rdb_size
            && let Some(path) = config::dump_file(&settings)
        {
            // A file system may hang.
            let reading = tokio::task::spawn_blocking(move || config::dump_size(&path));
            if let Ok(Ok(Some(size))) = tokio::time::timeout_at(deadline.into(), reading).await {
                config::put_dump_size(size, out);
            }
        }
        config::databases(&settings).map_err(Error::Server)
    }

    /// Asks for what only some servers have; the number of databases.
    #[allow(clippy::too_many_arguments)]
    async fn second_round(
        &self,
        kept: &mut Kept,
        first: &First,
        replies: &Replies,
        info: &Info<'_>,
        configured: Option<i64>,
        deadline: Instant,
        out: &mut Samples<'_>,
    ) -> i64 {
        let in_cluster = info.has("cluster_enabled", "1");
        let has_log = replies
            .get(first.commandlog, "whether there is a command log")
            .is_some_and(commandlog::is_known);
        let mut pipeline = Pipeline::new();
        if in_cluster {
            pipeline.command(&["CLUSTER", "INFO"]);
        }
        if has_log {
            pipeline.append(&commandlog::commands(
                self.settings.config_command.as_deref(),
            ));
        }
        let asked = match &mut kept.open {
            Some(open) if !pipeline.is_empty() => open.connection.ask(&pipeline, deadline).await,
            _ => Ok(Vec::new()),
        };
        let replies = asked.unwrap_or_else(|error| {
            tracing::error!(%error, "could not ask for cluster and command log");
            Vec::new()
        });
        let (of_cluster, of_log) = replies.split_at(usize::from(in_cluster).min(replies.len()));
        commandlog::put(of_log, out);
        if !in_cluster {
            return configured.unwrap_or(DATABASES);
        }
        match of_cluster.first().map(reply::ok) {
            Some(Ok(reply)) => {
                cluster::put(reply::text(reply).unwrap_or(""), out);
                1
            }
            Some(Err(error)) => {
                tracing::error!(%error, "could not read CLUSTER INFO");
                configured.unwrap_or(0)
            }
            None => configured.unwrap_or(0),
        }
    }

    /// Asked for alone: beside other commands the buffers of this very connection would stand out.
    async fn list_clients(&self, kept: &mut Kept, deadline: Instant, out: &mut Samples<'_>) {
        let options = &self.settings.options;
        let groups = self.settings.extra.export_client_groups;
        let wanted = options.export_client_list || groups;
        let Some(open) = kept.open.as_mut().filter(|_| wanted) else {
            return;
        };
        match open.connection.command(&["CLIENT", "LIST"], deadline).await {
            Ok(reply) => {
                let list = reply::text(&reply).unwrap_or("");
                if options.export_client_list {
                    clients::put(list, options.export_client_port, instance::now(), out);
                }
                if groups {
                    clients::put_groups(list, out);
                }
            }
            Err(error) => tracing::error!(%error, "could not read the list of clients"),
        }
    }

    fn put_info(&self, info: &Info<'_>, databases: i64, out: &mut Samples<'_>) {
        let options = &self.settings.options;
        info.put(out, options.include_system);
        instance::put(info, out);
        let zeros = if options.include_empty_databases {
            databases
        } else {
            0
        };
        keyspace::put(info, zeros, out);
        let commands = commandstats::parse(info);
        commandstats::put(&commands, out);
        latency::put_percentiles(info, &commands, out);
        errorstats::put(info, out);
        replication::put(info, out);
    }

    fn put_replies(
        &self,
        first: &First,
        replies: &Replies,
        info: &Info<'_>,
        out: &mut Samples<'_>,
    ) {
        if let Some(at) = first.latency {
            if let Some(latest) = self.latency(replies, at, 0) {
                latency::put_spikes(latest, out);
            }
            if let Some(histogram) = self.latency(replies, at + 1, 1) {
                latency::put_histograms(histogram, &commandstats::parse(info), out);
            }
        }
        let slow = |at| {
            replies
                .get(Some(at), "the log of slow commands")
                .unwrap_or(&Value::Nil)
        };
        slowlog::put(slow(first.slowlog), slow(first.slowlog + 1), out);
        if let Some(server) = replies.get(first.tile38, "SERVER EXT") {
            tile38::put(server, out);
        }
        if let Some(text) = replies.text(first.modules, "the loaded modules") {
            modules::put(text, out);
        }
    }

    /// The reply to a LATENCY command; a refusal is told once.
    fn latency<'a>(&self, replies: &'a Replies, at: usize, which: usize) -> Option<&'a Value> {
        let reply = replies.0.get(at)?;
        let Some(error) = reply::error(reply) else {
            return Some(reply);
        };
        let command = ["LATENCY LATEST", "LATENCY HISTOGRAM"][which];
        match self.latency_refused[which].swap(true, Ordering::Relaxed) {
            false => tracing::error!(error, command, "the server refused a command, told once"),
            true => tracing::debug!(error, command, "the server refused a command"),
        }
        None
    }

    /// Keys, streams and key groups, on this server or all of its cluster.
    async fn look_up(
        &self,
        job: &Job<'_>,
        kept: &mut Kept,
        info: &Info<'_>,
        databases: i64,
        out: &mut Samples<'_>,
    ) {
        let options = &self.settings.options;
        let servers = if options.is_cluster {
            match self.cluster(job, kept).await {
                Ok(cluster) => Servers::Many(cluster, &self.dialer),
                Err(error) => {
                    tracing::error!(%error, "could not connect to the cluster, no keys are looked up");
                    return;
                }
            }
        } else {
            match &mut kept.open {
                Some(open) => Servers::One(&mut open.connection),
                None => return,
            }
        };
        let now = Instant::now();
        // Some time is left for what comes after the scans.
        let latest = job
            .deadline
            .checked_sub(Duration::from_millis(50))
            .unwrap_or(now);
        let mut reach = Reach {
            servers,
            deadline: job.deadline,
            scan_deadline: self
                .settings
                .scans
                .map_or(latest, |limit| latest.min(now + limit)),
            batch: options.batch_size,
        };
        let is_replica = info.get("role") == Some("slave");
        if !options.skip_check_keys_on_master || is_replica {
            let lists = job.lists;
            let wanted = self.settings.wanted_of_keys();
            keys::collect(&mut reach, &lists.single_keys, &lists.keys, wanted, out).await;
            count_keys::collect(&mut reach, &lists.counts, out).await;
            let consumers = !options.streams_exclude_consumers;
            streams::collect(
                &mut reach,
                &lists.single_streams,
                &lists.streams,
                consumers,
                out,
            )
            .await;
        }
        let began = Instant::now();
        match &self.settings.key_groups {
            Ok(patterns) if patterns.is_empty() => {
                key_groups::put_duration(Duration::ZERO, out);
                return;
            }
            Ok(patterns) => {
                let most = options.max_key_groups;
                key_groups::collect(&mut reach, patterns, databases, most, info, out).await;
            }
            Err(error) => tracing::error!(error, "could not read check-key-groups"),
        }
        key_groups::put_duration(began.elapsed(), out);
    }

    /// The cluster that was kept or a new one, with its slots learned anew.
    async fn cluster<'a>(
        &self,
        job: &Job<'_>,
        kept: &'a mut Kept,
    ) -> Result<&'a mut Cluster, Error> {
        let seed = job.seed.clone();
        let seed =
            seed.ok_or_else(|| Error::Lost("the address is none of a cluster".to_owned()))?;
        let known = kept.cluster.take().filter(|(to, _)| *to == seed);
        let learned = match known {
            Some((_, mut cluster)) => match cluster.learn(&self.dialer, job.deadline).await {
                Ok(()) => Some(cluster),
                Err(_) => None,
            },
            None => None,
        };
        let cluster = match learned {
            Some(cluster) => cluster,
            None => Cluster::connect(&self.dialer, seed.clone(), job.deadline).await?,
        };
        Ok(&mut kept.cluster.insert((seed, cluster)).1)
    }
}
