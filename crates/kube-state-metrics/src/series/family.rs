//! Families as data: a name, a type, labels, a help text and how their series come of an object.

use super::names::label_names;
use super::{Head, Kind, Writer};
use crate::object::{Condition, IntOrText, Lax, Metadata, Owner, Pairs, Text, Time};
use crate::resources::Object;
use crate::selection::Keys;
use std::borrow::Cow;

/// How much a family is promised to stay as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stability {
    /// Stays.
    Stable,
    /// May change or go.
    Alpha,
}

/// A family of the series of objects of type `T`.
pub struct Family<T: 'static> {
    /// Full name.
    pub name: &'static str,
    /// Type.
    pub kind: Kind,
    /// Whether it may change.
    pub stability: Stability,
    /// Exposed only where `--metric-opt-in-list` names it.
    pub opt_in: bool,
    /// The version that deprecated it, if any.
    pub deprecated: Option<&'static str>,
    /// Names of the labels behind those of the object.
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
    /// Puts its series.
    pub put: fn(&T, &mut Series<'_>),
}

impl<T> Family<T> {
    /// A gauge.
    pub const fn gauge(
        stability: Stability,
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
        put: fn(&T, &mut Series<'_>),
    ) -> Self {
        Family {
            name,
            kind: Kind::Gauge,
            stability,
            opt_in: false,
            deprecated: None,
            labels,
            help,
            put,
        }
    }

    /// The same as a counter.
    pub const fn counter(mut self) -> Self {
        self.kind = Kind::Counter;
        self
    }

    /// The same, exposed only on demand.
    pub const fn opt_in(mut self) -> Self {
        self.opt_in = true;
        self
    }

    /// The same, deprecated since a version.
    pub const fn deprecated(mut self, since: &'static str) -> Self {
        self.deprecated = Some(since);
        self
    }

    /// As it is exposed.
    pub fn head(&self) -> Head {
        let stable = if self.stability == Stability::Stable {
            "[STABLE] "
        } else {
            ""
        };
        let help = match self.deprecated {
            Some(since) => format!("{stable}(Deprecated since v{since}) {}", self.help),
            None => format!("{stable}{}", self.help),
        };
        Head {
            name: Cow::Borrowed(self.name),
            kind: self.kind,
            help: Cow::Owned(help),
            labels: self.labels,
        }
    }
}

/// Families that many resources have.
impl<T: Object> Family<T> {
    /// When the object was created.
    pub const fn created(stability: Stability, name: &'static str) -> Self {
        let help = "When the object was created, in Unix seconds.";
        Self::gauge(stability, name, &[], help, |object, out| {
            out.set_time(object.metadata().creation_timestamp);
        })
    }

    /// When its deletion was asked for.
    pub const fn deletion(stability: Stability, name: &'static str) -> Self {
        let help = "When the deletion of the object was asked for, in Unix seconds.";
        Self::gauge(stability, name, &[], help, |object, out| {
            out.set_time(object.metadata().deletion_timestamp);
        })
    }

    /// The generation of the specification.
    pub const fn generation(name: &'static str) -> Self {
        let help = "Generation of the specification that the object should have.";
        Self::gauge(Stability::Stable, name, &[], help, |object, out| {
            out.value(*object.metadata().generation);
        })
    }

    /// The version in storage, where it is a number.
    pub const fn resource_version(stability: Stability, name: &'static str) -> Self {
        let help = "Version of the object in storage.";
        Self::gauge(stability, name, &[], help, |object, out| {
            let version = &object.metadata().resource_version;
            if let Some(value) = exporter_core::dialect::strconv::parse_float(version) {
                out.value(value);
            }
        })
    }

    /// Labels on the list of `--metric-labels-allowlist`.
    pub const fn labels(stability: Stability, name: &'static str) -> Self {
        let help = "Labels chosen by --metric-labels-allowlist, as labels label_*.";
        Self::gauge(stability, name, &[], help, |object, out| {
            let keys = out.label_keys;
            out.chosen("label", &object.metadata().labels, keys);
        })
    }

    /// Annotations on the list of `--metric-annotations-allowlist`.
    pub const fn annotations(stability: Stability, name: &'static str) -> Self {
        let help = "Annotations chosen by --metric-annotations-allowlist, as labels annotation_*.";
        Self::gauge(stability, name, &[], help, |object, out| {
            let keys = out.annotation_keys;
            out.chosen("annotation", &object.metadata().annotations, keys);
        })
    }

    /// Owners, one series each.
    pub const fn owner(stability: Stability, name: &'static str) -> Self {
        let labels = &["owner_kind", "owner_name", "owner_is_controller"];
        let help = "Owners of the object, or one series with empty labels where it has none.";
        Self::gauge(stability, name, labels, help, |object, out| {
            let owners = &object.metadata().owner_references;
            for owner in owners.iter() {
                let controls = if *owner.controller { "true" } else { "false" };
                out.put(&[&owner.kind, &owner.name, controls], 1.0);
            }
            if owners.is_empty() {
                out.put(&["", "", ""], 1.0);
            }
        })
    }
}

/// Values that series have.
pub trait Number {
    /// As a float.
    fn float(self) -> f64;
}

impl Number for f64 {
    fn float(self) -> f64 {
        self
    }
}

impl Number for i64 {
    fn float(self) -> f64 {
        self as f64
    }
}

impl Number for usize {
    fn float(self) -> f64 {
        self as f64
    }
}

impl Number for bool {
    fn float(self) -> f64 {
        f64::from(u8::from(self))
    }
}

impl<T: Number + Copy> Number for Lax<T> {
    fn float(self) -> f64 {
        self.0.float()
    }
}

impl Number for Time {
    fn float(self) -> f64 {
        self.0 as f64
    }
}

/// Takes the series of one family of one object.
pub struct Series<'w> {
    writer: &'w mut Writer,
    label_keys: &'w Keys,
    annotation_keys: &'w Keys,
}

impl<'w> Series<'w> {
    /// Puts into a writer, by the lists of labels and annotations.
    pub fn new(writer: &'w mut Writer, labels: &'w Keys, annotations: &'w Keys) -> Self {
        Series {
            writer,
            label_keys: labels,
            annotation_keys: annotations,
        }
    }

    /// A series with the values of the family's labels, in their order.
    pub fn put(&mut self, labels: &[&str], value: impl Number) {
        self.writer.put(labels, value.float());
    }

    /// A series whose labels are not those that the family names.
    pub fn put_named(&mut self, labels: &[(&str, &str)], value: impl Number) {
        self.writer.put_named(labels.iter().copied(), value.float());
    }

    /// The only series of a family without labels of its own.
    pub fn value(&mut self, value: impl Number) {
        self.put(&[], value);
    }

    /// The same where there is a value.
    pub fn some(&mut self, value: Option<impl Number>) {
        if let Some(value) = value {
            self.value(value);
        }
    }

    /// The same for a time that was set.
    pub fn set_time(&mut self, time: Option<Time>) {
        self.some(time.and_then(Time::set));
    }

    /// One series a possible value, 1 for the one that it has.
    pub fn states(&mut self, states: &[&str], actual: &str) {
        for state in states {
            self.put(&[state], *state == actual);
        }
    }

    /// One series a possible status of a condition, behind these labels.
    pub fn triple(&mut self, labels: &[&str], status: &str) {
        let mut all = [""; 4];
        let count = labels.len().min(3);
        all[..count].copy_from_slice(&labels[..count]);
        for (name, label) in [("True", "true"), ("False", "false"), ("Unknown", "unknown")] {
            all[count] = label;
            self.put(&all[..=count], status == name);
        }
    }

    /// All conditions, by type.
    pub fn conditions(&mut self, conditions: &[Condition]) {
        for condition in conditions {
            self.triple(&[&condition.r#type], &condition.status);
        }
    }

    /// The conditions of one type.
    pub fn conditions_of(&mut self, conditions: &[Condition], of: &str) {
        for condition in conditions.iter().filter(|c| c.r#type.as_str() == of) {
            self.triple(&[], &condition.status);
        }
    }

    /// One series a text.
    pub fn each(&mut self, texts: &[Text]) {
        for text in texts {
            self.put(&[text], 1.0);
        }
    }

    /// A share of replicas.
    pub fn share(&mut self, share: Option<&IntOrText>, replicas: Option<i64>, up: bool) {
        if let (Some(share), Some(replicas)) = (share, replicas) {
            self.some(share.of(replicas, up));
        }
    }

    /// One series with all keys as labels.
    pub fn pairs(&mut self, prefix: &str, pairs: &Pairs) {
        self.chosen(prefix, pairs, &Keys::all());
    }

    /// One series with the chosen keys as labels, unless nothing is to be chosen.
    fn chosen(&mut self, prefix: &str, pairs: &Pairs, keys: &Keys) {
        if keys.is_empty() {
            return;
        }
        let chosen: Vec<_> = pairs.iter().filter(|(key, _)| keys.contains(key)).collect();
        let names = label_names(prefix, chosen.iter().map(|(key, _)| *key));
        let labels = names.iter().map(String::as_str);
        let labels: Vec<_> = labels.zip(chosen.iter().map(|(_, v)| v.as_str())).collect();
        self.put_named(&labels, 1.0);
    }
}

/// The owner that controls an object.
pub fn controller(metadata: &Metadata) -> Option<&Owner> {
    metadata
        .owner_references
        .iter()
        .find(|owner| *owner.controller)
}
