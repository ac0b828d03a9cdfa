//! One look at a process and its threads.
//!
//! A task that has not been on a processor since the last look has read, written and switched
//! nothing, and waits where it waited: its `schedstat` tells that for a fraction of what the other
//! files cost. It is read before them, so that what happens in between is seen the next time.

use super::Options;
use crate::groups::{Counters, Present};
use crate::procfs::{Entry, Procfs, Result, Task, parse, told};
use crate::users::Users;
use exporter_core::exposition::names::lossy;
use rustix::io::Errno;
use std::sync::{Arc, Mutex, PoisonError};

/// What was seen of a process.
#[derive(Clone, Debug, Default)]
pub(super) struct Sample {
    pub(super) start: u64,
    pub(super) uid: u64,
    pub(super) state: u8,
    /// Number of the kernel function that it waits in, 0 for none.
    pub(super) waiting: u16,
    pub(super) counters: Counters,
    pub(super) present: Present,
    /// Not everything could be read.
    pub(super) partial: bool,
    ran: Option<(u64, u64)>,
    /// Something of `io` or `wchan` could not be read.
    hidden: bool,
}

/// What was seen of a thread.
#[derive(Clone, Debug)]
pub(super) struct Thread {
    pub(super) tid: u32,
    start: u64,
    pub(super) name: Box<str>,
    pub(super) state: u8,
    pub(super) waiting: u16,
    pub(super) counters: Counters,
    ran: Option<(u64, u64)>,
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

/// Whether a task has not run between two looks.
fn rested(earlier: Option<(u64, u64)>, now: Option<(u64, u64)>, states: [u8; 2]) -> bool {
    now.is_some() && earlier == now && !states.contains(&b'R')
}

/// Names of kernel functions, numbered from 1.
#[derive(Debug, Default)]
pub(super) struct Functions(Mutex<Vec<Box<str>>>);

impl Functions {
    fn number(&self, name: &str) -> u16 {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = names.iter().position(|n| **n == *name);
        let index = known.unwrap_or_else(|| {
            names.push(name.into());
            names.len() - 1
        });
        u16::try_from(index + 1).unwrap_or(0)
    }

    /// All, the first for number 1.
    pub(super) fn names(&self) -> Vec<Box<str>> {
        let names = self.0.lock();
        names.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What a sample is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// To tell what is used later, and whether all could be read.
    Baseline,
    /// To be exposed.
    Whole,
}

/// Reads processes for a tracker.
pub(super) struct Reader {
    pub(super) procfs: Procfs,
    pub(super) functions: Arc<Functions>,
    pub(super) users: Users,
    pub(super) options: Options,
    /// Nothing can be swapped out.
    pub(super) swapless: bool,
    /// What this collection is for.
    pub(super) extent: Extent,
    threads: Vec<Entry>,
}

impl Reader {
    pub(super) fn new(procfs: Procfs, options: Options) -> Self {
        Reader {
            procfs,
            functions: Arc::default(),
            users: Users::default(),
            options,
            swapless: false,
            extent: Extent::Baseline,
            threads: Vec::new(),
        }
    }

    /// One that reads the same beside it.
    pub(super) fn another(&self) -> Result<Self> {
        Ok(Reader {
            procfs: self.procfs.another()?,
            functions: self.functions.clone(),
            users: Users::default(),
            threads: Vec::new(),
            ..*self
        })
    }

    /// Reads a process, all but its threads. `earlier` is the last look at it.
    pub(super) fn sample(
        &mut self,
        pid: u32,
        stat: &parse::Stat<'_>,
        earlier: Option<&Sample>,
        extent: Extent,
    ) -> Result<Sample> {
        let task = Task { pid, tid: None };
        let ran = match stat.threads {
            1 => self.procfs.schedstat(task),
            _ => None,
        };
        let rested = earlier.filter(|e| {
            let states = [e.state, stat.state];
            e.present.threads == 1 && rested(e.ran, ran, states)
        });
        let mut sample = match rested {
            Some(earlier) => earlier.clone(),
            None => Sample::default(),
        };
        sample.start = stat.start;
        sample.state = stat.state;
        sample.ran = ran;
        let counters = &mut sample.counters;
        counters.utime = stat.utime;
        counters.stime = stat.stime;
        counters.minor_faults = stat.minor_faults;
        counters.major_faults = stat.major_faults;
        if rested.is_none() || !self.swapless {
            let status = self.procfs.status(task)?;
            sample.uid = status.uid;
            sample.present.swapped = status.swap;
            sample.counters.switches = [status.voluntary, status.nonvoluntary];
        }
        sample.present.resident = stat.rss.saturating_mul(self.procfs.page_size());
        sample.present.virtual_ = stat.vsize;
        sample.present.threads = stat.threads;
        sample.present.limit = self.procfs.file_limit(pid)?;
        if rested.is_none() {
            self.read_hidden(task, &mut sample, earlier);
        }
        let mut partial = sample.hidden;
        // What is not exposed needs no count that nothing forbids.
        let descriptors = match extent == Extent::Baseline && self.procfs.counts_descriptors() {
            true => Ok(0),
            false => self.procfs.descriptors(pid),
        };
        sample.present.descriptors = match descriptors {
            Ok(count) => Some(count),
            Err(error) => {
                failed(pid, "fd", error);
                partial = true;
                None
            }
        };
        partial |= !self.read_proportional(pid, &mut sample, extent);
        if self.options.maps && extent == Extent::Whole {
            sample.present.maps = self.procfs.maps(pid).unwrap_or_else(|error| {
                failed(pid, "maps", error);
                partial = true;
                0
            });
        }
        sample.partial = partial;
        Ok(sample)
    }

    /// What not everybody may read of everybody.
    fn read_hidden(&mut self, task: Task, sample: &mut Sample, earlier: Option<&Sample>) {
        match self.procfs.io(task) {
            Ok((read, written)) => {
                sample.counters.read = read;
                sample.counters.written = written;
            }
            Err(error) => {
                failed(task.pid, "io", error);
                sample.hidden = true;
                if let Some(earlier) = earlier {
                    sample.counters.read = earlier.counters.read;
                    sample.counters.written = earlier.counters.written;
                }
            }
        }
        match self.procfs.wchan(task) {
            Ok(function) => sample.waiting = function.map_or(0, |f| self.functions.number(&f)),
            Err(error) => {
                failed(task.pid, "wchan", error);
                sample.hidden = true;
            }
        }
    }

    /// Whether all went well.
    fn read_proportional(&mut self, pid: u32, sample: &mut Sample, extent: Extent) -> bool {
        sample.present.proportional = (0, 0);
        let limit = self.options.proportional_limit;
        if !self.options.proportional {
            return true;
        }
        if limit > 0 && sample.present.resident > limit {
            tracing::debug!(pid, "too large for its smaps to be read");
            return true;
        }
        // Kernel threads and zombies have no memory to tell of. Of what is not exposed, what may be
        // read is as good as read, and who may read io may read this.
        let live = self.procfs.is_live();
        let baseline = live && extent == Extent::Baseline;
        let result = match (live && sample.present.virtual_ == 0, baseline) {
            (true, _) => Err(Errno::SRCH),
            (false, true) if sample.hidden => Err(Errno::ACCESS),
            (false, true) => Ok((0, 0)),
            (false, false) => self.procfs.proportional(pid),
        };
        match result {
            Ok(bytes) => {
                sample.present.proportional = bytes;
                true
            }
            Err(error) => {
                failed(pid, "smaps", error);
                false
            }
        }
    }

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
        let mut listing = std::mem::take(&mut self.threads);
        listing.clear();
        let mut threads = Vec::new();
        match self.procfs.threads(pid, &mut listing) {
            Ok(()) => {
                threads.reserve_exact(listing.len());
                listing.sort_unstable_by_key(|entry| entry.id);
                for entry in &listing {
                    let task = Task {
                        pid,
                        tid: Some(entry.id),
                    };
                    threads.extend(self.thread(task, find(earlier, entry.id)));
                }
            }
            Err(error) => {
                failed(pid, "task", error);
                sample.partial = true;
            }
        }
        self.threads = listing;
        if threads.len() < 2 {
            threads = Vec::new();
        }
        threads
    }

    fn thread(&mut self, task: Task, known: Option<&Thread>) -> Option<Thread> {
        let ran = self.procfs.schedstat(task);
        let stat = self.procfs.stat(task).ok()?;
        let known = known.filter(|k| k.start == stat.start);
        let mut thread = Thread {
            tid: task.tid.unwrap_or(task.pid),
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
            ran,
        };
        if let Some(known) = known
            && rested(known.ran, ran, [known.state, thread.state])
        {
            thread.waiting = known.waiting;
            thread.counters.switches = known.counters.switches;
            (thread.counters.read, thread.counters.written) =
                (known.counters.read, known.counters.written);
            return Some(thread);
        }
        let status = self.procfs.status(task).ok()?;
        thread.counters.switches = [status.voluntary, status.nonvoluntary];
        // The original leaves out threads without this file, which a mounted procfs always has.
        if !self.procfs.is_live() && !self.procfs.has(task, "cmdline") {
            return None;
        }
        match self.procfs.io(task) {
            Ok((read, written)) => {
                thread.counters.read = read;
                thread.counters.written = written;
            }
            Err(_) => {
                let known = known.map_or((0, 0), |k| (k.counters.read, k.counters.written));
                (thread.counters.read, thread.counters.written) = known;
            }
        }
        if let Ok(function) = self.procfs.wchan(task) {
            thread.waiting = function.map_or(0, |f| self.functions.number(&f));
        }
        Some(thread)
    }
}

fn failed(pid: u32, file: &str, error: Errno) {
    tracing::debug!(pid, file, error = told(error), "a file could not be read");
}
