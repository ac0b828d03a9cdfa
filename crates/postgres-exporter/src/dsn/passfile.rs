//! The password file (`~/.pgpass`): lines of `host:port:database:user:password`.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What a password is looked up for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Host name, or socket directory.
    pub host: &'a str,
    /// Port.
    pub port: &'a str,
    /// Database.
    pub database: &'a str,
    /// User.
    pub user: &'a str,
}

/// The password of the first line that matches. A file that is missing or that others may read is
/// ignored.
pub fn look_up(path: &Path, wanted: Wanted<'_>) -> Option<String> {
    let meta = std::fs::metadata(path).ok()?;
    if !meta.is_file() {
        return None;
    }
    if meta.mode() & 0o077 != 0 {
        tracing::warn!(
            path = %path.display(),
            "The password file is ignored: others than its owner may access it, expected mode 0600"
        );
        return None;
    }
    find(&std::fs::read_to_string(path).ok()?, wanted)
}

/// The password of the first line that matches.
pub fn find(text: &str, wanted: Wanted<'_>) -> Option<String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    for line in lines {
        let fields = fields(line);
        let [host, port, database, user, password, ..] = fields.as_slice() else {
            continue;
        };
        let is = |field: &str, value: &str| field == "*" || field == value;
        let socket = wanted.host.is_empty() || wanted.host.starts_with(['/', '@']);
        let here = is(host, wanted.host) || (socket && host == "localhost");
        if here && is(port, wanted.port) && is(database, wanted.database) && is(user, wanted.user) {
            return Some(password.clone());
        }
    }
    None
}

/// Splits at colons; a backslash takes the next character as it is.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        let c = match c {
            ':' => {
                fields.push(String::new());
                continue;
            }
            '\\' => rest.next().unwrap_or('\\'),
            c => c,
        };
        if let Some(last) = fields.last_mut() {
            last.push(c);
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::os::unix::fs::PermissionsExt;

    const FILE: &str = "# a comment\nshort:line\nh:5432:db:u:one\nlocalhost:*:*:u:two\n\
                        *:*:a\\:b:u:th\\:r\\\\ee\n*:7:*:*:four\n";

    fn wanted<'a>(host: &'a str, port: &'a str, database: &'a str, user: &'a str) -> Wanted<'a> {
        Wanted {
            host,
            port,
            database,
            user,
        }
    }

    #[test]
    fn first_match() {
        for (wanted, password) in [
            (wanted("h", "5432", "db", "u"), Some("one")),
            (wanted("/run", "1", "db", "u"), Some("two")),
            (wanted("localhost", "1", "db", "u"), Some("two")),
            (wanted("x", "1", "a:b", "u"), Some("th:r\\ee")),
            (wanted("x", "7", "z", "who"), Some("four")),
            (wanted("x", "8", "z", "who"), None),
        ] {
            assert_eq!(find(FILE, wanted).as_deref(), password, "{wanted:?}");
        }
    }

    #[test]
    fn readable_by_others_is_ignored() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), FILE).unwrap();
        let set = |mode| {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(file.path(), permissions).unwrap();
        };
        let wanted = wanted("h", "5432", "db", "u");
        set(0o640);
        assert_eq!(look_up(file.path(), wanted), None);
        set(0o600);
        assert_eq!(look_up(file.path(), wanted).as_deref(), Some("one"));
        assert_eq!(look_up(Path::new("/nowhere/at all"), wanted), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = find(&text, wanted("a", "b", "c", "d"));
        }
    }
}
