//! From arguments to a running exporter.

use crate::config;
use crate::families::{self, LeftOut};
use crate::naming::Naming;
use crate::options::Options;
use crate::procfs::{Procfs, told};
use crate::source::Processes;
use crate::tracker::{self, Recheck, Tracker};
use exporter_core::build_info::BuildInfo;
use exporter_core::build_info_family;
use exporter_core::cli::{Dialect, Exit, Matches};
use exporter_core::exposition::Family;
use exporter_core::launch::{self, Program};
use exporter_core::listing::Listing;
use exporter_core::log::{self, Shape};
use exporter_core::reload::{ReloadFamilies, ReloadPath, Reloader};
use exporter_core::self_metrics::raise_file_limit;
use exporter_core::web::flags::WebFlags;
use exporter_core::web::front::Front;
use exporter_core::web::{Landing, MetricsHandler, MetricsOptions, OnError, Request, text};
use http::StatusCode;
use std::path::Path;
use tracing::Level;

static BUILD: Family = build_info_family!("process_exporter");
const RELOADS: ReloadFamilies = exporter_core::reload_families!("process_exporter");

const INFO: BuildInfo = BuildInfo {
    name: "process-exporter",
    version: env!("CARGO_PKG_VERSION"),
    family: &BUILD,
};

const PROGRAM: Program = Program {
    info: INFO,
    about: "Prometheus exporter for named groups of processes.",
    dialect: Dialect::GoFlag,
};

/// What `-man` prints.
const MANUAL: &str = include_str!("manual.txt");

/// Runs the exporter. The value is the exit status.
pub fn run(arguments: &[String]) -> i32 {
    let options = PROGRAM.parse(arguments, Options::TABLE.to_vec(), read);
    if options.version {
        Exit::print(INFO.text() + "\n").exit();
    }
    if options.man {
        Exit::print(MANUAL.to_owned()).exit();
    }
    if options.list_metrics {
        Exit::print(list_metrics()).exit();
    }
    let level = if options.debug {
        Level::DEBUG
    } else {
        Level::INFO
    };
    log::start_as(level, Shape::Plain);
    warn_of_rest(arguments);
    launch::run(start(options))
}

fn read(matches: Matches) -> Result<Options, String> {
    let mut options = Options::read(&matches)?;
    if options.telemetry_path.is_empty() {
        return Err("-web.telemetry-path: expected a path".to_owned());
    }
    if !options.telemetry_path.starts_with('/') {
        options.telemetry_path.insert(0, '/');
    }
    LeftOut::parse(&options.exclude_families)?;
    Ok(options)
}

/// A switch takes no value of its own: `-children false` switches on and drops all that follows.
fn warn_of_rest(arguments: &[String]) {
    let mut rest = arguments.iter().skip(1);
    while let Some(argument) = rest.next() {
        let name = argument.trim_start_matches('-');
        if argument == "--" || name.len() == argument.len() {
            tracing::warn!("arguments from {argument:?} on are ignored: it is not a flag");
            return;
        }
        let flag = Options::TABLE.iter().find(|f| f.name == name);
        if flag.is_some_and(|f| f.kind != exporter_core::cli::FlagKind::Bool) {
            rest.next();
        }
    }
}

fn list_metrics() -> String {
    let mut listing = Listing::new(INFO.name);
    listing.add("process", families::ALL.iter().copied());
    let own = [&BUILD, RELOADS.successful, RELOADS.timestamp];
    listing.finish(own, true)
}

fn naming(options: &Options) -> Result<Naming, String> {
    if options.config_path.as_os_str().is_empty() {
        return Naming::from_lists(&options.procnames, &options.namemapping);
    }
    if !options.procnames.is_empty() || !options.namemapping.is_empty() {
        return Err("-config.path cannot be used with -procnames or -namemapping".to_owned());
    }
    log_content(&options.config_path);
    config::load(&options.config_path).map(Naming::Items)
}

fn log_content(path: &Path) {
    if tracing::enabled!(Level::DEBUG)
        && let Ok(content) = std::fs::read(path)
    {
        let content = String::from_utf8_lossy(&content);
        tracing::debug!("{}:\n{content}", path.display());
    }
}

fn tracking(options: &Options) -> tracker::Options {
    let limit = options.recheck_limit;
    tracker::Options {
        children: options.children,
        recheck: match (limit.is_zero(), options.recheck) {
            (false, _) => Recheck::For(limit.as_secs_f64()),
            (true, true) => Recheck::Always,
            (true, false) => Recheck::Never,
        },
        remove_empty: options.remove_empty_groups,
        threads: options.threads,
        proportional: options.gather_smaps,
        proportional_limit: u64::try_from(options.gather_smaps_max_rss).unwrap_or(0),
        main_thread_once: options.count_main_thread_once,
        absent: options.export_absent_groups,
        maps: options.gather_maps,
        // Looked at when the flags were read.
        left_out: LeftOut::parse(&options.exclude_families).unwrap_or_default(),
    }
}

async fn start(options: Options) -> Result<(), String> {
    let naming = naming(&options)?;
    if options.config_check {
        Front::from_file(&options.web_config_file)?;
        Exit::print("the configuration is valid\n".to_owned()).exit();
    }
    raise_file_limit();
    let procfs = options.procfs.display();
    match options.config_path.as_os_str().is_empty() {
        true => tracing::info!(
            "Reading metrics from {procfs} for procnames: {}",
            options.procnames
        ),
        false => tracing::info!(
            "Reading metrics from {procfs} based on {:?}",
            options.config_path.display().to_string()
        ),
    }
    let mut tracker = Tracker::new(Procfs::open(&options.procfs)?, naming, tracking(&options));
    tracker
        .collect()
        .map_err(|e| format!("the processes of {procfs} could not be listed: {}", told(e)))?;
    let mut source = Processes::new(tracker);
    let reloader = reloader(&options, &source);
    if let Some(reloader) = &reloader {
        source = source.with_reloads(reloader.clone(), RELOADS);
    }
    let handler = MetricsHandler::new(source, metrics_options());
    if !options.once_delay.is_zero() {
        handler.once().await?;
        tokio::time::sleep(options.once_delay).await;
        Exit::print(handler.once().await?).exit();
    }
    serve(&options, handler, reloader).await
}

/// Only a file can be read again.
fn reloader(options: &Options, source: &Processes) -> Option<Reloader> {
    if options.config_path.as_os_str().is_empty() {
        return None;
    }
    let (options, source) = (options.clone(), source.clone());
    let reloader = Reloader::new(move || {
        source.rename(naming(&options)?);
        Ok(())
    });
    reloader.succeeded();
    Some(reloader)
}

fn metrics_options() -> MetricsOptions {
    MetricsOptions {
        max_requests: 0,
        on_error: OnError::Refuse,
        error_metrics: false,
        build_info: Some(INFO),
        ..MetricsOptions::default()
    }
}

async fn serve(
    options: &Options,
    handler: MetricsHandler,
    reloader: Option<Reloader>,
) -> Result<(), String> {
    let web = WebFlags {
        listen_addresses: vec![options.listen_address.clone()],
        systemd_socket: false,
        config_file: options.web_config_file.clone(),
        open_health: options.open_health,
        health_address: options.health_address.clone(),
    };
    let path = options.telemetry_path.as_str();
    let mut server = launch::server(&web)?
        .route(path, handler)
        .health()
        .route("/debug/pprof/", |_: Request| async {
            text(StatusCode::NOT_FOUND, "404 page not found")
        })
        // As in the original, every path that is not known shows the page.
        .fallback(landing(path).handler());
    if let Some(reloader) = reloader {
        reloader.on_hangup()?;
        let reload = ReloadPath {
            post_only: true,
            done: "",
        };
        server = server.route("/-/reload", reloader.handler(reload));
    }
    server.run().await
}

fn landing(path: &str) -> Landing {
    Landing {
        name: "Named Process Exporter",
        description: INFO.name,
        version: INFO.landing_line(),
        colour: Landing::COLOUR,
        links: vec![(path.to_owned(), "Metrics")],
    }
}
