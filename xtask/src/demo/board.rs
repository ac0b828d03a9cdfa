//! The table that the demo shows.

use crate::http::Connection;
use std::time::Instant;

/// One line: an endpoint and what makes it up.
pub struct Row {
    /// Name of the exporter.
    pub name: String,
    /// `HOST:PORT`.
    pub address: String,
    /// Path with its query.
    pub path: String,
    /// A series that must be 1; without one, an answer is enough.
    pub up: Option<&'static str>,
}

/// What one scrape gave.
pub struct Seen {
    /// Whether the exporter and what it asks are there.
    pub up: bool,
    series: usize,
    milliseconds: f64,
    trouble: String,
}

impl Row {
    /// Scrapes once.
    pub fn look(&self) -> Seen {
        let started = Instant::now();
        let answer = Connection::open(&self.address).and_then(|mut c| c.get(&self.path, ""));
        let milliseconds = started.elapsed().as_secs_f64() * 1e3;
        let (body, trouble) = match answer {
            Ok((200, body)) => (String::from_utf8_lossy(&body).into_owned(), String::new()),
            Ok((status, _)) => (String::new(), format!("status {status}")),
            Err(error) => (String::new(), error.to_string()),
        };
        let samples = body
            .lines()
            .filter(|l| !l.is_empty() && !l.starts_with('#'));
        let is_up = |line: &str| match self.up {
            Some(name) => line == format!("{name} 1"),
            None => true,
        };
        Seen {
            up: samples.clone().any(is_up),
            series: samples.count(),
            milliseconds,
            trouble,
        }
    }
}

/// The whole table.
pub fn table(rows: &[Row], seen: &[Seen]) -> String {
    let mut text = format!(
        "{:<20} {:<52} {:<4} {:>7} {:>9}\n",
        "exporter", "URL", "up", "series", "ms"
    );
    for (row, seen) in rows.iter().zip(seen) {
        let url = format!("http://{}{}", row.address, row.path);
        let up = if seen.up { "yes" } else { "no" };
        text += &format!(
            "{:<20} {url:<52} {up:<4} {:>7} {:>9.1} {}\n",
            row.name, seen.series, seen.milliseconds, seen.trouble
        );
    }
    text
}
