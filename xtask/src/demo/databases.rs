//! The servers that the database exporters ask: one that runs on its usual port and lets us in, else
//! a private one made of the installed programs.

use super::process::{Process, User};
use crate::{run, servers};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A server, and how its exporter is told of it.
pub struct Database {
    /// Where it listens.
    pub address: String,
    /// Arguments of the exporter.
    pub arguments: Vec<String>,
    /// Variables of the exporter.
    pub environment: Vec<(&'static str, String)>,
    /// The server, where it is ours.
    pub process: Option<Process>,
}

/// Redis.
pub fn redis(folder: &Path) -> Result<Database, String> {
    let usual = "127.0.0.1:6379".to_owned();
    let environment = |address: &str| vec![("REDIS_ADDR", format!("redis://{address}"))];
    if TcpStream::connect(&usual).is_ok() {
        return Ok(Database {
            environment: environment(&usual),
            arguments: vec![],
            address: usual,
            process: None,
        });
    }
    let port = free_port()?;
    let mut command = Command::new(program("redis-server")?);
    command
        .args(["--bind", "127.0.0.1", "--save", "", "--port"])
        .arg(port.to_string())
        .arg("--dir")
        .arg(folder);
    let process = Process::start("redis-server", &mut command, &folder.join("log"))?;
    let address = format!("127.0.0.1:{port}");
    Ok(Database {
        environment: environment(&address),
        arguments: vec![],
        process: Some(listening(process, &address)?),
        address,
    })
}

/// MariaDB or MySQL. One that runs already is used where `~/.my.cnf` says how to log in.
pub fn mysql(folder: &Path) -> Result<Database, String> {
    let options = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".my.cnf"));
    if let Some(options) = options.filter(|file| file.is_file())
        && TcpStream::connect("127.0.0.1:3306").is_ok()
    {
        return Ok(Database {
            address: "127.0.0.1:3306".to_owned(),
            arguments: vec![format!("--config.my-cnf={}", options.display())],
            environment: vec![],
            process: None,
        });
    }
    let data = folder.join("data");
    let user = unprivileged("mysql", folder)?;
    let mut install = Command::new(program("mariadb-install-db")?);
    install
        .args(["--no-defaults", "--auth-root-authentication-method=normal"])
        .arg(format!("--datadir={}", data.display()));
    as_user(&mut install, user);
    quietly(&mut install)?;
    let port = free_port()?;
    let mut command = Command::new(program("mariadbd")?);
    command
        .arg("--no-defaults")
        .args(["--bind-address=127.0.0.1", "--skip-log-bin"])
        .arg(format!("--datadir={}", data.display()))
        .arg(format!("--socket={}", folder.join("socket").display()))
        .arg(format!("--port={port}"));
    as_user(&mut command, user);
    let process = Process::start("mariadbd", &mut command, &folder.join("log"))?;
    let address = format!("127.0.0.1:{port}");
    let process = listening(process, &address)?;
    let options = folder.join("my.cnf");
    let text = format!("[client]\nhost=127.0.0.1\nport={port}\nuser=root\npassword=\n");
    std::fs::write(&options, text).map_err(|e| format!("{}: {e}", options.display()))?;
    Ok(Database {
        address,
        arguments: vec![format!("--config.my-cnf={}", options.display())],
        environment: vec![],
        process: Some(process),
    })
}

/// PostgreSQL. One that runs already is used where `DATA_SOURCE_NAME` says how to log in.
pub fn postgres(folder: &Path) -> Result<Database, String> {
    if let Ok(name) = std::env::var("DATA_SOURCE_NAME") {
        return Ok(Database {
            address: "of DATA_SOURCE_NAME".to_owned(),
            arguments: vec![],
            environment: vec![("DATA_SOURCE_NAME", name)],
            process: None,
        });
    }
    let data = folder.join("data");
    let user = unprivileged("postgres", folder)?;
    let server = program("postgres")?;
    let mut install = Command::new(server.with_file_name("initdb"));
    install
        .args(["--username=demo", "--auth=trust", "--no-sync", "--pgdata"])
        .arg(&data);
    as_user(&mut install, user);
    quietly(&mut install)?;
    let port = free_port()?;
    let mut command = Command::new(server);
    command
        .arg("-D")
        .arg(&data)
        .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-k"])
        .arg(folder);
    as_user(&mut command, user);
    let process = Process::start("postgres", &mut command, &folder.join("log"))?;
    let address = format!("127.0.0.1:{port}");
    let name = format!("postgresql://demo@{address}/postgres?sslmode=disable");
    Ok(Database {
        arguments: vec![],
        environment: vec![("DATA_SOURCE_NAME", name)],
        process: Some(listening(process, &address)?),
        address,
    })
}

fn program(name: &str) -> Result<PathBuf, String> {
    servers::find(name).ok_or_else(|| format!("{name} is not installed"))
}

/// Who runs a server that refuses to be root, and makes its folder theirs.
fn unprivileged(name: &str, folder: &Path) -> Result<Option<User>, String> {
    if !servers::rights() {
        return Ok(None);
    }
    let user = User::named(name).ok_or_else(|| format!("there is no user {name}"))?;
    user.own(folder)?;
    Ok(Some(user))
}

fn as_user(command: &mut Command, user: Option<User>) {
    if let Some(user) = user {
        user.run(command);
    }
}

fn quietly(command: &mut Command) -> Result<(), String> {
    run::check(
        command
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null()),
    )
}

fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|e| format!("127.0.0.1: {e}"))?;
    let address = listener.local_addr().map_err(|e| e.to_string())?;
    Ok(address.port())
}

/// Waits until a server takes connections.
fn listening(mut process: Process, address: &str) -> Result<Process, String> {
    let patience = Instant::now() + Duration::from_secs(30);
    while TcpStream::connect(address).is_err() {
        process.check()?;
        if Instant::now() > patience {
            return Err(format!("nothing listens on {address} within 30 seconds"));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(process)
}
