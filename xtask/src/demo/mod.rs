//! `cargo xtask demo`: every exporter on its documented port, against what this machine has.

mod board;
mod databases;
mod process;

use crate::packages::{self, Exporter};
use crate::{run, servers};
use board::{Row, Seen};
use databases::Database;
use process::Process;
use std::fs;
use std::io::{IsTerminal, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Time until every exporter has to be up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Its usual port.
const PROMETHEUS: u16 = 9090;

const PROCESS_NAMES: &str = "process_names:\n  - name: \"{{.Comm}}\"\n    cmdline: [\".+\"]\n";
const MODULES: &str = "modules:\n  http_2xx:\n    prober: http\n  tcp_connect:\n    prober: tcp\n";

pub fn run(arguments: &[String]) -> Result<(), String> {
    let mut arguments = arguments.to_vec();
    let once = run::take_switch(&mut arguments, "--once");
    if let Some(argument) = arguments.first() {
        return Err(format!("demo does not know {argument:?}"));
    }
    servers::ensure()?;
    let mut cargo = run::cargo();
    cargo.args(["build", "--release"]);
    for exporter in packages::ALL {
        cargo.args(["--package", exporter.name]);
    }
    run::check(cargo.arg("--bins"))?;
    let (stop, stopped) = channel();
    // The receiver lives until the end.
    let handler = move || {
        let _ = stop.send(());
    };
    ctrlc::set_handler(handler).map_err(|e| format!("signals: {e}"))?;
    let mut demo = Demo::start(&stopped)?;
    let result = match &mut demo {
        Some(demo) => demo.watch(once, &stopped),
        None => Ok(()),
    };
    drop(demo);
    println!("stopped all that was started");
    result
}

/// All that runs. Dropped in this order: who asks goes before who is asked.
struct Demo {
    /// Prometheus first, then the exporters.
    programs: Vec<Process>,
    databases: Vec<Database>,
    rows: Vec<Row>,
    _folder: tempfile::TempDir,
}

impl Demo {
    /// Starts everything; nothing is left where a signal comes meanwhile.
    fn start(stopped: &Receiver<()>) -> Result<Option<Self>, String> {
        let with_prometheus = run::exists("prometheus");
        for exporter in packages::ALL {
            free(exporter.port, exporter.binary)?;
        }
        free(8081, "kube-state-metrics")?;
        if with_prometheus {
            free(PROMETHEUS, "prometheus")?;
        }
        let folder = tempfile::tempdir().map_err(|e| format!("temporary folder: {e}"))?;
        // Servers that run as other users have to find their way through.
        open_to_all(folder.path())?;
        let mut demo = Demo {
            programs: Vec::new(),
            databases: Vec::new(),
            rows: Vec::new(),
            _folder: folder,
        };
        let root = demo._folder.path().to_owned();
        for exporter in packages::ALL {
            if stopped.try_recv().is_ok() {
                return Ok(None);
            }
            demo.add(exporter, &root)?;
        }
        if with_prometheus {
            demo.add_prometheus(&root.join("prometheus"))?;
        } else {
            println!("prometheus is not installed: rules are not evaluated");
        }
        Ok(Some(demo))
    }

    fn add(&mut self, exporter: &Exporter, root: &Path) -> Result<(), String> {
        let folder = root.join(exporter.name);
        make(&folder)?;
        let address = |port: u16| format!("127.0.0.1:{port}");
        let listen = |port: u16| address(port).parse().map_err(|e| format!("{port}: {e}"));
        let mut command = Command::new(run::target().join("release").join(exporter.binary));
        command.args(exporter.listen(listen(exporter.port)?, listen(exporter.port + 1)?));
        let file = |name: &str, text: &str| {
            let path = folder.join(name);
            fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))?;
            Ok::<_, String>(path.display().to_string())
        };
        let mut up = None;
        let mut database = None;
        match exporter.name {
            "process-exporter" => {
                command
                    .arg("-config.path")
                    .arg(file("names.yml", PROCESS_NAMES)?);
            }
            "blackbox-exporter" => {
                command.arg(format!("--config.file={}", file("modules.yml", MODULES)?));
            }
            "kube-state-metrics" => {
                let objects = file("objects.yaml", include_str!("objects.yaml"))?;
                command.arg(format!("--objects-from={objects}"));
            }
            "redis-exporter" => {
                (up, database) = (Some("redis_up"), Some(databases::redis(&folder)?))
            }
            "mysqld-exporter" => {
                (up, database) = (Some("mysql_up"), Some(databases::mysql(&folder)?))
            }
            "postgres-exporter" => {
                (up, database) = (Some("pg_up"), Some(databases::postgres(&folder)?));
            }
            _ => {}
        }
        if let Some(database) = database {
            println!("{} asks {}", exporter.binary, database.address);
            command.args(&database.arguments);
            command.envs(database.environment.iter().cloned());
            self.databases.push(database);
        }
        let log = folder.join("exporter.log");
        let process = Process::start(exporter.binary, &mut command, &log)?;
        self.programs.push(process);
        let row = |path: &str, up| Row {
            name: exporter.name.to_owned(),
            address: address(exporter.port),
            path: path.to_owned(),
            up,
        };
        self.rows.push(row("/metrics", up));
        if exporter.name == "blackbox-exporter" {
            let probe = "/probe?module=tcp_connect&target=127.0.0.1:9115";
            self.rows.push(row(probe, Some("probe_success")));
        }
        Ok(())
    }

    fn add_prometheus(&mut self, folder: &Path) -> Result<(), String> {
        make(folder)?;
        let mut config = format!(
            "global: {{scrape_interval: 5s, evaluation_interval: 5s}}\nrule_files: {:?}\n\
             scrape_configs:\n",
            rule_files()?
        );
        for row in self.rows.iter().filter(|row| row.path == "/metrics") {
            config += &format!(
                "  - job_name: {}\n    static_configs: [{{targets: [{:?}]}}]\n",
                row.name, row.address
            );
        }
        let file = folder.join("prometheus.yml");
        fs::write(&file, config).map_err(|e| format!("{}: {e}", file.display()))?;
        let mut command = Command::new("prometheus");
        command
            .arg(format!("--web.listen-address=127.0.0.1:{PROMETHEUS}"))
            .arg(format!("--config.file={}", file.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.join("data").display()
            ));
        let log = folder.join("log");
        let process = Process::start("prometheus", &mut command, &log)?;
        self.programs.insert(0, process);
        self.rows.push(Row {
            name: "prometheus".to_owned(),
            address: format!("127.0.0.1:{PROMETHEUS}"),
            path: "/metrics".to_owned(),
            up: None,
        });
        Ok(())
    }

    /// Shows the table until a signal comes; with `once`, until everything is up.
    fn watch(&mut self, once: bool, stopped: &Receiver<()>) -> Result<(), String> {
        let started = Instant::now();
        let refresh = std::io::stdout().is_terminal();
        loop {
            let servers = self.databases.iter_mut().filter_map(|d| d.process.as_mut());
            for process in self.programs.iter_mut().chain(servers) {
                process.check()?;
            }
            let seen: Vec<Seen> = self.rows.iter().map(Row::look).collect();
            let all_up = seen.iter().all(|s| s.up);
            let late = started.elapsed() > PATIENCE;
            let table = board::table(&self.rows, &seen);
            if refresh {
                print!("\x1b[H\x1b[2J{table}\nCtrl-C ends the demo\n");
            } else if !once || all_up || late {
                println!("{table}");
            }
            // Whoever reads us may have gone.
            let _ = std::io::stdout().flush();
            if once && all_up {
                return Ok(());
            }
            if once && late {
                return Err("not everything is up within 60 seconds".to_owned());
            }
            if stopped.recv_timeout(Duration::from_secs(2)).is_ok() {
                return Ok(());
            }
        }
    }
}

/// An error if something else listens on a port: what is shown would be of that.
fn free(port: u16, program: &str) -> Result<(), String> {
    match TcpListener::bind(("127.0.0.1", port)) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!(
            "{program} cannot have port {port}: {error}; `ss -ltnp 'sport = :{port}'` tells what has it"
        )),
    }
}

/// The rules of all charts. Prometheus takes a pattern in the last part of a path only.
fn rule_files() -> Result<Vec<String>, String> {
    let charts = run::root().join("charts");
    let told = |e: std::io::Error| format!("{}: {e}", charts.display());
    let mut files = Vec::new();
    for chart in fs::read_dir(&charts).map_err(told)? {
        let rules = chart.map_err(told)?.path().join("rules");
        if rules.is_dir() {
            files.push(rules.join("*.yaml").display().to_string());
        }
    }
    files.sort();
    Ok(files)
}

fn make(folder: &Path) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    open_to_all(folder)
}

fn open_to_all(folder: &Path) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))
        .map_err(|e| format!("{}: {e}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_taken() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let told = free(port, "node_exporter").unwrap_err();
        let start = format!("node_exporter cannot have port {port}: ");
        assert!(told.starts_with(&start), "{told}");
        drop(taken);
        free(port, "node_exporter").unwrap();
    }
}
