//! Connections between scrapes.

use crate::client::{Cluster, Connection, Destination, Dialer, Error};
use crate::collectors::info::Info;
use std::time::{Duration, Instant};

/// A kept connection is not older than this: a name may stand for another server by now.
const MOST_AGE: Duration = Duration::from_secs(300);

/// What stays of a server between scrapes.
#[derive(Default)]
pub struct Kept {
    pub(super) open: Option<Open>,
    pub(super) cluster: Option<(Destination, Cluster)>,
}

/// An open connection.
pub(super) struct Open {
    pub(super) connection: Connection,
    to: Destination,
    since: Instant,
    /// Role and run id at the last scrape.
    identity: Option<(String, String)>,
    /// Whether they were others at the scrape before.
    changed: bool,
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
            if !home || open.changed || open.since.elapsed() > MOST_AGE {
                self.open = None;
            }
        }
        if let Some((_, cluster)) = &mut self.cluster {
            cluster.rest();
        }
    }

    /// Forgets a connection whose server is not what it was: it may have been failed over, and the
    /// address may lead to another one.
    pub(super) fn identify(&mut self, info: &Info<'_>) {
        let text = |field| info.get(field).unwrap_or("").to_owned();
        let now = (text("role"), text("run_id"));
        if let Some(open) = &mut self.open {
            let before = open.identity.as_ref();
            open.changed = before.is_some_and(|before| *before != now);
            open.identity = Some(now);
        }
    }

    /// Makes sure that there is a connection; whether it was there before.
    pub(super) async fn open(
        &mut self,
        dialer: &Dialer,
        to: &Destination,
        deadline: Instant,
    ) -> Result<bool, Error> {
        let usable = |open: &Open| open.to == *to && open.connection.is_usable();
        if self.open.as_ref().is_some_and(usable) {
            return Ok(true);
        }
        self.open = None;
        self.open = Some(Open {
            to: to.clone(),
            connection: dialer.connect(to, deadline).await?,
            since: Instant::now(),
            identity: None,
            changed: false,
        });
        Ok(false)
    }

    /// The connection that a scrape has opened.
    pub(super) fn connection(&mut self) -> Result<&mut Connection, Error> {
        let open = self.open.as_mut().map(|open| &mut open.connection);
        open.ok_or_else(|| Error::Lost("the connection is lost".to_owned()))
    }

    /// The cluster that was kept or a new one, with its slots learned anew.
    pub(super) async fn cluster(
        &mut self,
        dialer: &Dialer,
        seed: Option<&Destination>,
        deadline: Instant,
    ) -> Result<&mut Cluster, Error> {
        let none = || Error::Lost("the address is none of a cluster".to_owned());
        let seed = seed.ok_or_else(none)?;
        let mut known = self.cluster.take().filter(|(to, _)| to == seed);
        if let Some((_, cluster)) = &mut known
            && cluster.learn(dialer, deadline).await.is_err()
        {
            known = None;
        }
        let cluster = match known {
            Some((_, cluster)) => cluster,
            None => Cluster::connect(dialer, seed.clone(), deadline).await?,
        };
        Ok(&mut self.cluster.insert((seed.clone(), cluster)).1)
    }
}
