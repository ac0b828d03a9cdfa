//! Numbers of processes and threads, from `PID/stat` of procfs (`filesystems/proc`).

use crate::host::Host;
use crate::kernel::{KernelFile, Unread, read_once, text};
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Error, Scrape};
use exporter_core::exposition::{Arena, Family};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::path::Path;

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

static THREADS: Family = Family::gauge("node_processes_threads", &[], "Threads.");
static MAX_THREADS: Family = Family::gauge("node_processes_max_threads", &[], "Limit of threads.");
static STATE: Family = Family::gauge("node_processes_state", &["state"], "Processes in a state.");
static THREADS_STATE: Family = Family::gauge(
    "node_processes_threads_state",
    &["thread_state"],
    "Threads in a state.",
);
static PIDS: Family = Family::gauge("node_processes_pids", &[], "Processes.");
static MAX_PROCESSES: Family = Family::gauge(
    "node_processes_max_processes",
    &[],
    "Limit of process numbers.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![
        &THREADS,
        &MAX_THREADS,
        &STATE,
        &THREADS_STATE,
        &PIDS,
        &MAX_PROCESSES,
    ]
}

#[derive(Default)]
struct Counts {
    processes: u64,
    threads: u64,
    states: BTreeMap<String, u64>,
    thread_states: BTreeMap<String, u64>,
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    host.require_proc()?;
    let proc = host.proc.clone();
    let mut max_threads = KernelFile::new(host.proc("sys/kernel/threads-max"));
    let mut max_pid = KernelFile::new(host.proc("sys/kernel/pid_max"));
    Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
        let counts = count(&proc)?;
        out.put(&THREADS, &[], counts.threads as f64);
        out.put(&MAX_THREADS, &[], max_threads.uint()? as f64);
        for (state, count) in &counts.states {
            out.put(&STATE, &[state], *count as f64);
        }
        for (state, count) in &counts.thread_states {
            out.put(&THREADS_STATE, &[state], *count as f64);
        }
        let limit = max_pid.uint()?;
        out.put(&PIDS, &[], counts.processes as f64);
        out.put(&MAX_PROCESSES, &[], limit as f64);
        Ok(())
    }))
}

fn numbers(dir: &Path) -> Result<Vec<String>, Unread> {
    let mut names = crate::kernel::list(dir)?;
    names.retain(|n| n.bytes().all(|b| b.is_ascii_digit()));
    Ok(names)
}

fn count(proc: &Path) -> Result<Counts, Error> {
    let mut counts = Counts::default();
    for pid in numbers(proc)? {
        let dir = proc.join(&pid);
        let Some((state, threads)) = stat(&dir.join("stat"))? else {
            continue;
        };
        counts.processes += 1;
        counts.threads = counts.threads.wrapping_add(threads);
        *counts.states.entry(state.clone()).or_default() += 1;
        let tasks = match numbers(&dir.join("task")) {
            Ok(tasks) => tasks,
            Err(unread) if is_gone(&unread) => continue,
            Err(unread) => return Err(unread.into()),
        };
        for task in tasks {
            // The main thread is in the state that its process was just seen in.
            let state = match task == pid {
                true => Some(state.clone()),
                false => stat(&dir.join("task").join(task).join("stat"))?.map(|s| s.0),
            };
            if let Some(state) = state {
                *counts.thread_states.entry(state).or_default() += 1;
            }
        }
    }
    Ok(counts)
}

fn is_gone(unread: &Unread) -> bool {
    matches!(unread.errno, Errno::NOENT | Errno::SRCH)
}

/// State and number of threads; `None` for a process that has ended.
fn stat(path: &Path) -> Result<Option<(String, u64)>, Error> {
    match read_once(path) {
        Ok(contents) => parse(&contents).map(Some).ok_or_else(|| {
            Error::failed(format!("{}: expected the fields of stat", path.display()))
        }),
        Err(unread) if is_gone(&unread) => Ok(None),
        Err(unread) => Err(unread.into()),
    }
}

/// The name in parentheses may hold anything, parentheses too.
pub fn parse(stat: &[u8]) -> Option<(String, u64)> {
    let end = memchr::memrchr(b')', stat)?;
    let (fields, count) = text::first_words::<42>(&stat[end + 1..]);
    let [state, numbers @ ..] = &fields;
    let numbers_fit = numbers.iter().enumerate().all(|(at, field)| match at + 1 {
        // Everything else is counted from 0 up.
        1..=5 | 13..=18 | 21 | 35 | 40 | 41 => text::int(field).is_some(),
        _ => text::uint(field).is_some(),
    });
    if count < 42 || !numbers_fit {
        return None;
    }
    let threads = text::int(fields[17])?;
    Some((String::from_utf8_lossy(state).into_owned(), threads as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;
    use proptest::prelude::*;

    /// A thread without terminal and exit signal, as the kernel writes it.
    fn line(name: &str, state: &str, threads: u64) -> String {
        format!(
            "10 ({name}) {state} 1 10 10 0 -1 4194560 12 0 1 0 3 5 -2 -3 20 -5 {threads} 0 2201 \
             3956736 -1 18446744073709551615 1 1 0 0 0 0 671173123 4096 1260 0 0 0 -1 1 0 0 0 0 -1 0\n"
        )
    }

    #[test]
    fn counts() {
        let tree = Tree::new()
            .file("proc/10/stat", line("a) b", "S", 2))
            .file("proc/10/task/10/stat", line("a", "S", 2))
            .file("proc/10/task/11/stat", line("a", "R", 2))
            .file("proc/12/stat", line("z", "Z", 1))
            .dir("proc/13")
            .file("proc/sys/kernel/threads-max", "7801\n")
            .file("proc/sys/kernel/pid_max", "123\n");
        tree.collect("processes", &[]).expect(
            "node_processes_max_processes 123\nnode_processes_max_threads 7801\nnode_processes_pids 2\n\
             node_processes_state{state=\"S\"} 1\nnode_processes_state{state=\"Z\"} 1\nnode_processes_threads 3\n\
             node_processes_threads_state{thread_state=\"R\"} 1\nnode_processes_threads_state{thread_state=\"S\"} 1\n",
        );
        let good = line("z", "Z", 1);
        for bad in ["12 (z) Z\n".to_owned(), good.replace("4194560", "-1")] {
            tree.write("proc/12/stat", bad);
            tree.collect("processes", &[]).expect_failure("stat");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}
