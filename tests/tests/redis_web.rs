//! The Redis exporter's flags, paths and front door. Servers are only pretended here.

use e2e::pki::Authority;
use e2e::redis::Pretender;
use e2e::{Daemon, daemon, run};
use std::process::{Command, Stdio};

const EXPORTER: &str = "redis_exporter";
/// Listens nowhere that matters.
const NO_SERVER: &str = "--redis.addr=";

/// The first line on standard error that is not the banner, and the exit status.
fn fails(arguments: &[&str]) -> (i32, String) {
    let output = run(EXPORTER, arguments);
    let stderr = String::from_utf8(output.stderr).unwrap();
    let line = stderr
        .lines()
        .find(|l| !l.contains("Redis Metrics Exporter"));
    (
        output.status.code().unwrap(),
        line.unwrap_or_default().to_owned(),
    )
}

fn spawn_with(env: &[(&str, &str)], arguments: &[&str]) -> Daemon {
    let mut command = Command::new(daemon::binary(EXPORTER));
    command
        .envs(env.iter().copied())
        .arg("-web.listen-address=127.0.0.1:0")
        .args(arguments);
    Daemon::spawn(&mut command)
}

#[test]
fn mistakes_end_the_start() {
    for (arguments, code, part) in [
        (&["--nope"][..], 2, "flag provided but not defined: -nope"),
        (&["--debug=maybe"], 2, "invalid boolean value"),
        (&["--check-keys-batch-size=1e3"], 2, "invalid value"),
        (&["--connection-timeout=15"], 1, "connection-timeout"),
        (&["--redis.password-file=/nowhere/p"], 1, "/nowhere/p"),
        (&["--script=/nowhere/a.lua"], 1, "/nowhere/a.lua"),
        (&["--check-keys=a=b=c"], 1, "check-keys"),
        (
            &[
                "--basic-auth-password=marker",
                "--basic-auth-hash-password=marker",
            ],
            1,
            "got both",
        ),
        (&["--basic-auth-hash-password=marker"], 1, "bcrypt"),
        (&["--tls-client-key-file=/nowhere/k"], 1, "got one"),
        (&["--tls-ca-cert-file=/nowhere/ca"], 1, "/nowhere/ca"),
        (&["--tls-server-key-file=/nowhere/k"], 1, "got one"),
        (&["--web.telemetry-path=/scrape"], 1, "/scrape"),
        (&["--web.listen-address=nowhere"], 1, "nowhere"),
        (&["--scrape-allowed-targets=("], 1, "scrape-allowed-targets"),
        (
            &[
                "--web.listen-address=127.0.0.1:0",
                "--web.config.file=/nowhere/web.yml",
            ],
            1,
            "/nowhere/web.yml",
        ),
    ] {
        let (status, line) = fails(arguments);
        assert_eq!(status, code, "{arguments:?}: {line}");
        assert!(line.contains(part), "{arguments:?}: {line}");
        assert!(!line.contains("marker"), "{line}");
    }
    let version = run(EXPORTER, &["-version"]);
    let text = String::from_utf8(version.stdout).unwrap();
    assert!(
        text.contains("level=info msg=\"Redis Metrics Exporter ") && text.contains("GOOS: linux"),
        "{text}"
    );
    assert_eq!(version.status.code(), Some(0));
    let help = run(EXPORTER, &["-h"]);
    assert_eq!((help.status.code(), help.stdout.len()), (Some(0), 0));
    assert!(
        String::from_utf8(help.stderr)
            .unwrap()
            .contains("-check-key-groups string")
    );
}

#[test]
fn variables_are_defaults() {
    let pretender = Pretender::start(b"-ERR pretended\r\n", false);
    let url = format!("redis://{}", pretender.address);
    let secret = ("REDIS_PASSWORD", "marker-variable");
    let help = Command::new(daemon::binary(EXPORTER))
        .envs([("REDIS_ADDR", url.as_str()), secret])
        .arg("-h")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let help = String::from_utf8(help.stderr).unwrap();
    assert!(help.contains(&url) && !help.contains("marker"), "{help}");
    // Set but empty: nothing is scraped, no prefix.
    let exporter = spawn_with(&[("REDIS_ADDR", ""), ("REDIS_EXPORTER_NAMESPACE", "")], &[]);
    let text = exporter.get("/metrics").text();
    assert!(
        text.contains("\nexporter_scrapes_total 1\n") && !text.contains("\nup "),
        "{text}"
    );
    // The command line wins; a bad boolean is ignored.
    let env = [
        ("REDIS_ADDR", url.as_str()),
        ("REDIS_EXPORTER_NAMESPACE", "x"),
        ("REDIS_EXPORTER_REDIS_ONLY_METRICS", "perhaps"),
        ("REDIS_EXPORTER_CONNECTION_TIMEOUT", "200ms"),
    ];
    let exporter = spawn_with(&env, &["-namespace", "y"]);
    let text = exporter.get("/metrics").text();
    assert!(
        text.contains("\ny_up 0\n") && text.contains("\nprocess_cpu_seconds_total "),
        "{text}"
    );
    assert!(text.contains("err=\"ERR pretended\""), "{text}");
    // A switch takes no separate value: what follows is ignored.
    let exporter = spawn_with(&[("REDIS_ADDR", "")], &["-debug", "false", "-namespace=z"]);
    assert!(
        exporter
            .get("/metrics")
            .text()
            .contains("\nredis_exporter_scrapes_total 1\n")
    );
}

#[test]
fn paths() {
    let exporter = Daemon::start(EXPORTER, &[NO_SERVER, "--web.telemetry-path=/m"]);
    for (path, status, body) in [
        ("/health", 200, "ok"),
        ("/", 200, "<a href=\"m\">Metrics</a>"),
        ("/m", 200, "redis_exporter_scrapes_total"),
        ("/metrics", 404, "404 page not found\n"),
        ("/-/reload", 400, "password-file"),
        ("/discover-cluster-nodes", 400, "cluster"),
        ("/scrape", 400, "'target' parameter"),
        (
            "/scrape?target=redis://h:port",
            400,
            "number behind the colon",
        ),
        (
            "/scrape?target=127.0.0.1:1&check-keys=a%3Db%3Dc",
            400,
            "check-keys",
        ),
        ("/scrape?target=http://127.0.0.1:1", 200, "redis_up 0"),
    ] {
        let reply = exporter.get(path);
        assert_eq!(reply.status, status, "{path}");
        assert!(reply.text().contains(body), "{path}: {}", reply.text());
    }
    let reply = exporter.get("/m");
    assert_eq!(
        reply.value("redis_target_scrape_request_errors_total"),
        Some(3.0)
    );
    assert_eq!(reply.value("redis_exporter_scrapes_total"), Some(2.0));
    let target = exporter.get("/scrape?target=127.0.0.1:1");
    assert_eq!(
        target.value("redis_target_scrape_request_errors_total"),
        Some(0.0)
    );
    assert_eq!(target.value("redis_exporter_scrapes_total"), Some(1.0));
    assert!(!target.text().contains("process_cpu_seconds_total"));
    let accept = "Accept: application/openmetrics-text;version=1.0.0\r\nAccept-Encoding: zstd\r\n";
    let reply = exporter.get_with("/m", accept);
    assert!(
        reply
            .header("content-type")
            .unwrap()
            .starts_with("text/plain; version=0.0.4")
    );
    assert_eq!(reply.header("content-encoding"), Some("zstd"));
    assert!(reply.text().contains("redis_exporter_scrapes_total"));
}

#[test]
fn targets_that_are_not_allowed() {
    let pretender = Pretender::start(b"-ERR pretended\r\n", false);
    let allowed = format!(
        "--scrape-allowed-targets={}|redis://other:[0-9]+",
        pretender.address
    );
    let exporter = Daemon::start(
        EXPORTER,
        &[
            NO_SERVER,
            &allowed,
            "--redis.password=marker",
            "--connection-timeout=200ms",
        ],
    );
    for (target, status) in [
        (pretender.address.clone(), 200),
        (format!("redis://someone@{}", pretender.address), 200),
        (format!("{}9", pretender.address), 403),
        ("127.0.0.1:1".to_owned(), 403),
        ("unix:///run/redis.sock".to_owned(), 403),
    ] {
        let reply = exporter.get(&format!("/scrape?target={target}"));
        assert_eq!(reply.status, status, "{target}");
        assert!(!reply.text().contains("marker"), "{}", reply.text());
    }
    let closed = Daemon::start(EXPORTER, &[NO_SERVER, "--disable-scrape-endpoint"]);
    assert_eq!(closed.get("/scrape?target=127.0.0.1:1").status, 404);
}

#[test]
fn passwords_of_the_front_door() {
    let hash = bcrypt::hash("se:cret", 4).unwrap();
    let hash = format!("--basic-auth-hash-password={hash}");
    let credentials = "Authorization: Basic dTpzZTpjcmV0\r\n";
    for secret in ["--basic-auth-password=se:cret", &hash] {
        let exporter = Daemon::start(EXPORTER, &[NO_SERVER, "--basic-auth-username=u", secret]);
        for path in ["/health", "/", "/nope"] {
            let reply = exporter.get(path);
            assert_eq!(reply.status, 401, "{path}");
            let challenge = "Basic realm=\"redis-exporter, charset=UTF-8\"";
            assert_eq!(reply.header("www-authenticate"), Some(challenge));
        }
        assert_eq!(exporter.get_with("/health", credentials).status, 200);
        let wrong = "Authorization: Basic dTp3cm9uZw==\r\n";
        assert_eq!(exporter.get_with("/health", wrong).status, 401);
    }
    let open = Daemon::start(EXPORTER, &[NO_SERVER, "--basic-auth-password=se:cret"]);
    assert_eq!(open.get("/health").status, 200);
}

#[test]
fn https_and_client_certificates() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    std::fs::write(dir.join("ca.pem"), authority.pem()).unwrap();
    authority.issue(&["localhost"]).write(dir);
    let path = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    let certificate = format!("--tls-server-cert-file={}", path("cert.pem"));
    let key = format!("--tls-server-key-file={}", path("key.pem"));
    let authorities = format!("--tls-server-ca-cert-file={}", path("ca.pem"));
    let exporter = Daemon::start(EXPORTER, &[NO_SERVER, &certificate, &key]);
    let health = |exporter: &Daemon, authority: &Authority, client| {
        let mut connection = authority.connect(&exporter.address, client)?;
        connection.get("/health", "").map(|reply| reply.status)
    };
    assert_eq!(health(&exporter, &authority, None).unwrap(), 200);
    // Certificates are replaced without a restart.
    let next = Authority::new();
    next.issue(&["localhost"]).write(dir);
    assert_eq!(health(&exporter, &next, None).unwrap(), 200);
    assert!(health(&exporter, &authority, None).is_err());
    let strict = Daemon::start(EXPORTER, &[NO_SERVER, &certificate, &key, &authorities]);
    assert!(health(&strict, &next, None).is_err());
    let client = authority.issue(&["prometheus"]);
    assert_eq!(health(&strict, &next, Some(&client)).unwrap(), 200);
}

#[test]
fn log_shapes() {
    let mut json = Daemon::start(
        EXPORTER,
        &[NO_SERVER, "--log-format=json", "--log-level=nonsense"],
    );
    json.wait_for_log("\"msg\":\"Listening on\"");
    let log = json.log();
    let mut lines = log.lines();
    assert!(lines.next().unwrap().starts_with("time=\""), "{log}");
    assert!(lines.next().unwrap().starts_with("{\""), "{log}");
    json.signal(rustix::process::Signal::TERM);
    assert_eq!(json.wait().code(), Some(0));
}
