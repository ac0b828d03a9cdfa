//! Files of tasks that stay open, and how many may.
//!
//! Opening and closing `schedstat` costs six times what reading it does. A file that is kept belongs
//! to the task, not to its number: when the task is gone it can be read no more.

use rustix::process::{Resource, getrlimit};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Each costs the kernel about five kilobytes, which count as memory of the exporter's container.
const MOST: usize = 1024;

/// What is left of the files that may be kept.
#[derive(Clone, Debug)]
pub struct Budget(Arc<AtomicUsize>);

impl Default for Budget {
    /// As many as leave half of the limit of open files to everything else.
    fn default() -> Self {
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let half = usize::try_from(limit / 2).unwrap_or(MOST);
        Budget(Arc::new(AtomicUsize::new(half.min(MOST))))
    }
}

impl Budget {
    /// Keeps a file open, where one more may be.
    pub fn keep(&self, file: OwnedFd) -> Option<Arc<KeptFile>> {
        let take = |left: usize| left.checked_sub(1);
        let taken = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        taken.is_ok().then(|| {
            Arc::new(KeptFile {
                file,
                budget: self.clone(),
            })
        })
    }

    /// Files that may still be kept.
    #[cfg(test)]
    pub fn left(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// A file that stays open until it is dropped.
#[derive(Debug)]
pub struct KeptFile {
    file: OwnedFd,
    budget: Budget,
}

impl Drop for KeptFile {
    fn drop(&mut self) {
        self.budget.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl AsFd for KeptFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_makes_room() {
        let budget = Budget(Arc::new(AtomicUsize::new(1)));
        let file = || tempfile::tempfile().unwrap().into();
        let kept = budget.keep(file());
        assert!(kept.is_some() && budget.keep(file()).is_none());
        drop(kept);
        assert_eq!(budget.left(), 1);
        assert!(budget.keep(file()).is_some());
    }
}
