//! The configuration in force.

use crate::config::{Config, Variables};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The module file and what was read of it last.
#[derive(Debug)]
pub struct Live {
    path: PathBuf,
    /// Whether values may name variables of the environment.
    expands: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    config: Arc<Config>,
    /// SHA-256 of the file that is in force.
    digest: Vec<u8>,
}

impl Live {
    /// Nothing is read yet.
    pub fn new(path: &Path, expands: bool) -> Self {
        Live {
            path: path.to_owned(),
            expands,
            state: Mutex::default(),
        }
    }

    /// Reads the file. One that did not change is in force already; one with mistakes does not come
    /// into force.
    ///
    /// # Errors
    /// What is wrong, with file, line and column.
    pub fn load(&self) -> Result<(), String> {
        let told = |e: String| format!("error reading config file: {e}");
        let path = self.path.display().to_string();
        let bytes = std::fs::read(&self.path).map_err(|e| told(format!("{path}: {e}")))?;
        let digest = ring::digest::digest(&ring::digest::SHA256, &bytes)
            .as_ref()
            .to_vec();
        if self.lock().digest == digest {
            return Ok(());
        }
        let variables: Variables = match self.expands {
            true => Some(&|name| std::env::var(name).ok()),
            false => None,
        };
        let config = Config::parse(&path, &bytes, variables)
            .map_err(|e| format!("error parsing config file: {e}"))?;
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        *self.lock() = State {
            config: Arc::new(config),
            digest,
        };
        Ok(())
    }

    /// The configuration; a probe keeps the one that it began with.
    pub fn config(&self) -> Arc<Config> {
        self.lock().config.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_do_not_come_into_force() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("blackbox.yml");
        let write = |text: &str| std::fs::write(&path, text).unwrap();
        let live = Live::new(&path, false);
        assert!(live.load().is_err());
        write("modules: {a: {prober: icmp}}\n");
        live.load().unwrap();
        let before = live.config();
        assert!(before.modules.contains_key("a"));
        live.load().unwrap();
        assert!(Arc::ptr_eq(&before, &live.config()));
        write("modules: {b: {prober: icpm}}\n");
        let error = live.load().unwrap_err();
        assert!(
            error.contains("blackbox.yml:1:15: unknown prober"),
            "{error}"
        );
        assert!(Arc::ptr_eq(&before, &live.config()));
        write("modules: {b: {prober: icmp}}\n");
        live.load().unwrap();
        assert!(live.config().modules.contains_key("b"));
    }
}
