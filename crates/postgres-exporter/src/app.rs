//! From arguments to a running exporter.

use crate::collectors::{self, Setup, TABLE};
use crate::config::{self, Config};
use crate::discovery::Everywhere;
use crate::dsn::environment::{DataSource, Environment, data_sources};
use crate::exporter::{self, Exporter, Metrics};
use crate::legacy::{self, Legacy, Named};
use crate::options::{Flags, Options, metrics_flags};
use crate::probe::Probe;
use crate::target::Target;
use exporter_core::build_info::BuildInfo;
use exporter_core::build_info_family;
use exporter_core::cli::{Dialect, Exit, Flag, Matches};
use exporter_core::collector::asynchronous::Named as NamedCollector;
use exporter_core::collector::{AsyncSet, SetOptions};
use exporter_core::exposition::{Family, Offers};
use exporter_core::launch::{self, Common, Program};
use exporter_core::listing::Listing;
use exporter_core::log::{self, LogFlags};
use exporter_core::reload::{ReloadFamilies, ReloadPath, Reloader};
use exporter_core::reload_families;
use exporter_core::self_metrics::raise_file_limit;
use exporter_core::web::flags::listening_on;
use exporter_core::web::metrics::OnError;
use exporter_core::web::{Landing, MetricsHandler, MetricsOptions};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

static BUILD: Family = build_info_family!("postgres_exporter");
static DURATION: Family = Family::gauge(
    "pg_scrape_collector_duration_seconds",
    &["collector"],
    "Time that a collector took in this scrape, in seconds.",
);
static SUCCESS: Family = Family::gauge(
    "pg_scrape_collector_success",
    &["collector"],
    "Whether a collector got what it asked for.",
);
const RELOADS: ReloadFamilies = reload_families!("postgres_exporter");

const INFO: BuildInfo = BuildInfo {
    name: "postgres_exporter",
    version: env!("CARGO_PKG_VERSION"),
    family: &BUILD,
};

const PROGRAM: Program = Program {
    info: INFO,
    about: "Prometheus exporter for PostgreSQL servers.",
    dialect: Dialect::KingpinOnStderr,
};

/// All flags, read.
struct All {
    flags: Flags,
    options: Options,
    common: Common,
}

/// Runs the exporter. The value is the exit status.
pub fn run(arguments: &[String], env: &Environment) -> i32 {
    let all = PROGRAM.parse(arguments, table(), read);
    if all.flags.list_metrics {
        Exit::print(list_metrics()).exit();
    }
    if all.flags.dump_maps {
        Exit::print(legacy::dump()).exit();
    }
    log::start(&all.common.log);
    launch::run(start(&all, env))
}

/// All flags in the order of `--help`.
fn table() -> Vec<Flag> {
    let mut flags = collectors::flags();
    flags.extend_from_slice(Flags::TABLE);
    flags.extend(metrics_flags());
    flags.extend(listening_on(&[":9187"]));
    flags.extend_from_slice(LogFlags::TABLE);
    flags
}

fn read(matches: Matches) -> Result<All, String> {
    let flags = Flags::read(&matches)?;
    Ok(All {
        options: Options::read(&flags)?,
        flags,
        common: Common::read(matches)?,
    })
}

/// The table of all metrics.
pub fn list_metrics() -> String {
    let mut listing = Listing::new(INFO.name);
    listing.add_table(TABLE);
    listing.add("every server", legacy::families());
    let own = [
        &BUILD,
        &DURATION,
        &SUCCESS,
        RELOADS.successful,
        RELOADS.timestamp,
    ];
    listing.finish(
        own.into_iter().chain(exporter::FAMILIES.iter().copied()),
        false,
    )
}

async fn start(all: &All, env: &Environment) -> Result<(), String> {
    PROGRAM.announce();
    raise_file_limit();
    let exporter = Arc::new(exporter(all)?);
    let (reloader, config) = configuration(&all.flags.config_file, &exporter);
    let servers = data_sources(env)?;
    if servers.is_empty() {
        tracing::info!("no data source is configured, only /probe answers for servers");
    }
    let connections = all.options.connections;
    let named =
        |source: DataSource| Arc::new(Named::new(Target::new(source, env.clone(), connections)));
    let metrics = Metrics {
        exporter: exporter.clone(),
        servers: servers.into_iter().map(named).collect(),
        scrapes: AtomicU64::new(0),
        config: (reloader.clone(), RELOADS),
    };
    let probe = Probe::new(exporter, config, env, connections);
    reloader.on_hangup()?;
    serve(all, metrics, probe, &reloader).await
}

/// What scrapes share.
fn exporter(all: &All) -> Result<Exporter, String> {
    let options = &all.options;
    let legacy = Legacy::new(legacy::Options {
        default_metrics: !all.flags.disable_default_metrics,
        constant_labels: options.constant_labels.clone(),
        prefix: all.flags.metric_prefix.clone(),
        discover: all.flags.auto_discover_databases,
        filter: options.filter.clone(),
        queries: all.flags.query_path.clone(),
    })?;
    let setup = Setup {
        matches: all.common.matches.clone(),
        exclude_databases: options.filter.exclude.clone(),
    };
    let (mut made, _) = launch::collectors(TABLE, &setup, &all.common.matches, false)?;
    if all.flags.disable_settings_metrics {
        made.retain(|(name, _)| *name != "settings");
    }
    let names = made.iter().map(|(name, _)| *name).collect();
    let made = made.into_iter();
    let everywhere = all.flags.all_databases;
    let made = made.map(|(name, statements)| -> NamedCollector<Target> {
        let statements = Arc::new(statements.named(name));
        if everywhere && collectors::OF_A_DATABASE.contains(&name) {
            let filter = options.filter.clone();
            return (name, Arc::new(Everywhere { statements, filter }));
        }
        (name, statements)
    });
    let set = SetOptions {
        duration: &DURATION,
        success: &SUCCESS,
        workers: options.connections,
    };
    Ok(Exporter {
        legacy,
        collectors: AsyncSet::new(made.collect(), set),
        names,
        by_server: all.flags.by_server,
    })
}

/// The configuration file, read, and what reads it again, with the custom queries. That it is
/// missing or wrong does not end the start.
fn configuration(path: &Path, exporter: &Arc<Exporter>) -> (Reloader, Arc<RwLock<Config>>) {
    let config = Arc::new(RwLock::new(Config::default()));
    let (shared, file, exporter) = (config.clone(), path.to_owned(), exporter.clone());
    let started = Arc::new(AtomicBool::new(false));
    let running = started.clone();
    let reloader = Reloader::new(move || {
        // The start has read the custom queries already.
        if running.load(Ordering::Acquire) {
            exporter.legacy.reload();
        }
        let read = config::load(&file)?;
        *shared.write().unwrap_or_else(PoisonError::into_inner) = read;
        Ok(())
    });
    if path.exists() {
        // The log has told what is wrong.
        let _ = reloader.reload();
    } else {
        let path = path.display().to_string();
        tracing::warn!(
            path,
            "there is no configuration file, /probe has no auth_module"
        );
    }
    started.store(true, Ordering::Release);
    (reloader, config)
}

async fn serve(
    all: &All,
    metrics: Metrics,
    probe: Probe,
    reloader: &Reloader,
) -> Result<(), String> {
    let timeout = all.options.timeout;
    let options = all.common.metrics.options(INFO);
    let options = MetricsOptions {
        request_metrics: false,
        error_metrics: false,
        timeout: Some(options.timeout.map_or(timeout, |t| t.min(timeout))),
        ..options
    };
    let of_target = MetricsOptions {
        offers: Offers {
            open_metrics: all.common.metrics.enable_openmetrics,
        },
        on_error: OnError::Continue,
        timeout: options.timeout,
        ..MetricsOptions::of_a_target()
    };
    let handler = MetricsHandler::new(metrics, options);
    let path = all.common.metrics.telemetry_path.as_str();
    let reload = ReloadPath {
        post_only: true,
        done: "",
    };
    launch::server(&all.common.web)?
        .route("/probe", MetricsHandler::new(probe, of_target))
        .route("/-/reload", reloader.handler(reload))
        .telemetry(path, handler, landing(path))
        .health()
        .run()
        .await
}

fn landing(path: &str) -> Landing {
    Landing {
        name: "Postgres Exporter",
        description: "Prometheus exporter for PostgreSQL servers",
        version: INFO.landing_line(),
        colour: Landing::COLOUR,
        links: vec![(path.to_owned(), "Metrics")],
    }
}
