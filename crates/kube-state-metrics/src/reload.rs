//! Configuration files: read at the start, and again whenever they change.
//!
//! They are looked at every second rather than by notifications, which miss changes on network file
//! systems and have to follow the symbolic links of mounted ConfigMaps. A file counts as changed when
//! it has looked the same twice and has other contents than before, so that one that is being written
//! is left alone.

use crate::config::OptionsFile;
use crate::custom::config::Config;
use crate::custom::discovery::faults;
use crate::options::Options;
use crate::plan::Plan;
use crate::telemetry::{ConfigFile, Telemetry};
use md5::{Digest, Md5};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::{Interval, MissedTickBehavior};

const POLL: Duration = Duration::from_secs(1);
const OPTIONS: &str = "config";
const CUSTOM: &str = "customresourceconfig";

/// What flags and files come to together.
#[derive(Clone)]
pub struct Loaded {
    /// Options, those of the file in place of those of flags.
    pub options: Options,
    /// What follows from them.
    pub plan: Plan,
    /// Digest of the kubeconfig.
    pub credentials: Option<[u8; 16]>,
}

/// Why nothing was loaded.
#[derive(Debug, PartialEq, Eq)]
pub enum Fault {
    /// A file or a flag is wrong.
    Fatal(String),
    /// The options file is wrong, and it was said that it may be at the start.
    Waiting(String),
}

impl Fault {
    /// What is wrong.
    pub fn why(self) -> String {
        match self {
            Fault::Fatal(why) | Fault::Waiting(why) => why,
        }
    }
}

/// How a file looks from outside.
type Look = Option<(u64, u64, i64, i64, u64)>;

/// The files of a configuration.
pub struct Files {
    flags: Options,
    telemetry: Telemetry,
    told: BTreeMap<&'static str, ConfigFile>,
    /// The file of custom resources.
    custom: PathBuf,
    /// Whether all was read without fault already.
    started: bool,
    watched: Vec<PathBuf>,
    looks: Vec<Look>,
    /// A look other than the last that was taken, seen once.
    unsettled: Option<Vec<Look>>,
    digests: Vec<Option<[u8; 16]>>,
    poll: Duration,
    ticks: Option<Interval>,
}

impl Files {
    /// Of these flags. Nothing is read yet.
    pub fn new(flags: Options, telemetry: Telemetry) -> Self {
        Files {
            flags,
            telemetry,
            told: BTreeMap::new(),
            custom: PathBuf::new(),
            started: false,
            watched: Vec::new(),
            looks: Vec::new(),
            unsettled: None,
            digests: Vec::new(),
            poll: POLL,
            ticks: None,
        }
    }

    /// Reads all files.
    ///
    /// # Errors
    /// The file and what is wrong with it.
    pub fn load(&mut self) -> Result<Loaded, Fault> {
        let mut options = self.flags.clone();
        let path = self.flags.config.clone();
        self.watch(vec![path.clone()]);
        let read = self.read_options(&path, &mut options);
        if let Err(why) = read {
            self.tell(OPTIONS, &path, None);
            return Err(self.fault(why));
        }
        self.custom
            .clone_from(&options.custom_resource_state_config_file);
        self.watch(vec![
            path.clone(),
            options.custom_resource_state_config_file.clone(),
            options.kubeconfig.clone(),
        ]);
        let custom = self.read_custom(&options).map_err(Fault::Fatal)?;
        let plan = Plan::new(&options, custom).map_err(|why| {
            self.tell(OPTIONS, &path, None);
            self.fault(why)
        })?;
        if let Ok(Some(digest)) = read {
            self.tell(OPTIONS, &path, Some(digest));
        }
        self.started = true;
        let kubeconfig = std::slice::from_ref(&options.kubeconfig);
        Ok(Loaded {
            credentials: digests(kubeconfig).pop().flatten(),
            options,
            plan,
        })
    }

    /// What was loaded is in force, or could not be put into force.
    pub fn put_into_force(&mut self, successful: bool) {
        for (kind, told) in &mut self.told {
            told.successful = successful;
            if successful {
                told.succeeded_at = now();
            }
            let path = match *kind {
                OPTIONS => &self.flags.config,
                _ => &self.custom,
            };
            self.telemetry.configured(kind, &clean(path), *told);
        }
    }

    /// Waits until a file has other contents. Nothing is lost where this is dropped early.
    pub async fn changed(&mut self) {
        if self.watched.is_empty() {
            return std::future::pending().await;
        }
        loop {
            let ticks = self.ticks.get_or_insert_with(|| {
                let mut ticks = tokio::time::interval(self.poll);
                ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
                ticks
            });
            ticks.tick().await;
            let looks = looks(&self.watched);
            if looks == self.looks {
                self.unsettled = None;
            } else if self.unsettled.as_ref() == Some(&looks) {
                self.unsettled = None;
                self.looks = looks;
                let digests = digests(&self.watched);
                if std::mem::replace(&mut self.digests, digests) != self.digests {
                    return;
                }
            } else {
                self.unsettled = Some(looks);
            }
        }
    }

    fn watch(&mut self, mut paths: Vec<PathBuf>) {
        paths.retain(|path| !path.as_os_str().is_empty());
        self.looks = looks(&paths);
        self.digests = digests(&paths);
        self.watched = paths;
    }

    fn fault(&self, why: String) -> Fault {
        match self.flags.continue_without_config && !self.started {
            true => Fault::Waiting(why),
            false => Fault::Fatal(why),
        }
    }

    /// Reads the options file into the options. Gives its digest, if there is a file.
    fn read_options(&self, path: &Path, options: &mut Options) -> Result<Option<[u8; 16]>, String> {
        if path.as_os_str().is_empty() {
            return Ok(None);
        }
        let name = path.display();
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if e.kind() == ErrorKind::NotFound && self.may_miss_options() => {
                tracing::warn!(path = %name, "There is no options file yet; flags alone count");
                return Ok(None);
            }
            Err(e) => return Err(format!("{name}: {e}")),
        };
        let file = OptionsFile::parse(&text).map_err(|why| format!("{name}:{why}"))?;
        file.apply(options);
        Ok(Some(Md5::digest(text.as_bytes()).into()))
    }

    fn may_miss_options(&self) -> bool {
        self.flags.continue_without_config && !self.started
    }

    /// Reads the configuration of custom resources, inline or of the file. `None` where there is none
    /// or where, at the start, an entry is wrong: as in the original it costs all of them.
    fn read_custom(&mut self, options: &Options) -> Result<Option<Config>, String> {
        let inline = &options.custom_resource_state_config;
        let path = options.custom_resource_state_config_file.clone();
        if !inline.is_empty() {
            let config = Config::parse(inline);
            let config = config.map_err(|why| format!("--custom-resource-state-config:{why}"))?;
            return self.without_faults(config, "--custom-resource-state-config");
        }
        if path.as_os_str().is_empty() {
            return Ok(None);
        }
        let name = path.display().to_string();
        let may_miss = options.continue_without_custom_resource_state_config_file && !self.started;
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound && may_miss => {
                tracing::warn!(
                    file = name,
                    "Going on without custom resources until it is there"
                );
                return Ok(None);
            }
            Err(error) => {
                self.tell(CUSTOM, &path, None);
                return Err(format!("{name}: {error}"));
            }
        };
        let config = Config::parse(&text).map_err(|why| format!("{name}:{why}"));
        let config = config.and_then(|config| self.without_faults(config, &name));
        let digest = Md5::digest(text.as_bytes()).into();
        let good = matches!(config, Ok(Some(_)));
        self.tell(CUSTOM, &path, good.then_some(digest));
        config
    }

    fn without_faults(&self, config: Config, name: &str) -> Result<Option<Config>, String> {
        let faults = faults(&config);
        if self.started && !faults.is_empty() {
            return Err(format!("{name}: {}", faults.join("; ")));
        }
        for fault in &faults {
            tracing::error!(file = name, "{fault}");
        }
        Ok(Some(config).filter(|_| faults.is_empty()))
    }

    /// Tells that a file was read, with its digest, or that it could not be.
    fn tell(&mut self, kind: &'static str, path: &Path, digest: Option<[u8; 16]>) {
        if path.as_os_str().is_empty() {
            return;
        }
        let told = self.told.entry(kind).or_default();
        told.successful = digest.is_some();
        if let Some([a, b, c, d, e, f, ..]) = digest {
            told.hash = u64::from_le_bytes([a, b, c, d, e, f, 0, 0]) as f64;
            told.succeeded_at = now();
        }
        self.telemetry.configured(kind, &clean(path), *told);
    }
}

/// Seconds since the epoch.
fn now() -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0.0, |now| now.as_secs_f64())
}

fn looks(paths: &[PathBuf]) -> Vec<Look> {
    let look = |path: &PathBuf| {
        let data = std::fs::metadata(path).ok()?;
        Some((
            data.dev(),
            data.ino(),
            data.mtime(),
            data.mtime_nsec(),
            data.size(),
        ))
    };
    paths.iter().map(look).collect()
}

fn digests(paths: &[PathBuf]) -> Vec<Option<[u8; 16]>> {
    let digest = |path: &PathBuf| Some(Md5::digest(std::fs::read(path).ok()?).into());
    paths.iter().map(digest).collect()
}

/// A path without what does not count in it.
fn clean(path: &Path) -> String {
    let mut cleaned = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(cleaned.components().next_back(), Some(Component::Normal(_))) =>
            {
                cleaned.pop();
            }
            Component::ParentDir if cleaned.has_root() => {}
            part => cleaned.push(part),
        }
    }
    match cleaned.as_os_str().is_empty() {
        true => ".".to_owned(),
        false => cleaned.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use exporter_core::cli::{Matches, Source};
    use std::fs::{rename, write};

    fn files(flags: &[(&'static str, &Path)]) -> Files {
        let mut matches = Matches::defaults(Options::TABLE);
        for (name, value) in flags {
            let value = value.display().to_string();
            matches.set(name, Source::CommandLine, vec![value]);
        }
        Files::new(Options::read(&matches).unwrap(), Telemetry::default())
    }

    fn told(files: &Files, kind: &str) -> (bool, f64) {
        let told = files.told[kind];
        (told.successful, told.hash)
    }

    #[test]
    fn cleaned_paths() {
        for (path, cleaned) in [
            ("./a.yml", "a.yml"),
            ("a//b/./c", "a/b/c"),
            ("/a/../b", "/b"),
            ("/../a", "/a"),
            ("../a", "../a"),
            ("a/..", "."),
        ] {
            assert_eq!(clean(Path::new(path)), cleaned);
        }
    }

    #[test]
    fn a_bad_file_is_told_and_the_hash_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("options.yml");
        let mut files = files(&[("config", &path)]);
        assert!(matches!(files.load(), Err(Fault::Fatal(_))));
        write(&path, "port: 1\n").unwrap();
        assert_eq!(port(files.load()), Some(1));
        // The MD5 begins with 77 4a e7 82 18 c5.
        let hash = 0xc518_82e7_4a77_u64 as f64;
        assert_eq!(told(&files, OPTIONS), (true, hash));
        for bad in [
            "port: [",
            "resources: {odd: }",
            "metric_allowlist: {a: }\nmetric_denylist: {a: }",
        ] {
            write(&path, bad).unwrap();
            assert!(files.load().is_err(), "{bad}");
            assert_eq!(told(&files, OPTIONS), (false, hash));
        }
        write(&path, "").unwrap();
        assert!(files.load().is_ok() && told(&files, OPTIONS).0);
    }

    fn port(loaded: Result<Loaded, Fault>) -> Option<i64> {
        loaded.ok().map(|loaded| loaded.options.port)
    }

    #[test]
    fn what_may_be_missing_at_the_start() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("options.yml");
        let on = Path::new("true");
        let mut some = files(&[("config", &path), ("continue-without-config", on)]);
        write(&path, "port: [").unwrap();
        assert!(matches!(some.load(), Err(Fault::Waiting(_))));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(port(some.load()), Some(8080));
        assert!(matches!(some.load(), Err(Fault::Fatal(_))), "no longer");
        let custom = directory.path().join("custom.yml");
        let flag = "custom-resource-state-config-file";
        assert!(files(&[(flag, &custom)]).load().is_err());
        let may = "continue-without-custom-resource-state-config-file";
        assert!(files(&[(flag, &custom), (may, on)]).load().is_ok());
    }

    #[test]
    fn custom_resource_files() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("custom.yml");
        let mut some = files(&[("custom-resource-state-config-file", &path)]);
        write(&path, "spec: {resources: [{metrics: []}]}").unwrap();
        assert!(some.load().is_ok());
        assert!(told(&some, CUSTOM).0);
        write(&path, "spec: {resources: [{metrics: [{name: n}]}]}").unwrap();
        assert!(some.load().is_err() && !told(&some, CUSTOM).0);
        some.started = false;
        assert!(some.load().is_ok() && !told(&some, CUSTOM).0);
        write(&path, "spec: 5").unwrap();
        let why = some.load().err().unwrap().why();
        assert!(why.contains("custom.yml:1:"), "{why}");
    }

    #[tokio::test]
    async fn changes_of_any_kind_are_seen() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let options = path("options.yml");
        write(&options, "port: 1").unwrap();
        let mut files = files(&[("config", &options)]);
        files.poll = Duration::from_millis(2);
        files.load().unwrap();
        write(&options, "port: 22").unwrap();
        files.changed().await;
        assert_eq!(port(files.load()), Some(22));
        write(path("new.yml"), "port: 33").unwrap();
        rename(path("new.yml"), &options).unwrap();
        files.changed().await;
        assert_eq!(port(files.load()), Some(33));
        write(path("a.yml"), "port: 44").unwrap();
        std::os::unix::fs::symlink(path("a.yml"), path("link")).unwrap();
        rename(path("link"), &options).unwrap();
        files.changed().await;
        assert_eq!(port(files.load()), Some(44));
        std::fs::remove_file(&options).unwrap();
        files.changed().await;
        assert!(files.load().is_err());
    }
}
