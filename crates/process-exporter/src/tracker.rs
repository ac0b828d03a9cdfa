//! Follows processes from one collection to the next.
//!
//! A process is named once, when it is first seen, and keeps its group. What it has used since the
//! last collection is added to its group, so that a group's counters stay when processes leave.
//! Of a process that does not matter only its number, start and parent are kept, and on a mounted
//! procfs nothing is read of it any more.

mod look;
mod run;
mod sample;
#[cfg(test)]
mod tests;
mod threads;

use crate::families::LeftOut;
use crate::groups::{Counters, Exposed, GroupId, Groups, Present};
use crate::naming::Naming;
use crate::procfs::{Entry, Procfs, Result, Task, parse, told};
use exporter_core::exposition::Arena;
use look::{Found, Look};
use rustix::io::Errno;
use sample::{Extent, Reader, Sample};
use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};
use threads::Thread;

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
    /// Whether groups are exposed that have had no process yet, where their names are known.
    pub absent: bool,
    /// Whether memory mappings are counted.
    pub maps: bool,
    /// Families that are not exposed.
    pub left_out: LeftOut,
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
    /// In no group yet; looked at again as if it were new.
    Unnamed,
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

/// Collections that two threads work at: the one at the start and the first that is exposed.
const HURRIED: u32 = 2;
/// Fewer processes are not worth a second thread.
const CROWD: usize = 128;
/// Of so many processes what was found is held at once.
const PORTION: usize = 512;

/// Follows the processes of one procfs.
pub struct Tracker {
    reader: Reader,
    naming: Naming,
    options: Options,
    groups: Groups,
    processes: HashMap<u32, Process>,
    errors: Errors,
    cycle: u32,
    /// Hundredths of a second since the epoch.
    first_cycle: Option<u64>,
    listing: Vec<Entry>,
}

impl Tracker {
    /// A tracker that has seen nothing yet.
    pub fn new(procfs: Procfs, naming: Naming, options: Options) -> Self {
        let mut tracker = Tracker {
            reader: Reader::new(procfs, options),
            naming,
            options,
            groups: Groups::default(),
            processes: HashMap::new(),
            errors: Errors::default(),
            cycle: 0,
            first_cycle: None,
            listing: Vec::new(),
        };
        tracker.expect_groups();
        tracker
    }

    fn expect_groups(&mut self) {
        let names = match self.options.absent {
            true => self.naming.fixed_names(),
            false => Vec::new(),
        };
        self.groups.expect(&names);
    }

    /// Names processes otherwise from now on. Those that are in a group stay there.
    pub fn rename(&mut self, naming: Naming) {
        self.naming = naming;
        self.expect_groups();
        for process in self.processes.values_mut() {
            if matches!(process.role, Role::Ignored) {
                process.role = Role::Unnamed;
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
        let listed = self.reader.procfs.processes(&mut listing);
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
            maps: self.options.maps,
            left_out: self.options.left_out,
        };
        self.groups
            .put(out, exposed, &self.reader.functions.names());
    }

    fn visit_all(&mut self, listing: &[Entry]) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |t| (t.as_millis() / 10) as u64);
        self.first_cycle.get_or_insert(now);
        self.cycle = self.cycle.wrapping_add(1);
        self.reader.swapless = self.reader.procfs.is_swapless();
        self.reader.extent = match self.cycle {
            1 => Extent::Baseline,
            _ => Extent::Whole,
        };
        self.groups.begin();
        let mut orphans = Vec::new();
        match self.second_reader(listing.len()) {
            Some(second) => self.visit_in_two(second, listing, &mut orphans),
            None => {
                for entry in listing {
                    let known = self.processes.get(&entry.id);
                    let look = self.reader.look(*entry, known, &self.naming);
                    self.take(*entry, look, &mut orphans);
                }
            }
        }
        let cycle = self.cycle;
        self.processes.retain(|_, process| process.seen == cycle);
        self.give_homes(orphans, now);
        self.groups.end(self.options.remove_empty);
    }

    /// Where it shortens the wait for the first answer.
    fn second_reader(&self, processes: usize) -> Option<Reader> {
        let hurried = self.cycle <= HURRIED && processes >= CROWD && self.reader.procfs.is_live();
        if !hurried || std::thread::available_parallelism().is_ok_and(|n| n.get() < 2) {
            return None;
        }
        self.reader.another().ok()
    }

    fn visit_in_two(&mut self, mut second: Reader, listing: &[Entry], orphans: &mut Vec<Orphan>) {
        for entries in listing.chunks(PORTION) {
            let readers = [&mut self.reader, &mut second];
            let looks = look::in_two(readers, entries, &self.processes, &self.naming);
            for (entry, look) in entries.iter().zip(looks) {
                self.take(*entry, look, orphans);
            }
        }
    }

    /// Makes of a look what is known of the process.
    fn take(&mut self, entry: Entry, look: Look, orphans: &mut Vec<Orphan>) {
        let pid = entry.id;
        match look {
            Look::Nothing { partial } => self.errors.partial += u64::from(partial),
            Look::Same => self.see(entry),
            Look::New(Ok(found)) => self.meet(entry, found, orphans),
            Look::Member(Ok((sample, threads))) => {
                self.see(entry);
                self.follow(pid, sample, threads);
            }
            // As in the original it is forgotten, and new when it can be read again.
            Look::New(Err(error)) | Look::Member(Err(error)) => self.unreadable(pid, error),
        }
    }

    fn see(&mut self, entry: Entry) {
        if let Some(process) = self.processes.get_mut(&entry.id) {
            process.seen = self.cycle;
            process.inode = entry.inode;
        }
    }

    /// A process that is in its group: what it has used, and what it is.
    fn follow(&mut self, pid: u32, sample: Sample, threads: Vec<Thread>) {
        let Some(Process { role, .. }) = self.processes.get_mut(&pid) else {
            return;
        };
        // Taken out, so that everything else can be borrowed.
        let Role::Member(mut member) = std::mem::replace(role, Role::Ignored) else {
            return;
        };
        self.errors.partial += u64::from(sample.partial);
        let earlier = member.sample.counters;
        self.join(pid, &mut member, sample, threads, Some(earlier));
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

    /// A process that is new, or as good as new.
    fn meet(&mut self, entry: Entry, found: Found, orphans: &mut Vec<Orphan>) {
        let pid = entry.id;
        let sample = found.sample;
        self.errors.partial += u64::from(sample.partial);
        let mut process = Process {
            start: found.start,
            inode: entry.inode,
            parent: found.parent,
            seen: self.cycle,
            role: Role::Unnamed,
        };
        match found.named {
            Some((name, threads)) => {
                let group = self.groups.named(&name);
                process.role = Role::Member(self.welcome(pid, group, sample, threads));
            }
            None => orphans.push(Orphan {
                pid,
                sample: Some(sample).filter(|_| found.whole),
            }),
        }
        self.processes.insert(pid, process);
    }

    /// Takes a process into a group for the first time. What it has used already counts if it has
    /// started after us.
    fn welcome(
        &mut self,
        pid: u32,
        group: GroupId,
        sample: Sample,
        threads: Vec<Thread>,
    ) -> Box<Member> {
        let mut member = Box::new(Member {
            group,
            sample: Sample::default(),
            threads: Vec::new(),
        });
        self.join(pid, &mut member, sample, threads, None);
        member
    }

    /// The same for a process that is known.
    fn adopt(&mut self, pid: u32, group: GroupId, sample: Option<Sample>) {
        let mut sample = match sample.map_or_else(|| self.sample_of(pid), Ok) {
            Ok(sample) => sample,
            Err(error) => return self.unreadable(pid, error),
        };
        let threads = self.reader.thread_samples(pid, &mut sample, &[]);
        let member = self.welcome(pid, group, sample, threads);
        if let Some(process) = self.processes.get_mut(&pid) {
            process.role = Role::Member(member);
        }
    }

    fn sample_of(&mut self, pid: u32) -> Result<Sample> {
        let stat = self.reader.procfs.stat(Task::process(pid))?;
        let stat = parse::Stat { comm: &[], ..stat };
        self.reader.sample(pid, &stat, None, self.reader.extent)
    }

    /// Adds a process to its group: what it has used since `earlier`, and what it is now.
    fn join(
        &mut self,
        pid: u32,
        member: &mut Member,
        sample: Sample,
        threads: Vec<Thread>,
        earlier: Option<Counters>,
    ) {
        let started = self.reader.started(sample.start);
        let counts_fully = self.first_cycle.is_some_and(|first| started > first);
        let base = match earlier {
            Some(earlier) => earlier,
            None if counts_fully => Counters::default(),
            None => sample.counters,
        };
        let mut used = sample.counters.since(&base);
        if threads.len() > 1 {
            let at_first_sight = earlier.is_none() && !counts_fully;
            let alone = earlier.filter(|_| member.threads.is_empty());
            used.switches = switches_of(&threads, |thread| {
                match (thread.among(&member.threads), alone) {
                    (Some(known), _) => known.counters.switches,
                    // While it was alone the process told its numbers.
                    (None, Some(process)) if thread.tid == pid => process.switches,
                    _ if at_first_sight => thread.counters.switches,
                    _ => [0; 2],
                }
            });
        }
        let group = member.group;
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
            started: self.reader.started(sample.start) / 100,
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
        let options = self.options;
        for (pid, process) in &mut self.processes {
            if !matches!(process.role, Role::Unnamed) {
                continue;
            }
            let again = match options.recheck {
                _ if !options.children => true,
                Recheck::Never => false,
                Recheck::Always => true,
                Recheck::For(seconds) => {
                    let started = self.reader.started(process.start);
                    let end = started as f64 / 100.0 + seconds;
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
                Role::Unnamed => {}
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

/// What threads have switched since `base`, each by itself: those that are gone take nothing away.
fn switches_of(threads: &[Thread], base: impl Fn(&Thread) -> [u64; 2]) -> [u64; 2] {
    threads.iter().fold([0; 2], |[voluntary, not], thread| {
        let (now, base) = (thread.counters.switches, base(thread));
        [
            voluntary.saturating_add(now[0].saturating_sub(base[0])),
            not.saturating_add(now[1].saturating_sub(base[1])),
        ]
    })
}
