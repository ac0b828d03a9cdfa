//! A tree of files that looks like procfs, for tests.

use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// When the machine of the tree started, in seconds since the epoch.
pub const BOOT: u64 = 1_700_000_000;

/// The tree.
pub struct Tree {
    dir: TempDir,
}

/// A task as its files tell it. `start` is in hundredths of a second since boot.
#[derive(Clone, Debug)]
pub struct Task {
    pub comm: &'static str,
    pub cmdline: &'static str,
    pub state: char,
    pub parent: u32,
    pub utime: u64,
    pub minor_faults: u64,
    pub read: u64,
    pub switches: [u64; 2],
    pub start: u64,
    pub wchan: &'static str,
    pub open: u64,
    pub threads: Vec<(u32, Task)>,
}

impl Default for Task {
    fn default() -> Self {
        Task {
            comm: "task",
            cmdline: "task\0",
            state: 'S',
            parent: 1,
            utime: 0,
            minor_faults: 0,
            read: 0,
            switches: [0, 0],
            start: 1000,
            wchan: "0",
            open: 2,
            threads: Vec::new(),
        }
    }
}

impl Tree {
    /// A machine without processes.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("stat"), format!("cpu 1 2\nbtime {BOOT}\n")).unwrap();
        Tree { dir }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Writes a process, over the one of that number.
    pub fn put(&self, pid: u32, task: &Task) {
        self.remove(pid);
        let dir = self.path().join(pid.to_string());
        write_task(&dir, pid, task);
        fs::create_dir_all(dir.join("fd")).unwrap();
        for number in 0..task.open {
            fs::write(dir.join("fd").join(number.to_string()), "").unwrap();
        }
        let limits =
            "Limit  Soft Limit  Hard Limit  Units\nMax open files      10      20   files\n";
        fs::write(dir.join("limits"), limits).unwrap();
        let rollup = "0-1 ---p 0 00:00 0 [rollup]\nPss:   7 kB\nSwapPss:   1 kB\n";
        fs::write(dir.join("smaps_rollup"), rollup).unwrap();
        fs::write(dir.join("cgroup"), "0::/slice\n").unwrap();
        let mut threads = task.threads.clone();
        if threads.is_empty() {
            threads.push((pid, task.clone()));
        }
        for (tid, thread) in &threads {
            write_task(&dir.join("task").join(tid.to_string()), *tid, thread);
        }
    }

    /// Takes a process away.
    pub fn remove(&self, pid: u32) {
        let dir = self.path().join(pid.to_string());
        if dir.exists() {
            fs::remove_dir_all(dir).unwrap();
        }
    }
}

fn write_task(dir: &Path, id: u32, task: &Task) {
    fs::create_dir_all(dir).unwrap();
    let threads = task.threads.len().max(1);
    let stat = format!(
        "{id} ({}) {} {} 1 1 0 -1 0 {} 0 0 0 {} 0 0 0 20 0 {threads} 0 {} 4096 2 0 0 0 0 0 0 0 0 0 \
         0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
        task.comm, task.state, task.parent, task.minor_faults, task.utime, task.start
    );
    let [voluntary, nonvoluntary] = task.switches;
    let status = format!(
        "Name:\tx\nUid:\t0\t0\t0\t0\nVmSwap:\t3 kB\nvoluntary_ctxt_switches:\t{voluntary}\n\
         nonvoluntary_ctxt_switches:\t{nonvoluntary}\n"
    );
    let io = format!(
        "rchar: 0\nwchar: 0\nsyscr: 0\nsyscw: 0\nread_bytes: {}\nwrite_bytes: 0\n\
         cancelled_write_bytes: 0\n",
        task.read
    );
    fs::write(dir.join("stat"), stat).unwrap();
    fs::write(dir.join("status"), status).unwrap();
    fs::write(dir.join("io"), io).unwrap();
    fs::write(dir.join("wchan"), task.wchan).unwrap();
    fs::write(dir.join("cmdline"), task.cmdline).unwrap();
}
