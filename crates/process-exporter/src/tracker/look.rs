//! What one look at a process finds, before anything is made of it.
//!
//! Looking changes nothing that is known of processes, so that two threads can look at once. That
//! costs more processor time than one, and is done only until the first answer is given: then
//! everything is read of every process, and somebody waits for it.

use super::sample::{Extent, Reader, Sample};
use super::threads::Thread;
use super::{Member, Process, Role};
use crate::naming::{Identity, Naming};
use crate::procfs::{Entry, Result, Task, parse};
use exporter_core::exposition::names::lossy;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What was found.
pub(super) enum Look {
    /// Nothing can be told of it; whether that is for want of a part of it only.
    Nothing { partial: bool },
    /// It is of no interest, and still there.
    Same,
    /// It is new, or in no group yet, which makes it as good as new.
    New(Result<Found>),
    /// It is in a group.
    Member(Result<(Sample, Vec<Thread>)>),
}

/// A process that is new.
pub(super) struct Found {
    pub(super) start: u64,
    pub(super) parent: i32,
    pub(super) sample: Sample,
    /// The sample holds all that is exposed.
    pub(super) whole: bool,
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
        let (stat, comm) = match self.procfs.stat(Task::process(pid)) {
            Ok(stat) => {
                let length = stat.comm.len().min(comm.len());
                comm[..length].copy_from_slice(&stat.comm[..length]);
                let stat = parse::Stat { comm: &[], ..stat };
                (stat, &comm[..length])
            }
            // The original knows for ever what it ignores.
            Err(_) if known.is_some_and(|p| matches!(p.role, Role::Ignored)) => return Look::Same,
            Err(_) => return Look::Nothing { partial: false },
        };
        let role = known.filter(|p| p.start == stat.start).map(|p| &p.role);
        match role {
            Some(Role::Ignored) => Look::Same,
            Some(Role::Member(member)) => Look::Member(self.look_at_member(pid, &stat, member)),
            Some(Role::Unnamed) | None => {
                // What was looked at in vain before will hardly be exposed now.
                let extent = match role {
                    Some(_) if self.procfs.is_live() => Extent::Access,
                    _ => self.extent,
                };
                self.look_at_new(pid, &stat, comm, extent, naming)
                    .unwrap_or_else(|error| Look::New(Err(error)))
            }
        }
    }

    fn look_at_member(
        &mut self,
        pid: u32,
        stat: &parse::Stat<'_>,
        member: &Member,
    ) -> Result<(Sample, Vec<Thread>)> {
        let mut sample = self.sample(pid, stat, Some(&member.sample), self.extent)?;
        let threads = self.thread_samples(pid, &mut sample, &member.threads);
        Ok((sample, threads))
    }

    fn look_at_new(
        &mut self,
        pid: u32,
        stat: &parse::Stat<'_>,
        comm: &[u8],
        extent: Extent,
        naming: &Naming,
    ) -> Result<Look> {
        let mut sample = self.sample(pid, stat, None, extent)?;
        // The kernel lets anybody list threads; of a tree of files it may be the part that fails.
        let threads = match self.procfs.is_live() {
            true => None,
            false => Some(self.thread_samples(pid, &mut sample, &[])),
        };
        let Ok(arguments) = self.procfs.cmdline(pid) else {
            let partial = sample.partial;
            return Ok(Look::Nothing { partial });
        };
        let identity = self.identity(pid, stat, comm, arguments, sample.uid);
        tracing::debug!(
            pid,
            comm = identity.comm,
            cmdline = identity.command_line(),
            "found a process"
        );
        let name = self.name(&identity, naming);
        if name.is_some() && extent != self.extent {
            sample = self.sample(pid, stat, None, self.extent)?;
        }
        let named = name.map(|name| {
            let threads = threads.unwrap_or_else(|| self.thread_samples(pid, &mut sample, &[]));
            (name, threads)
        });
        Ok(Look::New(Ok(Found {
            start: stat.start,
            parent: stat.ppid,
            sample,
            whole: extent == self.extent,
            named,
        })))
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
