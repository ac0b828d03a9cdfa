//! One server to ask: how to reach it, the connections to it, and what was said about it already.

use crate::connection::{Connection, Failure, Limits, Server};
use crate::dsn::environment::{DataSource, Environment};
use crate::dsn::{Dsn, Settings};
use crate::pool::Pool;
use crate::rows::Rows;
use crate::version::Version;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// One server.
pub struct Target {
    source: DataSource,
    env: Environment,
    server: String,
    pool: Arc<Pool>,
    /// The server does not take the parameter that tells our sessions from a pooler's.
    unmarked: Arc<AtomicBool>,
    said: Mutex<HashSet<String>>,
    databases: Mutex<HashMap<String, Arc<Target>>>,
}

impl Target {
    /// A server that is connected to when it is asked first, by at most `connections` sessions.
    pub fn new(source: DataSource, env: Environment, connections: usize) -> Self {
        let server = source.dsn().map(|dsn| dsn.server().to_owned());
        Target {
            source,
            env,
            server: server.unwrap_or_default(),
            pool: Pool::new(connections),
            unmarked: Arc::default(),
            said: Mutex::default(),
            databases: Mutex::default(),
        }
    }

    /// `host:port`, the label `server`.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Its data source name as it is now.
    pub fn dsn(&self) -> Result<Dsn, String> {
        self.source.dsn()
    }

    /// Another database of the same server.
    pub fn database(&self, name: &str, connections: usize) -> Result<Self, String> {
        let source = DataSource::Fixed(self.source.dsn()?.with_database(name));
        Ok(Target::new(source, self.env.clone(), connections))
    }

    /// Other databases of the same server, by one connection each. Those that are not named any more
    /// are forgotten.
    pub fn databases(&self, names: &[String]) -> Vec<Arc<Self>> {
        let known = self.databases.lock();
        let mut known = known.unwrap_or_else(PoisonError::into_inner);
        known.retain(|name, _| names.contains(name));
        let all = names.iter().filter_map(|name| {
            if !known.contains_key(name) {
                let target = self.database(name, 1).ok()?;
                known.insert(name.clone(), Arc::new(target));
            }
            known.get(name).cloned()
        });
        all.collect()
    }

    /// The connections.
    pub fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// Whether this is said for the first time; what is wrong at each scrape is told once.
    pub fn first_time(&self, what: &str) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        !said.contains(what) && said.insert(what.to_owned())
    }

    /// Makes what was said news again.
    pub fn forget(&self, what: &str) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.remove(what);
    }

    /// Asks the statement that `sql` chooses for the server's version. A connection that turns out
    /// to have ended since the last scrape is replaced, once.
    pub async fn ask<'a>(
        &self,
        limits: Limits,
        sql: impl Fn(&Server) -> Option<Cow<'a, str>>,
    ) -> Result<Answer, Failure> {
        loop {
            let mut lease = self
                .pool
                .borrow(|| self.open(limits.deadline), limits.deadline)
                .await?;
            let server = lease.server();
            let Some(sql) = sql(&server) else {
                return Ok(Answer { server, rows: None });
            };
            match lease.query(&sql, limits.from_now()).await {
                Ok(rows) => {
                    return Ok(Answer {
                        server,
                        rows: Some(rows),
                    });
                }
                Err(Failure::Lost(_)) if !lease.fresh => {}
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Opens a connection. It may take longer than its asker waits; then the next one has it.
    fn open(
        &self,
        deadline: Instant,
    ) -> impl Future<Output = Result<Connection, Failure>> + Send + use<> {
        let settings = self.source.dsn();
        let settings = settings.and_then(|dsn| Settings::resolve(&dsn, &self.env));
        let unmarked = self.unmarked.clone();
        if settings.as_ref().is_ok_and(|s| s.versions.not_newest) && self.first_time("tls") {
            let server = self.server();
            tracing::warn!(
                server,
                "ssl_max_protocol_version=TLSv1.2 is not kept to: TLS 1.3 is used where both know it"
            );
        }
        async move {
            let settings = settings.map_err(Failure::Unreachable)?;
            Connection::open(&settings, &unmarked, deadline).await
        }
    }
}

/// What a target answered.
pub struct Answer {
    /// Who answered.
    pub server: Arc<Server>,
    /// The rows; `None` where this server is not asked.
    pub rows: Option<Rows>,
}

impl Answer {
    /// The version that the statement was chosen by.
    pub fn version(&self) -> Version {
        self.server.version()
    }
}
