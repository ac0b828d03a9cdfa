//! From arguments to a running exporter.

use crate::auth::{Filter, Guarded};
use crate::autoshard::Membership;
use crate::input::api::Api;
use crate::listing;
use crate::options::{LogOptions, Options, address};
use crate::plan::Plan;
use crate::server::{Live, Metrics, Ready, landing, ok};
use crate::sharding::Shard;
use crate::telemetry::{INFO, Telemetry};
use crate::watching::Watching;
use crate::world::Exposed;
use exporter_core::cli::{Dialect, Flag};
use exporter_core::launch::{self, Program};
use exporter_core::log::{self, Shape};
use exporter_core::web::front::Front;
use exporter_core::web::{MetricsHandler, MetricsOptions, Server};
use tokio::sync::watch;
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
    let plan = Plan::new(&options)?;
    let telemetry = Telemetry::default();
    if options.sync_metrics {
        telemetry.tell_freshness();
    }
    let exposed = Exposed::default();
    let files = options.object_files();
    if !files.is_empty() {
        plan.read(&files, &telemetry, &exposed)?;
        let (main, own) = servers(&options, &exposed, &telemetry, None)?;
        return tokio::try_join!(main.run(), own.run()).map(|_| ());
    }
    let api = Api::connect(&options.apiserver, &options.kubeconfig).await?;
    let version = api.version().await;
    let version = version.map_err(|failure| format!("API server: {}", failure.why))?;
    tracing::info!(version = version.git_version, "Talking to the API server");
    let watching = Watching {
        api: api.clone(),
        telemetry: telemetry.clone(),
        limit: usize::try_from(options.object_limit).unwrap_or(0),
        cached: options.use_apiserver_cache,
        streaming: version.streams_lists() && may_stream(),
    };
    let shares = shares(&options, &plan, &watching).await?;
    let (main, own) = servers(&options, &exposed, &telemetry, Some(api))?;
    let following = tokio::spawn(plan.follow(watching, exposed, shares));
    let result = tokio::try_join!(main.run(), own.run()).map(|_| ());
    following.abort();
    result
}

/// The share of this instance: that of the flags, or that of its pod in a StatefulSet, which is
/// followed.
async fn shares(
    options: &Options,
    plan: &Plan,
    watching: &Watching,
) -> Result<watch::Receiver<Shard>, String> {
    let (pod, namespace) = (&options.pod, &options.pod_namespace);
    if pod.is_empty() || namespace.is_empty() {
        return Ok(watch::channel(plan.scope.shard).1);
    }
    let membership = Membership::find(&watching.api, namespace, pod).await?;
    let (sender, receiver) = watch::channel(membership.shard(&watching.api).await?);
    tokio::spawn(membership.follow(watching.api.clone(), watching.streaming, sender));
    Ok(receiver)
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
    let filter = options.auth_filter.then(|| Filter::new(api.clone()));
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
        .route(
            "/metrics",
            Guarded {
                filter: filter.clone(),
                handler: metrics,
            },
        )
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
    let own = MetricsHandler::new(telemetry.clone(), own);
    let own = Server::new()
        .bind(&address(&options.telemetry_host, options.telemetry_port))?
        .front(Front::from_file(&options.tls_config)?)
        .route(
            "/metrics",
            Guarded {
                filter,
                handler: own,
            },
        )
        .route("/readyz", ready)
        .route("/", landing(&[("/metrics", "Metrics")]).handler());
    Ok((main, own))
}
