//! The credentials file: what flags, environment and `.my.cnf` say of how to reach servers.

mod expand;
mod ini;
mod section;

pub use section::{Password, Section, Tls, TlsVersion, Wanted};

use crate::server::Address;
use ini::{DEFAULT, Ini};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The section that the telemetry path uses, and `/probe` where nothing else is asked for.
pub const CLIENT: &str = "client";

/// What the file is read with: flags and variables as they were when the process started.
#[derive(Clone, Debug)]
pub struct Defaults {
    /// `--config.my-cnf`; empty for none.
    pub path: PathBuf,
    /// `--mysqld.address`.
    pub address: Address,
    /// `--mysqld.username`; empty for none.
    pub user: String,
    /// `MYSQLD_EXPORTER_PASSWORD`.
    pub password: Option<Password>,
    /// `MYSQLD_EXPORTER_PASSWORD_FILE`, read at each load.
    pub password_file: Option<PathBuf>,
    /// `--tls.insecure-skip-verify`.
    pub skip_verify: bool,
}

/// All usable sections of a file.
#[derive(Clone, Debug, Default)]
pub struct Config {
    sections: BTreeMap<String, Arc<Section>>,
}

impl Config {
    /// A section by its exact name.
    pub fn section(&self, name: &str) -> Option<Arc<Section>> {
        self.sections.get(name).cloned()
    }

    /// Reads the file. The error says why nothing can be used, with file and line where there is one.
    pub fn load(
        defaults: &Defaults,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Config, String> {
        let password = password(defaults)?;
        let file = read(&defaults.path)?.unwrap_or_default();
        Self::parse(&file, defaults, password.as_ref(), variable)
    }

    /// Reads what a file holds. Sections that cannot be used are told in the log and left out.
    pub fn parse(
        file: &[u8],
        defaults: &Defaults,
        password: Option<&Password>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Config, String> {
        let mut ini = Ini::default();
        // The section exists without a file too: its user may come from a flag.
        ini.set(CLIENT, "user", "");
        ini.read(file)
            .map_err(|error| format!("{}:{error}", defaults.path.display()))?;
        let mut sections = BTreeMap::new();
        for name in ini.names() {
            let keys = Keys {
                ini: &ini,
                section: name,
                variable: &variable,
                password,
            };
            match Section::read(name, |key| keys.value(key), defaults) {
                Ok(section) => {
                    sections.insert(name.to_owned(), Arc::new(section));
                }
                Err(why) => {
                    tracing::error!(section = name, err = why, "section cannot be used");
                }
            }
        }
        if sections.is_empty() {
            return Err(format!(
                "no configuration found: {} has no section with a user, and --mysqld.username \
                 names none",
                defaults.path.display()
            ));
        }
        Ok(Config { sections })
    }
}

/// What the file holds; nothing where there is none.
fn read(path: &Path) -> Result<Option<Vec<u8>>, String> {
    if path.as_os_str().is_empty() {
        return Ok(None);
    }
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

/// The password that the environment gives the section `client`.
fn password(defaults: &Defaults) -> Result<Option<Password>, String> {
    let Some(path) = &defaults.password_file else {
        return Ok(defaults.password.clone());
    };
    let text = std::fs::read_to_string(path)
        .map_err(|e| format!("MYSQLD_EXPORTER_PASSWORD_FILE: {}: {e}", path.display()))?;
    // Editors and `echo` end files with a newline that no one means.
    Ok(Some(Password::new(text.trim_end_matches(['\r', '\n']))))
}

/// The keys of one section, with inheritance and references resolved.
struct Keys<'a> {
    ini: &'a Ini,
    section: &'a str,
    variable: &'a dyn Fn(&str) -> Option<String>,
    password: Option<&'a Password>,
}

impl Keys<'_> {
    fn value(&self, key: &str) -> Option<String> {
        let Some(raw) = self.ini.get(self.section, key) else {
            // What the environment says is taken as it is, and inherited as the file's would be.
            let of_client = self.section == CLIENT || self.section.starts_with("client.");
            let environment = self.password.filter(|_| of_client && key == "password");
            return environment.map(|p| p.reveal().to_owned());
        };
        let expanded = self.expand(key, raw);
        Some(expand::keys(&expanded, |other| {
            let raw = self.ini.get(self.section, other);
            let raw = raw.or_else(|| self.ini.get(DEFAULT, other))?;
            Some(self.expand(other, raw))
        }))
    }

    fn expand(&self, key: &str, raw: &str) -> String {
        // The name of what is not set is part of a password more often than not: not in the log.
        let unset = |_: &str| {
            tracing::warn!(
                section = self.section,
                key,
                "a value has a $ that is followed by no set variable; it is kept as it is"
            );
        };
        expand::variables(raw, self.variable, unset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defaults(path: &Path) -> Defaults {
        Defaults {
            path: path.to_owned(),
            address: Address::parse("flag.example:3307").unwrap(),
            user: "flag_user".to_owned(),
            password: Some(Password::new("%(user)s$HOME")),
            password_file: None,
            skip_verify: false,
        }
    }

    fn load(text: &str, change: impl FnOnce(&mut Defaults)) -> Result<Config, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("my.cnf");
        std::fs::write(&path, text).unwrap();
        let mut defaults = defaults(&path);
        change(&mut defaults);
        Config::load(&defaults, |name| (name == "HOST_X").then(|| "x".to_owned()))
    }

    #[test]
    fn without_a_file_flags_and_environment_are_enough() {
        let config = Config::load(&defaults(Path::new("/nonexistent/my.cnf")), |_| None).unwrap();
        let client = config.section("client").unwrap();
        assert_eq!(client.user, "flag_user");
        assert_eq!(client.password.reveal(), "%(user)s$HOME");
        assert_eq!(client.address.to_string(), "flag.example:3307");
        let nobody = |d: &mut Defaults| d.user.clear();
        let error = load("", nobody).unwrap_err();
        assert!(error.starts_with("no configuration found"), "{error}");
    }

    #[test]
    fn gaps_of_client_are_filled_key_by_key() {
        let config = load("[client]\nuser=file\nhost=db\n[other]\nuser=o\n", |_| {}).unwrap();
        let client = config.section("client").unwrap();
        assert_eq!(client.user, "file");
        assert_eq!(client.address.to_string(), "db:3307");
        let other = config.section("other").unwrap();
        assert_eq!(other.address.to_string(), "127.0.0.1:3306");
        assert_eq!(other.password.reveal(), "");
        let socket = |d: &mut Defaults| d.address = Address::parse("unix:///run/x.sock").unwrap();
        let config = load("[client]\nhost=db\n", socket).unwrap();
        let client = config.section("client").unwrap();
        assert_eq!(client.address.to_string(), "unix:///run/x.sock");
    }

    #[test]
    fn children_inherit_and_others_do_not() {
        let text = "suffix=.example\n[client]\nuser=u\nhost=${HOST_X}%(suffix)s\n\
                    [client.a]\nport=0x10\n[clients]\npassword=p\n[mysqld]\nport=1\n";
        let config = load(text, |d| d.user.clear()).unwrap();
        let child = config.section("client.a").unwrap();
        assert_eq!(child.address.to_string(), "x.example:16");
        assert_eq!(child.password.reveal(), "%(user)s$HOME");
        assert!(config.section("clients").is_none());
        assert!(config.section("mysqld").is_none());
    }

    #[test]
    fn errors_name_file_and_line() {
        let error = load("[client]\nuser=u\npassword=\"secret\n", |_| {}).unwrap_err();
        assert!(
            error.ends_with("my.cnf:3: expected a closing double quote"),
            "{error}"
        );
        let directory = tempfile::tempdir().unwrap();
        let error = Config::load(&defaults(directory.path()), |_| None).unwrap_err();
        assert!(error.contains("directory"), "{error}");
    }

    #[test]
    fn a_password_from_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("password");
        std::fs::write(&path, "a b$\n").unwrap();
        let config = load("", |d| d.password_file = Some(path)).unwrap();
        let client = config.section("client").unwrap();
        assert_eq!(client.password.reveal(), "a b$");
        let missing = PathBuf::from("/nonexistent/password");
        let error = load("", |d| d.password_file = Some(missing)).unwrap_err();
        assert!(
            error.contains("MYSQLD_EXPORTER_PASSWORD_FILE: /nonexistent/password"),
            "{error}"
        );
    }
}
