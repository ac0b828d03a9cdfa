//! Flags of the web room.

use super::front::Front;
use crate::build_info::BuildInfo;
use crate::cli::{Flag, Given};
use crate::exposition::Offers;
use crate::exposition::compress::Coding;
use crate::web::MetricsOptions;
use std::path::PathBuf;
use std::time::Duration;

crate::flags! {
    /// Flags of the listener, the same in every kingpin exporter but for the default address.
    pub struct WebFlags {
        /// Address to listen on: host:port, :port, vsock://:port or unix:///path. May be repeated.
        "web.listen-address" listen_addresses: Vec<String> = [":9100"];
        /// Take the listening sockets from systemd instead of --web.listen-address.
        "web.systemd-socket" systemd_socket: bool = ["false"];
        /// File with TLS, authentication, header and rate limit settings.
        "web.config.file" config_file: PathBuf = [""];
        /// Answer health and readiness without the password that --web.config.file asks for.
        "web.open-health" open_health: bool = ["false"];
        /// One more address that answers health and readiness and nothing else, without TLS and
        /// passwords, for probes that have no client certificate.
        "web.health-address" health_address: String = [""];
    }
}

crate::flags! {
    /// Flags of the telemetry path.
    pub struct MetricsFlags {
        /// Path that metrics are served on.
        "web.telemetry-path" telemetry_path: String = ["/metrics"];
        /// Leave out the metrics of the exporter itself (promhttp_*, process_*).
        "web.disable-exporter-metrics" disable_exporter_metrics: bool = ["false"];
        /// Scrapes answered at a time, 0 for any number; more get status 503.
        "web.max-requests" max_requests: i64 = ["40"];
        /// Offer OpenMetrics too. It renames counters that lack _total, so Prometheus stores other
        /// names than without it.
        "web.enable-openmetrics" enable_openmetrics: bool = ["false"];
        /// Compress by zstd too, for scrapers that prefer it.
        "web.enable-zstd" enable_zstd: bool = ["false"];
        /// Longest time that a scrape may take, 0 for just below the timeout that Prometheus sends.
        "collector.timeout" timeout: Given<Duration> = ["0s"];
    }
}

/// Paths of health and readiness, by every custom that probes go by.
pub(super) const HEALTH: &[&str] = &[
    "/-/healthy",
    "/-/ready",
    "/health",
    "/healthz",
    "/livez",
    "/readyz",
];

impl WebFlags {
    /// What stands before the paths, by the configuration file. Health and readiness are open where
    /// the user wants it.
    ///
    /// # Errors
    /// What is wrong with the file, and where.
    pub fn front(&self) -> Result<Front, String> {
        let front = Front::from_file(&self.config_file)?;
        Ok(match self.open_health {
            true => front.open(HEALTH),
            false => front,
        })
    }
}

impl MetricsFlags {
    /// Checks what no parser can.
    ///
    /// # Errors
    /// The flag and what was expected.
    pub fn check(&self) -> Result<(), String> {
        if self.max_requests < 0 {
            return Err("--web.max-requests: expected 0 or more".to_owned());
        }
        if !self.telemetry_path.starts_with('/') {
            return Err(
                "--web.telemetry-path: expected a path that starts with a slash".to_owned(),
            );
        }
        Ok(())
    }

    /// How the telemetry path answers by these flags.
    pub fn options(&self, info: BuildInfo) -> MetricsOptions {
        let exposed = !self.disable_exporter_metrics;
        MetricsOptions {
            max_requests: usize::try_from(self.max_requests).unwrap_or(0),
            offers: Offers {
                open_metrics: self.enable_openmetrics,
            },
            request_metrics: exposed,
            error_metrics: exposed,
            process_metrics: exposed,
            build_info: Some(info),
            codings: match self.enable_zstd {
                true => &[Coding::Identity, Coding::Gzip, Coding::Zstd],
                false => MetricsOptions::default().codings,
            },
            timeout: Some(self.timeout.value).filter(|t| !t.is_zero()),
            ..MetricsOptions::default()
        }
    }
}

/// [`WebFlags`] with another default address, such as `:9104`.
pub fn listening_on(address: &'static [&'static str]) -> Vec<Flag> {
    let mut flags = WebFlags::TABLE.to_vec();
    flags[0].default = address;
    flags
}
