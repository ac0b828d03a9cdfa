//! Keys of each database, from the section Keyspace of INFO.
//!
//! Items are read by their names: servers differ in what they put behind `expires`.

use super::info::{Info, Line};
use crate::samples::Samples;
use exporter_core::dialect::strconv::parse_float;
use exporter_core::exposition::Family;
use std::collections::HashSet;

static KEYS: Family = Family::gauge("redis_db_keys", &["db"], "Keys of a database.");
static EXPIRING: Family = Family::gauge(
    "redis_db_keys_expiring",
    &["db"],
    "Keys of a database that have a time to live.",
);
static AVERAGE_TTL: Family = Family::gauge(
    "redis_db_avg_ttl_seconds",
    &["db"],
    "Average time to live of the keys that have one in seconds.",
);
static CACHED: Family = Family::gauge(
    "redis_db_keys_cached",
    &["db"],
    "Keys of a database that are in the cache of the storage provider (KeyDB).",
);
static WITH_EXPIRING_ITEMS: Family = Family::gauge(
    "redis_db_keys_with_expiring_items",
    &["db"],
    "Keys of a database with fields or items that have a time to live.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![
        &KEYS,
        &EXPIRING,
        &AVERAGE_TTL,
        &CACHED,
        &WITH_EXPIRING_ITEMS,
    ]
}

/// One database.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Database {
    keys: f64,
    expires: f64,
    average_ttl: Option<f64>,
    cached: Option<f64>,
    with_expiring_items: Option<f64>,
}

/// Reads a line; nothing where an item that counts is missing or no number.
fn parse(line: Line<'_>) -> Option<Database> {
    if !line.field.starts_with("db") {
        return None;
    }
    let (mut keys, mut expires) = (None, None);
    let mut database = Database::default();
    for item in line.value.split(',') {
        let Some((name, value)) = super::item(item) else {
            continue;
        };
        let slot = match name {
            "keys" => &mut keys,
            "expires" => &mut expires,
            "avg_ttl" => &mut database.average_ttl,
            "cached_keys" => &mut database.cached,
            "subexpiry" | "keys_with_volatile_items" => &mut database.with_expiring_items,
            _ => continue,
        };
        *slot = Some(parse_float(value)?);
    }
    database.keys = keys?;
    database.expires = expires?;
    Some(database)
}

/// Puts all databases, and zeros for those below `databases` that are not listed.
pub fn put(info: &Info<'_>, databases: i64, out: &mut Samples<'_>) {
    let mut listed = HashSet::new();
    for line in info.section("Keyspace") {
        let Some(database) = parse(line) else {
            continue;
        };
        let labels = [line.field];
        out.put(&KEYS, &labels, database.keys);
        out.put(&EXPIRING, &labels, database.expires);
        let milliseconds = database.average_ttl;
        let rest = [
            (&AVERAGE_TTL, milliseconds.map(|ttl| ttl / 1000.0)),
            (&CACHED, database.cached),
            (&WITH_EXPIRING_ITEMS, database.with_expiring_items),
        ];
        for (family, value) in rest {
            if let Some(value) = value {
                out.put(family, &labels, value);
            }
        }
        listed.insert(line.field);
    }
    for index in 0..databases {
        let name = format!("db{index}");
        if !listed.contains(name.as_str()) {
            out.put(&KEYS, &[&name], 0.0);
            out.put(&EXPIRING, &[&name], 0.0);
        }
    }
}

/// Whether the report lists keys of this database.
pub fn has_keys(info: &Info<'_>, index: i64) -> bool {
    let name = format!("db{index}");
    info.section("Keyspace").any(|line| line.field == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::testing::exposed;

    #[test]
    fn items_by_name_and_zeros() {
        let text = "# Keyspace\ndb1:keys=5,expires=2,avg_ttl=1500,subexpiry=3\n\
            db9:keys=1,expires=0,hits=7,misses=8,avg_ttl=0\ndb0:keys=1\ndb2:keys=1,expires=x\n";
        let expected = "redis_db_avg_ttl_seconds{db=\"db1\"} 1.5\nredis_db_avg_ttl_seconds{db=\"db9\"} 0\n\
            redis_db_keys{db=\"db0\"} 0\nredis_db_keys{db=\"db1\"} 5\nredis_db_keys{db=\"db9\"} 1\n\
            redis_db_keys_expiring{db=\"db0\"} 0\nredis_db_keys_expiring{db=\"db1\"} 2\n\
            redis_db_keys_expiring{db=\"db9\"} 0\n\
            redis_db_keys_with_expiring_items{db=\"db1\"} 3\n";
        let info = Info::parse(text.as_bytes());
        assert_eq!(exposed(|out| put(&info, 2, out)), expected);
        assert!(has_keys(&info, 9) && !has_keys(&info, 3));
    }

    #[test]
    fn keys_in_the_cache() {
        let info = Info::parse(b"# Keyspace\ndb0:keys=1,expires=0,avg_ttl=0,cached_keys=4\n");
        assert!(exposed(|out| put(&info, 0, out)).contains("redis_db_keys_cached{db=\"db0\"} 4\n"));
    }
}
