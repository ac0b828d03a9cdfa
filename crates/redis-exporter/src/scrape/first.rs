//! What is asked of every server, in one write.

use crate::client::{Pipeline, Value, reply};
use crate::settings::Settings;

/// Places of the replies to the first round.
pub(super) struct First {
    pub(super) pipeline: Pipeline,
    pub(super) info: usize,
    pub(super) config: Option<usize>,
    pub(super) latency: Option<usize>,
    pub(super) slowlog: usize,
    pub(super) commandlog: Option<usize>,
    pub(super) tile38: Option<usize>,
    pub(super) modules: Option<usize>,
    pub(super) search: Option<usize>,
}

impl First {
    pub(super) fn new(settings: &Settings) -> Self {
        let mut pipeline = Pipeline::new();
        let mut add = |words: &[&str]| {
            pipeline.command(words);
            pipeline.len() - 1
        };
        let options = &settings.options;
        // The order is upstream's where it can be seen: INFO is read before LATENCY HISTOGRAM.
        let info = add(&["INFO", "ALL"]);
        let config = settings
            .config_command
            .as_ref()
            .map(|name| add(&[name, "GET", "*"]));
        let latency = (!options.exclude_latency).then(|| {
            let latest = add(&["LATENCY", "LATEST"]);
            add(&["LATENCY", "HISTOGRAM"]);
            latest
        });
        let slowlog = add(&["SLOWLOG", "LEN"]);
        add(&["SLOWLOG", "GET", "1"]);
        let mut optional = |wanted: bool, words: &[&str]| wanted.then(|| add(words));
        First {
            info,
            config,
            latency,
            slowlog,
            commandlog: optional(!options.is_tile38, &["COMMAND", "INFO", "COMMANDLOG"]),
            tile38: optional(options.is_tile38, &["SERVER", "EXT"]),
            modules: optional(options.include_modules, &["INFO", "MODULES"]),
            search: optional(settings.search_indexes.is_some(), &["FT._LIST"]),
            pipeline,
        }
    }
}

/// Replies that may be missing.
pub(super) struct Replies(pub(super) Vec<Value>);

impl Replies {
    /// A reply that is no error; errors are logged at debug level.
    pub(super) fn get(&self, at: Option<usize>, what: &str) -> Option<&Value> {
        let reply = self.0.get(at?)?;
        match reply::error(reply) {
            None => Some(reply),
            Some(error) => {
                tracing::debug!(error, "could not read {what}");
                None
            }
        }
    }

    /// The same as text.
    pub(super) fn text(&self, at: Option<usize>, what: &str) -> Option<&str> {
        reply::text(self.get(at, what)?)
    }
}
