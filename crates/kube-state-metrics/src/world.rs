//! What is watched, and what is exposed of it.

use crate::exposition::Group;
use crate::resources::{Encoder, Resource};
use crate::selection::Selection;
use crate::sharding::Shard;
use crate::store::Store;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// A type of objects as the API server knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Api {
    /// Group, empty for the core.
    pub group: Cow<'static, str>,
    /// Version.
    pub version: Cow<'static, str>,
    /// Kind.
    pub kind: Cow<'static, str>,
    /// Plural name, as in URLs.
    pub plural: Cow<'static, str>,
    /// Whether objects belong to a namespace.
    pub namespaced: bool,
    /// Whether nothing but metadata is needed.
    pub metadata_only: bool,
}

impl Api {
    /// `v1` or `apps/v1`.
    pub fn api_version(&self) -> String {
        match self.group.as_ref() {
            "" => self.version.to_string(),
            group => format!("{group}/{}", self.version),
        }
    }

    /// The path of all objects, or of those of a namespace.
    pub fn path(&self, namespace: Option<&str>) -> String {
        let root = if self.group.is_empty() { "api" } else { "apis" };
        let (version, plural) = (self.api_version(), &self.plural);
        match namespace {
            Some(namespace) => format!("/{root}/{version}/namespaces/{namespace}/{plural}"),
            None => format!("/{root}/{version}/{plural}"),
        }
    }
}

impl From<&'static Resource> for Api {
    fn from(resource: &'static Resource) -> Self {
        Api {
            group: resource.group.into(),
            version: resource.version.into(),
            kind: resource.kind.into(),
            plural: resource.plural.into(),
            namespaced: resource.namespaced,
            metadata_only: resource.metadata_only,
        }
    }
}

/// Where the objects of one resource come from and go to.
#[derive(Clone)]
pub struct Feed {
    /// The type of its objects.
    pub api: Api,
    /// What its group of series is selected and sorted by.
    pub name: String,
    /// What telemetry calls it: the Go type, such as `*v1.Pod`.
    pub label: String,
    /// What makes records of its objects.
    pub encoder: Arc<dyn Encoder>,
    /// Its stores, each with the namespace whose objects it holds, if not all.
    pub stores: Vec<(Option<String>, Arc<Store>)>,
}

impl Feed {
    /// Of a built-in resource, with a store for each namespace, or one for all.
    pub fn new(resource: &'static Resource, selection: &Selection, namespaces: &[String]) -> Self {
        let encoder = (resource.encoder)(selection);
        let label = format!("*{}.{}", resource.version, resource.kind);
        Feed::custom(
            resource.into(),
            resource.plural,
            label,
            encoder.into(),
            namespaces,
        )
    }

    /// Of any type of objects.
    pub fn custom(
        api: Api,
        name: impl Into<String>,
        label: String,
        encoder: Arc<dyn Encoder>,
        namespaces: &[String],
    ) -> Self {
        let store = || Arc::new(Store::new(encoder.heads().clone()));
        let stores = match namespaces {
            namespaces if api.namespaced && !namespaces.is_empty() => namespaces
                .iter()
                .map(|n| (Some(n.clone()), store()))
                .collect(),
            _ => vec![(None, store())],
        };
        Feed {
            api,
            name: name.into(),
            label,
            encoder,
            stores,
        }
    }

    fn group(&self) -> Group {
        Group {
            name: self.name.clone(),
            heads: self.encoder.heads().clone(),
            stores: self.stores.iter().map(|(_, store)| store.clone()).collect(),
        }
    }
}

/// Which objects of a resource are wanted.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Namespaces that are left out.
    pub denied: Vec<String>,
    /// The node whose objects are wanted, empty for those without one.
    pub node: Option<String>,
    /// Label selectors by resource.
    pub labels: BTreeMap<String, String>,
    /// The share of this instance.
    pub shard: Shard,
}

impl Scope {
    /// The field selector of lists and watches, empty for objects of the cluster.
    pub fn field_selector(&self, namespaced: bool) -> String {
        if !namespaced {
            return String::new();
        }
        let denied = self
            .denied
            .iter()
            .map(|name| format!("metadata.namespace!={name}"));
        let node = self.node.iter().map(|name| format!("spec.nodeName={name}"));
        denied.chain(node).collect::<Vec<_>>().join(",")
    }
}

/// All that is exposed, in the order in which it is.
#[derive(Default)]
pub struct World {
    groups: Vec<Group>,
}

impl World {
    /// Of these feeds.
    pub fn new<'a>(feeds: impl Iterator<Item = &'a Feed>) -> Self {
        let mut groups: Vec<Group> = feeds.map(Feed::group).collect();
        groups.sort_by(|a, b| a.name.cmp(&b.name));
        World { groups }
    }

    /// The resources, by name.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }
}

/// The world that is exposed now; it is replaced as a whole.
#[derive(Clone, Default)]
pub struct Exposed(Arc<RwLock<Arc<World>>>);

impl Exposed {
    /// The world as it is now.
    pub fn now(&self) -> Arc<World> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Exposes what another one does.
    pub fn follow(&self, other: &Exposed) {
        let world = other.now();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = world;
    }

    /// Exposes another one from the next scrape on.
    pub fn set(&self, world: World) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(world);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_selectors() {
        let pods = Api::from(Resource::find("pods").unwrap());
        assert_eq!(pods.path(None), "/api/v1/pods");
        let deployments = Api::from(Resource::find("deployments").unwrap());
        assert_eq!(
            deployments.path(Some("a")),
            "/apis/apps/v1/namespaces/a/deployments"
        );
        let scope = Scope {
            denied: vec!["x".to_owned(), "y".to_owned()],
            node: Some(String::new()),
            ..Scope::default()
        };
        assert_eq!(
            scope.field_selector(true),
            "metadata.namespace!=x,metadata.namespace!=y,spec.nodeName="
        );
        assert_eq!(scope.field_selector(false), "");
    }
}
