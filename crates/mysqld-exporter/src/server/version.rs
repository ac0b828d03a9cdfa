//! What a server says it is.

/// A server's version and kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// Major, minor and patch.
    pub number: (u32, u32, u32),
    /// MariaDB, and not MySQL, Percona Server, Aurora or another.
    pub mariadb: bool,
}

impl Version {
    /// Reads `10.11.14-MariaDB-log`: three numbers, then anything.
    pub fn parse(text: &str) -> Option<Version> {
        let mut parts = text.splitn(3, '.');
        let major = parts.next()?.parse().ok()?;
        let minor = parts.next()?.parse().ok()?;
        let rest = parts.next()?;
        let end = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        Some(Version {
            number: (major, minor, rest[..end].parse().ok()?),
            mariadb: text.to_ascii_lowercase().contains("mariadb"),
        })
    }

    /// Whether a collector that wants this version of MySQL runs. MariaDB left the numbering of
    /// MySQL with 10 and passes everything from there on.
    pub fn is_at_least(&self, minimum: (u32, u32)) -> bool {
        let (major, minor, _) = self.number;
        (self.mariadb && major >= 10) || (major, minor) >= minimum
    }

    /// MySQL or a relative of it from this version on.
    pub fn is_mysql(&self, from: (u32, u32, u32)) -> bool {
        !self.mariadb && self.number >= from
    }

    /// MariaDB from this version on.
    pub fn is_mariadb(&self, from: (u32, u32, u32)) -> bool {
        self.mariadb && self.number >= from
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn versions() {
        for (text, expected) in [
            ("8.0.36", Some(((8, 0, 36), false))),
            ("10.11.14-MariaDB-0+deb12u2", Some(((10, 11, 14), true))),
            ("5.5.5-10.6.1-mariadb", Some(((5, 5, 5), true))),
            ("8.0", None),
            ("8.0.x", None),
            ("5.5-x.1", None),
            ("v8.0.1", None),
            ("", None),
        ] {
            let version = Version::parse(text).map(|v| (v.number, v.mariadb));
            assert_eq!(version, expected, "{text}");
        }
    }

    #[test]
    fn gates() {
        let gate = |text: &str, minimum| Version::parse(text).unwrap().is_at_least(minimum);
        assert!(gate("5.7.44", (5, 7)));
        assert!(!gate("5.6.51", (5, 7)));
        assert!(gate("9.0.1", (8, 0)));
        assert!(gate("10.6.1-MariaDB", (11, 0)));
        assert!(!gate("5.5.68-MariaDB", (5, 6)));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            Version::parse(&text);
        }
    }
}
