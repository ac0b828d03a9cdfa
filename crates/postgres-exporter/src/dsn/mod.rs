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

    /// A name that a request gives. Unlike in configured names, the user part of a URL wins over its
    /// parameters, a password without user does not count, and the scheme may be missing.
    pub fn of_request(text: &str) -> Result<Self, String> {
        if !is_url(text)
            && looks_like_pairs(text)
            && let Ok(pairs) = key_values(text)
        {
            return Ok(Self::from_pairs(pairs));
        }
        let mut url = match is_url(text) {
            true => url::parse(text)?,
            false => url::parse(&format!("postgresql://{text}"))?,
        };
        let mut taken = |key: &str| {
            let value = url.query.iter().find(|(k, _)| k == key);
            let value = value.map(|(_, v)| v.clone());
            url.query.retain(|(k, _)| k != key);
            value
        };
        let (user, password) = (taken("user"), taken("password"));
        let said = |part: Option<String>| part.filter(|p| !p.is_empty());
        url.user = said(url.user).or(said(user));
        url.password = said(url.password).or(password);
        url.password = url.password.filter(|_| url.user.is_some());
        Ok(Dsn {
            server: url.server(),
            pairs: url.into_pairs(),
        })
    }

    /// What tells this name from others. Holds the password.
    pub fn key(&self) -> String {
        let mut pairs: Vec<String> = self.pairs.iter().map(|(k, v)| format!("{k}={v}")).collect();
        pairs.sort_unstable();
        pairs.join("\0")
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

/// Whether a text begins as `key=value` pairs do: a key of letters and digits, and a value.
fn looks_like_pairs(text: &str) -> bool {
    let text = text.trim_start();
    let key = text.bytes().take_while(u8::is_ascii_alphanumeric).count();
    let value = text[key..].trim_start().strip_prefix('=');
    let value = value.and_then(|rest| rest.trim_start().chars().next());
    key > 0 && value.is_some_and(|c| c != '=')
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
    fn names_of_requests() {
        for (text, server, user, password, database) in [
            ("host:5433/db", "host:5433", None, None, Some("db")),
            ("host", "host:5432", None, None, None),
            (
                "user:pw@host/db",
                "host:5432",
                Some("user"),
                Some("pw"),
                Some("db"),
            ),
            (
                "postgresql://a:b@h?user=x&password=y",
                "h:5432",
                Some("a"),
                Some("b"),
                None,
            ),
            (
                "postgres://h/?user=x&password=y",
                "h:5432",
                Some("x"),
                Some("y"),
                None,
            ),
            ("postgres://h/?password=y", "h:5432", None, None, None),
            ("postgres://:y@h/", "h:5432", None, None, None),
            (
                "host=h port=1 user=u password='a b'",
                "h:1",
                Some("u"),
                Some("a b"),
                None,
            ),
            (" host = h", "h:5432", None, None, None),
            ("h?dbname=d", "h:5432", None, None, Some("d")),
        ] {
            let dsn = Dsn::of_request(text).unwrap();
            assert_eq!(dsn.server(), server, "{text}");
            assert_eq!(dsn.get("user"), user, "{text}");
            assert_eq!(dsn.get("password"), password, "{text}");
            assert_eq!(dsn.get("dbname"), database, "{text}");
        }
        let error = Dsn::of_request("u:s3cret@h:port").unwrap_err();
        assert!(!error.contains("s3cret"), "{error}");
        // A key with another character is no key.
        assert!(Dsn::of_request("application_name=x host=s3cret").is_ok());
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
            let _ = (Dsn::parse(&text), Dsn::of_request(&text));
            let _ = Dsn::parse(&format!("postgres://{text}"));
        }
    }
}
