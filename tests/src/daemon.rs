//! A started exporter.

use crate::client::{Client, Reply};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Where cargo put a binary of this workspace: beside the running test.
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().and_then(|p| p.parent()).unwrap().join(name);
    assert!(
        path.exists(),
        "{} is not built: run `cargo build --bins` first, as `cargo xtask test` does",
        path.display()
    );
    path
}

/// Runs a binary to its end.
pub fn run(name: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary(name));
    command.args(arguments).env_remove("GOMAXPROCS");
    command.stdin(Stdio::null()).output().unwrap()
}

/// A process that is killed when dropped.
pub struct Daemon {
    child: Child,
    log: Arc<Mutex<String>>,
    /// `HOST:PORT` it listens on, of the first listener.
    pub address: String,
}

impl Daemon {
    /// Starts a binary on a free loopback port and waits until it listens.
    pub fn start(name: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(binary(name));
        command
            .arg("--web.listen-address=127.0.0.1:0")
            .args(arguments)
            .stdin(Stdio::null());
        Self::spawn(&mut command)
    }

    /// Starts a command and waits until its log tells an address.
    pub fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let copy = log.clone();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let mut log = copy.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        let mut daemon = Daemon {
            child,
            log,
            address: String::new(),
        };
        daemon.address = daemon.wait_for_address();
        daemon
    }

    fn wait_for_address(&mut self) -> String {
        let line = self.wait_for_log("Listening on");
        // As logfmt or JSON writes it.
        let address = line.split("address").nth(1).unwrap_or_default();
        let address = address.trim_start_matches(['"', '=', ':']);
        let address = address.split([' ', '"', ',']).next();
        address.unwrap_or_default().to_owned()
    }

    /// The first log line with this in it, waited for.
    pub fn wait_for_log(&mut self, part: &str) -> String {
        let patience = Instant::now() + Duration::from_secs(20);
        loop {
            let log = self.log();
            if let Some(line) = log.lines().find(|l| l.contains(part)) {
                return line.to_owned();
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!(
                    "ended with {status} before logging {part:?}:\n{}",
                    self.log()
                );
            }
            assert!(
                Instant::now() < patience,
                "{part:?} is not in the log:\n{log}"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// All that was logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Nothing of the log is read while this is held.
    pub fn hold_log(&self) -> MutexGuard<'_, String> {
        self.log.lock().unwrap()
    }

    /// A new connection.
    pub fn connect(&self) -> Client {
        Client::connect(&self.address).unwrap()
    }

    /// One GET on a connection of its own.
    pub fn get(&self, path: &str) -> Reply {
        self.get_with(path, "")
    }

    /// One GET with further header lines, each ending in CR LF.
    pub fn get_with(&self, path: &str, headers: &str) -> Reply {
        self.connect().get(path, headers).unwrap()
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Threads it has now.
    pub fn threads(&self) -> usize {
        let tasks = format!("/proc/{}/task", self.pid());
        std::fs::read_dir(tasks).unwrap().count()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid() as i32).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for the end.
    pub fn wait(&mut self) -> ExitStatus {
        let patience = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < patience, "does not end:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
