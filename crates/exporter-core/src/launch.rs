//! From arguments to a running exporter: what every `main` does in the same way.

use crate::build_info::BuildInfo;
use crate::cli::{App, Dialect, Exit, Flag, Matches};
use crate::collector::Definition;
use crate::log::{self, LogFlags};
use crate::web::flags::{MetricsFlags, WebFlags};
use crate::web::{Listener, Server};
use std::future::Future;
use std::time::Duration;

/// What a binary is and how it is talked to.
#[derive(Clone, Debug)]
pub struct Program {
    /// Its name and version.
    pub info: BuildInfo,
    /// One sentence for `--help`.
    pub about: &'static str,
    /// How its flags are written.
    pub dialect: Dialect,
}

/// The arguments of this process, the program's name first.
pub fn arguments() -> Vec<String> {
    let arguments = std::env::args_os();
    arguments
        .map(|a| a.to_string_lossy().into_owned())
        .collect()
}

impl Program {
    /// Parses the arguments and reads them into a type; `--help`, `--version` and errors end the
    /// process.
    pub fn parse<T>(
        &self,
        arguments: &[String],
        flags: Vec<Flag>,
        read: impl FnOnce(Matches) -> Result<T, String>,
    ) -> T {
        let app = App {
            name: App::base_name(arguments.first().map(String::as_str), self.info.name),
            about: self.about,
            version: self.info.text(),
            flags,
        };
        let rest = arguments.get(1..).unwrap_or_default();
        let env = |name: &str| std::env::var(name).ok();
        let parsed = self.dialect.parse(&app, rest, env);
        let read = |matches| read(matches).map_err(|why| self.dialect.error(&app, &why, env));
        parsed
            .and_then(read)
            .unwrap_or_else(|exit| Exit::exit(exit))
    }

    /// Logs the two start lines.
    pub fn announce(&self) {
        let name = self.info.name;
        tracing::info!(version = self.info.version_line(), "Starting {name}");
        tracing::info!(build_context = self.info.context_line(), "Build context");
    }
}

/// Runs an exporter to its end on one thread that serves. Blocking work goes to threads of its own,
/// and one of those that hangs for ever is not waited for. The value is the exit status.
pub fn run(work: impl Future<Output = Result<(), String>>) -> i32 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_keep_alive(Duration::from_secs(600))
        .thread_stack_size(1 << 20)
        .build();
    let result = match runtime {
        Ok(runtime) => {
            let result = runtime.block_on(work);
            runtime.shutdown_background();
            result
        }
        Err(error) => Err(format!("could not start the runtime: {error}")),
    };
    status(result)
}

/// The exit status of what was done; an error is logged.
pub fn status(result: Result<(), String>) -> i32 {
    let status = match result {
        Ok(()) => 0,
        Err(error) => {
            tracing::error!("{error}");
            1
        }
    };
    log::finish();
    status
}

/// Flags that every exporter with a settable telemetry path has, read.
#[derive(Clone, Debug)]
pub struct Common {
    /// Of the listener.
    pub web: WebFlags,
    /// Of the telemetry path.
    pub metrics: MetricsFlags,
    /// Of the log.
    pub log: LogFlags,
    /// All flags, for collectors that read their own.
    pub matches: Matches,
}

impl Common {
    /// Reads and checks them.
    ///
    /// # Errors
    /// The flag and what was expected.
    pub fn read(matches: Matches) -> Result<Self, String> {
        let common = Common {
            web: WebFlags::read(&matches)?,
            metrics: MetricsFlags::read(&matches)?,
            log: LogFlags::read(&matches)?,
            matches,
        };
        common.metrics.check()?;
        Ok(common)
    }
}

/// Binds what the flags say and reads the web configuration file. Paths are up to the caller.
pub fn server(web: &WebFlags) -> Result<Server, String> {
    let listeners = if web.systemd_socket {
        tracing::info!("Listening on systemd activated listeners instead of port listeners.");
        Listener::from_systemd()?
    } else {
        let addresses = web.listen_addresses.iter();
        addresses
            .map(|a| Listener::bind(a))
            .collect::<Result<_, _>>()?
    };
    let server = Server::new().listeners(listeners).front(web.front()?);
    Ok(match web.health_address.as_str() {
        "" => server,
        address => server.health_on(Listener::bind(address)?),
    })
}

/// Collectors made, by name, and the names of those that are switched off.
pub type Enabled<Made> = (Vec<(&'static str, Made)>, Vec<&'static str>);

/// Makes the collectors of a table that the flags switch on, and logs their names.
///
/// # Errors
/// The first collector that cannot be made ends the start.
pub fn collectors<Cx, Made>(
    table: &[Definition<Cx, Made>],
    cx: &Cx,
    matches: &Matches,
    disable_defaults: bool,
) -> Result<Enabled<Made>, String> {
    let mut enabled = Vec::new();
    let mut disabled = Vec::new();
    for definition in table {
        if definition.is_enabled(matches, disable_defaults) {
            let collector = (definition.new)(cx).map_err(|error| {
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
    Ok((enabled, disabled))
}
