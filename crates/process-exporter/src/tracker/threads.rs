//! One look at the threads of a process.

use super::run::Run;
use super::sample::{Reader, Sample, failed};
use crate::groups::Counters;
use crate::procfs::{Entry, Task, Threads};
use exporter_core::exposition::names::lossy;

/// What was seen of a thread.
#[derive(Clone, Debug)]
pub(super) struct Thread {
    pub(super) tid: u32,
    start: u64,
    pub(super) name: Box<str>,
    pub(super) state: u8,
    pub(super) waiting: u16,
    pub(super) counters: Counters,
    run: Run,
}

impl Thread {
    /// The same thread among those of another look, which are sorted.
    pub(super) fn among<'a>(&self, others: &'a [Thread]) -> Option<&'a Thread> {
        find(others, self.tid).filter(|other| other.start == self.start)
    }
}

fn find(threads: &[Thread], tid: u32) -> Option<&Thread> {
    let at = threads.binary_search_by_key(&tid, |t| t.tid).ok()?;
    threads.get(at)
}

impl Reader {
    /// The threads of a process, none where it has only one. `earlier` are those of the last look.
    /// Where they cannot be listed, the sample is not whole.
    pub(super) fn thread_samples(
        &mut self,
        pid: u32,
        sample: &mut Sample,
        earlier: &[Thread],
    ) -> Vec<Thread> {
        // A tree of files may say one thing and hold another.
        if self.procfs.is_live() && sample.present.threads < 2 {
            return Vec::new();
        }
        let mut listing = std::mem::take(&mut self.listing);
        listing.clear();
        let threads = match self.procfs.threads(pid, &mut listing) {
            Ok(dir) => {
                listing.sort_unstable_by_key(|entry| entry.id);
                self.read_threads(pid, sample, &dir, &listing, earlier)
            }
            Err(error) => {
                failed(pid, "task", error);
                sample.partial = true;
                Vec::new()
            }
        };
        self.listing = listing;
        match threads.len() {
            0 | 1 => Vec::new(),
            _ => threads,
        }
    }

    fn read_threads(
        &mut self,
        pid: u32,
        sample: &Sample,
        dir: &Threads,
        listing: &[Entry],
        earlier: &[Thread],
    ) -> Vec<Thread> {
        let mut threads = Vec::with_capacity(listing.len());
        for entry in listing {
            let known = find(earlier, entry.id);
            let task = dir.task(entry.id);
            let thread = match self.procfs.is_live() && entry.id == pid {
                true => self.first_thread(task, entry.id, sample, known),
                false => self.thread(task, entry.id, sample.moved, known),
            };
            threads.extend(thread);
        }
        threads
    }

    /// Half of its files have been read as those of the process.
    fn first_thread(
        &mut self,
        task: Task<'_>,
        tid: u32,
        sample: &Sample,
        known: Option<&Thread>,
    ) -> Option<Thread> {
        let mut thread = self.thread_stat(task, tid)?;
        let known = known.filter(|k| k.start == thread.start);
        thread.waiting = sample.waiting;
        thread.counters.switches = sample.counters.switches;
        let idle = known.filter(|_| !sample.moved);
        self.thread_io(task, &mut thread, known, idle.is_some());
        Some(thread)
    }

    /// `moved` is whether any thread of the process can have read or written.
    fn thread(
        &mut self,
        task: Task<'_>,
        tid: u32,
        moved: bool,
        known: Option<&Thread>,
    ) -> Option<Thread> {
        let run = Run::look(&mut self.procfs, task, known.map(|k| k.run));
        let mut thread = self.thread_stat(task, tid)?;
        thread.run = run;
        let known = known.filter(|k| k.start == thread.start);
        let resting = known.filter(|k| run.rests_since(k.run, [k.state, thread.state]));
        match resting {
            Some(known) => {
                thread.waiting = known.waiting;
                thread.counters.switches = known.counters.switches;
            }
            None => self.thread_status(task, &mut thread)?,
        }
        let switched = known.is_some_and(|k| k.counters.switches != thread.counters.switches);
        thread.run.settle(switched || thread.state == b'R');
        let idle = resting.or(known.filter(|_| !moved));
        self.thread_io(task, &mut thread, known, idle.is_some());
        Some(thread)
    }

    fn thread_stat(&mut self, task: Task<'_>, tid: u32) -> Option<Thread> {
        let stat = self.procfs.stat(task).ok()?;
        Some(Thread {
            tid,
            start: stat.start,
            name: lossy(stat.comm).into(),
            state: stat.state,
            waiting: 0,
            counters: Counters {
                utime: stat.utime,
                stime: stat.stime,
                minor_faults: stat.minor_faults,
                major_faults: stat.major_faults,
                ..Counters::default()
            },
            run: Run::default(),
        })
    }

    /// How often it has left a processor, and where it waits.
    fn thread_status(&mut self, task: Task<'_>, thread: &mut Thread) -> Option<()> {
        let status = self.procfs.status(task).ok()?;
        thread.counters.switches = [status.voluntary, status.nonvoluntary];
        // The original leaves out threads without this file, which a mounted procfs always has.
        if !self.procfs.is_live() && !self.procfs.has(task, "cmdline") {
            return None;
        }
        if let Ok(function) = self.procfs.wchan(task) {
            thread.waiting = function.map_or(0, |f| self.functions.number(&f));
        }
        Some(())
    }

    /// What it has read and written: what is known where it has been idle since.
    fn thread_io(
        &mut self,
        task: Task<'_>,
        thread: &mut Thread,
        known: Option<&Thread>,
        idle: bool,
    ) {
        let known = known.map(|k| (k.counters.read, k.counters.written));
        let bytes = match idle {
            true => known,
            false => self.procfs.io(task).ok().or(known),
        };
        (thread.counters.read, thread.counters.written) = bytes.unwrap_or_default();
    }
}
