//! What is asked of every server that is named, beside the collectors, which ask the first only:
//! whether it answers, its version, conflicts, and custom queries, there and on other databases.
//!
//! Upstream's first generation of metrics; all of them carry the label `server`.

use crate::connection::{Failure, Limits, Server};
use crate::discovery::Filter;
use crate::queries::{Exposed, Namespace, Queries, Usage, expose};
use crate::rows::Rows;
use crate::target::Target;
use exporter_core::exposition::{Arena, Dynamic, Family, Kind};
use futures_util::future::join_all;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

static STATIC: Family = Family::untyped(
    "pg_static",
    &["server", "short_version", "version"],
    "1, with the server's version as labels.",
);

const CONFLICTS: &str = "pg_stat_database_conflicts";
const CONFLICT_LABELS: &[&str] = &["datid", "datname", "server"];

macro_rules! conflicts {
    ($( $column:literal $help:literal, )*) => {
        [ $( ($column, Family::counter(concat!("pg_stat_database_conflicts_", $column), CONFLICT_LABELS, $help)), )* ]
    };
}

static CONFLICT_COLUMNS: [(&str, Family); 5] = conflicts! {
    "confl_tablespace" "Statements cancelled on a standby because a table space was dropped.",
    "confl_lock" "Statements cancelled on a standby because they waited for a lock.",
    "confl_snapshot" "Statements cancelled on a standby because their snapshot was too old.",
    "confl_bufferpin" "Statements cancelled on a standby because they held a buffer.",
    "confl_deadlock" "Statements cancelled on a standby because of a deadlock.",
};
static OTHER_CONFLICTS: Family = Family::untyped(
    "pg_stat_database_conflicts_<column>",
    CONFLICT_LABELS,
    "Any further column of pg_stat_database_conflicts, such as confl_active_logicalslot.",
);

/// Families of this part.
pub fn families() -> Vec<&'static Family> {
    let columns = CONFLICT_COLUMNS.iter().map(|c| &c.1);
    let mut all = vec![&STATIC, &OTHER_CONFLICTS, &crate::queries::LOAD_ERROR];
    all.extend(columns);
    all
}

/// What `--dumpmaps` prints: the built-in namespace, a line a column.
pub fn dump() -> String {
    let mut text = format!("{CONFLICTS}\n");
    let labels = ["datid", "datname"].iter().map(|name| (*name, "LABEL"));
    let counters = CONFLICT_COLUMNS.iter().map(|c| (c.0, "COUNTER"));
    for (column, usage) in labels.chain(counters) {
        text.push_str(&format!("  {column:<40} {usage}\n"));
    }
    text.push('\n');
    text
}

/// How this part was configured.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether `pg_static` and conflicts are exposed.
    pub default_metrics: bool,
    /// Labels of everything here.
    pub constant_labels: Vec<(String, String)>,
    /// What stands for the first `pg` in names of namespaces.
    pub prefix: String,
    /// Whether custom queries are asked on every database of a server.
    pub discover: bool,
    /// Which databases those are.
    pub filter: Filter,
    /// File of custom queries, empty for none.
    pub queries: String,
}

/// This part.
pub struct Legacy {
    options: Options,
    queries: Mutex<Arc<Queries>>,
}

/// What is remembered of one server from scrape to scrape.
#[derive(Default)]
pub struct Memory {
    answers: Mutex<HashMap<String, (Instant, Arc<Arena>)>>,
    databases: Mutex<HashMap<String, Arc<Named>>>,
}

/// A server and what is remembered of it.
pub struct Named {
    /// The server.
    pub target: Arc<Target>,
    /// What is remembered.
    pub memory: Memory,
}

impl Named {
    /// Nothing is remembered yet.
    pub fn new(target: Target) -> Self {
        Named {
            target: Arc::new(target),
            memory: Memory::default(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Legacy {
    /// Reads the file of custom queries. A label that would stand twice on a built-in metric is
    /// an error.
    pub fn new(options: Options) -> Result<Self, String> {
        let taken = [
            "version",
            "short_version",
            "datid",
            "datname",
            "filename",
            "hashsum",
        ];
        let labels = options.constant_labels.iter();
        if let Some((name, _)) = labels.clone().find(|(k, _)| taken.contains(&k.as_str())) {
            return Err(format!(
                "--constantLabels: metrics of this exporter have a label {name} already"
            ));
        }
        let queries = Queries::load(&options.queries);
        Ok(Legacy {
            options,
            queries: Mutex::new(Arc::new(queries)),
        })
    }

    /// Reads the file of custom queries again.
    pub fn reload(&self) {
        let queries = Queries::load(&self.options.queries);
        *lock(&self.queries) = Arc::new(queries);
    }

    /// Labels of everything here.
    pub fn constant_labels(&self) -> &[(String, String)] {
        &self.options.constant_labels
    }

    /// The custom queries as they are now; one scrape uses the same throughout.
    pub fn queries(&self) -> Arc<Queries> {
        lock(&self.queries).clone()
    }

    /// The label `server` and the constant ones, which win.
    fn labels(&self, target: &Target) -> Vec<(String, String)> {
        let mut labels = self.options.constant_labels.clone();
        if labels.iter().all(|(name, _)| name != "server") {
            labels.push(("server".to_owned(), target.server().to_owned()));
        }
        labels
    }

    /// A namespace's name with the prefix applied.
    fn name<'a>(&self, namespace: &'a str) -> Cow<'a, str> {
        match self.options.prefix.as_str() {
            "pg" => Cow::Borrowed(namespace),
            prefix => Cow::Owned(namespace.replacen("pg", prefix, 1)),
        }
    }

    /// Asks a server something, to know that it answers, and puts the built-in metrics. The error
    /// is that it does not; whether it refused is told beside.
    pub async fn open(
        &self,
        target: &Target,
        queries: &Queries,
        deadline: Instant,
        out: &mut Arena,
    ) -> Result<(Arc<Server>, bool), Failure> {
        let replaced = queries.namespaces.iter().any(|n| n.name == CONFLICTS);
        let built_in = self.options.default_metrics && !replaced;
        let asked = |server: &Server| match built_in && server.banner_version.is_some() {
            true => "SELECT * FROM pg_stat_database_conflicts",
            false => "SELECT 1",
        };
        let limits = Limits {
            fair: true,
            ..Limits::until(deadline)
        };
        let answer = match target
            .ask(limits, |server| Some(asked(server).into()))
            .await
        {
            Err(failure) if !failure.is_down() => {
                // It answers; what it answers is another matter.
                let server = target.server();
                let err = failure.to_string();
                tracing::error!(server, err, namespace = CONFLICTS, "query failed");
                let answer = target.ask(limits, |_| None).await?;
                return Ok((answer.server, true));
            }
            other => other?,
        };
        let Some(version) = answer.server.banner_version else {
            if target.first_time("version") {
                let server = target.server();
                tracing::warn!(
                    server,
                    "the version could not be told; only collectors are asked"
                );
            }
            return Ok((answer.server, false));
        };
        let labels = self.labels(target);
        if self.options.default_metrics {
            let short = version.to_string();
            let banner = answer.server.banner.as_str();
            let mut pairs = vec![("version", banner), ("short_version", &short)];
            pairs.extend(labels.iter().map(|(k, v)| (k.as_str(), v.as_str())));
            out.put_pairs(&STATIC, &pairs, 1.0);
        }
        if built_in && let Some(rows) = &answer.rows {
            self.put_conflicts(rows, &labels, out);
        }
        Ok((answer.server, false))
    }

    fn put_conflicts(&self, rows: &Rows, labels: &[(String, String)], out: &mut Arena) {
        let columns = rows.columns();
        let place = |name: &str| columns.iter().position(|c| c.name == name);
        let label = |row: &crate::rows::Row<'_>, name| {
            let text = place(name).and_then(|index| row.text(index));
            text.unwrap_or_default().to_owned()
        };
        let prefix = self.name(CONFLICTS);
        for row in rows.iter() {
            let (id, name) = (label(&row, "datid"), label(&row, "datname"));
            let mut pairs = vec![("datid", id.as_str()), ("datname", name.as_str())];
            pairs.extend(labels.iter().map(|(k, v)| (k.as_str(), v.as_str())));
            for (index, column) in columns.iter().enumerate() {
                if ["datid", "datname"].contains(&column.name.as_str()) {
                    continue;
                }
                let value = crate::queries::value(row.text(index), column.type_oid);
                let Some(value) = value else { continue };
                let known = CONFLICT_COLUMNS.iter().find(|c| c.0 == column.name);
                let name = format!("{prefix}_{}", column.name);
                let family = Dynamic {
                    name: &name,
                    help: known.map_or(OTHER_CONFLICTS.help, |c| c.1.help),
                    kind: known.map_or(Kind::Untyped, |c| c.1.kind),
                };
                out.put_dynamic(family, &pairs, value);
            }
        }
    }

    /// Asks the custom queries of a server, and those of its other databases. Tells whether any
    /// failed.
    pub async fn custom(
        &self,
        named: &Named,
        server: &Server,
        queries: &Queries,
        deadline: Instant,
        out: &mut Arena,
    ) -> bool {
        if queries.namespaces.is_empty() {
            return false;
        }
        let mut failed = false;
        if server.banner_version.is_some() {
            failed |= self.ask_all(named, queries, true, deadline, out).await;
        }
        if self.options.discover {
            failed |= self.discovered(named, queries, deadline, out).await;
        }
        failed
    }

    async fn ask_all(
        &self,
        named: &Named,
        queries: &Queries,
        configured: bool,
        deadline: Instant,
        out: &mut Arena,
    ) -> bool {
        let mut failed = false;
        for namespace in &queries.namespaces {
            if namespace.query.is_empty() || (namespace.master && !configured) {
                continue;
            }
            failed |= self.ask(named, namespace, deadline, out).await;
        }
        failed
    }

    /// One namespace, from the server or from what it answered lately.
    async fn ask(
        &self,
        named: &Named,
        namespace: &Namespace,
        deadline: Instant,
        out: &mut Arena,
    ) -> bool {
        let now = Instant::now();
        let cached = !namespace.cache.is_zero();
        if cached
            && let Some((then, arena)) = lock(&named.memory.answers).get(&namespace.name)
            && now.duration_since(*then) <= namespace.cache
        {
            out.append(arena);
            return false;
        }
        let mut arena = Arena::new();
        let result = self
            .fetch(&named.target, namespace, deadline, &mut arena)
            .await;
        out.append(&arena);
        if let Err(err) = &result {
            let (server, namespace) = (named.target.server(), namespace.name.as_str());
            tracing::error!(server, namespace, err, "custom query failed");
        }
        if cached {
            // What failed is not asked again before its time either.
            let mut answers = lock(&named.memory.answers);
            answers.insert(namespace.name.clone(), (now, Arc::new(arena)));
        }
        result.is_err()
    }

    async fn fetch(
        &self,
        target: &Target,
        namespace: &Namespace,
        deadline: Instant,
        out: &mut Arena,
    ) -> Result<(), String> {
        let labels = self.labels(target);
        let columns = namespace.columns.iter();
        let mut own = columns.filter(|(_, (usage, _))| *usage == Usage::Label);
        if let Some((name, _)) = own.find(|(name, _)| labels.iter().any(|(k, _)| k == *name)) {
            return Err(format!("the label {name} stands on every metric already"));
        }
        let limits = Limits {
            local_time: true,
            ..Limits::until(deadline)
        };
        let sql = namespace.query.as_str();
        let answer = target.ask(limits, |_| Some(sql.into())).await;
        let answer = answer.map_err(|failure| failure.to_string())?;
        let exposed = Exposed {
            name: &self.name(&namespace.name),
            labels: &labels,
        };
        let rows = answer.rows.unwrap_or_default();
        expose(&rows, namespace, exposed, out)
    }

    /// The other databases of a server. They are left alone between scrapes, so that they can be
    /// dropped.
    async fn discovered(
        &self,
        named: &Named,
        queries: &Queries,
        deadline: Instant,
        out: &mut Arena,
    ) -> bool {
        let databases = match self.options.filter.databases(&named.target, deadline).await {
            Ok(databases) => databases,
            Err(err) => {
                let server = named.target.server();
                tracing::error!(server, err, "databases could not be listed");
                return true;
            }
        };
        let databases = remembered(named, &databases);
        // Together with its own connections a server never has more than it may.
        let pool = named.target.pool();
        let asking = databases.iter().map(|database| async move {
            let mut arena = Arena::new();
            let Ok(_slot) = pool.reserve(deadline).await else {
                return (arena, true);
            };
            let failed = self
                .ask_all(database, queries, false, deadline, &mut arena)
                .await;
            database.target.pool().drain().await;
            (arena, failed)
        });
        let mut failed = false;
        for (arena, other) in join_all(asking).await {
            out.append(&arena);
            failed |= other;
        }
        failed
    }
}

/// What is known of these databases; the others are forgotten.
fn remembered(named: &Named, names: &[String]) -> Vec<Arc<Named>> {
    let mut known = lock(&named.memory.databases);
    known.retain(|name, _| names.contains(name));
    for name in names {
        if !known.contains_key(name)
            && let Ok(target) = named.target.database(name, 1)
        {
            known.insert(name.clone(), Arc::new(Named::new(target)));
        }
    }
    known.values().cloned().collect()
}
