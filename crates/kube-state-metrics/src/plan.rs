//! What is followed by these options, and starting it again when the share of this instance
//! changes: the old state is served until the new one is complete.

use crate::options::{Options, trimmed};
use crate::resources::Resource;
use crate::selection::Selection;
use crate::sharding::Shard;
use crate::watching::{Watchers, Watching};
use crate::world::{Exposed, Feed, Scope, World};
use std::time::Duration;
use tokio::sync::watch;

/// A new state that is not complete after this time is served as it is.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is followed.
#[derive(Clone)]
pub struct Plan {
    resources: Vec<&'static Resource>,
    selection: Selection,
    namespaces: Vec<String>,
    /// Which objects are wanted.
    pub scope: Scope,
}

impl Plan {
    /// By these options.
    ///
    /// # Errors
    /// The option that cannot be followed.
    pub fn new(options: &Options) -> Result<Self, String> {
        Ok(Plan {
            resources: options.resources()?,
            selection: options.selection()?,
            namespaces: trimmed(&options.namespaces),
            scope: options.scope()?,
        })
    }

    /// Empty stores of all resources.
    pub fn feeds(&self) -> Vec<Feed> {
        let feed =
            |resource: &&'static Resource| Feed::new(resource, &self.selection, &self.namespaces);
        self.resources.iter().map(feed).collect()
    }

    /// Exposes the objects of an API server for ever, and starts again with each new share.
    pub async fn follow(
        mut self,
        watching: Watching,
        exposed: Exposed,
        mut shares: watch::Receiver<Shard>,
    ) {
        let mut current = self.start(&watching, &mut shares, &exposed);
        loop {
            if shares.changed().await.is_err() {
                // The share is what it is.
                std::future::pending::<()>().await;
            }
            let next = Exposed::default();
            let mut watchers = self.start(&watching, &mut shares, &next);
            if !watchers.synced(PATIENCE).await {
                let missing = watchers.missing();
                tracing::warn!(
                    missing,
                    "Some resources are not complete with the new share"
                );
            }
            exposed.follow(&next);
            drop(std::mem::replace(&mut current, watchers));
        }
    }

    fn start(
        &mut self,
        watching: &Watching,
        shares: &mut watch::Receiver<Shard>,
        exposed: &Exposed,
    ) -> Watchers {
        let shard = *shares.borrow_and_update();
        self.scope.shard = shard;
        watching.telemetry.sharded(shard.ordinal, shard.total);
        let (ordinal, total) = (shard.ordinal, shard.total);
        tracing::info!(ordinal, total, "Following the objects of this share");
        let feeds = self.feeds();
        exposed.set(World::new(feeds.iter()));
        watching.start(&feeds, &self.scope)
    }
}
