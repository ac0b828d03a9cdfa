//! Names of users, from the passwd file of the machine that the exporter runs on.

use std::collections::HashMap;

/// Looks users up once.
#[derive(Debug, Default)]
pub struct Users {
    known: HashMap<u64, String>,
}

impl Users {
    /// The name of a user, its number where it has none.
    pub fn name(&mut self, uid: u64) -> &str {
        self.known.entry(uid).or_insert_with(|| {
            let passwd = std::fs::read("/etc/passwd").unwrap_or_default();
            find(&passwd, uid).unwrap_or_else(|| uid.to_string())
        })
    }
}

/// The name in front of a number in lines `name:password:uid:…`.
fn find(passwd: &[u8], uid: u64) -> Option<String> {
    passwd.split(|b| *b == b'\n').find_map(|line| {
        let mut fields = line.split(|b| *b == b':');
        let name = fields.next().filter(|n| !n.is_empty() && n[0] != b'#')?;
        let number = std::str::from_utf8(fields.nth(1)?).ok()?;
        (number.parse() == Ok(uid))
            .then(|| exporter_core::exposition::names::lossy(name).into_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_passwd() {
        let passwd = b"# note\nroot:x:0:0:root:/root:/bin/sh\n+::::::\nwww:x:33:33::/:/bin/false\n";
        assert_eq!(find(passwd, 33).as_deref(), Some("www"));
        assert_eq!(find(passwd, 0).as_deref(), Some("root"));
        assert_eq!(find(passwd, 1), None);
        assert_eq!(Users::default().name(4_000_000_000), "4000000000");
    }
}
