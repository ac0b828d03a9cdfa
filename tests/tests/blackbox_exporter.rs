//! The blackbox exporter as a service: its module file, pages, reloads, and what hung targets cost.

use e2e::{Client, Daemon, peers, run};
use rustix::process::Signal;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const BLACKBOX: &str = "blackbox_exporter";

struct Scratch {
    folder: TempDir,
}

impl Scratch {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let scratch = Scratch { folder };
        scratch.write(text);
        scratch
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("blackbox.yml")
    }

    fn write(&self, text: &str) {
        std::fs::write(self.path(), text).unwrap();
    }

    fn flag(&self) -> String {
        format!("--config.file={}", self.path().display())
    }

    fn start(&self, arguments: &[&str]) -> Daemon {
        Daemon::start(BLACKBOX, &[&[self.flag().as_str()], arguments].concat())
    }

    /// Exit status and log of `--config.check`.
    fn check(&self) -> (Option<i32>, String) {
        let output = run(BLACKBOX, &[&self.flag(), "--config.check"]);
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    }
}

/// Changes are seen soon, not at once.
fn eventually(mut what: impl FnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(10);
    while !what() {
        assert!(Instant::now() < patience, "did not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn files_from_wikis_load() {
    let scratch = Scratch::new(
        r#"modules:
  https_2xx_get:
    prober: http
    timeout: 5s
    http:
      valid_http_versions: ["HTTP/1.1", "HTTP/2.0"]
      valid_status_codes: []
      method: GET
      preferred_ip_protocol: "ip4"
      ip_protocol_fallback: "true"
      follow_redirects: "true"
    tcp:
      ip_protocol_fallback: "true"
    icmp:
      ip_protocol_fallback: "true"
      ttl: "64"
    dns:
      ip_protocol_fallback: "true"
      recursion_desired: "true"
  http_2xx_get:
    prober: http
    http:
      preferred_ip_protocol: ip4
      tls_config:
        insecure_skip_verify: "true"
  http_2xx_post:
    prober: http
    timeout: 30s
    http:
      valid_status_codes: [200]
      method: POST
      headers:
        Content-Type: application/json
      body: '{"a": 1}'
      preferred_ip_protocol: ip4
  tcp: {prober: tcp}
  dns: {prober: dns}
  icmp: {prober: icmp}
  grpc: {prober: grpc}
"#,
    );
    assert_eq!(scratch.check().0, Some(0), "{}", scratch.check().1);
    let server = peers::Http::start(None, false, |request| {
        let fits = request.method() == "GET" || request.body().as_ref() == br#"{"a": 1}"#;
        peers::text(if fits { 200 } else { 400 }, "")
    });
    let daemon = scratch.start(&[]);
    for module in ["https_2xx_get", "http_2xx_get", "http_2xx_post", "tcp"] {
        let reply = daemon.get(&format!("/probe?module={module}&target={}", server.address));
        assert_eq!(
            reply.value("probe_success"),
            Some(1.0),
            "{module}: {}",
            daemon.log()
        );
    }
}

#[test]
fn mistakes_have_places() {
    for (text, status, part) in [
        ("modules: {a: {prober: icmp}}\n", 0, "ok"),
        ("modules:\n", 0, ""),
        ("modules: {a: }\n---\n[ garbage }\n", 0, ""),
        ("", 1, "ends before"),
        (
            "modules: {a: {prober: htpp}}\n",
            1,
            ":1:15: unknown prober \\\"htpp\\\"; did you mean \\\"http\\\"?",
        ),
        (
            "modules:\n  a:\n    prober: http\n    htpp: {}\n",
            1,
            ":4:5: unknown key \\\"htpp\\\" in the module; did you mean \\\"http\\\"?",
        ),
        ("modules: {a: {prober: http, timeout: 5}}\n", 1, "with unit"),
        (
            "modules: {a: {prober: udp}, b: {prober: udp, udp: }}\n",
            0,
            "",
        ),
        (
            "modules: {a: {prober: udp, udp: {query_response: [{starttls: true}]}}}\n",
            1,
            ":1:34: starttls",
        ),
        (
            "modules: {a: {prober: udp, udp: {tls: true}}}\n",
            1,
            "unknown key \\\"tls\\\" in udp",
        ),
        (
            "modules: {a: {prober: http, http: {fail_if_body_matches_regexp: ['(?=a)']}}}\n",
            1,
            "(?=",
        ),
        (
            "modules: {a: {prober: http, http: {fail_if_body_json_matches_cel: 'x =='}}}\n",
            1,
            "CEL",
        ),
        (
            "modules: {a: {prober: http, http: {body: a, body_file: b}}}\n",
            1,
            "body_file",
        ),
        (
            "modules: {a: {prober: http, http: {compression: gzip, headers: {Accept-Encoding: br}}}}\n",
            1,
            "compression",
        ),
        (
            "modules: {a: {prober: http, http: {bearer_token: a, basic_auth: {}}}}\n",
            1,
            "at most one",
        ),
        (
            "modules: {a: {prober: http, http: {tls_config: {max_version: TLS10}}}}\n",
            1,
            "not supported",
        ),
        (
            "modules: {a: {prober: http, http: {tls_config: {min_version: TLS10}}}}\n",
            0,
            "least version",
        ),
        (
            "modules: {a: {prober: dns, dns: {query_type: A}}}\n",
            1,
            "query_name",
        ),
        (
            "modules: {a: {prober: icmp, icmp: {ttl: 256}}}\n",
            1,
            "0 to 255",
        ),
        (
            "modules: {a: {prober: icmp}, a: {prober: tcp}}\n",
            1,
            "there already",
        ),
        ("x-y: 1\nmodules: {}\n", 1, ":1:1: unknown key"),
        (
            "modules: {a: {prober: http, http: {http_headers: {Host: {values: [a]}}}}}\n",
            1,
            "not allowed",
        ),
    ] {
        let (code, log) = Scratch::new(text).check();
        assert_eq!(code, Some(status), "{text}: {log}");
        assert!(log.contains(part), "{text}: {log}");
    }
    let output = run(BLACKBOX, &["--config.check=true"]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn secrets_stay_hidden() {
    let scratch = Scratch::new(
        r#"modules:
  a:
    prober: http
    http:
      basic_auth: {username: name, password: hush1}
      headers: {Cookie: hush2, X-Open: seen}
      http_headers: {X-Key: {values: [seen], secrets: [hush3]}}
      proxy_url: http://u:hush4@127.0.0.1:1
      proxy_connect_header: {X: [hush5]}
      tls_config: {cert: x, key: hush6}
  b: {prober: http, http: {oauth2: {client_id: i, client_secret: hush7, token_url: "http://127.0.0.1:1/"}}}
  c: {prober: http, http: {bearer_token: hush8}}
  d: {prober: grpc, grpc: {metadata: {authorization: [hush9]}}}
"#,
    );
    let daemon = scratch.start(&["--log.prober=debug", "--log.level=debug"]);
    let config = daemon.get("/config").text();
    assert!(
        config.contains("<secret>") && config.contains("seen"),
        "{config}"
    );
    let mut seen = vec![config];
    for module in ["a", "b", "c", "d"] {
        let path = format!("/probe?module={module}&target=http://u:hush0@127.0.0.1:1&debug=true");
        seen.push(daemon.get(&path).text());
    }
    seen.push(daemon.get("/").text());
    seen.push(daemon.get("/logs?id=0").text());
    seen.push(daemon.log());
    for text in seen {
        assert!(!text.contains("hush"), "{text}");
    }
    let found = daemon.get("/logs?target=http://u:hush0@127.0.0.1:1&module=c");
    assert_eq!(found.status, 200);
}

#[test]
fn requests_that_are_refused() {
    let scratch = Scratch::new(
        "modules: {tcp: {prober: tcp}, none: , http: {prober: http, http: {headers: {host: a}}}}\n",
    );
    let daemon = scratch.start(&[]);
    let timeout = "X-Prometheus-Scrape-Timeout-Seconds: soon\r\n";
    for (path, headers, status, body) in [
        (
            "/probe?module=nope&target=x",
            "",
            400,
            "Unknown module \"nope\"\n",
        ),
        (
            "/probe?target=x",
            timeout,
            400,
            "Unknown module \"http_2xx\"\n",
        ),
        (
            "/probe?module=tcp",
            timeout,
            500,
            "Failed to parse timeout from Prometheus header: ",
        ),
        (
            "/probe?module=tcp",
            "",
            400,
            "Target parameter is missing\n",
        ),
        (
            "/probe?module=none&target=x",
            "",
            400,
            "Unknown prober \"\"\n",
        ),
        (
            "/probe?module=http&target=x&hostname=b",
            "",
            400,
            "host header defined both",
        ),
        (
            "/-/reload",
            "",
            405,
            "This endpoint requires a POST request.\n",
        ),
        ("/logs", "", 400, ""),
        ("/logs?id=0&target=x", "", 400, ""),
        ("/logs?module=x", "", 400, ""),
        ("/logs?id=77", "", 404, ""),
        ("/debug/pprof/", "", 404, ""),
    ] {
        let reply = daemon.get_with(path, headers);
        assert_eq!(reply.status, status, "{path}");
        assert!(reply.text().starts_with(body), "{path}: {}", reply.text());
    }
    for path in ["/", "/foo", "/metrics/", "/-/ready"] {
        let reply = daemon.get(path);
        assert_eq!(
            (reply.status, reply.header("content-type")),
            (200, Some("text/html")),
            "{path}"
        );
    }
    assert_eq!(daemon.get("/-/healthy").text(), "Healthy");
    let metrics = daemon.get("/metrics");
    assert_eq!(metrics.value("blackbox_module_unknown_total"), Some(2.0));
    assert_eq!(
        metrics.value("blackbox_exporter_config_last_reload_successful"),
        Some(1.0)
    );
    assert_eq!(
        metrics.value("promhttp_metric_handler_requests_total{code=\"503\"}"),
        Some(0.0)
    );
    assert!(metrics.text().contains("blackbox_exporter_build_info{"));
}

#[test]
fn reloads_and_history() {
    let scratch = Scratch::new("modules: {a: {prober: tcp}}\n");
    let daemon = scratch.start(&["--history.limit=2"]);
    let successful = |expected: f64| {
        let name = "blackbox_exporter_config_last_reload_successful";
        daemon.get("/metrics").value(name) == Some(expected)
    };
    let post = || {
        let mut client = daemon.connect();
        client
            .send("POST /-/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
            .unwrap();
        client.reply(false).unwrap()
    };
    let probe = |module: &str| daemon.get(&format!("/probe?module={module}&target=127.0.0.1:1"));
    assert_eq!(probe("a").status, 200);
    scratch.write("modules: {a: {prober: tpc}}\n");
    let reply = post();
    assert_eq!(reply.status, 500);
    assert!(
        reply.text().starts_with("failed to reload config: "),
        "{}",
        reply.text()
    );
    assert!(successful(0.0) && probe("a").status == 200);
    scratch.write("modules: {a: {prober: tcp}}\n");
    let reply = post();
    assert_eq!((reply.status, reply.text().as_str()), (200, ""));
    assert!(successful(1.0));
    scratch.write("modules: {b: {prober: tcp}}\n");
    daemon.signal(Signal::HUP);
    eventually(|| probe("b").status == 200);
    assert_eq!(probe("a").status, 400);
    // Two reports, and as many older failures.
    let kept = |id: u32| daemon.get(&format!("/logs?id={id}")).status == 200;
    let page = daemon.get("/").text();
    assert!(
        page.matches("Failure").count() <= 4 && page.contains("href=\"logs?id="),
        "{page}"
    );
    assert!(kept(0) && kept(2));
    let report = daemon.get("/logs?target=127.0.0.1:1&module=b").text();
    for heading in [
        "Logs for the probe:\n",
        "\n\n\n\nMetrics that would have been returned:\n",
        "\n\n\n\nModule configuration:\nprober: tcp\n",
    ] {
        assert!(report.contains(heading), "{report}");
    }
    assert!(report.contains("module=b target=127.0.0.1:1"), "{report}");
}

#[test]
fn prefixes() {
    let scratch = Scratch::new("modules: {}\n");
    let daemon = scratch.start(&["--web.external-url=http://outside/black/box/"]);
    for (path, status, location) in [
        ("/", 302, Some("http://outside/black/box")),
        ("/black/box", 301, Some("/black/box/")),
        ("/black/box/", 200, None),
        ("/black/box/-/healthy", 200, None),
        ("/black/box/any", 200, None),
        ("/metrics", 404, None),
    ] {
        let reply = daemon.get(path);
        assert_eq!(
            (reply.status, reply.header("location")),
            (status, location),
            "{path}"
        );
    }
}

#[test]
fn a_log_that_nobody_reads_holds_nothing_up() {
    const PROBES: usize = 600;
    let scratch = Scratch::new("modules: {tcp: {prober: tcp}}\n");
    let daemon = scratch.start(&[]);
    let unread = daemon.hold_log();
    let mut client = daemon.connect();
    for _ in 0..PROBES {
        let reply = client.get("/probe?module=tcp&target=127.0.0.1:1", "");
        assert_eq!(reply.unwrap().value("probe_success"), Some(0.0));
    }
    drop(unread);
    eventually(|| daemon.log().matches("Probe failed").count() == PROBES);
}

/// Probes of targets that accept and never answer.
const HUNG: usize = 300;

#[test]
fn hung_targets_end_at_their_deadline() {
    let swallow = |mut stream| std::io::copy(&mut stream, &mut std::io::sink()).map(drop);
    let hung = peers::Scripted::start(swallow);
    let scratch = Scratch::new(
        "modules:\n  tcp: {prober: tcp, timeout: 2s, tcp: {query_response: [{expect: x}]}}\n  \
         tls: {prober: tcp, timeout: 2s, tcp: {tls: true}}\n  http: {prober: http, timeout: 2s}\n  \
         grpc: {prober: grpc, timeout: 2s}\n",
    );
    let daemon = scratch.start(&["--log.prober=error"]);
    let descriptors = || {
        let folder = format!("/proc/{}/fd", daemon.pid());
        std::fs::read_dir(Path::new(&folder)).unwrap().count()
    };
    assert_eq!(daemon.get("/-/healthy").status, 200);
    let before = descriptors();
    let mut clients: Vec<Client> = Vec::new();
    for at in 0..HUNG {
        let module = ["tcp", "tls", "http", "grpc"][at % 4];
        let mut client = daemon.connect();
        let path = format!("/probe?module={module}&target={}", hung.address);
        client
            .send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"))
            .unwrap();
        clients.push(client);
    }
    assert_eq!(daemon.get("/-/healthy").status, 200);
    for client in &mut clients {
        let reply = client.reply(false).unwrap();
        assert_eq!(reply.value("probe_success"), Some(0.0));
        let seconds = reply.value("probe_duration_seconds").unwrap();
        assert!((1.9..15.0).contains(&seconds), "{seconds}");
    }
    drop(clients);
    eventually(|| descriptors() <= before + 4);
}
