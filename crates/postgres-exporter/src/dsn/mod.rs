//! Data source names: where a server is and who asks, as a URL or as `key=value` pairs.
//!
//! `environment` finds them, `settings` turns one into what a connection is made of. Nothing here
//! is printed: errors tell what is wrong with a name without repeating any of it.

pub mod environment;
mod passfile;
mod service;
pub mod settings;
mod url;

pub use settings::Settings;

/// A data source name, parsed. Later pairs win over earlier ones of the same key.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Dsn {
    pairs: Vec<(String, String)>,
    server: String,
}

impl Dsn {
    /// Parses a URL (`postgres://…`, `postgresql://…`) or `key=value` pairs.
    pub fn parse(text: &str) -> Result<Self, String> {
        if is_url(text) {
            let url = url::parse(text)?;
            return Ok(Dsn {
                server: url.server(),
                pairs: url.into_pairs(),
            });
        }
        Ok(Self::from_pairs(key_values(text)?))
    }

    /// A name of pairs, as a `key=value` text says them.
    pub fn from_pairs(pairs: Vec<(String, String)>) -> Self {
        let mut dsn = Dsn {
            pairs,
            server: String::new(),
        };
        let part = |key, default: &str| match dsn.get(key) {
            None | Some("") => default.to_owned(),
            Some(value) => value.to_owned(),
        };
        dsn.server = format!("{}:{}", part("host", "localhost"), part("port", "5432"));
        dsn
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        let found = self.pairs.iter().rev().find(|(k, _)| k == key);
        found.map(|(_, value)| value.as_str())
    }

    /// Sets a key, over what the text says.
    pub fn set(&mut self, key: &str, value: &str) {
        self.pairs.retain(|(k, _)| k != key);
        self.pairs.push((key.to_owned(), value.to_owned()));
    }

    /// Takes a key out.
    pub fn remove(&mut self, key: &str) {
        self.pairs.retain(|(k, _)| k != key);
    }

    /// The same server, another database.
    pub fn with_database(&self, name: &str) -> Self {
        let mut dsn = self.clone();
        dsn.remove("database");
        dsn.set("dbname", name);
        dsn
    }

    /// `host:port`, the value of the label `server`.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// All pairs.
    fn pairs(&self) -> &[(String, String)] {
        &self.pairs
    }
}

/// Tells the server only.
impl std::fmt::Debug for Dsn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Dsn({})", self.server)
    }
}

/// Whether a text is a URL; anything else is `key=value` pairs.
pub fn is_url(text: &str) -> bool {
    text.starts_with("postgres://") || text.starts_with("postgresql://")
}

/// Reads `key=value` pairs between blanks. Values may stand in single quotes; a backslash takes the
/// next character as it is, inside and outside of them.
pub fn key_values(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    let mut rest = text.chars().peekable();
    loop {
        while rest.next_if(|c| c.is_whitespace()).is_some() {}
        if rest.peek().is_none() {
            return Ok(pairs);
        }
        let mut key = String::new();
        while let Some(c) = rest.next_if(|c| !c.is_whitespace() && *c != '=') {
            key.push(c);
        }
        while rest.next_if(|c| c.is_whitespace()).is_some() {}
        if rest.next_if_eq(&'=').is_none() {
            let place = pairs.len() + 1;
            return Err(format!(
                "data source name: expected key=value pairs, found no = behind key number {place}"
            ));
        }
        while rest.next_if(|c| c.is_whitespace()).is_some() {}
        let value = value(&mut rest).map_err(|why| format!("data source name: {why}"))?;
        pairs.push((key, value));
    }
}

fn value(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<String, &'static str> {
    let quoted = rest.next_if_eq(&'\'').is_some();
    let mut value = String::new();
    loop {
        let end = |c: &char| {
            if quoted {
                *c == '\''
            } else {
                c.is_whitespace()
            }
        };
        match rest.next_if(|c| !end(c)) {
            Some('\\') => match rest.next() {
                Some(c) => value.push(c),
                None => return Err("expected a character behind the last backslash"),
            },
            Some(c) => value.push(c),
            None if rest.peek().is_none() && quoted => {
                return Err("a quoted value has no closing quote");
            }
            None => break,
        }
    }
    if quoted {
        rest.next();
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pairs() {
        let pairs = |text| key_values(text).unwrap();
        let expect = |list: &[(&str, &str)]| -> Vec<(String, String)> {
            let owned = |(k, v): &(&str, &str)| ((*k).to_owned(), (*v).to_owned());
            list.iter().map(owned).collect()
        };
        for (text, parsed) in [
            ("host=a port=1", &[("host", "a"), ("port", "1")][..]),
            (
                "  host = a   password='it\\'s \\\\ = b' ",
                &[("host", "a"), ("password", "it's \\ = b")],
            ),
            ("password=a\\ b", &[("password", "a b")]),
            ("password=''", &[("password", "")]),
            ("a=1 a=2", &[("a", "1"), ("a", "2")]),
            ("password=", &[("password", "")]),
            ("", &[]),
        ] {
            assert_eq!(pairs(text), expect(parsed), "{text:?}");
        }
    }

    #[test]
    fn malformed_names_are_told_without_repeating_them() {
        for text in [
            "s3cret",
            "host=a s3cret",
            "password='s3cret",
            "password=s3cret\\",
        ] {
            let error = key_values(text).unwrap_err();
            assert!(!error.contains("s3cret"), "{error}");
            assert!(error.starts_with("data source name: "), "{error}");
        }
    }

    #[test]
    fn servers() {
        for (text, server) in [
            ("host=a port=1", "a:1"),
            ("user=x", "localhost:5432"),
            ("host='/var/run/pg'  user=x", "/var/run/pg:5432"),
            ("postgres://u:p@h:7/db?sslmode=disable", "h:7"),
            ("postgresql://u@h/db", "h:5432"),
            ("postgresql:///db?host=/run", "localhost:5432"),
            ("postgresql://u@[::1]:5/db", "::1:5"),
        ] {
            assert_eq!(Dsn::parse(text).unwrap().server(), server, "{text}");
        }
    }

    #[test]
    fn databases_are_replaced() {
        for text in ["postgres://u@h/a?dbname=b", "host=h database=a", "dbname=a"] {
            let dsn = Dsn::parse(text).unwrap().with_database("it's");
            assert_eq!(dsn.get("dbname"), Some("it's"));
            assert_eq!(dsn.get("database"), None);
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = Dsn::parse(&text);
            let _ = Dsn::parse(&format!("postgres://{text}"));
        }
    }
}
