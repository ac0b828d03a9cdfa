//! Flags, in the dialect of Go's `flag` package.

use std::path::PathBuf;
use std::time::Duration;

exporter_core::flags! {
    /// All flags.
    pub struct Options {
        /// File that tells which processes belong to which group.
        "config.path" config_path: PathBuf = [""];
        /// Names of tasks that are groups, separated by commas.
        "procnames" procnames: String = [""];
        /// Names of tasks and patterns in turn, separated by commas; what the pattern's first group
        /// finds in the command line is the group.
        "namemapping" namemapping: String = [""];
        /// Whether children of a process in a group belong to it if nothing else names them.
        "children" children: bool = ["true"];
        /// Whether threads are exposed by their names.
        "threads" threads: bool = ["true"];
        /// Whether proportional memory is read from smaps, which can stall large processes.
        "gather-smaps" gather_smaps: bool = ["true"];
        /// Resident bytes from which on smaps of a process is not read, 0 for any.
        "gather-smaps-max-rss" gather_smaps_max_rss: i64 = ["0"];
        /// Name processes that are in no group again at each scrape.
        "recheck" recheck: bool = ["false"];
        /// Name processes again only as long after their start, and no longer.
        "recheck-with-time-limit" recheck_limit: Duration = ["0s"];
        /// Forget groups without processes, and their counters.
        "remove-empty-groups" remove_empty_groups: bool = ["false"];
        /// Expose groups without processes whose names the configuration tells, from the start on.
        "export-absent-groups" export_absent_groups: bool = ["false"];
        /// Count the memory mappings of each process.
        "gather-maps" gather_maps: bool = ["false"];
        /// Families that are not exposed, separated by commas, with or without
        /// namedprocess_namegroup_ before them.
        "exclude-families" exclude_families: String = [""];
        /// Count the first thread of a process with several once among states and wchan, not twice.
        "count-main-thread-once" count_main_thread_once: bool = ["false"];
        /// Where procfs is mounted.
        "procfs" procfs: PathBuf = ["/proc"];
        /// Collect, wait so long, collect again, print that to standard output and end.
        "once-to-stdout-delay" once_delay: Duration = ["0s"];
        /// Address to listen on.
        "web.listen-address" listen_address: String = [":9256"];
        /// Path that metrics are served on.
        "web.telemetry-path" telemetry_path: String = ["/metrics"];
        /// File with TLS, authentication, header and rate limit settings.
        "web.config.file" web_config_file: PathBuf = [""];
        /// Answer health and readiness without the password that -web.config.file asks for.
        "web.open-health" open_health: bool = ["false"];
        /// One more address that answers health and readiness and nothing else, without TLS and
        /// passwords, for probes that have no client certificate.
        "web.health-address" health_address: String = [""];
        /// Log every process that is found, matched or ignored, with its command line, and every file
        /// that cannot be read.
        "debug" debug: bool = ["false"];
        /// Print a manual and end.
        "man" man: bool = ["false"];
        /// Print the version and end.
        "version" version: bool = ["false"];
        /// Check the configuration and end.
        "config.check" config_check: bool = ["false"];
        /// Print every family with its type and labels, and end.
        "list-metrics" list_metrics: bool = ["false"];
    }
}
