//! Whether a task has been on a processor since the last look.
//!
//! One that has not has read, written and switched nothing, and waits where it waited: its
//! `schedstat` tells that for a fraction of what the other files cost. It is read before them, so
//! that what happens in between is seen the next time. Of a task that ran before every one of the
//! last looks it is not even read: the other files will be wanted anyway.

use crate::procfs::{Procfs, Task};

/// So many looks in a row make a task a busy one.
const BUSY: u8 = 4;

/// What one look at a task tells of its running.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Run {
    /// Nanoseconds on a processor, and how often it came onto one, where that was read.
    counted: Option<(u64, u64)>,
    /// Looks in a row that found that it had run.
    streak: u8,
}

impl Run {
    /// Looks at a task, of which `earlier` was seen.
    pub(super) fn look(procfs: &mut Procfs, task: Task<'_>, earlier: Option<Run>) -> Self {
        let streak = earlier.map_or(0, |e| e.streak);
        let counted = match streak < BUSY {
            true => procfs.schedstat(task),
            false => None,
        };
        Run { counted, streak }
    }

    /// Whether the task has certainly not run since `earlier`. The states are those of then and now.
    pub(super) fn rests_since(self, earlier: Run, states: [u8; 2]) -> bool {
        self.counted.is_some() && self.counted == earlier.counted && !states.contains(&b'R')
    }

    /// Takes whether it has run, as the other files tell.
    pub(super) fn settle(&mut self, has_run: bool) {
        self.streak = match has_run {
            true => self.streak.saturating_add(1),
            false => 0,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_busy_task_is_not_asked_until_it_rests() {
        let mut procfs = Procfs::open(Path::new("/proc")).unwrap();
        let own = Task::process(std::process::id());
        let kernel_counts = procfs.schedstat(own).is_some();
        let mut run = Run::look(&mut procfs, own, None);
        assert_eq!(run.counted.is_some(), kernel_counts);
        assert_eq!(run.rests_since(run, *b"SS"), kernel_counts);
        assert!(!run.rests_since(run, *b"RS") && !run.rests_since(run, *b"SR"));
        for _ in 0..BUSY {
            run.settle(true);
        }
        let mut busy = Run::look(&mut procfs, own, Some(run));
        assert_eq!(busy.counted, None);
        assert!(!busy.rests_since(busy, *b"SS"));
        busy.settle(false);
        let again = Run::look(&mut procfs, own, Some(busy));
        assert_eq!(again.counted.is_some(), kernel_counts);
    }
}
