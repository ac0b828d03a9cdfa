//! From arguments to a running exporter.

use crate::client::{Dialer, Tls, TlsFiles};
use crate::collectors::TABLE;
use crate::discovery::Discovery;
use crate::exporter::{Exporter, Scrape, Telemetry};
use crate::options::{Extra, Options};
use crate::passwords::PasswordFile;
use crate::settings::Settings;
use exporter_core::build_info::{self, BuildInfo};
use exporter_core::build_info_family;
use exporter_core::cli::{Dialect, Exit, Flag};
use exporter_core::exposition::Family;
use exporter_core::exposition::compress::Coding;
use exporter_core::launch::{self, Program};
use exporter_core::listing::Listing;
use exporter_core::log::{self, Shape};
use exporter_core::reload::{ReloadPath, Reloader};
use exporter_core::self_metrics::raise_file_limit;
use exporter_core::web::front::{Front, Parts, TlsSection, check_hash, hash as hash_of};
use exporter_core::web::{
    Landing, Listener, MetricsHandler, MetricsOptions, OnError, Request, Response, Server, full,
    text,
};
use http::{HeaderValue, StatusCode, header};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tracing::Level;

/// Never exposed: the series has other labels here, see `collectors/itself.rs`.
static BUILD: Family = build_info_family!("redis_exporter");

const PROGRAM: Program = Program {
    info: BuildInfo {
        name: "redis_exporter",
        version: env!("CARGO_PKG_VERSION"),
        family: &BUILD,
    },
    about: "Prometheus exporter for Redis and Valkey.",
    dialect: Dialect::GoFlag,
};

/// Paths that the telemetry path must not be.
const PATHS: [&str; 5] = [
    "/",
    "/scrape",
    "/health",
    "/-/reload",
    "/discover-cluster-nodes",
];

/// Runs the exporter. The value is the exit status.
pub fn run(arguments: &[String]) -> i32 {
    let (options, extra) = PROGRAM.parse(arguments, table(), |matches| {
        Ok((Options::read(&matches)?, Extra::read(&matches)?))
    });
    if extra.list_metrics {
        Exit::print(listing()).exit();
    }
    let banner = log::line(Shape::Logrus, Level::INFO, "", &banner(), &[]);
    if options.version {
        Exit::print(banner + "\n").exit();
    }
    // Always in this shape, whatever the log's is. Nobody is there to be told of a closed log.
    let _ = writeln!(std::io::stderr(), "{banner}");
    start_log(&options);
    match start(options, extra) {
        Ok(app) => launch::run(app.serve()),
        Err(error) => launch::status(Err(error)),
    }
}

fn table() -> Vec<Flag> {
    [Options::TABLE, Extra::TABLE].concat()
}

fn banner() -> String {
    format!(
        "Redis Metrics Exporter {}    build date: {}    sha1: {}    Go: {}    GOOS: linux    GOARCH: {}",
        PROGRAM.info.version,
        build_info::BUILD_DATE,
        build_info::REVISION,
        build_info::RUSTC,
        build_info::architecture()
    )
}

/// A table of all families, in the order of their collectors.
pub fn listing() -> String {
    let mut listing = Listing::new(PROGRAM.info.name);
    for definition in TABLE {
        listing.add(definition.name, (definition.families)());
    }
    listing.finish([], false)
}

/// Words that are not known mean information and text.
fn start_log(options: &Options) {
    let level = match options.log_level.to_ascii_uppercase().as_str() {
        _ if options.debug => Level::DEBUG,
        "DEBUG" => Level::DEBUG,
        "WARN" | "WARNING" => Level::WARN,
        "ERROR" => Level::ERROR,
        _ => Level::INFO,
    };
    let shape = match options.log_format.as_str() {
        "json" => Shape::LogrusJson,
        _ => Shape::Logrus,
    };
    log::start_as(level, shape);
}

/// Checks everything but what listening needs, in the order in which upstream tells mistakes.
fn start(options: Options, extra: Extra) -> Result<App, String> {
    raise_file_limit();
    let path = telemetry_path(&options.telemetry_path)?;
    let password_given = !options.password.is_empty();
    let passwords = PasswordFile::load(&options.password_file, !password_given)?;
    let settings = Settings::new(options, extra)?;
    let options = &settings.options;
    let front = front_parts(options, &settings.extra)?;
    let dialer = Dialer {
        tls: Tls::new(TlsFiles {
            certificate: options.tls_client_cert_file.clone(),
            key: options.tls_client_key_file.clone(),
            authorities: options.tls_ca_cert_file.clone(),
            skip_verification: options.skip_tls_verification,
        })?,
        each: settings.each,
        set_client_name: options.set_client_name,
    };
    let listen = options.listen_address.clone();
    let web_config = PathBuf::from(&settings.extra.web_config_file);
    let serves_targets = !options.disable_scrape;
    let process_metrics = !options.redis_only;
    let exporter = Exporter::new(settings, dialer, Arc::new(passwords), PROGRAM.info.version)?;
    Ok(App {
        exporter: Arc::new(exporter),
        password_given,
        path,
        listen,
        front,
        web_config,
        serves_targets,
        process_metrics,
    })
}

fn telemetry_path(path: &str) -> Result<String, String> {
    match path {
        "" => Ok("/metrics".to_owned()),
        path if PATHS.contains(&path) => Err(format!(
            "web.telemetry-path: {path} is another path of this exporter"
        )),
        path if !path.starts_with('/') => Err(format!(
            "web.telemetry-path: expected a path that starts with a slash, got {path:?}"
        )),
        path => Ok(path.to_owned()),
    }
}

/// The flags of passwords and TLS, with what can be checked before listening.
fn front_parts(options: &Options, extra: &Extra) -> Result<Parts, String> {
    let (plain, hash) = (
        &options.basic_auth_password,
        &options.basic_auth_hash_password,
    );
    if !plain.is_empty() && !hash.is_empty() {
        return Err(
            "expected one of basic-auth-password and basic-auth-hash-password, got both".to_owned(),
        );
    }
    if !hash.is_empty() {
        check_hash(hash)
            .map_err(|why| format!("basic-auth-hash-password: expected a bcrypt hash: {why}"))?;
    }
    let user = &options.basic_auth_username;
    let mut users = Vec::new();
    if !user.is_empty() && !hash.is_empty() {
        users.push((user.clone(), hash.clone()));
    } else if !user.is_empty() && !plain.is_empty() {
        users.push((user.clone(), hash_of(plain)?));
    }
    let tls = tls_section(options)?;
    if !extra.web_config_file.is_empty() && (!users.is_empty() || tls.cert_file.is_some()) {
        return Err(
            "expected either web.config.file or the flags tls-server-* and basic-auth-*, got both"
                .to_owned(),
        );
    }
    Ok(Parts {
        tls,
        users,
        realm: Some("redis-exporter, charset=UTF-8"),
    })
}

fn tls_section(options: &Options) -> Result<TlsSection, String> {
    let given = |path: &String| Some(PathBuf::from(path)).filter(|p| !p.as_os_str().is_empty());
    let certificate = given(&options.tls_server_cert_file);
    let key = given(&options.tls_server_key_file);
    if certificate.is_some() != key.is_some() {
        return Err(
            "expected both of tls-server-cert-file and tls-server-key-file, got one".to_owned(),
        );
    }
    if certificate.is_none() {
        return Ok(TlsSection::default());
    }
    let word = match options.tls_server_min_version.as_str() {
        "TLS1.0" => "TLS10",
        "TLS1.1" => "TLS11",
        "TLS1.2" => "TLS12",
        "TLS1.3" => "TLS13",
        other => {
            return Err(format!(
                "tls-server-min-version: expected TLS1.0, TLS1.1, TLS1.2 or TLS1.3, got {other:?}"
            ));
        }
    };
    let authorities = given(&options.tls_server_ca_cert_file);
    Ok(TlsSection {
        cert_file: certificate,
        key_file: key,
        client_auth_type: authorities
            .as_ref()
            .map(|_| "RequireAndVerifyClientCert".to_owned()),
        client_ca_file: authorities,
        min_version: Some(word.to_owned()),
        ..TlsSection::default()
    })
}

/// An exporter that has yet to listen.
struct App {
    exporter: Arc<Exporter>,
    password_given: bool,
    path: String,
    listen: String,
    front: Parts,
    web_config: PathBuf,
    serves_targets: bool,
    process_metrics: bool,
}

impl App {
    async fn serve(self) -> Result<(), String> {
        let listener = Listener::bind(&self.listen)?;
        let front = match self.web_config.as_os_str().is_empty() {
            true => Front::from_parts(self.front.clone())?,
            false => Front::from_file(Path::new(&self.web_config))?,
        };
        tracing::info!("Providing metrics at {}{}", self.listen, self.path);
        tokio::spawn(self.exporter.clone().expire());
        let mut server = Server::new()
            .listeners(vec![listener])
            .front(front)
            .route(self.path.as_str(), self.telemetry())
            .route("/", landing(&self.path).handler())
            .route("/health", |_: Request| async { plain("ok") })
            .route("/discover-cluster-nodes", Discovery(self.exporter.clone()));
        if self.serves_targets {
            server = server.route("/scrape", self.targets());
        }
        server = match self.exporter.passwords.is_given() {
            true => {
                let reloader = self.reloader();
                reloader.on_hangup()?;
                let path = ReloadPath {
                    post_only: false,
                    done: "ok",
                };
                server.route("/-/reload", reloader.handler(path))
            }
            false => server.route("/-/reload", |_: Request| async {
                let why = "There is no --redis.password-file to read again";
                text(StatusCode::BAD_REQUEST, why)
            }),
        };
        server.run().await
    }

    fn telemetry(&self) -> MetricsHandler {
        let options = MetricsOptions {
            process_metrics: self.process_metrics,
            ..of_a_target()
        };
        MetricsHandler::new(Telemetry(self.exporter.clone()), options)
    }

    fn targets(&self) -> MetricsHandler {
        MetricsHandler::new(Scrape(self.exporter.clone()), of_a_target())
    }

    fn reloader(&self) -> Reloader {
        let (passwords, used) = (self.exporter.passwords.clone(), !self.password_given);
        Reloader::new(move || passwords.reload(used))
    }
}

fn of_a_target() -> MetricsOptions {
    MetricsOptions {
        codings: &[Coding::Identity, Coding::Gzip, Coding::Zstd],
        on_error: OnError::Tolerate,
        ..MetricsOptions::of_a_target()
    }
}

fn plain(what: &'static str) -> Response {
    let mut response = Response::new(full(what));
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}

fn landing(path: &str) -> Landing {
    Landing {
        name: concat!("Redis Exporter ", env!("CARGO_PKG_VERSION")),
        description: "Prometheus Redis Exporter",
        version: PROGRAM.info.landing_line(),
        colour: Landing::COLOUR,
        links: vec![(path.to_owned(), "Metrics")],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_in_the_docs_is_current() {
        let docs = include_str!("../../../docs/metrics/redis.md");
        assert!(
            docs == listing(),
            "run: cargo run --bin redis_exporter -- --list-metrics > docs/metrics/redis.md"
        );
    }

    #[test]
    fn telemetry_paths() {
        assert_eq!(telemetry_path("").unwrap(), "/metrics");
        assert_eq!(telemetry_path("/m").unwrap(), "/m");
        for path in ["/", "/scrape", "/-/reload", "metrics"] {
            assert!(telemetry_path(path).is_err(), "{path}");
        }
    }
}
