//! PostgreSQL servers for one test: made, started and stopped by it.

use crate::port::free_port;
use rustix::process::{Pid, Signal, geteuid, kill_process};
use std::fs;
use std::io::Write;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The superuser of every server here.
pub const USER: &str = "postgres";

/// Folders with the programs of PostgreSQL, the newest last: those of distributions, and those that
/// `POSTGRES_BIN` names between colons.
pub fn installations() -> Vec<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = Vec::new();
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let debian = debian.flatten().map(|entry| entry.path().join("bin"));
    let named = std::env::var("POSTGRES_BIN").unwrap_or_default();
    let named = named
        .split(':')
        .filter(|p| !p.is_empty())
        .map(PathBuf::from);
    for bin in debian.chain(named) {
        if let Some(major) = major(&bin) {
            found.push((major, bin));
        }
    }
    found.sort();
    found.dedup_by_key(|(major, _)| *major);
    assert!(
        !found.is_empty(),
        "no PostgreSQL is installed: `cargo xtask test` installs one, or name its programs' folder \
         in POSTGRES_BIN"
    );
    found.into_iter().map(|(_, bin)| bin).collect()
}

/// The newest installation.
pub fn newest() -> PathBuf {
    installations().pop().unwrap()
}

fn major(bin: &Path) -> Option<u32> {
    let output = Command::new(bin.join("postgres")).arg("--version").output();
    let text = String::from_utf8(output.ok()?.stdout).ok()?;
    let version = text.split_whitespace().nth(2)?;
    let digits = version.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

/// A server that ends with the test.
pub struct Postgres {
    bin: PathBuf,
    folder: TempDir,
    /// Port on 127.0.0.1, also part of the socket's name.
    pub port: u16,
    /// Major version.
    pub major: u32,
    postmaster: Option<Child>,
}

impl Postgres {
    /// Starts a new server with these lines in its configuration.
    pub fn start(bin: &Path, settings: &[&str]) -> Self {
        let mut server = Self::prepare(bin);
        let data = server.data();
        server.run(
            "initdb",
            &[
                "-D",
                text(&data),
                "-U",
                USER,
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--no-sync",
            ],
        );
        server.configure(settings);
        server.launch();
        server
    }

    /// Starts a standby of this server, over a slot of this name.
    pub fn standby(&self, slot: &str) -> Self {
        let mut server = Self::prepare(&self.bin);
        self.sql(
            "postgres",
            &format!("SELECT pg_create_physical_replication_slot('{slot}')"),
        );
        let (data, port) = (server.data(), self.port.to_string());
        server.run(
            "pg_basebackup",
            &[
                "-D",
                text(&data),
                "-h",
                "127.0.0.1",
                "-p",
                &port,
                "-U",
                USER,
                "-R",
                "-X",
                "stream",
                "-S",
                slot,
                "-c",
                "fast",
                "--no-sync",
            ],
        );
        server.configure(&[]);
        server.launch();
        server
    }

    fn prepare(bin: &Path) -> Self {
        let folder = tempfile::Builder::new().prefix("pg").tempdir().unwrap();
        own(folder.path());
        Postgres {
            bin: bin.to_owned(),
            folder,
            port: free_port(),
            major: major(bin).unwrap(),
            postmaster: None,
        }
    }

    /// Appends to the configuration, which counts from the next start or [`Postgres::reload`] on.
    pub fn configure(&self, settings: &[&str]) {
        let mut text = format!(
            "listen_addresses = '127.0.0.1'\nport = {}\nunix_socket_directories = '{}'\nfsync = off\n\
             shared_buffers = 16MB\nmax_wal_size = 64MB\nautovacuum = off\n",
            self.port,
            self.folder.path().display()
        );
        for line in settings {
            text.push_str(line);
            text.push('\n');
        }
        let path = self.data().join("postgresql.conf");
        let mut file = fs::OpenOptions::new().append(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    /// Makes the server read its configuration again.
    pub fn reload(&self) {
        self.signal(Signal::HUP);
    }

    /// Writes a file that only the server may read into its folder.
    pub fn write(&self, name: &str, contents: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, contents).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(&path, mode).unwrap();
        own(&path);
        path
    }

    /// The folder of its data.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The folder of its socket.
    pub fn socket(&self) -> &Path {
        self.folder.path()
    }

    /// Starts the server and waits until it answers.
    pub fn launch(&mut self) {
        let data = self.data();
        let log = fs::File::create(self.folder.path().join("log")).unwrap();
        let mut command = self.command("postgres");
        command
            .args(["-D", text(&data)])
            .stdout(Stdio::null())
            .stderr(log);
        self.postmaster = Some(command.spawn().unwrap());
        let patience = Instant::now() + Duration::from_secs(60);
        while !self.answers() {
            let ended = self.postmaster.as_mut().unwrap().try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < patience,
                "{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn answers(&self) -> bool {
        let mut psql = self.psql("postgres");
        psql.args(["-c", "SELECT 1"])
            .output()
            .unwrap()
            .status
            .success()
    }

    /// Stops the server at once; sessions end without a word.
    pub fn stop(&mut self) {
        if let Some(mut postmaster) = self.postmaster.take() {
            let pid = Pid::from_child(&postmaster);
            // Every process of a server that hangs must go on to be told.
            self.signal_all(Signal::CONT);
            let _ = kill_process(pid, Signal::QUIT);
            let _ = postmaster.wait();
        }
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Signals the first process of the server.
    pub fn signal(&self, signal: Signal) {
        let postmaster = self.postmaster.as_ref().unwrap();
        kill_process(Pid::from_child(postmaster), signal).unwrap();
    }

    /// Signals all processes of the server.
    pub fn signal_all(&self, signal: Signal) {
        let Some(postmaster) = &self.postmaster else {
            return;
        };
        let id = postmaster.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        let children = children.unwrap_or_default();
        let children = children.split_whitespace().filter_map(|c| c.parse().ok());
        for id in children.chain([id as i32]) {
            // It may have ended meanwhile.
            let _ = kill_process(Pid::from_raw(id).unwrap(), signal);
        }
    }

    /// Runs statements one after the other and gives what they print, rows in lines, values between
    /// `|`.
    pub fn sql(&self, database: &str, statements: &str) -> String {
        let mut psql = self.psql(database);
        psql.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = psql.stderr(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        writeln!(input, "{statements};").unwrap();
        drop(input);
        let output = child.wait_with_output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{statements}: {errors}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Waits until a statement prints `t`.
    pub fn wait_until(&self, database: &str, statement: &str) {
        let patience = Instant::now() + Duration::from_secs(30);
        while self.sql(database, statement) != "t" {
            assert!(
                Instant::now() < patience,
                "{statement} stays untrue:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Opens a session that runs these statements and stays as they leave it.
    pub fn session(&self, database: &str, statements: &str) -> Session {
        let mut psql = self.psql(database);
        psql.stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = psql.spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        writeln!(input, "{statements}").unwrap();
        Session {
            child,
            input: Some(input),
        }
    }

    fn psql(&self, database: &str) -> Command {
        let mut psql = self.command("psql");
        psql.args([
            "-X",
            "-q",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            "-U",
            USER,
            "-d",
            database,
        ]);
        psql.args(["-h", text(self.socket()), "-p", &self.port.to_string()]);
        psql.env("PGAPPNAME", "test");
        psql
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let output = self.command(program).args(arguments).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program}: {errors}");
    }

    /// A program of this installation, as the user that servers may run as.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command.current_dir(self.folder.path()).env("LC_ALL", "C");
        // An installation outside the system has its libraries beside it.
        let libraries = self.bin.join("../lib");
        if !self.bin.starts_with("/usr") && libraries.is_dir() {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        if let Some((user, group)) = unprivileged() {
            command.uid(user).gid(group);
        }
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A session of its own.
pub struct Session {
    child: Child,
    input: Option<ChildStdin>,
}

impl Session {
    /// Ends it and waits for that.
    pub fn end(mut self) {
        self.input = None;
        self.child.wait().unwrap();
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.input = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Who servers run as where we are root, which they refuse to.
fn unprivileged() -> Option<(u32, u32)> {
    if !geteuid().is_root() {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let field = |line: &str, index| line.split(':').nth(index)?.parse().ok();
    let named = |name: &str| {
        let line = users.lines().find(|l| l.split(':').next() == Some(name))?;
        Some((field(line, 2)?, field(line, 3)?))
    };
    Some(named("postgres").or_else(|| named("nobody")).unwrap())
}

fn own(path: &Path) {
    if let Some((user, group)) = unprivileged() {
        chown(path, Some(user), Some(group)).unwrap();
    }
}
