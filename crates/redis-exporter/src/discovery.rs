//! `/discover-cluster-nodes`: the nodes of a cluster, for HTTP service discovery of Prometheus.

use crate::client::reply;
use crate::exporter::Exporter;
use exporter_core::web::source::patience;
use exporter_core::web::{Answer, Handler, Request, Response, full, text};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Limit where the request names none.
const PATIENCE: Duration = Duration::from_secs(30);

/// Answers the path.
pub struct Discovery(pub Arc<Exporter>);

impl Handler for Discovery {
    fn handle(&self, request: Request) -> Answer<'_> {
        let header = request.headers().get("x-prometheus-scrape-timeout-seconds");
        let patience = patience(header.and_then(|v| v.to_str().ok())).unwrap_or(PATIENCE);
        Box::pin(async move {
            self.answer(Instant::now() + patience)
                .await
                .unwrap_or_else(|(status, why)| {
                    tracing::error!("{why}");
                    text(status, why)
                })
        })
    }
}

impl Discovery {
    async fn answer(&self, deadline: Instant) -> Result<Response, (StatusCode, String)> {
        let options = &self.0.scraper.settings.options;
        if !options.is_cluster {
            let why = "The discovery endpoint is only available on a redis cluster";
            return Err((StatusCode::BAD_REQUEST, why.to_owned()));
        }
        let failed = |why: String| (StatusCode::INTERNAL_SERVER_ERROR, why);
        let connected = self.0.connect_to_cluster(deadline).await;
        let (mut connection, url) =
            connected.map_err(|e| failed(format!("Couldn't connect to the cluster: {e}")))?;
        let nodes = connection.command(&["CLUSTER", "NODES"], deadline).await;
        let nodes = nodes.map_err(|e| failed(format!("Couldn't read CLUSTER NODES: {e}")))?;
        let scheme = if url.is_tls() { "rediss" } else { "redis" };
        let names = options.cluster_discover_hostnames;
        let body = body(reply::text(&nodes).unwrap_or(""), scheme, names);
        let mut response = Response::new(full(body));
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        Ok(response)
    }
}

/// One group of all nodes, as pretty JSON; an empty list where there is none.
fn body(nodes: &str, scheme: &str, names: bool) -> String {
    let targets: Vec<String> = nodes
        .lines()
        .filter_map(|line| address(line.split(' ').nth(1)?, names))
        .map(|address| format!("{scheme}://{address}"))
        .collect();
    let groups = match targets.is_empty() {
        true => json!([]),
        false => json!([{ "targets": targets, "labels": {} }]),
    };
    ordered(&groups)
}

/// `targets` before `labels`, as in the format's documentation.
fn ordered(groups: &serde_json::Value) -> String {
    let Some(targets) = groups.pointer("/0/targets") else {
        return "[]".to_owned();
    };
    let targets: Vec<String> = targets
        .as_array()
        .into_iter()
        .flatten()
        .map(|target| format!("      {target}"))
        .collect();
    format!(
        "[\n  {{\n    \"targets\": [\n{}\n    ],\n    \"labels\": {{}}\n  }}\n]",
        targets.join(",\n")
    )
}

/// Host and port of `ip:port@cport[,hostname[,shard-id=…]]`.
fn address(field: &str, names: bool) -> Option<String> {
    let (address, rest) = field.rsplit_once('@')?;
    let (ip, port) = address.rsplit_once(':')?;
    let bus = rest.split(',').next()?;
    let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    if ip.is_empty() || !digits(port) || !digits(bus) {
        return None;
    }
    let announced = rest
        .split(',')
        .nth(1)
        .filter(|name| names && !name.is_empty());
    Some(match announced {
        Some(name) => format!("{name}:{port}"),
        None if ip.contains(':') => format!("[{ip}]:{port}"),
        None => format!("{ip}:{port}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NODES: &str = "a 10.0.0.1:7000@17000,db-0,shard-id=x myself,master - 0 0 1 connected 0-5\n\
        b ::1:7001@17001 slave a 0 0 1 connected\nc :0@0 noaddr - 0 0 0 disconnected\n";

    #[test]
    fn all_nodes_in_their_order() {
        let text = body(NODES, "redis", false);
        assert_eq!(
            text,
            "[\n  {\n    \"targets\": [\n      \"redis://10.0.0.1:7000\",\n      \"redis://[::1]:7001\"\n    ],\n    \"labels\": {}\n  }\n]"
        );
        assert!(body(NODES, "rediss", true).contains("\"rediss://db-0:7000\""));
        assert_eq!(body("", "redis", false), "[]");
        let parsed: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(parsed[0]["targets"][1], "redis://[::1]:7001");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = body(&text, "redis", true);
        }
    }
}
