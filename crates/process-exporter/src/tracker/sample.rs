//! One look at a process. Its `schedstat`, `status` and `wchan` are those of its first thread, its
//! `io` is that of all.

use super::Options;
use super::run::Run;
use crate::groups::{Counters, Present};
use crate::procfs::{Entry, Procfs, Result, Task, parse, told};
use crate::users::Users;
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
    /// It may have read or written since the last look, or any of its threads.
    pub(super) moved: bool,
    run: Run,
    no_io: bool,
    no_wchan: bool,
}

impl Sample {
    fn take_stat(&mut self, stat: &parse::Stat<'_>, page_size: u64) {
        self.start = stat.start;
        self.state = stat.state;
        self.counters.utime = stat.utime;
        self.counters.stime = stat.stime;
        self.counters.minor_faults = stat.minor_faults;
        self.counters.major_faults = stat.major_faults;
        self.present.resident = stat.rss.saturating_mul(page_size);
        self.present.virtual_ = stat.vsize;
        self.present.threads = stat.threads;
    }
}

/// Names of kernel functions, numbered from 1.
#[derive(Debug, Default)]
pub(super) struct Functions(Mutex<Vec<Box<str>>>);

impl Functions {
    pub(super) fn number(&self, name: &str) -> u16 {
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Extent {
    /// To tell whose the process is, and whether all can be read.
    Access,
    /// To tell what is used later, too.
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
    pub(super) listing: Vec<Entry>,
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
            listing: Vec::new(),
        }
    }

    /// One that reads the same beside it.
    pub(super) fn another(&self) -> Result<Self> {
        Ok(Reader {
            procfs: self.procfs.another()?,
            functions: self.functions.clone(),
            users: Users::default(),
            listing: Vec::new(),
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
        let task = Task::process(pid);
        let lasting = extent > Extent::Access;
        let run = match lasting {
            true => Run::look(&mut self.procfs, task, earlier.map(|e| e.run)),
            false => Run::default(),
        };
        let rested = earlier.filter(|e| run.rests_since(e.run, [e.state, stat.state]));
        let mut sample = rested.cloned().unwrap_or_default();
        sample.run = run;
        sample.take_stat(stat, self.procfs.page_size());
        if rested.is_none() || !self.swapless {
            let status = self.procfs.status(task)?;
            sample.uid = status.uid;
            sample.present.swapped = status.swap;
            sample.counters.switches = [status.voluntary, status.nonvoluntary];
        }
        let switched = earlier.is_some_and(|e| e.counters.switches != sample.counters.switches);
        sample.run.settle(switched || stat.state == b'R');
        if lasting {
            sample.present.limit = self.procfs.file_limit(pid)?;
        }
        if lasting && rested.is_none() {
            self.read_wchan(pid, &mut sample);
        }
        let alone = |e: &Sample| e.present.threads == 1 && stat.threads == 1;
        match rested.is_some_and(alone) {
            true => sample.moved = false,
            false => self.read_io(pid, &mut sample, earlier),
        }
        let mut whole = !sample.no_io && !sample.no_wchan;
        whole &= self.read_descriptors(pid, &mut sample, extent);
        whole &= self.read_proportional(pid, &mut sample, extent);
        whole &= self.read_maps(pid, &mut sample, extent);
        sample.partial = !whole;
        Ok(sample)
    }

    fn read_wchan(&mut self, pid: u32, sample: &mut Sample) {
        match self.procfs.wchan(Task::process(pid)) {
            Ok(function) => sample.waiting = function.map_or(0, |f| self.functions.number(&f)),
            Err(error) => {
                failed(pid, "wchan", error);
                sample.no_wchan = true;
            }
        }
    }

    fn read_io(&mut self, pid: u32, sample: &mut Sample, earlier: Option<&Sample>) {
        let known = earlier.map(|e| (e.counters.read, e.counters.written));
        let now = self.procfs.io(Task::process(pid));
        if let Err(error) = now {
            failed(pid, "io", error);
        }
        sample.no_io = now.is_err();
        // What may not be read of a process may not be read of its threads.
        let moved = now.is_ok_and(|bytes| Some(bytes) != known);
        sample.moved = !self.procfs.is_live() || known.is_none() || moved;
        let bytes = now.ok().or(known).unwrap_or_default();
        (sample.counters.read, sample.counters.written) = bytes;
    }

    /// Whether all went well.
    fn read_descriptors(&mut self, pid: u32, sample: &mut Sample, extent: Extent) -> bool {
        // What is not exposed needs no count that nothing forbids.
        let count = match extent < Extent::Whole && self.procfs.counts_descriptors() {
            true => Ok(0),
            false => self.procfs.descriptors(pid),
        };
        if let Err(error) = count {
            failed(pid, "fd", error);
        }
        sample.present.descriptors = count.ok();
        count.is_ok()
    }

    /// Whether all went well.
    fn read_maps(&mut self, pid: u32, sample: &mut Sample, extent: Extent) -> bool {
        if !self.options.maps || extent < Extent::Whole {
            return true;
        }
        let count = self.procfs.maps(pid);
        if let Err(error) = count {
            failed(pid, "maps", error);
        }
        sample.present.maps = count.unwrap_or(0);
        count.is_ok()
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
        let baseline = live && extent < Extent::Whole;
        let result = match (live && sample.present.virtual_ == 0, baseline) {
            (true, _) => Err(Errno::SRCH),
            (false, true) if sample.no_io || sample.no_wchan => Err(Errno::ACCESS),
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
}

pub(super) fn failed(pid: u32, file: &str, error: Errno) {
    tracing::debug!(pid, file, error = told(error), "a file could not be read");
}
