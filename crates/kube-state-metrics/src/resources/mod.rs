//! Resources, one file each, named after its plural, and the one table that lists them.

use crate::object::{Metadata, Uid, parse};
use crate::selection::{Keys, Selection};
use crate::series::{Family, Head, Heads, Record, Series, Writer};
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// Labels that begin each series of an object: their names and where their values are.
pub type Base<T> = &'static [(&'static str, fn(&T) -> &str)];
/// Families in the order in which they are exposed.
pub type Families<T> = &'static [Family<T>];

/// A type of objects, slim: it holds what its families need and skips the rest.
pub trait Object: DeserializeOwned + 'static {
    /// Plural name, as in URLs and in `--resources`.
    const PLURAL: &'static str;
    /// API group, empty for the core.
    const GROUP: &'static str;
    /// API version.
    const VERSION: &'static str = "v1";
    /// Kind.
    const KIND: &'static str;
    /// Whether objects belong to a namespace.
    const NAMESPACED: bool;
    /// Whether it is exposed where `--resources` is not given.
    const DEFAULT: bool = true;
    /// Whether nothing but metadata is needed, so that the server need not send the rest.
    const METADATA_ONLY: bool = false;
    /// Labels that begin each series.
    const BASE: Base<Self>;
    /// Its families in the order in which they are exposed.
    const FAMILIES: Families<Self>;

    /// Its metadata.
    fn metadata(&self) -> &Metadata;
}

/// What makes records of the objects of one resource, built in or custom.
pub trait Encoder: Send + Sync {
    /// The families that it exposes.
    fn heads(&self) -> &Arc<Heads>;

    /// Reads an object. `None` where `keep` refuses its UID.
    fn record(
        &self,
        json: &[u8],
        keep: &dyn Fn(&str) -> bool,
        writer: &mut Writer,
    ) -> Result<Option<(Uid, Record)>, String>;
}

/// A built-in resource.
pub struct Resource {
    /// Plural name.
    pub plural: &'static str,
    /// API group, empty for the core.
    pub group: &'static str,
    /// API version.
    pub version: &'static str,
    /// Kind.
    pub kind: &'static str,
    /// Whether objects belong to a namespace.
    pub namespaced: bool,
    /// Whether it is exposed where `--resources` is not given.
    pub default: bool,
    /// Whether nothing but metadata is needed.
    pub metadata_only: bool,
    /// Makes its encoder.
    pub encoder: fn(&Selection) -> Box<dyn Encoder>,
    /// Its families, for listings: as exposed, opt-in or not, and the labels that come first.
    pub listing: fn() -> Vec<Listed>,
}

/// A family in a listing.
pub struct Listed {
    /// As it is exposed.
    pub head: Head,
    /// Names of all labels.
    pub labels: Vec<&'static str>,
    /// Whether it is exposed on demand only.
    pub opt_in: bool,
}

impl Resource {
    const fn of<T: Object>() -> Self {
        Resource {
            plural: T::PLURAL,
            group: T::GROUP,
            version: T::VERSION,
            kind: T::KIND,
            namespaced: T::NAMESPACED,
            default: T::DEFAULT,
            metadata_only: T::METADATA_ONLY,
            encoder: |selection| Box::new(Typed::<T>::new(selection)),
            listing: listing::<T>,
        }
    }

    /// `v1` or `apps/v1`.
    pub fn api_version(&self) -> String {
        match self.group {
            "" => self.version.to_owned(),
            group => format!("{group}/{}", self.version),
        }
    }

    /// The built-in resource of this plural name.
    pub fn find(plural: &str) -> Option<&'static Resource> {
        RESOURCES.iter().find(|resource| resource.plural == plural)
    }
}

fn listing<T: Object>() -> Vec<Listed> {
    let base = T::BASE.iter().map(|(name, _)| *name);
    let listed = |family: &Family<T>| Listed {
        head: family.head(),
        labels: base.clone().chain(family.labels.iter().copied()).collect(),
        opt_in: family.opt_in,
    };
    T::FAMILIES.iter().map(listed).collect()
}

/// The encoder of a built-in resource.
struct Typed<T: Object> {
    families: Vec<&'static Family<T>>,
    heads: Arc<Heads>,
    labels: Keys,
    annotations: Keys,
}

impl<T: Object> Typed<T> {
    fn new(selection: &Selection) -> Self {
        let taken = T::FAMILIES
            .iter()
            .filter(|family| selection.filter.takes(family));
        let families: Vec<_> = taken.collect();
        let heads = families.iter().map(|family| family.head()).collect();
        Typed {
            families,
            heads: Arc::new(Heads::new(heads)),
            labels: selection.labels.keys(T::PLURAL),
            annotations: selection.annotations.keys(T::PLURAL),
        }
    }
}

impl<T: Object> Encoder for Typed<T> {
    fn heads(&self) -> &Arc<Heads> {
        &self.heads
    }

    fn record(
        &self,
        json: &[u8],
        keep: &dyn Fn(&str) -> bool,
        writer: &mut Writer,
    ) -> Result<Option<(Uid, Record)>, String> {
        let object: T = parse(json)?;
        let uid = &object.metadata().uid;
        if !keep(uid) {
            return Ok(None);
        }
        let uid = Uid::new(uid);
        writer.begin(T::BASE.iter().map(|(name, value)| (*name, value(&object))));
        for (number, family) in self.families.iter().enumerate() {
            writer.family(number, |writer| {
                let mut series = Series::new(writer, &self.labels, &self.annotations);
                (family.put)(&object, &mut series);
            });
        }
        Ok(Some((uid, writer.finish(self.families.len()))))
    }
}

/// Declares the modules of resources and lists their types, in the order of plural names.
macro_rules! resources {
    ($($module:ident :: $type:ident),* $(,)?) => {
        $(mod $module;)*

        /// All built-in resources by plural name.
        pub static RESOURCES: &[Resource] = &[$(Resource::of::<$module::$type>()),*];
    };
}

mod amounts;
#[cfg(test)]
pub mod testing;

resources! {
    certificatesigningrequests::CertificateSigningRequest,
    clusterrolebindings::ClusterRoleBinding,
    clusterroles::ClusterRole,
    configmaps::ConfigMap,
    cronjobs::CronJob,
    daemonsets::DaemonSet,
    deployments::Deployment,
    endpoints::Endpoints,
    endpointslices::EndpointSlice,
    horizontalpodautoscalers::HorizontalPodAutoscaler,
    ingressclasses::IngressClass,
    ingresses::Ingress,
    jobs::Job,
    leases::Lease,
    limitranges::LimitRange,
    mutatingadmissionpolicies::MutatingAdmissionPolicy,
    mutatingadmissionpolicybindings::MutatingAdmissionPolicyBinding,
    mutatingwebhookconfigurations::MutatingWebhookConfiguration,
    namespaces::Namespace,
    networkpolicies::NetworkPolicy,
    nodes::Node,
    persistentvolumeclaims::PersistentVolumeClaim,
    persistentvolumes::PersistentVolume,
    poddisruptionbudgets::PodDisruptionBudget,
    pods::Pod,
    replicasets::ReplicaSet,
    replicationcontrollers::ReplicationController,
    resourcequotas::ResourceQuota,
    rolebindings::RoleBinding,
    roles::Role,
    secrets::Secret,
    serviceaccounts::ServiceAccount,
    services::Service,
    statefulsets::StatefulSet,
    storageclasses::StorageClass,
    validatingadmissionpolicies::ValidatingAdmissionPolicy,
    validatingadmissionpolicybindings::ValidatingAdmissionPolicyBinding,
    validatingwebhookconfigurations::ValidatingWebhookConfiguration,
    volumeattachments::VolumeAttachment,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    /// Keys that objects have somewhere.
    const KEYS: &[&str] = &[
        "metadata",
        "name",
        "namespace",
        "labels",
        "annotations",
        "creationTimestamp",
        "spec",
        "status",
        "conditions",
        "type",
        "reason",
        "containers",
        "containerStatuses",
        "state",
        "running",
        "terminated",
        "resources",
        "limits",
        "cpu",
        "replicas",
        "strategy",
        "rollingUpdate",
        "maxSurge",
        "schedule",
        "timeZone",
        "rules",
        "http",
        "paths",
        "backend",
        "service",
        "webhooks",
        "subsets",
        "ports",
        "addresses",
        "endpoints",
        "hints",
        "metrics",
        "resource",
        "target",
        "fc",
        "wwids",
        "ownerReferences",
        "podIPs",
        "ip",
        "tolerations",
    ];

    static ENCODERS: std::sync::LazyLock<Vec<Box<dyn Encoder>>> = std::sync::LazyLock::new(|| {
        let encoders = RESOURCES.iter().map(|r| (r.encoder)(&Selection::default()));
        encoders.collect()
    });

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[a-zA-Z0-9%*/@ :.-]{0,12}".prop_map(Value::from),
            Just(Value::from("2026-01-02T03:04:05Z")),
            Just(Value::from("1500m")),
        ];
        leaf.prop_recursive(6, 60, 5, |inner| {
            let key = proptest::sample::select(KEYS).prop_map(str::to_owned);
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::vec((key, inner), 0..6)
                    .prop_map(|pairs| Value::Object(pairs.into_iter().collect::<Map<_, _>>())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_object_makes_it_panic(object in json(), bytes: Vec<u8>) {
            for encoder in &*ENCODERS {
                for text in [object.to_string().as_bytes(), &bytes] {
                    let _ = encoder.record(text, &|_| true, &mut Writer::default());
                }
            }
        }
    }

    #[test]
    fn resources_are_sorted_and_families_are_unique() {
        assert!(
            RESOURCES
                .windows(2)
                .all(|pair| pair[0].plural < pair[1].plural)
        );
        let listed = RESOURCES.iter().flat_map(|resource| (resource.listing)());
        let names: Vec<_> = listed.map(|family| family.head.name).collect();
        assert_eq!(names.len(), 336);
        let unique: std::collections::HashSet<_> = names.iter().collect();
        assert_eq!(unique.len(), names.len());
        assert_eq!(
            RESOURCES.iter().filter(|resource| resource.default).count(),
            32
        );
    }
}
