//! Redis servers and Sentinels that a test starts, and one that only pretends to be one.

use crate::port::free_port;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The protocol's client, for what tests say to servers.
pub use redis::{Cmd, ConnectionLike, Value, cmd};

/// A server that is killed when dropped. Its files are in a folder of its own.
pub struct Server {
    child: Child,
    folder: TempDir,
    arguments: Vec<String>,
    /// Port on 127.0.0.1.
    pub port: u16,
}

impl Server {
    /// Starts a server with further arguments and waits until it answers. `{dir}` in an argument is
    /// its folder.
    pub fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::start_in(folder, arguments)
    }

    /// The same in a folder that holds files already.
    pub fn start_in(folder: TempDir, arguments: &[&str]) -> Self {
        let server = Self::spawn_in(folder, arguments);
        server.wait(|reply| reply.is_ok() || !is_refused(reply));
        server
    }

    /// The same without waiting.
    pub fn spawn_in(folder: TempDir, arguments: &[&str]) -> Self {
        let port = free_port();
        let dir = folder.path().to_str().unwrap();
        let arguments: Vec<String> = arguments.iter().map(|a| a.replace("{dir}", dir)).collect();
        let child = spawn(port, dir, &arguments);
        Server {
            child,
            folder,
            arguments,
            port,
        }
    }

    /// A Sentinel that watches a master under the name `mymaster`.
    pub fn sentinel(master: &Server) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let path = folder.path().join("sentinel.conf");
        let text = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor mymaster 127.0.0.1 {} 1\n\
             sentinel sentinel-pass marker-sentinel-password\n",
            folder.path().display(),
            master.port
        );
        std::fs::write(&path, text).unwrap();
        let mut command = Command::new("redis-server");
        command.arg(&path).arg("--sentinel");
        let server = Server {
            child: quietly(&mut command),
            folder,
            arguments: Vec::new(),
            port,
        };
        server.wait(Result::is_ok);
        server
    }

    /// `127.0.0.1:PORT`
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// `redis://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("redis://{}", self.address())
    }

    /// A path in its folder.
    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// Sends commands, each a line of words, and panics where one is refused.
    pub fn say(&self, lines: &str) {
        let mut connection = connect(self.port).unwrap();
        for line in lines.lines().map(str::trim).filter(|l| !l.is_empty()) {
            let mut command = Cmd::new();
            line.split(' ').for_each(|word| {
                command.arg(word);
            });
            let reply: Result<Value, _> = command.query(&mut connection);
            reply.unwrap_or_else(|e| panic!("{line}: {e}"));
        }
    }

    /// The text that a command replies.
    pub fn ask(&self, words: &[&str]) -> String {
        let mut command = Cmd::new();
        for word in words {
            command.arg(*word);
        }
        let reply: redis::RedisResult<String> = command.query(&mut connect(self.port).unwrap());
        reply.unwrap_or_else(|e| panic!("{words:?}: {e}"))
    }

    /// Waits until the reply to a command has a part.
    pub fn wait_for(&self, words: &[&str], part: &str) {
        let patience = Instant::now() + Duration::from_secs(30);
        loop {
            let reply = self.ask(words);
            if reply.contains(part) {
                return;
            }
            assert!(Instant::now() < patience, "{part:?} is not in {reply}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn wait(&self, done: impl Fn(&redis::RedisResult<Value>) -> bool) {
        let patience = Instant::now() + Duration::from_secs(30);
        loop {
            let reply = connect(self.port).and_then(|mut c| cmd("PING").query(&mut c));
            if done(&reply) {
                return;
            }
            let log = std::fs::read_to_string(self.path("log")).unwrap_or_default();
            assert!(Instant::now() < patience, "no server: {reply:?}\n{log}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id() as i32).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Kills it, without a chance to say goodbye.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again on the same port.
    pub fn start_again(&mut self) {
        self.kill();
        let dir = self.folder.path().to_str().unwrap();
        self.child = spawn(self.port, dir, &self.arguments);
        self.wait(|reply| reply.is_ok() || !is_refused(reply));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(port: u16, dir: &str, arguments: &[String]) -> Child {
    let mut command = Command::new("redis-server");
    command
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--dir", dir, "--logfile", "log", "--save", ""])
        .args(arguments);
    quietly(&mut command)
}

fn quietly(command: &mut Command) -> Child {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|e| panic!("redis-server: {e}"))
}

fn connect(port: u16) -> redis::RedisResult<redis::Connection> {
    let connection = redis::Client::open(format!("redis://127.0.0.1:{port}"))?.get_connection()?;
    connection.set_read_timeout(Some(Duration::from_secs(20)))?;
    Ok(connection)
}

/// A connection to a server.
pub fn open(url: &str) -> impl ConnectionLike + use<> {
    redis::Client::open(url).unwrap().get_connection().unwrap()
}

/// Whether nobody listened; an answer that refuses is an answer.
fn is_refused(reply: &redis::RedisResult<Value>) -> bool {
    reply
        .as_ref()
        .is_err_and(|e| e.is_connection_refusal() || e.is_io_error())
}

/// Makes a cluster of servers that were started with `--cluster-enabled yes`.
pub fn join(servers: &[Server]) {
    let each = 16_384 / servers.len();
    for (at, server) in servers.iter().enumerate() {
        let first = at * each;
        let last = if at + 1 == servers.len() {
            16_383
        } else {
            first + each - 1
        };
        server.say(&format!("CLUSTER ADDSLOTSRANGE {first} {last}"));
        server.say(&format!("CLUSTER SET-CONFIG-EPOCH {}", at + 1));
        if at > 0 {
            let seed = &servers[0];
            server.say(&format!("CLUSTER MEET 127.0.0.1 {}", seed.port));
        }
    }
    for server in servers {
        server.wait_for(&["CLUSTER", "INFO"], "cluster_state:ok");
        let known = format!("cluster_known_nodes:{}", servers.len());
        server.wait_for(&["CLUSTER", "INFO"], &known);
    }
}

/// A server that answers every connection with the same bytes, whatever it is asked, and then waits
/// or closes.
pub struct Pretender {
    /// `127.0.0.1:PORT`
    pub address: String,
}

impl Pretender {
    /// Answers the first bytes of each connection.
    pub fn start(answer: &'static [u8], closes: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                std::thread::spawn(move || pretend(stream, answer, closes));
            }
        });
        Pretender { address }
    }
}

fn pretend(mut stream: TcpStream, answer: &[u8], closes: bool) {
    let mut asked = [0; 4096];
    while stream.read(&mut asked).is_ok_and(|n| n > 0) {
        if stream.write_all(answer).is_err() || closes {
            return;
        }
    }
}
