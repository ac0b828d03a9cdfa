//! What the flags ask for, checked.

use crate::collectors::scripts::{self, Script};
use crate::collectors::{key_groups, keys, sentinel};
use crate::key_list::{self, Key};
use crate::options::{Extra, Options};
use exporter_core::dialect::{duration, regexp};
use exporter_core::web::Query;
use regex::Regex;
use std::time::Duration;

/// Everything that scrapes are made by.
#[derive(Debug)]
pub struct Settings {
    /// The flags.
    pub options: Options,
    /// The flags that the original does not have.
    pub extra: Extra,
    /// What CONFIG is called, `None` where it is not to be asked.
    pub config_command: Option<String>,
    /// Lua patterns, or what is wrong with them.
    pub key_groups: Result<Vec<String>, String>,
    /// Lua scripts.
    pub scripts: Vec<Script>,
    /// Search indexes to export, where those are.
    pub search_indexes: Option<Regex>,
    /// Keys and streams.
    pub lists: Lists,
    /// Limit of connecting, of each write and of each reply.
    pub each: Option<Duration>,
    /// Limit of all scans.
    pub scans: Option<Duration>,
}

/// Keys and streams of one scrape.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lists {
    /// Keys and patterns.
    pub keys: Vec<Key>,
    /// Keys as they are.
    pub single_keys: Vec<Key>,
    /// Streams and patterns.
    pub streams: Vec<Key>,
    /// Streams as they are.
    pub single_streams: Vec<Key>,
    /// Patterns whose keys are counted.
    pub counts: Vec<Key>,
}

impl Lists {
    /// Whether there is anything to look up.
    pub fn is_empty(&self) -> bool {
        *self == Lists::default()
    }

    fn parse(find: impl Fn(&'static str) -> String) -> Result<Self, String> {
        let list = |flag| key_list::parse(&find(flag)).map_err(|e| format!("{flag}: {e}"));
        Ok(Lists {
            keys: list("check-keys")?,
            single_keys: list("check-single-keys")?,
            streams: list("check-streams")?,
            single_streams: list("check-single-streams")?,
            counts: list("count-keys")?,
        })
    }
}

impl Settings {
    /// Checks the flags and reads the scripts, in the order in which mistakes are told.
    pub fn new(options: Options, extra: Extra) -> Result<Self, String> {
        let each = limit("connection-timeout", &options.connection_timeout)?;
        let scans = limit("check-keys-timeout", &extra.check_keys_timeout)?;
        let scripts = scripts::read(&options.script)?;
        let search_indexes = match options.include_search_indexes {
            true => Some(
                regexp::compile(&options.check_search_indexes)
                    .map_err(|e| format!("check-search-indexes: {e}"))?,
            ),
            false => None,
        };
        let lists = Lists::parse(|flag| flag_of(&options, flag).to_owned())?;
        let config_command = match options.config_command.as_str() {
            "-" => None,
            "" => Some("CONFIG".to_owned()),
            name => Some(name.to_owned()),
        };
        Ok(Settings {
            config_command,
            key_groups: key_groups::parse_patterns(&options.check_key_groups),
            scripts,
            search_indexes,
            lists,
            each,
            scans,
            options,
            extra,
        })
    }

    /// The lists of a request, which replaces those that it names.
    pub fn lists_of(&self, query: &Query) -> Result<Lists, String> {
        Lists::parse(|flag| {
            let asked = query.first(flag).filter(|v| !v.is_empty());
            asked.unwrap_or(flag_of(&self.options, flag)).to_owned()
        })
    }

    /// What of keys is exported.
    pub fn wanted_of_keys(&self) -> keys::Wanted {
        keys::Wanted {
            values: !self.options.disable_key_values,
            ttl: self.extra.export_key_ttl,
            missing: !self.extra.omit_missing_keys,
        }
    }

    /// What of Sentinels is exported.
    pub fn wanted_of_sentinels(&self) -> sentinel::Wanted {
        sentinel::Wanted {
            config: self.options.include_config,
            redact: self.options.redact_config,
            peers: self.options.include_sentinel_peers,
        }
    }
}

fn flag_of<'a>(options: &'a Options, flag: &str) -> &'a str {
    match flag {
        "check-keys" => &options.check_keys,
        "check-single-keys" => &options.check_single_keys,
        "check-streams" => &options.check_streams,
        "check-single-streams" => &options.check_single_streams,
        _ => &options.count_keys,
    }
}

/// A Go duration that is not negative; 0 is no limit.
fn limit(flag: &str, text: &str) -> Result<Option<Duration>, String> {
    let limit = duration::parse_non_negative(text).map_err(|e| format!("{flag}: {e}"))?;
    Ok(Some(limit).filter(|limit| !limit.is_zero()))
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use exporter_core::cli::{Matches, Source};

    /// Settings of some flags, as `name=value`.
    pub fn settings(flags: &[&str]) -> Result<Settings, String> {
        let table = || Options::TABLE.iter().chain(Extra::TABLE);
        let mut matches = Matches::defaults(table());
        for given in flags {
            let (name, value) = given.split_once('=').unwrap();
            let flag = table().find(|f| f.name == name).unwrap();
            matches.set(flag.name, Source::CommandLine, vec![value.to_owned()]);
        }
        Settings::new(Options::read(&matches)?, Extra::read(&matches)?)
    }
}

#[cfg(test)]
mod tests {
    use super::testing::settings;
    use exporter_core::web::Query;

    #[test]
    fn mistakes_name_their_flag() {
        for (flags, part) in [
            (&["connection-timeout=15"][..], "connection-timeout"),
            (&["connection-timeout=-1s"], "connection-timeout"),
            (&["script=/nowhere/a.lua"], "/nowhere/a.lua"),
            (&["check-keys=a=b=c"], "check-keys"),
            (&["count-keys=db=x=1"], "count-keys"),
            (
                &[
                    "include-search-indexes-metrics=true",
                    "check-search-indexes=(",
                ],
                "check-search-indexes",
            ),
        ] {
            let error = settings(flags).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
        assert!(settings(&["check-search-indexes=("]).is_ok());
    }

    #[test]
    fn requests_replace_lists() {
        let settings = settings(&["check-keys=a", "count-keys=b", "connection-timeout=0"]).unwrap();
        assert_eq!(settings.each, None);
        let lists = settings
            .lists_of(&Query::parse("check-keys=x%2Cy&count-keys="))
            .unwrap();
        assert_eq!((lists.keys.len(), lists.counts.len()), (2, 1));
        assert!(
            settings
                .lists_of(&Query::parse("check-keys=a%3Db%3Dc"))
                .is_err()
        );
    }
}
