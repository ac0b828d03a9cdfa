//! Processes for an exporter of processes to look at.

use crate::bench::Running;
use crate::run;
use std::process::Command;
use std::time::Duration;

/// The command of [`waker`].
pub const WAKER: &str = "waker";

/// How many processes there are, and what they are like.
pub struct Crowd {
    /// Processes that never run.
    sleepers: usize,
    /// Processes that have run between any two scrapes that are half a second apart.
    wakers: usize,
    /// Threads of a waker.
    threads: usize,
    /// Private memory of a waker.
    mebibytes: usize,
}

impl Crowd {
    /// Takes its options out of the arguments.
    pub fn take(arguments: &mut Vec<String>) -> Result<Self, String> {
        let mut number = |name: &str, default| {
            let given = run::take_options(arguments, name)?;
            run::number(given.into_iter().next_back(), default)
        };
        Ok(Crowd {
            sleepers: number("--sleepers", 0)?,
            wakers: number("--wakers", 0)?,
            threads: number("--waker-threads", 1)?,
            mebibytes: number("--waker-mib", 0)?,
        })
    }

    /// Starts all. They end with what is returned.
    pub fn start(&self) -> Result<Vec<Running>, String> {
        let own = std::env::current_exe().map_err(|e| format!("xtask: {e}"))?;
        let numbers = [self.threads, self.mebibytes].map(|n| n.to_string());
        let start = |command: &mut Command| {
            let child = command.spawn();
            child.map(Running).map_err(|e| format!("{command:?}: {e}"))
        };
        let sleepers = (0..self.sleepers).map(|_| start(Command::new("sleep").arg("86400")));
        let wakers = (0..self.wakers).map(|_| start(Command::new(&own).arg(WAKER).args(&numbers)));
        sleepers.chain(wakers).collect()
    }
}

/// What a waker does until its parent has gone: each of its threads wakes every tenth to half of a
/// second, and the first touches memory.
pub fn waker(arguments: &[String]) -> Result<(), String> {
    let mut numbers = arguments.iter().map(|a| run::number(Some(a.clone()), 1));
    let threads = numbers.next().unwrap_or(Ok(1))?;
    let mebibytes = numbers.next().unwrap_or(Ok(0))?;
    for thread in 1..threads {
        std::thread::spawn(move || {
            for turn in thread.. {
                nap(turn);
            }
        });
    }
    let mut memory = vec![1u8; mebibytes << 20];
    let parent = std::os::unix::process::parent_id();
    for turn in 0.. {
        nap(turn);
        memory
            .iter_mut()
            .step_by(1 << 20)
            .for_each(|byte| *byte = byte.wrapping_add(1));
        if std::os::unix::process::parent_id() != parent {
            break;
        }
    }
    Ok(())
}

/// Naps of processes and threads that started together fall apart.
fn nap(turn: usize) {
    let spread = (turn + std::process::id() as usize) * 7919 % 400;
    std::thread::sleep(Duration::from_millis(100 + spread as u64));
}
