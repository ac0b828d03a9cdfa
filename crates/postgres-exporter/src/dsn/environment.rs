//! The variables that say where servers are.

use super::Dsn;
use std::collections::HashMap;

/// The environment as it was at the start.
#[derive(Clone, Default)]
pub struct Environment(HashMap<String, String>);

impl Environment {
    /// That of this process.
    pub fn of_process() -> Self {
        let lossy = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        let all = std::env::vars_os().map(|(name, value)| (lossy(name), lossy(value)));
        Environment(all.collect())
    }

    /// One of these variables only.
    pub fn of(pairs: &[(&str, &str)]) -> Self {
        let owned = |(k, v): &(&str, &str)| ((*k).to_owned(), (*v).to_owned());
        Environment(pairs.iter().map(owned).collect())
    }

    /// A variable; an empty one counts as unset.
    pub fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.get(name).map(String::as_str);
        value.filter(|v| !v.is_empty())
    }

    /// The same without some variables.
    pub fn without(&self, names: &[&str]) -> Self {
        let kept = self.0.iter().filter(|(k, _)| !names.contains(&k.as_str()));
        Environment(kept.map(|(k, v)| (k.clone(), v.clone())).collect())
    }
}

/// A data source as configured; files are read anew for each connection, so that a password that
/// was changed there is used.
#[derive(Clone)]
pub enum DataSource {
    /// Said in full by a variable or a request.
    Fixed(Dsn),
    /// Assembled from variables and files.
    Assembled(Environment),
}

impl DataSource {
    /// The name to connect with now.
    pub fn dsn(&self) -> Result<Dsn, String> {
        match self {
            DataSource::Fixed(dsn) => Ok(dsn.clone()),
            DataSource::Assembled(env) => match assemble(env)? {
                Some(text) => Dsn::parse(&text),
                None => Err("no data source is configured".to_owned()),
            },
        }
    }
}

/// All data sources of the environment. None is fine: then there are only `/probe` requests.
pub fn data_sources(env: &Environment) -> Result<Vec<DataSource>, String> {
    if let Some(list) = env.get("DATA_SOURCE_NAME") {
        let elements = list.split(',').enumerate();
        return elements
            .map(|(index, text)| {
                let place = index + 1;
                let told = |why| format!("DATA_SOURCE_NAME, element {place}: {why}");
                if text.is_empty() {
                    return Err(told("is empty; is there a comma too many?".to_owned()));
                }
                Dsn::parse(text).map(DataSource::Fixed).map_err(told)
            })
            .collect();
    }
    let Some(text) = assemble(env)? else {
        return Ok(Vec::new());
    };
    Dsn::parse(&text)?;
    Ok(vec![DataSource::Assembled(env.clone())])
}

fn assemble(env: &Environment) -> Result<Option<String>, String> {
    let user = value_or_file(env, "DATA_SOURCE_USER")?.unwrap_or_default();
    let password = value_or_file(env, "DATA_SOURCE_PASS")?.unwrap_or_default();
    let Some(uri) = value_or_file(env, "DATA_SOURCE_URI")? else {
        return Ok(None);
    };
    let (user, password) = (escape(&user), escape(&password));
    Ok(Some(format!("postgresql://{user}:{password}@{uri}")))
}

/// The trimmed content of the file that `NAME_FILE` names, else the variable `NAME`.
fn value_or_file(env: &Environment, name: &str) -> Result<Option<String>, String> {
    let Some(path) = env.get(&format!("{name}_FILE")) else {
        return Ok(env.get(name).map(str::to_owned));
    };
    let text = std::fs::read_to_string(path).map_err(|e| format!("{name}_FILE: {path}: {e}"))?;
    Ok(Some(text.trim().to_owned()).filter(|t| !t.is_empty()))
}

/// Percent-encodes what may not stand in the user part of a URL, as Go does.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~$&+,;=".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(pairs: &[(&str, &str)]) -> Result<Vec<Dsn>, String> {
        let sources = data_sources(&Environment::of(pairs))?;
        sources.iter().map(DataSource::dsn).collect()
    }

    #[test]
    fn assembled_byte_for_byte() {
        for (user, password, uri, assembled) in [
            ("u", "p", "h/db", "postgresql://u:p@h/db"),
            (
                "a$&+,;=-_.~",
                "/:@?#% '",
                "h:1",
                "postgresql://a$&+,;=-_.~:%2F%3A%40%3F%23%25%20%27@h:1",
            ),
            ("", "", "h", "postgresql://:@h"),
            ("ü", "", "h", "postgresql://%C3%BC:@h"),
        ] {
            let env = Environment::of(&[
                ("DATA_SOURCE_USER", user),
                ("DATA_SOURCE_PASS", password),
                ("DATA_SOURCE_URI", uri),
            ]);
            assert_eq!(assemble(&env).unwrap().as_deref(), Some(assembled));
        }
    }

    #[test]
    fn files_win_and_are_trimmed_and_read_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        std::fs::write(path("user"), " from file\n").unwrap();
        std::fs::write(path("pass"), "one\n").unwrap();
        let pairs = [
            ("DATA_SOURCE_USER_FILE", path("user")),
            ("DATA_SOURCE_USER", "variable".to_owned()),
            ("DATA_SOURCE_PASS_FILE", path("pass")),
            ("DATA_SOURCE_URI", "h:1/d?sslmode=disable".to_owned()),
        ];
        let pairs: Vec<_> = pairs.iter().map(|(k, v)| (*k, v.as_str())).collect();
        let source = data_sources(&Environment::of(&pairs)).unwrap().remove(0);
        let dsn = source.dsn().unwrap();
        assert_eq!(dsn.get("user"), Some("from file"));
        assert_eq!(dsn.get("password"), Some("one"));
        assert_eq!(dsn.server(), "h:1");
        std::fs::write(path("pass"), "two").unwrap();
        assert_eq!(source.dsn().unwrap().get("password"), Some("two"));
        std::fs::remove_file(path("pass")).unwrap();
        let error = names(&pairs).unwrap_err();
        assert!(error.starts_with("DATA_SOURCE_PASS_FILE: "), "{error}");
    }

    #[test]
    fn lists() {
        let list = "postgres://a@x/d,host=y user=b";
        let dsns = names(&[("DATA_SOURCE_NAME", list), ("DATA_SOURCE_URI", "z")]).unwrap();
        let servers: Vec<_> = dsns.iter().map(Dsn::server).collect();
        assert_eq!(servers, ["x:5432", "y:5432"]);
        assert!(names(&[]).unwrap().is_empty());
        assert!(names(&[("DATA_SOURCE_USER", "u")]).unwrap().is_empty());
        let error = names(&[("DATA_SOURCE_NAME", "host=a,")]).unwrap_err();
        assert!(error.contains("element 2"), "{error}");
    }
}
