//! The password file: a JSON object of passwords by the addresses of servers.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

/// Passwords by the spelling of an address.
type Passwords = HashMap<String, String>;

/// The file and what was read of it last.
#[derive(Default)]
pub struct PasswordFile {
    path: Option<PathBuf>,
    passwords: RwLock<Passwords>,
}

impl PasswordFile {
    /// Reads the file. `used` is false where a password is given by flag, which then holds.
    pub fn load(path: &str, used: bool) -> Result<Self, String> {
        if path.is_empty() {
            return Ok(PasswordFile::default());
        }
        let path = PathBuf::from(path);
        let passwords = match used {
            true => read(&path)?,
            false => Passwords::new(),
        };
        Ok(PasswordFile {
            path: Some(path),
            passwords: RwLock::new(passwords),
        })
    }

    /// Whether there is a file.
    pub fn is_given(&self) -> bool {
        self.path.is_some()
    }

    /// Reads the file again; after an error the former passwords stay.
    pub fn reload(&self, used: bool) -> Result<(), String> {
        let Some(path) = &self.path else {
            return Err("there is no --redis.password-file to read again".to_owned());
        };
        let passwords = read(path)?;
        if used {
            *self
                .passwords
                .write()
                .unwrap_or_else(PoisonError::into_inner) = passwords;
        }
        Ok(())
    }

    /// The password of an address that is spelled exactly so. An empty one is none.
    pub fn find(&self, key: &str) -> Option<String> {
        let passwords = self
            .passwords
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        passwords.get(key).filter(|p| !p.is_empty()).cloned()
    }
}

fn read(path: &Path) -> Result<Passwords, String> {
    let bytes = std::fs::read(path)
        .map_err(|e| format!("could not read the password file {}: {e}", path.display()))?;
    parse(&bytes).map_err(|e| format!("password file {}: {e}", path.display()))
}

/// Reads the JSON. The error tells the place and nothing of what stands there.
fn parse(bytes: &[u8]) -> Result<Passwords, String> {
    serde_json::from_slice(bytes).map_err(|error| {
        format!(
            "line {} column {}: expected a JSON object of addresses and passwords, all of them text",
            error.line(),
            error.column()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_bad_file_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("passwords.json");
        std::fs::write(&path, r#"{"redis://h:1": "one", "redis://h:2": ""}"#).unwrap();
        let file = PasswordFile::load(path.to_str().unwrap(), true).unwrap();
        assert_eq!(file.find("redis://h:1").as_deref(), Some("one"));
        assert_eq!(file.find("redis://h:1/"), None);
        assert_eq!(file.find("redis://h:2"), None);
        std::fs::write(&path, r#"{"redis://h:1": 123456}"#).unwrap();
        let error = file.reload(true).unwrap_err();
        assert!(
            error.contains("line 1") && !error.contains("123456"),
            "{error}"
        );
        assert_eq!(file.find("redis://h:1").as_deref(), Some("one"));
        std::fs::write(&path, r#"{"redis://h:1": "two"}"#).unwrap();
        file.reload(false).unwrap();
        assert_eq!(file.find("redis://h:1").as_deref(), Some("one"));
        file.reload(true).unwrap();
        assert_eq!(file.find("redis://h:1").as_deref(), Some("two"));
    }

    #[test]
    fn what_cannot_be_read() {
        assert!(PasswordFile::load("/nowhere/passwords.json", true).is_err());
        assert!(PasswordFile::load("/nowhere/passwords.json", false).is_ok());
        assert!(PasswordFile::default().reload(true).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}
