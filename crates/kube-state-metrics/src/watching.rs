//! Starts what follows the objects of feeds, and stops it.

use crate::input::api::Api;
use crate::input::reflector::{Reflector, Sink, Target};
use crate::object::Uid;
use crate::resources::Encoder;
use crate::series::{Record, Writer};
use crate::sharding::Shard;
use crate::store::Store;
use crate::telemetry::Telemetry;
use crate::world::{Feed, Scope};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// Lists under way at a time: each holds an object or two and the buffers of a connection.
const LISTS: usize = 3;

/// What all watchers have in common.
#[derive(Clone)]
pub struct Watching {
    /// The API server.
    pub api: Api,
    /// Where lists and watches are counted.
    pub telemetry: Telemetry,
    /// Most objects of a list, 0 for all.
    pub limit: usize,
    /// Whether lists may always come from the server's cache.
    pub cached: bool,
    /// Whether to ask for lists as watches.
    pub streaming: bool,
}

/// Watchers under way. Dropping them ends them.
pub struct Watchers {
    tasks: JoinSet<()>,
    missing: watch::Receiver<usize>,
}

impl Watching {
    /// Follows all feeds within the scope.
    pub fn start(&self, feeds: &[Feed], scope: &Scope) -> Watchers {
        let mut resources = BTreeMap::new();
        for feed in feeds {
            *resources.entry(feed.label.clone()).or_default() += feed.stores.len();
        }
        self.telemetry.following(resources);
        self.follow(feeds, scope)
    }

    /// Follows one more feed.
    pub fn also(&self, feed: &Feed, scope: &Scope) -> Watchers {
        self.telemetry
            .following_more(&feed.label, feed.stores.len());
        self.follow(std::slice::from_ref(feed), scope)
    }

    fn follow(&self, feeds: &[Feed], scope: &Scope) -> Watchers {
        let turns = Arc::new(Semaphore::new(LISTS));
        let count = feeds.iter().map(|feed| feed.stores.len()).sum();
        let (missing, told) = watch::channel(count);
        let missing = Arc::new(missing);
        let mut tasks = JoinSet::new();
        for feed in feeds {
            for (namespace, store) in &feed.stores {
                let sink = StoreSink::new(feed, store, scope.shard, missing.clone());
                let target = self.target(feed, namespace.as_deref(), scope);
                let (api, telemetry) = (self.api.clone(), self.telemetry.clone());
                tasks.spawn(Reflector::new(api, target, sink, telemetry, turns.clone()).run());
            }
        }
        Watchers {
            tasks,
            missing: told,
        }
    }

    fn target(&self, feed: &Feed, namespace: Option<&str>, scope: &Scope) -> Target {
        Target {
            path: feed.api.path(namespace),
            selector: scope.field_selector(feed.api.namespaced),
            labels: scope.labels.get(&feed.name).cloned().unwrap_or_default(),
            permission: (feed.api.group.to_string(), feed.api.plural.to_string()),
            label: Some(feed.label.clone()),
            metadata_only: feed.api.metadata_only,
            limit: self.limit,
            cached: self.cached,
            streaming: self.streaming,
        }
    }
}

impl Watchers {
    /// Waits until every store was filled once, or that long.
    pub async fn synced(&mut self, patience: Duration) -> bool {
        let all = self.missing.wait_for(|missing| *missing == 0);
        tokio::time::timeout(patience, all).await.is_ok()
    }

    /// How many stores were not filled yet.
    pub fn missing(&self) -> usize {
        *self.missing.borrow()
    }

    /// How many stores are followed.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether nothing is followed.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }
}

/// Puts objects into a store.
struct StoreSink {
    encoder: Arc<dyn Encoder>,
    store: Arc<Store>,
    shard: Shard,
    writer: Writer,
    /// What a list that replaces the known objects has given so far. The first list of all is
    /// shown while it comes.
    listing: Option<Vec<(Uid, Record)>>,
    begun: bool,
    synced: bool,
    missing: Arc<watch::Sender<usize>>,
}

impl StoreSink {
    fn new(
        feed: &Feed,
        store: &Arc<Store>,
        shard: Shard,
        missing: Arc<watch::Sender<usize>>,
    ) -> Self {
        StoreSink {
            encoder: feed.encoder.clone(),
            store: store.clone(),
            shard,
            writer: Writer::default(),
            listing: None,
            begun: false,
            synced: false,
            missing,
        }
    }

    fn record(&mut self, json: &[u8]) -> Result<Option<(Uid, Record)>, String> {
        let shard = self.shard;
        self.encoder
            .record(json, &|uid| shard.keeps(uid), &mut self.writer)
    }
}

impl Sink for StoreSink {
    fn listing(&mut self) {
        self.listing = self.begun.then(Vec::new);
        self.begun = true;
    }

    fn item(&mut self, json: &[u8]) -> Result<(), String> {
        if let Some((uid, record)) = self.record(json)? {
            match &mut self.listing {
                Some(list) => list.push((uid.clone(), self.store.same(&uid, record))),
                None => self.store.put(uid, record),
            }
        }
        Ok(())
    }

    fn listed(&mut self) -> usize {
        if let Some(list) = self.listing.take() {
            self.store.replace(list);
        }
        if !std::mem::replace(&mut self.synced, true) {
            self.missing
                .send_modify(|missing| *missing = missing.saturating_sub(1));
        }
        self.store.len()
    }

    fn put(&mut self, json: &[u8]) -> Result<(), String> {
        if let Some((uid, record)) = self.record(json)? {
            self.store.put(uid, record);
        }
        Ok(())
    }

    fn remove(&mut self, json: &[u8]) -> Result<(), String> {
        self.store.remove(&Uid::of_object(json)?);
        Ok(())
    }
}
