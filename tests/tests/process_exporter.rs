//! The process exporter over real processes and threads, and what its command line and paths do.

use e2e::{Client, Daemon, Reply, run};
use rustix::process::Signal;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const BINARY: &str = "process-exporter";

/// A process that does as it is told.
struct Workload {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Workload {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_workload"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut workload = Workload {
            commands: child.stdin.take().unwrap(),
            answers: BufReader::new(child.stdout.take().unwrap()),
            child,
        };
        workload.wait();
        workload
    }

    fn wait(&mut self) {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "the workload has ended");
    }

    /// Returns when it is done.
    fn tell(&mut self, command: &str) {
        writeln!(self.commands, "{command}").unwrap();
        self.wait();
    }

    /// Returns when all its threads sleep: one that has just answered may still be running.
    fn rest(&self) {
        let tasks = format!("/proc/{}/task", self.child.id());
        let sleeps = |dir: fs::DirEntry| {
            let stat = fs::read_to_string(dir.path().join("stat")).unwrap_or_default();
            let (_, state) = stat.rsplit_once(") ").unwrap_or_default();
            state.starts_with('S')
        };
        let until = Instant::now() + Duration::from_secs(10);
        while !fs::read_dir(&tasks)
            .unwrap()
            .all(|dir| sleeps(dir.unwrap()))
        {
            assert!(Instant::now() < until, "the workload does not rest");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn end(self) {
        let Workload {
            mut child,
            commands,
            ..
        } = self;
        drop(commands);
        child.wait().unwrap();
    }
}

/// A configuration in a folder of its own, which names groups of this test by `--group=NAME`.
struct Setup {
    dir: TempDir,
    mark: String,
}

impl Setup {
    fn new(mark: &str) -> Self {
        let setup = Setup {
            dir: tempfile::tempdir().unwrap(),
            mark: format!("--{mark}-{}", std::process::id()),
        };
        setup.configure("{{.Matches.Group}}");
        setup
    }

    fn configure(&self, name: &str) {
        let pattern = format!("{}=(?P<Group>\\w+)", self.mark);
        let text = format!("process_names:\n- name: '{name}'\n  cmdline: ['{pattern}']\n");
        fs::write(self.config(), text).unwrap();
    }

    fn config(&self) -> PathBuf {
        self.dir.path().join("all.yaml")
    }

    fn argument(&self, group: &str) -> String {
        format!("{}={group}", self.mark)
    }

    fn workload(&self, group: &str) -> Workload {
        Workload::start(&[&self.argument(group)])
    }

    fn exporter(&self, more: &[&str]) -> Daemon {
        let config = format!("-config.path={}", self.config().display());
        let mut arguments = vec![config.as_str()];
        arguments.extend_from_slice(more);
        Daemon::start(BINARY, &arguments)
    }
}

fn of(reply: &Reply, series: &str) -> f64 {
    let name = format!("namedprocess_namegroup_{series}");
    reply.value(&name).unwrap_or_else(|| panic!("no {name}"))
}

#[test]
fn counters_and_gauges_of_a_process() {
    let setup = Setup::new("one");
    let mut workload = setup.workload("g");
    workload.tell("burn 10");
    workload.rest();
    let exporter = setup.exporter(&[]);
    let cpu = "cpu_seconds_total{groupname=\"g\",mode=\"user\"}";
    let before = exporter.get("/metrics");
    assert_eq!(of(&before, "num_procs{groupname=\"g\"}"), 1.0);
    assert_eq!(of(&before, cpu), 0.0, "what was used before the start");
    assert_eq!(
        of(&before, "states{groupname=\"g\",state=\"Sleeping\"}"),
        1.0
    );
    for series in [
        "memory_bytes{groupname=\"g\",memtype=\"resident\"}",
        "memory_bytes{groupname=\"g\",memtype=\"virtual\"}",
        "memory_bytes{groupname=\"g\",memtype=\"proportionalResident\"}",
        "oldest_start_time_seconds{groupname=\"g\"}",
        "worst_fd_ratio{groupname=\"g\"}",
    ] {
        assert!(of(&before, series) > 0.0, "{series}");
    }
    // Nothing has happened: nothing is counted, whatever is read again.
    let idle = exporter.get("/metrics");
    for kind in ["voluntary", "nonvoluntary"] {
        let series = format!("context_switches_total{{ctxswitchtype=\"{kind}\",groupname=\"g\"}}");
        assert_eq!(of(&idle, &series), 0.0);
    }
    // It answers before it waits for the next word, which is the switch: the next word may only come
    // when that was seen.
    let switches = "context_switches_total{ctxswitchtype=\"voluntary\",groupname=\"g\"}";
    let switched = |least: f64| {
        let patience = Instant::now() + Duration::from_secs(30);
        let mut seen = exporter.get("/metrics");
        while of(&seen, switches) < least && Instant::now() < patience {
            seen = exporter.get("/metrics");
        }
        seen
    };
    workload.tell("burn 30");
    switched(1.0);
    workload.tell("open 25");
    let after = switched(2.0);
    let used = of(&after, cpu) + of(&after, "cpu_seconds_total{groupname=\"g\",mode=\"system\"}");
    assert!((0.28..0.5).contains(&used), "{used}");
    let opened = "open_filedesc{groupname=\"g\"}";
    assert_eq!(of(&after, opened) - of(&before, opened), 25.0);
    assert!(of(&after, switches) >= 2.0);
    // The group stays, with its counters, when the process has left.
    workload.end();
    let gone = exporter.get("/metrics");
    assert_eq!(of(&gone, "num_procs{groupname=\"g\"}"), 0.0);
    assert_eq!(of(&gone, opened), 0.0);
    assert_eq!(of(&gone, cpu), of(&after, cpu));
    let oldest = "oldest_start_time_seconds{groupname=\"g\"}";
    assert_eq!(of(&gone, oldest), -62_135_596_800.0);
}

#[test]
fn threads_by_name() {
    let setup = Setup::new("threads");
    let mut workload = setup.workload("t");
    for name in ["reader", "writer", "writer"] {
        workload.tell(&format!("thread {name}"));
    }
    let exporter = setup.exporter(&[]);
    let count = |name| format!("thread_count{{groupname=\"t\",threadname=\"{name}\"}}");
    let cpu = |name| {
        format!("thread_cpu_seconds_total{{groupname=\"t\",mode=\"user\",threadname=\"{name}\"}}")
    };
    workload.rest();
    let reply = exporter.get("/metrics");
    assert_eq!(of(&reply, &count("workload")), 1.0);
    assert_eq!(of(&reply, &count("reader")), 1.0);
    assert_eq!(of(&reply, &count("writer")), 2.0);
    assert_eq!(of(&reply, "num_threads{groupname=\"t\"}"), 4.0);
    // The first thread counts as the process too.
    assert_eq!(
        of(&reply, "states{groupname=\"t\",state=\"Sleeping\"}"),
        5.0
    );
    workload.tell("tell reader burn 30");
    let reply = exporter.get("/metrics");
    let used = of(&reply, &cpu("reader"));
    assert!((0.2..0.5).contains(&used), "{used}");
    assert!(of(&reply, &cpu("writer")) < 0.05);
    workload.tell("tell reader rename scribe");
    let reply = exporter.get("/metrics");
    assert_eq!(of(&reply, &count("scribe")), 1.0);
    assert_eq!(reply.value(&count("reader")), None);
    // A thread that leaves takes none of the switches with it.
    let switches = "context_switches_total{ctxswitchtype=\"voluntary\",groupname=\"t\"}";
    let before = of(&reply, switches);
    for name in ["reader", "writer", "writer"] {
        workload.tell(&format!("stop {name}"));
        let reply = exporter.get("/metrics");
        assert!((before..before + 1000.0).contains(&of(&reply, switches)));
    }
    let reply = exporter.get("/metrics");
    assert_eq!(
        reply.value(&count("workload")),
        None,
        "it has one thread only"
    );
    let once = setup.exporter(&["-count-main-thread-once", "-threads=false"]);
    workload.tell("thread again");
    workload.rest();
    let reply = once.get("/metrics");
    assert_eq!(
        of(&reply, "states{groupname=\"t\",state=\"Sleeping\"}"),
        2.0
    );
    assert!(!reply.text().contains("namedprocess_namegroup_thread_"));
    workload.end();
}

/// `write_bytes` of the threads of a process that have a name.
fn written(pid: u32, name: &str) -> f64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let dirs = threads.map(|thread| thread.unwrap().path());
    let named = dirs.filter(|dir| {
        let comm = fs::read_to_string(dir.join("comm")).unwrap();
        comm.trim_end() == name
    });
    let bytes = named.map(|dir| {
        let io = fs::read_to_string(dir.join("io")).unwrap();
        let line = io.lines().find_map(|l| l.strip_prefix("write_bytes: "));
        line.unwrap().parse::<f64>().unwrap()
    });
    bytes.sum()
}

/// Where a file system counts nothing, as in memory, all is 0 on both sides.
#[test]
fn bytes_of_threads() {
    let setup = Setup::new("bytes");
    let mut workload = setup.workload("b");
    for name in ["quiet", "writer"] {
        workload.tell(&format!("thread {name}"));
    }
    workload.tell("tell writer write 64");
    let pid = workload.child.id();
    let before = written(pid, "writer");
    let exporter = setup.exporter(&[]);
    let series = |name| {
        let labels = format!("groupname=\"b\",iomode=\"write\",threadname=\"{name}\"");
        format!("thread_io_bytes_total{{{labels}}}")
    };
    for order in ["write 64", "burn 1", "write 256", "write 64"] {
        workload.tell(&format!("tell writer {order}"));
        let reply = exporter.get("/metrics");
        let now = written(pid, "writer") - before;
        assert_eq!(of(&reply, &series("writer")), now, "{order}");
        assert_eq!(of(&reply, &series("quiet")), 0.0, "{order}");
        assert_eq!(of(&reply, "write_bytes_total{groupname=\"b\"}"), now);
    }
    workload.end();
}

#[test]
fn children_and_short_lives() {
    let setup = Setup::new("children");
    let mut workload = setup.workload("parent");
    let exporter = setup.exporter(&[]);
    let alone = setup.exporter(&["-children=false", "-remove-empty-groups"]);
    let procs = "num_procs{groupname=\"parent\"}";
    let own = setup.argument("own");
    for _ in 0..3 {
        workload.tell("fork nameless");
    }
    workload.tell(&format!("fork {own}"));
    let reply = exporter.get("/metrics");
    assert_eq!(of(&reply, procs), 4.0);
    assert_eq!(of(&reply, "num_procs{groupname=\"own\"}"), 1.0);
    let reply = alone.get("/metrics");
    assert_eq!(of(&reply, procs), 1.0);
    assert_eq!(of(&reply, "num_procs{groupname=\"own\"}"), 1.0);
    workload.tell("reap");
    // Many come and go between two scrapes: none is left, none is counted twice.
    let faults = "minor_page_faults_total{groupname=\"parent\"}";
    let mut before = of(&exporter.get("/metrics"), faults);
    for _ in 0..3 {
        for _ in 0..20 {
            workload.tell("fork nameless");
        }
        workload.tell("reap");
        let reply = exporter.get("/metrics");
        assert_eq!(of(&reply, procs), 1.0);
        let now = of(&reply, faults);
        assert!(now >= before, "{now} < {before}");
        before = now;
    }
    let reply = alone.get("/metrics");
    assert!(
        !reply.text().contains("groupname=\"own\""),
        "it is empty and forgotten"
    );
    workload.end();
}

/// Ten thousand processes that last about a millisecond, most of them between two scrapes and some
/// seen by one.
#[test]
fn a_flood_of_short_lives() {
    let setup = Setup::new("flood");
    let mut workload = setup.workload("flood");
    let exporter = setup.exporter(&[]);
    let open = |reply: &Reply| reply.value("process_open_fds").unwrap();
    let procs = "num_procs{groupname=\"flood\"}";
    let counters = [
        "minor_page_faults_total{groupname=\"flood\"}",
        "cpu_seconds_total{groupname=\"flood\",mode=\"system\"}",
        "context_switches_total{ctxswitchtype=\"voluntary\",groupname=\"flood\"}",
    ];
    // What is opened at the first scrape and kept is there at the second.
    exporter.get("/metrics");
    let mut before = exporter.get("/metrics");
    let files = open(&before);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            workload.tell("churn 10000");
            over.store(true, Ordering::Relaxed);
        });
        let mut children = 0.0;
        while !over.load(Ordering::Relaxed) {
            let now = exporter.get("/metrics");
            let seen = of(&now, procs);
            assert!((1.0..=2.0).contains(&seen), "{seen} processes");
            children += seen - 1.0;
            for counter in counters {
                let (earlier, later) = (of(&before, counter), of(&now, counter));
                assert!(later >= earlier, "{counter}: {later} < {earlier}");
            }
            before = now;
        }
        assert!(children > 0.0, "no scrape saw any of them");
    });
    let mut after = exporter.get("/metrics");
    assert_eq!(of(&after, procs), 1.0);
    // Connections of earlier requests may take a moment to go.
    let patience = Instant::now() + Duration::from_secs(30);
    while open(&after) > files && Instant::now() < patience {
        after = exporter.get("/metrics");
    }
    let left = open(&after);
    assert!(left <= files, "{left} files are open, not {files}");
    workload.end();
}

#[test]
fn what_the_original_does_not_offer() {
    let setup = Setup::new("more");
    let own = setup.argument("\\w+");
    let user = rustix::process::geteuid().as_raw();
    let text = format!(
        "process_names:\n- {{name: not, cmdline: ['{own}'], not: {{uid: [{user}]}}}}\n\
         - {{name: them, cmdline: ['{own}'], uid: [{user}], cgroup: ['^/']}}\n\
         - {{name: nobody, comm: [nobody]}}\n"
    );
    fs::write(setup.config(), text).unwrap();
    let workload = setup.workload("x");
    let exporter = setup.exporter(&[
        "-export-absent-groups",
        "-gather-maps",
        "-exclude-families=states,namedprocess_namegroup_threads_wchan",
    ]);
    let reply = exporter.get("/metrics");
    for (group, processes) in [("not", 0.0), ("them", 1.0), ("nobody", 0.0)] {
        let series = format!("num_procs{{groupname=\"{group}\"}}");
        assert_eq!(of(&reply, &series), processes, "{group}");
    }
    let maps = fs::read_to_string(format!("/proc/{}/maps", workload.child.id())).unwrap();
    let series = "memory_maps{groupname=\"them\"}";
    assert_eq!(of(&reply, series), maps.lines().count() as f64);
    let text = reply.text();
    assert!(!text.contains("namegroup_states") && !text.contains("threads_wchan"));
    let plain = setup.exporter(&[]).get("/metrics");
    assert!(!plain.text().contains("groupname=\"nobody\""));
    assert!(!plain.text().contains("memory_maps"));
    assert!(plain.text().contains("namegroup_states"));
    workload.end();
}

#[test]
fn a_new_configuration_is_read_on_request() {
    let setup = Setup::new("reload");
    let mut exporter = setup.exporter(&[]);
    let workload = setup.workload("a");
    let first = exporter.get("/metrics");
    assert_eq!(of(&first, "num_procs{groupname=\"a\"}"), 1.0);
    let successful = "process_exporter_config_last_reload_successful";
    assert_eq!(first.value(successful), Some(1.0));
    setup.configure("new-{{.Matches.Group}}");
    let mut client = exporter.connect();
    client
        .send("POST /-/reload HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    assert_eq!(client.reply(false).unwrap().status, 200);
    let second = setup.workload("b");
    let reply = exporter.get("/metrics");
    assert_eq!(
        of(&reply, "num_procs{groupname=\"a\"}"),
        1.0,
        "it keeps its group"
    );
    assert_eq!(of(&reply, "num_procs{groupname=\"new-b\"}"), 1.0);
    fs::write(setup.config(), "process_names:\n- name: x\n").unwrap();
    exporter.signal(Signal::HUP);
    let line = exporter.wait_for_log("Error reloading config");
    assert!(line.contains("all.yaml"), "{line}");
    assert_eq!(exporter.get("/metrics").value(successful), Some(0.0));
    workload.end();
    second.end();
}

/// A process of a tree of files, of which one is a pipe that nobody writes to.
#[test]
fn what_hangs_is_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("stat"), "btime 1700000000\n").unwrap();
    let exporter = Daemon::start(
        BINARY,
        &["-procnames=x", &format!("-procfs={}", dir.path().display())],
    );
    let process = dir.path().join("7");
    fs::create_dir(&process).unwrap();
    let fields = "7 (x) S 1 1 1 0 -1 0 0 0 0 0 1 1 0 0 20 0 1 0 9 4096 2";
    let stat = format!("{fields}{}\n", " 0".repeat(28));
    let pipe = process.join("stat");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    let hurried = "X-Prometheus-Scrape-Timeout-Seconds: 0.4\r\n";
    for failures in 1..=2 {
        let reply = exporter.get_with("/metrics", hurried);
        assert_eq!(reply.status, 200);
        assert_eq!(
            reply.value("namedprocess_scrape_errors"),
            Some(f64::from(failures))
        );
        assert!(!reply.text().contains("namedprocess_namegroup_"));
        assert_eq!(exporter.get("/-/healthy").status, 200);
    }
    // It goes on where it hung.
    fs::write(&pipe, &stat).unwrap();
    fs::remove_file(&pipe).unwrap();
    fs::write(&pipe, &stat).unwrap();
    let reply = exporter.get("/metrics");
    assert_eq!(reply.value("namedprocess_scrape_errors"), Some(2.0));
}

#[test]
fn paths() {
    let exporter = Daemon::start(BINARY, &["-procnames", "none", "-web.telemetry-path", "m"]);
    for (path, status, part) in [
        ("/m", 200, "# TYPE process_exporter_build_info gauge"),
        (
            "/m",
            200,
            "promhttp_metric_handler_requests_total{code=\"200\"}",
        ),
        ("/", 200, "<a href=\"m\">Metrics</a>"),
        ("/metrics", 200, "Named Process Exporter"),
        ("/any/where", 200, "Named Process Exporter"),
        ("/debug/pprof/heap", 404, "404 page not found"),
        ("/-/healthy", 200, "OK"),
    ] {
        let reply = exporter.get(path);
        assert_eq!(reply.status, status, "{path}");
        assert!(reply.text().contains(part), "{path}: {}", reply.text());
    }
    let reply = exporter.get("/m");
    let text = reply.text();
    assert!(!text.contains("namedprocess_namegroup_") && !text.contains("config_last_reload"));
    let content_type = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";
    assert_eq!(reply.header("content-type"), Some(content_type));
    let root = Daemon::start(BINARY, &["-web.telemetry-path=/"]);
    assert!(
        root.get("/")
            .text()
            .contains("namedprocess_scrape_errors 0\n")
    );
}

#[test]
fn health_has_an_address_of_its_own_where_asked_for() {
    let mut exporter = Daemon::start(BINARY, &["-web.health-address=127.0.0.1:0"]);
    let line = exporter.wait_for_log("Answering health on");
    let (_, health) = line.split_once("address=").unwrap();
    for (path, status) in [("/-/ready", 200), ("/metrics", 404), ("/", 404)] {
        let mut client = Client::connect(health.trim()).unwrap();
        assert_eq!(client.get(path, "").unwrap().status, status, "{path}");
    }
}

fn first_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn the_command_line() {
    let bad = Setup::new("bad");
    fs::write(bad.config(), "process_names: 1\n").unwrap();
    let path = bad.config().display().to_string();
    let good = Setup::new("good").config().display().to_string();
    for (arguments, code, part) in [
        (&["-nope"][..], 2, "flag provided but not defined: -nope"),
        (
            &["-children=maybe"],
            2,
            "invalid boolean value \"maybe\" for -children: parse error",
        ),
        (
            &["-recheck-with-time-limit", "5"],
            2,
            "invalid value \"5\" for flag -recheck-with-time-limit",
        ),
        (
            &["-web.telemetry-path="],
            2,
            "-web.telemetry-path: expected a path",
        ),
        (
            &["-exclude-families=cpu"],
            2,
            "-exclude-families: expected a family",
        ),
        (&["-h"], 0, "Usage of process-exporter:"),
        (&["-config.path", &path], 1, "all.yaml:1:"),
        (&["-config.path", "/nowhere"], 1, "/nowhere: No such file"),
        (
            &["-config.path", &good, "-procnames", "a"],
            1,
            "cannot be used with",
        ),
        (&["-namemapping", "a"], 1, "expected pairs"),
        (&["-procfs", "/nowhere"], 1, "/nowhere: No such file"),
        (&["-web.listen-address", "127.0.0.1"], 1, "127.0.0.1"),
        // The switch takes no value, so that everything behind it is ignored.
        (
            &["-config.check", "-children", "false", "-nope"],
            0,
            "from \"false\" on are ignored",
        ),
    ] {
        let Output { status, stderr, .. } = run(BINARY, arguments);
        let stderr = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(code), "{arguments:?}: {stderr}");
        assert!(stderr.contains(part), "{arguments:?}: {stderr}");
    }
    for (arguments, line) in [
        (&["-version"][..], "process-exporter, version "),
        (
            &["-man", "-config.path", "/nowhere"],
            "process-exporter [flags]",
        ),
        (&["-config.check"], "the configuration is valid"),
    ] {
        let output = run(BINARY, arguments);
        assert!(output.status.success(), "{arguments:?}");
        assert!(
            first_line(&output.stdout).starts_with(line),
            "{arguments:?}"
        );
    }
}

#[test]
fn one_answer_on_standard_output() {
    let setup = Setup::new("once");
    let workload = setup.workload("g");
    let config = setup.config().display().to_string();
    let arguments = ["-config.path", &config, "-once-to-stdout-delay", "1ms"];
    let output = run(BINARY, &arguments);
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    for line in [
        "namedprocess_namegroup_num_procs{groupname=\"g\"} 1\n",
        "namedprocess_scrape_errors 0\n",
        "# TYPE process_cpu_seconds_total counter\n",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    workload.end();
}

#[test]
fn signals_end_it_well() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut exporter = Daemon::start(BINARY, &["-procnames=a"]);
        exporter.signal(signal);
        assert_eq!(exporter.wait().code(), Some(0));
    }
}

#[test]
fn the_list_of_metrics_is_current() {
    let output = run(BINARY, &["-list-metrics"]);
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics/process.md");
    assert!(
        String::from_utf8(output.stdout).unwrap() == fs::read_to_string(page).unwrap_or_default(),
        "docs/metrics/process.md is old: \
         cargo run --bin process-exporter -- -list-metrics > docs/metrics/process.md"
    );
}
