//! Metrics that others write into files: everything in `*.prom` of the given directories.

pub mod parse;

use crate::host::{Host, join};
use crate::kernel::directory::matches;
use crate::kernel::names::label_text;
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Error, Scrape};
use exporter_core::exposition::{Arena, Distribution, Dynamic, Family, Kind};
use parse::{Type, Value};
use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

exporter_core::flags! {
    /// Flags of this collector.
    pub struct Flags {
        /// Directory, or pattern of directories, to read *.prom files from. May be repeated.
        "collector.textfile.directory" directories: Vec<String> = [""];
        /// Leave out files that were last changed longer ago than this; 0 for never.
        "collector.textfile.max-age" max_age: Duration = ["0s"];
    }
}

/// Flags of this collector.
pub const FLAGS: &[Flag] = Flags::TABLE;

static MTIME: Family = Family::gauge(
    "node_textfile_mtime_seconds",
    &["file"],
    "Time that a file was last changed in seconds since the epoch.",
);
static ERROR: Family = Family::gauge(
    "node_textfile_scrape_error",
    &[],
    "Whether a file or a directory could not be read.",
);

/// Families of this collector, beside those of the files.
pub fn families() -> Vec<&'static Family> {
    vec![&MTIME, &ERROR]
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    let flags = Flags::read(&host.matches)?;
    Ok(Box::new(Textfile {
        directories: flags.directories,
        max_age: Some(flags.max_age).filter(|a| !a.is_zero()),
        files: HashMap::new(),
    }))
}

struct Textfile {
    directories: Vec<String>,
    max_age: Option<Duration>,
    /// What was parsed of each file, for as long as it stays the same.
    files: HashMap<PathBuf, Parsed>,
}

#[derive(Clone)]
struct Parsed {
    identity: Identity,
    families: Result<Arc<Vec<parse::Family>>, String>,
    seen: bool,
}

/// Device, inode, size, and times of content and of inode in nanoseconds.
type Identity = (u64, u64, u64, i128, i128);

fn identity(meta: &Metadata) -> Identity {
    let time = |seconds: i64, nanos: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    (
        meta.dev(),
        meta.ino(),
        meta.size(),
        time(meta.mtime(), meta.mtime_nsec()),
        time(meta.ctime(), meta.ctime_nsec()),
    )
}

/// One file of this scrape.
struct Read {
    path: String,
    mtime: i64,
    families: Arc<Vec<parse::Family>>,
}

impl Collector for Textfile {
    fn collect(&mut self, out: &mut Arena, _: &Scrape) -> Result<(), Error> {
        self.files.values_mut().for_each(|f| f.seen = false);
        let mut failed = false;
        let mut read = Vec::new();
        for directory in self.directories.clone() {
            for directory in expand(&directory) {
                failed |= self.read_directory(&directory, &mut read);
            }
        }
        self.files.retain(|_, file| file.seen);
        failed |= put_families(out, &read);
        let mut told: Vec<&str> = Vec::new();
        for file in &read {
            if !told.contains(&file.path.as_str()) {
                told.push(&file.path);
                out.put(&MTIME, &[&file.path], file.mtime as f64);
            }
        }
        out.put(&ERROR, &[], f64::from(u8::from(failed)));
        Ok(())
    }
}

impl Textfile {
    /// Whether anything failed.
    fn read_directory(&mut self, directory: &Path, read: &mut Vec<Read>) -> bool {
        let names = match list(directory) {
            Ok(names) => names,
            Err(error) => {
                tracing::error!(path = %directory.display(), err = %error, "failed to read textfile collector directory");
                return true;
            }
        };
        let mut failed = false;
        for name in names {
            let path = directory.join(&name);
            match self.read_file(&path) {
                Ok((families, mtime)) => read.push(Read {
                    path: label_text(join(&path, Path::new("")).as_os_str().as_encoded_bytes())
                        .into_owned(),
                    mtime,
                    families,
                }),
                Err(error) => {
                    tracing::error!(file = %path.display(), err = error, "failed to collect textfile data");
                    failed = true;
                }
            }
        }
        failed
    }

    fn read_file(&mut self, path: &Path) -> Result<(Arc<Vec<parse::Family>>, i64), String> {
        let told = |error: std::io::Error| error.to_string();
        // Opening must not wait for the other end of a pipe.
        let nonblocking = rustix::fs::OFlags::NONBLOCK.bits() as i32;
        let mut options = File::options();
        let mut file = options
            .read(true)
            .custom_flags(nonblocking)
            .open(path)
            .map_err(told)?;
        let meta = file.metadata().map_err(told)?;
        if !meta.is_file() {
            return Err("it is no regular file".to_owned());
        }
        let modified = meta.modified().map_err(told)?;
        let age = SystemTime::now().duration_since(modified).ok();
        if let (Some(limit), Some(age)) = (self.max_age, age)
            && age > limit
        {
            return Err(format!("it was last changed {} seconds ago", age.as_secs()));
        }
        let identity = identity(&meta);
        if let Some(known) = self.files.get_mut(path)
            && known.identity == identity
        {
            known.seen = true;
            return Ok((known.families.clone()?, meta.mtime()));
        }
        let mut contents = Vec::new();
        file.read_to_end(&mut contents).map_err(told)?;
        let families = parse::parse(&contents).map(Arc::new);
        // A file that was written to within its time stamp's grain may change unseen.
        if age.is_some_and(|age| age.as_secs() >= 2) {
            let parsed = Parsed {
                identity,
                families: families.clone(),
                seen: true,
            };
            self.files.insert(path.to_owned(), parsed);
        } else {
            self.files.remove(path);
        }
        Ok((families?, meta.mtime()))
    }
}

/// Names that end in `.prom`, in byte order.
fn list(directory: &Path) -> std::io::Result<Vec<std::ffi::OsString>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let name = entry?.file_name();
        if name.as_encoded_bytes().ends_with(b".prom") {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Directories that a pattern stands for; itself where it matches none.
fn expand(pattern: &str) -> Vec<PathBuf> {
    if pattern.is_empty() {
        return Vec::new();
    }
    let plain = PathBuf::from(pattern);
    if !pattern.contains(['*', '?', '[', '\\']) {
        return vec![plain];
    }
    let root = if pattern.starts_with('/') { "/" } else { "" };
    let mut found = vec![PathBuf::from(root)];
    for part in pattern.split('/').filter(|p| !p.is_empty()) {
        found = found.iter().flat_map(|base| children(base, part)).collect();
    }
    found.sort();
    if found.is_empty() { vec![plain] } else { found }
}

fn children(base: &Path, part: &str) -> Vec<PathBuf> {
    if !part.contains(['*', '?', '[', '\\']) {
        let path = base.join(part);
        return if path.exists() {
            vec![path]
        } else {
            Vec::new()
        };
    }
    let here = if base.as_os_str().is_empty() {
        Path::new(".")
    } else {
        base
    };
    let Ok(entries) = std::fs::read_dir(here) else {
        return Vec::new();
    };
    let names = entries.flatten().map(|e| e.file_name());
    names
        .filter(|n| matches(part.as_bytes(), n.as_encoded_bytes()))
        .map(|n| base.join(n))
        .collect()
}

/// Puts the families of all files; tells whether one was left out for another help text.
fn put_families(out: &mut Arena, files: &[Read]) -> bool {
    let mut helps: HashMap<&str, Option<&str>> = HashMap::new();
    let mut contributors: HashMap<&str, String> = HashMap::new();
    let mut kept: Vec<&parse::Family> = Vec::new();
    let mut conflict = false;
    for file in files {
        for family in file.families.iter() {
            let known = helps.get(family.name.as_str()).copied();
            match (known, family.help.as_deref()) {
                (None, Some(help)) => {
                    helps.insert(&family.name, Some(help));
                }
                (None | Some(Some(_)), None) => {}
                (Some(Some(first)), Some(help)) if first == help => {}
                // Once two files disagree, nobody is right.
                _ => {
                    tracing::error!(
                        file = file.path,
                        metric = family.name,
                        "HELP differs from that of another file"
                    );
                    helps.insert(&family.name, None);
                    conflict = true;
                    continue;
                }
            }
            let files = contributors.entry(&family.name).or_default();
            if !files.split(", ").any(|f| f == file.path) {
                let separator = if files.is_empty() { "" } else { ", " };
                *files += &format!("{separator}{}", file.path);
            }
            kept.push(family);
        }
    }
    for family in kept {
        let generated;
        let help = match &family.help {
            Some(help) => help,
            None => {
                let files = contributors
                    .get(family.name.as_str())
                    .map_or("", String::as_str);
                generated = format!("Metric read from {files}");
                &generated
            }
        };
        put_family(out, family, help);
    }
    conflict
}

fn put_family(out: &mut Arena, family: &parse::Family, help: &str) {
    let dynamic = Dynamic {
        name: &family.name,
        help,
        kind: match family.kind {
            Type::Untyped => Kind::Untyped,
            Type::Counter => Kind::Counter,
            Type::Gauge => Kind::Gauge,
            Type::Summary => Kind::Summary,
            Type::Histogram => Kind::Histogram,
            Type::GaugeHistogram => Kind::GaugeHistogram,
        },
    };
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    for (labels, value) in &family.series {
        pairs.clear();
        pairs.extend(labels.iter().map(|(n, v)| (n.as_str(), v.as_str())));
        match value {
            Value::Number(number) => out.put_dynamic(dynamic, &pairs, *number),
            Value::Distribution { sum, count, points } => {
                let distribution = Distribution {
                    sum: *sum,
                    count: *count,
                    points,
                };
                out.put_dynamic_distribution(dynamic, &pairs, distribution, None);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Tree, run};

    #[test]
    fn files_of_directories() {
        let tree = Tree::new()
            .file(
                "text/a/one.prom",
                "# HELP m Mine.\n# TYPE m gauge\nm{x=\"1\"} 1\n",
            )
            .file("text/b/two.prom", "m2 2\n")
            .file("text/b/bad.prom", "m3 3")
            .file("text/b/other.txt", "m4 4\n");
        let pattern = tree.path("text/*").display().to_string();
        let mut collector = tree
            .make("textfile", &[("collector.textfile.directory", &pattern)])
            .unwrap();
        for _ in 0..2 {
            let collected = run(&mut *collector);
            assert!(!collected.text.contains("m3") && !collected.text.contains("m4"));
            assert!(!collected.text.contains("bad.prom"));
            let file = tree.path("text/a/one.prom").display().to_string();
            assert!(
                collected
                    .text
                    .contains(&format!("node_textfile_mtime_seconds{{file=\"{file}\"}}"))
            );
            collected.expect_some(&["m{x=\"1\"} 1", "m2 2", "node_textfile_scrape_error 1"]);
        }
        tree.write("text/b/bad.prom", "m3 3\n");
        run(&mut *collector).expect_some(&["m3 3", "node_textfile_scrape_error 0"]);
        tree.write("text/a/one.prom", "m{x=\"1\"} 5\n");
        run(&mut *collector).expect_some(&["m{x=\"1\"} 5"]);
    }

    #[test]
    fn old_files_are_left_out_where_that_is_wanted() {
        let tree = Tree::new()
            .file("text/old.prom", "old 1\n")
            .file("text/new.prom", "new 1\n");
        let hour = std::time::Duration::from_secs(3600);
        std::fs::File::options()
            .write(true)
            .open(tree.path("text/old.prom"))
            .unwrap()
            .set_modified(std::time::SystemTime::now() - hour)
            .unwrap();
        let directory = tree.path("text").display().to_string();
        let of = ("collector.textfile.directory", directory.as_str());
        tree.collect("textfile", &[of]).expect_some(&[
            "old 1",
            "new 1",
            "node_textfile_scrape_error 0",
        ]);
        let aged = tree.collect("textfile", &[of, ("collector.textfile.max-age", "30m")]);
        assert!(!aged.text.contains("old"), "{}", aged.text);
        aged.expect_some(&["new 1", "node_textfile_scrape_error 1"]);
    }

    #[test]
    fn other_help_is_left_out_and_pipes_do_not_block() {
        let tree = Tree::new()
            .file("text/a.prom", "# HELP m One.\nm{x=\"1\"} 1\n")
            .file("text/b.prom", "# HELP m Two.\nm{x=\"2\"} 1\n")
            .file("text/d.prom", "m{x=\"2\"} 1\n");
        let directory = tree.path("text").display().to_string();
        let flags = [("collector.textfile.directory", directory.as_str())];
        let collected = tree.collect("textfile", &flags);
        assert!(!collected.text.contains("x=\"2\""));
        collected.expect_some(&["m{x=\"1\"} 1", "node_textfile_scrape_error 1"]);
        std::fs::remove_file(tree.path("text/b.prom")).unwrap();
        std::fs::remove_file(tree.path("text/d.prom")).unwrap();
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(
            rustix::fs::CWD,
            tree.path("text/c.prom"),
            fifo,
            0o600.into(),
            0,
        )
        .unwrap();
        tree.collect("textfile", &flags)
            .expect_some(&["node_textfile_scrape_error 1"]);
        tree.collect("textfile", &[])
            .expect("node_textfile_scrape_error 0\n");
    }
}
