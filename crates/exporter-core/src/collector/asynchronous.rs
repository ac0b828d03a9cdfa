//! Collectors that ask a server: the same contract and series as [`Set`](super::Set), on the
//! asynchronous threads.

use super::{Error, Scrape, SetOptions};
use crate::exposition::Arena;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// Samples to come.
pub type Collecting<'a> = Pin<Box<dyn Future<Output = Result<(), Error>> + Send + 'a>>;

/// Something that asks one target and puts its samples. `Target` is what connections are made or
/// borrowed from.
pub trait AsyncCollector<Target>: Send + Sync + 'static {
    /// Asks, parses, then puts. Dropped at the deadline, wherever it is.
    fn collect<'a>(
        &'a self,
        target: &'a Target,
        out: &'a mut Arena,
        scrape: Scrape,
    ) -> Collecting<'a>;
}

/// A collector and its name.
pub type Named<Target> = (&'static str, Arc<dyn AsyncCollector<Target>>);

/// The collectors of one exporter, for any of its targets.
pub struct AsyncSet<Target> {
    collectors: Vec<Named<Target>>,
    options: SetOptions,
}

struct Done {
    arena: Arena,
    result: Result<(), Error>,
    elapsed: Duration,
}

/// A collector at work, which ends with whoever waits for it.
struct Task(JoinHandle<Done>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<Target: Send + Sync + 'static> AsyncSet<Target> {
    /// Collectors in the order their samples take precedence; `options.workers` is how many ask at
    /// a time.
    pub fn new(collectors: Vec<Named<Target>>, options: SetOptions) -> Self {
        AsyncSet {
            collectors,
            options,
        }
    }

    /// Runs the collectors that `wanted` names against a target. Returns at `deadline` at the
    /// latest; what is unfinished then counts as failed. Where nobody waits for the answer any more,
    /// no collector goes on.
    pub async fn scrape(
        &self,
        target: Arc<Target>,
        wanted: impl Fn(&str) -> bool,
        deadline: Instant,
    ) -> Arena {
        let turns = Arc::new(Semaphore::new(self.options.workers.max(1)));
        let started = Instant::now();
        let running: Vec<(&'static str, Task)> = self
            .collectors
            .iter()
            .filter(|(name, _)| wanted(name))
            .map(|(name, collector)| {
                let task = run(collector.clone(), target.clone(), turns.clone(), deadline);
                (*name, Task(tokio::spawn(task)))
            })
            .collect();
        let mut whole = Arena::new();
        for (name, mut task) in running {
            let done = (&mut task.0).await.unwrap_or_else(|error| Done {
                // A panic takes what its collector had put along.
                arena: Arena::new(),
                result: Err(Error::failed(format!("panic: {error}"))),
                elapsed: started.elapsed(),
            });
            super::set::log(name, done.elapsed, &done.result);
            whole.append(&done.arena);
            let success = f64::from(u8::from(done.result.is_ok()));
            whole.put(self.options.duration, &[name], done.elapsed.as_secs_f64());
            whole.put(self.options.success, &[name], success);
        }
        whole
    }
}

async fn run<Target: Send + Sync + 'static>(
    collector: Arc<dyn AsyncCollector<Target>>,
    target: Arc<Target>,
    turns: Arc<Semaphore>,
    deadline: Instant,
) -> Done {
    let mut arena = Arena::new();
    let mut started = Instant::now();
    let asking = async {
        let _turn = turns.acquire().await.map_err(Error::failed)?;
        started = Instant::now();
        collector
            .collect(&target, &mut arena, Scrape { deadline })
            .await
    };
    let result = match tokio::time::timeout_at(deadline.into(), asking).await {
        Ok(result) => result,
        Err(_) => Err(Error::failed("no answer before the end of the scrape")),
    };
    Done {
        arena,
        result,
        elapsed: started.elapsed(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::Family;

    static UP: Family = Family::gauge("up", &["who"], "Up.");
    static DURATION: Family = Family::gauge("x_duration_seconds", &["collector"], "Time.");
    static SUCCESS: Family = Family::gauge("x_success", &["collector"], "Success.");

    /// Does what the target's word for it says.
    struct Fake(&'static str);

    impl AsyncCollector<&'static str> for Fake {
        fn collect<'a>(
            &'a self,
            target: &'a &'static str,
            out: &'a mut Arena,
            _: Scrape,
        ) -> Collecting<'a> {
            Box::pin(async move {
                out.put(&UP, &[self.0], target.len() as f64);
                match self.0 {
                    "slow" => tokio::time::sleep(Duration::from_secs(60)).await,
                    "bad" => return Err(Error::failed("no")),
                    "broken" => panic!("broken"),
                    _ => {}
                }
                Ok(())
            })
        }
    }

    #[tokio::test]
    async fn each_costs_only_itself() {
        let names = ["bad", "broken", "fine", "slow"];
        let collectors = names.map(|n| -> Named<&'static str> { (n, Arc::new(Fake(n))) });
        let options = SetOptions {
            duration: &DURATION,
            success: &SUCCESS,
            workers: 4,
        };
        let set = AsyncSet::new(collectors.into(), options);
        let deadline = Instant::now() + Duration::from_millis(200);
        let mut arena = set
            .scrape(Arc::new("db"), |name| name != "unwanted", deadline)
            .await;
        assert!(Instant::now() < deadline + Duration::from_secs(5));
        arena.seal();
        let family = arena.families().find(|f| f.name() == "x_success").unwrap();
        let values: Vec<f64> = family.samples().map(|s| s.value()).collect();
        assert_eq!(values, [0.0, 0.0, 1.0, 0.0]);
        let up = arena.families().find(|f| f.name() == "up").unwrap();
        let who: Vec<_> = up
            .samples()
            .map(|s| s.labels().iter().next().unwrap().1.to_owned())
            .collect();
        assert_eq!(who, ["bad", "fine", "slow"]);
    }

    #[tokio::test]
    async fn nobody_waits_nobody_works() {
        struct Waits(Arc<()>);
        impl AsyncCollector<()> for Waits {
            fn collect<'a>(&'a self, _: &'a (), _: &'a mut Arena, _: Scrape) -> Collecting<'a> {
                let held = self.0.clone();
                Box::pin(async move {
                    std::future::pending::<()>().await;
                    drop(held);
                    Ok(())
                })
            }
        }
        let held = Arc::new(());
        let waits: Named<()> = ("waits", Arc::new(Waits(held.clone())));
        let options = SetOptions {
            duration: &DURATION,
            success: &SUCCESS,
            workers: 1,
        };
        let set = AsyncSet::new(vec![waits], options);
        let deadline = Instant::now() + Duration::from_secs(60);
        let scraping = set.scrape(Arc::new(()), |_| true, deadline);
        let left = tokio::time::timeout(Duration::from_millis(50), scraping).await;
        assert!(left.is_err());
        let patience = Instant::now() + Duration::from_secs(10);
        // The set and the test hold it, the collector does not.
        while Arc::strong_count(&held) > 2 {
            assert!(Instant::now() < patience);
            tokio::task::yield_now().await;
        }
    }
}
