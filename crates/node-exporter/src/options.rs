//! The exporter's own flags.

use exporter_core::cli::Given;
use std::path::PathBuf;

exporter_core::flags! {
    /// Flags that belong to no collector.
    pub struct Options {
        /// Start with every collector off that no flag names.
        "collector.disable-defaults" disable_defaults: bool = ["false"];
        /// Serve some collectors at a path of their own, /metrics/NAME for NAME=COLLECTOR,COLLECTOR.
        /// May be repeated.
        "collector.set" sets: Vec<String> = [];
        /// Threads that read kernel files at a time; more only join when one of them hangs.
        "runtime.gomaxprocs" [env("GOMAXPROCS")] threads: i64 = ["1"];
        /// Where procfs is mounted.
        "path.procfs" procfs: Given<String> = ["/proc"];
        /// Where sysfs is mounted.
        "path.sysfs" sysfs: Given<String> = ["/sys"];
        /// Where the root file system of the host is mounted.
        "path.rootfs" rootfs: PathBuf = ["/"];
        /// Where udev keeps its data.
        "path.udev.data" udev_data: PathBuf = ["/run/udev/data"];
        /// Print one scrape to standard output and end.
        "once" once: bool = ["false"];
        /// Print every family with its type, labels and collector, and end.
        "list-metrics" list_metrics: bool = ["false"];
        /// Check flags, collectors and the web configuration, and end.
        "config.check" config_check: bool = ["false"];
    }
}
