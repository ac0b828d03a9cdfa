//! What is followed by these options, and starting it again when the share of this instance
//! changes: the old state is served until the new one is complete.

use crate::custom::config::Config;
use crate::custom::discovery::{Discovery, Key, Known};
use crate::input::files::Reader;
use crate::input::reflector::Reflector;
use crate::options::{Options, trimmed};
use crate::resources::Resource;
use crate::selection::Selection;
use crate::sharding::Shard;
use crate::telemetry::Telemetry;
use crate::watching::{Watchers, Watching};
use crate::world::{Exposed, Feed, Scope, World};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::JoinSet;

/// A new state that is not complete after this time is served as it is.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is followed.
#[derive(Clone)]
pub struct Plan {
    resources: Vec<&'static Resource>,
    selection: Selection,
    namespaces: Vec<String>,
    custom: Option<Arc<Config>>,
    /// Which objects are wanted.
    pub scope: Scope,
}

/// How one plan takes the place of another: it tells that it is complete, and waits until the other
/// has ended, which would expose its own objects again.
pub struct Handover {
    /// Told when all is complete.
    pub complete: oneshot::Sender<()>,
    /// Tells that the other has ended.
    pub ended: oneshot::Receiver<()>,
}

/// Feeds and what follows them. Dropping it ends that.
struct State {
    feeds: Vec<Feed>,
    watchers: Watchers,
    discovery: Option<Discovery>,
    custom: BTreeMap<Key, Watchers>,
}

impl State {
    fn world(&self) -> World {
        let custom = self.discovery.iter().flat_map(Discovery::feeds);
        World::new(self.feeds.iter().chain(custom.map(|(_, feed)| feed)))
    }

    /// Starts and ends what new definitions of custom resources ask for.
    fn update(&mut self, watching: &Watching, known: &Known, scope: &Scope) {
        let Some(discovery) = &mut self.discovery else {
            return;
        };
        let changes = discovery.update(&known.definitions());
        for key in &changes.removed {
            self.custom.remove(key);
        }
        for key in changes.added {
            if let Some(feed) = discovery.feed(&key) {
                let watchers = watching.also(feed, scope);
                self.custom.insert(key, watchers);
            }
        }
    }

    /// Waits until all of it was filled once, or that long. Gives how many stores were not.
    async fn synced(&mut self, patience: Duration) -> usize {
        let all = async {
            for watchers in std::iter::once(&mut self.watchers).chain(self.custom.values_mut()) {
                watchers.synced(patience).await;
            }
        };
        // What is missing then is counted below.
        let _ = tokio::time::timeout(patience, all).await;
        let custom = self.custom.values().map(Watchers::missing);
        self.watchers.missing() + custom.sum::<usize>()
    }
}

impl Plan {
    /// By these options and this configuration of custom resources.
    ///
    /// # Errors
    /// The option that cannot be followed.
    pub fn new(options: &Options, custom: Option<Config>) -> Result<Self, String> {
        Ok(Plan {
            resources: options.resources()?,
            selection: options.selection()?,
            namespaces: trimmed(&options.namespaces),
            custom: custom.map(Arc::new),
            scope: options.scope()?,
        })
    }

    /// Empty stores of all built-in resources.
    fn feeds(&self) -> Vec<Feed> {
        let feed =
            |resource: &&'static Resource| Feed::new(resource, &self.selection, &self.namespaces);
        self.resources.iter().map(feed).collect()
    }

    fn discovery(&self) -> Option<Discovery> {
        let (filter, namespaces) = (&self.selection.filter, &self.namespaces);
        let config = self.custom.clone()?;
        Some(Discovery::new(config, filter.clone(), namespaces.clone()))
    }

    /// Reads the objects of files, and exposes them.
    ///
    /// # Errors
    /// The file and what is wrong with it.
    pub fn read(
        &self,
        files: &[PathBuf],
        telemetry: &Telemetry,
        exposed: &Exposed,
    ) -> Result<(), String> {
        telemetry.sharded(self.scope.shard.ordinal, self.scope.shard.total);
        let known = Known::new(telemetry.clone());
        let mut feeds = self.feeds();
        let discovery = self.discovery();
        let definitions = discovery.iter().map(|_| known.feed());
        let all: Vec<Feed> = feeds.iter().cloned().chain(definitions).collect();
        Reader::new(&all, &self.scope)?.read(files)?;
        // Definitions may stand behind their objects.
        if let Some(mut discovery) = discovery {
            discovery.update(&known.definitions());
            let custom: Vec<Feed> = discovery.feeds().map(|(_, feed)| feed.clone()).collect();
            if !custom.is_empty() {
                Reader::new(&custom, &self.scope)?.read(files)?;
            }
            feeds.extend(custom);
        }
        exposed.set(World::new(feeds.iter()));
        Ok(())
    }

    /// Exposes the objects of an API server for ever, and starts again with each new share.
    ///
    /// Where another plan is in force until this one is complete, that is handed over.
    pub async fn follow(
        mut self,
        watching: Watching,
        exposed: Exposed,
        mut shares: watch::Receiver<Shard>,
        known: Known,
        handover: Option<Handover>,
    ) {
        let mut definitions = known.changes();
        let _following = self.follow_definitions(&watching, &known);
        let mut state = self.start(&watching, &known, *shares.borrow_and_update());
        if let Some(Handover { complete, ended }) = handover {
            let missing = state.synced(PATIENCE).await;
            if missing > 0 {
                tracing::warn!(
                    missing,
                    "Some resources are not complete with the new options"
                );
            }
            // Either fails only where nobody hands over any more.
            let _ = complete.send(());
            let _ = ended.await;
        }
        exposed.set(state.world());
        loop {
            tokio::select! {
                Ok(()) = shares.changed() => {
                    let share = *shares.borrow_and_update();
                    let mut next = self.start(&watching, &known, share);
                    let missing = next.synced(PATIENCE).await;
                    if missing > 0 {
                        tracing::warn!(missing, "Some resources are not complete with the new share");
                    }
                    state = next;
                }
                Ok(()) = definitions.changed() => {
                    state.update(&watching, &known, &self.scope);
                }
                // The share is what it is, and so are definitions.
                else => std::future::pending().await,
            }
            exposed.set(state.world());
        }
    }

    fn follow_definitions(&self, watching: &Watching, known: &Known) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        if self.custom.is_some() {
            let target = Known::target(watching.streaming);
            let (api, telemetry) = (watching.api.clone(), watching.telemetry.clone());
            let turns = Arc::new(Semaphore::new(1));
            let reflector = Reflector::new(api, target, known.sink(), telemetry, turns);
            tasks.spawn(reflector.run());
        }
        tasks
    }

    fn start(&mut self, watching: &Watching, known: &Known, shard: Shard) -> State {
        self.scope.shard = shard;
        let (ordinal, total) = (shard.ordinal, shard.total);
        watching.telemetry.sharded(ordinal, total);
        tracing::info!(ordinal, total, "Following the objects of this share");
        let feeds = self.feeds();
        let mut state = State {
            watchers: watching.start(&feeds, &self.scope),
            feeds,
            discovery: self.discovery(),
            custom: BTreeMap::new(),
        };
        state.update(watching, known, &self.scope);
        state
    }
}
