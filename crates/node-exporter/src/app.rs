//! From arguments to a running exporter.

use crate::collectors::TABLE;
use crate::host::{Host, join};
use crate::kernel::SharedFile;
use crate::listing;
use crate::options::Options;
use exporter_core::build_info::BuildInfo;
use exporter_core::build_info_family;
use exporter_core::cli::{App, Exit, Flag, Matches, kingpin};
use exporter_core::collector::{Set, SetOptions};
use exporter_core::exposition::{Family, Offers};
use exporter_core::log::{self, LogFlags};
use exporter_core::self_metrics::raise_file_limit;
use exporter_core::web::flags::{MetricsFlags, WebFlags};
use exporter_core::web::front::Front;
use exporter_core::web::{Landing, Listener, MetricsHandler, MetricsOptions, Server, landing};
use std::path::{Path, PathBuf};

static BUILD: Family = build_info_family!("node_exporter");
static DURATION: Family = Family::gauge(
    "node_scrape_collector_duration_seconds",
    &["collector"],
    "Time that a collector took in this scrape in seconds.",
);
static SUCCESS: Family = Family::gauge(
    "node_scrape_collector_success",
    &["collector"],
    "Whether a collector finished without error and had something to read.",
);

const INFO: BuildInfo = BuildInfo {
    name: "node_exporter",
    version: env!("CARGO_PKG_VERSION"),
    family: &BUILD,
};

/// Paths of probes.
const HEALTH: [&str; 2] = ["/-/healthy", "/-/ready"];

/// All flags, read.
struct Flags {
    options: Options,
    web: WebFlags,
    metrics: MetricsFlags,
    log: LogFlags,
    matches: Matches,
}

/// Runs the exporter. The value is the exit status.
pub fn run(arguments: Vec<String>) -> i32 {
    let flags = parse(arguments);
    if flags.options.list_metrics {
        print!("{}", listing::markdown(&[&BUILD, &DURATION, &SUCCESS]));
        return 0;
    }
    log::start(&flags.log);
    match start(&flags) {
        Ok(()) => 0,
        Err(error) => {
            tracing::error!("{error}");
            1
        }
    }
}

fn parse(arguments: Vec<String>) -> Flags {
    let app = App {
        name: App::base_name(arguments.first().map(String::as_str), INFO.name),
        about: "Prometheus exporter for hardware and system metrics of Linux hosts.",
        version: INFO.text(),
        flags: table(),
    };
    let rest = arguments.get(1..).unwrap_or_default();
    let parsed = kingpin::parse(&app, rest, |name| std::env::var(name).ok())
        .and_then(|matches| read(matches).map_err(|why| app.error(&why)));
    match parsed {
        Ok(flags) => flags,
        Err(exit) => Exit::exit(exit),
    }
}

/// All flags in the order of `--help`: those of all collectors, then the rest.
fn table() -> Vec<Flag> {
    let mut flags: Vec<Flag> = TABLE.iter().flat_map(|d| d.flags).cloned().collect();
    flags.extend(TABLE.iter().map(|d| d.switch.clone()));
    flags.extend_from_slice(Options::TABLE);
    flags.extend_from_slice(MetricsFlags::TABLE);
    flags.extend_from_slice(WebFlags::TABLE);
    flags.extend_from_slice(LogFlags::TABLE);
    flags
}

fn read(matches: Matches) -> Result<Flags, String> {
    let flags = Flags {
        options: Options::read(&matches)?,
        web: WebFlags::read(&matches)?,
        metrics: MetricsFlags::read(&matches)?,
        log: LogFlags::read(&matches)?,
        matches,
    };
    if flags.metrics.max_requests < 0 {
        return Err("--web.max-requests: expected 0 or more".to_owned());
    }
    if !flags.metrics.telemetry_path.starts_with('/') {
        return Err("--web.telemetry-path: expected a path that starts with a slash".to_owned());
    }
    Ok(flags)
}

fn start(flags: &Flags) -> Result<(), String> {
    tracing::info!(version = INFO.version_line(), "Starting node_exporter");
    tracing::info!(build_context = INFO.context_line(), "Build context");
    if rustix::process::geteuid().is_root() {
        tracing::warn!(
            "Node Exporter is running as root user. It needs no more than any user may read."
        );
    }
    raise_file_limit();
    let set = collectors(flags)?;
    let front = flags.web.front(&HEALTH)?;
    if flags.options.config_check {
        println!("the configuration is valid");
        return Ok(());
    }
    // Everything asynchronous is light: one thread serves, collectors run on threads of their own.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_keep_alive(std::time::Duration::from_secs(600))
        .thread_stack_size(1 << 20)
        .build()
        .map_err(|e| format!("could not start the runtime: {e}"))?;
    let handler = MetricsHandler::new(set, metrics_options(flags));
    let result = runtime.block_on(async {
        if flags.options.once {
            let text = handler.once().await?;
            print!("{text}");
            return Ok(());
        }
        serve(flags, handler, front).await
    });
    // A collector that hangs for ever is not waited for.
    runtime.shutdown_background();
    result
}

/// Makes all enabled collectors.
fn collectors(flags: &Flags) -> Result<Set, String> {
    let options = &flags.options;
    let host = host(flags);
    let mut enabled = Vec::new();
    let mut disabled = Vec::new();
    for definition in TABLE {
        if definition.is_enabled(&flags.matches, options.disable_defaults) {
            let collector = (definition.new)(&host).map_err(|error| {
                format!("Couldn't create metrics handler: couldn't create collector: {error}")
            })?;
            enabled.push((definition.name, collector));
        } else {
            disabled.push(definition.name);
        }
    }
    tracing::info!("Enabled collectors");
    for (name, _) in &enabled {
        tracing::info!("{name}");
    }
    let options = SetOptions {
        duration: &DURATION,
        success: &SUCCESS,
        workers: usize::try_from(options.threads).unwrap_or(1).clamp(1, 64),
    };
    Ok(Set::new(enabled, disabled, options))
}

fn host(flags: &Flags) -> Host {
    let options = &flags.options;
    Host {
        matches: flags.matches.clone(),
        proc: PathBuf::from(&options.procfs.value),
        sys: PathBuf::from(&options.sysfs.value),
        root: options.rootfs.clone(),
        udev: options.udev_data.clone(),
        stat: SharedFile::new(join(Path::new(&options.procfs.value), Path::new("stat"))),
    }
}

fn metrics_options(flags: &Flags) -> MetricsOptions {
    let exposed = !flags.metrics.disable_exporter_metrics;
    MetricsOptions {
        max_requests: usize::try_from(flags.metrics.max_requests).unwrap_or(0),
        offers: Offers {
            open_metrics: flags.metrics.enable_openmetrics,
        },
        request_metrics: exposed,
        error_metrics: exposed,
        process_metrics: exposed,
        build_info: Some(INFO),
        timeout: Some(flags.metrics.timeout.value).filter(|t| !t.is_zero()),
        ..MetricsOptions::default()
    }
}

async fn serve(flags: &Flags, handler: MetricsHandler, front: Front) -> Result<(), String> {
    let listeners = if flags.web.systemd_socket {
        tracing::info!("Listening on systemd activated listeners instead of port listeners.");
        Listener::from_systemd()?
    } else {
        let addresses = flags.web.listen_addresses.iter();
        addresses
            .map(|a| Listener::bind(a))
            .collect::<Result<_, _>>()?
    };
    let path = flags.metrics.telemetry_path.as_str();
    let mut server = Server::new().listeners(listeners).front(front);
    server = match path {
        "/" => server.fallback(handler),
        path => server
            .route(path, handler)
            .route("/", landing(path).handler()),
    };
    for path in HEALTH {
        server = server.route(path, landing::healthy());
    }
    server.run().await
}

fn landing(path: &str) -> Landing {
    Landing {
        name: "Node Exporter",
        description: "Prometheus Node Exporter",
        version: INFO.landing_line(),
        colour: Landing::COLOUR,
        links: vec![(path.to_owned(), "Metrics")],
    }
}
