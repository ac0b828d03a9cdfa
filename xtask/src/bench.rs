//! `cargo xtask bench`: ours beside a peer, in turn, on the same host in the same minutes.

use crate::http::Connection;
use crate::packages::{self, Exporter};
use crate::{dist, run};
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
    scrapes: usize,
    rounds: usize,
    arguments: Vec<String>,
}

struct Side {
    name: &'static str,
    command: Vec<String>,
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
    let number = |value: Option<String>, default: usize| match value {
        Some(text) => text
            .parse()
            .map_err(|_| format!("expected a number, got {text:?}")),
        None => Ok(default),
    };
    let peer = one(run::take_options(&mut arguments, "--peer")?)
        .ok_or("bench wants --peer PATH, a binary to compare with")?;
    let ours = one(run::take_options(&mut arguments, "--ours")?);
    let out = one(run::take_options(&mut arguments, "--out")?);
    let options = Options {
        scrapes: number(one(run::take_options(&mut arguments, "--scrapes")?), 500)?.max(100),
        rounds: number(one(run::take_options(&mut arguments, "--rounds")?), 3)?.max(1),
        arguments: both,
    };
    run::no_options(&arguments)?;
    let [name] = arguments.as_slice() else {
        return Err("bench wants one exporter".to_owned());
    };
    let exporter = packages::find(name)?;
    let ours = match ours {
        Some(path) => path,
        None => dist::build(exporter)?.display().to_string(),
    };
    let table = measure(exporter, ours, peer, &options)?;
    print!("{table}");
    match out {
        Some(path) => std::fs::write(&path, table).map_err(|e| format!("{path}: {e}")),
        None => Ok(()),
    }
}

fn measure(
    exporter: &Exporter,
    ours: String,
    peer: String,
    options: &Options,
) -> Result<String, String> {
    let side = |name, command: &str| Side {
        name,
        command: command.split_whitespace().map(str::to_owned).collect(),
        rounds: Vec::new(),
    };
    let mut sides = [side("ours", &ours), side("peer", &peer)];
    for _ in 0..options.rounds {
        for side in &mut sides {
            let round = side.round(options)?;
            side.rounds.push(round);
        }
    }
    Ok(table(exporter, &sides, options))
}

impl Side {
    fn round(&self, options: &Options) -> Result<Round, String> {
        let told = |e: std::io::Error| format!("{} ({}): {e}", self.name, self.command.join(" "));
        let started = Instant::now();
        let (running, mut connection) = self.start(options).map_err(told)?;
        let first_answer = started.elapsed();
        let scrape = |connection: &mut Connection| -> Result<f64, String> {
            let started = Instant::now();
            let (status, _) = connection.get("/metrics", HEADERS).map_err(told)?;
            if status != 200 {
                return Err(format!("{}: status {status}", self.name));
            }
            Ok(started.elapsed().as_secs_f64() * 1e3)
        };
        for _ in 0..10 {
            scrape(&mut connection)?;
        }
        let before = running.cpu_seconds();
        let mut latencies = Vec::with_capacity(options.scrapes);
        let mut rss_100 = 0.0;
        for count in 1..=options.scrapes {
            latencies.push(scrape(&mut connection)?);
            if count == 100 {
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
        let free = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let child = Command::new(&self.command[0])
            .args(&self.command[1..])
            .arg(format!("--web.listen-address={free}"))
            .args(&options.arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let mut running = Running(child);
        let patience = Instant::now() + Duration::from_secs(20);
        loop {
            let answer = Connection::open(&free.to_string()).and_then(|mut connection| {
                let answer = connection.get("/metrics", HEADERS)?;
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
        let mut values: Vec<f64> = self.rounds.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
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
struct Running(Child);

impl Running {
    fn proc(&self, file: &str) -> String {
        let path = Path::new("/proc").join(self.0.id().to_string());
        std::fs::read_to_string(path.join(file)).unwrap_or_default()
    }

    fn cpu_seconds(&self) -> f64 {
        let stat = self.proc("stat");
        let after = stat.rsplit(") ").next().unwrap_or("");
        let ticks = after.split(' ').skip(11).take(2);
        ticks.filter_map(|t| t.parse::<f64>().ok()).sum::<f64>() / TICKS
    }

    /// Resident memory in MiB.
    fn rss(&self) -> f64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
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

fn table(exporter: &Exporter, sides: &[Side; 2], options: &Options) -> String {
    let mut text = format!(
        "`{}`, median of {} rounds of {} gzip scrapes each{}\n\n\
         | measure | ours | peer | ratio |\n|---|---:|---:|---:|\n",
        exporter.binary,
        options.rounds,
        options.scrapes,
        match options.arguments.as_slice() {
            [] => String::new(),
            arguments => format!(", both with `{}`", arguments.join(" ")),
        },
    );
    let mut row = |measure: &str, ours: f64, peer: f64| {
        let ratio = ours / peer;
        text += &format!("| {measure} | {ours:.2} | {peer:.2} | {ratio:.3} |\n");
    };
    let rows: [(&str, Column); 6] = [
        ("CPU a scrape, ms", |r| r.cpu),
        ("latency p50, ms", |r| r.p50),
        ("latency p99, ms", |r| r.p99),
        ("RSS after 100 scrapes, MiB", |r| r.rss_100),
        ("RSS at the end, MiB", |r| r.rss_end),
        ("start to first answer, ms", |r| r.first_answer),
    ];
    for (measure, of) in rows {
        row(measure, sides[0].median(of), sides[1].median(of));
    }
    row("binary, MB", sides[0].megabytes(), sides[1].megabytes());
    text
}
