//! Servers that end-to-end tests start by themselves, from the programs that a distribution has.

use crate::run;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program that tests of one exporter start.
struct Server {
    /// Crate of the exporter; where it is not in the workspace nothing is needed.
    exporter: &'static str,
    /// The program.
    program: &'static str,
    /// The Debian package that brings it.
    package: &'static str,
    /// Folders to look in beside the path, `*` standing for one folder.
    folders: &'static [&'static str],
}

const ALL: &[Server] = &[
    Server {
        exporter: "redis-exporter",
        program: "redis-server",
        package: "redis-server",
        folders: &["/usr/bin"],
    },
    Server {
        exporter: "mysqld-exporter",
        program: "mariadbd",
        package: "mariadb-server",
        folders: &["/usr/sbin"],
    },
    Server {
        exporter: "postgres-exporter",
        program: "postgres",
        package: "postgresql",
        folders: &["/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin"],
    },
];

/// Makes sure that all servers are there: installs them where this is Debian and we are root, else
/// tells what to install. Services that the packages start are not used.
pub fn ensure() -> Result<(), String> {
    let missing = missing();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().map(|s| s.package).collect();
    let install = [&["install", "-y", "--no-install-recommends"], &packages[..]].concat();
    if !rights() || !run::exists("apt-get") {
        let programs: Vec<&str> = missing.iter().map(|s| s.program).collect();
        return Err(format!(
            "end-to-end tests start {}, which is not installed; on Debian, as root: apt-get update && apt-get {}",
            programs.join(" and "),
            install.join(" ")
        ));
    }
    let apt = |arguments: &[&str]| {
        let mut apt = Command::new("apt-get");
        run::check(apt.args(arguments).env("DEBIAN_FRONTEND", "noninteractive"))
    };
    apt(&["update"])?;
    apt(&install)?;
    match self::missing().first() {
        Some(server) => Err(format!(
            "package {} brought no program {}",
            server.package, server.program
        )),
        None => Ok(()),
    }
}

fn missing() -> Vec<&'static Server> {
    let crates = run::root().join("crates");
    ALL.iter()
        .filter(|s| crates.join(s.exporter).is_dir() && !s.is_there())
        .collect()
}

impl Server {
    fn is_there(&self) -> bool {
        find(self.program).is_some()
    }
}

/// Where a program is: in the folders that its package uses, of several versions the last by name,
/// else on the path.
pub fn find(program: &str) -> Option<PathBuf> {
    let server = ALL.iter().filter(|s| s.program == program);
    let patterns = server.flat_map(|s| s.folders);
    let mut found: Vec<PathBuf> = patterns
        .flat_map(|pattern| folders(Path::new("/"), pattern))
        .collect();
    found.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path);
    let folders = found.into_iter().rev().chain(on_path);
    folders
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// The folders that a pattern stands for: each part is a name, or a start of one before a `*`.
fn folders(root: &Path, pattern: &str) -> Vec<PathBuf> {
    let mut found = vec![root.to_owned()];
    for part in pattern.split('/').filter(|p| !p.is_empty()) {
        found = match part.strip_suffix('*') {
            None => found.iter().map(|folder| folder.join(part)).collect(),
            Some(start) => found.iter().flat_map(|f| children(f, start)).collect(),
        };
    }
    found.retain(|folder| folder.is_dir());
    found
}

fn children(folder: &Path, start: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let named = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with(start);
    entries
        .filter(|e| named(&e.file_name()))
        .map(|e| e.path())
        .collect()
}

/// Whether we are root.
pub fn rights() -> bool {
    run::text(Command::new("id").arg("-u")).is_ok_and(|id| id == "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_folders() {
        let root = run::root();
        let here = folders(&root, "xtask/sr*");
        assert_eq!(here, [root.join("xtask/src")]);
        assert!(folders(&root, "*/no-such-folder").is_empty());
    }
}
