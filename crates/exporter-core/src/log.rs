//! Log lines on standard error, one write a line: in the shape of promslog, or as the few exporters
//! write them that are older than it.

mod output;

pub use output::{finish, write};

use crate::cli::{FlagKind, FromFlag, Source};
use crate::dialect::strconv::push_quoted;
use jiff::Zoned;
use std::fmt::{Debug, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

crate::flags! {
    /// Flags of logging.
    pub struct LogFlags {
        /// Least severity that is logged: debug, info, warn or error.
        "log.level" level: Severity = ["info"];
        /// Shape of log lines: logfmt or json.
        "log.format" format: Shape = ["logfmt"];
    }
}

/// Least severity that is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Severity(pub Level);

impl FromFlag for Severity {
    const KIND: FlagKind = FlagKind::Text;
    const NAMES_ITSELF: bool = true;
    fn from_flag(values: &[String], _: Source) -> Result<Self, String> {
        let text = values.last().map_or("", String::as_str);
        match text.to_ascii_lowercase().as_str() {
            "debug" => Ok(Severity(Level::DEBUG)),
            "info" => Ok(Severity(Level::INFO)),
            "warn" => Ok(Severity(Level::WARN)),
            "error" => Ok(Severity(Level::ERROR)),
            _ => Err(format!("unrecognized log level {text}")),
        }
    }
}

/// Shape of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `key=value` pairs.
    Logfmt,
    /// One JSON object a line.
    Json,
    /// `time="…" level=info msg="…"`, as logrus writes them.
    Logrus,
    /// The same as JSON.
    LogrusJson,
    /// `I0102 15:04:05.000000 PID file:line] "…" key="value"`.
    Klog,
    /// `2006/01/02 15:04:05 …`.
    Plain,
}

impl FromFlag for Shape {
    const KIND: FlagKind = FlagKind::Text;
    const NAMES_ITSELF: bool = true;
    fn from_flag(values: &[String], _: Source) -> Result<Self, String> {
        match values.last().map_or("", String::as_str) {
            "logfmt" => Ok(Shape::Logfmt),
            "json" => Ok(Shape::Json),
            other => Err(format!("unrecognized log format {other}")),
        }
    }
}

/// Sends the events of the whole process to standard error. Later calls do nothing.
pub fn start(flags: &LogFlags) {
    start_as(flags.level.0, flags.format);
}

/// The same for binaries whose flags have other words for it.
pub fn start_as(level: Level, shape: Shape) {
    let log = Log {
        level: LevelFilter::from_level(level),
        shape,
    };
    static STARTED: AtomicBool = AtomicBool::new(false);
    if !STARTED.swap(true, Ordering::AcqRel) {
        // Fails only where an application has set its own, which then keeps precedence.
        let _ = tracing::subscriber::set_global_default(log);
    }
}

struct Log {
    level: LevelFilter,
    shape: Shape,
}

/// Libraries whose details are of no use to those who run an exporter.
const NOISY: &[&str] = &["hyper", "h2", "rustls", "mio", "tokio", "want"];

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let target = metadata.target().split("::").next().unwrap_or("");
        let noisy = NOISY.iter().any(|name| target.starts_with(name));
        *metadata.level() <= self.level && (!noisy || *metadata.level() <= Level::WARN)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = render(event, self.shape, &Zoned::now());
        line.push('\n');
        output::write(&line);
    }
}

fn render(event: &Event<'_>, shape: Shape, now: &Zoned) -> String {
    let mut fields = Fields::default();
    event.record(&mut fields);
    let metadata = event.metadata();
    let file = metadata.file().unwrap_or("");
    let file = file.rsplit('/').next().unwrap_or(file);
    let source = format!("{file}:{}", metadata.line().unwrap_or(0));
    let pairs: Vec<(&str, &str)> = fields.pairs.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let words = Words {
        message: &fields.message,
        pairs: &pairs,
        bare: &fields.bare,
    };
    line_at(shape, now, *metadata.level(), &source, words)
}

/// One line without its newline, for logs that do not go the way of all events: what happened now,
/// at `source` (`file:line`).
pub fn line(
    shape: Shape,
    level: Level,
    source: &str,
    message: &str,
    pairs: &[(&str, &str)],
) -> String {
    let words = Words {
        message,
        pairs,
        bare: &[],
    };
    line_at(shape, &Zoned::now(), level, source, words)
}

/// What a line says.
#[derive(Clone, Copy)]
struct Words<'a> {
    message: &'a str,
    pairs: &'a [(&'a str, &'a str)],
    /// Keys of numbers and truth values, which JSON has without quotes.
    bare: &'a [&'static str],
}

impl Words<'_> {
    fn push_json(&self, line: &mut String, key: &str, value: &str) {
        push_json(line, key);
        line.push(':');
        match self.bare.contains(&key) {
            true => line.push_str(value),
            false => push_json(line, value),
        }
    }
}

fn line_at(shape: Shape, now: &Zoned, level: Level, source: &str, words: Words<'_>) -> String {
    let Words { message, pairs, .. } = words;
    match shape {
        Shape::Logrus => logrus(words, level, now),
        Shape::LogrusJson => logrus_json(words, level, now),
        Shape::Klog => klog(words, level, source, now),
        Shape::Plain => plain(words, now),
        Shape::Logfmt => {
            let mut line = format!("time={} level={level} source=", timestamp(now, 3));
            push_logfmt(&mut line, source);
            line.push_str(" msg=");
            push_logfmt(&mut line, message);
            for (key, value) in pairs {
                line.push(' ');
                push_logfmt(&mut line, key);
                line.push('=');
                push_logfmt(&mut line, value);
            }
            line
        }
        Shape::Json => {
            let mut line = format!("{{\"time\":\"{}\",\"level\":\"{level}\"", timestamp(now, 9));
            for (key, value) in [("source", source), ("msg", message)].iter().chain(pairs) {
                line.push(',');
                words.push_json(&mut line, key, value);
            }
            line.push('}');
            line
        }
    }
}

fn logrus_level(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warning",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        _ => "trace",
    }
}

fn logrus(words: Words<'_>, level: Level, now: &Zoned) -> String {
    let level = logrus_level(level);
    let mut line = format!("time=\"{}\" level={level} msg=", timestamp(now, 0));
    let bare = |c: char| c.is_ascii_alphanumeric() || "-._/@^+".contains(c);
    let push = |line: &mut String, value: &str| match value.is_empty() || !value.chars().all(bare) {
        true => push_quoted(line, value),
        false => line.push_str(value),
    };
    push(&mut line, words.message);
    for (key, value) in words.pairs {
        let _ = write!(line, " {key}=");
        push(&mut line, value);
    }
    line
}

fn logrus_json(words: Words<'_>, level: Level, now: &Zoned) -> String {
    let time = timestamp(now, 0);
    let mut pairs = vec![
        ("level", logrus_level(level)),
        ("msg", words.message),
        ("time", &time),
    ];
    pairs.extend_from_slice(words.pairs);
    pairs.sort_by_key(|(key, _)| *key);
    let mut line = String::from("{");
    for (index, (key, value)) in pairs.into_iter().enumerate() {
        if index > 0 {
            line.push(',');
        }
        words.push_json(&mut line, key, value);
    }
    line.push('}');
    line
}

fn klog(words: Words<'_>, level: Level, source: &str, now: &Zoned) -> String {
    let letter = match level {
        Level::ERROR => 'E',
        Level::WARN => 'W',
        _ => 'I',
    };
    let time = now.strftime("%m%d %H:%M:%S%.6f");
    let mut line = format!("{letter}{time} {:>7} {source}] ", std::process::id());
    push_quoted(&mut line, words.message);
    for (key, value) in words.pairs {
        let _ = write!(line, " {key}=");
        push_quoted(&mut line, value);
    }
    line
}

fn plain(words: Words<'_>, now: &Zoned) -> String {
    let time = now.strftime("%Y/%m/%d %H:%M:%S");
    let mut line = format!("{time} {}", words.message);
    for (key, value) in words.pairs {
        let _ = write!(line, " {key}=");
        push_logfmt(&mut line, value);
    }
    line
}

/// RFC 3339 in the local zone, `Z` where that is UTC.
fn timestamp(now: &Zoned, digits: usize) -> String {
    let format = match digits {
        0 => "%Y-%m-%dT%H:%M:%S",
        3 => "%Y-%m-%dT%H:%M:%S%.3f",
        _ => "%Y-%m-%dT%H:%M:%S%.9f",
    };
    let mut text = now.strftime(format).to_string();
    let offset = now.offset().seconds();
    if offset == 0 {
        text.push('Z');
    } else {
        let sign = if offset < 0 { '-' } else { '+' };
        let minutes = offset.unsigned_abs() / 60;
        let _ = write!(text, "{sign}{:02}:{:02}", minutes / 60, minutes % 60);
    }
    text
}

#[derive(Default)]
struct Fields {
    message: String,
    pairs: Vec<(&'static str, String)>,
    /// Keys of numbers and truth values, which JSON has without quotes.
    bare: Vec<&'static str>,
}

impl Fields {
    fn take(&mut self, field: &Field, value: String) {
        match field.name() {
            "message" => self.message = value,
            name => self.pairs.push((key(name), value)),
        }
    }

    fn take_bare(&mut self, field: &Field, value: String) {
        self.bare.push(key(field.name()));
        self.take(field, value);
    }
}

/// The key of a field; those of the line itself are taken.
fn key(name: &'static str) -> &'static str {
    match name {
        "time" => "logged_time",
        "level" => "logged_level",
        "source" => "logged_source",
        name => name,
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, value.to_owned());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.take_bare(field, value.to_string());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.take_bare(field, value.to_string());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.take_bare(field, value.to_string());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no words for what is not finite.
        match value.is_finite() {
            true => self.take_bare(field, value.to_string()),
            false => self.take(field, value.to_string()),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.take(field, format!("{value:?}"));
    }
}

fn push_logfmt(line: &mut String, value: &str) {
    let odd =
        |c: char| c.is_whitespace() || c == '=' || c == '"' || c.is_control() || c == '\u{fffd}';
    if value.is_empty() || value.contains(odd) {
        push_quoted(line, value);
    } else {
        line.push_str(value);
    }
}

fn push_json(line: &mut String, value: &str) {
    line.push('"');
    for c in value.chars() {
        match c {
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(line, "\\u{:04x}", u32::from(c));
            }
            c => line.push(c),
        }
    }
    line.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    struct Capture(Shape, Arc<Mutex<Vec<String>>>);

    impl Subscriber for Capture {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
        fn event(&self, event: &Event<'_>) {
            let now = "2026-03-04T05:06:07.089[UTC]".parse().unwrap();
            self.1.lock().unwrap().push(render(event, self.0, &now));
        }
    }

    fn lines(shape: Shape) -> Vec<String> {
        let lines = Arc::new(Mutex::new(Vec::new()));
        tracing::subscriber::with_default(Capture(shape, lines.clone()), || {
            tracing::info!(address = "[::]:9100", "Listening on");
            tracing::error!(name = "a b", err = %"x=\"1\"", empty = "", level = 3, "failed");
        });
        lines.lock().unwrap().clone()
    }

    fn without_line_number(line: &str) -> String {
        let (before, after) = line.split_once("log.rs:").unwrap();
        let after = after.trim_start_matches(|c: char| c.is_ascii_digit());
        format!("{before}log.rs{after}")
    }

    #[test]
    fn logfmt_lines() {
        let lines = lines(Shape::Logfmt);
        assert_eq!(
            without_line_number(&lines[0]),
            "time=2026-03-04T05:06:07.089Z level=INFO source=log.rs msg=\"Listening on\" \
             address=[::]:9100"
        );
        assert_eq!(
            without_line_number(&lines[1]),
            "time=2026-03-04T05:06:07.089Z level=ERROR source=log.rs msg=failed name=\"a b\" \
             err=\"x=\\\"1\\\"\" empty=\"\" logged_level=3"
        );
    }

    #[test]
    fn json_lines() {
        assert!(lines(Shape::Json)[1].ends_with("\"empty\":\"\",\"logged_level\":3}"));
        assert_eq!(
            without_line_number(&lines(Shape::Json)[0]),
            "{\"time\":\"2026-03-04T05:06:07.089000000Z\",\"level\":\"INFO\",\
             \"source\":\"log.rs\",\"msg\":\"Listening on\",\"address\":\"[::]:9100\"}"
        );
    }

    #[test]
    fn older_shapes() {
        let first = |shape| lines(shape)[0].clone();
        assert_eq!(
            first(Shape::Logrus),
            "time=\"2026-03-04T05:06:07Z\" level=info msg=\"Listening on\" address=\"[::]:9100\""
        );
        assert_eq!(
            first(Shape::LogrusJson),
            "{\"address\":\"[::]:9100\",\"level\":\"info\",\"msg\":\"Listening on\",\
             \"time\":\"2026-03-04T05:06:07Z\"}"
        );
        assert_eq!(
            first(Shape::Plain),
            "2026/03/04 05:06:07 Listening on address=[::]:9100"
        );
        let line = first(Shape::Klog);
        assert!(line.starts_with("I0304 05:06:07.089000 "), "{line}");
        assert!(
            line.ends_with("] \"Listening on\" address=\"[::]:9100\""),
            "{line}"
        );
    }

    #[test]
    fn bad_words_are_told_as_upstream_does() {
        let mut matches = crate::cli::Matches::defaults(LogFlags::TABLE);
        matches.set("log.level", Source::CommandLine, vec!["DEBUG".to_owned()]);
        assert_eq!(
            LogFlags::read(&matches).unwrap().level,
            Severity(Level::DEBUG)
        );
        matches.set("log.format", Source::CommandLine, vec!["JSON".to_owned()]);
        let error = LogFlags::read(&matches).unwrap_err();
        assert_eq!(error, "unrecognized log format JSON");
        matches.set("log.level", Source::CommandLine, vec!["loud".to_owned()]);
        let error = LogFlags::read(&matches).unwrap_err();
        assert_eq!(error, "unrecognized log level loud");
    }

    #[test]
    fn local_time_has_its_offset() {
        let now: Zoned = "2026-03-04T05:06:07.089-05:30[-05:30]".parse().unwrap();
        assert_eq!(timestamp(&now, 3), "2026-03-04T05:06:07.089-05:30");
    }
}
