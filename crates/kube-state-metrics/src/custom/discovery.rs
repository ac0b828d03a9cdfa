//! Which types of objects a configuration stands for: definitions of custom resources, and the feeds
//! that follow from them.

use super::config::{Config, Entry};
use super::encode::Custom;
use crate::input::reflector::{Sink, Target};
use crate::object::{Lax, List, Text, Uid, parse};
use crate::resources::{Encoder, RESOURCES};
use crate::selection::Filter;
use crate::series::{Heads, Record, Writer};
use crate::telemetry::{Definitions, Telemetry};
use crate::world::{Api, Feed};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

const GROUP: &str = "apiextensions.k8s.io";
const PLURAL: &str = "customresourcedefinitions";
/// What telemetry calls every custom resource.
const LABEL: &str = "*unstructured.Unstructured";

/// A definition of a custom resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// API group.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Plural name.
    pub plural: String,
    /// Whether objects belong to a namespace.
    pub namespaced: bool,
    /// Versions that are served.
    pub versions: Vec<String>,
}

#[derive(Deserialize)]
struct Raw {
    #[serde(default)]
    metadata: Lax<RawMetadata>,
    spec: RawSpec,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawMetadata {
    uid: Text,
    name: Text,
    resource_version: Text,
}

#[derive(Deserialize)]
struct RawSpec {
    group: String,
    names: RawNames,
    #[serde(default)]
    scope: Text,
    #[serde(default)]
    versions: List<RawVersion>,
}

#[derive(Deserialize)]
struct RawNames {
    kind: String,
    plural: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawVersion {
    name: Text,
    served: Lax<bool>,
}

impl From<RawSpec> for Definition {
    fn from(spec: RawSpec) -> Self {
        let served = spec
            .versions
            .0
            .into_iter()
            .filter(|version| *version.served);
        Definition {
            group: spec.group,
            kind: spec.names.kind,
            plural: spec.names.plural,
            namespaced: spec.scope.as_str() != "Cluster",
            versions: served.map(|version| version.name.0).collect(),
        }
    }
}

/// Definitions as they are known. Cloning shares them.
#[derive(Clone)]
pub struct Known {
    inner: Arc<Mutex<Inner>>,
    telemetry: Telemetry,
    /// Raised when what the definitions say has changed, and after the first list.
    changed: Arc<watch::Sender<u64>>,
}

#[derive(Default)]
struct Inner {
    definitions: BTreeMap<String, (String, Definition)>,
    counts: Definitions,
}

impl Known {
    /// None yet.
    pub fn new(telemetry: Telemetry) -> Self {
        Known {
            inner: Arc::default(),
            telemetry,
            changed: Arc::new(watch::channel(0).0),
        }
    }

    /// Tells when definitions have changed. 0 before the first list.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// All definitions.
    pub fn definitions(&self) -> Vec<Definition> {
        let inner = self.lock();
        inner
            .definitions
            .values()
            .map(|(_, definition)| definition.clone())
            .collect()
    }

    /// What follows the definitions of an API server.
    pub fn sink(&self) -> DefinitionSink {
        DefinitionSink {
            known: self.clone(),
            listing: BTreeSet::new(),
        }
    }

    /// The path of definitions.
    pub fn target(streaming: bool) -> Target {
        Target {
            path: format!("/apis/{GROUP}/v1/{PLURAL}"),
            selector: String::new(),
            labels: String::new(),
            permission: (GROUP.to_owned(), PLURAL.to_owned()),
            label: None,
            metadata_only: false,
            limit: 0,
            cached: false,
            streaming,
        }
    }

    /// A feed that takes definitions out of files.
    pub fn feed(&self) -> Feed {
        let api = Api {
            group: GROUP.into(),
            version: "v1".into(),
            kind: "CustomResourceDefinition".into(),
            plural: PLURAL.into(),
            namespaced: false,
            metadata_only: false,
        };
        let encoder = Taker {
            known: self.clone(),
            heads: Arc::new(Heads::new(Vec::new())),
        };
        Feed::custom(api, PLURAL, String::new(), Arc::new(encoder), &[])
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a definition. Gives what it is known by, and whether another thing is known now.
    fn put(&self, json: &[u8]) -> Result<(String, bool), String> {
        let raw: Raw = parse(json)?;
        let metadata = raw.metadata.0;
        let key = if metadata.uid.is_empty() {
            metadata.name.0
        } else {
            metadata.uid.0
        };
        let new = (metadata.resource_version.0, Definition::from(raw.spec));
        let mut inner = self.lock();
        let old = inner.definitions.insert(key.clone(), new.clone());
        match &old {
            None => inner.counts.added += 1,
            Some(old) if *old != new => inner.counts.updated += 1,
            Some(_) => {}
        }
        self.telemetry.definitions(inner.counts);
        Ok((key, old.is_none_or(|old| old.1 != new.1)))
    }

    /// Forgets definitions that are not wanted. Gives whether there were any.
    fn retain(&self, wanted: impl Fn(&String) -> bool) -> bool {
        let mut inner = self.lock();
        let before = inner.definitions.len();
        inner.definitions.retain(|key, _| wanted(key));
        let gone = before - inner.definitions.len();
        inner.counts.deleted += gone as u64;
        self.telemetry.definitions(inner.counts);
        gone > 0
    }

    fn tell(&self) {
        self.changed.send_modify(|number| *number += 1);
    }
}

/// Keeps [`Known`] as the API server tells.
pub struct DefinitionSink {
    known: Known,
    /// What the list under way has given.
    listing: BTreeSet<String>,
}

impl Sink for DefinitionSink {
    fn listing(&mut self) {
        self.listing.clear();
    }

    fn item(&mut self, json: &[u8]) -> Result<(), String> {
        let (key, _) = self.known.put(json)?;
        self.listing.insert(key);
        Ok(())
    }

    fn listed(&mut self) -> usize {
        let listing = std::mem::take(&mut self.listing);
        self.known.retain(|key| listing.contains(key));
        self.known.tell();
        listing.len()
    }

    fn put(&mut self, json: &[u8]) -> Result<(), String> {
        let (_, changed) = self.known.put(json)?;
        if changed {
            self.known.tell();
        }
        Ok(())
    }

    fn remove(&mut self, json: &[u8]) -> Result<(), String> {
        let (gone, _) = self.known.put(json)?;
        if self.known.retain(|key| *key != gone) {
            self.known.tell();
        }
        Ok(())
    }
}

/// Takes definitions and makes no records.
struct Taker {
    known: Known,
    heads: Arc<Heads>,
}

impl Encoder for Taker {
    fn heads(&self) -> &Arc<Heads> {
        &self.heads
    }

    fn record(
        &self,
        json: &[u8],
        _: &dyn Fn(&str) -> bool,
        _: &mut Writer,
    ) -> Result<Option<(Uid, Record)>, String> {
        self.known.put(json).map(|_| None)
    }
}

/// A type of objects that a configuration stands for, and the number of the entry that counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// API group.
    pub group: String,
    /// API version.
    pub version: String,
    /// Kind.
    pub kind: String,
    /// Plural name.
    pub plural: String,
    /// Whether objects belong to a namespace.
    pub namespaced: bool,
    /// Number of the entry.
    pub entry: usize,
}

impl Key {
    fn api(&self) -> Api {
        Api {
            group: self.group.clone().into(),
            version: self.version.clone().into(),
            kind: self.kind.clone().into(),
            plural: self.plural.clone().into(),
            namespaced: self.namespaced,
            metadata_only: false,
        }
    }
}

/// What has changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Types that have a feed now.
    pub added: Vec<Key>,
    /// Types that have none any more.
    pub removed: Vec<Key>,
}

/// Feeds of custom resources, kept as definitions change.
pub struct Discovery {
    config: Arc<Config>,
    filter: Filter,
    namespaces: Vec<String>,
    feeds: BTreeMap<Key, Feed>,
    /// Entries that stand for nothing, so that each is told once.
    missing: BTreeSet<usize>,
}

impl Discovery {
    /// Of a configuration, before any definition is known.
    pub fn new(config: Arc<Config>, filter: Filter, namespaces: Vec<String>) -> Self {
        for entry in &config.spec.resources {
            let kind = &entry.group_version_kind;
            if matches!(kind.group.as_str(), "" | "*") && built_in(entry).is_none() {
                tracing::error!(%kind, "A custom resource needs a group; no wildcard can stand for it");
            }
        }
        Discovery {
            config,
            filter,
            namespaces,
            feeds: BTreeMap::new(),
            missing: BTreeSet::new(),
        }
    }

    /// The feeds.
    pub fn feeds(&self) -> impl Iterator<Item = (&Key, &Feed)> {
        self.feeds.iter()
    }

    /// The feed of a type.
    pub fn feed(&self, key: &Key) -> Option<&Feed> {
        self.feeds.get(key)
    }

    /// These are all definitions now.
    pub fn update(&mut self, definitions: &[Definition]) -> Changes {
        let wanted = resolve(&self.config, definitions);
        self.tell_missing(&wanted);
        let mut changes = Changes::default();
        for key in self.feeds.keys() {
            if !wanted.contains(key) {
                changes.removed.push(key.clone());
            }
        }
        for key in &changes.removed {
            self.feeds.remove(key);
        }
        for key in wanted {
            if self.feeds.contains_key(&key) {
                continue;
            }
            // What cannot be compiled was told when the file was read.
            if let Some(feed) = self.make(&key) {
                self.feeds.insert(key.clone(), feed);
                changes.added.push(key);
            }
        }
        changes
    }

    fn make(&self, key: &Key) -> Option<Feed> {
        let api = key.api();
        let entry = self.config.spec.resources.get(key.entry)?;
        let encoder = Custom::new(entry, &api, &self.filter).ok()?;
        let name = format!("{}, Resource={}", api.api_version(), api.plural);
        Some(Feed::custom(
            api,
            name,
            LABEL.to_owned(),
            Arc::new(encoder),
            &self.namespaces,
        ))
    }

    fn tell_missing(&mut self, wanted: &BTreeSet<Key>) {
        for (number, entry) in self.config.spec.resources.iter().enumerate() {
            let kind = &entry.group_version_kind;
            if wanted
                .iter()
                .any(|key| kind.matches(&key.group, &key.version, &key.kind))
            {
                self.missing.remove(&number);
            } else if !kind.group.is_empty() && self.missing.insert(number) {
                tracing::info!(%kind, "No custom resource definition is of this kind; waiting for one");
            }
        }
    }
}

/// What is wrong with the entries of a configuration.
pub fn faults(config: &Config) -> Vec<String> {
    let entries = config.spec.resources.iter();
    let fault = |entry: &Entry| {
        let kind = &entry.group_version_kind;
        let api = Api {
            group: kind.group.clone().into(),
            version: kind.version.clone().into(),
            kind: kind.kind.clone().into(),
            plural: "".into(),
            namespaced: true,
            metadata_only: false,
        };
        let made = Custom::new(entry, &api, &Filter::default());
        made.err().map(|why| format!("{kind}: {why}"))
    };
    entries.filter_map(fault).collect()
}

/// All types that entries stand for. Of entries for the same type the last counts.
fn resolve(config: &Config, definitions: &[Definition]) -> BTreeSet<Key> {
    let mut found: HashMap<(String, String, String), Key> = HashMap::new();
    for (number, entry) in config.spec.resources.iter().enumerate() {
        let kinds = matches(entry, definitions);
        for mut key in kinds {
            key.entry = number;
            found.insert(
                (key.group.clone(), key.version.clone(), key.kind.clone()),
                key,
            );
        }
    }
    found.into_values().collect()
}

fn matches(entry: &Entry, definitions: &[Definition]) -> Vec<Key> {
    let wanted = &entry.group_version_kind;
    let mut keys = Vec::new();
    for definition in definitions {
        for version in &definition.versions {
            if definition.group.is_empty()
                || !wanted.matches(&definition.group, version, &definition.kind)
            {
                continue;
            }
            keys.push(Key {
                group: definition.group.clone(),
                version: version.clone(),
                kind: definition.kind.clone(),
                plural: definition.plural.clone(),
                namespaced: definition.namespaced,
                entry: 0,
            });
        }
    }
    if keys.is_empty() {
        keys.extend(built_in(entry));
    }
    keys
}

/// A type that every API server has, where an entry names one without wildcards. Secrets are left
/// out: any path could lead to their data.
fn built_in(entry: &Entry) -> Option<Key> {
    let wanted = &entry.group_version_kind;
    let mut all = RESOURCES
        .iter()
        .filter(|resource| resource.plural != "secrets");
    let resource = all.find(|r| wanted.is_exact() && wanted.matches(r.group, r.version, r.kind))?;
    Some(Key {
        group: resource.group.to_owned(),
        version: resource.version.to_owned(),
        kind: resource.kind.to_owned(),
        plural: resource.plural.to_owned(),
        namespaced: resource.namespaced,
        entry: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn crd(kind: &str, version: u32, versions: &[(&str, bool)], scope: &str) -> Value {
        let versions: Vec<Value> = versions
            .iter()
            .map(|(name, served)| json!({"name": name, "served": served, "schema": {"x": [1]}}))
            .collect();
        let lower = kind.to_lowercase();
        json!({
            "metadata": {"name": format!("{lower}s.example.com"), "uid": lower, "resourceVersion": version.to_string()},
            "spec": {
                "group": "example.com",
                "names": {"kind": kind, "plural": format!("{lower}s"), "singular": lower},
                "scope": scope,
                "versions": versions
            }
        })
    }

    fn discovery(kinds: &[(&str, &str, &str)], namespaces: &[&str]) -> Discovery {
        let entry = |(group, version, kind): &(&str, &str, &str)| {
            json!({
                "groupVersionKind": {"group": group, "version": version, "kind": kind},
                "metrics": [{"name": "m", "each": {"type": "info", "info": {"labelsFromPath": {"n": ["metadata", "name"]}}}}]
            })
        };
        let entries: Vec<Value> = kinds.iter().map(entry).collect();
        let config = Config::parse(&json!({"spec": {"resources": entries}}).to_string()).unwrap();
        assert_eq!(faults(&config), [""; 0]);
        let namespaces = namespaces.iter().map(|n| (*n).to_owned()).collect();
        Discovery::new(Arc::new(config), Filter::default(), namespaces)
    }

    fn put(sink: &mut DefinitionSink, object: &Value) {
        sink.put(object.to_string().as_bytes()).unwrap();
    }

    fn names(discovery: &Discovery) -> Vec<&str> {
        discovery
            .feeds()
            .map(|(_, feed)| feed.name.as_str())
            .collect()
    }

    #[test]
    fn definitions_come_change_and_go() {
        let telemetry = Telemetry::default();
        let known = Known::new(telemetry);
        let mut sink = known.sink();
        let changes = known.changes();
        sink.listing();
        sink.item(
            crd("Foo", 1, &[("v1", true)], "Namespaced")
                .to_string()
                .as_bytes(),
        )
        .unwrap();
        assert_eq!((sink.listed(), *changes.borrow()), (1, 1));
        put(&mut sink, &crd("Foo", 2, &[("v1", true)], "Namespaced"));
        assert_eq!(*changes.borrow(), 1, "what counts is the same");
        put(
            &mut sink,
            &crd("Foo", 3, &[("v1", false), ("v2", true)], "Namespaced"),
        );
        put(&mut sink, &crd("Bar", 4, &[("v1", true)], "Cluster"));
        assert_eq!(*changes.borrow(), 3);
        assert_eq!(known.definitions()[1].versions, ["v2"]);
        assert!(!known.definitions()[0].namespaced && known.definitions()[1].namespaced);
        sink.remove(
            crd("Foo", 5, &[("v2", true)], "Namespaced")
                .to_string()
                .as_bytes(),
        )
        .unwrap();
        assert_eq!((*changes.borrow(), known.definitions().len()), (4, 1));
        sink.listing();
        assert_eq!((sink.listed(), known.definitions().len()), (0, 0));
        let counts = known.lock().counts;
        assert_eq!((counts.added, counts.deleted), (2, 2));
        assert!(sink.put(b"{}").is_err());
    }

    #[test]
    fn only_what_changed_is_made_anew() {
        let known = Known::new(Telemetry::default());
        let mut sink = known.sink();
        let mut discovery = discovery(&[("example.com", "*", "")], &["a", "b"]);
        assert_eq!(discovery.update(&known.definitions()), Changes::default());
        put(
            &mut sink,
            &crd(
                "Foo",
                1,
                &[("v1", true), ("v2", true), ("v3", false)],
                "Namespaced",
            ),
        );
        put(&mut sink, &crd("Bar", 1, &[("v1", true)], "Cluster"));
        assert_eq!(discovery.update(&known.definitions()).added.len(), 3);
        assert_eq!(
            names(&discovery),
            [
                "example.com/v1, Resource=bars",
                "example.com/v1, Resource=foos",
                "example.com/v2, Resource=foos"
            ]
        );
        let stores: Vec<usize> = discovery
            .feeds()
            .map(|(_, feed)| feed.stores.len())
            .collect();
        assert_eq!(stores, [1, 2, 2], "objects of the cluster have one store");
        let kept = discovery.feeds().next().unwrap().1.stores[0].1.clone();
        put(&mut sink, &crd("Foo", 2, &[("v1", true)], "Namespaced"));
        let changes = discovery.update(&known.definitions());
        assert_eq!((changes.added.len(), changes.removed.len()), (0, 1));
        assert!(Arc::ptr_eq(
            &kept,
            &discovery.feeds().next().unwrap().1.stores[0].1
        ));
    }

    #[test]
    fn the_last_entry_of_a_type_counts() {
        let known = Known::new(Telemetry::default());
        put(
            &mut known.sink(),
            &crd("Foo", 1, &[("v1", true)], "Namespaced"),
        );
        let mut two = discovery(
            &[("example.com", "v1", "Foo"), ("example.com", "v1", "*")],
            &[],
        );
        two.update(&known.definitions());
        assert_eq!(
            two.feeds().map(|(key, _)| key.entry).collect::<Vec<_>>(),
            [1]
        );
    }

    #[test]
    fn built_in_types_need_no_definition() {
        let mut some = discovery(
            &[
                ("apps", "v1", "Deployment"),
                ("", "v1", "Pod"),
                ("", "v1", "Secret"),
                ("batch", "v1", "*"),
            ],
            &[],
        );
        some.update(&[]);
        assert_eq!(
            names(&some),
            ["v1, Resource=pods", "apps/v1, Resource=deployments"]
        );
    }

    #[test]
    fn faults_name_the_entry() {
        let text = "spec: {resources: [{groupVersionKind: {group: g, version: v1, kind: K}, metrics: [{name: n}]}]}";
        let faults = faults(&Config::parse(text).unwrap());
        assert_eq!(
            faults,
            ["g/v1, Kind=K: n: unknown metric type \"\"; expected Gauge, Info or StateSet"]
        );
    }
}
