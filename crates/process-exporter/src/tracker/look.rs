//! What one look at a process finds, before anything is made of it.
//!
//! Looking changes nothing that is known of processes, so that two threads can look at once. That
//! costs more processor time than one, and is done only until the first answer is given: then
//! everything is read of every process, and somebody waits for it.

use super::sample::{Reader, Sample, Thread};
use super::{Member, Process, Role};
use crate::naming::{Identity, Naming};
use crate::procfs::{Entry, Result, Task, parse};
use exporter_core::exposition::names::lossy;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What was found.
pub(super) enum Look {
    /// Nothing can be told of it.
    Nothing,
    /// It is known, and still there.
    Same,
    /// It is new.
    New(Result<Box<Found>>),
    /// It is known and in no group. The name of a group that it belongs to now.
    Again(Option<String>),
    /// It is in a group.
    Member(Result<(Sample, Vec<Thread>)>),
}

/// A process that is new.
pub(super) struct Found {
    pub(super) start: u64,
    pub(super) parent: i32,
    pub(super) sample: Sample,
    /// The group that it belongs to, and its threads.
    pub(super) named: Option<(String, Vec<Thread>)>,
}

/// Threads look at so many processes in turn.
const BATCH: usize = 16;

impl Reader {
    /// Looks at a process, of which `known` is known.
    pub(super) fn look(&mut self, entry: Entry, known: Option<&Process>, naming: &Naming) -> Look {
        if let Some(process) = known
            && matches!(process.role, Role::Ignored)
            && self.procfs.is_live()
            && process.inode == entry.inode
        {
            return Look::Same;
        }
        let pid = entry.id;
        // The name is kept: everything else is read into the same buffer.
        let mut comm = [0; 256];
        let (stat, comm) = match self.procfs.stat(Task { pid, tid: None }) {
            Ok(stat) => {
                let length = stat.comm.len().min(comm.len());
                comm[..length].copy_from_slice(&stat.comm[..length]);
                let stat = parse::Stat { comm: &[], ..stat };
                (stat, &comm[..length])
            }
            Err(_) => return Look::Nothing,
        };
        match known.filter(|p| p.start == stat.start).map(|p| &p.role) {
            Some(Role::Ignored) => Look::Same,
            Some(Role::Unnamed { .. }) => self.look_again(pid, &stat, comm, naming),
            Some(Role::Member(member)) => Look::Member(self.look_at_member(pid, &stat, member)),
            None => match self.look_at_new(pid, &stat, comm, naming) {
                Ok(Some(found)) => Look::New(Ok(Box::new(found))),
                Ok(None) => Look::Nothing,
                Err(error) => Look::New(Err(error)),
            },
        }
    }

    fn look_at_member(
        &mut self,
        pid: u32,
        stat: &parse::Stat<'_>,
        member: &Member,
    ) -> Result<(Sample, Vec<Thread>)> {
        let mut sample = self.sample(pid, stat, Some(&member.sample))?;
        let threads = self.thread_samples(pid, &mut sample, &member.threads);
        Ok((sample, threads))
    }

    /// `None` where its command line cannot be read, which is told nowhere.
    fn look_at_new(
        &mut self,
        pid: u32,
        stat: &parse::Stat<'_>,
        comm: &[u8],
        naming: &Naming,
    ) -> Result<Option<Found>> {
        let mut sample = self.sample(pid, stat, None)?;
        let Ok(arguments) = self.procfs.cmdline(pid) else {
            return Ok(None);
        };
        let identity = self.identity(pid, stat, comm, arguments, sample.uid);
        tracing::debug!(
            pid,
            comm = identity.comm,
            cmdline = identity.command_line(),
            "found a process"
        );
        let named = self.name(&identity, naming).map(|name| {
            let threads = self.thread_samples(pid, &mut sample, &[]);
            (name, threads)
        });
        Ok(Some(Found {
            start: stat.start,
            parent: stat.ppid,
            sample,
            named,
        }))
    }

    /// A process that is known and in no group: its names may have changed.
    fn look_again(
        &mut self,
        pid: u32,
        stat: &parse::Stat<'_>,
        comm: &[u8],
        naming: &Naming,
    ) -> Look {
        let task = Task { pid, tid: None };
        let (Ok(arguments), Ok(status)) = (self.procfs.cmdline(pid), self.procfs.status(task))
        else {
            return Look::Same;
        };
        let identity = self.identity(pid, stat, comm, arguments, status.uid);
        Look::Again(self.name(&identity, naming))
    }

    fn identity(
        &self,
        pid: u32,
        stat: &parse::Stat<'_>,
        comm: &[u8],
        arguments: Vec<String>,
        uid: u64,
    ) -> Identity {
        Identity {
            pid,
            comm: lossy(comm).into_owned(),
            arguments,
            uid,
            started: self.started(stat.start),
        }
    }

    /// Hundredths of a second since the epoch.
    pub(super) fn started(&self, start: u64) -> u64 {
        let boot = self.procfs.boot_time().saturating_mul(100);
        boot.saturating_add(start)
    }

    fn name(&mut self, identity: &Identity, naming: &Naming) -> Option<String> {
        let procfs = &mut self.procfs;
        let pid = identity.pid;
        let name = naming.name(identity, &mut self.users, || procfs.cgroups(pid))?;
        tracing::debug!(pid, groupname = name, "matched a process");
        Some(name)
    }
}

/// Looks at processes with two readers at once. What was found is in the order of the entries.
pub(super) fn in_two(
    readers: [&mut Reader; 2],
    entries: &[Entry],
    known: &HashMap<u32, Process>,
    naming: &Naming,
) -> Vec<Look> {
    let next = AtomicUsize::new(0);
    let batches = entries.len().div_ceil(BATCH);
    let work = |reader: &mut Reader| {
        let mut found = Vec::new();
        loop {
            let batch = next.fetch_add(1, Ordering::Relaxed);
            let Some(entries) = entries.chunks(BATCH).nth(batch) else {
                return found;
            };
            let look = |e: &Entry| reader.look(*e, known.get(&e.id), naming);
            found.push((batch, entries.iter().map(look).collect::<Vec<_>>()));
        }
    };
    let [here, there] = readers;
    let mut found = Vec::with_capacity(batches);
    std::thread::scope(|scope| {
        let other = std::thread::Builder::new()
            .stack_size(1 << 20)
            .spawn_scoped(scope, || work(there));
        found.extend(work(here));
        match other.map(|thread| thread.join()) {
            Ok(Ok(more)) => found.extend(more),
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            // All was done here.
            Err(error) => tracing::debug!(%error, "no second thread"),
        }
    });
    found.sort_unstable_by_key(|(batch, _)| *batch);
    found.into_iter().flat_map(|(_, looks)| looks).collect()
}
