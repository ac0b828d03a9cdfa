//! One collector's use of a connection.

use super::pool::Lease;
use super::{Error, Rows, Version};
use std::time::Instant;

/// A connection that one collector has to itself until it is dropped.
pub struct Session {
    lease: Option<Lease>,
    collector: &'static str,
    version: Version,
    deadline: Instant,
}

impl Session {
    pub(super) fn new(lease: Lease, collector: &'static str, deadline: Instant) -> Self {
        Session {
            collector,
            version: lease.version(),
            lease: Some(lease),
            deadline,
        }
    }

    /// What the server says it is.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Runs a statement and gives all its rows.
    pub async fn query(&mut self, sql: impl Into<String>) -> Result<Rows, Error> {
        let lost = || Error::Connection("the connection is lost".to_owned());
        let lease = self.lease.take().ok_or_else(lost)?;
        let (lease, answer) = lease
            .query(self.collector, sql.into(), self.deadline)
            .await
            .ok_or_else(lost)?;
        self.lease = Some(lease);
        answer
    }

    /// A system variable as text; `None` where the server does not know it.
    pub async fn variable(&mut self, name: &str) -> Result<Option<String>, Error> {
        match self.query(format!("SELECT @@{name}")).await {
            Ok(rows) => Ok(rows.scalar().map(str::to_owned)),
            Err(error) if error.is(super::code::UNKNOWN_VARIABLE) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
