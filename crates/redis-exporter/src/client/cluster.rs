//! A cluster: which node has which slot, and commands that go to where their key is.
//!
//! Slots, `MOVED` and `ASK`: the cluster specification of the Redis documentation.

use super::{Connection, Destination, Dialer, Error, Pipeline, Value, reply};
use crate::address::Endpoint;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Times that one command follows redirections.
const ATTEMPTS: usize = 10;
/// Pause where a slot is being moved.
const TRY_AGAIN: Duration = Duration::from_millis(100);

/// Time for kept connections to show that they are alive.
const NOTICE: Duration = Duration::from_secs(1);

/// Host and port of a node.
pub type Node = (String, u16);

/// Connections to the nodes of a cluster.
pub struct Cluster {
    seed: Destination,
    /// First and last slot, and the master that has them.
    slots: Vec<(u16, u16, Node)>,
    nodes: HashMap<Node, Connection>,
}

impl Cluster {
    /// Connects to one node and learns of the others.
    pub async fn connect(
        dialer: &Dialer,
        seed: Destination,
        deadline: Instant,
    ) -> Result<Self, Error> {
        let mut cluster = Cluster {
            seed,
            slots: Vec::new(),
            nodes: HashMap::new(),
        };
        cluster.learn(dialer, deadline).await?;
        Ok(cluster)
    }

    /// Learns anew which node has which slot, and forgets nodes that have none.
    pub async fn learn(&mut self, dialer: &Dialer, deadline: Instant) -> Result<(), Error> {
        let seed = self.seed_node()?;
        let reply = self
            .on(&seed, dialer, deadline)
            .await?
            .command(&["CLUSTER", "SLOTS"], deadline)
            .await?;
        self.slots = parse_slots(&reply, &seed.0);
        if self.slots.is_empty() {
            let why = "CLUSTER SLOTS names no node that has slots";
            return Err(Error::Server(why.to_owned()));
        }
        let slots = &self.slots;
        self.nodes
            .retain(|node, _| *node == seed || slots.iter().any(|s| s.2 == *node));
        self.drop_dead(&seed, deadline).await;
        Ok(())
    }

    /// Drops connections that died since they were last used, so that what is asked next is asked
    /// over new ones.
    async fn drop_dead(&mut self, seed: &Node, deadline: Instant) {
        let deadline = deadline.min(Instant::now() + NOTICE);
        let mut dead = Vec::new();
        for (node, connection) in &mut self.nodes {
            if node != seed && connection.command(&["PING"], deadline).await.is_err() {
                dead.push(node.clone());
            }
        }
        for node in dead {
            self.nodes.remove(&node);
        }
    }

    /// All masters, in the order of their slots.
    pub fn masters(&self) -> Vec<Node> {
        let mut masters: Vec<Node> = Vec::new();
        for (_, _, node) in &self.slots {
            if !masters.contains(node) {
                masters.push(node.clone());
            }
        }
        masters
    }

    /// The connection to a node.
    pub async fn on(
        &mut self,
        node: &Node,
        dialer: &Dialer,
        deadline: Instant,
    ) -> Result<&mut Connection, Error> {
        let kept = self.nodes.get(node).is_some_and(Connection::is_usable);
        if !kept {
            let to = self.destination(node);
            let connection = dialer.connect(&to, deadline).await?;
            self.nodes.insert(node.clone(), connection);
        }
        self.nodes
            .get_mut(node)
            .ok_or_else(|| Error::Lost("the connection is lost".to_owned()))
    }

    /// Sends each command, one a pipeline, to the node of its slot: together where no slot moves.
    pub async fn ask(
        &mut self,
        commands: &[(u16, Pipeline)],
        dialer: &Dialer,
        deadline: Instant,
    ) -> Vec<Result<Value, Error>> {
        let nowhere = || Err(Error::Lost("no node has the slot of the key".to_owned()));
        let mut replies: Vec<Result<Value, Error>> = commands.iter().map(|_| nowhere()).collect();
        let mut by_node: HashMap<Node, Vec<usize>> = HashMap::new();
        for (at, (slot, _)) in commands.iter().enumerate() {
            if let Some(node) = self.node_of(*slot) {
                by_node.entry(node).or_default().push(at);
            }
        }
        for (node, indices) in by_node {
            let mut together = Pipeline::new();
            for at in &indices {
                together.append(&commands[*at].1);
            }
            let asked = match self.on(&node, dialer, deadline).await {
                Ok(connection) => connection.ask(&together, deadline).await,
                Err(error) => Err(error),
            };
            match asked {
                Ok(values) => {
                    for (at, value) in indices.iter().zip(values) {
                        replies[*at] = Ok(value);
                    }
                }
                Err(error) => indices
                    .iter()
                    .for_each(|at| replies[*at] = Err(error.clone())),
            }
        }
        for (reply, (_, command)) in replies.iter_mut().zip(commands) {
            if let Ok(value) = reply
                && Redirection::parse(value, &self.seed_host()).is_some()
            {
                *reply = self.follow(value.clone(), command, dialer, deadline).await;
            }
        }
        replies
    }

    /// Repeats a command where the replies to it point.
    async fn follow(
        &mut self,
        mut reply: Value,
        command: &Pipeline,
        dialer: &Dialer,
        deadline: Instant,
    ) -> Result<Value, Error> {
        let mut at: Option<Node> = None;
        for _ in 0..ATTEMPTS {
            let mut whole = Pipeline::new();
            match Redirection::parse(&reply, &self.seed_host()) {
                None => return Ok(reply),
                Some(Redirection::Moved(node)) => at = Some(node),
                Some(Redirection::Ask(node)) => {
                    at = Some(node);
                    whole.command(&["ASKING"]);
                }
                Some(Redirection::TryAgain) => tokio::time::sleep(TRY_AGAIN).await,
            }
            whole.append(command);
            let node = at.clone().map_or_else(|| self.seed_node(), Ok)?;
            let connection = self.on(&node, dialer, deadline).await?;
            let replies = connection.ask(&whole, deadline).await?;
            reply = replies.into_iter().next_back().unwrap_or(Value::Nil);
        }
        Ok(reply)
    }

    /// Gives up buffers that replies have made large.
    pub fn rest(&mut self) {
        self.nodes.values_mut().for_each(Connection::rest);
    }

    fn node_of(&self, slot: u16) -> Option<Node> {
        let range = self.slots.iter().find(|s| (s.0..=s.1).contains(&slot));
        range.map(|s| s.2.clone())
    }

    fn seed_node(&self) -> Result<Node, Error> {
        match &self.seed.endpoint {
            Endpoint::Tcp { host, port, .. } => Ok((host.clone(), *port)),
            Endpoint::Unix(_) => {
                let why = "expected host and port of a cluster node, got a unix socket";
                Err(Error::Lost(why.to_owned()))
            }
        }
    }

    fn seed_host(&self) -> String {
        self.seed_node().map_or(String::new(), |node| node.0)
    }

    fn destination(&self, node: &Node) -> Destination {
        let tls = matches!(self.seed.endpoint, Endpoint::Tcp { tls: true, .. });
        Destination {
            endpoint: Endpoint::Tcp {
                host: node.0.clone(),
                port: node.1,
                tls,
            },
            ..self.seed.clone()
        }
    }
}

/// Where a reply says the key is.
#[derive(Debug, PartialEq, Eq)]
enum Redirection {
    Moved(Node),
    Ask(Node),
    TryAgain,
}

impl Redirection {
    fn parse(reply: &Value, seed_host: &str) -> Option<Self> {
        let error = reply::error(reply)?;
        let mut words = error.split(' ');
        let kind = words.next()?;
        if kind == "TRYAGAIN" {
            return Some(Redirection::TryAgain);
        }
        let (host, port) = words.nth(1)?.rsplit_once(':')?;
        let host = match host {
            "" => seed_host.to_owned(),
            host => host.to_owned(),
        };
        let node = (host, port.parse().ok()?);
        match kind {
            "MOVED" => Some(Redirection::Moved(node)),
            "ASK" => Some(Redirection::Ask(node)),
            _ => None,
        }
    }
}

/// Ranges and their masters; a node that does not know its own host is the one that was asked.
fn parse_slots(reply: &Value, seed_host: &str) -> Vec<(u16, u16, Node)> {
    let ranges = reply::list(reply).unwrap_or_default().iter();
    let mut slots: Vec<_> = ranges
        .filter_map(|range| {
            let range = reply::list(range)?;
            let slot = |at: usize| u16::try_from(reply::integer(range.get(at)?)?).ok();
            let master = reply::list(range.get(2)?)?;
            let host = reply::text(master.first()?).filter(|h| !h.is_empty() && *h != "?");
            let port = u16::try_from(reply::integer(master.get(1)?)?).ok()?;
            let host = host.unwrap_or(seed_host).to_owned();
            Some((slot(0)?, slot(1)?, (host, port)))
        })
        .collect();
    slots.sort();
    slots
}

/// The slot of a key: CRC16 (XMODEM) of the part in the first braces, if it is not empty.
pub fn slot(key: &[u8]) -> u16 {
    let tag = memchr::memchr(b'{', key).and_then(|open| {
        let inside = &key[open + 1..];
        let close = memchr::memchr(b'}', inside)?;
        Some(&inside[..close]).filter(|tag| !tag.is_empty())
    });
    let mut crc: u16 = 0;
    for byte in tag.unwrap_or(key) {
        crc ^= u16::from(*byte) << 8;
        for _ in 0..8 {
            crc = match crc & 0x8000 {
                0 => crc << 1,
                _ => crc << 1 ^ 0x1021,
            };
        }
    }
    crc % 16384
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn slots_of_keys() {
        assert_eq!(slot(b"123456789"), 0x31C3);
        assert_eq!(slot(b"foo"), 12182);
        assert_eq!(slot(b"{foo}.bar"), slot(b"foo"));
        assert_ne!(slot(b"{}foo"), slot(b"foo"));
        assert_eq!(slot(b"a{b}{c}"), slot(b"b"));
    }

    #[test]
    fn redirections() {
        let parse =
            |text: &[u8]| Redirection::parse(&redis::parse_redis_value(text).unwrap(), "seed");
        let node = |host: &str| (host.to_owned(), 7000);
        assert_eq!(
            parse(b"-MOVED 1 10.0.0.1:7000\r\n"),
            Some(Redirection::Moved(node("10.0.0.1")))
        );
        assert_eq!(
            parse(b"-MOVED 1 :7000\r\n"),
            Some(Redirection::Moved(node("seed")))
        );
        assert_eq!(
            parse(b"-ASK 1 ::1:7000\r\n"),
            Some(Redirection::Ask(node("::1")))
        );
        assert_eq!(parse(b"-TRYAGAIN later\r\n"), Some(Redirection::TryAgain));
        assert_eq!(parse(b"-ERR no\r\n"), None);
        assert_eq!(parse(b"-MOVED 1\r\n"), None);
    }

    #[test]
    fn ranges_of_slots() {
        let reply = b"*2\r\n*3\r\n:10\r\n:20\r\n*2\r\n$1\r\nb\r\n:2\r\n*3\r\n:0\r\n:9\r\n*2\r\n$0\r\n\r\n:1\r\n";
        let slots = parse_slots(&redis::parse_redis_value(reply).unwrap(), "seed");
        assert_eq!(
            slots,
            [
                (0, 9, ("seed".to_owned(), 1)),
                (10, 20, ("b".to_owned(), 2))
            ]
        );
    }

    proptest! {
        #[test]
        fn no_key_is_out_of_range(key: Vec<u8>) {
            prop_assert!(slot(&key) < 16384);
        }
    }
}
