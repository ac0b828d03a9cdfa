//! Runs the collectors of one scrape on threads that may block, and lets none of them hold up the
//! answer.
//!
//! A scrape starts with as many workers as the options say (one by default: reading kernel files
//! in turn costs less CPU than spreading them). Workers take collectors from one queue. When
//! nothing was finished for [`PATIENCE`], a further worker joins, so that one slow collector does
//! not delay those behind it. At the deadline whatever is unfinished is reported as failed and its
//! late result thrown away. A collector that overran a deadline is not waited for again until it
//! has returned, so a source that is dead for ever costs one thread.

use super::{Collector, Error, Scrape};
use crate::exposition::{Arena, Family};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// How long a scrape watches its workers finish nothing before it adds one.
const PATIENCE: Duration = Duration::from_millis(40);

/// How a set names and runs what it holds.
#[derive(Clone, Debug)]
pub struct SetOptions {
    /// `<ns>_scrape_collector_duration_seconds`, one label `collector`.
    pub duration: &'static Family,
    /// `<ns>_scrape_collector_success`, one label `collector`.
    pub success: &'static Family,
    /// Threads that a scrape starts with.
    pub workers: usize,
}

/// The collectors of one exporter. Cloning is cheap and shares them.
#[derive(Clone)]
pub struct Set {
    inner: Arc<Inner>,
}

struct Inner {
    slots: Vec<Slot>,
    /// Names that exist but are not enabled.
    disabled: Vec<&'static str>,
    options: SetOptions,
    spare_results: Mutex<Vec<Arena>>,
}

struct Slot {
    name: &'static str,
    /// `None` while a worker has it.
    collector: Mutex<Option<Box<dyn Collector>>>,
    returned: Condvar,
    /// Workers that wait for it, changed under its lock: waking nobody is a system call too.
    waiting: AtomicUsize,
    /// It ran past the deadline of a scrape and has not come back.
    overran: AtomicBool,
    /// Arenas that finished scrapes gave back; a scrape at a time needs one.
    spare: Mutex<Vec<Arena>>,
}

/// Why a request may not select the collectors it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unselectable {
    /// There is no such collector.
    Missing(String),
    /// It is not enabled.
    Disabled(String),
    /// `collect[]` and `exclude[]` were both given.
    Combined,
}

impl fmt::Display for Unselectable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unselectable::Missing(name) => write!(f, "missing collector: {name}"),
            Unselectable::Disabled(name) => write!(f, "disabled collector: {name}"),
            Unselectable::Combined => {
                f.write_str("Combined collect and exclude queries are not allowed.")
            }
        }
    }
}

struct Outcome {
    arena: Arena,
    duration: Duration,
    success: bool,
}

/// One scrape under way.
struct Job {
    set: Arc<Inner>,
    selected: Vec<usize>,
    deadline: Instant,
    next: AtomicUsize,
    finished: AtomicUsize,
    /// `None` once the answer is made: late results are thrown away.
    outcomes: Mutex<Option<Vec<Option<Outcome>>>>,
    done: Notify,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Set {
    /// A set of enabled collectors, in the order their samples take precedence.
    pub fn new(
        collectors: Vec<(&'static str, Box<dyn Collector>)>,
        disabled: Vec<&'static str>,
        options: SetOptions,
    ) -> Self {
        let slots = collectors
            .into_iter()
            .map(|(name, collector)| Slot {
                name,
                collector: Mutex::new(Some(collector)),
                returned: Condvar::new(),
                waiting: AtomicUsize::new(0),
                overran: AtomicBool::new(false),
                spare: Mutex::new(Vec::new()),
            })
            .collect();
        Set {
            inner: Arc::new(Inner {
                slots,
                disabled,
                options,
                spare_results: Mutex::new(Vec::new()),
            }),
        }
    }

    /// Names of the enabled collectors.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.inner.slots.iter().map(|slot| slot.name)
    }

    /// Resolves `collect[]` and `exclude[]`. Excluding every collector selects all of them, as the
    /// original does: an empty remainder counts as no filter.
    pub fn select(
        &self,
        collect: &[String],
        exclude: &[String],
    ) -> Result<Vec<usize>, Unselectable> {
        let slots = &self.inner.slots;
        if !collect.is_empty() && !exclude.is_empty() {
            return Err(Unselectable::Combined);
        }
        if collect.is_empty() {
            let wanted = |i: &usize| !exclude.iter().any(|e| e == slots[*i].name);
            let kept: Vec<usize> = (0..slots.len()).filter(wanted).collect();
            return Ok(if kept.is_empty() {
                (0..slots.len()).collect()
            } else {
                kept
            });
        }
        let mut selected = Vec::with_capacity(collect.len());
        for name in collect {
            match slots.iter().position(|slot| slot.name == name) {
                Some(index) => selected.push(index),
                None if self.inner.disabled.contains(&name.as_str()) => {
                    return Err(Unselectable::Disabled(name.clone()));
                }
                None => return Err(Unselectable::Missing(name.clone())),
            }
        }
        selected.sort_unstable();
        selected.dedup();
        Ok(selected)
    }

    /// Runs the selected collectors and gives all their samples, and two more for each: how long it
    /// took and whether it succeeded. Returns at `deadline` at the latest. Give the arena back with
    /// [`Set::recycle`].
    pub async fn scrape(&self, selected: Vec<usize>, deadline: Instant) -> Arena {
        let started = Instant::now();
        let total = selected.len();
        let job = Arc::new(Job {
            set: self.inner.clone(),
            outcomes: Mutex::new(Some((0..total).map(|_| None).collect())),
            selected,
            deadline,
            next: AtomicUsize::new(0),
            finished: AtomicUsize::new(0),
            done: Notify::new(),
        });
        job.clone().run_to_deadline(started).await;
        job.conclude(started)
    }

    /// Keeps an arena's buffers for the next scrape.
    pub fn recycle(&self, mut arena: Arena) {
        arena.clear();
        keep(&self.inner.spare_results, arena);
    }
}

/// Few scrapes run at a time; what more of them left behind is given back to the system.
fn keep(spare: &Mutex<Vec<Arena>>, arena: Arena) {
    let mut spare = lock(spare);
    if spare.len() < 2 {
        spare.push(arena);
    }
}

impl Job {
    async fn run_to_deadline(self: Arc<Self>, started: Instant) {
        let total = self.selected.len();
        for _ in 0..self.set.options.workers.clamp(1, total.max(1)) {
            self.clone().add_worker();
        }
        let deadline = tokio::time::Instant::from_std(self.deadline);
        let mut seen = 0;
        let mut check = tokio::time::Instant::from_std(started) + PATIENCE;
        while self.finished.load(Ordering::Acquire) < total {
            tokio::select! {
                () = self.done.notified() => {}
                () = tokio::time::sleep_until(deadline) => return,
                () = tokio::time::sleep_until(check) => {
                    let finished = self.finished.load(Ordering::Acquire);
                    if finished == seen && self.next.load(Ordering::Acquire) < total {
                        self.clone().add_worker();
                    }
                    seen = finished;
                    check = tokio::time::Instant::now() + PATIENCE;
                }
            }
        }
    }

    fn add_worker(self: Arc<Self>) {
        tokio::task::spawn_blocking(move || {
            while let Some(position) = self.claim() {
                let outcome = self.set.slots[self.selected[position]].run(self.deadline);
                self.finish(position, outcome);
            }
        });
    }

    fn claim(&self) -> Option<usize> {
        let position = self.next.fetch_add(1, Ordering::AcqRel);
        (position < self.selected.len()).then_some(position)
    }

    fn finish(&self, position: usize, outcome: Outcome) {
        match lock(&self.outcomes).as_mut() {
            Some(outcomes) => outcomes[position] = Some(outcome),
            None => self.set.slots[self.selected[position]].reuse(outcome.arena),
        }
        let finished = self.finished.fetch_add(1, Ordering::AcqRel) + 1;
        if finished == self.selected.len() {
            self.done.notify_one();
        }
    }

    fn conclude(&self, started: Instant) -> Arena {
        let outcomes = lock(&self.outcomes).take().unwrap_or_default();
        // No worker may start anything any more.
        self.next.store(self.selected.len(), Ordering::Release);
        let mut whole = lock(&self.set.spare_results).pop().unwrap_or_default();
        let options = &self.set.options;
        for (index, outcome) in self.selected.iter().zip(outcomes) {
            let slot = &self.set.slots[*index];
            let (duration, success) = match outcome {
                Some(outcome) => {
                    whole.append(&outcome.arena);
                    slot.reuse(outcome.arena);
                    (outcome.duration, outcome.success)
                }
                None => (slot.abandon(started), false),
            };
            whole.put(options.duration, &[slot.name], duration.as_secs_f64());
            whole.put(options.success, &[slot.name], f64::from(u8::from(success)));
        }
        whole
    }
}

impl Slot {
    fn run(&self, deadline: Instant) -> Outcome {
        let started = Instant::now();
        let mut arena = lock(&self.spare).pop().unwrap_or_default();
        let result = match self.take(deadline) {
            Some(mut collector) => {
                let scrape = Scrape { deadline };
                // A collector that panicked may have put half a family: all of it goes.
                let result =
                    catch_unwind(AssertUnwindSafe(|| collector.collect(&mut arena, &scrape)))
                        .unwrap_or_else(|panic| {
                            arena.clear();
                            Err(Error::Failed(format!("panic: {}", panic_text(&*panic))))
                        });
                self.give_back(collector);
                result
            }
            None => Err(Error::failed("still busy with an earlier scrape")),
        };
        let duration = started.elapsed();
        log(self.name, duration, &result);
        Outcome {
            arena,
            duration,
            success: result.is_ok(),
        }
    }

    /// Waits for another scrape to return the collector, unless it overran its deadline there.
    fn take(&self, deadline: Instant) -> Option<Box<dyn Collector>> {
        let mut guard = lock(&self.collector);
        loop {
            if let Some(collector) = guard.take() {
                return Some(collector);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || self.overran.load(Ordering::Acquire) {
                return None;
            }
            self.waiting.fetch_add(1, Ordering::Relaxed);
            guard = self
                .returned
                .wait_timeout(guard, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn give_back(&self, collector: Box<dyn Collector>) {
        let mut guard = lock(&self.collector);
        *guard = Some(collector);
        self.overran.store(false, Ordering::Release);
        let awaited = self.waiting.load(Ordering::Relaxed) > 0;
        drop(guard);
        if awaited {
            self.returned.notify_one();
        }
    }

    fn reuse(&self, mut arena: Arena) {
        arena.clear();
        keep(&self.spare, arena);
    }

    /// The answer goes out without this collector.
    fn abandon(&self, started: Instant) -> Duration {
        if lock(&self.collector).is_none() {
            self.overran.store(true, Ordering::Release);
            self.returned.notify_all();
        }
        let duration = started.elapsed();
        let result = Err(Error::failed("not finished at the deadline of the scrape"));
        log(self.name, duration, &result);
        duration
    }
}

/// One line a run, at the level that its result deserves.
pub(super) fn log(name: &str, duration: Duration, result: &Result<(), Error>) {
    let duration_seconds = duration.as_secs_f64();
    match result {
        Ok(()) => tracing::debug!(name, duration_seconds, "collector succeeded"),
        Err(Error::NoData(err)) => {
            tracing::debug!(name, duration_seconds, err, "collector returned no data");
        }
        Err(Error::Failed(err)) => {
            tracing::error!(name, duration_seconds, err, "collector failed");
        }
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, channel};

    static VALUE: Family = Family::gauge("value", &[], "A value.");
    static DURATION: Family =
        Family::gauge("scrape_collector_duration_seconds", &["collector"], "");
    static SUCCESS: Family = Family::gauge("scrape_collector_success", &["collector"], "");

    const OPTIONS: SetOptions = SetOptions {
        duration: &DURATION,
        success: &SUCCESS,
        workers: 1,
    };

    struct Call<F>(F);

    impl<F: FnMut(&mut Arena) -> Result<(), Error> + Send> Collector for Call<F> {
        fn collect(&mut self, out: &mut Arena, _: &Scrape) -> Result<(), Error> {
            (self.0)(out)
        }
    }

    fn boxed(
        f: impl FnMut(&mut Arena) -> Result<(), Error> + Send + 'static,
    ) -> Box<dyn Collector> {
        Box::new(Call(f))
    }

    fn success(arena: &mut Arena, name: &str) -> f64 {
        arena.seal();
        let family = arena.families().find(|f| f.name() == SUCCESS.name).unwrap();
        let mut samples = family.samples();
        let of = |s: &crate::exposition::arena::SampleView<'_>| {
            s.labels().iter().next().map(|(_, v)| v.to_owned())
        };
        samples
            .find(|s| of(s).as_deref() == Some(name))
            .unwrap()
            .value()
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(300)
    }

    fn hanging(until: Receiver<()>) -> Box<dyn Collector> {
        boxed(move |out| {
            let _ = until.recv();
            out.put(&VALUE, &[], 1.0);
            Ok(())
        })
    }

    #[tokio::test]
    async fn a_panic_costs_its_own_samples_only() {
        let panics = boxed(|out| {
            out.put(&VALUE, &[], 1.0);
            panic!("no")
        });
        let set = Set::new(
            vec![("bad", panics), ("good", boxed(|_| Ok(())))],
            vec![],
            OPTIONS,
        );
        let mut arena = set.scrape(vec![0, 1], soon()).await;
        assert_eq!(success(&mut arena, "bad"), 0.0);
        assert_eq!(success(&mut arena, "good"), 1.0);
        assert!(!arena.has_family("value"));
    }

    #[tokio::test]
    async fn what_hangs_is_left_behind_and_comes_back() {
        let (release, until) = channel();
        let good = boxed(|_| Ok(()));
        let set = Set::new(
            vec![("bad", hanging(until)), ("good", good)],
            vec![],
            OPTIONS,
        );
        for _ in 0..3 {
            let mut arena = set.scrape(vec![0, 1], soon()).await;
            assert_eq!(success(&mut arena, "bad"), 0.0);
            assert_eq!(success(&mut arena, "good"), 1.0);
        }
        drop(release);
        while lock(&set.inner.slots[0].collector).is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let mut arena = set.scrape(vec![0, 1], soon()).await;
        assert_eq!(success(&mut arena, "bad"), 1.0);
        assert!(arena.has_family("value"));
    }

    #[tokio::test]
    async fn only_the_first_scrape_waits_for_what_hangs() {
        let (_release, until) = channel();
        let set = Set::new(vec![("bad", hanging(until))], vec![], OPTIONS);
        let far = || Instant::now() + Duration::from_secs(60);
        set.scrape(vec![0], soon()).await;
        let mut arena = set.scrape(vec![0], far()).await;
        assert_eq!(success(&mut arena, "bad"), 0.0);
        // The thread that hangs must not keep the runtime from ending.
        drop(_release);
    }

    #[tokio::test]
    async fn a_second_scrape_waits_for_its_turn() {
        let (release, until) = channel::<()>();
        let slow = boxed(move |out| {
            let _ = until.recv();
            out.put(&VALUE, &[], 1.0);
            Ok(())
        });
        let set = Arc::new(Set::new(vec![("slow", slow)], vec![], OPTIONS));
        let far = Instant::now() + Duration::from_secs(60);
        let scrapes = [(); 2].map(|()| {
            let set = set.clone();
            tokio::spawn(async move { set.scrape(vec![0], far).await })
        });
        while set.inner.slots[0].waiting.load(Ordering::Relaxed) == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // From here on every run returns at once.
        drop(release);
        for scrape in scrapes {
            assert_eq!(success(&mut scrape.await.unwrap(), "slow"), 1.0);
        }
    }

    #[tokio::test]
    async fn selection_follows_the_request() {
        let set = Set::new(
            vec![("a", boxed(|_| Ok(()))), ("b", boxed(|_| Ok(())))],
            vec!["c"],
            OPTIONS,
        );
        let names = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        assert_eq!(set.select(&[], &[]), Ok(vec![0, 1]));
        assert_eq!(set.select(&names(&["b", "b"]), &[]), Ok(vec![1]));
        assert_eq!(set.select(&[], &names(&["b", "zzz"])), Ok(vec![0]));
        assert_eq!(set.select(&[], &names(&["a", "b"])), Ok(vec![0, 1]));
        assert_eq!(
            set.select(&names(&["a"]), &names(&["b"])),
            Err(Unselectable::Combined)
        );
        assert_eq!(
            set.select(&names(&["c", "d"]), &[]),
            Err(Unselectable::Disabled("c".into()))
        );
        assert_eq!(
            set.select(&names(&["d"]), &[]),
            Err(Unselectable::Missing("d".into()))
        );
    }
}
