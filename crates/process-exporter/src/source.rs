//! Answers scrapes from a tracker.

use crate::families as f;
use crate::naming::Naming;
use crate::procfs::told;
use crate::tracker::{Errors, Tracker};
use exporter_core::exposition::Arena;
use exporter_core::reload::{ReloadFamilies, Reloader};
use exporter_core::web::{ScrapeRequest, Scraped, Scraping, Source};
use std::sync::{Arc, Mutex as Shared, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::Mutex;
use tokio::time::timeout_at;

/// Collects at each scrape, one at a time.
///
/// A collection that is not done at the deadline of its scrape is not waited for: that scrape is
/// answered without groups, and the collection goes on, so that what it finds counts the next time.
#[derive(Clone)]
pub struct Processes {
    tracker: Arc<Mutex<Tracker>>,
    told: Arc<Shared<Told>>,
    reload: Option<(Reloader, ReloadFamilies)>,
}

/// What is exposed beside groups, and buffers to use again.
#[derive(Default)]
struct Told {
    failed: u64,
    errors: Errors,
    /// Read from the configuration and not yet in force.
    naming: Option<Naming>,
    spare: Option<Arena>,
}

impl Processes {
    /// Answers from a tracker that has collected once.
    pub fn new(tracker: Tracker) -> Self {
        let told = Told {
            errors: tracker.errors(),
            ..Told::default()
        };
        Processes {
            tracker: Arc::new(Mutex::new(tracker)),
            told: Arc::new(Shared::new(told)),
            reload: None,
        }
    }

    /// Tells of reloads too.
    pub fn with_reloads(mut self, reloader: Reloader, families: ReloadFamilies) -> Self {
        self.reload = Some((reloader, families));
        self
    }

    /// Names processes otherwise from the next scrape on.
    pub fn rename(&self, naming: Naming) {
        self.told().naming = Some(naming);
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An arena with all groups.
    async fn collect(&self, deadline: Instant) -> Result<Arena, String> {
        let late = |_| "the processes could not be read in time".to_owned();
        let deadline = tokio::time::Instant::from_std(deadline);
        let waiting = self.tracker.clone().lock_owned();
        let mut tracker = timeout_at(deadline, waiting).await.map_err(late)?;
        let mut arena = self.told().spare.take().unwrap_or_default();
        let this = self.clone();
        let collecting = tokio::task::spawn_blocking(move || {
            let naming = this.told().naming.take();
            if let Some(naming) = naming {
                tracker.rename(naming);
            }
            let listed = tracker.collect();
            this.told().errors = tracker.errors();
            match listed {
                Ok(()) => {
                    tracker.put(&mut arena);
                    Ok(arena)
                }
                Err(error) => Err(format!("processes could not be listed: {}", told(error))),
            }
        });
        let collected = timeout_at(deadline, collecting).await.map_err(late)?;
        collected.unwrap_or_else(|panic| Err(format!("collecting ended: {panic}")))
    }
}

impl Source for Processes {
    fn scrape<'a>(&'a self, request: &'a ScrapeRequest) -> Scraping<'a> {
        Box::pin(async move {
            let mut arena = self
                .collect(request.deadline)
                .await
                .unwrap_or_else(|error| {
                    self.told().failed += 1;
                    tracing::error!("{error}");
                    Arena::new()
                });
            let told = self.told();
            arena.put(&f::SCRAPE_ERRORS, &[], told.failed as f64);
            arena.put(&f::READ_ERRORS, &[], told.errors.read as f64);
            arena.put(&f::PARTIAL_ERRORS, &[], told.errors.partial as f64);
            drop(told);
            if let Some((reloader, families)) = &self.reload {
                reloader.put(*families, &mut arena);
            }
            Ok(Scraped::Arena(arena))
        })
    }

    fn recycle(&self, mut arena: Arena) {
        arena.clear();
        self.told().spare = Some(arena);
    }
}
