//! Trees of recorded files to run collectors on.

use crate::host::Host;
use exporter_core::cli::Matches;
use exporter_core::collector::{Collector, Definition, Error, Scrape};
use exporter_core::exposition::Arena;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A scratch folder with `proc`, `sys`, `root` and `udev` in it.
pub struct Tree {
    dir: TempDir,
}

impl Tree {
    /// An empty tree.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["proc", "sys", "root", "udev"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        Tree { dir }
    }

    /// Adds or replaces a file, such as `sys/class/net/eth0/mtu`.
    pub fn file(self, path: &str, contents: impl AsRef<[u8]>) -> Self {
        self.write(path, contents);
        self
    }

    /// The same, on a tree that is in use.
    pub fn write(&self, path: &str, contents: impl AsRef<[u8]>) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, contents).unwrap();
    }

    /// Adds a symbolic link.
    pub fn link(self, path: &str, target: &str) -> Self {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, path).unwrap();
        self
    }

    /// Adds an empty directory.
    pub fn dir(self, path: &str) -> Self {
        std::fs::create_dir_all(self.path(path)).unwrap();
        self
    }

    /// Where a file of the tree is.
    pub fn path(&self, path: &str) -> std::path::PathBuf {
        self.dir.path().join(path)
    }

    /// The host that the tree is, with all flags at their defaults but these.
    pub fn host(&self, flags: &[(&'static str, &str)]) -> Host {
        let tables = crate::collectors::TABLE.iter().flat_map(|d| d.flags);
        let mut matches = Matches::defaults(tables);
        for (name, value) in flags {
            let source = exporter_core::cli::Source::CommandLine;
            matches.set(name, source, vec![(*value).to_owned()]);
        }
        let runs = crate::collectors::TABLE.iter();
        Host {
            runs: runs.filter(|d| d.default_on()).map(|d| d.name).collect(),
            matches,
            proc: self.path("proc"),
            sys: self.path("sys"),
            root: self.path("root"),
            udev: self.path("udev"),
            stat: crate::kernel::SharedFile::new(self.path("proc/stat")),
        }
    }

    /// Makes the named collector.
    pub fn make(
        &self,
        name: &str,
        flags: &[(&'static str, &str)],
    ) -> Result<Box<dyn Collector>, String> {
        let find = |d: &&Definition<Host>| d.name == name;
        let definition = crate::collectors::TABLE.iter().find(find).unwrap();
        (definition.new)(&self.host(flags))
    }

    /// Makes the named collector and runs it once.
    pub fn collect(&self, name: &str, flags: &[(&'static str, &str)]) -> Collected {
        run(&mut *self.make(name, flags).unwrap())
    }
}

/// What a run gave.
pub struct Collected {
    /// `name{label="value"} value`, sorted, one a line.
    pub text: String,
    /// How it ended.
    pub result: Result<(), Error>,
}

/// Runs a collector once. Families that its definition does not list fail the test.
pub fn run(collector: &mut dyn Collector) -> Collected {
    let mut arena = Arena::new();
    let deadline = Instant::now() + Duration::from_secs(10);
    let result = collector.collect(&mut arena, &Scrape { deadline });
    let text = text(&mut arena);
    Collected { text, result }
}

/// Samples as `name{label="value"} value`, sorted, one a line. Duplicates fail the test.
pub fn text(arena: &mut Arena) -> String {
    arena.seal();
    assert_eq!(arena.problems(), &[] as &[String]);
    let mut text = String::new();
    for family in arena.families() {
        for sample in family.samples() {
            let labels: Vec<_> = sample
                .labels()
                .iter()
                .map(|(name, value)| format!("{name}={value:?}"))
                .collect();
            text += family.name();
            if !labels.is_empty() {
                text += &format!("{{{}}}", labels.join(","));
            }
            text += &format!(" {}\n", sample.value());
        }
    }
    text
}

impl Collected {
    /// Expects success and exactly these lines.
    #[track_caller]
    pub fn expect(self, lines: &str) {
        self.result.unwrap();
        assert_eq!(self.text, lines);
    }

    /// Expects success with these lines among the others.
    #[track_caller]
    pub fn expect_some(self, lines: &[&str]) {
        self.result.unwrap();
        for line in lines {
            assert!(
                self.text.lines().any(|l| l == *line),
                "{line} is not in\n{}",
                self.text
            );
        }
    }

    /// Expects that the source is not there.
    #[track_caller]
    pub fn expect_no_data(self) {
        assert!(
            matches!(self.result, Err(Error::NoData(_))),
            "{:?}",
            self.result
        );
    }

    /// Expects a failure whose text contains this.
    #[track_caller]
    pub fn expect_failure(self, part: &str) {
        match self.result {
            Err(Error::Failed(text)) => assert!(text.contains(part), "{text}"),
            other => panic!("expected a failure, got {other:?}"),
        }
    }

    /// Expects the same without any sample.
    #[track_caller]
    pub fn expect_whole_failure(self, part: &str) {
        assert_eq!(self.text, "");
        self.expect_failure(part);
    }
}
