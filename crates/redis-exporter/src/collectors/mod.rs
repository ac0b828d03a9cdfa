//! One file a collector, named after it, and the table that names them all.
//!
//! What of them runs, and in which order commands go out, is in `scrape.rs`.

pub mod clients;
pub mod cluster;
pub mod commandlog;
pub mod commandstats;
pub mod config;
pub mod count_keys;
pub mod errorstats;
pub mod info;
pub mod instance;
pub mod itself;
pub mod key_groups;
pub mod keys;
pub mod keyspace;
pub mod latency;
pub mod modules;
pub mod replication;
pub mod scripts;
pub mod search;
pub mod sentinel;
pub mod slowlog;
pub mod streams;
pub mod tile38;

use exporter_core::exposition::Family;

/// One line of the table.
pub struct Definition {
    /// Name, as in listings.
    pub name: &'static str,
    /// Families it can put.
    pub families: fn() -> Vec<&'static Family>,
}

macro_rules! table {
    ($($name:ident),* $(,)?) => {
        &[$(Definition { name: stringify!($name), families: $name::families },)*]
    };
}

/// All collectors with families of their own.
pub const TABLE: &[Definition] = table![
    info,
    instance,
    keyspace,
    commandstats,
    errorstats,
    latency,
    replication,
    config,
    slowlog,
    commandlog,
    clients,
    keys,
    count_keys,
    key_groups,
    streams,
    sentinel,
    modules,
    search,
    scripts,
    itself,
];

/// All families.
pub fn families() -> impl Iterator<Item = &'static Family> {
    TABLE.iter().flat_map(|d| (d.families)())
}

/// `name=value` with one equals sign.
fn item(text: &str) -> Option<(&str, &str)> {
    let (name, value) = text.split_once('=')?;
    (!value.contains('=')).then_some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_family_has_one_owner_and_a_sentence() {
        let mut seen = BTreeSet::new();
        for family in families() {
            assert!(seen.insert(family.name), "{}", family.name);
            assert!(family.name.starts_with("redis_"), "{}", family.name);
            assert!(family.help.ends_with('.'), "{}", family.name);
            assert!(family.labels.is_sorted(), "{}", family.name);
        }
    }
}
