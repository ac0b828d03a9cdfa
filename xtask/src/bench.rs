//! `cargo xtask bench`: ours beside a peer, in turn, on the same host in the same minutes.

use crate::crowd::Crowd;
use crate::http::Connection;
use crate::packages::{self, Exporter};
use crate::{cluster, dist, run};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What Prometheus 3 sends by default.
const HEADERS: &str = "Accept: application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
text/plain;version=0.0.4;q=0.3,*/*;q=0.2\r\nAccept-Encoding: gzip\r\n\
X-Prometheus-Scrape-Timeout-Seconds: 10\r\n";

/// Kernel clock ticks a second, as `/proc/PID/stat` counts them; the same on every architecture
/// that we build for.
const TICKS: f64 = 100.0;

struct Options {
    exporter: &'static Exporter,
    path: String,
    scrapes: usize,
    rounds: usize,
    /// Before each scrape.
    pause: Duration,
    /// For both sides.
    arguments: Vec<String>,
}

struct Side {
    name: &'static str,
    command: Vec<String>,
    /// For this side alone.
    arguments: Vec<String>,
    rounds: Vec<Round>,
}

/// What one start of a binary gave.
struct Round {
    first_answer: f64,
    cpu: f64,
    rss_100: f64,
    rss_end: f64,
    p50: f64,
    p99: f64,
}

pub fn run(arguments: &[String]) -> Result<(), String> {
    let mut arguments = arguments.to_vec();
    let both = match arguments.iter().position(|a| a == "--") {
        Some(at) => arguments.split_off(at)[1..].to_vec(),
        None => Vec::new(),
    };
    let one = |values: Vec<String>| values.into_iter().next_back();
    let number = run::number;
    let peer = one(run::take_options(&mut arguments, "--peer")?)
        .ok_or("bench wants --peer PATH, a binary to compare with")?;
    let ours = one(run::take_options(&mut arguments, "--ours")?);
    let our_arguments = run::take_options(&mut arguments, "--ours-arg")?;
    let peer_arguments = run::take_options(&mut arguments, "--peer-arg")?;
    let out = one(run::take_options(&mut arguments, "--out")?);
    let path = one(run::take_options(&mut arguments, "--path")?);
    let cluster = cluster::Size::take(&mut arguments)?;
    let crowd = Crowd::take(&mut arguments)?;
    let pause = number(one(run::take_options(&mut arguments, "--pause")?), 0)?;
    let scrapes = number(one(run::take_options(&mut arguments, "--scrapes")?), 500)?;
    let rounds = number(one(run::take_options(&mut arguments, "--rounds")?), 3)?;
    run::no_options(&arguments)?;
    let [name] = arguments.as_slice() else {
        return Err("bench wants one exporter".to_owned());
    };
    let options = Options {
        exporter: packages::find(name)?,
        path: path.unwrap_or_else(|| "/metrics".to_owned()),
        scrapes: scrapes.max(1),
        rounds: rounds.max(1),
        pause: Duration::from_millis(pause as u64),
        arguments: both,
    };
    let ours = match ours {
        Some(path) => path,
        None => dist::build(options.exporter)?.display().to_string(),
    };
    let sides = [
        Side::new("ours", &ours, our_arguments),
        Side::new("peer", &peer, peer_arguments),
    ];
    if options.exporter.name == cluster::EXPORTER {
        let sides = sides.map(|side| (side.name, [side.command, side.arguments].concat()));
        let size = cluster.scrapes(options.scrapes, options.rounds);
        return finish(cluster::measure(sides, &size, &options.arguments)?, out);
    }
    let _crowd = crowd.start()?;
    finish(measure(sides, &options)?, out)
}

/// Prints the table, and writes it where a file is wanted.
fn finish(table: String, out: Option<String>) -> Result<(), String> {
    print!("{table}");
    match out {
        Some(path) => std::fs::write(&path, table).map_err(|e| format!("{path}: {e}")),
        None => Ok(()),
    }
}

fn measure(mut sides: [Side; 2], options: &Options) -> Result<String, String> {
    for _ in 0..options.rounds {
        for side in &mut sides {
            let round = side.round(options)?;
            side.rounds.push(round);
        }
    }
    Ok(table(&sides, options))
}

impl Side {
    /// The command may begin with other programs, such as a loader.
    fn new(name: &'static str, command: &str, arguments: Vec<String>) -> Self {
        Side {
            name,
            command: command.split_whitespace().map(str::to_owned).collect(),
            arguments,
            rounds: Vec::new(),
        }
    }

    fn round(&self, options: &Options) -> Result<Round, String> {
        let told = |e: std::io::Error| format!("{} ({}): {e}", self.name, self.command.join(" "));
        let started = Instant::now();
        let (running, mut connection) = self.start(options).map_err(told)?;
        let first_answer = started.elapsed();
        let scrape = |connection: &mut Connection| -> Result<f64, String> {
            std::thread::sleep(options.pause);
            let started = Instant::now();
            let (status, _) = connection.get(&options.path, HEADERS).map_err(told)?;
            if status != 200 {
                return Err(format!(
                    "{}: {} is answered with {status}",
                    self.name, options.path
                ));
            }
            Ok(started.elapsed().as_secs_f64() * 1e3)
        };
        for _ in 0..options.scrapes.min(10) {
            scrape(&mut connection)?;
        }
        let before = running.cpu_seconds();
        let mut latencies = Vec::with_capacity(options.scrapes);
        let mut rss_100 = 0.0;
        for count in 1..=options.scrapes {
            latencies.push(scrape(&mut connection)?);
            if count == options.scrapes.min(100) {
                rss_100 = running.rss();
            }
        }
        let cpu = (running.cpu_seconds() - before) * 1e3 / options.scrapes as f64;
        latencies.sort_by(f64::total_cmp);
        Ok(Round {
            first_answer: first_answer.as_secs_f64() * 1e3,
            cpu,
            rss_100,
            rss_end: running.rss(),
            p50: latencies[latencies.len() / 2],
            p99: latencies[latencies.len() * 99 / 100],
        })
    }

    fn start(&self, options: &Options) -> std::io::Result<(Running, Connection)> {
        // Both are held until both are known, or they might be the same.
        let held = [
            TcpListener::bind("127.0.0.1:0")?,
            TcpListener::bind("127.0.0.1:0")?,
        ];
        let (free, other) = (held[0].local_addr()?, held[1].local_addr()?);
        drop(held);
        let child = Command::new(&self.command[0])
            .args(&self.command[1..])
            .args(options.exporter.listen(free, other))
            .args(&options.arguments)
            .args(&self.arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let mut running = Running(child);
        let patience = Instant::now() + Duration::from_secs(20);
        loop {
            let answer = Connection::open(&free.to_string()).and_then(|mut connection| {
                let answer = connection.get(&options.path, HEADERS)?;
                Ok((connection, answer))
            });
            match answer {
                Ok((connection, (200, _))) => return Ok((running, connection)),
                _ if Instant::now() > patience => {
                    return Err(std::io::Error::other("no answer within 20 seconds"));
                }
                _ => {}
            }
            if let Some(status) = running.0.try_wait()? {
                return Err(std::io::Error::other(format!("ended: {status}")));
            }
            std::thread::sleep(Duration::from_micros(300));
        }
    }

    fn median(&self, of: impl Fn(&Round) -> f64) -> f64 {
        median(self.rounds.iter().map(of))
    }

    /// Size of the binary itself; a wrapper script stands before its program.
    fn megabytes(&self) -> f64 {
        let sizes = self.command.iter().filter_map(|word| {
            let found = which(word)?;
            std::fs::metadata(found).ok().map(|m| m.len())
        });
        sizes.max().unwrap_or(0) as f64 / 1e6
    }
}

fn which(word: &str) -> Option<PathBuf> {
    if word.contains('/') {
        return Some(PathBuf::from(word)).filter(|p| p.is_file());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(word))
        .find(|p| p.is_file())
}

/// One figure of a round.
type Column = fn(&Round) -> f64;

/// A process that ends with us.
pub struct Running(pub Child);

impl Running {
    fn proc(&self, file: &str) -> String {
        let path = Path::new("/proc").join(self.0.id().to_string());
        std::fs::read_to_string(path.join(file)).unwrap_or_default()
    }

    /// Processor time so far, in user and kernel mode.
    pub fn cpu_seconds(&self) -> f64 {
        let stat = self.proc("stat");
        let after = stat.rsplit(") ").next().unwrap_or("");
        let ticks = after.split(' ').skip(11).take(2);
        ticks.filter_map(|t| t.parse::<f64>().ok()).sum::<f64>() / TICKS
    }

    /// Resident memory in MiB.
    pub fn rss(&self) -> f64 {
        self.memory("VmRSS:")
    }

    /// The most that it was since the start.
    pub fn peak_rss(&self) -> f64 {
        self.memory("VmHWM:")
    }

    fn memory(&self, name: &str) -> f64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|l| l.strip_prefix(name));
        let kib = line.and_then(|l| l.split_whitespace().next()?.parse::<f64>().ok());
        kib.unwrap_or(0.0) / 1024.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself, which is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The head of a table of measures.
pub const HEAD: &str = "| measure | ours | peer | ratio |\n|---|---:|---:|---:|\n";

/// A line of such a table.
pub fn row(measure: &str, ours: f64, peer: f64) -> String {
    let ratio = ours / peer;
    format!("| {measure} | {ours:.2} | {peer:.2} | {ratio:.3} |\n")
}

/// The middle of values, of which there is at least one.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn table(sides: &[Side; 2], options: &Options) -> String {
    let mut text = format!(
        "`{}`, median of {} rounds of {} gzip scrapes of `{}` each{}\n\n\
         {HEAD}",
        options.exporter.binary,
        options.rounds,
        options.scrapes,
        options.path,
        match options.arguments.as_slice() {
            [] => String::new(),
            arguments => format!(", both with `{}`", arguments.join(" ")),
        },
    );
    let rows: [(&str, Column); 6] = [
        ("CPU a scrape, ms", |r| r.cpu),
        ("latency p50, ms", |r| r.p50),
        ("latency p99, ms", |r| r.p99),
        ("RSS after 100 scrapes, MiB", |r| r.rss_100),
        ("RSS at the end, MiB", |r| r.rss_end),
        ("start to first answer, ms", |r| r.first_answer),
    ];
    for (measure, of) in rows {
        text += &row(measure, sides[0].median(of), sides[1].median(of));
    }
    text += &row("binary, MB", sides[0].megabytes(), sides[1].megabytes());
    text
}
