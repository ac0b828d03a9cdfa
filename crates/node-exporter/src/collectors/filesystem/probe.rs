//! Calls `statfs(2)` without ever waiting for one that hangs.
//!
//! One thread that is kept from scrape to scrape asks all mount points in turn. When it stays on
//! one for longer than [`PATIENCE`], further threads go on with the rest; when it stays for longer
//! than the timeout, or the scrape ends, the mount point is reported as timed out, is remembered as
//! stuck and not asked again, and the thread is left behind with it. Nothing but the return of
//! that call frees the mount point, so a dead mount costs one thread, once.

use rustix::io::Errno;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a call may take before another thread goes on with the mounts behind it.
const PATIENCE: Duration = Duration::from_millis(20);
/// Nothing here recurses.
const STACK: usize = 64 * 1024;

/// What became of one mount point.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It answered.
    Measured(Stat),
    /// It answered with an error, told in the C library's words.
    Failed(String),
    /// It has not answered.
    TimedOut,
}

/// What `statfs(2)` tells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stat {
    /// Bytes of a block.
    pub block_size: f64,
    /// Blocks.
    pub blocks: f64,
    /// Free blocks.
    pub free: f64,
    /// Free blocks for users other than root.
    pub available: f64,
    /// Inodes.
    pub files: f64,
    /// Free inodes.
    pub files_free: f64,
}

type Measure = fn(&Path) -> Outcome;

/// Asks mount points, and remembers which are stuck.
pub struct Prober {
    timeout: Duration,
    workers: usize,
    measure: Measure,
    stuck: Arc<Mutex<HashSet<PathBuf>>>,
    /// Threads started so far.
    started: AtomicUsize,
    /// The thread that is kept.
    idle: Arc<Mutex<Option<Sender<Work>>>>,
}

struct Work {
    batch: Arc<Batch>,
    worker: usize,
}

/// The mount points of one scrape.
struct Batch {
    paths: Vec<PathBuf>,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    next: usize,
    outcomes: Vec<Option<Outcome>>,
    finished: usize,
    /// What each worker is at and since when; `None` where it has ended or was left behind.
    running: Vec<Option<(At, Instant)>>,
}

/// Where a worker is.
#[derive(Clone, Copy, PartialEq)]
enum At {
    /// Between two calls, or not begun.
    Rest,
    /// In the call for this path.
    Path(usize),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Prober {
    /// At most `workers` calls wait at a time; each for `timeout` at most.
    pub fn new(timeout: Duration, workers: usize) -> Self {
        Prober {
            timeout,
            workers,
            measure: statfs,
            stuck: Arc::default(),
            started: AtomicUsize::new(0),
            idle: Arc::default(),
        }
    }

    /// Asks these mount points and answers in their order, at `deadline` at the latest. A path
    /// that occurs twice is asked once.
    pub fn probe<'a>(
        &self,
        paths: impl Iterator<Item = &'a Path>,
        deadline: Instant,
    ) -> Vec<Outcome> {
        let mut unique: Vec<PathBuf> = Vec::new();
        let mut places: HashMap<PathBuf, Option<usize>> = HashMap::new();
        let mut order = Vec::new();
        {
            let stuck = lock(&self.stuck);
            for path in paths {
                let place = places.entry(path.to_owned()).or_insert_with(|| {
                    (!stuck.contains(path)).then(|| {
                        unique.push(path.to_owned());
                        unique.len() - 1
                    })
                });
                order.push(*place);
            }
        }
        let outcomes = self.probe_unique(unique, deadline);
        let outcome = |place: Option<usize>| place.and_then(|p| outcomes.get(p)?.clone());
        let of = |place| outcome(place).unwrap_or(Outcome::TimedOut);
        order.into_iter().map(of).collect()
    }

    fn probe_unique(&self, paths: Vec<PathBuf>, deadline: Instant) -> Vec<Option<Outcome>> {
        let total = paths.len();
        if total == 0 {
            return Vec::new();
        }
        let batch = Arc::new(Batch {
            paths,
            state: Mutex::new(State {
                next: 0,
                outcomes: vec![None; total],
                finished: 0,
                running: Vec::new(),
            }),
            changed: Condvar::new(),
        });
        let mut state = lock(&batch.state);
        self.add_worker(&batch, &mut state);
        loop {
            let now = Instant::now();
            let limit = if now >= deadline {
                Duration::ZERO
            } else {
                self.timeout
            };
            self.give_up(&batch, &mut state, now, limit);
            if state.finished == total || now >= deadline {
                break;
            }
            let wait = self.next_check(&batch, &mut state, now).min(deadline - now);
            state = batch
                .changed
                .wait_timeout(state, wait)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        // Nobody may begin another call.
        state.next = total;
        std::mem::take(&mut state.outcomes)
    }

    /// Leaves calls behind that have taken `limit`.
    fn give_up(&self, batch: &Batch, state: &mut State, now: Instant, limit: Duration) {
        for worker in 0..state.running.len() {
            let Some((At::Path(at), since)) = state.running[worker] else {
                continue;
            };
            if now.saturating_duration_since(since) >= limit {
                tracing::debug!(path = %batch.paths[at].display(), "mount point does not answer");
                lock(&self.stuck).insert(batch.paths[at].clone());
                state.running[worker] = None;
                state.outcomes[at] = Some(Outcome::TimedOut);
                state.finished += 1;
            }
        }
    }

    /// Adds a worker where all that there are have lost patience; tells when to look again.
    fn next_check(&self, batch: &Arc<Batch>, state: &mut State, now: Instant) -> Duration {
        let waits = state.running.iter().flatten();
        let waits: Vec<Duration> = waits.map(|r| now.saturating_duration_since(r.1)).collect();
        let open = state.next < batch.paths.len();
        let patient = waits.iter().any(|w| *w < PATIENCE);
        if open && !patient && waits.len() < self.workers {
            self.add_worker(batch, state);
            return PATIENCE;
        }
        let longest = waits.iter().max().copied().unwrap_or_default();
        let left = self.timeout.saturating_sub(longest);
        if open && waits.len() < self.workers {
            left.min(PATIENCE)
        } else {
            left
        }
    }

    fn add_worker(&self, batch: &Arc<Batch>, state: &mut State) {
        let worker = state.running.len();
        state.running.push(Some((At::Rest, Instant::now())));
        let work = Work {
            batch: batch.clone(),
            worker,
        };
        let kept = lock(&self.idle).take();
        let work = match kept.map(|sender| sender.send(work)) {
            Some(Ok(())) => return,
            Some(Err(unsent)) => unsent.0,
            None => Work {
                batch: batch.clone(),
                worker,
            },
        };
        self.started.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = channel();
        if sender.send(work).is_err() {
            return;
        }
        let thread = Worker {
            measure: self.measure,
            stuck: self.stuck.clone(),
            idle: self.idle.clone(),
        };
        let builder = std::thread::Builder::new()
            .name("statfs".to_owned())
            .stack_size(STACK);
        if let Err(error) = builder.spawn(move || thread.run(&sender, &receiver)) {
            tracing::error!(%error, "could not start a thread for mount points");
        }
    }
}

struct Worker {
    measure: Measure,
    stuck: Arc<Mutex<HashSet<PathBuf>>>,
    idle: Arc<Mutex<Option<Sender<Work>>>>,
}

impl Worker {
    fn run(&self, own: &Sender<Work>, work: &Receiver<Work>) {
        while let Ok(Work { batch, worker }) = work.recv() {
            if !self.serve(&batch, worker) {
                return;
            }
            drop(batch);
            let mut idle = lock(&self.idle);
            if idle.is_some() {
                return;
            }
            *idle = Some(own.clone());
        }
    }

    /// Whether this thread is still wanted.
    fn serve(&self, batch: &Batch, worker: usize) -> bool {
        loop {
            let at = {
                let mut state = lock(&batch.state);
                let at = state.next;
                if at >= batch.paths.len() {
                    state.running[worker] = None;
                    return true;
                }
                state.next += 1;
                state.running[worker] = Some((At::Path(at), Instant::now()));
                at
            };
            let outcome = (self.measure)(&batch.paths[at]);
            let mut state = lock(&batch.state);
            if state.running[worker].take().is_none() {
                // It was given up, and is free again from here on.
                lock(&self.stuck).remove(&batch.paths[at]);
                tracing::debug!(path = %batch.paths[at].display(), "mount point answers again");
                return false;
            }
            state.running[worker] = Some((At::Rest, Instant::now()));
            state.outcomes[at] = Some(outcome);
            state.finished += 1;
            if state.finished == batch.paths.len() {
                batch.changed.notify_one();
            }
        }
    }
}

fn statfs(path: &Path) -> Outcome {
    match rustix::fs::statfs(path) {
        Ok(stat) => Outcome::Measured(Stat {
            block_size: stat.f_bsize as f64,
            blocks: stat.f_blocks as f64,
            free: stat.f_bfree as f64,
            available: stat.f_bavail as f64,
            files: stat.f_files as f64,
            files_free: stat.f_ffree as f64,
        }),
        Err(errno) => Outcome::Failed(words(errno)),
    }
}

/// The C library's words for an error, the first letter in lower case.
fn words(errno: Errno) -> String {
    let text = std::io::Error::from(errno).to_string();
    let words = text.split(" (os error").next().unwrap_or_default();
    if words.starts_with("Unknown error") {
        return format!("errno {}", errno.raw_os_error());
    }
    let mut letters = words.chars();
    let first = letters.next().map(|c| c.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DONE: Outcome = Outcome::Failed(String::new());

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    /// Paths that begin with `/slow` hang until the file that follows is gone.
    fn measure(path: &Path) -> Outcome {
        if let Ok(gate) = path.strip_prefix("/slow") {
            let gate = Path::new("/").join(gate);
            while gate.exists() {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        DONE
    }

    #[test]
    fn a_stuck_mount_costs_one_thread_and_comes_back() {
        let gate = tempfile::NamedTempFile::new().unwrap();
        let slow = Path::new("/slow").join(gate.path().strip_prefix("/").unwrap());
        let prober = Prober {
            measure,
            ..Prober::new(Duration::from_millis(100), 4)
        };
        let paths = [Path::new("/a"), &slow, Path::new("/b"), &slow];
        let expected = [DONE, Outcome::TimedOut, DONE, Outcome::TimedOut];
        assert_eq!(prober.probe(paths.into_iter(), soon()), expected);
        for _ in 0..50 {
            let started = Instant::now();
            assert_eq!(prober.probe(paths.into_iter(), soon()), expected);
            assert!(started.elapsed() < Duration::from_secs(5));
        }
        // One that was left behind and the four that may be at work, however often they are asked.
        let started = prober.started.load(Ordering::Relaxed);
        assert!(started <= 5, "{started}");
        gate.close().unwrap();
        let patience = soon();
        while prober.probe(paths.into_iter(), soon()) != [DONE, DONE, DONE, DONE] {
            assert!(Instant::now() < patience);
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn the_deadline_is_kept() {
        let gate = tempfile::NamedTempFile::new().unwrap();
        let slow = Path::new("/slow").join(gate.path().strip_prefix("/").unwrap());
        let prober = Prober {
            measure,
            ..Prober::new(Duration::from_secs(60), 1)
        };
        let deadline = Instant::now() + Duration::from_millis(150);
        let outcomes = prober.probe([&*slow, Path::new("/b")].into_iter(), deadline);
        assert_eq!(outcomes, [Outcome::TimedOut, Outcome::TimedOut]);
        let outcomes = prober.probe([&*slow, Path::new("/b")].into_iter(), soon());
        assert_eq!(outcomes, [Outcome::TimedOut, DONE]);
    }

    #[test]
    fn errors_in_words() {
        assert_eq!(words(Errno::ACCESS), "permission denied");
        assert_eq!(words(Errno::NOTCONN), "transport endpoint is not connected");
        assert_eq!(words(Errno::STALE), "stale file handle");
        assert_eq!(words(Errno::from_raw_os_error(3999)), "errno 3999");
    }
}
