//! What collectors are made from.

use crate::kernel::SharedFile;
use exporter_core::cli::Matches;
use std::path::{Component, Path, PathBuf};

/// Where the host's file systems are mounted, and all flags.
#[derive(Clone)]
pub struct Host {
    /// All flags; a collector reads its own.
    pub matches: Matches,
    /// `--path.procfs`
    pub proc: PathBuf,
    /// `--path.sysfs`
    pub sys: PathBuf,
    /// `--path.rootfs`
    pub root: PathBuf,
    /// `--path.udev.data`
    pub udev: PathBuf,
    /// Names of the collectors that run.
    pub runs: Vec<&'static str>,
    /// `stat` of procfs, which several collectors read.
    pub stat: SharedFile,
}

impl Host {
    /// A file below procfs.
    pub fn proc(&self, relative: impl AsRef<Path>) -> PathBuf {
        join(&self.proc, relative.as_ref())
    }

    /// A file below sysfs.
    pub fn sys(&self, relative: impl AsRef<Path>) -> PathBuf {
        join(&self.sys, relative.as_ref())
    }

    /// For collectors that refuse to be made without procfs.
    pub fn require_proc(&self) -> Result<(), String> {
        require("procfs", &self.proc)
    }

    /// For collectors that refuse to be made without sysfs.
    pub fn require_sys(&self) -> Result<(), String> {
        require("sysfs", &self.sys)
    }

    /// Sysfs for collectors that take an empty flag for the usual place.
    pub fn sys_or_default(&self) -> Result<PathBuf, String> {
        or_default("sysfs", &self.sys, "/sys")
    }

    /// Procfs for collectors that take an empty flag for the usual place.
    pub fn proc_or_default(&self) -> Result<PathBuf, String> {
        or_default("procfs", &self.proc, "/proc")
    }
}

fn or_default(what: &str, given: &Path, usual: &str) -> Result<PathBuf, String> {
    let path = match given.as_os_str().is_empty() {
        true => Path::new(usual),
        false => given,
    };
    require(what, path)?;
    Ok(path.to_owned())
}

/// Whether procfs or sysfs is there. Most collectors ask when they are made, some at every scrape
/// that finds nothing.
pub fn require(what: &str, path: &Path) -> Result<(), String> {
    let shown = path.display();
    match std::fs::metadata(path) {
        Ok(meta) if meta.is_dir() => Ok(()),
        Ok(_) => Err(format!(
            "failed to open {what}: mount point {shown:?} is not a directory"
        )),
        Err(error) => Err(format!(
            "failed to open {what}: could not read {shown:?}: {error}"
        )),
    }
}

/// Joins lexically: `.`, `..` and doubled slashes go, links are not looked at.
pub fn join(base: &Path, relative: &Path) -> PathBuf {
    let mut joined = PathBuf::new();
    let parts = relative.components().filter(|c| *c != Component::RootDir);
    for part in base.components().chain(parts) {
        match part {
            Component::CurDir => {}
            Component::ParentDir if joined.file_name().is_some() => {
                joined.pop();
            }
            Component::ParentDir if joined.has_root() => {}
            other => joined.push(other),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_lexically() {
        for (base, relative, joined) in [
            ("/proc", "net/dev", "/proc/net/dev"),
            ("/host//proc/.", "stat", "/host/proc/stat"),
            ("/a/../..", "b", "/b"),
            ("x/..", "../b", "../b"),
            ("rel", "/b", "rel/b"),
        ] {
            assert_eq!(
                join(Path::new(base), Path::new(relative)),
                Path::new(joined)
            );
        }
    }
}
