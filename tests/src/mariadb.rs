//! A MariaDB server of one's own, from the distribution's programs, on a free loopback port.

use crate::port::free_port;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A server that ends when it is dropped.
pub struct MariaDb {
    folder: TempDir,
    port: u16,
    arguments: Vec<String>,
    server: Option<Child>,
}

impl MariaDb {
    /// Starts one with further options, and waits until it answers. Its `root` has no password.
    pub fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy(template(), &folder.path().join("data"));
        let mut server = MariaDb {
            port: free_port(),
            arguments: arguments.iter().map(|a| (*a).to_owned()).collect(),
            folder,
            server: None,
        };
        server.resume();
        server
    }

    /// Starts it again, where it was, with what it held.
    pub fn resume(&mut self) {
        let mut command = Command::new("mariadbd");
        command
            .arg("--no-defaults")
            .args(user())
            .arg(format!(
                "--datadir={}",
                self.folder.path().join("data").display()
            ))
            // A server that starts removes the temporary tables of others from a shared folder.
            .arg(format!(
                "--tmpdir={}",
                self.folder.path().join("data").display()
            ))
            .arg(format!("--socket={}", self.socket().display()))
            .arg(format!("--port={}", self.port))
            .args([
                "--bind-address=127.0.0.1",
                "--skip-name-resolve",
                "--innodb-buffer-pool-size=16M",
                "--innodb-log-file-size=8M",
                "--innodb-flush-log-at-trx-commit=0",
                "--sync-binlog=0",
            ])
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(self.log()).unwrap());
        let mut child = command.spawn().unwrap_or_else(|error| {
            panic!("mariadbd: {error}; `cargo xtask test` tells what to install")
        });
        self.wait_until_it_answers(&mut child);
        self.server = Some(child);
    }

    fn wait_until_it_answers(&self, child: &mut Child) {
        let patience = Instant::now() + Duration::from_secs(60);
        // It greets who connects.
        let greets = || {
            let mut stream = UnixStream::connect(self.socket()).ok()?;
            stream.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
            stream.read_exact(&mut [0; 1]).ok()
        };
        while greets().is_none() {
            let log = || std::fs::read_to_string(self.log()).unwrap_or_default();
            if let Some(status) = child.try_wait().unwrap() {
                panic!("mariadbd ended with {status}:\n{}", log());
            }
            assert!(
                Instant::now() < patience,
                "mariadbd does not start:\n{}",
                log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it without a word to its clients, as a crash does.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.server.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = std::fs::remove_file(self.socket());
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = self.server.as_ref().unwrap().id();
        kill_process(Pid::from_raw(pid as i32).unwrap(), signal).unwrap();
    }

    /// Runs statements as root; what they print, without the names of columns.
    pub fn sql(&self, statements: &str) -> String {
        let output = self.client(statements).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{statements}: {errors}");
        String::from_utf8(output.stdout)
            .unwrap()
            .trim_end()
            .to_owned()
    }

    /// Runs statements as root that may fail, and tells whether they did not.
    pub fn try_sql(&self, statements: &str) -> bool {
        self.client(statements).output().unwrap().status.success()
    }

    /// Runs statements as root in the background, in a session that lasts until it is dropped.
    pub fn hold(&self, statements: &str) -> Held {
        let mut command = self.client(&format!("{statements}; SELECT 'held'; SELECT SLEEP(600)"));
        let mut child = command
            .args(["--unbuffered"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(told.any(|line| line.unwrap() == "held"));
        Held(child)
    }

    fn client(&self, statements: &str) -> Command {
        let mut command = Command::new("mariadb");
        command
            .args([
                "--no-defaults",
                "--batch",
                "--skip-column-names",
                "--user=root",
            ])
            .arg(format!("--socket={}", self.socket().display()))
            .args(["--execute", statements])
            .stdin(Stdio::null());
        command
    }

    /// Its unix socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("sock")
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it keeps other files of this test.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A client whose session lasts until it is dropped.
pub struct Held(Child);

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn user() -> Option<&'static str> {
    rustix::process::geteuid()
        .is_root()
        .then_some("--user=root")
}

/// A data folder that was set up once for all servers of a test binary. It is removed by the next
/// run: nothing is told when a test binary ends.
fn template() -> &'static Path {
    static TEMPLATE: OnceLock<PathBuf> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let folder = std::env::temp_dir().join("e2e-mariadb");
        std::fs::create_dir_all(&folder).unwrap();
        remove_those_of_ended_processes(&folder);
        let path = folder.join(std::process::id().to_string());
        let output = Command::new("mariadb-install-db")
            .arg("--no-defaults")
            .args(user())
            .arg(format!("--datadir={}", path.display()))
            .args(["--auth-root-authentication-method=normal", "--skip-test-db"])
            .output();
        let output = output.unwrap_or_else(|error| {
            panic!("mariadb-install-db: {error}; `cargo xtask test` tells what to install")
        });
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "mariadb-install-db: {told}");
        path
    })
}

fn remove_those_of_ended_processes(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let lives = Path::new("/proc").join(entry.file_name()).exists();
        if !lives {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => {
                std::fs::copy(entry.path(), target).unwrap();
            }
        }
    }
}
