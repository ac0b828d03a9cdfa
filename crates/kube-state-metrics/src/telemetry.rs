//! What the exporter says of itself on the telemetry port.

use exporter_core::build_info::BuildInfo;
use exporter_core::exposition::{Arena, Distribution, Family};
use exporter_core::web::{ScrapeRequest, Scraped, Scraping, Source};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

static BUILD: Family = Family::gauge(
    "kube_state_metrics_build_info",
    &[
        "branch",
        "client_go_version",
        "goarch",
        "goos",
        "goversion",
        "revision",
        "tags",
        "version",
    ],
    "Constant 1, labelled with version, origin, compiler and platform of this kube-state-metrics.",
);
static DURATION: Family = Family {
    kind: exporter_core::exposition::Kind::Histogram,
    ..Family::gauge(
        "http_request_duration_seconds",
        &["handler", "method"],
        "Time that answering requests for metrics took in seconds.",
    )
};
static LISTS: Family = Family::counter(
    "kube_state_metrics_list_total",
    &["resource", "result"],
    "Lists asked of the API server, by result.",
);
static WATCHES: Family = Family::counter(
    "kube_state_metrics_watch_total",
    &["resource", "result"],
    "Watches asked of the API server, by result.",
);
static LIST_OBJECTS: Family = Family::gauge(
    "kube_state_metrics_list_objects",
    &["resource"],
    "Objects kept of the last list under --object-limit.",
);
static LIST_LIMIT: Family = Family::gauge(
    "kube_state_metrics_list_objects_limit",
    &["resource"],
    "The limit of --object-limit.",
);
static ORDINAL: Family = Family::gauge(
    "kube_state_metrics_shard_ordinal",
    &["shard_ordinal"],
    "Number of this instance among those that share the objects.",
);
static TOTAL: Family = Family::gauge(
    "kube_state_metrics_total_shards",
    &[],
    "Number of instances that share the objects.",
);
static CONFIG_HASH: Family = Family::gauge(
    "kube_state_metrics_config_hash",
    &["filename", "type"],
    "First six bytes of the MD5 of a configuration file, as a number.",
);
static CONFIG_OK: Family = Family::gauge(
    "kube_state_metrics_last_config_reload_successful",
    &["filename", "type"],
    "Whether a configuration file could be read the last time.",
);
static CONFIG_TIME: Family = Family::gauge(
    "kube_state_metrics_last_config_reload_success_timestamp_seconds",
    &["filename", "type"],
    "Unix time at which a configuration file was last read without error.",
);
static CRD_ADDS: Family = Family::counter(
    "kube_state_metrics_custom_resource_state_add_events_total",
    &[],
    "Custom resource definitions that appeared.",
);
static CRD_UPDATES: Family = Family::counter(
    "kube_state_metrics_custom_resource_state_update_events_total",
    &[],
    "Changes of custom resource definitions.",
);
static CRD_DELETES: Family = Family::counter(
    "kube_state_metrics_custom_resource_state_delete_events_total",
    &[],
    "Custom resource definitions that went.",
);
static CRD_CACHE: Family = Family::gauge(
    "kube_state_metrics_custom_resource_state_cache",
    &[],
    "Custom resource definitions that there are.",
);

static SYNCED: Family = Family::gauge(
    "kube_state_metrics_resource_synced",
    &["resource"],
    "Whether all lists of a resource were complete once (only with --sync-metrics).",
);
static HEARD: Family = Family::gauge(
    "kube_state_metrics_resource_last_heard_timestamp_seconds",
    &["resource"],
    "Unix time at which the API server last said something of a resource, bookmarks included (only \
     with --sync-metrics).",
);

/// Families in listings.
pub const FAMILIES: &[&Family] = &[
    &BUILD,
    &DURATION,
    &LISTS,
    &WATCHES,
    &LIST_OBJECTS,
    &LIST_LIMIT,
    &ORDINAL,
    &TOTAL,
    &CONFIG_HASH,
    &CONFIG_OK,
    &CONFIG_TIME,
    &CRD_ADDS,
    &CRD_UPDATES,
    &CRD_DELETES,
    &CRD_CACHE,
    &SYNCED,
    &HEARD,
];

/// This binary.
pub const INFO: BuildInfo = BuildInfo {
    name: "kube-state-metrics",
    version: env!("CARGO_PKG_VERSION"),
    family: &BUILD,
};

const BOUNDS: [f64; 11] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Counts of all that happens. Cloning shares them.
#[derive(Clone, Default)]
pub struct Telemetry(Arc<Mutex<Counts>>);

#[derive(Default)]
struct Counts {
    requests: BTreeMap<String, Durations>,
    lists: BTreeMap<(bool, String), u64>,
    watches: BTreeMap<(bool, String), u64>,
    list_objects: BTreeMap<String, (usize, i64)>,
    shard: Option<(i64, i64)>,
    files: BTreeMap<(&'static str, String), ConfigFile>,
    definitions: Definitions,
    /// What is known of each resource, exposed on demand.
    resources: BTreeMap<String, Freshness>,
    tells_freshness: bool,
}

#[derive(Default)]
struct Freshness {
    missing: usize,
    heard: f64,
}

#[derive(Default)]
struct Durations {
    buckets: [u64; BOUNDS.len()],
    count: u64,
    sum: f64,
}

/// What is known of a configuration file.
#[derive(Clone, Copy, Debug, Default)]
pub struct ConfigFile {
    /// The first bytes of its MD5.
    pub hash: f64,
    /// Whether it was read without error the last time.
    pub successful: bool,
    /// When it was last read without error, in Unix seconds.
    pub succeeded_at: f64,
}

/// Events of custom resource definitions.
#[derive(Clone, Copy, Debug, Default)]
pub struct Definitions {
    /// That appeared.
    pub added: u64,
    /// That changed.
    pub updated: u64,
    /// That went.
    pub deleted: u64,
}

impl Telemetry {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request for metrics was answered.
    pub fn answered(&self, method: &str, took: Duration) {
        let seconds = took.as_secs_f64();
        let mut counts = self.counts();
        let durations = counts.requests.entry(method.to_owned()).or_default();
        durations.count += 1;
        durations.sum += seconds;
        for (bucket, bound) in durations.buckets.iter_mut().zip(BOUNDS) {
            *bucket += u64::from(seconds <= bound);
        }
    }

    /// The API server answered a list, or refused.
    pub fn listed(&self, resource: &str, success: bool) {
        *self
            .counts()
            .lists
            .entry((success, resource.to_owned()))
            .or_default() += 1;
    }

    /// The API server opened a watch, or refused.
    pub fn watched(&self, resource: &str, success: bool) {
        *self
            .counts()
            .watches
            .entry((success, resource.to_owned()))
            .or_default() += 1;
    }

    /// That many objects were kept of a list under a limit.
    pub fn limited(&self, resource: &str, objects: usize, limit: i64) {
        self.counts()
            .list_objects
            .insert(resource.to_owned(), (objects, limit));
    }

    /// This is the share of the instance.
    pub fn sharded(&self, ordinal: i64, total: i64) {
        self.counts().shard = Some((ordinal, total));
    }

    /// A configuration file was read, or could not be.
    pub fn configured(&self, kind: &'static str, filename: &str, file: ConfigFile) {
        self.counts()
            .files
            .insert((kind, filename.to_owned()), file);
    }

    /// Events of custom resource definitions since the start.
    pub fn definitions(&self, definitions: Definitions) {
        self.counts().definitions = definitions;
    }

    /// From now on it is told how fresh resources are.
    pub fn tell_freshness(&self) {
        self.counts().tells_freshness = true;
    }

    /// These resources are followed from now on, too, each by that many watchers.
    pub fn following(&self, resources: BTreeMap<String, usize>) {
        let mut counts = self.counts();
        for (name, missing) in resources {
            counts.resources.entry(name).or_default().missing = missing;
        }
    }

    /// This resource is followed as well, or by that many watchers more.
    pub fn following_more(&self, resource: &str, watchers: usize) {
        let mut counts = self.counts();
        let known = counts.resources.entry(resource.to_owned()).or_default();
        known.missing += watchers;
    }

    /// The API server said something of a resource, perhaps the end of a first list.
    pub fn heard(&self, resource: &str, completes: bool) {
        if let Some(known) = self.counts().resources.get_mut(resource) {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            known.heard = now.map_or(0.0, |now| now.as_secs_f64());
            known.missing -= usize::from(completes).min(known.missing);
        }
    }

    /// Whether all lists were complete once.
    pub fn synced(&self) -> bool {
        self.counts()
            .resources
            .values()
            .all(|resource| resource.missing == 0)
    }

    /// How many lists (`list`) or watches (`watch`) of a resource had a result.
    pub fn count(&self, what: &str, result: &str, resource: &str) -> f64 {
        let counts = self.counts();
        let all = if what == "list" {
            &counts.lists
        } else {
            &counts.watches
        };
        let count = all.get(&(result == "success", resource.to_owned()));
        count.copied().unwrap_or(0) as f64
    }

    fn put(&self, out: &mut Arena) {
        let [branch, arch, os, compiler, revision, tags, version] = INFO.values();
        let client = concat!("kube ", "5");
        let build = [branch, client, arch, os, compiler, revision, tags, version];
        out.put(&BUILD, &build, 1.0);
        let counts = self.counts();
        for (method, durations) in &counts.requests {
            put_durations(method, durations, out);
        }
        let result = |success: bool| if success { "success" } else { "error" };
        for ((success, resource), count) in &counts.lists {
            out.put(&LISTS, &[resource, result(*success)], *count as f64);
        }
        for ((success, resource), count) in &counts.watches {
            out.put(&WATCHES, &[resource, result(*success)], *count as f64);
        }
        for (resource, (objects, limit)) in &counts.list_objects {
            out.put(&LIST_OBJECTS, &[resource], *objects as f64);
            out.put(&LIST_LIMIT, &[resource], *limit as f64);
        }
        if let Some((ordinal, total)) = counts.shard {
            out.put(&ORDINAL, &[&ordinal.to_string()], ordinal as f64);
            out.put(&TOTAL, &[], total as f64);
        }
        for ((kind, name), file) in &counts.files {
            let labels = [name, *kind];
            out.put(&CONFIG_HASH, &labels, file.hash);
            out.put(&CONFIG_OK, &labels, f64::from(u8::from(file.successful)));
            out.put(&CONFIG_TIME, &labels, file.succeeded_at);
        }
        if counts.tells_freshness {
            for (resource, known) in &counts.resources {
                out.put(
                    &SYNCED,
                    &[resource],
                    f64::from(u8::from(known.missing == 0)),
                );
                out.put(&HEARD, &[resource], known.heard);
            }
        }
        let crds = counts.definitions;
        out.put(&CRD_ADDS, &[], crds.added as f64);
        out.put(&CRD_UPDATES, &[], crds.updated as f64);
        out.put(&CRD_DELETES, &[], crds.deleted as f64);
        out.put(&CRD_CACHE, &[], crds.added as f64 - crds.deleted as f64);
    }
}

fn put_durations(method: &str, durations: &Durations, out: &mut Arena) {
    let counts = durations.buckets.map(|count| count as f64);
    let points: Vec<(f64, f64)> = BOUNDS.into_iter().zip(counts).collect();
    let distribution = Distribution {
        sum: durations.sum,
        count: durations.count as f64,
        points: &points,
    };
    out.put_distribution(
        &DURATION,
        &[("handler", "metrics"), ("method", method)],
        distribution,
    );
}

impl Source for Telemetry {
    fn scrape<'a>(&'a self, _: &'a ScrapeRequest) -> Scraping<'a> {
        Box::pin(async move {
            let mut arena = Arena::new();
            self.put(&mut arena);
            Ok(Scraped::Arena(arena))
        })
    }
}
