//! The few connections to one server.
//!
//! One is kept between scrapes. A further one, up to the limit, is made when none came back for
//! [`PATIENCE`]: then the server is the slow part. A statement that outlives its scrape keeps its
//! connection, and its place under the limit, until the server has answered or [`OVERDUE`] is over,
//! so a server that hangs is never given more connections than the limit.

use super::connect::{Connected, Route};
use super::{Error, Rows, Version};
use crate::collectors::sql::literal;
use mysql_async::prelude::Queryable;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, oneshot};

/// How long a free connection is waited for before another one is made.
const PATIENCE: Duration = Duration::from_millis(40);
/// How long a statement is waited for behind the end of its scrape.
const OVERDUE: Duration = Duration::from_secs(60);
/// How long a statement that nobody waits for is left to end by itself before it is killed.
const GRACE: Duration = Duration::from_millis(250);
/// How long killing may take.
const KILLING: Duration = Duration::from_secs(2);
/// How long no further connection is tried after the server refused one.
const REFUSED: Duration = Duration::from_secs(60);

pub(super) struct Pool {
    route: Route,
    most: usize,
    state: Mutex<State>,
    returned: Notify,
}

#[derive(Default)]
struct State {
    idle: Vec<Kept>,
    /// Idle, lent, or being made.
    open: usize,
    /// A connection beside those open was refused at this time.
    refused: Option<Instant>,
    /// Collectors whose statements run, and when their scrapes end.
    running: Vec<(&'static str, Instant)>,
}

struct Kept {
    connected: Connected,
    made: Instant,
    /// What `limit_statements` set.
    limit: Option<Duration>,
}

/// A place under the limit, with a connection in it once one is made.
pub(super) struct Lease {
    pool: Arc<Pool>,
    kept: Option<Kept>,
    new: bool,
}

impl Pool {
    pub fn new(route: Route, most: usize) -> Arc<Self> {
        Arc::new(Pool {
            route,
            most: most.max(1),
            state: Mutex::default(),
            returned: Notify::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection: the idle one, a new one, or one that is given back.
    pub async fn acquire(self: &Arc<Self>, deadline: Instant) -> Result<Lease, Error> {
        let mut patient = true;
        let mut why =
            Error::Connection("no connection was free before the end of the scrape".to_owned());
        loop {
            let returned = self.returned.notified();
            tokio::pin!(returned);
            // From here on a return is not missed.
            returned.as_mut().enable();
            if let Some(lease) = self.take_idle() {
                return Ok(lease);
            }
            if let Some(lease) = self.claim(patient) {
                match lease.connect(deadline).await {
                    Ok(lease) => return Ok(lease),
                    // Those that are open will come back.
                    Err(error) if self.is_refused() => why = error,
                    Err(error) => return Err(error),
                }
            }
            let until = deadline.min(Instant::now() + PATIENCE);
            patient = tokio::time::timeout_at(until.into(), returned)
                .await
                .is_ok();
            if Instant::now() >= deadline {
                return Err(why);
            }
        }
    }

    fn take_idle(self: &Arc<Self>) -> Option<Lease> {
        let kept = self.state().idle.pop()?;
        Some(Lease {
            pool: self.clone(),
            kept: Some(kept),
            new: false,
        })
    }

    /// A place for one more connection. While others are open it is given only to those whose
    /// patience is over.
    fn claim(self: &Arc<Self>, patient: bool) -> Option<Lease> {
        let mut state = self.state();
        let refused = state.refused.is_some_and(|at| at.elapsed() < REFUSED);
        let first = state.open == 0;
        if !first && (patient || refused || state.open >= self.most) {
            return None;
        }
        state.open += 1;
        Some(Lease {
            pool: self.clone(),
            kept: None,
            new: true,
        })
    }

    /// A connection could not be made: whether others are open, so that none more is tried for now.
    fn is_refused(&self) -> bool {
        let mut state = self.state();
        let others = state.open > 0;
        if others {
            state.refused = Some(Instant::now());
        }
        others
    }

    /// Whether a statement of this collector has outlived its scrape. A second one would hang too.
    pub fn has_overrun(&self, collector: &'static str) -> bool {
        let now = Instant::now();
        let state = self.state();
        let mut running = state.running.iter();
        running.any(|(name, deadline)| *name == collector && *deadline <= now)
    }

    /// Closes idle connections beyond so many.
    pub fn keep_idle(&self, most: usize) {
        let mut state = self.state();
        let surplus = state.idle.len().saturating_sub(most);
        state.idle.drain(..surplus);
        state.open -= surplus;
    }
}

/// How long statements may take on the server: rounded down by a little, so that the next scrape's
/// time is enough for it too.
fn limit(deadline: Instant) -> Duration {
    let left = deadline.saturating_duration_since(Instant::now());
    left.mul_f64(0.98)
}

impl Lease {
    async fn connect(mut self, deadline: Instant) -> Result<Self, Error> {
        let limit = limit(deadline);
        let connected = self.pool.route.connect(limit).await?;
        self.kept = Some(Kept {
            connected,
            made: Instant::now(),
            limit: Some(limit),
        });
        Ok(self)
    }

    fn kept(&mut self) -> Result<&mut Kept, Error> {
        let lost = || Error::Connection("the connection is lost".to_owned());
        self.kept.as_mut().ok_or_else(lost)
    }

    /// Whether it was made for this lease.
    pub fn is_new(&self) -> bool {
        self.new
    }

    /// Time since the connection was made.
    pub fn age(&self) -> Duration {
        self.kept
            .as_ref()
            .map_or(Duration::MAX, |k| k.made.elapsed())
    }

    /// What the server says it is.
    pub fn version(&self) -> Version {
        let unknown = Version {
            number: (0, 0, 0),
            mariadb: false,
        };
        self.kept.as_ref().map_or(unknown, |k| k.connected.version)
    }

    /// Closes the connection and gives its place back.
    pub fn discard(mut self) {
        self.close();
    }

    fn close(&mut self) {
        self.kept = None;
    }

    /// Whether the server answers.
    pub async fn ping(&mut self) -> Result<(), Error> {
        let answer = self.kept()?.connected.conn.ping().await;
        Ok(answer?)
    }

    /// Has the server end statements about when the scrape ends. Costs a statement only where the
    /// limit that stands does not fit.
    pub async fn limit_statements(&mut self, deadline: Instant) -> Result<(), Error> {
        let left = deadline.saturating_duration_since(Instant::now());
        let kept = self.kept()?;
        let fits = |limit: Duration| limit <= left && limit >= left / 2;
        if kept.limit.is_some_and(fits) {
            return Ok(());
        }
        let limit = limit(deadline);
        kept.connected.limit_statements(limit).await?;
        kept.limit = Some(limit);
        Ok(())
    }

    /// Runs a statement of a collector. Whoever waits for it may leave: the statement is seen to its
    /// end, which the server is asked to bring about, then the connection or its place is free again.
    pub async fn query(
        self,
        collector: &'static str,
        sql: String,
        deadline: Instant,
    ) -> Option<(Lease, Answer)> {
        let (mut tell, told) = oneshot::channel();
        let mut lease = self;
        let running = Running::new(lease.pool.clone(), (collector, deadline));
        tokio::spawn(async move {
            let _running = running;
            let answer = lease.run_to_its_end(&sql, deadline, &mut tell).await;
            if matches!(answer, Err(Error::Connection(_))) {
                lease.close();
            }
            // Where no one waits the lease ends here.
            let _ = tell.send((lease, answer));
        });
        told.await.ok()
    }

    async fn run_to_its_end(
        &mut self,
        sql: &str,
        deadline: Instant,
        tell: &mut oneshot::Sender<(Lease, Answer)>,
    ) -> Answer {
        let pool = self.pool.clone();
        let kept = self.kept()?;
        let connection = kept.connected.conn.id();
        let hangs = || Err(Error::Connection("the server hangs".to_owned()));
        let late = deadline + OVERDUE;
        let mut answer = pin!(tokio::time::timeout_at(late.into(), run(kept, sql)));
        let another = async {
            tell.closed().await;
            tokio::time::sleep(GRACE).await;
            match pool.acquire(late).await {
                Ok(lease) => lease,
                Err(_) => std::future::pending().await,
            }
        };
        let another = tokio::select! {
            biased;
            answer = answer.as_mut() => return answer.unwrap_or_else(|_| hangs()),
            another = another => another,
        };
        let (ended, ()) = tokio::join!(answer, another.kill(connection, sql));
        match ended {
            // The kill may arrive late, and must not meet another statement.
            Ok(_) => Err(Error::Connection("the statement was abandoned".to_owned())),
            Err(_) => hangs(),
        }
    }

    /// Has the server end a statement of ours on another connection. Where a proxy hands out numbers
    /// of its own, or the statement has ended, nothing is killed.
    async fn kill(mut self, connection: u32, sql: &str) {
        let killing = async {
            let running = format!(
                "SELECT COUNT(*) FROM information_schema.processlist WHERE ID = {connection} AND \
                 INFO = {}",
                literal(sql)
            );
            let found = run(self.kept()?, &running).await?;
            if found.scalar() == Some("1") {
                run(self.kept()?, &format!("KILL QUERY {connection}")).await?;
            }
            Ok::<(), Error>(())
        };
        match tokio::time::timeout(KILLING, killing).await {
            Ok(Ok(())) => {}
            Ok(Err(err)) => tracing::debug!(%err, "a statement could not be killed"),
            Err(_) => tracing::debug!("a statement could not be killed in time"),
        }
    }
}

/// A statement that runs.
struct Running {
    pool: Arc<Pool>,
    entry: (&'static str, Instant),
}

impl Running {
    fn new(pool: Arc<Pool>, entry: (&'static str, Instant)) -> Self {
        pool.state().running.push(entry);
        Running { pool, entry }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let running = &mut self.pool.state().running;
        if let Some(at) = running.iter().position(|entry| *entry == self.entry) {
            running.swap_remove(at);
        }
    }
}

pub(super) type Answer = Result<Rows, Error>;

async fn run(kept: &mut Kept, sql: &str) -> Answer {
    let mut result = kept.connected.conn.query_iter(sql).await?;
    let mut rows = Rows::default();
    rows.set_columns(result.columns_ref());
    result.for_each(|row| rows.push_row(&row)).await?;
    result.drop_result().await?;
    Ok(rows)
}

impl Drop for Lease {
    fn drop(&mut self) {
        let kept = self.kept.take();
        // A conversation that was cut off marks the connection so.
        let kept = kept.filter(|k| !k.connected.conn.is_disconnected());
        let mut state = self.pool.state();
        match kept {
            Some(kept) => state.idle.push(kept),
            None => state.open -= 1,
        }
        drop(state);
        self.pool.returned.notify_one();
    }
}
