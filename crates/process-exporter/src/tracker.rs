//! Follows processes from one collection to the next.
//!
//! A process is named once, when it is first seen, and keeps its group. What it has used since the
//! last collection is added to its group, so that a group's counters stay when processes leave.
//! Of a process that does not matter only its number, start and parent are kept, and on a mounted
//! procfs nothing is read of it any more.

mod sample;
#[cfg(test)]
mod tests;

use crate::groups::{Counters, Exposed, GroupId, Groups, Present};
use crate::naming::{Identity, Naming};
use crate::procfs::{Entry, Procfs, Result, Task, parse, told};
use crate::users::Users;
use exporter_core::exposition::Arena;
use exporter_core::exposition::names::lossy;
use rustix::io::Errno;
use sample::{Sample, Thread};
use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// Which processes are named again at every collection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Recheck {
    /// None.
    Never,
    /// Those that are in no group.
    Always,
    /// Those of them that started less than so many seconds ago.
    For(f64),
}

/// How processes are followed.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Whether children of processes in a group belong to it.
    pub children: bool,
    /// Which processes are named again.
    pub recheck: Recheck,
    /// Whether groups without processes are forgotten.
    pub remove_empty: bool,
    /// Whether the families of threads are exposed.
    pub threads: bool,
    /// Whether proportional memory is read.
    pub proportional: bool,
    /// Resident bytes from which on proportional memory is not read; 0 for any.
    pub proportional_limit: u64,
    /// Whether a process's first thread counts once among states.
    pub main_thread_once: bool,
}

/// What went wrong, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Errors {
    /// Processes left out because a file could not be read.
    pub read: u64,
    /// Processes of which not everything could be read.
    pub partial: u64,
}

#[derive(Debug)]
struct Process {
    /// Since boot, in hundredths of a second.
    start: u64,
    inode: u64,
    /// As first seen.
    parent: i32,
    /// Number of the last collection that saw it.
    seen: u32,
    role: Role,
}

#[derive(Debug)]
enum Role {
    /// Of no interest for ever.
    Ignored,
    /// In no group yet, since a collection in which not everything of it could be read, or all.
    Unnamed { met: u32, partial: bool },
    /// In a group.
    Member(Box<Member>),
}

#[derive(Debug)]
struct Member {
    group: GroupId,
    sample: Sample,
    /// None, or two and more.
    threads: Vec<Thread>,
}

/// A process that was not named at sight and may yet belong to the group of a parent.
struct Orphan {
    pid: u32,
    sample: Option<Sample>,
}

/// Follows the processes of one procfs.
pub struct Tracker {
    procfs: Procfs,
    naming: Naming,
    options: Options,
    groups: Groups,
    processes: HashMap<u32, Process>,
    users: Users,
    functions: Functions,
    errors: Errors,
    cycle: u32,
    /// Hundredths of a second since the epoch.
    first_cycle: Option<u64>,
    swapless: bool,
    listing: Vec<Entry>,
    threads: Vec<Entry>,
}

/// Names of kernel functions, numbered from 1.
#[derive(Debug, Default)]
struct Functions {
    names: Vec<Box<str>>,
}

impl Functions {
    fn number(&mut self, name: &str) -> u16 {
        let known = self.names.iter().position(|n| **n == *name);
        let index = known.unwrap_or_else(|| {
            self.names.push(name.into());
            self.names.len() - 1
        });
        u16::try_from(index + 1).unwrap_or(0)
    }
}

impl Tracker {
    /// A tracker that has seen nothing yet.
    pub fn new(procfs: Procfs, naming: Naming, options: Options) -> Self {
        Tracker {
            procfs,
            naming,
            options,
            groups: Groups::default(),
            processes: HashMap::new(),
            users: Users::default(),
            functions: Functions::default(),
            errors: Errors::default(),
            cycle: 0,
            first_cycle: None,
            swapless: false,
            listing: Vec::new(),
            threads: Vec::new(),
        }
    }

    /// Names processes otherwise from now on. Those that are in a group stay there.
    pub fn rename(&mut self, naming: Naming) {
        self.naming = naming;
        for process in self.processes.values_mut() {
            if matches!(process.role, Role::Ignored) {
                process.role = Role::Unnamed {
                    met: self.cycle,
                    partial: false,
                };
            }
        }
    }

    /// What went wrong so far.
    pub fn errors(&self) -> Errors {
        self.errors
    }

    /// Processes that are remembered.
    pub fn remembered(&self) -> usize {
        self.processes.len()
    }

    /// Looks at all processes once.
    ///
    /// # Errors
    /// Where they cannot be listed; all that is known stays as it was.
    pub fn collect(&mut self) -> Result<()> {
        let mut listing = std::mem::take(&mut self.listing);
        listing.clear();
        let listed = self.procfs.processes(&mut listing);
        if listed.is_ok() {
            self.visit_all(&listing);
        }
        self.listing = listing;
        listed
    }

    /// Puts all groups as the last collection left them.
    pub fn put(&self, out: &mut Arena) {
        let exposed = Exposed {
            threads: self.options.threads,
            proportional: self.options.proportional,
        };
        self.groups.put(out, exposed, &self.functions.names);
    }

    fn visit_all(&mut self, listing: &[Entry]) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |t| (t.as_millis() / 10) as u64);
        self.first_cycle.get_or_insert(now);
        self.swapless = self.procfs.is_swapless();
        self.cycle = self.cycle.wrapping_add(1);
        self.groups.begin();
        let mut orphans = Vec::new();
        for entry in listing {
            self.visit(*entry, &mut orphans);
        }
        let cycle = self.cycle;
        self.processes.retain(|_, process| process.seen == cycle);
        self.give_homes(orphans, now);
        self.groups.end(self.options.remove_empty);
    }

    fn visit(&mut self, entry: Entry, orphans: &mut Vec<Orphan>) {
        let pid = entry.id;
        if let Some(process) = self.processes.get_mut(&pid)
            && matches!(process.role, Role::Ignored)
            && self.procfs.is_live()
            && process.inode == entry.inode
        {
            process.seen = self.cycle;
            return;
        }
        // The name is kept: everything else is read into the same buffer.
        let mut comm = [0; 256];
        let task = Task { pid, tid: None };
        let (stat, comm) = match self.procfs.stat(task) {
            Ok(stat) => {
                let length = stat.comm.len().min(comm.len());
                comm[..length].copy_from_slice(&stat.comm[..length]);
                let stat = parse::Stat { comm: &[], ..stat };
                (stat, &comm[..length])
            }
            Err(_) => return,
        };
        match self.processes.get_mut(&pid) {
            Some(process) if process.start == stat.start => {
                process.seen = self.cycle;
                process.inode = entry.inode;
                match &mut process.role {
                    Role::Ignored => {}
                    Role::Unnamed { .. } => self.meet_again(pid, &stat, comm, orphans),
                    Role::Member(_) => self.follow(pid, &stat),
                }
            }
            _ => self.meet(entry, &stat, comm, orphans),
        }
    }

    /// A process that is in its group: what it has used, and what it is.
    fn follow(&mut self, pid: u32, stat: &parse::Stat<'_>) {
        let Some(process) = self.processes.get_mut(&pid) else {
            return;
        };
        let Role::Member(member) = &mut process.role else {
            return;
        };
        // Taken out, so that everything else can be borrowed.
        let mut member = std::mem::replace(
            member,
            Box::new(Member {
                group: 0,
                sample: Sample::default(),
                threads: Vec::new(),
            }),
        );
        match self.sample(pid, stat, Some(&member.sample)) {
            Ok(sample) => {
                let earlier = member.sample.counters;
                self.join(pid, &mut member, sample, Some(earlier));
            }
            // It stays, with its counters as they were, and is looked at again next time.
            Err(error) => self.unreadable(pid, error),
        }
        if let Some(process) = self.processes.get_mut(&pid) {
            process.role = Role::Member(member);
        }
    }

    fn unreadable(&mut self, pid: u32, error: Errno) {
        if !matches!(error, Errno::NOENT | Errno::SRCH) {
            self.errors.read += 1;
            tracing::debug!(pid, error = told(error), "a process could not be read");
        }
    }

    /// A process that is new.
    fn meet(
        &mut self,
        entry: Entry,
        stat: &parse::Stat<'_>,
        comm: &[u8],
        orphans: &mut Vec<Orphan>,
    ) {
        let pid = entry.id;
        self.processes.remove(&pid);
        let sample = match self.sample(pid, stat, None) {
            Ok(sample) => sample,
            Err(error) => return self.unreadable(pid, error),
        };
        let Ok(arguments) = self.procfs.cmdline(pid) else {
            return;
        };
        let identity = self.identity(pid, stat, comm, arguments, sample.uid);
        tracing::debug!(
            pid,
            comm = identity.comm,
            cmdline = identity.command_line(),
            "found a process"
        );
        let mut process = Process {
            start: stat.start,
            inode: entry.inode,
            parent: stat.ppid,
            seen: self.cycle,
            role: Role::Unnamed {
                met: self.cycle,
                partial: sample.partial,
            },
        };
        match self.name(&identity) {
            Some(group) => process.role = Role::Member(self.welcome(pid, group, sample)),
            None => orphans.push(Orphan {
                pid,
                sample: Some(sample),
            }),
        }
        self.processes.insert(pid, process);
    }

    /// A process that is known and in no group: its names may have changed.
    fn meet_again(
        &mut self,
        pid: u32,
        stat: &parse::Stat<'_>,
        comm: &[u8],
        orphans: &mut Vec<Orphan>,
    ) {
        let task = Task { pid, tid: None };
        let (Ok(arguments), Ok(status)) = (self.procfs.cmdline(pid), self.procfs.status(task))
        else {
            return;
        };
        let identity = self.identity(pid, stat, comm, arguments, status.uid);
        match self.name(&identity) {
            Some(group) => self.adopt(pid, group, None),
            None => orphans.push(Orphan { pid, sample: None }),
        }
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
    fn started(&self, start: u64) -> u64 {
        let boot = self.procfs.boot_time().saturating_mul(100);
        boot.saturating_add(start)
    }

    fn name(&mut self, identity: &Identity) -> Option<GroupId> {
        let procfs = &mut self.procfs;
        let pid = identity.pid;
        let name = self
            .naming
            .name(identity, &mut self.users, || procfs.cgroups(pid))?;
        tracing::debug!(pid, groupname = name, "matched a process");
        Some(self.groups.named(&name))
    }

    /// Takes a process into a group for the first time. What it has used already counts if it has
    /// started after us.
    fn welcome(&mut self, pid: u32, group: GroupId, sample: Sample) -> Box<Member> {
        let mut member = Box::new(Member {
            group,
            sample: Sample::default(),
            threads: Vec::new(),
        });
        self.join(pid, &mut member, sample, None);
        member
    }

    /// The same for a process that is known.
    fn adopt(&mut self, pid: u32, group: GroupId, sample: Option<Sample>) {
        let sample = match sample {
            Some(sample) => Ok(sample),
            None => self.sample_of(pid),
        };
        let sample = match sample {
            Ok(sample) => sample,
            Err(error) => return self.unreadable(pid, error),
        };
        let member = self.welcome(pid, group, sample);
        if let Some(process) = self.processes.get_mut(&pid) {
            process.role = Role::Member(member);
        }
    }

    fn sample_of(&mut self, pid: u32) -> Result<Sample> {
        let stat = self.procfs.stat(Task { pid, tid: None })?;
        let stat = parse::Stat { comm: &[], ..stat };
        self.sample(pid, &stat, None)
    }

    /// Adds a process to its group: what it has used since `earlier`, and what it is now.
    fn join(&mut self, pid: u32, member: &mut Member, sample: Sample, earlier: Option<Counters>) {
        let started = self.started(sample.start);
        let counts_fully = self.first_cycle.is_some_and(|first| started > first);
        let base = match earlier {
            Some(earlier) => earlier,
            None if counts_fully => Counters::default(),
            None => sample.counters,
        };
        let mut used = sample.counters.since(&base);
        let group = member.group;
        let threads = self.thread_samples(pid, &sample, &member.threads);
        if threads.len() > 1 {
            // Each thread by itself: those that are gone take nothing away.
            used.switches = [0; 2];
            for thread in &threads {
                let known = thread.among(&member.threads);
                let known = known.map(|t| t.counters.switches).or_else(|| {
                    // While it was alone the process told its numbers.
                    let alone = thread.tid == pid && member.threads.is_empty();
                    alone.then_some(earlier?.switches)
                });
                let base = match known {
                    Some(known) => known,
                    None if earlier.is_some() || counts_fully => [0; 2],
                    None => thread.counters.switches,
                };
                for (used, (now, base)) in used
                    .switches
                    .iter_mut()
                    .zip(thread.counters.switches.iter().zip(base))
                {
                    *used += now.saturating_sub(base);
                }
            }
        }
        self.groups.count(group, &used);
        self.place(group, &sample, &threads, &member.threads);
        member.sample = sample;
        member.threads = threads;
        if let Some(main) = member.threads.iter().find(|t| t.tid == pid) {
            member.sample.counters.switches = main.counters.switches;
        }
    }

    fn place(&mut self, group: GroupId, sample: &Sample, threads: &[Thread], earlier: &[Thread]) {
        let present = Present {
            started: self.started(sample.start) / 100,
            ..sample.present
        };
        let groups = &mut self.groups;
        groups.place(group, &present);
        if threads.is_empty() || !self.options.main_thread_once {
            groups.place_task(group, sample.state, sample.waiting);
        }
        for thread in threads {
            groups.place_task(group, thread.state, thread.waiting);
            let known = thread.among(earlier);
            let used = known.map(|known| thread.counters.since(&known.counters));
            groups.place_thread(group, &thread.name, &used.unwrap_or_default());
        }
    }

    /// Finds groups for processes that no name matches: those of their parents.
    fn give_homes(&mut self, orphans: Vec<Orphan>, now: u64) {
        if self.options.children {
            let order: Vec<u32> = orphans.iter().map(|o| o.pid).collect();
            let samples = orphans.into_iter().map(|o| (o.pid, o.sample));
            let mut samples: HashMap<u32, Option<Sample>> = samples.collect();
            for pid in order {
                self.give_home(pid, &mut samples);
            }
        }
        self.ignore_the_rest(now);
    }

    /// What has no group is looked at again or never.
    fn ignore_the_rest(&mut self, now: u64) {
        let (cycle, options) = (self.cycle, self.options);
        let boot = self.procfs.boot_time() * 100;
        for (pid, process) in &mut self.processes {
            let Role::Unnamed { met, partial } = process.role else {
                continue;
            };
            // The original reads it again in vain each time.
            self.errors.partial += u64::from(partial && met != cycle);
            let again = match options.recheck {
                _ if !options.children => true,
                Recheck::Never => false,
                Recheck::Always => true,
                Recheck::For(seconds) => {
                    let end = (boot + process.start) as f64 / 100.0 + seconds;
                    end > now as f64 / 100.0
                }
            };
            if !again {
                tracing::debug!(pid, "ignored a process");
                process.role = Role::Ignored;
            }
        }
    }

    /// Walks up to the first parent that is in a group, and takes all on the way into it.
    fn give_home(&mut self, pid: u32, samples: &mut HashMap<u32, Option<Sample>>) {
        let mut way = Vec::new();
        let mut next = pid;
        let home = loop {
            let Some(process) = self.processes.get(&next) else {
                break None;
            };
            match &process.role {
                Role::Member(member) => break Some(member.group),
                Role::Ignored => break None,
                Role::Unnamed { .. } => {}
            }
            // A number used again may make a ring.
            if way.contains(&next) || !samples.contains_key(&next) {
                break None;
            }
            way.push(next);
            match u32::try_from(process.parent) {
                Ok(parent) if parent > 0 => next = parent,
                _ => break None,
            }
        };
        for pid in way {
            let sample = samples.remove(&pid).flatten();
            if let Some(group) = home {
                tracing::debug!(
                    pid,
                    groupname = self.groups.name(group),
                    "follows its parent"
                );
                self.adopt(pid, group, sample);
            }
        }
    }
}
