//! The share of an instance in a StatefulSet: its number is that of its pod, and there are as many
//! as the set has replicas.

use crate::input::api::Api;
use crate::input::reflector::{Reflector, Sink, Target};
use crate::object::{Lax, List, Text, parse};
use crate::sharding::Shard;
use crate::telemetry::Telemetry;
use serde::Deserialize;
use std::sync::Arc;
use tokio::sync::{Semaphore, watch};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Pod {
    metadata: Lax<PodMetadata>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PodMetadata {
    owner_references: List<Owner>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Owner {
    api_version: Text,
    kind: Text,
    name: Text,
    controller: Lax<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct StatefulSet {
    spec: Lax<Spec>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Spec {
    replicas: Option<i64>,
}

/// The set that a pod belongs to, and the pod's number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    namespace: String,
    set: String,
    ordinal: i64,
}

impl Membership {
    /// Of this pod.
    ///
    /// # Errors
    /// The pod cannot be read, belongs to no StatefulSet, or has no number.
    pub async fn find(api: &Api, namespace: &str, pod: &str) -> Result<Self, String> {
        let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}");
        let json = api.get(&path).await;
        let json = json.map_err(|failure| format!("pod {namespace}/{pod}: {}", failure.why))?;
        Self::of(&json, namespace, pod)
    }

    fn of(json: &[u8], namespace: &str, pod: &str) -> Result<Self, String> {
        let parsed: Pod = parse(json)?;
        let mut owners = parsed.metadata.0.owner_references.0.into_iter();
        let is_set = |owner: &Owner| {
            owner.api_version.as_str() == "apps/v1"
                && owner.kind.as_str() == "StatefulSet"
                && *owner.controller
        };
        let set = owners.find(is_set).map(|owner| owner.name.0);
        let set = set.ok_or_else(|| {
            format!("pod {namespace}/{pod}: expected it to belong to a StatefulSet")
        })?;
        let number = pod
            .strip_prefix(&set)
            .and_then(|rest| rest.strip_prefix('-'));
        let ordinal = number.and_then(|number| number.parse().ok());
        Ok(Membership {
            ordinal: ordinal
                .ok_or_else(|| format!("pod {namespace}/{pod}: expected the name {set}-NUMBER"))?,
            namespace: namespace.to_owned(),
            set,
        })
    }

    /// The share as the set is now.
    ///
    /// # Errors
    /// The set cannot be read.
    pub async fn shard(&self, api: &Api) -> Result<Shard, String> {
        let (namespace, set) = (&self.namespace, &self.set);
        let path = format!("/apis/apps/v1/namespaces/{namespace}/statefulsets/{set}");
        let json = api.get(&path).await;
        let json = json.map_err(|e| format!("stateful set {namespace}/{set}: {}", e.why))?;
        self.share(&json)
    }

    fn share(&self, json: &[u8]) -> Result<Shard, String> {
        let set: StatefulSet = parse(json)?;
        Ok(Shard {
            ordinal: self.ordinal,
            total: set.spec.replicas.unwrap_or(1),
        })
    }

    /// Follows the set for ever and tells every share.
    pub async fn follow(self, api: Api, streaming: bool, shares: watch::Sender<Shard>) {
        let target = Target {
            path: format!("/apis/apps/v1/namespaces/{}/statefulsets", self.namespace),
            selector: format!("metadata.name={}", self.set),
            labels: String::new(),
            permission: ("apps".to_owned(), "statefulsets".to_owned()),
            label: None,
            metadata_only: false,
            limit: 0,
            cached: false,
            streaming,
        };
        let sink = Shares {
            membership: self,
            shares,
        };
        let turns = Arc::new(Semaphore::new(1));
        Reflector::new(api, target, sink, Telemetry::default(), turns)
            .run()
            .await;
    }
}

/// Tells shares as the set changes.
struct Shares {
    membership: Membership,
    shares: watch::Sender<Shard>,
}

impl Sink for Shares {
    fn listing(&mut self) {}

    fn item(&mut self, json: &[u8]) -> Result<(), String> {
        self.put(json)
    }

    fn listed(&mut self) -> usize {
        1
    }

    fn put(&mut self, json: &[u8]) -> Result<(), String> {
        let share = self.membership.share(json)?;
        self.shares
            .send_if_modified(|known| std::mem::replace(known, share) != share);
        Ok(())
    }

    /// Without its set an instance goes on with what it had.
    fn remove(&mut self, _: &[u8]) -> Result<(), String> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: &str = r#"{"metadata": {"ownerReferences": [
        {"apiVersion": "v1", "kind": "Node", "name": "n"},
        {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "ksm", "controller": true}]}}"#;

    #[test]
    fn numbers_of_pods() {
        let membership = Membership::of(POD.as_bytes(), "a", "ksm-7").unwrap();
        let share = membership.share(br#"{"spec": {"replicas": 9}}"#).unwrap();
        assert_eq!((share.ordinal, share.total), (7, 9));
        assert_eq!(membership.share(b"{}").unwrap().total, 1);
        for (json, pod) in [(POD, "ksm-x"), (POD, "other-1"), ("{}", "ksm-1")] {
            let why = Membership::of(json.as_bytes(), "a", pod).unwrap_err();
            assert!(why.contains(": expected "), "{why}");
        }
    }
}
