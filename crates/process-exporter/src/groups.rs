//! Groups of processes: what they have used since the start, and what they are now.

use crate::families::{self as f, LeftOut};
use exporter_core::exposition::{Arena, Family};
use std::collections::HashMap;
use std::sync::Arc;

/// A place in [`Groups`].
pub type GroupId = usize;

/// Names of threads without any thread that a group remembers.
const ABSENT_NAMES: usize = 1000;
/// The oldest start of a group without processes: the zero time of the original.
const NO_TIME: f64 = -62_135_596_800.0;
/// Hundredths of a second, in which the kernel counts processor time.
const TICKS: f64 = 100.0;

/// Counters of a process or a thread, or what was added to them. Times are hundredths of a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Time in user mode.
    pub utime: u64,
    /// Time in the kernel.
    pub stime: u64,
    /// Page faults without reading.
    pub minor_faults: u64,
    /// Page faults with reading.
    pub major_faults: u64,
    /// Bytes read from storage.
    pub read: u64,
    /// Bytes written to storage.
    pub written: u64,
    /// Context switches, voluntary and not.
    pub switches: [u64; 2],
}

impl Counters {
    /// What was added since; what went backwards counts as nothing.
    pub fn since(&self, earlier: &Counters) -> Counters {
        self.zip(earlier, u64::saturating_sub)
    }

    /// Adds.
    pub fn add(&mut self, more: &Counters) {
        *self = self.zip(more, u64::saturating_add);
    }

    fn zip(&self, other: &Counters, of: impl Fn(u64, u64) -> u64) -> Counters {
        let [voluntary, nonvoluntary] = self.switches;
        Counters {
            utime: of(self.utime, other.utime),
            stime: of(self.stime, other.stime),
            minor_faults: of(self.minor_faults, other.minor_faults),
            major_faults: of(self.major_faults, other.major_faults),
            read: of(self.read, other.read),
            written: of(self.written, other.written),
            switches: [
                of(voluntary, other.switches[0]),
                of(nonvoluntary, other.switches[1]),
            ],
        }
    }
}

/// What one process adds to the gauges of its group.
#[derive(Clone, Copy, Debug, Default)]
pub struct Present {
    /// Resident bytes.
    pub resident: u64,
    /// Bytes of address space.
    pub virtual_: u64,
    /// Swapped bytes.
    pub swapped: u64,
    /// Proportional bytes, resident and swapped.
    pub proportional: (u64, u64),
    /// Open descriptors, where they are known.
    pub descriptors: Option<u64>,
    /// Soft limit of open files.
    pub limit: u64,
    /// Start in seconds since the epoch.
    pub started: u64,
    /// Threads.
    pub threads: u64,
    /// Memory mappings.
    pub maps: u64,
}

/// Gauges of a group.
#[derive(Debug, Default)]
struct Now {
    processes: u64,
    resident: u64,
    virtual_: u64,
    swapped: u64,
    proportional: (u64, u64),
    descriptors: u64,
    worst: f64,
    oldest: Option<u64>,
    threads: u64,
    maps: u64,
    /// Running, sleeping, waiting, zombie, other.
    states: [u64; 5],
    waiting: Vec<(u16, u64)>,
}

const STATES: [&str; 5] = ["Running", "Sleeping", "Waiting", "Zombie", "Other"];

#[derive(Debug, Default)]
struct ThreadName {
    count: u64,
    totals: Counters,
}

#[derive(Debug)]
struct Group {
    name: Arc<str>,
    totals: Counters,
    now: Now,
    threads: HashMap<Box<str>, ThreadName>,
    /// It is exposed whether or not it has ever had a process.
    expected: bool,
}

/// All groups that were ever seen, or that have processes.
#[derive(Debug, Default)]
pub struct Groups {
    slots: Vec<Option<Group>>,
    free: Vec<GroupId>,
    by_name: HashMap<Arc<str>, GroupId>,
}

/// What is exposed of groups.
#[derive(Clone, Copy, Debug)]
pub struct Exposed {
    /// The families of threads.
    pub threads: bool,
    /// The proportional kinds of memory.
    pub proportional: bool,
    /// Memory mappings.
    pub maps: bool,
    /// Families that are not.
    pub left_out: LeftOut,
}

impl Groups {
    /// The group of a name, made where it is new.
    pub fn named(&mut self, name: &str) -> GroupId {
        if let Some(id) = self.by_name.get(name) {
            return *id;
        }
        let name: Arc<str> = name.into();
        let group = Some(Group {
            name: name.clone(),
            totals: Counters::default(),
            now: Now::default(),
            threads: HashMap::new(),
            expected: false,
        });
        let id = match self.free.pop() {
            Some(id) => {
                self.slots[id] = group;
                id
            }
            None => {
                self.slots.push(group);
                self.slots.len() - 1
            }
        };
        self.by_name.insert(name, id);
        id
    }

    /// Makes groups that are exposed without processes too, and keeps none for that reason but these.
    pub fn expect(&mut self, names: &[&str]) {
        for group in self.slots.iter_mut().flatten() {
            group.expected = false;
        }
        for name in names {
            let id = self.named(name);
            if let Some(group) = self.get(id) {
                group.expected = true;
            }
        }
    }

    /// The name of a group.
    pub fn name(&self, id: GroupId) -> &str {
        let group = self.slots.get(id).and_then(Option::as_ref);
        group.map_or("", |g| &g.name)
    }

    fn get(&mut self, id: GroupId) -> Option<&mut Group> {
        self.slots.get_mut(id).and_then(Option::as_mut)
    }

    /// Sets all gauges to nothing.
    pub fn begin(&mut self) {
        for group in self.slots.iter_mut().flatten() {
            let mut waiting = std::mem::take(&mut group.now.waiting);
            waiting.clear();
            group.now = Now {
                waiting,
                ..Now::default()
            };
            for thread in group.threads.values_mut() {
                thread.count = 0;
            }
        }
    }

    /// Adds what a process has used since it was last looked at.
    pub fn count(&mut self, id: GroupId, used: &Counters) {
        if let Some(group) = self.get(id) {
            group.totals.add(used);
        }
    }

    /// Counts a process.
    pub fn place(&mut self, id: GroupId, process: &Present) {
        let Some(group) = self.get(id) else {
            return;
        };
        let now = &mut group.now;
        now.processes += 1;
        add(&mut now.resident, process.resident);
        add(&mut now.virtual_, process.virtual_);
        add(&mut now.swapped, process.swapped);
        add(&mut now.proportional.0, process.proportional.0);
        add(&mut now.proportional.1, process.proportional.1);
        add(&mut now.threads, process.threads);
        add(&mut now.maps, process.maps);
        now.oldest = Some(
            now.oldest
                .map_or(process.started, |t| t.min(process.started)),
        );
        if let Some(open) = process.descriptors {
            add(&mut now.descriptors, open);
            let ratio = open as f64 / process.limit as f64;
            // No descriptor under a limit of none is no number.
            if ratio > now.worst {
                now.worst = ratio;
            }
        }
    }

    /// Counts the state of a process or thread, and where it waits.
    pub fn place_task(&mut self, id: GroupId, state: u8, waiting: u16) {
        let Some(group) = self.get(id) else {
            return;
        };
        let index = match state {
            b'R' => 0,
            b'S' => 1,
            b'D' => 2,
            b'Z' => 3,
            _ => 4,
        };
        group.now.states[index] += 1;
        if waiting != 0 {
            match group.now.waiting.iter_mut().find(|w| w.0 == waiting) {
                Some(known) => known.1 += 1,
                None => group.now.waiting.push((waiting, 1)),
            }
        }
    }

    /// Counts a thread of a process that has several, and what it has used.
    pub fn place_thread(&mut self, id: GroupId, name: &str, used: &Counters) {
        let Some(group) = self.get(id) else {
            return;
        };
        if !group.threads.contains_key(name) {
            group.threads.insert(name.into(), ThreadName::default());
        }
        if let Some(thread) = group.threads.get_mut(name) {
            thread.count += 1;
            thread.totals.add(used);
        }
    }

    /// Forgets what is not to be remembered: names of threads where there are too many, and with
    /// `remove_empty` groups without processes.
    pub fn end(&mut self, remove_empty: bool) {
        for (id, slot) in self.slots.iter_mut().enumerate() {
            let Some(group) = slot else {
                continue;
            };
            if remove_empty && group.now.processes == 0 {
                if group.expected {
                    group.totals = Counters::default();
                    group.threads = HashMap::new();
                } else {
                    self.by_name.remove(&group.name);
                    self.free.push(id);
                    *slot = None;
                }
            } else {
                group.forget_threads();
            }
        }
    }

    /// Puts all groups. `functions` holds the names of kernel functions, the first for number 1.
    pub fn put(&self, out: &mut Arena, exposed: Exposed, functions: &[Box<str>]) {
        for group in self.slots.iter().flatten() {
            group.put(out, exposed, functions);
            if exposed.threads {
                group.put_threads(out, exposed.left_out);
            }
        }
    }
}

/// Files may tell any numbers.
fn add(sum: &mut u64, more: u64) {
    *sum = sum.saturating_add(more);
}

/// Puts samples of all families but those that are left out.
fn unless(left_out: LeftOut, out: &mut Arena) -> impl FnMut(&'static Family, &[&str], f64) {
    move |family, labels, value| {
        if !left_out.holds(family) {
            out.put(family, labels, value);
        }
    }
}

impl Group {
    fn forget_threads(&mut self) {
        let present = self.threads.values().filter(|t| t.count > 0).count();
        if self.threads.len() - present > ABSENT_NAMES {
            self.threads.retain(|_, thread| thread.count > 0);
        }
    }

    fn put(&self, out: &mut Arena, exposed: Exposed, functions: &[Box<str>]) {
        let name = &*self.name;
        let mut put = unless(exposed.left_out, out);
        let (now, totals) = (&self.now, &self.totals);
        put(&f::PROCESSES, &[name], now.processes as f64);
        put(&f::CPU, &[name, "user"], totals.utime as f64 / TICKS);
        put(&f::CPU, &[name, "system"], totals.stime as f64 / TICKS);
        put(&f::READ_BYTES, &[name], totals.read as f64);
        put(&f::WRITE_BYTES, &[name], totals.written as f64);
        put(&f::MAJOR_FAULTS, &[name], totals.major_faults as f64);
        put(&f::MINOR_FAULTS, &[name], totals.minor_faults as f64);
        let [voluntary, nonvoluntary] = totals.switches;
        put(&f::SWITCHES, &["voluntary", name], voluntary as f64);
        put(&f::SWITCHES, &["nonvoluntary", name], nonvoluntary as f64);
        put(&f::MEMORY, &[name, "resident"], now.resident as f64);
        put(&f::MEMORY, &[name, "virtual"], now.virtual_ as f64);
        put(&f::MEMORY, &[name, "swapped"], now.swapped as f64);
        if exposed.proportional {
            let (resident, swapped) = now.proportional;
            put(&f::MEMORY, &[name, "proportionalResident"], resident as f64);
            put(&f::MEMORY, &[name, "proportionalSwapped"], swapped as f64);
        }
        put(&f::DESCRIPTORS, &[name], now.descriptors as f64);
        put(&f::WORST_DESCRIPTORS, &[name], now.worst);
        put(
            &f::OLDEST,
            &[name],
            now.oldest.map_or(NO_TIME, |t| t as f64),
        );
        put(&f::THREADS, &[name], now.threads as f64);
        if exposed.maps {
            put(&f::MAPS, &[name], now.maps as f64);
        }
        for (state, count) in STATES.iter().zip(now.states) {
            put(&f::STATES, &[name, state], count as f64);
        }
        for (function, count) in &now.waiting {
            if let Some(function) = functions.get(usize::from(*function) - 1) {
                put(&f::WCHAN, &[name, function], *count as f64);
            }
        }
    }

    fn put_threads(&self, out: &mut Arena, left_out: LeftOut) {
        let name = &*self.name;
        let mut put = unless(left_out, out);
        for (thread, of) in self.threads.iter().filter(|t| t.1.count > 0) {
            let totals = &of.totals;
            put(&f::THREAD_COUNT, &[name, thread], of.count as f64);
            let (user, system) = (totals.utime as f64 / TICKS, totals.stime as f64 / TICKS);
            put(&f::THREAD_CPU, &[name, "user", thread], user);
            put(&f::THREAD_CPU, &[name, "system", thread], system);
            put(&f::THREAD_IO, &[name, "read", thread], totals.read as f64);
            put(
                &f::THREAD_IO,
                &[name, "write", thread],
                totals.written as f64,
            );
            put(
                &f::THREAD_MAJOR_FAULTS,
                &[name, thread],
                totals.major_faults as f64,
            );
            put(
                &f::THREAD_MINOR_FAULTS,
                &[name, thread],
                totals.minor_faults as f64,
            );
            let [voluntary, nonvoluntary] = totals.switches;
            put(
                &f::THREAD_SWITCHES,
                &["voluntary", name, thread],
                voluntary as f64,
            );
            put(
                &f::THREAD_SWITCHES,
                &["nonvoluntary", name, thread],
                nonvoluntary as f64,
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_is_a_sentence_with_sorted_labels() {
        for family in f::ALL {
            assert!(family.help.ends_with('.'), "{}", family.name);
            assert!(family.labels.is_sorted(), "{}", family.name);
        }
        assert_eq!(f::ALL.len(), 24);
    }

    #[test]
    fn nothing_goes_backwards() {
        let earlier = Counters {
            utime: 5,
            read: 10,
            switches: [3, 9],
            ..Counters::default()
        };
        let later = Counters {
            utime: 7,
            read: 4,
            switches: [1, 10],
            ..Counters::default()
        };
        let used = later.since(&earlier);
        assert_eq!((used.utime, used.read, used.switches), (2, 0, [0, 1]));
    }

    #[test]
    fn empty_groups_stay_or_go() {
        let mut groups = Groups::default();
        let id = groups.named("a");
        groups.begin();
        groups.place(id, &Present::default());
        groups.place_thread(id, "t", &Counters::default());
        groups.end(true);
        assert_eq!(groups.named("a"), id);
        groups.begin();
        groups.end(false);
        assert_eq!(groups.slots.iter().flatten().count(), 1);
        groups.begin();
        groups.end(true);
        assert_eq!(groups.slots.iter().flatten().count(), 0);
        assert_eq!(groups.named("b"), id, "its place is used again");
    }

    #[test]
    fn groups_that_are_expected_stay() {
        let mut groups = Groups::default();
        groups.expect(&["a", "b"]);
        let id = groups.named("a");
        groups.begin();
        groups.place(id, &Present::default());
        let used = Counters {
            utime: 5,
            ..Counters::default()
        };
        groups.count(id, &used);
        groups.end(true);
        groups.begin();
        groups.end(true);
        let names = |groups: &Groups| -> Vec<String> {
            let groups = groups.slots.iter().flatten();
            groups.map(|g| g.name.to_string()).collect()
        };
        assert_eq!(names(&groups), ["a", "b"]);
        let totals = groups.get(id).unwrap().totals;
        assert_eq!(totals, Counters::default(), "it starts anew");
        groups.expect(&["b"]);
        groups.end(true);
        assert_eq!(names(&groups), ["b"]);
    }

    #[test]
    fn names_of_threads_do_not_pile_up() {
        let mut groups = Groups::default();
        let id = groups.named("a");
        for cycle in 0..3000 {
            groups.begin();
            groups.place(id, &Present::default());
            groups.place_thread(id, &format!("w{cycle}"), &Counters::default());
            groups.end(false);
            let names = groups.slots[id].as_ref().unwrap().threads.len();
            assert!(names <= ABSENT_NAMES + 1, "{names}");
        }
    }
}
