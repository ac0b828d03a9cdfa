//! Processes of supervisord, by its XML-RPC interface.

use crate::host::Host;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Error, Scrape};
use exporter_core::exposition::{Arena, Family};
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

exporter_core::flags! {
    /// Flags of this collector.
    pub struct Flags {
        /// Address of supervisord's XML-RPC interface; unix:///path for a socket.
        "collector.supervisord.url" [env("SUPERVISORD_URL"), secret()] url: String = ["http://localhost:9001/RPC2"];
    }
}

/// Flags of this collector.
pub const FLAGS: &[Flag] = Flags::TABLE;

const PROCESS: &[&str] = &["group", "name"];
static STATE: Family = Family::gauge(
    "node_supervisord_state",
    PROCESS,
    "State of a process, as supervisord numbers them.",
);
static EXIT: Family = Family::gauge(
    "node_supervisord_exit_status",
    PROCESS,
    "Exit status of a process.",
);
static UP: Family = Family::gauge("node_supervisord_up", PROCESS, "Whether a process is up.");
static START: Family = Family::counter(
    "node_supervisord_start_time_seconds",
    PROCESS,
    "Start of a process in seconds since the epoch.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&STATE, &EXIT, &UP, &START]
}

const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of an answer that are read.
const LONGEST: u64 = 16 << 20;
const BODY: &str = "<?xml version=\"1.0\"?><methodCall><methodName>supervisor.getAllProcessInfo</methodName><params></params></methodCall>";

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    tracing::warn!("This collector is deprecated: supervisord");
    let server = Server::parse(&Flags::read(&host.matches)?.url)?;
    Ok(Box::new(move |out: &mut Arena, scrape: &Scrape| {
        let answer = server
            .ask(scrape.deadline)
            .map_err(|e| format!("could not ask supervisord: {e}"))?;
        for process in parse(&answer)? {
            process.put(out);
        }
        Ok::<(), Error>(())
    }))
}

/// Where supervisord listens. The credentials are never shown.
struct Server {
    socket: Option<String>,
    authority: String,
    path: String,
    authorization: String,
}

impl Server {
    fn parse(url: &str) -> Result<Self, String> {
        let bad = || {
            "--collector.supervisord.url: expected http://HOST:PORT/PATH or unix:///PATH".to_owned()
        };
        let (scheme, rest) = url.split_once("://").ok_or_else(bad)?;
        if scheme == "unix" {
            let path = &rest[rest.find('/').ok_or_else(bad)?..];
            return Ok(Server {
                socket: Some(path.to_owned()),
                authority: "unix".to_owned(),
                path: "/RPC2".to_owned(),
                authorization: String::new(),
            });
        }
        if scheme != "http" {
            return Err(bad());
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        let authorization = match user {
            "" => String::new(),
            user => format!("Authorization: Basic {}\r\n", BASE64.encode(user)),
        };
        let port = if host.contains(':') { "" } else { ":80" };
        Ok(Server {
            socket: None,
            authority: format!("{host}{port}"),
            path: if path.is_empty() { "/" } else { path }.to_owned(),
            authorization,
        })
    }

    fn ask(&self, deadline: Instant) -> io::Result<String> {
        let patience = deadline
            .saturating_duration_since(Instant::now())
            .min(PATIENCE);
        let patience = patience.max(Duration::from_millis(1));
        match &self.socket {
            Some(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(patience))?;
                stream.set_write_timeout(Some(patience))?;
                self.exchange(stream)
            }
            None => {
                let address = self.authority.to_socket_addrs()?.next();
                let address = address.ok_or_else(|| io::Error::other("the name has no address"))?;
                let stream = TcpStream::connect_timeout(&address, patience)?;
                stream.set_read_timeout(Some(patience))?;
                stream.set_write_timeout(Some(patience))?;
                self.exchange(stream)
            }
        }
    }

    fn exchange(&self, mut stream: impl Read + Write) -> io::Result<String> {
        let request = format!(
            "POST {} HTTP/1.0\r\nHost: {}\r\n{}Content-Type: text/xml\r\nContent-Length: {}\r\n\r\n{BODY}",
            self.path,
            self.authority,
            self.authorization,
            BODY.len()
        );
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        stream.take(LONGEST).read_to_end(&mut answer)?;
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer
            .split_once("\r\n\r\n")
            .ok_or_else(|| io::Error::other("expected an HTTP answer"))?;
        let status = head.split(' ').nth(1).unwrap_or("");
        match status.starts_with('2') {
            true => Ok(body.to_owned()),
            false => Err(io::Error::other(format!("HTTP status {status}"))),
        }
    }
}

/// One process.
#[derive(Debug, Default, PartialEq)]
pub struct Process {
    name: String,
    group: String,
    state: i64,
    exit_status: i64,
    start: i64,
}

impl Process {
    fn put(&self, out: &mut Arena) {
        let labels = [self.group.as_str(), &self.name];
        // Starting, running and stopping.
        let up = matches!(self.state, 10 | 20 | 40);
        out.put(&STATE, &labels, self.state as f64);
        out.put(&EXIT, &labels, self.exit_status as f64);
        out.put(&UP, &labels, f64::from(u8::from(up)));
        if up {
            out.put(&START, &labels, self.start as f64);
        }
    }
}

/// Reads the structures of a method response.
pub fn parse(answer: &str) -> Result<Vec<Process>, String> {
    if answer.contains("<fault>") {
        return Err("supervisord answered with a fault".to_owned());
    }
    if !answer.contains("<methodResponse>") || !answer.contains("<array>") {
        return Err("expected a method response with an array".to_owned());
    }
    let mut processes = Vec::new();
    for structure in answer.split("<struct>").skip(1) {
        let structure = structure.split("</struct>").next().unwrap_or("");
        let mut process = Process::default();
        for member in structure.split("<member>").skip(1) {
            let name = between(member, "<name>", "</name>").unwrap_or_default();
            let value = between(member, "<value>", "</value>").unwrap_or_default();
            let text = || {
                unescape(
                    between(&value, "<string>", "</string>")
                        .as_deref()
                        .unwrap_or(value.trim()),
                )
            };
            let number = || {
                let digits =
                    between(&value, "<int>", "</int>").or_else(|| between(&value, "<i4>", "</i4>"));
                let number = digits.and_then(|d| d.trim().parse().ok());
                number.ok_or_else(|| format!("expected a whole number of {name}"))
            };
            match name.trim() {
                "name" => process.name = text(),
                "group" => process.group = text(),
                "state" => process.state = number()?,
                "exitstatus" => process.exit_status = number()?,
                "start" => process.start = number()?,
                _ => {}
            }
        }
        processes.push(process);
    }
    Ok(processes)
}

fn between(text: &str, open: &str, close: &str) -> Option<String> {
    let (_, rest) = text.split_once(open)?;
    Some(rest.split_once(close)?.0.to_owned())
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;
    use proptest::prelude::*;
    use std::net::TcpListener;

    const ANSWER: &str = "<?xml version='1.0'?><methodResponse><params><param><value><array><data><value><struct>\
        <member><name>name</name><value><string>web &amp; co</string></value></member>\
        <member><name>group</name><value><string>g</string></value></member>\
        <member><name>start</name><value><int>1700000000</int></value></member>\
        <member><name>state</name><value><int>20</int></value></member>\
        <member><name>exitstatus</name><value><i4>0</i4></value></member>\
        </struct></value></data></array></value></param></params></methodResponse>";

    #[test]
    fn asks_with_credentials_and_never_tells_them() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).unwrap();
            let answer = format!("HTTP/1.0 200 OK\r\n\r\n{ANSWER}");
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        let url = format!("http://me:hunter2@{address}/RPC2");
        let collected = Tree::new().collect("supervisord", &[("collector.supervisord.url", &url)]);
        assert!(
            server
                .join()
                .unwrap()
                .contains("Authorization: Basic bWU6aHVudGVyMg==")
        );
        collected.expect(
            "node_supervisord_exit_status{group=\"g\",name=\"web & co\"} 0\n\
             node_supervisord_start_time_seconds{group=\"g\",name=\"web & co\"} 1700000000\n\
             node_supervisord_state{group=\"g\",name=\"web & co\"} 20\nnode_supervisord_up{group=\"g\",name=\"web & co\"} 1\n",
        );
        let collected = Tree::new().collect("supervisord", &[("collector.supervisord.url", &url)]);
        let error = collected.result.unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
        assert!(
            Tree::new()
                .make("supervisord", &[("collector.supervisord.url", "ftp://x")])
                .is_err()
        );
    }

    #[test]
    fn other_answers_fail() {
        for answer in [
            "",
            "<methodResponse><fault>x</fault></methodResponse>",
            "<methodResponse/>",
        ] {
            assert!(parse(answer).is_err(), "{answer}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String, member: String) {
            let _ = parse(&text);
            let _ = parse(&format!("<methodResponse><array><struct><member>{member}"));
            let _ = Server::parse(&text);
        }
    }
}
