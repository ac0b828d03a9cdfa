//! Programs that the demo starts and ends.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A user of the system, to run servers as that refuse to be root.
#[derive(Clone, Copy, Debug)]
pub struct User {
    uid: u32,
    gid: u32,
}

impl User {
    /// Looks a name up in `/etc/passwd`.
    pub fn named(name: &str) -> Option<Self> {
        let text = std::fs::read_to_string("/etc/passwd").ok()?;
        let line = text.lines().find(|l| l.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        let mut number = || fields.next()?.parse().ok();
        Some(User {
            uid: number()?,
            gid: number()?,
        })
    }

    /// Gives a folder away.
    pub fn own(self, folder: &Path) -> Result<(), String> {
        std::os::unix::fs::chown(folder, Some(self.uid), Some(self.gid))
            .map_err(|e| format!("{}: {e}", folder.display()))
    }

    /// Makes a command run as this user.
    pub fn run(self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }
}

/// The last lines of a log. The file itself goes with the demo.
fn end(log: &Path) -> String {
    let bytes = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(10)..].join("\n")
}

/// A started program. It is ended when dropped.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program that writes into a log of its own.
    pub fn start(name: &str, command: &mut Command, log: &Path) -> Result<Self, String> {
        let file = File::create(log).map_err(|e| format!("{}: {e}", log.display()))?;
        let errors = file
            .try_clone()
            .map_err(|e| format!("{}: {e}", log.display()))?;
        // A group of its own: Ctrl-C reaches us alone, and we end everything in turn.
        let child = command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(errors)
            .process_group(0)
            .spawn();
        let child =
            child.map_err(|e| format!("{}: {e}", command.get_program().to_string_lossy()))?;
        Ok(Process {
            name: name.to_owned(),
            child,
            log: log.to_owned(),
        })
    }

    /// An error that names the program and shows the end of its log, if it has ended.
    pub fn check(&mut self) -> Result<(), String> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(format!(
                "{} ended with {status}, having said:\n{}",
                self.name,
                end(&self.log)
            )),
            Err(error) => Err(format!("{}: {error}", self.name)),
        }
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        // It may have ended by itself.
        let _ = Command::new("kill").args([signal, &pid]).status();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        self.signal("-TERM");
        let patience = Instant::now() + Duration::from_secs(10);
        while Instant::now() < patience {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        // Nothing may be left behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_ends_is_named_with_the_last_words() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut shell = Command::new("sh");
        shell.args(["-c", "seq 1 30; echo no port >&2; exit 3"]);
        let mut process = Process::start("shell", &mut shell, &log).unwrap();
        process.child.wait().unwrap();
        let told = process.check().unwrap_err();
        assert!(
            told.starts_with("shell ended with exit status: 3"),
            "{told}"
        );
        assert!(told.ends_with("\n30\nno port"), "{told}");
        assert!(!told.contains("\n20\n"), "{told}");
    }
}
