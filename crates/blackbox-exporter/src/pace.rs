//! Keeps the thread that serves free for others while many probes want it at once.
//!
//! A thousand probes that begin, or end, at the same moment are a tenth of a second of work. Left to
//! the runtime they would all be done before the next health check is looked at. So probes work in
//! turns: when a turn is used up, those that have more to do queue, and go on one by one after the
//! sockets were looked at again.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// Work of all probes between two looks at the sockets. One step of a probe may go beyond.
const TURN: Duration = Duration::from_micros(500);

/// The turns that probes share.
#[derive(Debug, Default)]
pub struct Pace(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Work that was done in this turn.
    spent: Duration,
    /// Whether a task gives turns; there is one only while a turn is used up or somebody queues.
    is_given: bool,
    /// The first ticket that was not handed out yet.
    next: u64,
    /// Tickets below this one have been called.
    called: u64,
    queue: VecDeque<(u64, Waker)>,
}

impl Pace {
    /// Does the work in turns.
    pub fn keep<F: Future + Send>(self: &Arc<Self>, work: F) -> Paced<F> {
        Paced {
            pace: self.clone(),
            ticket: None,
            work: Box::pin(work),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds work to this turn, and calls the next where something of the turn is left.
    fn spend(self: &Arc<Self>, work: Duration) {
        let mut state = self.lock();
        state.spent += work;
        if state.spent < TURN {
            state.call();
        } else if !std::mem::replace(&mut state.is_given, true) {
            tokio::spawn(give(self.clone()));
        }
    }

    /// Begins a turn. The value is whether anybody has waited for it.
    fn begin(&self) -> bool {
        let mut state = self.lock();
        state.spent = Duration::ZERO;
        state.is_given = state.call();
        state.is_given
    }
}

/// Gives turns until nobody queues.
async fn give(pace: Arc<Pace>) {
    loop {
        // The runtime looks at the sockets before it goes on here.
        tokio::task::yield_now().await;
        if !pace.begin() {
            return;
        }
    }
}

impl State {
    /// Calls who has queued the longest.
    fn call(&mut self) -> bool {
        let Some((ticket, waker)) = self.queue.pop_front() else {
            return false;
        };
        self.called = ticket + 1;
        waker.wake();
        true
    }

    /// Ready for who has been called, and for newcomers while a turn lasts; others queue.
    fn poll_turn(&mut self, ticket: &mut Option<u64>, waker: &Waker) -> Poll<()> {
        match *ticket {
            Some(number) if number < self.called => *ticket = None,
            Some(number) => {
                if let Ok(at) = self.queue.binary_search_by_key(&number, |entry| entry.0) {
                    self.queue[at].1.clone_from(waker);
                }
            }
            None if self.queue.is_empty() && self.spent < TURN => {}
            None => {
                *ticket = Some(self.next);
                self.queue.push_back((self.next, waker.clone()));
                self.next += 1;
            }
        }
        match ticket {
            None => Poll::Ready(()),
            Some(_) => Poll::Pending,
        }
    }
}

/// Work that goes on only in turns.
#[derive(Debug)]
pub struct Paced<F> {
    pace: Arc<Pace>,
    ticket: Option<u64>,
    work: Pin<Box<F>>,
}

impl<F: Future> Future for Paced<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        let turn = this.pace.lock().poll_turn(&mut this.ticket, cx.waker());
        if turn.is_pending() {
            return Poll::Pending;
        }
        let started = Instant::now();
        let polled = this.work.as_mut().poll(cx);
        this.pace.spend(started.elapsed());
        polled
    }
}

impl<F> Drop for Paced<F> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else {
            return;
        };
        let mut state = self.pace.lock();
        if let Ok(at) = state.queue.binary_search_by_key(&ticket, |entry| entry.0) {
            state.queue.remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Work of a millisecond, so that every step uses up a turn.
    async fn toil(done: Arc<AtomicUsize>) {
        let started = Instant::now();
        while started.elapsed() < Duration::from_millis(1) {}
        done.fetch_add(1, Ordering::Relaxed);
    }

    #[tokio::test]
    async fn others_come_between_steps() {
        let (pace, done) = (Arc::new(Pace::default()), Arc::new(AtomicUsize::new(0)));
        let works: Vec<_> = (0..50)
            .map(|_| tokio::spawn(pace.keep(toil(done.clone()))))
            .collect();
        let mut most = 0;
        while works.iter().any(|work| !work.is_finished()) {
            let before = done.load(Ordering::Relaxed);
            tokio::task::yield_now().await;
            most = most.max(done.load(Ordering::Relaxed) - before);
        }
        assert_eq!(done.load(Ordering::Relaxed), 50);
        assert!(most <= 2, "{most} steps in a row");
    }

    #[tokio::test]
    async fn who_leaves_the_queue_holds_nobody_up() {
        let (pace, done) = (Arc::new(Pace::default()), Arc::new(AtomicUsize::new(0)));
        let works: Vec<_> = (0..20)
            .map(|_| tokio::spawn(pace.keep(toil(done.clone()))))
            .collect();
        tokio::task::yield_now().await;
        for work in works.iter().step_by(2) {
            work.abort();
        }
        let mut finished = 0;
        for work in works {
            finished += usize::from(work.await.is_ok());
        }
        assert!(finished >= 10, "{finished} of 20");
        assert_eq!(done.load(Ordering::Relaxed), finished);
        assert!(pace.lock().queue.is_empty());
    }

    #[test]
    fn nobody_queues_while_a_turn_lasts() {
        let (mut state, mut ticket) = (State::default(), None);
        let mut is_ready = |state: &mut State| {
            let turn = state.poll_turn(&mut ticket, Waker::noop());
            turn.is_ready()
        };
        state.spent = TURN / 2;
        assert!(is_ready(&mut state));
        state.spent = TURN;
        assert!(!is_ready(&mut state) && !is_ready(&mut state));
        assert!(state.call() && is_ready(&mut state));
    }
}
