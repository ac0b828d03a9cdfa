//! Error replies by their prefix, from the section Errorstats of INFO.

use super::info::Info;
use crate::samples::Samples;
use exporter_core::dialect::strconv::parse_float;
use exporter_core::exposition::Family;

static ERRORS: Family = Family::counter(
    "redis_errors_total",
    &["err"],
    "Error replies by their first word.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&ERRORS]
}

/// Puts all kinds of errors; lines that are not well-formed are left out.
pub fn put(info: &Info<'_>, out: &mut Samples<'_>) {
    for line in info.section("Errorstats") {
        let name = line.field.strip_prefix("errorstat_");
        let count = super::item(line.value).and_then(|(_, value)| parse_float(value));
        if let (Some(name), Some(count)) = (name, count) {
            out.put(&ERRORS, &[name], count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::testing::exposed;

    #[test]
    fn prefixes_may_have_blanks() {
        let text = b"# Errorstats\nerrorstat_ERR:count=2\nerrorstat_a b:count=1\nerrorstat_X:2\n";
        let info = Info::parse(text);
        let expected = "redis_errors_total{err=\"ERR\"} 2\nredis_errors_total{err=\"a b\"} 1\n";
        assert_eq!(exposed(|out| put(&info, out)), expected);
    }
}
