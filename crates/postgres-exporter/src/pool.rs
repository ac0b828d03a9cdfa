//! A few connections to one server, and never more.
//!
//! Connections are opened when they are needed: a second one only after the first was busy for a
//! moment. A statement whose asker has gone keeps its connection until the server has answered it,
//! so that a server that hangs is not given more and more of them.

use crate::connection::{Backend, Connection, Failure, Limits, Server};
use crate::rows::Rows;
use futures_util::future::join;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, oneshot};

/// How long a busy connection is waited for before another is opened.
const PATIENCE: Duration = Duration::from_millis(40);
/// How long an abandoned statement or login may take before its connection is given up.
pub const LINGER: Duration = Duration::from_secs(30);
/// How long an abandoned statement is left to end by itself before it is cancelled.
const GRACE: Duration = Duration::from_millis(250);
/// How long cancelling may take.
const CANCELLING: Duration = Duration::from_secs(2);
/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// The connections to one server.
pub struct Pool {
    limit: usize,
    state: Mutex<State>,
    freed: Notify,
    /// Held while a session beside the others may be open, to cancel a statement of one of them.
    cancelling: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    idle: Vec<Connection>,
    /// All connections: idle, borrowed, being opened, and those whose answer nobody waits for.
    open: usize,
}

impl Pool {
    /// At most `limit` connections, at least one.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Pool {
            limit: limit.max(1),
            state: Mutex::default(),
            freed: Notify::new(),
            cancelling: tokio::sync::Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Borrows a connection; where none is free, one is opened by `open` or the next that is free
    /// is taken, whichever comes first.
    pub async fn borrow<F>(
        self: &Arc<Self>,
        open: impl FnOnce() -> F,
        deadline: Instant,
    ) -> Result<Lease, Failure>
    where
        F: Future<Output = Result<Connection, Failure>> + Send + 'static,
    {
        let borrowing = async {
            let slot = match self.place().await {
                Place::Free(lease) => return Ok(lease),
                Place::New(slot) => slot,
            };
            let (told, opened) = oneshot::channel();
            let opening = open();
            tokio::spawn(async move {
                let lease = opening.await;
                let lease = lease.map(|connection| Lease::new(slot, connection, true));
                // What nobody waits for any more is free for the next.
                let _ = told.send(lease);
            });
            tokio::select! {
                biased;
                lease = opened => match lease {
                    Ok(lease) => lease,
                    Err(_) => Err(Failure::Unreachable("opening was given up".to_owned())),
                },
                lease = self.idle() => Ok(lease),
            }
        };
        let borrowed = tokio::time::timeout_at(deadline.into(), borrowing).await;
        borrowed.unwrap_or(Err(Failure::TooLate))
    }

    /// The next connection that is free.
    async fn idle(self: &Arc<Self>) -> Lease {
        loop {
            if let Some(lease) = self.take() {
                return lease;
            }
            self.freed.notified().await;
        }
    }

    fn take(self: &Arc<Self>) -> Option<Lease> {
        let connection = self.state().idle.pop()?;
        Some(Lease::new(Slot(Some(self.clone())), connection, false))
    }

    async fn place(self: &Arc<Self>) -> Place {
        let mut waited = false;
        loop {
            if let Some(lease) = self.take() {
                return Place::Free(lease);
            }
            {
                let mut state = self.state();
                if state.open == 0 || (waited && state.open < self.limit) {
                    state.open += 1;
                    return Place::New(Slot(Some(self.clone())));
                }
            }
            tokio::select! {
                () = self.freed.notified() => {}
                () = tokio::time::sleep(PATIENCE) => waited = true,
            }
        }
    }

    /// The right to one connection that is not of this pool, such as to another database of the same
    /// server. Where all are taken an idle one is closed for it.
    pub async fn reserve(self: &Arc<Self>, deadline: Instant) -> Result<Slot, Failure> {
        let reserving = async {
            loop {
                if let Some((slot, surplus)) = self.claim() {
                    if let Some(connection) = surplus {
                        goodbye(connection).await;
                    }
                    return slot;
                }
                // Who is told that something is free may not be able to use it.
                let _ = tokio::time::timeout(PATIENCE, self.freed.notified()).await;
            }
        };
        let reserved = tokio::time::timeout_at(deadline.into(), reserving).await;
        reserved.map_err(|_| Failure::TooLate)
    }

    /// A right, and the idle connection that has to go for it.
    fn claim(self: &Arc<Self>) -> Option<(Slot, Option<Connection>)> {
        let mut state = self.state();
        let surplus = match state.open < self.limit {
            true => {
                state.open += 1;
                None
            }
            false => Some(state.idle.pop()?),
        };
        Some((Slot(Some(self.clone())), surplus))
    }

    /// Closes all idle connections, and waits for that.
    pub async fn drain(self: &Arc<Self>) {
        for (slot, connection) in self.surplus(0) {
            goodbye(connection).await;
            drop(slot);
        }
    }

    /// Idle connections beyond so many, and the rights to them.
    fn surplus(self: &Arc<Self>, kept: usize) -> Vec<(Slot, Connection)> {
        let mut state = self.state();
        let kept = kept.min(state.idle.len());
        let surplus = state.idle.split_off(kept).into_iter();
        surplus.map(|c| (Slot(Some(self.clone())), c)).collect()
    }

    /// Closes idle connections beyond so many.
    pub fn keep(self: &Arc<Self>, count: usize) {
        for (slot, connection) in self.surplus(count) {
            tokio::spawn(async move {
                goodbye(connection).await;
                drop(slot);
            });
        }
    }

    /// Cancels the statement that runs in this process, over an idle connection or else over one
    /// made for that, one at a time. Tells whether nothing of it can still be under way.
    async fn cancel(self: &Arc<Self>, backend: &Backend) -> bool {
        let _turn = self.cancelling.lock().await;
        let deadline = Instant::now() + CANCELLING;
        if let Some(mut lease) = self.take() {
            let sql = backend.cancellation();
            match lease.query(&sql, Limits::until(deadline)).await {
                Err(Failure::TooLate) => return false,
                Err(Failure::Lost(_)) => {}
                _ => return true,
            }
        }
        let cancelling = tokio::time::timeout_at(deadline.into(), backend.cancel());
        match cancelling.await {
            Ok(Err(error)) => tracing::debug!(%error, "a statement could not be cancelled"),
            Ok(Ok(())) => {}
            Err(_) => return false,
        }
        true
    }

    /// Number of connections that are open or being opened.
    pub fn open(&self) -> usize {
        self.state().open
    }
}

/// Ends a session. One that does not listen any more ends as well.
async fn goodbye(connection: Connection) {
    let _ = tokio::time::timeout(GOODBYE, connection.close()).await;
}

enum Place {
    Free(Lease),
    New(Slot),
}

/// The right to one connection, given up when dropped.
pub struct Slot(Option<Arc<Pool>>);

impl Slot {
    /// Leaves the right with an idle connection.
    fn park(mut self, connection: Connection) {
        if let Some(pool) = self.0.take() {
            pool.state().idle.push(connection);
            pool.freed.notify_one();
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(pool) = &self.0 {
            pool.state().open -= 1;
            pool.freed.notify_one();
        }
    }
}

/// A borrowed connection, which returns when dropped.
pub struct Lease {
    connection: Option<Connection>,
    slot: Option<Slot>,
    /// Whether it was opened for this borrower.
    pub fresh: bool,
    busy: bool,
}

impl Lease {
    fn new(slot: Slot, connection: Connection, fresh: bool) -> Self {
        Lease {
            connection: Some(connection),
            slot: Some(slot),
            fresh,
            busy: false,
        }
    }

    /// The server, as it said when the session began.
    pub fn server(&self) -> Arc<Server> {
        let connection = self.connection.as_ref();
        connection.map(|c| c.server().clone()).unwrap_or_default()
    }

    /// Asks a statement; see [`Connection::query`].
    pub async fn query(&mut self, sql: &str, limits: Limits) -> Result<Rows, Failure> {
        let Some(connection) = &mut self.connection else {
            return Err(Failure::Lost("it ended before".to_owned()));
        };
        self.busy = true;
        let asking = connection.query(sql, limits);
        let answer = match tokio::time::timeout_at(limits.deadline.into(), asking).await {
            Ok(answer) => answer,
            // Dropping it now leaves the answer to be waited for.
            Err(_) => return Err(Failure::TooLate),
        };
        self.busy = false;
        if matches!(answer, Err(Failure::Lost(_))) {
            self.connection = None;
        }
        answer
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let (Some(connection), Some(slot)) = (self.connection.take(), self.slot.take()) else {
            return;
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) if self.busy => {
                runtime.spawn(linger(connection, slot));
            }
            // At the end of the process nothing lingers.
            Err(_) if self.busy => {}
            _ => slot.park(connection),
        }
    }
}

/// Waits for the answer that nobody else waits for.
async fn linger(mut connection: Connection, slot: Slot) {
    if see_off(&mut connection, slot.0.as_ref()).await {
        slot.park(connection);
    }
}

/// Waits until the session is ready for the next statement, and has the one cancelled that takes
/// its time. Tells whether it is.
async fn see_off(connection: &mut Connection, pool: Option<&Arc<Pool>>) -> bool {
    let backend = connection.backend().cloned();
    let settling = tokio::time::timeout(LINGER, settle(connection));
    tokio::pin!(settling);
    if let Ok(settled) = tokio::time::timeout(GRACE, &mut settling).await {
        return settled.unwrap_or(false);
    }
    let (Some(backend), Some(pool)) = (backend, pool) else {
        return settling.await.unwrap_or(false);
    };
    // A request to cancel must not meet the next statement of this session.
    let (settled, over) = join(settling, pool.cancel(&backend)).await;
    over && settled.unwrap_or(false)
}

/// Whether the session is ready for the next statement.
async fn settle(connection: &mut Connection) -> bool {
    loop {
        match connection.settle().await {
            Ok(()) => return true,
            // The abandoned statement failed, as it was told to.
            Err(Failure::Refused { .. }) => {}
            Err(_) => return false,
        }
    }
}
