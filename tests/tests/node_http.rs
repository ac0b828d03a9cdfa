//! The node exporter's door: formats, compression, filters, limits, life cycle.

use e2e::{Client, Daemon, run};
use rustix::process::Signal;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::process::Command;
use std::time::{Duration, Instant};

const NODE: &str = "node_exporter";

/// Collectors that every Linux host can answer, and quickly.
const FEW: &[&str] = &[
    "--collector.disable-defaults",
    "--collector.loadavg",
    "--collector.uname",
    "--collector.meminfo",
];

fn first_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn answers_the_queries_of_the_documentation() {
    let node = Daemon::start(NODE, &[]);
    let text = node.get("/metrics").text();
    for start in [
        "node_cpu_seconds_total{cpu=\"0\",mode=\"idle\"} ",
        "node_memory_MemTotal_bytes ",
        "node_memory_MemAvailable_bytes ",
        "node_network_receive_packets_total{device=\"lo\"} ",
        "node_exporter_build_info{branch=\"",
        "node_load1 ",
        "node_uname_info{",
    ] {
        assert!(text.lines().any(|l| l.starts_with(start)), "{start}");
    }
    for family in [
        "node_filesystem_avail_bytes",
        "node_filesystem_size_bytes",
        "node_disk_io_time_seconds_total",
        "node_disk_read_time_seconds_total",
        "node_disk_reads_completed_total",
        "node_disk_write_time_seconds_total",
        "node_disk_writes_completed_total",
    ] {
        // A machine without disks has none of them; the collector must at least have succeeded.
        let present = text.contains(&format!("# TYPE {family} "));
        let collector = if family.contains("disk") {
            "diskstats"
        } else {
            "filesystem"
        };
        let success = format!("node_scrape_collector_success{{collector=\"{collector}\"}} 1");
        assert!(present || text.contains(&success), "{family}");
    }
}

#[test]
fn sets_of_collectors_have_paths() {
    let sets = [
        "--collector.set=fast=loadavg",
        "--collector.set=b=uname,meminfo",
    ];
    let node = Daemon::start(NODE, &[FEW, &sets].concat());
    let text = node.get("/metrics/fast").text();
    assert!(text.contains("\nnode_load1 ") && !text.contains("node_uname_info"));
    assert!(text.contains("\npromhttp_metric_handler_requests_in_flight 1\n"));
    let text = node.get("/metrics/b?name[]=node_uname_info").text();
    assert!(text.starts_with("# HELP node_uname_info ") && text.lines().count() == 3);
    let text = node.get("/metrics").text();
    assert!(text.contains("\nnode_load1 ") && text.contains("\nnode_uname_info"));
    assert_eq!(node.get("/metrics/other").status, 404);
    assert!(node.get("/").text().contains("href=\"metrics/fast\""));
    for (set, why) in [
        ("fast", "expected NAME="),
        ("fast=nothing", "missing collector: nothing"),
        ("fast=cpu", "disabled collector: cpu"),
    ] {
        let set = format!("--collector.set={set}");
        let output = run(NODE, &[FEW, &["--config.check", &set]].concat());
        assert_eq!(output.status.code(), Some(1));
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(log.contains(&set) && log.contains(why), "{log}");
    }
}

#[test]
fn zstd_is_offered_where_asked_for() {
    let coding = |node: &Daemon, accept: &str| {
        let header = format!("Accept-Encoding: {accept}\r\n");
        let reply = node.get_with("/metrics", &header);
        assert!(reply.text().contains("\nnode_load1 "), "{accept}");
        reply.header("content-encoding").map(str::to_owned)
    };
    let node = Daemon::start(NODE, FEW);
    assert_eq!(coding(&node, "zstd"), None);
    let node = Daemon::start(NODE, &[FEW, &["--web.enable-zstd"]].concat());
    assert_eq!(coding(&node, "zstd").as_deref(), Some("zstd"));
    assert_eq!(coding(&node, "gzip, zstd").as_deref(), Some("gzip"));
    assert_eq!(coding(&node, "gzip;q=0.5, zstd").as_deref(), Some("zstd"));
    assert_eq!(coding(&node, "br"), None);
}

#[test]
fn every_prometheus_protocol_gets_the_same_series() {
    let node = Daemon::start(NODE, FEW);
    for (accept, content_type) in [
        (
            "",
            "text/plain; version=0.0.4; charset=utf-8; escaping=underscores",
        ),
        (
            "text/plain;version=0.0.4;q=0.6,*/*;q=0.5",
            "text/plain; version=0.0.4; charset=utf-8; escaping=underscores",
        ),
        (
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
             text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            "text/plain; version=0.0.4; charset=utf-8; escaping=allow-utf-8",
        ),
        (
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
            "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; \
             encoding=delimited; escaping=underscores",
        ),
    ] {
        let header = match accept {
            "" => String::new(),
            accept => format!("Accept: {accept}\r\n"),
        };
        let reply = node.get_with("/metrics", &header);
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("content-type"), Some(content_type), "{accept}");
        assert!(reply.body.windows(10).any(|w| w == b"node_load1"));
    }
}

#[test]
fn compresses_when_asked() {
    let node = Daemon::start(NODE, FEW);
    let plain = node.get("/metrics");
    assert_eq!(plain.header("content-encoding"), None);
    let gzip = node.get_with("/metrics", "Accept-Encoding: gzip\r\n");
    assert_eq!(gzip.header("content-encoding"), Some("gzip"));
    assert!(gzip.body.len() * 2 < gzip.text().len());
    assert_eq!(gzip.samples(), plain.samples());
    let equal = node.get_with(
        "/metrics",
        "Accept-Encoding: gzip;q=0.5, identity;q=0.5\r\n",
    );
    assert_eq!(equal.header("content-encoding"), None);
}

#[test]
fn filters_by_request() {
    let node = Daemon::start(NODE, FEW);
    let text = node
        .get("/metrics?collect[]=loadavg&collect%5B%5D=uname")
        .text();
    assert!(text.contains("node_load1 ") && text.contains("node_uname_info{"));
    assert!(!text.contains("node_memory_"));
    assert!(text.contains("node_exporter_build_info{"));
    let text = node
        .get("/metrics?exclude[]=loadavg&exclude[]=nonsense")
        .text();
    assert!(!text.contains("node_load1 ") && text.contains("node_uname_info{"));
    let prefix = "Couldn't create filtered metrics handler: couldn't create collector: ";
    for (query, message) in [
        (
            "collect[]=nonsense",
            format!("{prefix}missing collector: nonsense"),
        ),
        ("collect[]=", format!("{prefix}missing collector: ")),
        ("collect[]=arp", format!("{prefix}disabled collector: arp")),
        (
            "collect[]=uname&exclude[]=loadavg",
            "Combined collect and exclude queries are not allowed.".to_owned(),
        ),
    ] {
        let reply = node.get(&format!("/metrics?{query}"));
        assert_eq!((reply.status, reply.text()), (400, message), "{query}");
    }
    let all = node.get("/metrics?exclude[]=loadavg&exclude[]=uname&exclude[]=meminfo");
    assert!(all.text().contains("node_load1 "));
}

#[test]
fn paths_and_methods() {
    let node = Daemon::start(NODE, FEW);
    let landing = node.get("/");
    assert_eq!(landing.status, 200);
    assert_eq!(
        landing.header("content-type"),
        Some("text/html; charset=UTF-8")
    );
    let page = landing.text();
    assert!(
        page.contains("Node Exporter") && page.contains("metrics"),
        "{page}"
    );
    assert_eq!(node.get("/-/healthy").status, 200);
    assert_eq!(node.get("/-/ready").status, 200);
    assert_eq!(node.get("/nonsense").status, 404);
    assert_eq!(node.get("/debug/pprof/").status, 404);
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let mut client = node.connect();
        let request = format!("{method} /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
        client.send(request).unwrap();
        assert_eq!(client.reply(false).unwrap().status, 200, "{method}");
    }
    let mut client = node.connect();
    client
        .send("HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    assert_eq!(client.reply(true).unwrap().status, 200);
    assert_eq!(client.get("/metrics", "").unwrap().status, 200);
}

#[test]
fn own_metrics_can_be_left_out() {
    let with = Daemon::start(NODE, FEW).get("/metrics").text();
    assert!(
        with.contains("promhttp_metric_handler_requests_total{code=\"200\"} 0\n"),
        "{with}"
    );
    assert!(with.contains("\nprocess_open_fds "));
    let without = Daemon::start(NODE, &[FEW, &["--web.disable-exporter-metrics"]].concat());
    let without = without.get("/metrics").text();
    assert!(!without.contains("promhttp_") && !without.contains("process_"));
    assert!(without.contains("node_exporter_build_info{"));
}

#[test]
fn bad_flags_end_with_a_sentence() {
    for (arguments, message) in [
        (&["--nope"][..], "unknown long flag '--nope'"),
        (&["--collector.loadavg=false"], "unexpected false"),
        (
            &["--collector.loadavg", "--no-collector.loadavg"],
            "cannot be repeated",
        ),
        (&["--log.level=warning"], "unrecognized log level warning"),
        (&["--log.format=text"], "unrecognized log format text"),
        (&["--web.max-requests=many"], "many"),
        (&["extra"], "unexpected extra"),
        (
            &[
                "--collector.netdev.device-include=a",
                "--collector.netdev.device-exclude=b",
            ],
            "mutually exclusive",
        ),
        (
            &["--collector.diskstats.device-exclude=("],
            "device-exclude",
        ),
        (&["--path.procfs=/nonexistent"], "failed to open procfs"),
    ] {
        let output = run(NODE, arguments);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {stderr}");
        assert!(stderr.contains(message), "{arguments:?}: {stderr}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn help_and_version_go_to_standard_output() {
    let version = run(NODE, &["--version"]);
    assert_eq!(version.status.code(), Some(0));
    let line = first_line(&version.stdout);
    assert!(
        line.starts_with("node_exporter, version ") && line.contains("(branch: "),
        "{line}"
    );
    let help = run(NODE, &["--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert_eq!(first_line(&help.stdout), "usage: node_exporter [<flags>]");
    let text = String::from_utf8_lossy(&help.stdout).into_owned();
    for flag in [
        "--web.listen-address",
        "--[no-]collector.arp",
        "--path.procfs",
        "--[no-]once",
    ] {
        assert!(text.contains(flag), "{flag}");
    }
    assert!(!text.contains("collector.diskstats.ignored-devices"));
}

#[test]
fn once_prints_one_scrape() {
    let output = run(NODE, &[FEW, &["--once"]].concat());
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("\nnode_load1 "), "{text}");
    assert!(text.contains("node_scrape_collector_success{collector=\"loadavg\"} 1\n"));
}

#[test]
fn config_check_tells_and_ends() {
    let fine = run(NODE, &["--config.check"]);
    assert_eq!(fine.status.code(), Some(0), "{fine:?}");
    let scratch = tempfile::tempdir().unwrap();
    let config = scratch.path().join("web.yml");
    std::fs::write(&config, "http_server_config:\n  http3: true\n").unwrap();
    let flag = format!("--web.config.file={}", config.display());
    let bad = run(NODE, &["--config.check", &flag]);
    assert_eq!(bad.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&bad.stderr).into_owned();
    assert!(
        stderr.contains("web.yml:2:") && stderr.contains("http3"),
        "{stderr}"
    );
}

#[test]
fn a_busy_address_is_named() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap().to_string();
    let output = run(NODE, &[&format!("--web.listen-address={address}")]);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr.contains(&address), "{stderr}");
}

#[test]
fn several_addresses_and_an_ipv4_one_in_brackets() {
    let mut command = Command::new(e2e::daemon::binary(NODE));
    command.args(FEW);
    command.args([
        "--web.listen-address=[127.0.0.1]:0",
        "--web.listen-address=127.0.0.1:0",
    ]);
    let mut node = Daemon::spawn(&mut command);
    node.wait_for_log("TLS is");
    let log = node.log();
    let addresses: Vec<_> = log
        .lines()
        .filter(|l| l.contains("Listening on"))
        .filter_map(|l| l.split("address=").nth(1))
        .collect();
    assert_eq!(addresses.len(), 2, "{log}");
    for address in addresses {
        let mut client = Client::connect(address.trim_matches('"')).unwrap();
        assert_eq!(client.get("/metrics", "").unwrap().status, 200);
    }
}

#[test]
fn two_hundred_scrapes_at_a_time() {
    let node = Daemon::start(NODE, &[FEW, &["--web.max-requests=0"]].concat());
    let replies: Vec<_> = std::thread::scope(|scope| {
        let scrapes: Vec<_> = (0..200)
            .map(|_| scope.spawn(|| node.get("/metrics")))
            .collect();
        scrapes.into_iter().map(|s| s.join().unwrap()).collect()
    });
    for reply in replies {
        assert_eq!(reply.status, 200);
        assert!(reply.text().contains("\nnode_load1 "));
        assert!(!reply.text().contains("success{collector=\"loadavg\"} 0"));
    }
}

/// A procfs whose `loadavg` is a pipe that nobody writes into: reading it never ends.
fn endless_loadavg() -> (tempfile::TempDir, String) {
    let scratch = tempfile::tempdir().unwrap();
    let pipe = scratch.path().join("loadavg");
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, fifo, 0o600.into(), 0).unwrap();
    let flag = format!("--path.procfs={}", scratch.path().display());
    (scratch, flag)
}

const SLOW: &[&str] = &[
    "--collector.disable-defaults",
    "--collector.loadavg",
    "--collector.uname",
];

#[test]
fn too_many_scrapes_are_told_to_come_back() {
    let (_scratch, procfs) = endless_loadavg();
    let node = Daemon::start(NODE, &[SLOW, &[&procfs, "--web.max-requests=1"]].concat());
    let (reply, elapsed) = std::thread::scope(|scope| {
        let header = "X-Prometheus-Scrape-Timeout-Seconds: 2\r\n";
        let slow = scope.spawn(|| {
            let started = Instant::now();
            (node.get_with("/metrics", header), started.elapsed())
        });
        std::thread::sleep(Duration::from_millis(500));
        let refused = node.get("/metrics");
        assert_eq!(refused.status, 503);
        assert_eq!(
            refused.text(),
            "Limit of concurrent requests reached (1), try again later.\n"
        );
        slow.join().unwrap()
    });
    // Before Prometheus gives up, with all that could be had.
    assert_eq!(reply.status, 200);
    assert!(elapsed < Duration::from_secs(2), "{elapsed:?}");
    assert!(reply.text().contains("node_uname_info{"));
    let success = |name: &str| {
        reply.value(&format!(
            "node_scrape_collector_success{{collector=\"{name}\"}}"
        ))
    };
    assert_eq!(
        (success("loadavg"), success("uname")),
        (Some(0.0), Some(1.0))
    );
}

#[test]
fn a_client_that_stops_sending_is_cut_off_and_hurts_nobody() {
    let node = Daemon::start(NODE, FEW);
    let mut slow: Vec<TcpStream> = (0..50)
        .map(|_| {
            let mut stream = TcpStream::connect(&node.address).unwrap();
            stream
                .write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Slow: ")
                .unwrap();
            stream
        })
        .collect();
    assert_eq!(node.get("/metrics").status, 200);
    let stream = &mut slow[0];
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(
        !rest.starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(&rest)
    );
}

#[test]
fn headers_of_a_megabyte_pass_and_more_do_not() {
    let node = Daemon::start(NODE, FEW);
    let cookie = format!("Cookie: {}\r\n", "a".repeat(500_000));
    assert_eq!(node.get_with("/metrics", &cookie).status, 200);
    let cookie = format!("Cookie: {}\r\n", "a".repeat(3_000_000));
    let mut client = node.connect();
    let refused = client.get("/metrics", &cookie);
    assert!(refused.map_or(true, |reply| reply.status == 431));
}

#[test]
fn sigterm_lets_a_scrape_finish() {
    let (_scratch, procfs) = endless_loadavg();
    let mut node = Daemon::start(NODE, &[SLOW, &[&procfs]].concat());
    let mut client = node.connect();
    client
        .send("GET /metrics HTTP/1.1\r\nHost: x\r\nX-Prometheus-Scrape-Timeout-Seconds: 2\r\n\r\n")
        .unwrap();
    std::thread::sleep(Duration::from_millis(300));
    node.signal(Signal::TERM);
    let reply = client.reply(false).unwrap();
    assert_eq!(reply.status, 200);
    assert!(reply.text().contains("node_uname_info{"));
    assert_eq!(node.wait().code(), Some(0));
}

#[test]
fn sighup_is_ignored_and_sigint_ends_well() {
    let mut node = Daemon::start(NODE, FEW);
    node.signal(Signal::HUP);
    assert_eq!(node.get("/metrics").status, 200);
    node.signal(Signal::INT);
    assert_eq!(node.wait().code(), Some(0));
}

#[test]
fn takes_sockets_from_the_service_manager() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    // The shell moves the inherited socket to descriptor 3 and tells its own pid, as systemd does.
    // It comes as standard input, because a shell need not know descriptors of two digits.
    let script = "exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$0\" \"$@\"";
    let mut command = Command::new("sh");
    command
        .args(["-c", script])
        .arg(e2e::daemon::binary(NODE))
        .arg("--web.systemd-socket")
        .args(FEW)
        .stdin(OwnedFd::from(listener));
    let mut node = Daemon::spawn(&mut command);
    // The command holds the socket too.
    drop(command);
    let mut client = Client::connect(&address).unwrap();
    assert_eq!(client.get("/metrics", "").unwrap().status, 200);
    node.signal(Signal::TERM);
    assert_eq!(node.wait().code(), Some(0));
    let none = run(NODE, &["--web.systemd-socket"]);
    assert_eq!(none.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&none.stderr).into_owned();
    assert!(
        stderr.contains("no socket activation file descriptors found"),
        "{stderr}"
    );
}
