//! One server as one section reaches it: its few connections, and what was told of it in the log.

mod address;
mod connect;
mod error;
#[cfg(test)]
mod fake;
mod pool;
mod rows;
mod session;
#[cfg(test)]
mod tests;
mod version;

pub use address::Address;
pub use connect::SessionOptions;
pub use error::{Error, code};
pub use rows::{RowView, Rows, number};
pub use session::Session;
pub use version::Version;

use crate::config::Section;
use connect::Route;
use pool::Pool;
use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Connections are replaced at this age, so that a name that means another server by now, or a
/// certificate that was renewed, is noticed.
const MAX_AGE: Duration = Duration::from_secs(300);

/// One server.
pub struct Server {
    /// Where it listens.
    pub address: Address,
    pool: Arc<Pool>,
    /// Collectors that were told to lack a privilege.
    told: Mutex<HashSet<&'static str>>,
    /// Something was denied in this scrape; new privileges count for new connections only.
    denied: AtomicBool,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({})", self.address)
    }
}

impl Server {
    /// A server that is not connected to yet.
    ///
    /// # Errors
    /// A certificate or key file that cannot be used.
    pub fn new(
        address: Address,
        section: &Section,
        options: SessionOptions,
        connections: usize,
    ) -> Result<Self, String> {
        let route = Route::new(&address, section, options)?;
        Ok(Server {
            address,
            pool: Pool::new(route, connections),
            told: Mutex::default(),
            denied: AtomicBool::new(false),
        })
    }

    /// Connects, or makes sure that the connection kept from the last scrape still works; then the
    /// server is up. Tells its version.
    pub async fn check(&self, deadline: Instant) -> Result<Version, Error> {
        let checking = async {
            let mut lease = self.pool.acquire(deadline).await?;
            if !lease.is_new() && (lease.age() > MAX_AGE || lease.ping().await.is_err()) {
                // Its place is free before another is asked for.
                lease.discard();
                self.pool.keep_idle(0);
                lease = self.pool.acquire(deadline).await?;
            }
            lease.limit_statements(deadline).await?;
            Ok(lease.version())
        };
        match tokio::time::timeout_at(deadline.into(), checking).await {
            Ok(result) => result,
            Err(_) => Err(Error::Connection(
                "no answer before the end of the scrape".to_owned(),
            )),
        }
    }

    /// A connection that a collector has to itself, waited for.
    pub async fn session(
        &self,
        collector: &'static str,
        deadline: Instant,
    ) -> Result<Session, Error> {
        if self.pool.has_overrun(collector) {
            let why = "a statement of an earlier scrape is still running";
            return Err(Error::Connection(why.to_owned()));
        }
        let lease = self.pool.acquire(deadline).await?;
        Ok(Session::new(lease, collector, deadline))
    }

    /// To be called when a scrape is over.
    pub fn rest(&self) {
        let denied = self.denied.swap(false, Ordering::AcqRel);
        self.pool.keep_idle(usize::from(!denied));
    }

    /// A collector was denied something: whether that is news.
    pub fn is_news(&self, collector: &'static str) -> bool {
        self.denied.store(true, Ordering::Release);
        self.told().insert(collector)
    }

    /// A collector was denied nothing: the next time is news again.
    pub fn is_allowed(&self, collector: &'static str) {
        self.told().remove(collector);
    }

    fn told(&self) -> std::sync::MutexGuard<'_, HashSet<&'static str>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
