//! An application that exposes its own registry: `cargo run --example embed`, then
//! `curl localhost:9000/metrics`.

use exporter_core::web::{MetricsHandler, MetricsOptions, Server};
use prometheus::{IntCounter, Registry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), String> {
    let jobs = IntCounter::new("jobs_total", "Jobs done.").map_err(|e| e.to_string())?;
    jobs.inc();

    // The five lines.
    let registry = Registry::new();
    registry
        .register(Box::new(jobs))
        .map_err(|e| e.to_string())?;
    let metrics = MetricsHandler::new(registry, MetricsOptions::default());
    let server = Server::new()
        .bind("127.0.0.1:9000")?
        .route("/metrics", metrics);
    server.run().await
}
