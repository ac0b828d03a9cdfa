//! From arguments to a running exporter.

use crate::input::api::Api;
use crate::input::files::Reader;
use crate::listing;
use crate::options::{LogOptions, Options, address, trimmed};
use crate::server::{Live, Metrics, Ready, landing, ok};
use crate::telemetry::{INFO, Telemetry};
use crate::watching::Watching;
use crate::world::{Exposed, Feed, World};
use exporter_core::cli::{Dialect, Flag};
use exporter_core::launch::{self, Program};
use exporter_core::log::{self, Shape};
use exporter_core::web::front::Front;
use exporter_core::web::{MetricsHandler, MetricsOptions, Server};
use tracing::Level;

const PROGRAM: Program = Program {
    info: INFO,
    about: "kube-state-metrics exposes metrics about the state of Kubernetes objects.",
    dialect: Dialect::Pflag,
};

/// Runs the exporter. The value is the exit status.
pub fn run(arguments: &[String]) -> i32 {
    let (options, logging) = PROGRAM.parse(arguments, table(), |matches| {
        Ok((Options::read(&matches)?, LogOptions::read(&matches)?))
    });
    if options.list_metrics {
        print!("{}", listing::markdown());
        return 0;
    }
    let level = if logging.verbosity > 0 {
        Level::DEBUG
    } else {
        Level::INFO
    };
    log::start_as(level, Shape::Klog);
    launch::run(serve(options))
}

fn table() -> Vec<Flag> {
    [Options::TABLE, LogOptions::TABLE].concat()
}

async fn serve(options: Options) -> Result<(), String> {
    PROGRAM.announce();
    let selection = options.selection()?;
    let resources = options.resources()?;
    let scope = options.scope()?;
    let telemetry = Telemetry::default();
    if options.sync_metrics {
        telemetry.tell_freshness();
    }
    telemetry.sharded(scope.shard.ordinal, scope.shard.total);
    let namespaces = trimmed(&options.namespaces);
    let feeds = resources
        .into_iter()
        .map(|r| Feed::new(r, &selection, &namespaces));
    let feeds: Vec<Feed> = feeds.collect();
    let exposed = Exposed::default();
    exposed.set(World::new(feeds.iter()));
    let files = options.object_files();
    if !files.is_empty() {
        Reader::new(&feeds, &scope).read(&files)?;
        let (main, own) = servers(&options, &exposed, &telemetry, None)?;
        return tokio::try_join!(main.run(), own.run()).map(|_| ());
    }
    let api = Api::connect(&options.apiserver, &options.kubeconfig).await?;
    let version = api.version().await;
    let version = version.map_err(|failure| format!("API server: {}", failure.why))?;
    tracing::info!(version = version.git_version, "Talking to the API server");
    let (main, own) = servers(&options, &exposed, &telemetry, Some(api.clone()))?;
    let watching = Watching {
        api,
        telemetry,
        limit: usize::try_from(options.object_limit).unwrap_or(0),
        cached: options.use_apiserver_cache,
        streaming: version.streams_lists() && may_stream(),
    };
    let watchers = watching.start(&feeds, &scope);
    let result = tokio::try_join!(main.run(), own.run()).map(|_| ());
    drop(watchers);
    result
}

/// Whether lists in the form of watches were not switched off.
fn may_stream() -> bool {
    std::env::var("KUBE_FEATURE_WatchListClient").as_deref() != Ok("false")
}

/// The server of metrics and that of the exporter's own.
fn servers(
    options: &Options,
    exposed: &Exposed,
    telemetry: &Telemetry,
    api: Option<Api>,
) -> Result<(Server, Server), String> {
    let metrics = Metrics {
        exposed: exposed.clone(),
        gzip: options.enable_gzip_encoding,
        telemetry: telemetry.clone(),
    };
    let links = [
        ("/metrics", "Metrics"),
        ("/healthz", "Healthz"),
        ("/livez", "Livez"),
    ];
    let main = Server::new()
        .bind(&address(&options.host, options.port))?
        .front(Front::from_file(&options.tls_config)?)
        .route("/metrics", metrics)
        .route("/healthz", ok())
        .route("/livez", Live { api })
        .route("/", landing(&links).handler());
    let ready = Ready {
        wanted: options.ready_when_synced.then(|| telemetry.clone()),
    };
    let own = MetricsOptions {
        request_metrics: false,
        error_metrics: false,
        max_requests: 0,
        ..MetricsOptions::default()
    };
    let own = Server::new()
        .bind(&address(&options.telemetry_host, options.telemetry_port))?
        .front(Front::from_file(&options.tls_config)?)
        .route("/metrics", MetricsHandler::new(telemetry.clone(), own))
        .route("/readyz", ready)
        .route("/", landing(&[("/metrics", "Metrics")]).handler());
    Ok((main, own))
}
