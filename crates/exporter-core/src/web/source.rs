//! What a scrape is answered from.

use super::handler::Body;
use crate::collector::{Set, Unselectable};
use crate::exposition::{Arena, Format, registry};
use http::StatusCode;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

/// What a source may want to know of a request.
#[derive(Clone, Debug)]
pub struct ScrapeRequest {
    /// The query of the URL.
    pub query: Query,
    /// The answer must be there by then, so that the scraper still gets it.
    pub deadline: Instant,
    /// How long the scraper waits, as its header says it, for sources that read it by themselves.
    pub scrape_timeout: Option<String>,
    /// The format that the scraper wants, for sources that render by themselves.
    pub format: Format,
}

/// What a source answers with. One is made a scrape and moved twice, so the size of its largest
/// variant costs less than a box.
#[allow(clippy::large_enum_variant)]
pub enum Scraped {
    /// Samples, to be sealed, encoded and compressed, then given back to [`Source::recycle`].
    Arena(Arena),
    /// A body that was rendered already, plain or compressed, whole or streamed.
    Rendered {
        /// `Content-Type`.
        content_type: String,
        /// `Content-Encoding`, if any.
        content_encoding: Option<&'static str>,
        /// The body.
        body: Body,
    },
}

/// Why a source does not answer with samples. Not counted as a scrape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Status of the answer.
    pub status: StatusCode,
    /// Its whole body.
    pub text: String,
}

/// An answer to come.
pub type Scraping<'a> = Pin<Box<dyn Future<Output = Result<Scraped, Refusal>> + Send + 'a>>;

/// Answers scrapes. The four shapes of exporters (reading at the scrape, asking a server, probing,
/// having it rendered already) are sources.
pub trait Source: Send + Sync + 'static {
    /// Answers one scrape.
    fn scrape<'a>(&'a self, request: &'a ScrapeRequest) -> Scraping<'a>;

    /// Takes back the arena of an answer that was sent, to use its buffers again.
    fn recycle(&self, _: Arena) {}
}

/// Collectors that read at the scrape, selected by `collect[]` and `exclude[]`.
impl Source for Set {
    fn scrape<'a>(&'a self, request: &'a ScrapeRequest) -> Scraping<'a> {
        Box::pin(async move {
            let collect = request.query.all("collect[]");
            let exclude = request.query.all("exclude[]");
            let selected = self.select(&collect, &exclude).map_err(refusal)?;
            Ok(Scraped::Arena(
                Set::scrape(self, selected, request.deadline).await,
            ))
        })
    }

    fn recycle(&self, arena: Arena) {
        Set::recycle(self, arena);
    }
}

/// What an application keeps in a registry of the `prometheus` crate.
impl Source for prometheus::Registry {
    fn scrape<'a>(&'a self, _: &'a ScrapeRequest) -> Scraping<'a> {
        Box::pin(async move {
            let mut arena = Arena::new();
            registry::put(self, &mut arena);
            Ok(Scraped::Arena(arena))
        })
    }
}

fn refusal(why: Unselectable) -> Refusal {
    let text = match why {
        Unselectable::Combined => why.to_string(),
        why => {
            format!("Couldn't create filtered metrics handler: couldn't create collector: {why}")
        }
    };
    Refusal {
        status: StatusCode::BAD_REQUEST,
        text,
    }
}

/// The query of a URL, read as Go reads it: pairs that cannot be decoded or that hold a semicolon
/// are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    /// Parses what stands behind the question mark.
    pub fn parse(query: &str) -> Self {
        let pairs = query
            .split('&')
            .filter(|pair| !pair.is_empty() && !pair.contains(';'))
            .filter_map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                Some((unescape(name)?, unescape(value)?))
            })
            .collect();
        Query { pairs }
    }

    /// The first value of a name.
    pub fn first(&self, name: &str) -> Option<&str> {
        let found = self.pairs.iter().find(|p| p.0 == name);
        found.map(|p| p.1.as_str())
    }

    /// All values of a name, in the order of the request.
    pub fn all(&self, name: &str) -> Vec<String> {
        let found = self.pairs.iter().filter(|p| p.0 == name);
        found.map(|p| p.1.clone()).collect()
    }
}

fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                (digit()? * 16 + digit()?) as u8
            }
            other => other,
        });
    }
    Some(crate::exposition::names::lossy(&bytes).into_owned())
}

/// What the scrape timeout header asks for: a quarter of a second less, but at least half of it.
/// Values that are no positive finite number are ignored.
pub fn patience(header: Option<&str>) -> Option<Duration> {
    let seconds: f64 = header?.trim().parse().ok()?;
    if !seconds.is_finite() || seconds <= 0.0 {
        tracing::debug!(value = header, "scrape timeout header ignored");
        return None;
    }
    Duration::try_from_secs_f64((seconds - 0.25).max(seconds / 2.0)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries() {
        let query = Query::parse("collect[]=a&collect%5B%5D=b+c&x;y=1&bad=%zz&&collect[]=");
        assert_eq!(query.all("collect[]"), ["a", "b c", ""]);
        assert_eq!(query.first("bad"), None);
        assert_eq!(query.first("collect[]"), Some("a"));
    }

    #[test]
    fn scrape_timeouts() {
        for (header, milliseconds) in [
            (Some("10"), Some(9750)),
            (Some("1.5"), Some(1250)),
            (Some("0.4"), Some(200)),
            (Some("0"), None),
            (Some("-1"), None),
            (Some("NaN"), None),
            (Some("inf"), None),
            (Some("soon"), None),
            (Some("1e300"), None),
            (None, None),
        ] {
            let expected = milliseconds.map(Duration::from_millis);
            assert_eq!(patience(header), expected, "{header:?}");
        }
    }
}
