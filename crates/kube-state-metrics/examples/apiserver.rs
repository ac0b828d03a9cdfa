//! An API server with a cluster of any size, to measure against:
//! `cargo run --release -p kube-state-metrics --example apiserver -- PODS NODES UPDATES`.
//! Prints its address, then changes that many pods a second.

#[path = "../tests/support/apiserver.rs"]
#[allow(dead_code)]
mod apiserver;
#[path = "../tests/support/cluster.rs"]
mod cluster;

use std::time::Duration;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let numbers: Vec<usize> = std::env::args()
        .skip(1)
        .filter_map(|a| a.parse().ok())
        .collect();
    let number = |at: usize, default| numbers.get(at).copied().unwrap_or(default);
    let (pods, nodes, updates) = (number(0, 20_000), number(1, 500), number(2, 0));
    let server = apiserver::ApiServer::start();
    cluster::fill(&server, pods, nodes);
    println!("{}", server.url);
    let mut next = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        for _ in 0..updates / 10 {
            let (pod, restarts) = (next % pods.max(1), 1 + next / pods.max(1));
            server.put("/api/v1/pods", cluster::pod(pod, nodes, restarts));
            next += 1;
        }
    }
}
