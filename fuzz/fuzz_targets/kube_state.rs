//! Objects of every kind, custom-resource configurations with objects of theirs, files of objects,
//! label selectors and quantities.

#![no_main]

use kube_state_metrics::custom::config::Config;
use kube_state_metrics::custom::discovery::faults;
use kube_state_metrics::custom::encode::Custom;
use kube_state_metrics::exposition::{Form, Scrape};
use kube_state_metrics::input::splitter::Splitter;
use kube_state_metrics::labels::Selector;
use kube_state_metrics::quantity::Quantity;
use kube_state_metrics::resources::RESOURCES;
use kube_state_metrics::selection::{Filter, KeyLists, Selection};
use kube_state_metrics::series::Writer;
use kube_state_metrics::world::{Api, Feed, World};
use libfuzzer_sys::fuzz_target;
use std::sync::{Arc, LazyLock};

static SELECTION: LazyLock<Selection> = LazyLock::new(|| {
    let all = || KeyLists::parse("*=[*]").unwrap_or_default();
    Selection {
        filter: Filter::new(&[], &[], &[".".to_owned()]).unwrap_or_default(),
        labels: all(),
        annotations: all(),
    }
});

fuzz_target!(|bytes: &[u8]| {
    // The first byte says which kind the rest is, or that it is something else.
    let Some((&first, rest)) = bytes.split_first() else {
        return;
    };
    match RESOURCES.get(usize::from(first)) {
        Some(resource) => expose(Feed::new(resource, &SELECTION, &[]), rest),
        None if first < 128 => texts(rest),
        None => custom(rest),
    }
});

/// What becomes of an object from its text to the answer, text and compressed.
fn expose(feed: Feed, json: &[u8]) {
    let mut writer = Writer::default();
    let Ok(Some((uid, record))) = feed.encoder.record(json, &|_| true, &mut writer) else {
        return;
    };
    for (_, store) in &feed.stores {
        store.put(uid.clone(), record.clone());
    }
    let world = World::new(std::iter::once(&feed));
    for (open_metrics, gzip) in [(false, false), (true, true)] {
        let form = Form { open_metrics, gzip };
        let mut scrape = Scrape::new(world.groups().iter(), form);
        let mut text = Vec::new();
        while let Some(part) = scrape.part() {
            text.extend_from_slice(&part);
        }
        if !gzip {
            check(&text);
        }
    }
    for (_, store) in &feed.stores {
        store.remove(&uid);
        assert!(store.is_empty());
    }
}

/// Each line is a comment or a name, labels in braces and a number.
fn check(text: &[u8]) {
    let text = std::str::from_utf8(text).expect("text");
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ').expect("a value");
        assert!(
            value.trim_start_matches('+').parse::<f64>().is_ok(),
            "{line}"
        );
        let name = series.split('{').next().unwrap_or("");
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':';
        assert!(!name.is_empty() && name.bytes().all(legal), "{line}");
    }
}

/// A configuration, and behind a line of dashes an object of its types.
fn custom(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (config, object) = text.split_once("\n---\n").unwrap_or((&text, "{}"));
    let Ok(config) = Config::parse(config) else {
        return;
    };
    let _ = faults(&config);
    for entry in &config.spec.resources {
        let api = Api {
            group: "example.com".into(),
            version: "v1".into(),
            kind: "Oven".into(),
            plural: "ovens".into(),
            namespaced: true,
            metadata_only: false,
        };
        if let Ok(encoder) = Custom::new(entry, &api, &SELECTION.filter) {
            let encoder = Arc::new(encoder);
            expose(
                Feed::custom(api, "ovens", String::new(), encoder, &[]),
                object.as_bytes(),
            );
        }
    }
}

/// What else is read.
fn texts(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = (Selector::parse(&text), KeyLists::parse(&text));
    if let Some(quantity) = Quantity::parse(&text) {
        let _ = (quantity.value(), quantity.milli(), quantity.approximate());
    }
    // However the bytes are cut, the parts are the same.
    let parts = |size: usize| {
        let (mut splitter, mut parts) = (Splitter::default(), Vec::new());
        for piece in bytes.chunks(size) {
            let pushed = splitter.push(piece, &mut |part| {
                parts.push(format!("{part:?}"));
                Ok(())
            });
            pushed.ok()?;
        }
        splitter.finish().ok()?;
        Some(parts)
    };
    assert_eq!(parts(1), parts(bytes.len().max(1)));
}
