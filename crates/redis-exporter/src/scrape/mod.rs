//! One scrape of one server: what is sent, in which order, and what a failure costs.
//!
//! Commands go out in as few writes as they can: one for all that does not depend on what the server
//! is, one for what does, then those that need a reply before the next. A connection that was kept
//! may have died meanwhile; then the scrape begins again with a new one.

mod first;
mod kept;

pub use kept::Kept;

use crate::client::{Destination, Dialer, Error, Pipeline, Value, reply};
use crate::collectors::info::Info;
use crate::collectors::*;
use crate::reach::{Reach, Servers};
use crate::samples::Samples;
use crate::settings::{Lists, Settings};
use first::{First, Replies};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Databases of a server that does not tell how many it has.
const DATABASES: i64 = 16;
/// Scans stop so long before the answer has to be there, for what comes after them.
const AFTER_SCANS: Duration = Duration::from_millis(50);

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

/// Scrapes by settings.
pub struct Scraper {
    /// What the flags ask for.
    pub settings: Settings,
    /// Makes connections.
    pub dialer: Dialer,
    /// Whether each of the two LATENCY commands was refused before.
    latency_refused: [AtomicBool; 2],
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
    /// known.
    ///
    /// # Errors
    /// What the scrape failed with; what was put before stays.
    pub async fn scrape(
        &self,
        job: &Job<'_>,
        kept: &mut Kept,
        out: &mut Samples<'_>,
        role: &mut Option<String>,
    ) -> Result<(), String> {
        let mut session = Session {
            scraper: self,
            settings: &self.settings,
            job,
            kept,
            out,
        };
        let result = session.run(role).await;
        kept.rest(job.deadline).await;
        result.map_err(|error| error.to_string())
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
}

/// A scrape under way.
struct Session<'a, 'names> {
    scraper: &'a Scraper,
    settings: &'a Settings,
    job: &'a Job<'a>,
    kept: &'a mut Kept,
    out: &'a mut Samples<'names>,
}

impl Session<'_, '_> {
    async fn run(&mut self, role: &mut Option<String>) -> Result<(), Error> {
        let first = First::new(self.settings);
        let replies = self.first_round(&first).await?;
        let text = self.info_text(&first, &replies).await?;
        let info = Info::parse(&text);
        self.kept.identify(&info);
        let server_role = info.get("role").unwrap_or("");
        *role = Some(server_role.to_owned());
        if self.settings.options.append_role {
            self.out.set_role(server_role);
        }
        let databases = self.put_config(&first, &replies).await?;
        let databases = self.second_round(&first, &replies, &info, databases).await;
        self.put_info(&info, databases);
        self.put_replies(&first, &replies, &info);
        self.list_clients().await;
        self.look_up(&info, databases).await;
        self.ask_sentinel(&info).await;
        self.search(&first, &replies).await;
        self.run_scripts().await
    }

    /// Connects where nothing was kept, and sends what does not depend on the server. What has not
    /// come is missing at the end of the replies.
    async fn first_round(&mut self, first: &First) -> Result<Replies, Error> {
        let began = Instant::now();
        let opened = self.open().await;
        itself::put_connect_time(began.elapsed(), self.out);
        let mut was_kept = opened?;
        loop {
            let mut replies = Vec::new();
            match self.ask_first(first, &mut replies).await {
                Err(Error::Lost(_)) if was_kept && replies.is_empty() => {
                    tracing::debug!("the connection that was kept is lost, connecting again");
                    self.kept.open = None;
                    was_kept = self.open().await?;
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

    async fn open(&mut self) -> Result<bool, Error> {
        let to = self.job.to.as_ref();
        let to = to.map_err(|why| Error::Lost(why.clone()))?;
        let dialer = &self.scraper.dialer;
        self.kept.open(dialer, to, self.job.deadline).await
    }

    async fn ask_first(&mut self, first: &First, replies: &mut Vec<Value>) -> Result<(), Error> {
        let deadline = self.job.deadline;
        let connection = self.kept.connection()?;
        if self.settings.options.ping_on_connect {
            let began = Instant::now();
            match connection.command(&["PING"], deadline).await {
                Ok(_) => itself::put_ping_time(began.elapsed(), self.out),
                Err(Error::Server(error)) => tracing::error!(error, "could not PING"),
                Err(error) => return Err(error),
            }
        }
        connection
            .ask_into(&first.pipeline, replies, deadline)
            .await
    }

    /// The text of INFO ALL or, where that is refused or empty, of INFO.
    async fn info_text(&mut self, first: &First, replies: &Replies) -> Result<Vec<u8>, Error> {
        let all = replies.0.get(first.info);
        let text = all.and_then(reply::bytes);
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            return Ok(text.to_vec());
        }
        let connection = self.kept.connection()?;
        let reply = connection.command(&["INFO"], self.job.deadline).await;
        let reply = reply.map_err(|error| match (all.and_then(reply::error), error) {
            // The connection broke behind a refusal, which tells more.
            (Some(refusal), Error::Lost(_) | Error::Silent(_)) => Error::Server(refusal),
            (_, error) => error,
        })?;
        let text = reply::bytes(&reply).map(<[u8]>::to_vec);
        text.ok_or_else(|| Error::Server("expected text in reply to INFO".to_owned()))
    }

    /// Puts the configuration; the number of databases, where it tells that.
    async fn put_config(&mut self, first: &First, replies: &Replies) -> Result<Option<i64>, Error> {
        let options = &self.settings.options;
        let Some(reply) = replies.get(first.config, "the configuration") else {
            return Ok(None);
        };
        let pairs = reply::pairs(reply).into_iter();
        let settings: Vec<(&str, &str)> = pairs
            .filter_map(|(key, value)| Some((key, reply::text(value)?)))
            .collect();
        let (all, redact) = (options.include_config, options.redact_config);
        config::put(&settings, all, redact, self.out);
        if options.include_rdb_size
            && let Some(path) = config::dump_file(&settings)
        {
            // A file system may hang.
            let reading = tokio::task::spawn_blocking(move || config::dump_size(&path));
            let reading = tokio::time::timeout_at(self.job.deadline.into(), reading).await;
            if let Ok(Ok(Some(size))) = reading {
                config::put_dump_size(size, self.out);
            }
        }
        config::databases(&settings).map_err(Error::Server)
    }

    /// Asks for what only some servers have; the number of databases.
    async fn second_round(
        &mut self,
        first: &First,
        replies: &Replies,
        info: &Info<'_>,
        configured: Option<i64>,
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
            let config = self.settings.config_command.as_deref();
            pipeline.append(&commandlog::commands(config));
        }
        let asked = match self.kept.connection() {
            Ok(_) if pipeline.is_empty() => Ok(Vec::new()),
            Ok(connection) => connection.ask(&pipeline, self.job.deadline).await,
            Err(error) => Err(error),
        };
        let replies = asked.unwrap_or_else(|error| {
            tracing::error!(%error, "could not ask for cluster and command log");
            Vec::new()
        });
        let (of_cluster, of_log) = replies.split_at(usize::from(in_cluster).min(replies.len()));
        commandlog::put(of_log, self.out);
        if !in_cluster {
            return configured.unwrap_or(DATABASES);
        }
        match of_cluster.first().map(reply::ok) {
            Some(Ok(reply)) => {
                cluster::put(reply::text(reply).unwrap_or(""), self.out);
                1
            }
            Some(Err(error)) => {
                tracing::error!(%error, "could not read CLUSTER INFO");
                configured.unwrap_or(0)
            }
            None => configured.unwrap_or(0),
        }
    }

    fn put_info(&mut self, info: &Info<'_>, databases: i64) {
        let options = &self.settings.options;
        let out = &mut *self.out;
        info.put(out, options.include_system);
        instance::put(info, out);
        let zeros = match options.include_empty_databases {
            true => databases,
            false => 0,
        };
        keyspace::put(info, zeros, out);
        let commands = commandstats::parse(info);
        commandstats::put(&commands, out);
        latency::put_percentiles(info, &commands, out);
        errorstats::put(info, out);
        replication::put(info, out);
    }

    fn put_replies(&mut self, first: &First, replies: &Replies, info: &Info<'_>) {
        let out = &mut *self.out;
        if let Some(at) = first.latency {
            if let Some(latest) = self.scraper.latency(replies, at, 0) {
                latency::put_spikes(latest, out);
            }
            if let Some(histogram) = self.scraper.latency(replies, at + 1, 1) {
                latency::put_histograms(histogram, &commandstats::parse(info), out);
            }
        }
        let slow = |at| {
            let reply = replies.get(Some(at), "the log of slow commands");
            reply.unwrap_or(&Value::Nil)
        };
        slowlog::put(slow(first.slowlog), slow(first.slowlog + 1), out);
        if let Some(server) = replies.get(first.tile38, "SERVER EXT") {
            tile38::put(server, out);
        }
        if let Some(text) = replies.text(first.modules, "the loaded modules") {
            modules::put(text, out);
        }
    }

    /// Asked for alone: beside other commands the buffers of this very connection would stand out.
    async fn list_clients(&mut self) {
        let options = &self.settings.options;
        let groups = self.settings.extra.export_client_groups;
        if !options.export_client_list && !groups {
            return;
        }
        let asked = match self.kept.connection() {
            Ok(connection) => {
                connection
                    .command(&["CLIENT", "LIST"], self.job.deadline)
                    .await
            }
            Err(error) => Err(error),
        };
        match asked {
            Ok(reply) => {
                let list = reply::text(&reply).unwrap_or("");
                if options.export_client_list {
                    clients::put(list, options.export_client_port, instance::now(), self.out);
                }
                if groups {
                    clients::put_groups(list, self.out);
                }
            }
            Err(error) => tracing::error!(%error, "could not read the list of clients"),
        }
    }

    /// Keys, streams and key groups, on this server or all of its cluster.
    async fn look_up(&mut self, info: &Info<'_>, databases: i64) {
        let (options, deadline) = (&self.settings.options, self.job.deadline);
        let dialer = &self.scraper.dialer;
        let servers = match options.is_cluster {
            true => self
                .kept
                .cluster(dialer, self.job.seed.as_ref(), deadline)
                .await
                .map(|cluster| Servers::Many(cluster, dialer)),
            false => self.kept.connection().map(Servers::One),
        };
        let servers = match servers {
            Ok(servers) => servers,
            Err(error) => {
                tracing::error!(%error, "could not connect, no keys are looked up");
                return;
            }
        };
        let now = Instant::now();
        let latest = deadline.checked_sub(AFTER_SCANS).unwrap_or(now);
        let limit = self.settings.scans.map_or(latest, |limit| now + limit);
        let mut reach = Reach {
            servers,
            deadline,
            scan_deadline: latest.min(limit),
            batch: options.batch_size,
        };
        let out = &mut *self.out;
        if !options.skip_check_keys_on_master || info.get("role") == Some("slave") {
            let lists = self.job.lists;
            let wanted = self.settings.wanted_of_keys();
            keys::collect(&mut reach, &lists.single_keys, &lists.keys, wanted, out).await;
            count_keys::collect(&mut reach, &lists.counts, out).await;
            let (single, patterns) = (&lists.single_streams, &lists.streams);
            let consumers = !options.streams_exclude_consumers;
            streams::collect(&mut reach, single, patterns, consumers, out).await;
        }
        group_keys(self.settings, &mut reach, info, databases, out).await;
    }

    async fn ask_sentinel(&mut self, info: &Info<'_>) {
        if !info.has_section("Sentinel") {
            return;
        }
        sentinel::put_info(info, self.out);
        let wanted = self.settings.wanted_of_sentinels();
        let asked = match self.kept.connection() {
            Ok(connection) => {
                sentinel::collect(connection, wanted, self.job.deadline, self.out).await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = asked {
            tracing::error!(%error, "could not ask the Sentinel for its masters");
        }
    }

    async fn search(&mut self, first: &First, replies: &Replies) {
        let Some(names) = &self.settings.search_indexes else {
            return;
        };
        let list = replies.get(first.search, "the list of search indexes");
        let asked = match (list, self.kept.connection()) {
            (Some(list), Ok(connection)) => {
                search::collect(connection, list, names, self.job.deadline, self.out).await
            }
            (None, _) => Ok(()),
            (_, Err(error)) => Err(error),
        };
        if let Err(error) = asked {
            tracing::error!(%error, "could not read a search index");
        }
    }

    async fn run_scripts(&mut self) -> Result<(), Error> {
        let scripts = &self.settings.scripts;
        if scripts.is_empty() {
            return Ok(());
        }
        let read_only = self.settings.options.script_read_only;
        let connection = self.kept.connection()?;
        scripts::collect(connection, scripts, read_only, self.job.deadline, self.out).await
    }
}

/// Groups keys where that is asked for, and tells how long it took in any case.
async fn group_keys(
    settings: &Settings,
    reach: &mut Reach<'_>,
    info: &Info<'_>,
    databases: i64,
    out: &mut Samples<'_>,
) {
    let began = Instant::now();
    let took = match &settings.key_groups {
        Ok(patterns) if patterns.is_empty() => Duration::ZERO,
        Ok(patterns) => {
            let most = settings.options.max_key_groups;
            key_groups::collect(reach, patterns, databases, most, info, out).await;
            began.elapsed()
        }
        Err(error) => {
            tracing::error!(error, "could not read check-key-groups");
            began.elapsed()
        }
    };
    key_groups::put_duration(took, out);
}
