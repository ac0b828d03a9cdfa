//! The configuration file: named credentials for `/probe`.

use crate::dsn::settings::Secret;
use exporter_core::config;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// `postgres_exporter.yml`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Modules that a request may name as `auth_module`.
    pub auth_modules: BTreeMap<String, AuthModule>,
}

/// What is added to a target of a request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuthModule {
    /// `userpass`, or anything else, which leaves the credentials out.
    #[serde(rename = "type")]
    pub kind: String,
    /// Credentials.
    pub userpass: UserPass,
    /// Parameters of the connection, over those of the target.
    pub options: BTreeMap<String, Option<String>>,
}

/// Credentials.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UserPass {
    /// User.
    pub username: String,
    /// Password.
    #[serde(deserialize_with = "secret")]
    pub password: Option<Secret>,
}

fn secret<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.filter(|t| !t.is_empty()).map(Secret))
}

/// Reads the file. The error names file, line, column and what was expected.
pub fn load(path: &Path) -> Result<Config, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let comment = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
    if text.lines().all(comment) {
        return Err(format!("{}: the file is empty", path.display()));
    }
    config::parse(&text).map_err(|e| format!("{}:{e}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let path = file.path().display().to_string();
        load(file.path()).map_err(|e| e.replace(&path, "FILE"))
    }

    #[test]
    fn modules() {
        let config = read(
            "auth_modules:\n  one:\n    type: userpass\n    userpass:\n      username: u\n      \
             password: s3cret\n    options:\n      connect_timeout: 5\n      ssl: true\n      none:\n",
        )
        .unwrap();
        let module = &config.auth_modules["one"];
        assert_eq!(module.kind, "userpass");
        assert_eq!(module.userpass.username, "u");
        assert_eq!(module.options["connect_timeout"].as_deref(), Some("5"));
        assert_eq!(module.options["ssl"].as_deref(), Some("true"));
        assert_eq!(module.options["none"], None);
        assert!(!format!("{config:?}").contains("s3cret"));
    }

    #[test]
    fn errors() {
        for (text, part) in [
            ("", "is empty"),
            ("# nothing\n\n", "is empty"),
            ("auth_module: {}\n", "FILE:1:"),
            ("auth_modules:\n  a:\n    typ: x\n", "FILE:3:"),
            (
                "auth_modules:\n  a:\n    userpass:\n      passwd: s3cret\n",
                "FILE:4:",
            ),
            ("auth_modules:\n  a: {}\n  a: {}\n", "FILE:3:"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(part), "{error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
        assert!(load(Path::new("/nowhere/at.all")).is_err());
    }
}
