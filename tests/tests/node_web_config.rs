//! `--web.config.file`: authentication, TLS, headers, limits, and changes while running.

use e2e::pki::Authority;
use e2e::{Client, Daemon, run};
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const NODE: &str = "node_exporter";
const FEW: [&str; 2] = ["--collector.disable-defaults", "--collector.loadavg"];
struct Scratch {
    folder: TempDir,
    flag: String,
}

impl Scratch {
    fn new(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let flag = format!(
            "--web.config.file={}",
            folder.path().join("web.yml").display()
        );
        let scratch = Scratch { folder, flag };
        scratch.write(config);
        scratch
    }

    fn write(&self, config: &str) {
        std::fs::write(self.folder.path().join("web.yml"), config).unwrap();
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn start(&self) -> Daemon {
        Daemon::start(NODE, &[&FEW[..], &[&self.flag]].concat())
    }
}

/// Changes are seen soon, not at once.
fn eventually(mut what: impl FnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(10);
    while !what() {
        assert!(Instant::now() < patience, "did not come");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn asks_for_a_password() {
    let hash = bcrypt::hash("secret", 4).unwrap();
    let scratch = Scratch::new(&format!("basic_auth_users:\n  alice: {hash}\n"));
    let node = scratch.start();
    // alice:secret, alice:wrong, bob:secret
    let right = "Authorization: Basic YWxpY2U6c2VjcmV0\r\n";
    let wrong = "Authorization: Basic YWxpY2U6d3Jvbmc=\r\n";
    let unknown = "Authorization: Basic Ym9iOnNlY3JldA==\r\n";
    for path in ["/metrics", "/", "/nonsense"] {
        let reply = node.get(path);
        assert_eq!(reply.status, 401, "{path}");
        assert_eq!(reply.header("www-authenticate"), Some("Basic"));
    }
    for _ in 0..2 {
        assert_eq!(node.get_with("/metrics", right).status, 200);
        assert_eq!(node.get_with("/metrics", wrong).status, 401);
        assert_eq!(node.get_with("/metrics", unknown).status, 401);
    }
    assert!(!node.log().contains("secret") && !node.log().contains(&hash));
    scratch.write("");
    eventually(|| node.get("/metrics").status == 200);
}

#[test]
fn a_broken_file_at_run_time_fails_closed() {
    let scratch = Scratch::new("http_server_config:\n  headers:\n    X-Frame-Options: deny\n");
    let node = scratch.start();
    assert_eq!(node.get("/").header("x-frame-options"), Some("deny"));
    scratch.write("nonsense: [\n");
    eventually(|| node.get("/metrics").status == 500);
    scratch.write("http_server_config:\n  headers:\n    X-Frame-Options: sameorigin\n");
    eventually(|| node.get("/metrics").header("x-frame-options") == Some("sameorigin"));
}

#[test]
fn limits_the_rate() {
    let scratch = Scratch::new("rate_limit:\n  interval: 1h\n  burst: 3\n");
    let node = scratch.start();
    let statuses: Vec<_> = (0..5).map(|_| node.get("/").status).collect();
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
}

#[test]
fn speaks_tls_and_takes_a_new_certificate() {
    let authority = Authority::new();
    let scratch = Scratch::new("tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n");
    authority.issue(&["localhost"]).write(scratch.path());
    let node = scratch.start();
    assert!(node.log().contains("TLS is enabled"), "{}", node.log());
    let get = |authority: &Authority| authority.connect(&node.address, None)?.get("/metrics", "");
    assert_eq!(get(&authority).unwrap().status, 200);
    // Plain HTTP is answered with 400 or not at all, never with metrics.
    let plain = Client::connect(&node.address).unwrap().get("/metrics", "");
    assert!(plain.map_or(true, |reply| reply.status == 400));
    let other = Authority::new();
    other.issue(&["localhost"]).write(scratch.path());
    eventually(|| get(&other).is_ok_and(|reply| reply.status == 200));
    assert!(get(&authority).is_err());
}

#[test]
fn wants_a_client_certificate_of_an_allowed_name() {
    let authority = Authority::new();
    let scratch = Scratch::new(
        "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n  client_ca_file: ca.pem\n  \
         client_auth_type: RequireAndVerifyClientCert\n  client_allowed_sans: [prometheus.example]\n",
    );
    authority.issue(&["localhost"]).write(scratch.path());
    std::fs::write(scratch.path().join("ca.pem"), authority.pem()).unwrap();
    let node = scratch.start();
    let allowed = authority.issue(&["prometheus.example"]);
    let stranger = authority.issue(&["other.example"]);
    let forged = Authority::new().issue(&["prometheus.example"]);
    let get = |leaf| authority.connect(&node.address, leaf)?.get("/metrics", "");
    assert_eq!(get(Some(&allowed)).unwrap().status, 200);
    assert!(get(Some(&stranger)).is_err());
    assert!(get(Some(&forged)).is_err());
    assert!(get(None).is_err());
}

#[test]
fn bad_files_are_told_with_their_place() {
    for (config, message) in [
        ("tls_server_config:\n  cert_fle: x\n", "web.yml:2:"),
        ("basic_auth_users:\n  a: b\n  a: c\n", "web.yml:3:"),
        ("rate_limit:\n  interval: 1 hour\n", "interval"),
        (
            "tls_server_config:\n  cert_file: missing.pem\n  key_file: key.pem\n",
            "missing.pem",
        ),
        ("tls_server_config:\n  key_file: key.pem\n", "cert"),
        (
            "tls_server_config:\n  cert_file: c\n  key_file: k\n  min_version: TLS9\n",
            "TLS9",
        ),
        (
            "tls_server_config:\n  cert_file: c\n  key_file: k\n  client_auth_type: Maybe\n",
            "Maybe",
        ),
        ("http_server_config:\n  http2: perhaps\n", "web.yml:2:"),
    ] {
        let scratch = Scratch::new(config);
        let output = run(NODE, &[&scratch.flag, "--web.listen-address=127.0.0.1:0"]);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{config}: {stderr}");
        assert!(stderr.contains(message), "{config}: {stderr}");
    }
}
