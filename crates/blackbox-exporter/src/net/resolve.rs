//! Names to addresses: `/etc/hosts`, then the servers of `/etc/resolv.conf`, as Go's own resolver
//! does it. Nothing blocks: a lookup ends where its future is dropped.

use super::address::{Address, literal};
use super::{dial, order};
use crate::dns::message::{Message, Question};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Which addresses are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
    /// All.
    Both,
}

impl Family {
    fn admits(self, address: &Address) -> bool {
        match self {
            Family::V4 => address.ip.is_ipv4(),
            Family::V6 => address.ip.is_ipv6(),
            Family::Both => true,
        }
    }

    /// Types to ask for.
    fn types(self) -> &'static [u16] {
        match self {
            Family::V4 => &[1],
            Family::V6 => &[28],
            Family::Both => &[1, 28],
        }
    }
}

/// Addresses of a name or a literal, the best first; never none. The error is a sentence.
pub async fn lookup(host: &str, family: Family) -> Result<Vec<Address>, String> {
    static SYSTEM: LazyLock<Resolver> =
        LazyLock::new(|| Resolver::new(Path::new("/etc/hosts"), Path::new("/etc/resolv.conf")));
    SYSTEM.lookup(host, family).await
}

/// A resolver over two files, read again when they change.
struct Resolver {
    hosts: Watched<Hosts>,
    conf: Watched<Conf>,
    /// Where rotation begins.
    turn: AtomicUsize,
}

impl Resolver {
    fn new(hosts: &Path, conf: &Path) -> Self {
        Resolver {
            hosts: Watched::new(hosts, Hosts::parse),
            conf: Watched::new(conf, Conf::parse),
            turn: AtomicUsize::new(0),
        }
    }

    async fn lookup(&self, host: &str, family: Family) -> Result<Vec<Address>, String> {
        if host.is_empty() {
            return Err("lookup: no such host".to_owned());
        }
        if let Some(address) = literal(host) {
            return only(vec![address], host, family);
        }
        let hosts = self.hosts.current();
        let name = host.trim_end_matches('.').to_ascii_lowercase();
        if let Some(found) = hosts.names.get(&name) {
            let mut addresses = found.clone();
            order::sort(&mut addresses);
            return only(addresses, host, family);
        }
        // On the heap, or probes of addresses would have room for questions and answers.
        let mut addresses = Box::pin(self.ask(host, family)).await?;
        order::sort(&mut addresses);
        only(addresses, host, family)
    }

    /// Asks for the names that the search list makes, until one exists.
    async fn ask(&self, host: &str, family: Family) -> Result<Vec<Address>, String> {
        let conf = self.conf.current();
        let mut why = format!("lookup {host}: no such host");
        for name in conf.candidates(host) {
            let mut addresses = Vec::new();
            let queries = family
                .types()
                .iter()
                .map(|kind| self.query(&conf, &name, *kind));
            for answer in both(queries).await {
                match answer {
                    Ok(found) => addresses.extend(found),
                    Err(Failure::NoSuchName) => {}
                    Err(Failure::Trouble(what)) => why = format!("lookup {host}: {what}"),
                }
            }
            if !addresses.is_empty() {
                return Ok(addresses);
            }
        }
        Err(why)
    }

    async fn query(&self, conf: &Conf, name: &str, kind: u16) -> Result<Vec<Address>, Failure> {
        let question = Question {
            name: name.to_owned(),
            kind,
            class: 1,
        };
        let offset = match conf.rotate {
            true => self.turn.fetch_add(1, Ordering::Relaxed),
            false => 0,
        };
        let mut last = Failure::Trouble("there is no name server".to_owned());
        for _ in 0..conf.attempts {
            for at in 0..conf.servers.len() {
                let server = conf.servers[(at + offset) % conf.servers.len()];
                let asked = exchange(server, &question, conf.use_tcp);
                let answer = match tokio::time::timeout(conf.timeout, asked).await {
                    Ok(answer) => answer.map_err(|e| format!("server {server}: {e}")),
                    Err(_) => Err(format!("server {server}: no answer in time")),
                };
                match answer {
                    Ok(message) if message.rcode == 0 => return Ok(addresses(&message, kind)),
                    Ok(message) if message.rcode == 3 => return Err(Failure::NoSuchName),
                    Ok(message) => {
                        let code = message.rcode;
                        last =
                            Failure::Trouble(format!("server {server}: misbehaving, code {code}"));
                    }
                    Err(why) => last = Failure::Trouble(why),
                }
            }
        }
        Err(last)
    }
}

/// Why there is no answer.
enum Failure {
    /// The name does not exist.
    NoSuchName,
    /// The server could not tell.
    Trouble(String),
}

/// Runs one or two futures side by side.
async fn both<F: Future>(mut futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    match (futures.next(), futures.next()) {
        (Some(one), Some(two)) => {
            let (one, two) = tokio::join!(one, two);
            vec![one, two]
        }
        (Some(one), None) => vec![one.await],
        _ => Vec::new(),
    }
}

fn only(mut addresses: Vec<Address>, host: &str, family: Family) -> Result<Vec<Address>, String> {
    addresses.retain(|a| family.admits(a));
    match addresses.is_empty() {
        true => Err(format!("address {host}: no suitable address found")),
        false => Ok(addresses),
    }
}

/// Addresses in an answer, aliases followed by the server.
fn addresses(message: &Message, kind: u16) -> Vec<Address> {
    let records = message.answer.iter().filter(|r| r.kind == kind);
    let ips = records.filter_map(|r| r.address());
    ips.map(|ip| Address { ip, zone: 0 }).collect()
}

/// One query over UDP, again over TCP where the answer was too long.
async fn exchange(server: SocketAddr, question: &Question, use_tcp: bool) -> io::Result<Message> {
    let id = random_id();
    let query = question.encode(id, true).map_err(io::Error::other)?;
    if !use_tcp {
        let message = over_udp(server, &query, id).await?;
        if !message.is_truncated {
            return Ok(message);
        }
    }
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(query.len()).map_err(io::Error::other)?;
    stream
        .write_all(&[&length.to_be_bytes()[..], &query].concat())
        .await?;
    let length = stream.read_u16().await?;
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await?;
    Message::parse(&answer).map_err(io::Error::other)
}

async fn over_udp(server: SocketAddr, query: &[u8], id: u16) -> io::Result<Message> {
    let socket = dial::datagrams(server, None).await?;
    socket.send(query).await?;
    let mut buffer = [0; 1500];
    loop {
        let length = socket.recv(&mut buffer).await?;
        match Message::parse(&buffer[..length]) {
            Ok(message) if message.id == id && message.is_response => return Ok(message),
            // Not an answer to this.
            _ => {}
        }
    }
}

/// An id that nobody guesses.
pub fn random_id() -> u16 {
    use ring::rand::{SecureRandom, SystemRandom};
    let mut bytes = [0; 2];
    // Fails only where the system has no random numbers at all.
    let _ = SystemRandom::new().fill(&mut bytes);
    u16::from_be_bytes(bytes)
}

/// A file that is parsed again when it changes; looked at every few seconds.
struct Watched<T> {
    path: PathBuf,
    parse: fn(&str) -> T,
    state: Mutex<Option<Seen<T>>>,
}

struct Seen<T> {
    looked: Instant,
    changed: Option<SystemTime>,
    value: Arc<T>,
}

/// How long a file is trusted without a look.
const TRUST: Duration = Duration::from_secs(5);

impl<T> Watched<T> {
    fn new(path: &Path, parse: fn(&str) -> T) -> Self {
        Watched {
            path: path.to_owned(),
            parse,
            state: Mutex::new(None),
        }
    }

    fn current(&self) -> Arc<T> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seen) = state.as_ref().filter(|s| s.looked.elapsed() < TRUST) {
            return seen.value.clone();
        }
        let changed = std::fs::metadata(&self.path)
            .and_then(|m| m.modified())
            .ok();
        if let Some(seen) = state.as_mut().filter(|s| s.changed == changed) {
            seen.looked = Instant::now();
            return seen.value.clone();
        }
        let bytes = std::fs::read(&self.path).unwrap_or_default();
        let value = Arc::new((self.parse)(&String::from_utf8_lossy(&bytes)));
        *state = Some(Seen {
            looked: Instant::now(),
            changed,
            value: value.clone(),
        });
        value
    }
}

/// `/etc/hosts`
struct Hosts {
    names: HashMap<String, Vec<Address>>,
}

impl Hosts {
    fn parse(text: &str) -> Self {
        let mut names: HashMap<String, Vec<Address>> = HashMap::new();
        for line in text.lines() {
            let mut words = line
                .split('#')
                .next()
                .unwrap_or_default()
                .split_whitespace();
            let Some(address) = words.next().and_then(literal) else {
                continue;
            };
            for name in words {
                let name = name.trim_end_matches('.').to_ascii_lowercase();
                names.entry(name).or_default().push(address);
            }
        }
        Hosts { names }
    }
}

/// `/etc/resolv.conf`
#[derive(Debug, PartialEq)]
struct Conf {
    servers: Vec<SocketAddr>,
    search: Vec<String>,
    ndots: usize,
    attempts: usize,
    timeout: Duration,
    rotate: bool,
    use_tcp: bool,
}

impl Conf {
    fn parse(text: &str) -> Self {
        let mut conf = Conf {
            servers: Vec::new(),
            search: Vec::new(),
            ndots: 1,
            attempts: 2,
            timeout: Duration::from_secs(5),
            rotate: false,
            use_tcp: false,
        };
        for line in text.lines().filter(|l| !l.starts_with(['#', ';'])) {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") if conf.servers.len() < 3 => {
                    let address = words.next().and_then(literal);
                    conf.servers.extend(address.map(|a| a.with_port(53)));
                }
                Some("search" | "domain") => {
                    conf.search = words.map(|w| w.trim_end_matches('.').to_owned()).collect();
                }
                Some("options") => words.for_each(|w| conf.set_option(w)),
                _ => {}
            }
        }
        if conf.servers.is_empty() {
            conf.servers = vec![
                SocketAddr::from(([127, 0, 0, 1], 53)),
                SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 53)),
            ];
        }
        conf
    }

    fn set_option(&mut self, option: &str) {
        let number = |prefix| {
            option
                .strip_prefix(prefix)
                .and_then(|n: &str| n.parse::<usize>().ok())
        };
        if let Some(ndots) = number("ndots:") {
            self.ndots = ndots.min(15);
        } else if let Some(seconds) = number("timeout:") {
            self.timeout = Duration::from_secs(seconds.clamp(1, 30) as u64);
        } else if let Some(attempts) = number("attempts:") {
            self.attempts = attempts.clamp(1, 5);
        }
        match option {
            "rotate" => self.rotate = true,
            "use-vc" | "usevc" | "tcp" => self.use_tcp = true,
            _ => {}
        }
    }

    /// Full names to try, in order.
    fn candidates(&self, host: &str) -> Vec<String> {
        if let Some(rooted) = host.strip_suffix('.') {
            return vec![format!("{rooted}.")];
        }
        let mut names: Vec<String> = self
            .search
            .iter()
            .filter(|s| !s.is_empty())
            .map(|s| format!("{host}.{s}."))
            .collect();
        let itself = format!("{host}.");
        match host.matches('.').count() >= self.ndots {
            true => names.insert(0, itself),
            false => names.push(itself),
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn files() {
        let hosts = Hosts::parse("127.0.0.1 localhost Here. # no\n::1 localhost\nbad x\n");
        assert_eq!(hosts.names["localhost"].len(), 2);
        assert_eq!(hosts.names["here"].len(), 1);
        assert!(!hosts.names.contains_key("x"));
        let conf = Conf::parse(
            "nameserver 10.0.0.1\nnameserver fe80::1%1\n# nameserver 1.1.1.1\nsearch a.b c\n\
             options ndots:5 timeout:1 attempts:3 rotate use-vc\n",
        );
        assert_eq!(conf.servers.len(), 2);
        assert_eq!(
            (conf.ndots, conf.attempts, conf.rotate, conf.use_tcp),
            (5, 3, true, true)
        );
        assert_eq!(conf.candidates("x.y"), ["x.y.a.b.", "x.y.c.", "x.y."]);
        assert_eq!(conf.candidates("x."), ["x."]);
        assert_eq!(Conf::parse("").servers.len(), 2);
    }

    fn scratch(hosts: &str, conf: &str) -> (tempfile::TempDir, Resolver) {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let resolver = Resolver::new(&path("hosts", hosts), &path("resolv.conf", conf));
        (folder, resolver)
    }

    #[tokio::test]
    async fn hosts_and_literals_need_no_server() {
        let (_folder, resolver) = scratch("127.0.0.1 here\n::1 here\n127.0.0.1 four\n", "");
        let count = async |host, family| resolver.lookup(host, family).await.map(|a| a.len());
        assert_eq!(count("HERE.", Family::Both).await, Ok(2));
        assert_eq!(count("here", Family::V6).await, Ok(1));
        assert!(count("four", Family::V6).await.is_err());
        assert_eq!(count("::1", Family::Both).await, Ok(1));
        assert!(count("::1", Family::V4).await.is_err());
        assert!(count("", Family::Both).await.is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = (Hosts::parse(&text), Conf::parse(&text));
        }
    }
}
