//! The log of one probe: to standard error and, kept, into its report.

use exporter_core::log::{self, Shape};
use std::fmt::Display;
use tracing::Level;

/// Least severity and shape of probe logs.
#[derive(Clone, Copy, Debug)]
pub struct LogSettings {
    /// Least severity.
    pub level: Level,
    /// Severity of what tells why a probe failed.
    pub failures: Level,
    /// Shape of lines.
    pub shape: Shape,
}

/// The log of one probe.
#[derive(Debug)]
pub struct ProbeLog {
    settings: LogSettings,
    module: String,
    /// Without its password.
    target: String,
    lines: String,
}

impl ProbeLog {
    /// An empty log; `target` shows as it is.
    pub fn new(settings: LogSettings, module: &str, target: &str) -> Self {
        ProbeLog {
            settings,
            module: module.to_owned(),
            target: target.to_owned(),
            lines: String::new(),
        }
    }

    /// Whether lines of this severity are kept.
    pub fn enabled(&self, level: Level) -> bool {
        self.weighed(level) <= self.settings.level
    }

    fn weighed(&self, level: Level) -> Level {
        match level {
            Level::ERROR => self.settings.failures,
            other => other,
        }
    }

    /// Adds a line. Use the macros, which make the texts only when the line is kept.
    pub fn add(&mut self, level: Level, source: &str, message: &str, pairs: &[(&str, &str)]) {
        let level = self.weighed(level);
        let mut all = vec![
            ("module", self.module.as_str()),
            ("target", self.target.as_str()),
        ];
        all.extend_from_slice(pairs);
        let mut line = log::line(self.settings.shape, level, source, message, &all);
        line.push('\n');
        log::write(&line);
        self.lines.push_str(&line);
    }

    /// All lines.
    pub fn into_lines(self) -> String {
        self.lines
    }
}

/// A value of a pair as text.
pub fn shown(value: &dyn Display) -> String {
    value.to_string()
}

/// The last part of a source path.
pub fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Logs with key and value pairs: `event!(log, Level::DEBUG, "message", "key" => value)`.
#[macro_export]
macro_rules! event {
    ($log:expr, $level:expr, $message:expr $(, $key:literal => $value:expr)* $(,)?) => {
        if $log.enabled($level) {
            let source = format!("{}:{}", $crate::log::base(file!()), line!());
            $log.add($level, &source, $message, &[$(($key, &$crate::log::shown(&$value))),*]);
        }
    };
}

/// A line for those who look for causes.
#[macro_export]
macro_rules! debug {
    ($log:expr, $($rest:tt)*) => { $crate::event!($log, ::tracing::Level::DEBUG, $($rest)*) };
}

/// A line about something odd that is no failure.
#[macro_export]
macro_rules! warning {
    ($log:expr, $($rest:tt)*) => { $crate::event!($log, ::tracing::Level::WARN, $($rest)*) };
}

/// Why a probe failed.
#[macro_export]
macro_rules! error {
    ($log:expr, $($rest:tt)*) => { $crate::event!($log, ::tracing::Level::ERROR, $($rest)*) };
}
