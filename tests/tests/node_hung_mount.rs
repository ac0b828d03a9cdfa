//! A mount that never answers: what it may cost, and that it comes back.

use e2e::Daemon;
use e2e::hung_mount::HungMount;
use std::time::{Duration, Instant};

#[test]
fn a_hung_mount_costs_one_thread_and_its_own_series() {
    let scratch = tempfile::tempdir().unwrap();
    let mount = match HungMount::new(scratch.path()) {
        Ok(mount) => mount,
        Err(why) => {
            println!("skipped, this machine cannot mount FUSE: {why}");
            return;
        }
    };
    let node = Daemon::start(
        "node_exporter",
        &["--collector.filesystem.mount-timeout=300ms"],
    );
    // Dropped before the exporter, which cannot end while it waits for the mount.
    let mount = mount;
    let labels = |error: &str| {
        let point = scratch.path().display();
        format!(
            "{{device=\"hung\",device_error=\"{error}\",fstype=\"fuse.hung\",mountpoint=\"{point}\"}}"
        )
    };
    let stuck = format!(
        "node_filesystem_device_error{}",
        labels("mountpoint timeout")
    );
    let header = "X-Prometheus-Scrape-Timeout-Seconds: 5\r\n";
    let scrape = || {
        let started = Instant::now();
        let reply = node.get_with("/metrics", header);
        assert_eq!(reply.status, 200);
        assert!(started.elapsed() < Duration::from_secs(5));
        reply
    };
    let first = scrape();
    assert_eq!(first.value(&stuck), Some(1.0));
    assert_eq!(
        first.value("node_scrape_collector_success{collector=\"filesystem\"}"),
        Some(1.0)
    );
    assert!(first.text().contains("\nnode_load1 "));
    let samples = first.samples();
    for _ in 0..5 {
        scrape();
    }
    let threads = node.threads();
    for _ in 0..500 {
        let reply = scrape();
        assert_eq!(reply.value(&stuck), Some(1.0));
        assert!(reply.samples().abs_diff(samples) < 20);
    }
    // A busy machine may make a scrape add a worker or two; a leak would be hundreds.
    assert!(
        node.threads() <= threads + 5,
        "{} threads became {}",
        threads,
        node.threads()
    );
    // The thread that waited ends once its call returns; the next scrape measures the mount again.
    let threads = node.threads();
    mount.answer();
    let patience = Instant::now() + Duration::from_secs(10);
    while node.threads() >= threads {
        assert!(Instant::now() < patience, "the waiting thread did not end");
        std::thread::sleep(Duration::from_millis(5));
    }
    let size = format!("node_filesystem_size_bytes{}", labels(""));
    assert_eq!(scrape().value(&size), Some(4_096_000.0));
}
