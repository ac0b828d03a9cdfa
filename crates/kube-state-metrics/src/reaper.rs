//! The duty of a first process: children whose parents have ended are its own, and stay in the
//! process table until it asks how they ended.

use rustix::process::{Pid, WaitOptions, waitpid};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// What waits for a child of its own, such as a plug-in for credentials, has asked by then.
const PATIENCE: Duration = Duration::from_millis(500);

/// Buries orphans for ever, where this is the first process of its container.
pub async fn run() {
    if std::process::id() == 1 {
        bury_for_ever().await;
    }
    std::future::pending().await
}

async fn bury_for_ever() {
    let mut ended = match signal(SignalKind::child()) {
        Ok(ended) => ended,
        Err(error) => return tracing::warn!(%error, "Ended processes stay in the process table"),
    };
    loop {
        let seen = ended_children();
        tokio::time::sleep(PATIENCE).await;
        let left = ended_children();
        for child in left.iter().filter(|child| seen.contains(child)) {
            bury(*child);
        }
        if left.iter().all(|child| seen.contains(child)) && ended.recv().await.is_none() {
            return;
        }
    }
}

fn bury(child: Pid) {
    // Somebody else may have asked in between.
    let _ = waitpid(Some(child), WaitOptions::NOHANG);
}

/// Children of this process that have ended and that nobody has asked for.
fn ended_children() -> Vec<Pid> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let numbers = entries.flatten().filter_map(|entry| {
        let number: i32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        has_ended(&stat, std::process::id()).then_some(number)
    });
    numbers.filter_map(Pid::from_raw).collect()
}

/// Whether the line of `/proc/PID/stat` tells of a child of `parent` that has ended: behind the name
/// in parentheses stand the state, `Z`, and the parent.
fn has_ended(stat: &str, parent: u32) -> bool {
    let mut fields = stat
        .rsplit(") ")
        .next()
        .unwrap_or("")
        .split_ascii_whitespace();
    fields.next() == Some("Z") && fields.next().and_then(|field| field.parse().ok()) == Some(parent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn lines_of_the_process_table() {
        assert!(has_ended("7 (a b) Z 1 7 7 0", 1));
        for line in [
            "7 (a) S 1 7",
            "7 (a) Z 12 7",
            "7 (x) Z 1 y) R 1 7",
            "",
            "7 (a) Z",
        ] {
            assert!(!has_ended(line, 1), "{line}");
        }
    }

    #[test]
    fn an_ended_child_is_found_and_buried() {
        let mut child = Command::new("true").spawn().unwrap();
        let number = Pid::from_raw(child.id().cast_signed()).unwrap();
        while !ended_children().contains(&number) {
            std::thread::yield_now();
        }
        bury(number);
        assert!(!ended_children().contains(&number));
        let error = child.wait().unwrap_err();
        assert_eq!(
            error.raw_os_error(),
            Some(rustix::io::Errno::CHILD.raw_os_error())
        );
    }
}
