//! Loaded modules and what they tell, from INFO MODULES. The families of their fields are in
//! `info.rs`.

use super::info::put_field;
use crate::samples::Samples;
use exporter_core::exposition::Family;

static MODULE: Family = Family::gauge(
    "redis_module_info",
    &["api", "filters", "name", "usedby", "using", "ver"],
    "Constant 1 for each loaded module, labelled with its version and relations.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&MODULE]
}

/// Puts the modules and fields of the report: lines of one colon each.
pub fn put(text: &str, out: &mut Samples<'_>) {
    for line in text.split("\r\n") {
        let Some((field, value)) = line.split_once(':') else {
            continue;
        };
        if value.contains(':') {
            continue;
        }
        match field {
            "module" => put_module(value, out),
            field => put_field(field, value, out),
        }
    }
}

/// `name=…,ver=…,api=…,filters=…,usedby=[…],using=[…],options=[…]`
fn put_module(value: &str, out: &mut Samples<'_>) {
    let items: Vec<&str> = value.split(',').collect();
    let [name, version, api, filters, used_by, using, _] = items[..] else {
        return;
    };
    let text = |item: &'_ str| {
        item.split_once('=')
            .map_or(String::new(), |i| i.1.to_owned())
    };
    let labels = [api, filters, name, used_by, using, version].map(text);
    out.put(&MODULE, &labels.each_ref().map(String::as_str), 1.0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::testing::exposed;

    #[test]
    fn modules_and_fields() {
        let text = "# Modules\r\n\
            module:name=bf,ver=20612,api=1,filters=0,usedby=[search],using=[],options=[handle-io-errors]\r\n\
            module:name=short,ver=1\r\n# search_index\r\nsearch_number_of_indexes:2\r\na:b:c\r\n";
        let expected = "redis_module_info{api=\"1\",filters=\"0\",name=\"bf\",usedby=\"[search]\",using=\"[]\",ver=\"20612\"} 1\n\
            redis_search_number_of_indexes 2\n";
        assert_eq!(exposed(|out| put(text, out)), expected);
    }
}
