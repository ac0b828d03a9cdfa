//! What clients may try that want the exporter to stop, or to take all memory or processors.

use e2e::pki::Authority;
use e2e::{Client, Daemon};
use std::io;
use tempfile::TempDir;

const NODE: &str = "node_exporter";
const FEW: [&str; 2] = ["--collector.disable-defaults", "--collector.loadavg"];

/// An exporter with TLS, and its certificate's authority and folder.
fn with_tls() -> (Daemon, Authority, TempDir) {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    authority.issue(&["localhost"]).write(folder.path());
    let config = folder.path().join("web.yml");
    let text = "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n";
    std::fs::write(&config, text).unwrap();
    let flag = format!("--web.config.file={}", config.display());
    let node = Daemon::start(NODE, &[&FEW[..], &[&flag]].concat());
    (node, authority, folder)
}

fn descriptors(node: &Daemon) -> usize {
    let path = format!("/proc/{}/fd", node.pid());
    std::fs::read_dir(path).unwrap().count()
}

/// Resident memory in KiB.
fn memory(node: &Daemon) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", node.pid())).unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    let number = line.unwrap().trim().trim_end_matches(" kB");
    number.parse().unwrap()
}

#[test]
fn a_thousand_that_say_nothing_do_not_keep_a_scrape_out() {
    let node = Daemon::start(NODE, &FEW);
    let mut idle = Vec::new();
    for _ in 0..1000 {
        idle.push(Client::connect(&node.address).unwrap());
    }
    assert_eq!(node.get("/metrics").status, 200);
    assert!(descriptors(&node) < 600, "{}", descriptors(&node));
    // Heads that never end are no better.
    for client in &mut idle {
        // Most are closed by now.
        let _closed = client.send("GET /metrics HTTP/1.1\r\nX-Slow: ");
    }
    for _ in 0..600 {
        let mut client = Client::connect(&node.address).unwrap();
        let _closed = client.send("GET /metrics HTTP/1.1\r\nX-Slow: ");
        idle.push(client);
    }
    assert_eq!(node.get("/metrics").status, 200);
    assert!(node.threads() < 20, "{}", node.threads());
}

#[test]
fn many_large_heads_do_not_fill_the_memory() {
    let node = Daemon::start(NODE, &FEW);
    assert_eq!(node.get("/metrics").status, 200);
    let before = memory(&node);
    let head = format!("GET /metrics HTTP/1.1\r\nCookie: {}", "a".repeat(900_000));
    let mut open = Vec::new();
    for _ in 0..200 {
        let mut client = Client::connect(&node.address).unwrap();
        let _refused = client.send(&head);
        open.push(client);
    }
    assert_eq!(node.get("/metrics").status, 200);
    let grown = memory(&node).saturating_sub(before);
    assert!(grown < 100 << 10, "{grown} KiB");
}

#[test]
fn answers_that_nobody_reads_do_not_keep_a_scrape_out() {
    let node = Daemon::start(NODE, &FEW);
    let requests = "GET /metrics HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n".repeat(200);
    let mut deaf = Vec::new();
    for _ in 0..520 {
        let mut client = Client::connect(&node.address).unwrap();
        let _closed = client.send(&requests);
        deaf.push(client);
    }
    let answer = node.get("/-/healthy");
    assert_eq!(answer.status, 200);
    assert!(descriptors(&node) < 600, "{}", descriptors(&node));
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let node = Daemon::start(NODE, &FEW);
    let mut client = node.connect();
    let paths = ["/-/healthy", "/nonsense", "/"];
    let request = |path: &&str| format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    let requests: String = paths.iter().map(request).collect();
    client.send(requests.repeat(100)).unwrap();
    for _ in 0..100 {
        for status in [200, 404, 200] {
            assert_eq!(client.reply(false).unwrap().status, status);
        }
    }
}

#[test]
fn garbage_for_a_handshake_costs_its_own_connection() {
    let (node, authority, _folder) = with_tls();
    let before = descriptors(&node);
    let record = [22, 3, 1, 0x40, 0, 1, 0, 0x3f, 0xfc, 3, 3];
    for garbage in [
        &[0; 300][..],
        &[0xff; 300],
        &record,
        &[22],
        b"\r\n\r\n",
        b"",
    ] {
        for _ in 0..20 {
            let mut client = Client::connect(&node.address).unwrap();
            client.send(garbage).unwrap();
        }
    }
    let mut client = authority.connect(&node.address, None).unwrap();
    assert_eq!(client.get("/metrics", "").unwrap().status, 200);
    // Their ends are noticed one after the other.
    let patience = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while descriptors(&node) > before + 5 {
        assert!(
            std::time::Instant::now() < patience,
            "{}",
            descriptors(&node)
        );
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// A frame of HTTP/2, by RFC 9113, section 4.1.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// GET, https, the path and the authority `x`, by RFC 7541.
const REQUEST: &[u8] = b"\x82\x87\x44\x08/metrics\x41\x01x";

fn http2(node: &Daemon, authority: &Authority) -> Client {
    let mut client = authority.connect_for_http2(&node.address).unwrap();
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    client.send(frame(SETTINGS, 0, 0, &[])).unwrap();
    client
}

/// Sends what `next` makes until the other side ends the connection.
fn until_refused(client: &mut Client, mut next: impl FnMut(u32) -> Vec<u8>) -> io::Error {
    for round in 0..100_000 {
        if let Err(error) = client.send(next(round)) {
            return error;
        }
    }
    panic!("nothing was refused");
}

#[test]
fn streams_that_are_reset_at_once_end_the_connection() {
    let (node, authority, _folder) = with_tls();
    let mut client = http2(&node, &authority);
    until_refused(&mut client, |round| {
        let stream = 2 * round + 1;
        let mut both = frame(HEADERS, END_STREAM | END_HEADERS, stream, REQUEST);
        both.extend(frame(RESET, 0, stream, &8_u32.to_be_bytes()));
        both
    });
    let mut client = authority.connect(&node.address, None).unwrap();
    assert_eq!(client.get("/metrics", "").unwrap().status, 200);
}

#[test]
fn headers_without_end_end_the_connection() {
    let (node, authority, _folder) = with_tls();
    let before = memory(&node);
    for payload in [&b"\x00\x01a\x64"[..], &[]] {
        let payload = match payload {
            [] => Vec::new(),
            start => [start, &[b'b'; 100]].concat().repeat(100),
        };
        let mut client = http2(&node, &authority);
        let start = frame(HEADERS, END_STREAM, 1, REQUEST);
        client.send(start).unwrap();
        until_refused(&mut client, |_| frame(CONTINUATION, 0, 1, &payload));
    }
    let grown = memory(&node).saturating_sub(before);
    assert!(grown < 30 << 10, "{grown} KiB");
    let mut client = authority.connect(&node.address, None).unwrap();
    assert_eq!(client.get("/metrics", "").unwrap().status, 200);
}
