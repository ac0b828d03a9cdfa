//! From arguments to a running exporter.

use crate::collectors::TABLE;
use crate::host::{Host, join};
use crate::kernel::SharedFile;
use crate::options::Options;
use crate::paths::{self, NamedSet};
use exporter_core::build_info::BuildInfo;
use exporter_core::build_info_family;
use exporter_core::cli::{Dialect, Exit, Flag, Matches};
use exporter_core::collector::{self, Set, SetOptions};
use exporter_core::exposition::Family;
use exporter_core::launch::{self, Common, Program};
use exporter_core::listing::Listing;
use exporter_core::log::{self, LogFlags};
use exporter_core::self_metrics::raise_file_limit;
use exporter_core::web::flags::{MetricsFlags, WebFlags};
use exporter_core::web::front::Front;
use exporter_core::web::{Landing, MetricsHandler};
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

/// All flags, read.
struct Flags {
    options: Options,
    common: Common,
}

const PROGRAM: Program = Program {
    info: INFO,
    about: "Prometheus exporter for hardware and system metrics of Linux hosts.",
    dialect: Dialect::Kingpin,
};

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
    flags.extend_from_slice(MetricsFlags::TABLE);
    flags.extend_from_slice(WebFlags::TABLE);
    flags.extend_from_slice(LogFlags::TABLE);
    flags
}

fn read(matches: Matches) -> Result<Flags, String> {
    Ok(Flags {
        options: Options::read(&matches)?,
        common: Common::read(matches)?,
    })
}

fn list_metrics() -> String {
    let mut listing = Listing::new(INFO.name);
    listing.add_table(TABLE);
    listing.finish([&BUILD, &DURATION, &SUCCESS], true)
}

async fn start(flags: &Flags) -> Result<(), String> {
    PROGRAM.announce();
    if rustix::process::geteuid().is_root() {
        tracing::warn!(
            "Node Exporter is running as root user. It needs no more than any user may read."
        );
    }
    raise_file_limit();
    let collectors = collectors(flags)?;
    let sets = paths::read(&flags.options.sets, &collectors)?;
    let handler = MetricsHandler::new(collectors, flags.common.metrics.options(INFO));
    if flags.options.config_check {
        Front::from_file(&flags.common.web.config_file)?;
        Exit::print("the configuration is valid\n".to_owned()).exit();
    }
    if flags.options.once {
        Exit::print(handler.once().await?).exit();
    }
    serve(flags, handler, &sets).await
}

/// Makes all enabled collectors.
fn collectors(flags: &Flags) -> Result<Set, String> {
    let options = &flags.options;
    let host = host(flags);
    let disable_defaults = options.disable_defaults;
    let (enabled, disabled) =
        launch::collectors(TABLE, &host, &flags.common.matches, disable_defaults)?;
    let options = SetOptions {
        duration: &DURATION,
        success: &SUCCESS,
        workers: usize::try_from(options.threads).unwrap_or(1).clamp(1, 64),
    };
    Ok(Set::new(enabled, disabled, options))
}

fn host(flags: &Flags) -> Host {
    let options = &flags.options;
    let runs = TABLE.iter();
    let runs = runs.filter(|d| d.is_enabled(&flags.common.matches, options.disable_defaults));
    Host {
        runs: runs.map(|d| d.name).collect(),
        matches: flags.common.matches.clone(),
        proc: PathBuf::from(&options.procfs.value),
        sys: PathBuf::from(&options.sysfs.value),
        root: options.rootfs.clone(),
        udev: options.udev_data.clone(),
        stat: SharedFile::new(join(Path::new(&options.procfs.value), Path::new("stat"))),
    }
}

async fn serve(flags: &Flags, handler: MetricsHandler, sets: &[NamedSet]) -> Result<(), String> {
    let path = flags.common.metrics.telemetry_path.as_str();
    let mut server = launch::server(&flags.common.web)?;
    for set in sets {
        server = server.route(set.path(path), set.handler(&handler));
    }
    let page = landing(path, sets);
    server.telemetry(path, handler, page).health().run().await
}

fn landing(path: &str, sets: &[NamedSet]) -> Landing {
    let sets = sets.iter().map(|set| set.path(path));
    let paths = std::iter::once(path.to_owned()).chain(sets);
    Landing {
        name: "Node Exporter",
        description: "Prometheus Node Exporter",
        version: INFO.landing_line(),
        colour: Landing::COLOUR,
        links: paths.map(|path| (path, "Metrics")).collect(),
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
                // The frequency families are the one case of two collectors with one name.
                let shared = family.name.starts_with("node_cpu_") && family.name.contains("hertz");
                assert!(seen.insert(family.name) || shared, "{}", family.name);
                assert!(
                    family.help.ends_with('.'),
                    "{}: {}",
                    family.name,
                    family.help
                );
                assert!(family.labels.is_sorted(), "{}", family.name);
            }
        }
    }
}
