//! From arguments to a running exporter.

use crate::collectors::TABLE;
use crate::config::{Config, Defaults, Password};
use crate::options::Options;
use crate::scrape::{Exporter, FAMILIES, Probe, ScrapeOptions, Telemetry};
use crate::server::{Address, SessionOptions};
use exporter_core::build_info::BuildInfo;
use exporter_core::cli::{Dialect, Exit, Flag, Matches};
use exporter_core::collector;
use exporter_core::exposition::Family;
use exporter_core::launch::{self, Common, Program};
use exporter_core::listing::Listing;
use exporter_core::log::{self, LogFlags};
use exporter_core::probe::AllowList;
use exporter_core::reload::Reloader;
use exporter_core::self_metrics::raise_file_limit;
use exporter_core::web::flags::{MetricsFlags, listening_on};
use exporter_core::web::front::Front;
use exporter_core::web::{
    Answer, Handler, Landing, MetricsHandler, MetricsOptions, OnError, Request, Response, full,
    text,
};
use exporter_core::{build_info_family, reload_families};
use http::StatusCode;
use std::sync::Arc;
use std::time::Duration;

static BUILD: Family = build_info_family!("mysqld_exporter");

const INFO: BuildInfo = BuildInfo {
    name: "mysqld_exporter",
    version: env!("CARGO_PKG_VERSION"),
    family: &BUILD,
};

const PROGRAM: Program = Program {
    info: INFO,
    about: "Prometheus exporter for MySQL and MariaDB servers.",
    dialect: Dialect::Kingpin,
};

/// Paths of the exporter's own that the telemetry path may not have.
const PROBE: &str = "/probe";
const RELOAD: &str = "/-/reload";
/// How often connections that no one asks for are looked for.
const SWEEP: Duration = Duration::from_secs(60);

/// All flags, read.
struct Flags {
    options: Options,
    common: Common,
}

/// Runs the exporter. The value is the exit status.
pub fn run(arguments: &[String]) -> i32 {
    let flags = PROGRAM.parse(arguments, table(), read);
    if flags.options.list_metrics {
        Exit::print(list_metrics()).exit();
    }
    log::start(&flags.common.log);
    launch::run(start(&flags))
}

/// All flags in the order of `--help`: those of all collectors, then the rest.
fn table() -> Vec<Flag> {
    let mut flags = collector::flags(TABLE);
    flags.extend_from_slice(Options::TABLE);
    let mut metrics = MetricsFlags::TABLE.to_vec();
    for flag in &mut metrics {
        // The original answers any number.
        if flag.name == "web.max-requests" {
            flag.default = &["0"];
        }
    }
    flags.extend(metrics);
    flags.extend(listening_on(&[":9104"]));
    flags.extend_from_slice(LogFlags::TABLE);
    flags
}

fn read(matches: Matches) -> Result<Flags, String> {
    let flags = Flags {
        options: Options::read(&matches)?,
        common: Common::read(matches)?,
    };
    if [PROBE, RELOAD].contains(&flags.common.metrics.telemetry_path.as_str()) {
        let path = &flags.common.metrics.telemetry_path;
        return Err(format!("--web.telemetry-path: {path} has another meaning"));
    }
    Ok(flags)
}

fn list_metrics() -> String {
    let mut listing = Listing::new(INFO.name);
    listing.add_table(TABLE);
    let reloads = reload_families!("mysqld_exporter");
    let own = [&BUILD, reloads.successful, reloads.timestamp];
    listing.finish(own.into_iter().chain(FAMILIES), true)
}

async fn start(flags: &Flags) -> Result<(), String> {
    PROGRAM.announce();
    flags.options.check()?;
    raise_file_limit();
    let (collectors, _) =
        launch::collectors(TABLE, &flags.common.matches, &flags.common.matches, false)?;
    let exporter = Arc::new(Exporter::new(collectors, scrape_options(flags)?));
    let reloader = reloader(&exporter, defaults(&flags.options)?);
    reloader.reload()?;
    if flags.options.config_check {
        Front::from_file(&flags.common.web.config_file)?;
        Exit::print("the configuration is valid\n".to_owned()).exit();
    }
    let telemetry = telemetry(flags, &exporter, &reloader);
    if flags.options.once {
        Exit::print(telemetry.once().await?).exit();
    }
    serve(flags, exporter, reloader, telemetry).await
}

fn scrape_options(flags: &Flags) -> Result<ScrapeOptions, String> {
    let options = &flags.options;
    let positive = |seconds: i64| u64::try_from(seconds).ok().filter(|s| *s > 0);
    Ok(ScrapeOptions {
        timeout_offset: options.timeout_offset,
        longest: Some(flags.common.metrics.timeout.value).filter(|t| !t.is_zero()),
        query_timeout: positive(options.query_timeout).map(Duration::from_secs),
        connections: usize::try_from(options.max_open_connections).unwrap_or(usize::MAX),
        session: SessionOptions {
            lock_wait_timeout: options
                .enable_lock_wait_timeout
                .then_some(options.lock_wait_timeout),
            log_slow_filter: options.log_slow_filter,
            long_query_time: Some(options.long_query_time).filter(|s| *s > 0),
        },
        allowed: AllowList::new(&options.allowed_targets)
            .map_err(|why| format!("--probe.allowed-targets: {why}"))?,
    })
}

/// What the file is read with. Variables count as they are when the process starts.
fn defaults(options: &Options) -> Result<Defaults, String> {
    let variable = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
    Ok(Defaults {
        path: options.my_cnf.clone(),
        address: Address::parse(&options.address)
            .map_err(|why| format!("--mysqld.address: {why}"))?,
        user: options.username.clone(),
        password: variable("MYSQLD_EXPORTER_PASSWORD").map(Password::new),
        password_file: variable("MYSQLD_EXPORTER_PASSWORD_FILE").map(Into::into),
        skip_verify: options.skip_verify,
    })
}

fn reloader(exporter: &Arc<Exporter>, defaults: Defaults) -> Reloader {
    let exporter = exporter.clone();
    Reloader::new(move || {
        let config = Config::load(&defaults, |name| std::env::var(name).ok())?;
        exporter.configure(config);
        Ok(())
    })
}

fn telemetry(flags: &Flags, exporter: &Arc<Exporter>, reloader: &Reloader) -> MetricsHandler {
    let source = Telemetry {
        exporter: exporter.clone(),
        reloader: reloader.clone(),
        families: reload_families!("mysqld_exporter"),
    };
    let options = MetricsOptions {
        error_metrics: false,
        ..flags.common.metrics.options(INFO)
    };
    MetricsHandler::new(source, options)
}

fn probe(flags: &Flags, exporter: &Arc<Exporter>) -> MetricsHandler {
    let options = MetricsOptions {
        on_error: OnError::Continue,
        offers: flags.common.metrics.options(INFO).offers,
        ..MetricsOptions::of_a_target()
    };
    MetricsHandler::new(Probe(exporter.clone()), options)
}

async fn serve(
    flags: &Flags,
    exporter: Arc<Exporter>,
    reloader: Reloader,
    telemetry: MetricsHandler,
) -> Result<(), String> {
    let path = flags.common.metrics.telemetry_path.as_str();
    let server = launch::server(&flags.common.web)?
        .route(PROBE, probe(flags, &exporter))
        .route(RELOAD, ReloadPath(reloader.clone()))
        .telemetry(path, telemetry, landing(path))
        .health();
    reloader.on_hangup()?;
    tokio::spawn(async move {
        let mut sweep = tokio::time::interval(SWEEP);
        loop {
            sweep.tick().await;
            exporter.expire();
        }
    });
    server.run().await
}

fn landing(path: &str) -> Landing {
    Landing {
        name: "MySQLd Exporter",
        description: "Prometheus Exporter for MySQL servers",
        version: INFO.landing_line(),
        colour: Landing::COLOUR,
        links: vec![(path.to_owned(), "Metrics")],
    }
}

/// Reloads at a request of any method. A failure is told by the log and the metrics: the original
/// answers it with status 200 and nothing else, and so do we.
struct ReloadPath(Reloader);

impl Handler for ReloadPath {
    fn handle(&self, _: Request) -> Answer<'_> {
        let reloader = self.0.clone();
        Box::pin(async move {
            // Reading may block, so it does not happen on the thread that serves.
            let reloading = tokio::task::spawn_blocking(move || reloader.reload());
            match reloading.await {
                Ok(Ok(())) => {
                    let mut done = text(StatusCode::OK, "");
                    *done.body_mut() = full("ok");
                    done
                }
                _ => Response::new(full("")),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_family_has_one_owner_and_a_sentence() {
        let mut seen = BTreeSet::new();
        for definition in TABLE {
            let families = (definition.families)();
            assert!(!families.is_empty(), "{}", definition.name);
            for family in families {
                assert!(seen.insert(family.name), "{}", family.name);
                assert!(family.help.ends_with('.'), "{}", family.name);
                assert!(family.labels.is_sorted(), "{}", family.name);
            }
        }
        assert_eq!(TABLE.len(), 37);
        assert_eq!(TABLE.iter().filter(|d| d.default_on()).count(), 6);
    }
}
