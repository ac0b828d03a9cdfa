//! Durations, numbers, regular expressions, templates, negotiation headers and YAML of users.

#![no_main]

use exporter_core::dialect::template::{Template, Value};
use exporter_core::dialect::yaml::{self, lenient};
use exporter_core::dialect::{duration, regexp, strconv};
use exporter_core::exposition::{Offers, compress, format};
use libfuzzer_sys::fuzz_target;
use std::collections::BTreeMap;

fuzz_target!(|text: &str| {
    let _ = duration::parse_flag(text);
    let _ = (strconv::parse_float(text), strconv::parse_int(text, 0));
    let _ = regexp::compile_anchored(text);
    if let Ok(template) = Template::parse(text) {
        let data = Value::record("Sample", vec![("Comm", Value::text(text))]);
        let _ = template.render(&data, &mut Vec::new());
    }
    let _ = format::negotiate(Some(text), Offers { open_metrics: true });
    let _ = compress::negotiate(Some(text), &[compress::Coding::Gzip]);
    let _ = yaml::first_document(text);
    if let Ok(Some(node)) = lenient::first_document(text) {
        let _ = (lenient::entries(&node), lenient::list(&node), lenient::text(&node));
    }
    let _ = exporter_core::config::parse::<BTreeMap<String, String>>(text);
});
