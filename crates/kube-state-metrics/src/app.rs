//! From arguments to a running exporter.

use crate::input::files::Reader;
use crate::listing;
use crate::options::{LogOptions, Options, address};
use crate::server::{Metrics, landing, ok};
use crate::telemetry::{INFO, Telemetry};
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
    let scope = options.scope();
    let telemetry = Telemetry::default();
    telemetry.sharded(scope.shard.ordinal, scope.shard.total);
    let namespaces = crate::options::trimmed(&options.namespaces);
    let feeds = resources
        .into_iter()
        .map(|r| Feed::new(r, &selection, &namespaces));
    let feeds: Vec<Feed> = feeds.collect();
    let exposed = Exposed::default();
    exposed.set(World::new(feeds.iter()));
    let files = options.object_files();
    Reader::new(&feeds, &scope).read(&files)?;
    let (main, own) = servers(&options, &exposed, &telemetry)?;
    tokio::try_join!(main.run(), own.run()).map(|_| ())
}

/// The server of metrics and that of the exporter's own.
fn servers(
    options: &Options,
    exposed: &Exposed,
    telemetry: &Telemetry,
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
        .route("/livez", ok())
        .route("/", landing(&links).handler());
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
        .route("/readyz", ok())
        .route("/", landing(&[("/metrics", "Metrics")]).handler());
    Ok((main, own))
}
