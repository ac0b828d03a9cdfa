//! Series of custom resources.

use super::config::{Entry, Generator, Labels, Part, Paths};
use super::path::Path;
use super::value::{number, text};
use crate::object::{Uid, parse};
use crate::resources::Encoder;
use crate::selection::Filter;
use crate::series::{Head, Heads, Kind, Record, Writer, names::sanitise};
use crate::world::Api;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What names begin with where the configuration does not say.
const PREFIX: &str = "kube_customresource";

/// Makes records of the objects of one type.
pub struct Custom {
    heads: Arc<Heads>,
    families: Vec<Family>,
}

/// One metric.
struct Family {
    name: String,
    /// Labels that no object changes.
    labels: Labels,
    from_object: LabelPaths,
    path: Path,
    from_element: LabelPaths,
    each: Each,
    /// Whether errors are told with more verbosity only.
    quiet: bool,
}

enum Each {
    Gauge {
        value: Path,
        key_label: Option<String>,
        nil_is_zero: bool,
    },
    Info {
        key_label: Option<String>,
    },
    StateSet {
        value: Path,
        label: String,
        states: Vec<String>,
    },
}

/// Labels by paths. Those that copy a map come first, so that those of one value count more.
#[derive(Default)]
struct LabelPaths {
    maps: Vec<MapPath>,
    values: Vec<(String, Path)>,
}

/// Copies a map, its keys behind a prefix.
struct MapPath {
    prefix: String,
    path: Path,
}

impl LabelPaths {
    fn new(paths: &Paths) -> Result<Self, String> {
        let mut all = LabelPaths::default();
        for (name, steps) in paths {
            let path = Path::new(steps).map_err(|why| format!("labelsFromPath.{name}: {why}"))?;
            match name.strip_suffix('*') {
                Some(prefix) => all.maps.push(MapPath {
                    prefix: prefix.to_owned(),
                    path,
                }),
                None if name.starts_with('*') => all.maps.push(MapPath {
                    prefix: String::new(),
                    path,
                }),
                None => all.values.push((sanitise(name), path)),
            }
        }
        Ok(all)
    }

    /// Adds the labels that there are on a value.
    fn add(&self, value: &Value, labels: &mut Labels) {
        for MapPath { prefix, path } in &self.maps {
            let Some(Value::Object(map)) = path.get(value) else {
                continue;
            };
            for (key, value) in map {
                if let Some(text) = text(value) {
                    labels.insert(sanitise(&format!("{prefix}{key}")), text.into_owned());
                }
            }
        }
        for (name, path) in &self.values {
            if let Some(text) = path.get(value).and_then(text) {
                labels.insert(name.clone(), text.into_owned());
            }
        }
    }
}

/// The labels and values of one metric of one object, and what went wrong.
#[derive(Default)]
struct Found {
    series: Vec<(Labels, f64)>,
    errors: Vec<String>,
}

impl Custom {
    /// The metrics of an entry for one of the types that it stands for.
    ///
    /// # Errors
    /// The metric and what is wrong with it.
    pub fn new(entry: &Entry, api: &Api, filter: &Filter) -> Result<Self, String> {
        let (mut heads, mut families) = (Vec::new(), Vec::new());
        for generator in &entry.metrics {
            let family = Family::new(entry, generator, api);
            let family = family.map_err(|why| format!("{}: {why}", generator.name))?;
            if !filter.allows(&family.name) {
                continue;
            }
            heads.push(Head {
                name: family.name.clone().into(),
                kind: family.each.kind(),
                help: generator.help.clone().into(),
                labels: &[],
            });
            families.push(family);
        }
        let heads = Arc::new(Heads::new(heads));
        Ok(Custom { heads, families })
    }
}

impl Encoder for Custom {
    fn heads(&self) -> &Arc<Heads> {
        &self.heads
    }

    fn record(
        &self,
        json: &[u8],
        keep: &dyn Fn(&str) -> bool,
        writer: &mut Writer,
    ) -> Result<Option<(Uid, Record)>, String> {
        let object: Value = parse(json)?;
        let uid = object["metadata"]["uid"].as_str().unwrap_or("");
        if !keep(uid) {
            return Ok(None);
        }
        writer.begin(std::iter::empty());
        for (number, family) in self.families.iter().enumerate() {
            let found = family.find(&object);
            writer.family(number, |writer| {
                for (labels, value) in &found.series {
                    let labels = labels
                        .iter()
                        .map(|(name, value)| (name.as_str(), value.as_str()));
                    writer.put_named(labels, *value);
                }
            });
            family.complain(&found.errors);
        }
        Ok(Some((Uid::new(uid), writer.finish(self.families.len()))))
    }
}

impl Family {
    fn new(entry: &Entry, generator: &Generator, api: &Api) -> Result<Self, String> {
        let prefix = entry.metric_name_prefix.as_deref().unwrap_or(PREFIX);
        let name = match prefix {
            "" => generator.name.clone(),
            prefix => format!("{prefix}_{}", generator.name),
        };
        let mut labels = clean(&entry.common_labels);
        for (part, value) in [
            ("group", &api.group),
            ("version", &api.version),
            ("kind", &api.kind),
        ] {
            labels.insert(format!("customresource_{part}"), value.to_string());
        }
        labels.extend(clean(&generator.common_labels));
        let mut paths = entry.labels_from_path.clone();
        paths.extend(generator.labels_from_path.clone());
        let (part, each) = Each::new(generator)?;
        let verbosity = match generator.error_verbosity {
            0 => entry.error_verbosity,
            verbosity => verbosity,
        };
        Ok(Family {
            name: sanitise(&name),
            labels,
            from_object: LabelPaths::new(&paths)?,
            path: Path::new(&part.path).map_err(|why| format!("path: {why}"))?,
            from_element: LabelPaths::new(&part.labels_from_path)?,
            each,
            quiet: verbosity > 0,
        })
    }

    /// The series of an object, by labels.
    fn find(&self, object: &Value) -> Found {
        let value = self.path.get(object).unwrap_or(&Value::Null);
        let mut found = Found::default();
        match &self.each {
            Each::Gauge { .. } => self.gauge(value, &mut found),
            Each::Info { key_label } => self.info(key_label.as_ref(), value, &mut found),
            Each::StateSet { .. } => self.state_set(value, &mut found),
        }
        let mut labels = self.labels.clone();
        self.from_object.add(object, &mut labels);
        for (own, _) in &mut found.series {
            let mut all = labels.clone();
            all.append(own);
            *own = all;
        }
        found.series.sort_by(|a, b| a.0.cmp(&b.0));
        found
    }

    fn complain(&self, errors: &[String]) {
        let (family, path) = (&self.name, self.path.joined());
        for why in errors {
            let err = format!("[{path}]: {why}");
            match self.quiet {
                true => tracing::debug!(family, err, "A value of a custom resource was left out"),
                false => tracing::error!(family, err, "A value of a custom resource was left out"),
            }
        }
    }

    fn gauge(&self, value: &Value, found: &mut Found) {
        match value {
            Value::Array(elements) => {
                for element in elements {
                    self.put_gauge(element, found);
                }
            }
            Value::Object(map) => self.gauges_of_map(value, map, found),
            value => self.put_gauge(value, found),
        }
    }

    fn put_gauge(&self, element: &Value, found: &mut Found) {
        match self.each.value(element) {
            Ok(Some(number)) => {
                let mut labels = Labels::new();
                self.from_element.add(element, &mut labels);
                found.series.push((labels, number));
            }
            Ok(None) => {}
            Err(why) => found.errors.push(why),
        }
    }

    fn gauges_of_map(&self, whole: &Value, map: &Map<String, Value>, found: &mut Found) {
        let Each::Gauge {
            value,
            key_label,
            nil_is_zero,
        } = &self.each
        else {
            return;
        };
        for (key, element) in sorted(map) {
            let number = if value.only_step() == Some(key) {
                match element {
                    Value::Null if *nil_is_zero => Some(0.0),
                    element => number(element).map_err(|why| found.errors.push(why)).ok(),
                }
            } else {
                // An element that is no number is none of those wanted.
                self.each.value(element).ok().flatten()
            };
            let Some(number) = number else {
                continue;
            };
            let mut labels = Labels::new();
            add_key(key_label.as_ref(), key, &mut labels);
            self.from_element.add(element, &mut labels);
            self.from_element.add(whole, &mut labels);
            found.series.push((labels, number));
        }
    }

    fn info(&self, key_label: Option<&String>, value: &Value, found: &mut Found) {
        let mut put = |mut labels: Labels, element: &Value| {
            self.from_element.add(element, &mut labels);
            if !labels.is_empty() {
                found.series.push((labels, 1.0));
            }
        };
        match value {
            Value::Null => {}
            Value::Array(elements) => {
                for element in elements {
                    put(Labels::new(), element);
                }
            }
            Value::Object(map) => {
                for (key, element) in sorted(map) {
                    let mut labels = Labels::new();
                    add_key(key_label, key, &mut labels);
                    put(labels, element);
                }
                put(Labels::new(), value);
            }
            value => put(Labels::new(), value),
        }
    }

    fn state_set(&self, value: &Value, found: &mut Found) {
        let elements = match value {
            Value::Array(elements) => elements.as_slice(),
            value => std::slice::from_ref(value),
        };
        let Each::StateSet {
            value,
            label,
            states,
        } = &self.each
        else {
            return;
        };
        for element in elements {
            let state = match value.get(element) {
                None => continue,
                Some(Value::String(state)) => state,
                Some(other) => {
                    let kind = kind_of(other);
                    found
                        .errors
                        .push(format!("expected a state as text, found {kind}"));
                    continue;
                }
            };
            for known in states {
                let mut labels = Labels::from([(label.clone(), known.clone())]);
                self.from_element.add(element, &mut labels);
                found
                    .series
                    .push((labels, f64::from(u8::from(known == state))));
            }
        }
    }
}

impl Each {
    fn new(generator: &Generator) -> Result<(&Part, Self), String> {
        let each = &generator.each;
        let given = |part: &'_ Option<Part>, key: &str| match part {
            Some(_) => Ok(()),
            None => Err(format!("expected each.{key} to not be nil")),
        };
        let value =
            |part: &Part| Path::new(&part.value_from).map_err(|why| format!("valueFrom: {why}"));
        let key_label = |part: &Part| {
            let label = sanitise(&part.label_from_key);
            Some(label).filter(|label| !label.is_empty())
        };
        match (
            each.r#type.to_ascii_lowercase().as_str(),
            &each.gauge,
            &each.info,
            &each.state_set,
        ) {
            ("gauge", Some(part), _, _) => {
                let gauge = Each::Gauge {
                    value: value(part)?,
                    key_label: key_label(part),
                    nil_is_zero: part.nil_is_zero,
                };
                Ok((part, gauge))
            }
            ("info", _, Some(part), _) => {
                let key_label = key_label(part);
                Ok((part, Each::Info { key_label }))
            }
            ("stateset", _, _, Some(part)) => {
                let set = Each::StateSet {
                    value: value(part)?,
                    label: sanitise(&part.label_name),
                    states: part.list.clone(),
                };
                Ok((part, set))
            }
            ("gauge", ..) => given(&each.gauge, "gauge").and(Err(String::new())),
            ("info", ..) => given(&each.info, "info").and(Err(String::new())),
            ("stateset", ..) => given(&each.state_set, "stateSet").and(Err(String::new())),
            _ => Err(format!(
                "unknown metric type {:?}; expected Gauge, Info or StateSet",
                each.r#type
            )),
        }
    }

    const fn kind(&self) -> Kind {
        match self {
            Each::Gauge { .. } => Kind::Gauge,
            Each::Info { .. } => Kind::Info,
            Each::StateSet { .. } => Kind::StateSet,
        }
    }

    /// The number of an element of a gauge, if there is one.
    fn value(&self, element: &Value) -> Result<Option<f64>, String> {
        let Each::Gauge {
            value, nil_is_zero, ..
        } = self
        else {
            return Ok(None);
        };
        match value.get(element) {
            Some(found) => number(found).map(Some),
            None if *nil_is_zero => Ok(Some(0.0)),
            None if element.is_null() => Err("got nil while resolving path".to_owned()),
            None => Ok(None),
        }
    }
}

fn add_key(label: Option<&String>, key: &str, labels: &mut Labels) {
    if let Some(label) = label.filter(|_| !key.is_empty()) {
        labels.insert(label.clone(), key.to_owned());
    }
}

fn sorted(map: &Map<String, Value>) -> impl Iterator<Item = (&str, &Value)> {
    let pairs: BTreeMap<&str, &Value> = map
        .iter()
        .map(|(key, value)| (key.as_str(), value))
        .collect();
    pairs.into_iter()
}

fn clean(labels: &Labels) -> Labels {
    labels
        .iter()
        .map(|(name, value)| (sanitise(name), value.clone()))
        .collect()
}

const fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::Config;
    use super::*;
    use serde_json::json;

    fn api() -> Api {
        Api {
            group: "example.com".into(),
            version: "v1".into(),
            kind: "Foo".into(),
            plural: "foos".into(),
            namespaced: true,
            metadata_only: false,
        }
    }

    fn compiled(metric: &str, more: &str) -> Result<Custom, String> {
        let text = format!(
            "spec: {{resources: [{{groupVersionKind: {{group: example.com, version: v1, kind: Foo}}, \
             metricNamePrefix: m, metrics: [{metric}] {more}}}]}}"
        );
        let config = Config::parse(&text).unwrap();
        Custom::new(&config.spec.resources[0], &api(), &Filter::default())
    }

    fn foo() -> Value {
        json!({
            "metadata": {"name": "a", "namespace": "x", "uid": "u", "labels": {"app/x": "y", "b": "z"}},
            "spec": {"replicas": 3, "on": true, "none": null, "scalar": "7"},
            "status": {
                "phase": "Up",
                "conditions": [
                    {"type": "Ready", "status": "True", "n": 1},
                    {"type": "Done", "status": "False"},
                    {"type": "Odd", "status": "x y"}
                ],
                "active": {
                    "b": {"id": 2, "ready": "4"},
                    "a": {"id": 1, "ready": null},
                    "odd": {"id": 3, "ready": "x y"}
                },
                "flat": {"up": 5, "down": "six", "idle": null}
            }
        })
    }

    /// The lines of one metric without what all of them begin with.
    fn lines_of(encoder: &Custom, object: &Value) -> Vec<String> {
        let json = object.to_string();
        let record = encoder.record(json.as_bytes(), &|_| true, &mut Writer::default());
        let (_, record) = record.unwrap().unwrap();
        let mut out = Vec::new();
        let heads = encoder.heads();
        for number in 0..heads.len() {
            record.render(heads.len(), number, heads.line(number), &mut out);
        }
        let kind = "customresource_group=\"example.com\",customresource_kind=\"Foo\",customresource_version=\"v1\"";
        let text = String::from_utf8(out).unwrap().replace(kind, "GVK");
        text.lines().map(str::to_owned).collect()
    }

    fn lines(each: &str) -> Vec<String> {
        lines_of(
            &compiled(&format!("{{name: n, each: {each}}}"), "").unwrap(),
            &foo(),
        )
    }

    #[test]
    fn gauges_of_scalars() {
        let gauge = |part: &str| lines(&format!("{{type: Gauge, gauge: {part}}}"));
        assert_eq!(gauge("{path: [spec, replicas]}"), ["m_n{GVK} 3"]);
        assert_eq!(gauge("{path: [spec, on]}"), ["m_n{GVK} 1"]);
        assert_eq!(gauge("{path: [spec, none]}"), [""; 0]);
        assert_eq!(
            gauge("{path: [spec, none], nilIsZero: true}"),
            ["m_n{GVK} 0"]
        );
        assert_eq!(
            gauge("{path: [spec, replicas], labelsFromPath: {v: []}}"),
            ["m_n{GVK,v=\"3\"} 3"]
        );
        assert_eq!(gauge("{path: [status, phase]}"), [""; 0]);
    }

    #[test]
    fn gauges_of_lists() {
        let gauge = |part: &str| lines(&format!("{{type: gauge, gauge: {part}}}"));
        assert_eq!(
            gauge(
                "{path: [status, conditions], valueFrom: [status], labelsFromPath: {type: [type]}}"
            ),
            ["m_n{GVK,type=\"Done\"} 0", "m_n{GVK,type=\"Ready\"} 1"]
        );
        assert_eq!(
            gauge(
                "{path: [status, conditions], valueFrom: [n], nilIsZero: true, labelsFromPath: {type: [type]}}"
            ),
            [
                "m_n{GVK,type=\"Done\"} 0",
                "m_n{GVK,type=\"Odd\"} 0",
                "m_n{GVK,type=\"Ready\"} 1"
            ]
        );
    }

    #[test]
    fn gauges_of_maps() {
        let gauge = |part: &str| lines(&format!("{{type: GAUGE, gauge: {part}}}"));
        assert_eq!(
            gauge("{path: [status, active], valueFrom: [id], labelFromKey: key}"),
            [
                "m_n{GVK,key=\"a\"} 1",
                "m_n{GVK,key=\"b\"} 2",
                "m_n{GVK,key=\"odd\"} 3"
            ]
        );
        assert_eq!(
            gauge(
                "{path: [status, active], valueFrom: [ready], labelFromKey: key, labelsFromPath: {id: [id], b: [b, id]}}"
            ),
            ["m_n{b=\"2\",GVK,id=\"2\",key=\"b\"} 4"]
        );
        assert_eq!(
            gauge("{path: [status, flat], valueFrom: [up]}"),
            ["m_n{GVK} 5"]
        );
        assert_eq!(
            gauge("{path: [status, flat], valueFrom: [up], nilIsZero: true}"),
            ["m_n{GVK} 0", "m_n{GVK} 0", "m_n{GVK} 5"],
            "what is no map has nothing at the path"
        );
        assert_eq!(gauge("{path: [status, flat], valueFrom: [idle]}"), [""; 0]);
        assert_eq!(
            gauge("{path: [status, flat], labelFromKey: k}"),
            ["m_n{GVK,k=\"up\"} 5"]
        );
    }

    #[test]
    fn infos() {
        let info = |part: &str| lines(&format!("{{type: Info, info: {part}}}"));
        assert_eq!(
            info("{labelsFromPath: {phase: [status, phase]}}"),
            ["m_n{GVK,phase=\"Up\"} 1"]
        );
        assert_eq!(info("{}"), [""; 0]);
        assert_eq!(
            info("{path: [status, active], labelFromKey: key, labelsFromPath: {of_b: [b, id]}}"),
            [
                "m_n{GVK,key=\"a\"} 1",
                "m_n{GVK,key=\"b\"} 1",
                "m_n{GVK,key=\"odd\"} 1",
                "m_n{GVK,of_b=\"2\"} 1"
            ]
        );
        assert_eq!(
            info("{path: [status, conditions], labelsFromPath: {n: [n]}}"),
            ["m_n{GVK,n=\"1\"} 1"]
        );
        assert_eq!(
            info("{path: [status, phase], labelsFromPath: {p: []}}"),
            ["m_n{GVK,p=\"Up\"} 1"]
        );
        assert_eq!(
            info("{path: [metadata, labels], labelsFromPath: {\"label_*\": [], \"*\": []}}"),
            ["m_n{app_x=\"y\",b=\"z\",GVK,label_app_x=\"y\",label_b=\"z\"} 1"]
        );
    }

    #[test]
    fn state_sets() {
        let set = |part: &str| lines(&format!("{{type: StateSet, stateSet: {part}}}"));
        assert_eq!(
            set("{path: [status, phase], labelName: phase, list: [Up, Down]}"),
            ["m_n{GVK,phase=\"Down\"} 0", "m_n{GVK,phase=\"Up\"} 1"]
        );
        assert_eq!(
            set(
                "{path: [status, conditions], valueFrom: [status], labelName: s, list: [\"True\"], labelsFromPath: {type: [type]}}"
            ),
            [
                "m_n{GVK,s=\"True\",type=\"Done\"} 0",
                "m_n{GVK,s=\"True\",type=\"Odd\"} 0",
                "m_n{GVK,s=\"True\",type=\"Ready\"} 1"
            ]
        );
        assert_eq!(
            set("{path: [status, gone], labelName: s, list: [a]}"),
            [""; 0]
        );
        assert_eq!(
            set("{path: [spec, replicas], labelName: s, list: [a]}"),
            [""; 0]
        );
    }

    #[test]
    fn which_labels_count() {
        let gauge = "each: {type: Gauge, gauge: {path: [spec], valueFrom: [replicas], labelsFromPath: {e: [scalar]}}}";
        let more = ", commonLabels: {a: common, b: common, customresource_kind: no, \"c d\": x}, \
                    labelsFromPath: {b: [metadata, name], e: [metadata, name], f: [metadata, name]}";
        let metric = format!(
            "{{name: n, commonLabels: {{customresource_version: mine}}, labelsFromPath: {{f: [metadata, namespace]}}, {gauge}}}"
        );
        let encoder = compiled(&metric, more).unwrap();
        assert_eq!(
            lines_of(&encoder, &foo()),
            [
                "m_n{a=\"common\",b=\"a\",c_d=\"x\",customresource_group=\"example.com\",\
              customresource_kind=\"Foo\",customresource_version=\"mine\",e=\"7\",f=\"x\"} 3"
            ]
        );
    }

    #[test]
    fn what_cannot_be_compiled() {
        for (metric, why) in [
            (
                "{name: n}",
                "n: unknown metric type \"\"; expected Gauge, Info or StateSet",
            ),
            (
                "{name: n, each: {type: Gauge}}",
                "n: expected each.gauge to not be nil",
            ),
            (
                "{name: n, each: {type: StateSet, gauge: {}}}",
                "n: expected each.stateSet to not be nil",
            ),
            (
                "{name: n, each: {type: Info, info: {path: [\"[a]\"]}}}",
                "n: path: invalid list lookup: [a]",
            ),
        ] {
            assert_eq!(compiled(metric, "").err().as_deref(), Some(why));
        }
    }

    #[test]
    fn shards_and_filters() {
        let gauge = "{name: n, each: {type: Gauge, gauge: {path: [spec, replicas]}}}";
        let encoder = compiled(gauge, "").unwrap();
        let json = foo().to_string();
        let kept = encoder.record(json.as_bytes(), &|uid| uid != "u", &mut Writer::default());
        assert!(kept.unwrap().is_none());
        let config =
            Config::parse(&format!("spec: {{resources: [{{metrics: [{gauge}]}}]}}")).unwrap();
        let entry = &config.spec.resources[0];
        let deny = Filter::new(&[], &["_n$".to_owned()], &[]).unwrap();
        assert!(
            Custom::new(entry, &api(), &deny)
                .unwrap()
                .heads()
                .is_empty()
        );
        let all = Custom::new(entry, &api(), &Filter::default()).unwrap();
        assert_eq!(all.heads().heads()[0].name, "kube_customresource_n");
    }
}
