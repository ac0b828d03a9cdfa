//! From arguments to a running exporter.

use crate::history::History;
use crate::live::Live;
use crate::log::LogSettings;
use crate::pages::{ConfigPage, IndexPage, LogsPage};
use crate::probe;
use crate::probers::TABLE;
use crate::routes::Place;
use crate::service::{Own, ProbeHandler, Service, Settings, own_families};
use exporter_core::build_info::BuildInfo;
use exporter_core::build_info_family;
use exporter_core::cli::{Dialect, Exit, Flag, Matches};
use exporter_core::exposition::Family;
use exporter_core::launch::{self, Program};
use exporter_core::listing::Listing;
use exporter_core::log::{self, LogFlags};
use exporter_core::reload::{ReloadPath, Reloader};
use exporter_core::self_metrics::raise_file_limit;
use exporter_core::web::flags::{WebFlags, listening_on};
use exporter_core::web::{MetricsHandler, MetricsOptions, OnError, Request, full, text};
use http::StatusCode;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tracing::Level;

static BUILD: Family = build_info_family!("blackbox_exporter");

const INFO: BuildInfo = BuildInfo {
    name: "blackbox_exporter",
    version: env!("CARGO_PKG_VERSION"),
    family: &BUILD,
};

const PROGRAM: Program = Program {
    info: INFO,
    about: "Prometheus exporter that probes endpoints over HTTP, TCP, DNS, ICMP and more.",
    dialect: Dialect::Kingpin,
};

exporter_core::flags! {
    /// The exporter's own flags.
    pub struct Options {
        /// File with the modules.
        "config.file" config_file: PathBuf = ["blackbox.yml"];
        /// Seconds that a probe ends before the scrape does.
        "timeout-offset" timeout_offset: f64 = ["0.5"];
        /// Check the module file and end.
        "config.check" config_check: bool = ["false"];
        /// Least severity of the logs of probes: debug, info, warn or error. With debug, reports of
        /// probes tell every step.
        "log.prober" log_prober: String = ["info"];
        /// Severity of lines that tell why a probe failed: debug, info, warn or error.
        "log.probe-failures" log_failures: String = ["error"];
        /// Replace ${env:NAME} in values of the module file by that variable of the environment.
        "config.expand-environment" expand_environment: bool = ["false"];
        /// Read the module file again every now and then.
        "config.enable-auto-reload" auto_reload: bool = ["false"];
        /// Seconds between those, 0 for never.
        "config.auto-reload-interval" auto_reload_interval: u64 = ["30"];
        /// Reports of probes that are kept, and as many of failures that are older.
        "history.limit" history_limit: u64 = ["100"];
        /// Probes that run at a time; more wait for their turn, and fail where their time passes.
        "probe.max-concurrent" most_probes: i64 = ["2048"];
        /// URL under which the exporter is reached from outside; its path is the route prefix.
        "web.external-url" external_url: String = [""];
        /// Prefix of all paths; by default the path of --web.external-url.
        "web.route-prefix" route_prefix: String = [""];
        /// Print every family with its type, labels and prober, and end.
        "list-metrics" list_metrics: bool = ["false"];
    }
}

/// Connections beyond those of probes: scrapes, health checks, pages.
const MORE_CONNECTIONS: u32 = 512;

struct Flags {
    options: Options,
    web: WebFlags,
    log: LogFlags,
}

/// Runs the exporter. The value is the exit status.
pub fn run(arguments: &[String]) -> i32 {
    let flags = PROGRAM.parse(arguments, table(), read);
    if flags.options.list_metrics {
        Exit::print(list_metrics()).exit();
    }
    log::start(&flags.log);
    launch::run(start(&flags))
}

fn table() -> Vec<Flag> {
    let mut flags = Options::TABLE.to_vec();
    flags.extend(listening_on(&[":9115"]));
    flags.extend_from_slice(LogFlags::TABLE);
    flags
}

fn read(matches: Matches) -> Result<Flags, String> {
    let flags = Flags {
        options: Options::read(&matches)?,
        web: WebFlags::read(&matches)?,
        log: LogFlags::read(&matches)?,
    };
    let options = &flags.options;
    if options.most_probes < 1 {
        let most = options.most_probes;
        return Err(format!(
            "--probe.max-concurrent: expected 1 or more, got {most}"
        ));
    }
    let words = ["debug", "info", "warn", "error"];
    if !words.contains(&options.log_failures.as_str()) {
        let word = &options.log_failures;
        return Err(format!(
            "--log.probe-failures: expected debug, info, warn or error, got {word:?}"
        ));
    }
    Ok(flags)
}

fn list_metrics() -> String {
    let mut listing = Listing::new(INFO.name);
    listing.add("every prober", probe::FAMILIES.iter().copied());
    for prober in TABLE {
        listing.add(prober.name, (prober.families)());
    }
    let own = own_families().into_iter().chain([&BUILD]);
    listing.finish(own, true)
}

async fn start(flags: &Flags) -> Result<(), String> {
    let options = &flags.options;
    PROGRAM.announce();
    let settings = settings(flags);
    let live = Arc::new(Live::new(&options.config_file, options.expand_environment));
    let loading = live.clone();
    let reloader = Reloader::new(move || loading.load());
    if options.config_check {
        live.load()
            .map_err(|e| format!("Error loading config: {e}"))?;
        tracing::info!("Config file is ok exiting...");
        return Ok(());
    }
    reloader
        .reload()
        .map_err(|e| format!("Error loading config: {e}"))?;
    raise_file_limit();
    let place = Place::new(
        &options.external_url,
        &options.route_prefix,
        &flags.web.listen_addresses,
        flags.web.systemd_socket,
    )?;
    tracing::info!(prefix = place.prefix, "Route prefix");
    reloader.on_hangup()?;
    if options.auto_reload && options.auto_reload_interval > 0 {
        let pause = Duration::from_secs(options.auto_reload_interval);
        tokio::spawn(reload_every(reloader.clone(), pause));
    }
    serve(flags, settings, live, reloader, &place).await
}

fn settings(flags: &Flags) -> Settings {
    let options = &flags.options;
    let word = options.log_prober.to_ascii_lowercase();
    let level = match word.as_str() {
        "debug" => Level::DEBUG,
        "info" => Level::INFO,
        "warn" => Level::WARN,
        "error" => Level::ERROR,
        _ => {
            tracing::warn!(
                level = options.log_prober,
                "Unrecognized --log.prober, expected debug, info, warn or error; info is used"
            );
            Level::INFO
        }
    };
    let failures = match options.log_failures.as_str() {
        "debug" => Level::DEBUG,
        "info" => Level::INFO,
        "warn" => Level::WARN,
        _ => Level::ERROR,
    };
    Settings {
        timeout_offset: options.timeout_offset,
        most_probes: usize::try_from(options.most_probes).unwrap_or(1),
        log: LogSettings {
            level,
            failures,
            shape: flags.log.format,
        },
    }
}

async fn reload_every(reloader: Reloader, interval: Duration) {
    loop {
        tokio::time::sleep(interval).await;
        // Told by the log and the metrics.
        let _ = reloader.reload();
    }
}

async fn serve(
    flags: &Flags,
    settings: Settings,
    live: Arc<Live>,
    reloader: Reloader,
    place: &Place,
) -> Result<(), String> {
    let limit = usize::try_from(flags.options.history_limit).unwrap_or(0);
    let history = Arc::new(History::new(limit));
    let service = Arc::new(Service::new(live.clone(), history.clone(), settings));
    let own = Own {
        service: service.clone(),
        reloader: reloader.clone(),
    };
    let metrics = MetricsOptions {
        max_requests: 0,
        on_error: OnError::Refuse,
        error_metrics: false,
        build_info: Some(INFO),
        ..MetricsOptions::default()
    };
    let reload = ReloadPath {
        post_only: true,
        done: "",
    };
    let connections = u32::try_from(settings.most_probes).unwrap_or(u32::MAX >> 4);
    let server = launch::server(&flags.web)?
        .connections(connections.min(1 << 20) + MORE_CONNECTIONS)
        .route(place.path("probe"), ProbeHandler(service))
        .route(place.path("metrics"), MetricsHandler::new(own, metrics))
        .route(place.path("config"), ConfigPage(live))
        .route(place.path("logs"), LogsPage(history.clone()))
        .route(place.path("-/healthy"), |_: Request| async {
            let mut healthy = text(StatusCode::OK, "");
            *healthy.body_mut() = full("Healthy");
            healthy
        })
        .route(place.path("-/reload"), reloader.handler(reload))
        .route("/debug/pprof/", |_: Request| async {
            text(StatusCode::NOT_FOUND, "404 page not found")
        });
    place.frame(server, IndexPage(history)).run().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_has_a_sentence_and_sorted_labels() {
        let families = TABLE
            .iter()
            .flat_map(|p| (p.families)())
            .chain(own_families());
        for family in families {
            assert!(family.help.ends_with('.'), "{}", family.name);
            assert!(family.labels.is_sorted(), "{}", family.name);
        }
    }
}
