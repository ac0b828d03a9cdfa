//! Every prober of the blackbox exporter against real peers on loopback.

use base64::Engine;
use e2e::pki::{Authority, Leaf};
use e2e::{Daemon, Reply, peers};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use tempfile::TempDir;

/// An exporter with a module file of its own.
struct Blackbox {
    folder: TempDir,
    daemon: Daemon,
}

impl Blackbox {
    /// Starts it with these modules, one in each line; `DIR` stands for its folder.
    fn start(modules: &str, files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let lines: String = modules
            .lines()
            .map(|l| format!("  {}\n", l.trim()))
            .collect();
        let text =
            format!("modules:\n{lines}").replace("DIR", &folder.path().display().to_string());
        let path = folder.path().join("blackbox.yml");
        std::fs::write(&path, text).unwrap();
        let flag = format!("--config.file={}", path.display());
        let daemon = Daemon::start("blackbox_exporter", &[&flag, "--log.prober=debug"]);
        Blackbox { folder, daemon }
    }

    fn probe(&self, module: &str, target: &str) -> Reply {
        let timeout = "X-Prometheus-Scrape-Timeout-Seconds: 10\r\n";
        let path = format!("/probe?module={module}&target={}", escape(target));
        let reply = self.daemon.get_with(&path, timeout);
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply
    }

    /// Probes and compares some series.
    fn expect(&self, module: &str, target: &str, series: &[(&str, f64)]) -> Reply {
        let reply = self.probe(module, target);
        for (name, value) in series {
            assert_eq!(
                reply.value(name),
                Some(*value),
                "{name} of {module} {target}:\n{}\n{}",
                reply.text(),
                self.daemon.log()
            );
        }
        reply
    }
}

fn escape(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    let escaped = |b: u8| {
        if plain(b) {
            char::from(b).to_string()
        } else {
            format!("%{b:02X}")
        }
    };
    text.bytes().map(escaped).collect()
}

fn url(scheme: &str, address: SocketAddr, path: &str) -> String {
    format!("{scheme}://{address}{path}")
}

/// Answers by path.
fn site(request: http::Request<bytes::Bytes>) -> http::Response<peers::Body> {
    let redirect = |to: String| {
        let mut response = peers::text(302, "elsewhere");
        response
            .headers_mut()
            .insert("location", to.parse().unwrap());
        response
    };
    let header = |name: &str| {
        let value = request.headers().get(name);
        value.map_or("-", |v| v.to_str().unwrap()).to_owned()
    };
    let path = request.uri().path();
    match path {
        "/json" => {
            let mut response = peers::text(200, r#"{"status": "ok", "count": 3}"#);
            let date = "Wed, 21 Oct 2015 07:28:00 GMT".parse().unwrap();
            response.headers_mut().insert("last-modified", date);
            response
        }
        "/gzip" => {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(&b"hello ".repeat(1000)).unwrap();
            peers::text(200, encoder.finish().unwrap())
        }
        "/echo" => {
            let (agent, auth) = (header("user-agent"), header("authorization"));
            let (host, two) = (
                header("host"),
                request.headers().get_all("x-two").iter().count(),
            );
            let method = request.method();
            let body = request.body().len();
            peers::text(
                200,
                format!("{method} {host} agent={agent} auth={auth} two={two} body={body}"),
            )
        }
        "/token" => {
            let basic = header("authorization");
            let form = String::from_utf8_lossy(request.body());
            match basic == "Basic aWQ6c2VjcmV0" && form.contains("grant_type=client_credentials") {
                true => peers::text(200, r#"{"access_token": "tok", "token_type": "bearer"}"#),
                false => peers::text(401, "no"),
            }
        }
        "/cookie" => {
            let mut response = redirect("/needs-cookie".to_owned());
            response
                .headers_mut()
                .insert("set-cookie", "a=b; Path=/".parse().unwrap());
            response
        }
        "/needs-cookie" => peers::text(if header("cookie") == "a=b" { 200 } else { 403 }, ""),
        "/twice" => redirect("/once".to_owned()),
        "/once" => redirect("/json".to_owned()),
        "/loop" => redirect("/loop".to_owned()),
        "/away" => redirect("http://localhost:1/".to_owned()),
        _ => match path.strip_prefix("/status/").and_then(|s| s.parse().ok()) {
            Some(status) => peers::text(status, ""),
            None => peers::text(200, "<html>hello</html>"),
        },
    }
}

const OK: (&str, f64) = ("probe_success", 1.0);
const FAILED: (&str, f64) = ("probe_success", 0.0);

#[test]
fn http_requests_redirects_and_checks() {
    let server = peers::Http::start(None, false, site);
    let to = |path: &str| url("http", server.address, path);
    let blackbox = Blackbox::start(
        &format!(
            r#"plain: {{prober: http, http: {{preferred_ip_protocol: ip4}}}}
            only6: {{prober: http, http: {{ip_protocol_fallback: false}}}}
            teapot: {{prober: http, http: {{preferred_ip_protocol: ip4, valid_status_codes: [418, 5xx]}}}}
            stay: {{prober: http, http: {{preferred_ip_protocol: ip4, follow_redirects: "false", valid_status_codes: [302]}}}}
            post: {{prober: http, http: {{preferred_ip_protocol: ip4, method: POST, body: "12345", headers: {{User-Agent: me, X-Two: a}}, http_headers: {{X-Two: {{values: [b]}}}}, fail_if_body_not_matches_regexp: ["^POST 127.*agent=me .*two=2 body=5$"]}}}}
            file: {{prober: http, http: {{preferred_ip_protocol: ip4, body_file: DIR/body, fail_if_body_not_matches_regexp: ["^GET .* body=4$"]}}}}
            basic: {{prober: http, http: {{preferred_ip_protocol: ip4, basic_auth: {{username: u, password_file: DIR/password}}, fail_if_body_not_matches_regexp: ["auth=Basic dTpw "]}}}}
            oauth: {{prober: http, http: {{preferred_ip_protocol: ip4, oauth2: {{client_id: id, client_secret: secret, token_url: "{token}"}}, fail_if_body_not_matches_regexp: ["auth=Bearer tok "]}}}}
            nobody: {{prober: http, http: {{preferred_ip_protocol: ip4, fail_if_body_matches_regexp: [hello]}}}}
            header: {{prober: http, http: {{preferred_ip_protocol: ip4, fail_if_header_not_matches: [{{header: last-modified, regexp: "2015"}}]}}}}
            cel: {{prober: http, http: {{preferred_ip_protocol: ip4, fail_if_body_json_not_matches_cel: "body.status == 'ok' && body.count == 3"}}}}
            gzip: {{prober: http, http: {{preferred_ip_protocol: ip4, compression: gzip}}}}
            little: {{prober: http, http: {{preferred_ip_protocol: ip4, body_size_limit: 5B}}}}
            v2: {{prober: http, http: {{preferred_ip_protocol: ip4, valid_http_versions: [HTTP/2.0]}}}}
            secure: {{prober: http, http: {{preferred_ip_protocol: ip4, fail_if_not_ssl: true}}}}"#,
            token = to("/token")
        ),
        &[("password", "p\n"), ("body", "four")],
    );
    let body = "probe_http_uncompressed_body_length";
    let regex = "probe_failed_due_to_regex";
    for (module, path, series) in [
        (
            "plain",
            "/",
            &[
                OK,
                ("probe_http_status_code", 200.0),
                ("probe_http_version", 1.1),
                (body, 18.0),
                (regex, 0.0),
                ("probe_ip_protocol", 4.0),
            ][..],
        ),
        (
            "plain",
            "/json",
            &[
                OK,
                ("probe_http_content_length", 28.0),
                (
                    "probe_http_last_modified_timestamp_seconds",
                    1_445_412_480.0,
                ),
            ],
        ),
        (
            "plain",
            "/twice",
            &[
                OK,
                ("probe_http_redirects", 2.0),
                ("probe_http_status_code", 200.0),
            ],
        ),
        (
            "plain",
            "/loop",
            &[
                FAILED,
                ("probe_http_redirects", 11.0),
                ("probe_http_status_code", 302.0),
            ],
        ),
        ("plain", "/away", &[FAILED, ("probe_http_status_code", 0.0)]),
        ("plain", "/cookie", &[OK]),
        (
            "plain",
            "/status/404",
            &[FAILED, ("probe_http_status_code", 404.0)],
        ),
        ("only6", "/", &[FAILED, ("probe_ip_protocol", 0.0)]),
        ("teapot", "/status/418", &[OK]),
        ("teapot", "/status/503", &[OK]),
        ("teapot", "/", &[FAILED]),
        (
            "stay",
            "/once",
            &[OK, ("probe_http_redirects", 1.0), (body, 0.0)],
        ),
        ("post", "/echo", &[OK]),
        ("file", "/echo", &[OK]),
        ("basic", "/echo", &[OK]),
        ("oauth", "/echo", &[OK]),
        ("nobody", "/", &[FAILED, (regex, 1.0)]),
        ("nobody", "/json", &[OK, (regex, 0.0)]),
        ("header", "/json", &[OK]),
        ("header", "/", &[FAILED, (regex, 1.0)]),
        ("cel", "/json", &[OK, ("probe_failed_due_to_cel", 0.0)]),
        ("cel", "/", &[FAILED, ("probe_failed_due_to_cel", 1.0)]),
        ("gzip", "/gzip", &[OK, (body, 6000.0)]),
        ("gzip", "/", &[FAILED]),
        ("little", "/", &[FAILED, (body, 5.0)]),
        ("v2", "/", &[FAILED]),
        ("secure", "/", &[FAILED, ("probe_http_ssl", 0.0)]),
    ] {
        blackbox.expect(module, &to(path), series);
    }
    let reply = blackbox.probe("plain", &to("/"));
    for phase in ["resolve", "connect", "tls", "processing", "transfer"] {
        let series = format!("probe_http_duration_seconds{{phase=\"{phase}\"}}");
        assert!(reply.value(&series).is_some(), "{series}");
    }
    assert!(reply.value("probe_failed_due_to_cel").is_none());
}

/// A server that answers each path with bytes as they are, and closes.
fn answering(answers: &'static [(&'static str, &'static [u8])]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                match stream.read(&mut byte) {
                    Ok(1) => head.extend_from_slice(&byte),
                    _ => break,
                }
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let path = head.split(' ').nth(1).unwrap_or_default();
            if let Some((_, answer)) = answers.iter().find(|a| a.0 == path) {
                // The exporter may leave before it has read all.
                let _ = stream.write_all(answer);
            }
        }
    });
    address
}

#[test]
fn answers_out_of_the_ordinary() {
    let address = answering(&[
        ("/folded", b"HTTP/1.1 200 OK\nX-A: a\n b\n\nbody"),
        (
            "/early",
            b"HTTP/1.1 103 x\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\n\r\nbody",
        ),
        (
            "/both",
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n\
              4;x=y\r\nbody\r\n0\r\nX-T: a\r\n\r\n",
        ),
        (
            "/cut",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n",
        ),
        (
            "/two",
            b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nbody",
        ),
        ("/ssh", b"SSH-2.0-server\r\n"),
        (
            "/old",
            b"HTTP/1.0 200 OK\r\nLast-Modified: thu, 21 oct 1965 7:28:00 GMT\r\n\r\nbody",
        ),
    ]);
    let exporter = Blackbox::start(
        "http: {prober: http, http: {preferred_ip_protocol: ip4}}
        folded: {prober: http, http: {preferred_ip_protocol: ip4, fail_if_header_not_matches: [{header: X-A, regexp: '^a b$'}]}}",
        &[],
    );
    let length = "probe_http_uncompressed_body_length";
    for (path, success, told, bytes, version) in [
        ("/folded", 1.0, -1.0, 4.0, 1.1),
        ("/early", 1.0, -1.0, 4.0, 1.1),
        ("/both", 1.0, -1.0, 4.0, 1.1),
        ("/cut", 0.0, -1.0, 4.0, 1.1),
        ("/two", 0.0, 0.0, 0.0, 0.0),
        ("/ssh", 0.0, 0.0, 0.0, 0.0),
        ("/old", 1.0, -1.0, 4.0, 1.0),
    ] {
        let reply = exporter.expect(
            "http",
            &url("http", address, path),
            &[
                ("probe_success", success),
                ("probe_http_content_length", told),
                (length, bytes),
                ("probe_http_version", version),
            ],
        );
        let processing = reply.value("probe_http_duration_seconds{phase=\"processing\"}");
        assert!(processing > Some(0.0), "{path}: {processing:?}");
    }
    let modified = ("probe_http_last_modified_timestamp_seconds", -132_424_320.0);
    exporter.expect("http", &url("http", address, "/old"), &[modified]);
    exporter.expect(
        "folded",
        &url("http", address, "/folded"),
        &[("probe_success", 1.0)],
    );
}

#[test]
fn certificates() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let names: &[&str] = &["localhost", "127.0.0.1"];
    let start = |leaf: &Leaf, wants: Option<&str>| {
        peers::Http::start(Some(peers::tls(leaf, wants)), false, site)
    };
    let good = start(&authority.issue_for(names, (2020, 2050)), None);
    let expired = start(&authority.issue_for(names, (2020, 2021)), None);
    let elsewhere = start(&authority.issue_for(&["other.test"], (2020, 2050)), None);
    let unknown = start(&stranger.issue_for(names, (2020, 2050)), None);
    let demanding = start(
        &authority.issue_for(names, (2020, 2050)),
        Some(&authority.pem()),
    );
    let client = authority.issue_for(&["client"], (2020, 2050));
    let blackbox = Blackbox::start(
        r#"tls: {prober: http, http: {preferred_ip_protocol: ip4, tls_config: {ca_file: DIR/ca.pem}}}
        h1: {prober: http, http: {preferred_ip_protocol: ip4, enable_http2: false, tls_config: {ca_file: DIR/ca.pem}}}
        named: {prober: http, http: {preferred_ip_protocol: ip4, tls_config: {ca_file: DIR/ca.pem, server_name: other.test}}}
        client: {prober: http, http: {preferred_ip_protocol: ip4, tls_config: {ca_file: DIR/ca.pem, cert_file: DIR/client.pem, key_file: DIR/client.key}}}
        careless: {prober: http, http: {preferred_ip_protocol: ip4, tls_config: {insecure_skip_verify: "true"}}}
        nofile: {prober: http, http: {preferred_ip_protocol: ip4, tls_config: {ca_file: DIR/none.pem}}}
        stream: {prober: tcp, tcp: {preferred_ip_protocol: ip4, tls: true, tls_config: {ca_file: DIR/ca.pem}}}"#,
        &[
            ("ca.pem", &authority.pem()),
            ("client.pem", &client.certificate),
            ("client.key", &client.key),
        ],
    );
    let earliest = "probe_ssl_earliest_cert_expiry";
    let last = "probe_ssl_last_chain_expiry_timestamp_seconds";
    // The first of January of 2050 and of 2021.
    let (end, ended) = (2_524_608_000.0, 1_609_459_200.0);
    let to = |server: &peers::Http| url("https", server.address, "/");
    for (module, server, series) in [
        (
            "tls",
            &good,
            &[
                OK,
                (earliest, end),
                (last, end),
                ("probe_http_ssl", 1.0),
                ("probe_http_version", 2.0),
                ("probe_tls_version_info{version=\"TLS 1.3\"}", 1.0),
                (
                    "probe_tls_cipher_info{cipher=\"TLS_AES_128_GCM_SHA256\"}",
                    1.0,
                ),
            ][..],
        ),
        ("h1", &good, &[OK, ("probe_http_version", 1.1)]),
        ("named", &elsewhere, &[OK]),
        ("named", &good, &[FAILED]),
        (
            "tls",
            &elsewhere,
            &[FAILED, ("probe_http_status_code", 0.0)],
        ),
        ("tls", &expired, &[FAILED, (earliest, ended)]),
        ("tls", &unknown, &[FAILED]),
        ("tls", &demanding, &[FAILED]),
        ("client", &demanding, &[OK]),
        (
            "careless",
            &expired,
            &[OK, (earliest, ended), (last, -62_135_596_800.0)],
        ),
        ("careless", &unknown, &[OK]),
        ("nofile", &good, &[FAILED]),
    ] {
        blackbox.expect(module, &to(server), series);
    }
    let reply = blackbox.expect(
        "stream",
        &good.address.to_string(),
        &[OK, (earliest, end), (last, end)],
    );
    let text = reply.text();
    assert!(
        text.contains("probe_ssl_last_chain_info{fingerprint_sha256=\""),
        "{text}"
    );
    assert!(
        text.contains("subjectalternative=\"localhost\"")
            && !text.contains("probe_tls_cipher_info")
    );
    let failed = blackbox.probe("stream", &expired.address.to_string());
    assert!(failed.value("probe_failed_due_to_regex").is_none());
    assert_eq!(failed.value(last), None);
}

#[test]
fn conversations() {
    let authority = Authority::new();
    let config = peers::tls(&authority.issue(&["127.0.0.1"]), None);
    let ssh = peers::Scripted::start(|mut stream| {
        stream.write_all(b"welcome\r\nSSH-2.0-OpenSSH_9.2 Debian\r\n")?;
        assert_eq!(peers::line(&mut stream)?, "SSH-2.0-check OpenSSH_9.2");
        stream.write_all(b"bye\n")
    });
    let smtp = peers::Scripted::start(move |mut stream| {
        stream.write_all(b"220 mail\r\n")?;
        peers::line(&mut stream)?;
        stream.write_all(b"250-mail\r\n250-STARTTLS\r\n250 OK\r\n")?;
        peers::line(&mut stream)?;
        stream.write_all(b"220 go on\r\n")?;
        let mut stream = peers::upgrade(stream, &config)?;
        peers::line(&mut stream)?;
        stream.write_all(b"250-AUTH\r\n")?;
        peers::line(&mut stream)?;
        stream.write_all(b"221 bye\r\n")
    });
    let bytes = peers::Scripted::start(|mut stream| {
        for piece in [b"S".as_slice(), b"ES"] {
            stream.write_all(piece)?;
            stream.flush()?;
        }
        peers::line(&mut stream).map(drop)
    });
    let hung = peers::Scripted::start(|mut stream| peers::line(&mut stream).map(drop));
    let blackbox = Blackbox::start(
        r#"open: {prober: tcp, tcp: {preferred_ip_protocol: ip4}}
        from: {prober: tcp, tcp: {preferred_ip_protocol: ip4, source_ip_address: 127.0.0.9}}
        ssh: {prober: tcp, tcp: {preferred_ip_protocol: ip4, query_response: [{expect: "^SSH-2.0-([^ -]+)(?: (.*))?$", send: "SSH-2.0-check ${1}", labels: [{name: version, value: "$1"}, {name: comment, value: "$2"}]}, {expect: bye}]}}
        smtp: {prober: tcp, tcp: {preferred_ip_protocol: ip4, tls_config: {ca_file: DIR/ca.pem}, query_response: [{expect: "^220 "}, {send: "EHLO me\r"}, {expect: "^250-STARTTLS"}, {send: "STARTTLS\r"}, {expect: "^220 "}, {starttls: true}, {send: "EHLO me\r"}, {expect: "^250-AUTH"}, {send: "QUIT\r"}]}}
        bytes: {prober: tcp, tcp: {preferred_ip_protocol: ip4, query_response: [{expect_bytes: SES}]}}
        wrong: {prober: tcp, tcp: {preferred_ip_protocol: ip4, query_response: [{expect_bytes: SEX}]}}
        never: {prober: tcp, timeout: 500ms, tcp: {preferred_ip_protocol: ip4, query_response: [{expect: "^220"}]}}
        unix: {prober: unix, unix: {query_response: [{expect: "^PONG (\\d+)", labels: [{name: number, value: "$1"}]}]}}"#,
        &[("ca.pem", &authority.pem())],
    );
    let regex = "probe_failed_due_to_regex";
    let at = |server: &peers::Scripted| server.address.to_string();
    blackbox.expect(
        "open",
        &at(&ssh),
        &[OK, (regex, 0.0), ("probe_ip_protocol", 4.0)],
    );
    blackbox.expect("from", &at(&hung), &[OK]);
    let info = "probe_expect_info{comment=\"Debian\",version=\"OpenSSH_9.2\"}";
    blackbox.expect("ssh", &at(&ssh), &[OK, (info, 1.0)]);
    let reply = blackbox.expect("smtp", &at(&smtp), &[OK]);
    assert!(reply.value("probe_ssl_earliest_cert_expiry").is_some());
    blackbox.expect(
        "bytes",
        &at(&bytes),
        &[OK, ("probe_failed_due_to_bytes", 0.0)],
    );
    blackbox.expect(
        "wrong",
        &at(&bytes),
        &[FAILED, ("probe_failed_due_to_bytes", 1.0)],
    );
    blackbox.expect("never", &at(&hung), &[FAILED, (regex, 0.0)]);
    let closed = blackbox.probe("open", "127.0.0.1:1");
    assert_eq!(
        (closed.value(FAILED.0), closed.value(regex)),
        (Some(0.0), None)
    );
    let path = blackbox.folder.path().join("socket");
    pong(&path);
    let info = "probe_expect_info{number=\"7\"}";
    let reply = blackbox.expect("unix", &path.display().to_string(), &[OK, (info, 1.0)]);
    assert!(reply.value("probe_ip_protocol").is_none());
    blackbox.expect("unix", "/nonexistent", &[FAILED]);
}

#[test]
fn datagrams() {
    let peer = peers::Datagrams::start(|datagram| match datagram {
        b"hello" => vec![b"busy\n".to_vec(), b"hi there\r\n".to_vec()],
        b"thanks there" => vec![b"\x00\x01rest".to_vec()],
        b"short" => vec![b"\x00".to_vec()],
        _ => Vec::new(),
    });
    let blackbox = Blackbox::start(
        r#"talk: {prober: udp, udp: {preferred_ip_protocol: ip4, query_response: [{send: hello}, {expect: "^hi (.*)$", send: "thanks $1", labels: [{name: who, value: "$1"}]}, {expect_bytes: "\0\x01"}]}}
        other: {prober: udp, timeout: 500ms, udp: {preferred_ip_protocol: ip4, query_response: [{send: hello}, {expect: "^ho"}]}}
        wrong: {prober: udp, udp: {preferred_ip_protocol: ip4, query_response: [{send: hello}, {expect_bytes: "\0\x02"}]}}
        short: {prober: udp, udp: {preferred_ip_protocol: ip4, query_response: [{send: short}, {expect_bytes: "\0\x01"}]}}
        silent: {prober: udp, timeout: 500ms, udp: {preferred_ip_protocol: ip4, query_response: [{send: sh}, {expect: ""}]}}
        one_way: {prober: udp, udp: {preferred_ip_protocol: ip4, source_ip_address: 127.0.0.9, query_response: [{send: log}]}}
        knock: {prober: udp, udp: {preferred_ip_protocol: ip4, address_info: true}}"#,
        &[],
    );
    let (regex, bytes) = ("probe_failed_due_to_regex", "probe_failed_due_to_bytes");
    let at = peer.address.to_string();
    let who = "probe_expect_info{who=\"there\"}";
    blackbox.expect("talk", &at, &[OK, (who, 1.0), (regex, 0.0), (bytes, 0.0)]);
    blackbox.expect("other", &at, &[FAILED, (regex, 1.0)]);
    blackbox.expect("wrong", &at, &[FAILED, (bytes, 1.0)]);
    blackbox.expect("short", &at, &[FAILED, (bytes, 0.0)]);
    blackbox.expect("silent", &at, &[FAILED, (regex, 0.0)]);
    blackbox.expect("one_way", &at, &[OK]);
    let info = "probe_ip_info{ip=\"127.0.0.1\"}";
    blackbox.expect("knock", &at, &[OK, (info, 1.0)]);
    // Nobody listens where somebody did; the system says so at once.
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let closed = socket.local_addr().unwrap().to_string();
    drop(socket);
    for module in ["talk", "one_way", "knock"] {
        let reply = blackbox.expect(module, &closed, &[FAILED]);
        let seconds = reply.value("probe_duration_seconds").unwrap();
        assert!(seconds < 5.0, "{module}: {seconds}");
    }
    if Path::new("/proc/net/if_inet6").exists() {
        let socket = std::net::UdpSocket::bind("[::1]:0").unwrap();
        let at = socket.local_addr().unwrap().to_string();
        blackbox.expect("knock", &at, &[OK, ("probe_ip_protocol", 6.0)]);
        drop(socket);
        blackbox.expect("knock", &at, &[FAILED, ("probe_ip_protocol", 6.0)]);
    }
    let reply = blackbox.probe("knock", "127.0.0.1");
    assert_eq!(reply.value("probe_ip_protocol"), None);
}

/// Answers one connection of a unix socket.
fn pong(path: &Path) {
    let listener = std::os::unix::net::UnixListener::bind(path).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"PONG 7\n").unwrap();
    });
}

#[test]
fn names() {
    let authority = Authority::new();
    let server = peers::Dns::start();
    let config = peers::tls(&authority.issue(&["127.0.0.1"]), None);
    let secure = peers::Scripted::start(move |stream| {
        peers::over_stream(&mut peers::upgrade(stream, &config)?)
    });
    let blackbox = Blackbox::start(
        r#"a: {prober: dns, dns: {preferred_ip_protocol: ip4, query_name: a.test, query_type: A, validate_answer_rrs: {fail_if_not_matches_regexp: ["^a.test.\t60\tIN\tA\t127"]}}}
        none: {prober: dns, dns: {preferred_ip_protocol: ip4, query_name: b.test, query_type: A}}
        wanted: {prober: dns, dns: {preferred_ip_protocol: ip4, query_name: b.test, query_type: A, valid_rcodes: [NXDOMAIN]}}
        soa: {prober: dns, dns: {preferred_ip_protocol: ip4, query_name: a.test, query_type: SOA, query_info: true}}
        mx: {prober: dns, dns: {preferred_ip_protocol: ip4, query_name: a.test, query_type: MX, transport_protocol: tcp, validate_answer_rrs: {fail_if_none_matches_regexp: ["MX\t10 mx.a.test.$"]}}}
        tls: {prober: dns, dns: {preferred_ip_protocol: ip4, query_name: a.test, query_type: MX, transport_protocol: tcp, dns_over_tls: true, tls_config: {ca_file: DIR/ca.pem}}}
        forbidden: {prober: dns, dns: {preferred_ip_protocol: ip4, query_name: a.test, query_type: A, validate_answer_rrs: {fail_if_matches_regexp: ["0.2$"]}}}"#,
        &[("ca.pem", &authority.pem())],
    );
    let answered = ("probe_dns_query_succeeded", 1.0);
    let at = server.address.to_string();
    blackbox.expect("a", &at, &[OK, answered, ("probe_dns_answer_rrs", 2.0)]);
    blackbox.expect(
        "none",
        &at,
        &[FAILED, answered, ("probe_dns_answer_rrs", 0.0)],
    );
    blackbox.expect("wanted", &at, &[OK]);
    let info = "probe_dns_query_info{query_name=\"a.test\",query_type=\"SOA\"}";
    blackbox.expect("soa", &at, &[OK, ("probe_dns_serial", 42.0), (info, 1.0)]);
    blackbox.expect("soa", "127.0.0.1:1", &[FAILED, (info, 1.0)]);
    blackbox.expect("mx", &at, &[OK]);
    blackbox.expect("tls", &secure.address.to_string(), &[OK, answered]);
    blackbox.expect("tls", &at, &[FAILED, ("probe_dns_query_succeeded", 0.0)]);
    blackbox.expect("forbidden", &at, &[FAILED]);
    let reply = blackbox.probe("a", "127.0.0.1:1");
    assert_eq!(reply.value("probe_dns_query_succeeded"), Some(0.0));
    assert!(reply.value("probe_dns_serial").is_none());
}

/// A server of HTTP/2 that resets the first stream for a reason.
fn resetting(reason: u8) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
        stream.write_all(&settings).unwrap();
        stream.read_exact(&mut [0; 24]).unwrap();
        let mut head = [0; 9];
        // The headers of the call are a frame of type 1.
        while head[3] != 1 {
            stream.read_exact(&mut head).unwrap();
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            stream.read_exact(&mut vec![0; length as usize]).unwrap();
        }
        let reset = [0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, reason];
        stream.write_all(&reset).unwrap();
        // It stays until the client goes.
        let _ = stream.read_to_end(&mut Vec::new());
    });
    address
}

#[test]
fn calls() {
    let authority = Authority::new();
    let services: &'static [(&str, u8)] = &[("", 1), ("up", 1), ("down", 2), ("new", 7)];
    let plain = peers::Http::start(None, true, peers::health(services));
    let config = peers::tls(&authority.issue(&["127.0.0.1"]), None);
    let secure = peers::Http::start(Some(config), true, peers::health(services));
    let other = peers::Http::start(None, true, site);
    let blackbox = Blackbox::start(
        r#"whole: {prober: grpc}
        up: {prober: grpc, grpc: {preferred_ip_protocol: ip4, service: up, metadata: {X-Key: [a]}}}
        down: {prober: grpc, grpc: {preferred_ip_protocol: ip4, service: down}}
        new: {prober: grpc, grpc: {preferred_ip_protocol: ip4, service: new, metadata: {te: [x], content-type: [text/plain]}}}
        missing: {prober: grpc, grpc: {preferred_ip_protocol: ip4, service: missing}}
        tls: {prober: grpc, grpc: {preferred_ip_protocol: ip4, service: up, tls: true, tls_config: {ca_file: DIR/ca.pem}}}"#,
        &[("ca.pem", &authority.pem())],
    );
    let status = |code: f64| ("probe_grpc_status_code", code);
    let serving =
        |word: &str| format!("probe_grpc_healthcheck_response{{serving_status=\"{word}\"}}");
    let (up, down) = (serving("SERVING"), serving("NOT_SERVING"));
    let at = plain.address.to_string();
    blackbox.expect("whole", &at, &[OK, status(0.0), (&up, 1.0), (&down, 0.0)]);
    blackbox.expect("up", &at, &[OK, status(0.0), ("probe_grpc_ssl", 0.0)]);
    blackbox.expect(
        "down",
        &at,
        &[FAILED, status(0.0), (&up, 0.0), (&down, 1.0)],
    );
    blackbox.expect("missing", &at, &[FAILED, status(5.0), (&up, 0.0)]);
    let new = serving("7");
    blackbox.expect("new", &at, &[FAILED, status(0.0), (&up, 0.0), (&new, 1.0)]);
    for (reason, code) in [(2, 13.0), (7, 14.0), (8, 1.0), (11, 8.0)] {
        let at = resetting(reason).to_string();
        blackbox.expect("up", &at, &[FAILED, status(code)]);
    }
    let at = secure.address.to_string();
    let reply = blackbox.expect("tls", &at, &[OK, ("probe_grpc_ssl", 1.0)]);
    assert!(reply.value("probe_ssl_earliest_cert_expiry").is_some());
    assert!(
        reply
            .value("probe_ssl_last_chain_expiry_timestamp_seconds")
            .is_none()
    );
    blackbox.expect("tls", &plain.address.to_string(), &[FAILED, status(14.0)]);
    blackbox.expect("up", "127.0.0.1:1", &[FAILED, status(14.0)]);
    blackbox.expect("up", &other.address.to_string(), &[FAILED, status(2.0)]);
}

#[test]
fn echoes() {
    let blackbox = Blackbox::start(
        r#"four: {prober: icmp, icmp: {preferred_ip_protocol: ip4}}
        six: {prober: icmp}
        large: {prober: icmp, icmp: {preferred_ip_protocol: ip4, payload_size: 2000, ttl: "9", source_ip_address: 127.0.0.3}}
        whole: {prober: icmp, icmp: {preferred_ip_protocol: ip4, dont_fragment: true}}
        several: {prober: icmp, icmp: {preferred_ip_protocol: ip4, count: 3, interval: 200ms}}
        huge: {prober: icmp, icmp: {preferred_ip_protocol: ip4, payload_size: -1}}"#,
        &[],
    );
    // Neither kind of socket may be open to whoever runs this.
    let may = blackbox.probe("four", "127.0.0.1").value("probe_success") == Some(1.0);
    if !may && !rustix::process::geteuid().is_root() {
        assert!(blackbox.daemon.log().contains("opening an ICMP socket"));
        return;
    }
    let hops = "probe_icmp_reply_hop_limit";
    blackbox.expect(
        "four",
        "127.0.0.1",
        &[OK, (hops, 64.0), ("probe_ip_protocol", 4.0)],
    );
    blackbox.expect("large", "127.0.0.1", &[OK]);
    blackbox.expect("huge", "127.0.0.1", &[FAILED]);
    let counts = [
        OK,
        ("probe_icmp_packets_sent", 3.0),
        ("probe_icmp_packets_received", 3.0),
    ];
    let reply = blackbox.expect("several", "127.0.0.1", &counts);
    let trip = |stat| reply.value(&format!("probe_icmp_rtt_seconds{{stat=\"{stat}\"}}"));
    assert!(trip("min") <= trip("mean") && trip("mean") <= trip("max"));
    assert!(trip("min") > Some(0.0) && trip("stddev").is_some());
    if Path::new("/proc/net/if_inet6").exists() {
        blackbox.expect(
            "six",
            "::1",
            &[OK, (hops, 64.0), ("probe_ip_protocol", 6.0)],
        );
    }
    if rustix::process::geteuid().is_root() {
        blackbox.expect("whole", "127.0.0.1", &[OK, (hops, 64.0)]);
    }
    let reply = blackbox.probe("four", "nonexistent.invalid");
    let rtt = "probe_icmp_duration_seconds{phase=\"rtt\"}";
    assert_eq!((reply.value(rtt), reply.value(hops)), (Some(0.0), None));
}

/// Answers one request and tells who asked, and for which host.
fn one_request() -> (
    SocketAddr,
    std::thread::JoinHandle<(std::net::IpAddr, String)>,
) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, peer) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut buffer = [0; 1024];
        while !request.windows(4).any(|w| w == b"\r\n\r\n") {
            let count = stream.read(&mut buffer).unwrap();
            if count == 0 {
                break;
            }
            request.extend_from_slice(&buffer[..count]);
        }
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        stream.write_all(answer).unwrap();
        let request = String::from_utf8_lossy(&request).to_ascii_lowercase();
        let host = request.lines().find_map(|l| l.strip_prefix("host: "));
        (peer.ip(), host.unwrap_or_default().to_owned())
    });
    (address, server)
}

#[test]
fn addresses_that_the_module_gives() {
    let blackbox = Blackbox::start(
        "from: {prober: http, http: {preferred_ip_protocol: ip4, source_ip_address: 127.0.0.2}}
         to: {prober: http, http: {preferred_ip_protocol: ip4, dial_address: 127.0.0.1, address_info: true}}
         odd: {prober: http, http: {preferred_ip_protocol: ip4, source_ip_address: nowhere}}
         call: {prober: grpc, grpc: {preferred_ip_protocol: ip4, source_ip_address: 127.0.0.2}}",
        &[],
    );
    let (address, server) = one_request();
    blackbox.expect(
        "from",
        &url("http", address, "/"),
        &[("probe_success", 1.0)],
    );
    assert_eq!(server.join().unwrap().0.to_string(), "127.0.0.2");

    let (address, server) = one_request();
    let target = format!("http://Bücher.example:{}/", address.port());
    let info = r#"probe_ip_info{ip="127.0.0.1"}"#;
    blackbox.expect("to", &target, &[("probe_success", 1.0), (info, 1.0)]);
    let (_, host) = server.join().unwrap();
    assert_eq!(host, format!("xn--bcher-kva.example:{}", address.port()));

    let failed = &[("probe_success", 0.0)];
    blackbox.expect("odd", "http://127.0.0.1:9/", failed);

    let (address, server) = one_request();
    blackbox.expect("call", &address.to_string(), failed);
    assert_eq!(server.join().unwrap().0.to_string(), "127.0.0.2");
}

#[test]
fn web_sockets_and_proxies() {
    let socket = peers::Scripted::start(|mut stream| {
        let head = peers::head(&mut stream)?;
        let key = head
            .iter()
            .find_map(|l| l.strip_prefix("Sec-Websocket-Key: "));
        let head: String = match key {
            Some(key) => accept(key),
            None => "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n".to_owned(),
        };
        stream.write_all(head.as_bytes())?;
        stream.write_all(b"\x81\x05hello")?;
        peers::line(&mut stream).map(drop)
    });
    let proxy = peers::Scripted::start(|mut stream| {
        let head = peers::head(&mut stream)?;
        let authorized = head.iter().any(|l| l == "Proxy-Authorization: Basic dTpw");
        let known = head[0] == "GET http://named.invalid/x HTTP/1.1";
        let status = if authorized && known {
            "200 OK"
        } else {
            "502 Bad Gateway"
        };
        write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"
        )
    });
    let blackbox = Blackbox::start(
        &format!(
            r#"open: {{prober: websocket, websocket: {{preferred_ip_protocol: ip4}}}}
            hello: {{prober: websocket, websocket: {{preferred_ip_protocol: ip4, query_response: [{{expect: "^hello$", send: bye}}]}}}}
            other: {{prober: websocket, websocket: {{preferred_ip_protocol: ip4, query_response: [{{expect: "^bye$"}}]}}}}
            proxied: {{prober: http, http: {{skip_resolve_phase_with_proxy: true, proxy_url: "http://u:p@{}"}}}}"#,
            proxy.address
        ),
        &[],
    );
    let to = url("ws", socket.address, "/chat");
    let upgraded = ("probe_websocket_connection_upgraded", 1.0);
    blackbox.expect(
        "open",
        &to,
        &[OK, upgraded, ("probe_websocket_status_code", 101.0)],
    );
    blackbox.expect("hello", &to, &[OK, upgraded]);
    let regex = ("probe_websocket_failed_due_to_regex", 1.0);
    blackbox.expect("other", &to, &[FAILED, upgraded, regex]);
    blackbox.expect("open", "http://127.0.0.1/", &[FAILED]);
    let reply = blackbox.expect("proxied", "named.invalid/x", &[OK]);
    assert!(reply.value("probe_ip_protocol").is_none());
}

/// The answer to an upgrade (RFC 6455, section 4.2.2).
fn accept(key: &str) -> String {
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
    let packed = base64::engine::general_purpose::STANDARD.encode(digest);
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {packed}\r\n\r\n"
    )
}
