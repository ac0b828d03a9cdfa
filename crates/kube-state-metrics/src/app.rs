//! From arguments to a running exporter.

use crate::auth::{Filter, Guarded};
use crate::input::api::Current;
use crate::listing;
use crate::options::{LogOptions, Options, address};
use crate::server::{Live, Metrics, Ready, landing, ok};
use crate::supervisor;
use crate::telemetry::{INFO, Telemetry};
use crate::world::Exposed;
use exporter_core::cli::{Dialect, Exit, Flag};
use exporter_core::launch::{self, Program};
use exporter_core::log::{self, Shape};
use exporter_core::web::front::Front;
use exporter_core::web::{MetricsHandler, MetricsOptions, Patience, Server};
use std::time::Duration;
use tracing::Level;

const PROGRAM: Program = Program {
    info: INFO,
    about: "kube-state-metrics exposes metrics about the state of Kubernetes objects.",
    dialect: Dialect::Pflag,
};

/// A head of a request to the telemetry port has this time.
const OWN_HEAD: Duration = Duration::from_secs(5);

/// Runs the exporter. The value is the exit status.
pub fn run(arguments: &[String]) -> i32 {
    let (options, logging) = PROGRAM.parse(arguments, table(), |matches| {
        Ok((Options::read(&matches)?, LogOptions::read(&matches)?))
    });
    if options.list_metrics {
        Exit::print(listing::markdown()).exit();
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
    supervisor::run(options).await
}

/// The times of the main port. Zero is no bound, as in Go's servers, and those of heads and rests
/// then are that of whole requests.
fn patience(options: &Options) -> Patience {
    let request = options.server_read_timeout;
    let bound = |time: Duration| match time.is_zero() {
        true => Duration::MAX,
        false => time,
    };
    let or_request = |time: Duration| match time.is_zero() {
        true => bound(request),
        false => time,
    };
    Patience {
        head: or_request(options.server_read_header_timeout),
        request: Some(bound(request)),
        answer: Some(bound(options.server_write_timeout)),
        rest: or_request(options.server_idle_timeout),
    }
}

/// The server of metrics and that of the exporter's own.
pub(crate) fn servers(
    options: &Options,
    exposed: &Exposed,
    telemetry: &Telemetry,
    api: &Current,
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
        .patience(patience(options))
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
        .route("/livez", Live { api: api.clone() })
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
    let patience = Patience {
        head: OWN_HEAD,
        ..Patience::default()
    };
    let own = Server::new()
        .patience(patience)
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
