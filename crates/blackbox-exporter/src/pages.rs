//! `/config`, `/logs` and the page that lists the latest probes.

use crate::history::{History, Report};
use crate::live::Live;
use crate::service::plain;
use exporter_core::web::{Answer, Handler, Query, Request, Response, full, text};
use http::{HeaderValue, StatusCode, header};
use std::fmt::Write;
use std::sync::Arc;

/// `/config`
pub struct ConfigPage(pub Arc<Live>);

impl Handler for ConfigPage {
    fn handle(&self, _: Request) -> Answer<'_> {
        Box::pin(async { plain(self.0.config().print()) })
    }
}

/// `/logs`
pub struct LogsPage(pub Arc<History>);

impl Handler for LogsPage {
    fn handle(&self, request: Request) -> Answer<'_> {
        let query = Query::parse(request.uri().query().unwrap_or(""));
        Box::pin(async move {
            match find(&self.0, &query) {
                Ok(report) => plain(report.text()),
                Err((status, why)) => text(status, why),
            }
        })
    }
}

fn find(history: &History, query: &Query) -> Result<Arc<Report>, (StatusCode, &'static str)> {
    let given = |name| query.first(name).filter(|value| !value.is_empty());
    let id = given("id").and_then(|id| id.parse::<i64>().ok());
    let id = id.filter(|id| *id >= 0);
    let (target, module) = (given("target"), given("module"));
    let bad = |why| Err((StatusCode::BAD_REQUEST, why));
    let found = match (id, target) {
        (Some(_), Some(_)) => return bad("Probe id and target can't be defined at the same time"),
        (None, None) => return bad("Probe id or target must be defined as http query parameters"),
        (Some(_), None) if module.is_some() => {
            return bad("Probe module filter only works in conjunction with target parameter");
        }
        (Some(id), None) => history.by_id(id),
        (None, Some(target)) => history.by_target(target, module),
    };
    let missing = match id {
        Some(_) => "Probe id not found",
        None => "Probe target not found",
    };
    found.ok_or((StatusCode::NOT_FOUND, missing))
}

/// The page that answers every other path.
pub struct IndexPage(pub Arc<History>);

impl Handler for IndexPage {
    fn handle(&self, _: Request) -> Answer<'_> {
        let page = index(&self.0.list());
        Box::pin(async move {
            let mut response = Response::new(full(page));
            let html = HeaderValue::from_static("text/html");
            response.headers_mut().insert(header::CONTENT_TYPE, html);
            response
        })
    }
}

fn index(reports: &[Arc<Report>]) -> String {
    let mut rows = String::new();
    for report in reports {
        let verdict = if report.success {
            "Success"
        } else {
            "<strong>Failure</strong>"
        };
        // Writing to a String cannot fail.
        let _ = writeln!(
            rows,
            "<tr><td>{}</td><td>{}</td><td>{verdict}</td><td><a href=\"logs?id={}\">Logs</a></td></tr>",
            escape(&report.module.name),
            escape(&report.shown),
            report.id
        );
    }
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"UTF-8\"><title>Blackbox Exporter\
         </title></head>\n<body>\n<h1>Blackbox Exporter</h1>\n\
         <p><a href=\"probe?target=prometheus.io&amp;module=http_2xx\">Probe prometheus.io for \
         http_2xx</a></p>\n\
         <p><a href=\"probe?target=prometheus.io&amp;module=http_2xx&amp;debug=true\">Debug probe \
         prometheus.io for http_2xx</a></p>\n\
         <p><a href=\"metrics\">Metrics</a></p>\n<p><a href=\"config\">Configuration</a></p>\n\
         <h2>Recent Probes</h2>\n<table border=\"1\">\n\
         <tr><th>Module</th><th>Target</th><th>Result</th><th>Debug</th></tr>\n{rows}</table>\n\
         </body>\n</html>\n"
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&#34;")
        .replace('\'', "&#39;")
}
