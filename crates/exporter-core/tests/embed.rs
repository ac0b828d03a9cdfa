//! An application that hands its own registry over, as the crate's documentation shows it.

use exporter_core::web::front::Front;
use exporter_core::web::{Listener, MetricsHandler, MetricsOptions, Server};
use prometheus::{IntCounterVec, Opts, Registry};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn get(address: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /metrics HTTP/1.0\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_registry_is_served_with_formats_and_passwords() {
    let registry = Registry::new();
    let jobs = IntCounterVec::new(Opts::new("jobs_total", "Jobs done."), &["queue"]).unwrap();
    registry.register(Box::new(jobs.clone())).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("web.yml");
    // Of the token `abc`.
    let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    std::fs::write(&config, format!("bearer_tokens: {{a: {digest}}}\n")).unwrap();

    let listener = Listener::bind("127.0.0.1:0").unwrap();
    let address = listener.address();
    let server = Server::new()
        .listeners(vec![listener])
        .front(Front::from_file(&config).unwrap())
        .route(
            "/metrics",
            MetricsHandler::new(registry, MetricsOptions::default()),
        );
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(server.run_until(async {
        let _ = stopped.await;
    }));

    assert!(get(&address, "").await.starts_with("HTTP/1.0 401"));
    jobs.with_label_values(&["mail"]).inc_by(3);
    let token = "Authorization: Bearer abc\r\n";
    let text = get(&address, token).await;
    assert!(text.contains("\njobs_total{queue=\"mail\"} 3\n"), "{text}");
    assert!(text.contains("\nprocess_resident_memory_bytes "), "{text}");
    let accept = "Accept: application/vnd.google.protobuf;\
                  proto=io.prometheus.client.MetricFamily;encoding=compact-text\r\n";
    let proto = get(&address, &format!("{token}{accept}")).await;
    assert!(proto.contains("name:\"jobs_total\""), "{proto}");
    drop(stop);
    assert_eq!(running.await.unwrap(), Ok(()));
}
