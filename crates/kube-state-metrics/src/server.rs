//! The main port: metrics, and the paths that probes call.

use crate::exposition::{Form, Group, Scrape};
use crate::input::api::Current;
use crate::telemetry::{INFO, Telemetry};
use crate::world::Exposed;
use bytes::Bytes;
use exporter_core::exposition::{Offers, Syntax, format};
use exporter_core::web::{Answer, Body, Handler, Landing, Query, Request, Response, full};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body::Frame;
use http_body_util::BodyExt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Answers `/metrics`.
pub struct Metrics {
    /// What is exposed.
    pub exposed: Exposed,
    /// Whether answers may be compressed.
    pub gzip: bool,
    /// Where requests are counted.
    pub telemetry: Telemetry,
}

impl Handler for Metrics {
    fn handle(&self, request: Request) -> Answer<'_> {
        let started = Instant::now();
        let world = self.exposed.now();
        let query = Query::parse(request.uri().query().unwrap_or(""));
        let choice = Choice::new(&query);
        let (form, content_type) = negotiate(request.headers(), self.gzip);
        let groups = world.groups().iter().filter(|group| choice.takes(group));
        let body = Counted {
            scrape: Scrape::new(groups, form),
            started,
            method: method(request.method()),
            telemetry: self.telemetry.clone(),
        };
        let body = body.map_err(|never| match never {}).boxed_unsync();
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        if let Ok(value) = HeaderValue::try_from(content_type) {
            headers.insert(header::CONTENT_TYPE, value);
        }
        if form.gzip {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        Box::pin(async move { response })
    }
}

/// What a request wants, and its `Content-Type`.
fn negotiate(headers: &HeaderMap, may_gzip: bool) -> (Form, String) {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    let format = format::negotiate(text(header::ACCEPT), Offers { open_metrics: true });
    let open_metrics = matches!(format.syntax, Syntax::OpenMetrics0 | Syntax::OpenMetrics1);
    let content_type = match open_metrics {
        true => format.content_type(),
        false => TEXT.to_owned(),
    };
    // Qualities do not count, so that even `gzip;q=0` is a wish.
    let mut wishes = text(header::ACCEPT_ENCODING)
        .unwrap_or("")
        .split(',')
        .map(str::trim);
    let gzip = may_gzip && wishes.any(|wish| wish == "gzip" || wish.starts_with("gzip;"));
    (Form { open_metrics, gzip }, content_type)
}

/// Resources that a request asks for.
struct Choice {
    only: Option<Vec<String>>,
    except: Vec<String>,
}

impl Choice {
    fn new(query: &Query) -> Self {
        let names = |parameter: &str| -> Vec<String> {
            let values = query.all(parameter);
            let names = values.iter().flat_map(|value| value.split(','));
            let names = names.map(|name| name.trim().to_owned());
            names.filter(|name| !name.is_empty()).collect()
        };
        Choice {
            only: query.first("resources").map(|_| names("resources")),
            except: names("exclude_resources"),
        }
    }

    fn takes(&self, group: &Group) -> bool {
        let named = |names: &Vec<String>| names.contains(&group.name);
        self.only.as_ref().is_none_or(named) && !named(&self.except)
    }
}

/// A method as a label value.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "get",
        Method::PUT => "put",
        Method::HEAD => "head",
        Method::POST => "post",
        Method::DELETE => "delete",
        Method::CONNECT => "connect",
        Method::OPTIONS => "options",
        Method::TRACE => "trace",
        Method::PATCH => "patch",
        _ => "unknown",
    }
}

/// An answer that is counted when it is over.
struct Counted {
    scrape: Scrape,
    started: Instant,
    method: &'static str,
    telemetry: Telemetry,
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.scrape).poll_frame(cx)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.telemetry.answered(self.method, self.started.elapsed());
    }
}

/// Answers `/livez` with what the API server says of itself; without one there is nothing that
/// could be down.
pub struct Live {
    /// The API server.
    pub api: Current,
}

impl Handler for Live {
    fn handle(&self, _: Request) -> Answer<'_> {
        Box::pin(async {
            let live = match self.api.get() {
                Some(api) => api.get("/livez").await.is_ok(),
                None => true,
            };
            match live {
                true => plain(StatusCode::OK, "OK"),
                false => plain(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"),
            }
        })
    }
}

/// Answers `/readyz`: ready as soon as the port is open, or when all lists were complete once.
pub struct Ready {
    /// What knows of lists, where they count.
    pub wanted: Option<Telemetry>,
}

impl Handler for Ready {
    fn handle(&self, _: Request) -> Answer<'_> {
        let ready = self.wanted.as_ref().is_none_or(Telemetry::synced);
        Box::pin(async move {
            match ready {
                true => plain(StatusCode::OK, "OK"),
                false => plain(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"),
            }
        })
    }
}

/// Answers 200 and `OK`.
pub fn ok() -> impl Handler {
    |_: Request| async { plain(StatusCode::OK, "OK") }
}

/// A short answer without a newline.
pub fn plain(status: StatusCode, text: &str) -> Response {
    let mut response: http::Response<Body> = Response::new(full(text.to_owned()));
    *response.status_mut() = status;
    let value = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, value);
    response
}

/// The page at `/` with these links.
pub fn landing(links: &[(&str, &'static str)]) -> Landing {
    Landing {
        name: "kube-state-metrics",
        description: "Metrics for Kubernetes' state",
        version: INFO.landing_line(),
        colour: Landing::COLOUR,
        links: links
            .iter()
            .map(|(path, text)| ((*path).to_owned(), *text))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats() {
        let form = |accept: &str, encoding: &str, gzip| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            headers.insert(header::ACCEPT_ENCODING, encoding.parse().unwrap());
            negotiate(&headers, gzip)
        };
        let open =
            "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores";
        for (accept, encoding, gzip, content_type, zipped) in [
            ("*/*", "gzip", true, TEXT, true),
            ("*/*", "gzip", false, TEXT, false),
            ("*/*", "deflate, gzip;q=0", true, TEXT, true),
            ("*/*", "x-gzip, *", true, TEXT, false),
            (
                "application/openmetrics-text;version=1.0.0",
                "",
                true,
                open,
                false,
            ),
            ("text/plain;version=1.0.0;q=0.6", "", true, TEXT, false),
            (
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;\
                 encoding=delimited,application/openmetrics-text;version=1.0.0;q=0.5",
                "",
                true,
                TEXT,
                false,
            ),
        ] {
            let (form, actual) = form(accept, encoding, gzip);
            assert_eq!(
                (actual.as_str(), form.gzip),
                (content_type, zipped),
                "{accept}"
            );
        }
    }

    #[test]
    fn choices() {
        let takes = |query: &str, name: &str| {
            let heads = crate::series::Heads::new(Vec::new()).into();
            let stores = Vec::new();
            let group = Group {
                name: name.to_owned(),
                heads,
                stores,
            };
            Choice::new(&Query::parse(query)).takes(&group)
        };
        assert!(takes("", "pods"));
        assert!(takes("resources=nodes,%20pods", "pods"));
        assert!(takes("resources=nodes&resources=pods", "pods"));
        assert!(
            !takes("resources=", "pods") && !takes("resources=pods&exclude_resources=pods", "pods")
        );
        assert!(takes("exclude_resources=", "pods"));
    }
}
