//! `cargo xtask bench kube-state-metrics`: both sides in front of the API server of our tests, which
//! has a cluster of any size.

use crate::bench::{HEAD, Running, median, row};
use crate::http::Connection;
use crate::run;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The exporter that is measured here.
pub const EXPORTER: &str = "kube-state-metrics";
/// What a Prometheus without OpenMetrics sends, so that both sides answer in one format.
const PLAIN: &str = "Accept: text/plain;version=0.0.4\r\n";
const GZIP: &str = "Accept: text/plain;version=0.0.4\r\nAccept-Encoding: gzip\r\n";
/// All objects are there by then.
const PATIENCE: Duration = Duration::from_secs(300);
/// An exporter that takes less than a tenth of a core for this time has read all lists.
const REST: Duration = Duration::from_secs(1);
/// How long changes are followed.
const CHANGES: Duration = Duration::from_secs(30);

/// How large the cluster is, and how often it is scraped.
pub struct Size {
    pods: usize,
    nodes: usize,
    /// Pods that change a second.
    updates: usize,
    scrapes: usize,
    rounds: usize,
}

/// What one start of a binary gave.
struct Round {
    /// CPU seconds and seconds until all objects were exposed.
    start_cpu: f64,
    start: f64,
    rss: f64,
    peak: f64,
    /// CPU milliseconds of a scrape.
    plain: f64,
    first_gzip: f64,
    gzip: f64,
    rss_end: f64,
    /// Percent of a core while pods change.
    changes: f64,
}

type Column = fn(&Round) -> f64;

impl Size {
    /// Takes `--pods`, `--nodes` and `--updates` out of the arguments.
    pub fn take(arguments: &mut Vec<String>) -> Result<Self, String> {
        let mut number = |name, default| {
            let values = run::take_options(arguments, name)?;
            run::number(values.into_iter().next_back(), default)
        };
        Ok(Size {
            pods: number("--pods", 21_760)?.max(1),
            nodes: number("--nodes", 500)?,
            updates: number("--updates", 0)?,
            scrapes: 0,
            rounds: 0,
        })
    }

    /// With these scrapes of each kind in each of these rounds. A scrape of a large cluster takes
    /// seconds, so that there are not more than ten.
    pub fn scrapes(self, scrapes: usize, rounds: usize) -> Self {
        Size {
            scrapes: scrapes.min(10),
            rounds,
            ..self
        }
    }
}

/// Starts the sides in turn and gives a table. A side is a name and a command with arguments.
pub fn measure(
    sides: [(&'static str, Vec<String>); 2],
    size: &Size,
    arguments: &[String],
) -> Result<String, String> {
    let server = build()?;
    let mut rounds = [Vec::new(), Vec::new()];
    for _ in 0..size.rounds {
        for ((name, command), rounds) in sides.iter().zip(&mut rounds) {
            let round = round(&server, command, size, arguments);
            rounds.push(round.map_err(|why| format!("{name} ({}): {why}", command.join(" ")))?);
        }
    }
    Ok(table(&rounds, size))
}

/// Builds the API server. Gives its path.
fn build() -> Result<String, String> {
    let mut cargo = run::cargo();
    cargo.args(["build", "--release", "--package", EXPORTER]);
    run::check(cargo.args(["--example", "apiserver"]))?;
    let path = run::target().join("release/examples/apiserver");
    Ok(path.display().to_string())
}

/// An API server with a cluster. Gives its URL.
fn serve(server: &str, size: &Size) -> std::io::Result<(Running, String)> {
    let mut child = Command::new(server)
        .args([size.pods, size.nodes, size.updates].map(|n| n.to_string()))
        .stdout(Stdio::piped())
        .spawn()?;
    let mut url = String::new();
    if let Some(out) = child.stdout.take() {
        BufReader::new(out).read_line(&mut url)?;
    }
    Ok((Running(child), url.trim().to_owned()))
}

fn round(
    server: &str,
    command: &[String],
    size: &Size,
    arguments: &[String],
) -> Result<Round, String> {
    let told = |e: std::io::Error| e.to_string();
    // Each round has a server of its own, or the changes of the one would cost the next.
    let (_server, url) = serve(server, size).map_err(|e| format!("{server}: {e}"))?;
    let (mut running, address) = start(command, &url, arguments).map_err(told)?;
    let (start, start_cpu) = complete(&mut running, &address, size)?;
    let (rss, peak) = (running.rss(), running.peak_rss());
    let scrapes = |headers: &str, count: usize| -> Result<f64, String> {
        let before = running.cpu_seconds();
        for _ in 0..count {
            get(&address, "/metrics", headers)?;
        }
        Ok((running.cpu_seconds() - before) * 1e3 / count as f64)
    };
    let plain = scrapes(PLAIN, size.scrapes)?;
    let first_gzip = scrapes(GZIP, 1)?;
    let gzip = scrapes(GZIP, size.scrapes)?;
    let changes = match size.updates {
        0 => 0.0,
        _ => {
            let before = running.cpu_seconds();
            std::thread::sleep(CHANGES);
            (running.cpu_seconds() - before) * 100.0 / CHANGES.as_secs_f64()
        }
    };
    let rss_end = running.rss();
    Ok(Round {
        start_cpu,
        start,
        rss,
        peak,
        plain,
        first_gzip,
        gzip,
        rss_end,
        changes,
    })
}

/// Starts an exporter. Gives the address of its metrics.
fn start(
    command: &[String],
    url: &str,
    arguments: &[String],
) -> std::io::Result<(Running, String)> {
    // Both are held until both are known, or they might be the same.
    let held = [
        TcpListener::bind("127.0.0.1:0")?,
        TcpListener::bind("127.0.0.1:0")?,
    ];
    let [main, own] = [held[0].local_addr()?, held[1].local_addr()?];
    drop(held);
    let child: Child = Command::new(&command[0])
        .args(&command[1..])
        .args(["--host=127.0.0.1", "--telemetry-host=127.0.0.1"])
        .arg(format!("--port={}", main.port()))
        .arg(format!("--telemetry-port={}", own.port()))
        .arg(format!("--apiserver={url}"))
        .arg("--enable-gzip-encoding")
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    Ok((Running(child), main.to_string()))
}

/// Waits until the exporter rests and exposes all pods. Gives the time and CPU seconds that took. It
/// is not scraped meanwhile, which would cost it more than what is measured.
fn complete(running: &mut Running, address: &str, size: &Size) -> Result<(f64, f64), String> {
    let started = Instant::now();
    loop {
        let (time, cpu) = (started.elapsed().as_secs_f64(), running.cpu_seconds());
        std::thread::sleep(REST);
        if let Some(status) = running.0.try_wait().map_err(|e| e.to_string())? {
            return Err(format!("ended: {status}"));
        }
        if cpu > 0.0 && running.cpu_seconds() - cpu < REST.as_secs_f64() / 10.0 {
            let found = get(address, "/metrics", PLAIN).map(|body| pods(&body));
            if found == Ok(size.pods) {
                return Ok((time, cpu));
            }
            if started.elapsed() > PATIENCE {
                return Err(format!("{found:?} of {} pods", size.pods));
            }
        }
    }
}

fn pods(body: &[u8]) -> usize {
    let lines = body.split(|byte| *byte == b'\n');
    lines
        .filter(|line| line.starts_with(b"kube_pod_info{"))
        .count()
}

fn get(address: &str, path: &str, headers: &str) -> Result<Vec<u8>, String> {
    let answer = Connection::open(address).and_then(|mut connection| {
        let close = format!("{headers}Connection: close\r\n");
        connection.get(path, &close)
    });
    match answer.map_err(|e| format!("{path}: {e}"))? {
        (200, body) => Ok(body),
        (status, _) => Err(format!("{path} is answered with {status}")),
    }
}

fn table(rounds: &[Vec<Round>; 2], size: &Size) -> String {
    let mut text = format!(
        "`{EXPORTER}`, {} pods on {} nodes, {} of them changing a second, median of {} rounds\n\n\
         {HEAD}",
        size.pods, size.nodes, size.updates, size.rounds,
    );
    let rows: [(&str, Column); 9] = [
        ("CPU from the start to all pods, s", |r| r.start_cpu),
        ("time from the start to all pods, s", |r| r.start),
        ("RSS with all pods, MiB", |r| r.rss),
        ("highest RSS until then, MiB", |r| r.peak),
        ("CPU a plain scrape, ms", |r| r.plain),
        ("CPU of the first gzip scrape, ms", |r| r.first_gzip),
        ("CPU a gzip scrape, ms", |r| r.gzip),
        ("RSS at the end, MiB", |r| r.rss_end),
        ("CPU while pods change, % of a core", |r| r.changes),
    ];
    let changes = usize::from(size.updates == 0);
    for (measure, of) in &rows[..rows.len() - changes] {
        let [ours, peer] = rounds.each_ref().map(|side| median(side.iter().map(of)));
        text += &row(measure, ours, peer);
    }
    text
}
