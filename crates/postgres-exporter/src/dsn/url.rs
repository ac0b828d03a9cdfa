//! Data source names in URL form.

/// The parts of a URL, percent escapes replaced.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Url {
    pub user: Option<String>,
    pub password: Option<String>,
    /// Host names and ports, more than one between commas.
    pub hosts: Vec<(String, String)>,
    pub database: String,
    pub query: Vec<(String, String)>,
}

/// Splits a URL. The error tells the part, never its text.
pub fn parse(text: &str) -> Result<Url, String> {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let rest = rest.split_once('#').map_or(rest, |(rest, _)| rest);
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = match rest.find('/') {
        Some(at) => (&rest[..at], &rest[at + 1..]),
        None => (rest, ""),
    };
    let (user_info, hosts) = match authority.rsplit_once('@') {
        Some((user_info, hosts)) => (Some(user_info), hosts),
        None => (None, authority),
    };
    let mut url = Url {
        hosts: hosts.split(',').map(host).collect::<Result<_, _>>()?,
        database: unescape(path, false).ok_or_else(|| bad("database"))?,
        query: pairs(query)?,
        ..Url::default()
    };
    if let Some(user_info) = user_info {
        let (user, password) = match user_info.split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (user_info, None),
        };
        url.user = Some(unescape(user, false).ok_or_else(|| bad("user"))?);
        if let Some(password) = password {
            url.password = Some(unescape(password, false).ok_or_else(|| bad("password"))?);
        }
    }
    Ok(url)
}

fn bad(part: &str) -> String {
    format!("data source name: the {part} in the URL has a malformed percent escape")
}

fn host(text: &str) -> Result<(String, String), String> {
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (name, rest) = rest.split_once(']').ok_or_else(|| {
                "data source name: the host in the URL has no closing bracket".to_owned()
            })?;
            (name, rest.strip_prefix(':').unwrap_or(rest))
        }
        None => text.rsplit_once(':').unwrap_or((text, "")),
    };
    if !port.bytes().all(|b| b.is_ascii_digit()) {
        return Err(
            "data source name: expected a number as port in the URL; a password with @, / or : \
             must be percent-encoded"
                .to_owned(),
        );
    }
    let name = unescape(name, false).ok_or_else(|| bad("host"))?;
    if name.contains('/') {
        return Err(
            "data source name: a socket directory cannot stand in the host part of the URL, \
             write ?host=/directory"
                .to_owned(),
        );
    }
    Ok((name, port.to_owned()))
}

fn pairs(query: &str) -> Result<Vec<(String, String)>, String> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let key = unescape(key, true).ok_or_else(|| bad("query"))?;
            Ok((key, unescape(value, true).ok_or_else(|| bad("query"))?))
        })
        .collect()
}

/// Replaces percent escapes, and plus signs by blanks where they stand for such.
pub fn unescape(text: &str, plus: bool) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' if plus => b' ',
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                (digit()? * 16 + digit()?) as u8
            }
            other => other,
        });
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

impl Url {
    /// `host:port` for the label `server`; query parameters do not count.
    pub fn server(&self) -> String {
        let or = |part: &str, default: &str| match part {
            "" => default.to_owned(),
            part => part.to_owned(),
        };
        let (host, port) = self.hosts.first().cloned().unwrap_or_default();
        format!("{}:{}", or(&host, "localhost"), or(&port, "5432"))
    }

    /// The keys that this URL says; query parameters win, empty ones do not count.
    pub fn into_pairs(self) -> Vec<(String, String)> {
        let names: Vec<_> = self.hosts.iter().map(|h| h.0.as_str()).collect();
        let ports: Vec<_> = self.hosts.iter().map(|h| h.1.as_str()).collect();
        let list = |parts: &[&str]| match parts.iter().all(|p| p.is_empty()) {
            true => String::new(),
            false => parts.join(","),
        };
        let mut pairs = vec![
            ("host".to_owned(), list(&names)),
            ("port".to_owned(), list(&ports)),
            ("user".to_owned(), self.user.unwrap_or_default()),
            ("password".to_owned(), self.password.unwrap_or_default()),
            ("dbname".to_owned(), self.database),
        ];
        pairs.extend(self.query);
        pairs.retain(|(_, value)| !value.is_empty());
        pairs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts() {
        let url = parse("postgres://us%40er:p%20w%2F+@h.example:77/d%20b?sslmode=disable&x=a+b&&y")
            .unwrap();
        assert_eq!(url.user.as_deref(), Some("us@er"));
        assert_eq!(url.password.as_deref(), Some("p w/+"));
        assert_eq!(url.hosts, [("h.example".to_owned(), "77".to_owned())]);
        assert_eq!(url.database, "d b");
        let pairs = url.into_pairs();
        let value = |key: &str| pairs.iter().rfind(|p| p.0 == key).map(|p| p.1.as_str());
        assert_eq!(value("x"), Some("a b"));
        assert_eq!(value("y"), None);
        assert_eq!(value("port"), Some("77"));
    }

    #[test]
    fn several_hosts() {
        let pairs = parse("postgresql://a:1,b:2/x").unwrap().into_pairs();
        assert_eq!(pairs[0].1, "a,b");
        assert_eq!(pairs[1].1, "1,2");
    }

    #[test]
    fn errors_do_not_repeat_the_text() {
        for text in [
            "postgres://u:s3cret@h:s3cret/x",
            "postgres://u:s3cret%zz@h/x",
            "postgres://u:s3/cret@h/x",
            "postgres://[::1/s3cret",
            "postgres://%2Frun:1/s3cret",
            "postgres://h/x?password=s3cret%",
        ] {
            let error = parse(text).unwrap_err();
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
