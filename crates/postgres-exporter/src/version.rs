//! Which PostgreSQL a server is.

use std::fmt;

/// The version of a server; missing parts are 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32, pub u32);

impl Version {
    /// A major version of PostgreSQL 10 and later.
    pub const fn major(major: u32) -> Self {
        Version(major, 0, 0)
    }

    /// Reads what `version()` says: a word, a blank, up to three numbers between dots.
    pub fn parse(text: &str) -> Option<Self> {
        let (word, rest) = text.split_once(' ')?;
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        if word.is_empty() || !word.chars().next_back().is_some_and(is_word) {
            return None;
        }
        Self::numbers(rest)
    }

    /// Reads the setting `server_version`, such as `15.20 (Debian 15.20-1)`.
    pub fn numbers(text: &str) -> Option<Self> {
        let mut parts = [0u32; 3];
        let mut rest = text;
        for (index, part) in parts.iter_mut().enumerate() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            if digits == 0 {
                if index == 0 {
                    return None;
                }
                break;
            }
            *part = rest[..digits].parse().ok()?;
            rest = match rest[digits..].strip_prefix('.') {
                Some(rest) => rest,
                None => break,
            };
        }
        Some(Version(parts[0], parts[1], parts[2]))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn banners() {
        for (banner, version) in [
            (
                "PostgreSQL 15.20 (Debian 15.20-0+deb12u1) on x86_64-pc-linux-gnu",
                Some(Version(15, 20, 0)),
            ),
            ("PostgreSQL 9.6.24 on x86_64", Some(Version(9, 6, 24))),
            ("PostgreSQL 18beta1 on x86_64", Some(Version(18, 0, 0))),
            ("EnterpriseDB 9.6.5.10 on x86_64", Some(Version(9, 6, 5))),
            (
                "PostgreSQL 11.2-YB-2.15.1.0-b0 on x86_64",
                Some(Version(11, 2, 0)),
            ),
            (
                "PostgreSQL 8.0.2 on i686, Redshift 1.0",
                Some(Version(8, 0, 2)),
            ),
            ("CockroachDB CCL v23.1.0 (x86_64-linux)", None),
            ("PostgreSQL", None),
            ("", None),
        ] {
            assert_eq!(Version::parse(banner), version, "{banner}");
        }
    }

    #[test]
    fn settings_and_order() {
        assert_eq!(Version::numbers("13.0.0"), Some(Version(13, 0, 0)));
        assert_eq!(Version::numbers("17devel"), Some(Version(17, 0, 0)));
        assert!(Version(9, 6, 24) < Version::major(10));
        assert!(Version(15, 20, 0) < Version(15, 100, 0));
        assert_eq!(Version(15, 20, 0).to_string(), "15.20.0");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = (Version::parse(&text), Version::numbers(&text));
        }
    }
}
