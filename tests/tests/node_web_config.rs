//! `--web.config.file`: authentication, TLS, headers, limits, and changes while running.

use e2e::pki::Authority;
use e2e::{Client, Daemon, Reply, run};
use std::path::Path;
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
    assert_eq!(node.get("/metrics").status, 200);
}

#[test]
fn takes_tokens() {
    let digest = |token: &str| {
        let digest = ring::digest::digest(&ring::digest::SHA256, token.as_bytes());
        let digits = digest.as_ref().iter().map(|b| format!("{b:02x}"));
        digits.collect::<String>()
    };
    let (one, two) = (digest("hunter-one"), digest("hunter-two"));
    let tokens = format!("bearer_tokens:\n  first: {one}\n  second: {two}\n");
    let scratch = Scratch::new(&tokens);
    let node = scratch.start();
    let with = |credentials: &str| {
        let header = format!("Authorization: {credentials}\r\n");
        node.get_with("/metrics", &header)
    };
    let challenges = |reply: &Reply| -> Vec<String> {
        let named = |h: &&(String, String)| h.0 == "www-authenticate";
        let headers = reply.headers.iter().filter(named);
        headers.map(|h| h.1.clone()).collect()
    };
    assert_eq!(with("Bearer hunter-one").status, 200);
    assert_eq!(with("bearer hunter-two").status, 200);
    for wrong in [
        "Bearer hunter",
        "Bearer ",
        &format!("Bearer {one}"),
        "Basic Og==",
    ] {
        let reply = with(wrong);
        assert_eq!(
            (reply.status, reply.text().as_str()),
            (401, "Unauthorized\n")
        );
        assert_eq!(challenges(&reply), ["Bearer"], "{wrong}");
    }
    assert_eq!(node.get("/").status, 401);
    // alice:secret
    let hash = bcrypt::hash("secret", 4).unwrap();
    scratch.write(&format!("{tokens}basic_auth_users:\n  alice: {hash}\n"));
    assert_eq!(with("Bearer hunter-one").status, 200);
    assert_eq!(with("Basic YWxpY2U6c2VjcmV0").status, 200);
    assert_eq!(challenges(&node.get("/")), ["Basic", "Bearer"]);
    scratch.write(&format!("bearer_tokens:\n  second: {two}\n  third: no\n"));
    assert_eq!(with("Bearer hunter-one").status, 401);
    assert_eq!(with("Bearer hunter-two").status, 200);
    assert!(!node.log().contains("hunter"), "{}", node.log());
}

#[test]
fn health_has_an_address_of_its_own_where_asked_for() {
    let authority = Authority::new();
    let scratch = Scratch::new(
        "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n  \
         client_auth_type: RequireAnyClientCert\n",
    );
    authority.issue(&["localhost"]).write(scratch.path());
    let flags = [scratch.flag.as_str(), "--web.health-address=127.0.0.1:0"];
    let mut node = Daemon::start(NODE, &[&FEW[..], &flags].concat());
    let refused = authority.connect(&node.address, None);
    assert!(refused.and_then(|mut c| c.get("/-/healthy", "")).is_err());
    let line = node.wait_for_log("Answering health on");
    let (_, health) = line.split_once("address=").unwrap();
    let get = |path: &str| {
        let mut client = Client::connect(health.trim()).unwrap();
        client.get(path, "").unwrap().status
    };
    for (path, status) in [
        ("/-/healthy", 200),
        ("/-/ready", 200),
        ("/metrics", 404),
        ("/", 404),
    ] {
        assert_eq!(get(path), status, "{path}");
    }
}

#[test]
fn a_broken_file_at_run_time_fails_closed() {
    let scratch = Scratch::new("http_server_config:\n  headers:\n    X-Frame-Options: deny\n");
    let mut node = scratch.start();
    assert_eq!(node.get("/").header("x-frame-options"), Some("deny"));
    scratch.write("nonsense: [\n");
    let broken = node.get("/metrics");
    assert_eq!(
        (broken.status, broken.text().as_str()),
        (500, "Internal Server Error\n")
    );
    assert_eq!(broken.header("x-frame-options"), None);
    node.wait_for_log("Unable to parse configuration");
    scratch.write("http_server_config:\n  headers:\n    X-Frame-Options: sameorigin\n");
    let mended = node.get("/metrics");
    assert_eq!(mended.header("x-frame-options"), Some("sameorigin"));
    std::fs::remove_file(scratch.path().join("web.yml")).unwrap();
    assert_eq!(node.get("/metrics").status, 500);
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
    let plain = Client::connect(&node.address)
        .unwrap()
        .get("/metrics", "")
        .unwrap();
    let told = "Client sent an HTTP request to an HTTPS server.\n";
    assert_eq!((plain.status, plain.text().as_str()), (400, told));
    let other = Authority::new();
    other.issue(&["localhost"]).write(scratch.path());
    assert_eq!(get(&other).unwrap().status, 200);
    assert!(get(&authority).is_err());
}

#[test]
fn every_edit_counts_for_the_next_request() {
    let hash = |password: &str| bcrypt::hash(password, 4).unwrap();
    let file = |hash: &str| format!("basic_auth_users:\n  alice: {hash}\n");
    let (one, two) = (file(&hash("secret")), file(&hash("other")));
    assert_eq!(one.len(), two.len());
    let scratch = Scratch::new(&one);
    let node = scratch.start();
    let mut client = node.connect();
    let mut status = || {
        let secret = "Authorization: Basic YWxpY2U6c2VjcmV0\r\n";
        client.get("/metrics", secret).unwrap().status
    };
    // Files of one size, written within one tick of their clock.
    for _ in 0..20 {
        scratch.write(&two);
        assert_eq!(status(), 401);
        scratch.write(&one);
        assert_eq!(status(), 200);
    }
    // A mounted secret of Kubernetes: a link to a folder is swapped.
    let path = |name: &str| scratch.path().join(name);
    for (folder, text) in [("first", &one), ("second", &two)] {
        std::fs::create_dir(path(folder)).unwrap();
        std::fs::write(path(folder).join("web.yml"), text).unwrap();
    }
    let link_to = |folder: &str| {
        std::os::unix::fs::symlink(folder, path("new")).unwrap();
        std::fs::rename(path("new"), path("data")).unwrap();
    };
    link_to("first");
    std::fs::remove_file(path("web.yml")).unwrap();
    std::os::unix::fs::symlink("data/web.yml", path("web.yml")).unwrap();
    assert_eq!(status(), 200);
    link_to("second");
    assert_eq!(status(), 401);
}

#[test]
fn a_bad_hash_at_run_time_fits_no_password_and_hurts_nobody_else() {
    let hash = bcrypt::hash("secret", 4).unwrap();
    let scratch = Scratch::new(&format!("basic_auth_users:\n  alice: {hash}\n"));
    let node = scratch.start();
    scratch.write(&format!(
        "basic_auth_users:\n  alice: {hash}\n  bob: secret\n"
    ));
    let alice = "Authorization: Basic YWxpY2U6c2VjcmV0\r\n";
    let bob = "Authorization: Basic Ym9iOnNlY3JldA==\r\n";
    assert_eq!(node.get_with("/metrics", alice).status, 200);
    assert_eq!(node.get_with("/metrics", bob).status, 401);
}

#[test]
fn health_may_be_asked_for_without_a_password() {
    let hash = bcrypt::hash("secret", 4).unwrap();
    let scratch = Scratch::new(&format!("basic_auth_users:\n  alice: {hash}\n"));
    assert_eq!(scratch.start().get("/-/healthy").status, 401);
    let flags = [scratch.flag.as_str(), "--web.open-health"];
    let node = Daemon::start(NODE, &[&FEW[..], &flags].concat());
    for (path, status) in [
        ("/-/healthy", 200),
        ("/-/ready", 200),
        ("/metrics", 401),
        ("/", 401),
        ("//-/healthy", 401),
        ("/-/healthy/../../metrics", 401),
    ] {
        assert_eq!(node.get(path).status, status, "{path}");
    }
}

#[test]
fn a_broken_certificate_concerns_handshakes_only() {
    let authority = Authority::new();
    let scratch = Scratch::new("tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n");
    let leaf = authority.issue(&["localhost"]);
    leaf.write(scratch.path());
    let node = scratch.start();
    let connect = || authority.connect(&node.address, None);
    let mut kept = connect().unwrap();
    let tells_applied = |reply: Reply, value: &str| {
        let line = format!("exporter_web_config_last_reload_successful {value}");
        assert!(reply.text().lines().any(|l| l == line), "{}", reply.text());
    };
    tells_applied(kept.get("/metrics", "").unwrap(), "1");
    std::fs::write(scratch.path().join("key.pem"), "").unwrap();
    tells_applied(kept.get("/metrics", "").unwrap(), "0");
    let error = connect().unwrap().get("/metrics", "").unwrap_err();
    assert!(error.to_string().contains("InternalError"), "{error}");
    scratch.write("");
    tells_applied(kept.get("/metrics", "").unwrap(), "0");
    let error = connect().unwrap().get("/metrics", "").unwrap_err();
    assert!(error.to_string().contains("InternalError"), "{error}");
    scratch.write("tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n");
    leaf.write(scratch.path());
    assert_eq!(connect().unwrap().get("/metrics", "").unwrap().status, 200);
}

#[test]
fn every_policy_for_client_certificates() {
    let authority = Authority::new();
    let good = authority.issue(&["prometheus.example"]);
    let strange = Authority::new().issue(&["prometheus.example"]);
    let sans = "  client_allowed_sans: [prometheus.example]\n";
    // Policy, then whether no certificate, a stranger's and a good one are let in.
    for (policy, more, admitted) in [
        ("NoClientCert", "", [true, true, true]),
        ("RequestClientCert", "", [true, true, true]),
        ("RequireAnyClientCert", "", [false, true, true]),
        ("RequireClientCert", "", [false, true, true]),
        (
            "VerifyClientCertIfGiven",
            "  client_ca_file: ca.pem\n",
            [true, false, true],
        ),
        (
            "RequireAndVerifyClientCert",
            "  client_ca_file: ca.pem\n",
            [false, false, true],
        ),
        // Nobody comes in without showing an allowed name.
        ("RequestClientCert", sans, [false, true, true]),
        (
            "RequireAnyClientCert",
            "  client_allowed_sans: []\n",
            [false, false, false],
        ),
        (
            "RequireAnyClientCert",
            "  client_allowed_sans: [Prometheus.example]\n",
            [false, false, false],
        ),
    ] {
        let scratch = Scratch::new(&format!(
            "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n  \
             client_auth_type: {policy}\n{more}"
        ));
        authority.issue(&["localhost"]).write(scratch.path());
        std::fs::write(scratch.path().join("ca.pem"), authority.pem()).unwrap();
        let node = scratch.start();
        for (leaf, expected) in [None, Some(&strange), Some(&good)]
            .into_iter()
            .zip(admitted)
        {
            let reply = authority
                .connect(&node.address, leaf)
                .and_then(|mut client| client.get("/metrics", ""));
            assert_eq!(reply.is_ok(), expected, "{policy} {more}");
        }
    }
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
