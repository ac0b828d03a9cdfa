//! The grammar of `.my.cnf` files as the original's library reads it: sections of keys and values,
//! with quotes, continuation lines and no comments behind a value.
//!
//! Errors tell line and kind, never the text of a line: it may be the one with the password.

use std::fmt;

/// Keys of a file by section, in the order of the file; a section that occurs twice is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ini {
    sections: Vec<Section>,
}

/// One section. The nameless one at the top of the file is called `DEFAULT`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Section {
    name: String,
    entries: Vec<(String, String)>,
}

/// Keys before the first section header belong to it.
pub const DEFAULT: &str = "DEFAULT";

/// Where a file cannot be read on, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// Line, counted from 1.
    pub line: usize,
    /// What was expected there.
    pub expected: &'static str,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}", self.line, self.expected)
    }
}

impl Ini {
    /// Names of all sections but the nameless one.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let names = self.sections.iter().map(|s| s.name.as_str());
        names.filter(|name| *name != DEFAULT)
    }

    /// Adds a key; a later value of a key replaces the earlier one.
    pub fn set(&mut self, section: &str, key: &str, value: &str) {
        let section = self.section_mut(section);
        match section.entries.iter_mut().find(|(k, _)| k == key) {
            Some((_, old)) => *old = value.to_owned(),
            None => section.entries.push((key.to_owned(), value.to_owned())),
        }
    }

    /// A value of this section, or of the next one up that has the key: `a.b.c` inherits from
    /// `a.b`, that from `a`.
    pub fn get(&self, section: &str, key: &str) -> Option<&str> {
        let mut name = section;
        loop {
            if let Some(value) = self.own(name, key) {
                return Some(value);
            }
            name = name.rsplit_once('.')?.0;
        }
    }

    fn own(&self, section: &str, key: &str) -> Option<&str> {
        let section = self.sections.iter().find(|s| s.name == section)?;
        let entry = section.entries.iter().find(|(k, _)| k == key)?;
        Some(&entry.1)
    }

    fn section_mut(&mut self, name: &str) -> &mut Section {
        let at = match self.sections.iter().position(|s| s.name == name) {
            Some(at) => at,
            None => {
                self.sections.push(Section {
                    name: name.to_owned(),
                    entries: Vec::new(),
                });
                self.sections.len() - 1
            }
        };
        &mut self.sections[at]
    }

    /// Adds what a file says to what is here already; later keys win.
    pub fn read(&mut self, bytes: &[u8]) -> Result<(), SyntaxError> {
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let before = &bytes[..error.valid_up_to()];
                return Err(SyntaxError {
                    line: before.iter().filter(|b| **b == b'\n').count() + 1,
                    expected: "UTF-8",
                });
            }
        };
        let mut lines = Lines {
            lines: text.lines().collect(),
            next: 0,
        };
        let mut section = DEFAULT.to_owned();
        while let Some(line) = lines.next() {
            match line.trim() {
                "" => {}
                line if line.starts_with(['#', ';']) => {}
                line if line.starts_with('[') => {
                    section = header(line).ok_or(lines.error("`]` behind the section's name"))?;
                    self.section_mut(&section);
                }
                line => {
                    let (key, value) = lines.entry(line)?;
                    self.set(&section, &key, &value);
                }
            }
        }
        Ok(())
    }
}

/// `[name]`, up to the last bracket of the line; what follows it means nothing.
fn header(line: &str) -> Option<String> {
    let name = line.get(1..line.rfind(']')?)?;
    (!name.is_empty()).then(|| name.to_owned())
}

struct Lines<'a> {
    lines: Vec<&'a str>,
    next: usize,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let line = self.lines.get(self.next).copied();
        self.next += 1;
        line
    }

    /// An error at the line read last.
    fn error(&self, expected: &'static str) -> SyntaxError {
        SyntaxError {
            line: self.next,
            expected,
        }
    }

    fn entry(&mut self, line: &'a str) -> Result<(String, String), SyntaxError> {
        let Some((key, rest)) = split_key(line).map_err(|expected| self.error(expected))? else {
            return Ok((line.to_owned(), "true".to_owned()));
        };
        let value = self.value(rest.trim())?;
        Ok((key.to_owned(), value))
    }

    fn value(&mut self, text: &'a str) -> Result<String, SyntaxError> {
        if let Some(rest) = text.strip_prefix("\"\"\"") {
            return self.until(rest, "\"\"\"", "a closing `\"\"\"`");
        }
        if let Some(rest) = text.strip_prefix('`') {
            return self.until(rest, "`", "a closing backtick");
        }
        if let Some(rest) = text.strip_prefix('"') {
            let value = self.until(rest, "\"", "a closing double quote")?;
            return Ok(value.replace("\\\"", "\""));
        }
        Ok(unquote_single(&self.continued(text)).to_owned())
    }

    /// Up to the last mark of this line, or else of the next line that has one.
    fn until(
        &mut self,
        first: &str,
        mark: &str,
        expected: &'static str,
    ) -> Result<String, SyntaxError> {
        if let Some(end) = first.rfind(mark) {
            return Ok(first[..end].to_owned());
        }
        let opened = self.error(expected);
        let mut value = format!("{first}\n");
        while let Some(line) = self.next() {
            if let Some(end) = line.rfind(mark) {
                value.push_str(&line[..end]);
                return Ok(value);
            }
            value.push_str(line);
            value.push('\n');
        }
        Err(opened)
    }

    /// A line that ends in a backslash goes on with the next one, unless that one stands for itself:
    /// then the backslash is the end of a password.
    fn continued(&mut self, text: &str) -> String {
        let mut value = text.to_owned();
        while value.ends_with('\\') {
            let next = self.lines.get(self.next).map_or("", |line| line.trim());
            let stands_for_itself =
                next.is_empty() || next.starts_with(['[', '#', ';']) || next.contains(['=', ':']);
            if stands_for_itself {
                break;
            }
            self.next += 1;
            value.pop();
            value.push_str(next);
        }
        value
    }
}

/// The key and what follows its delimiter; `None` where the line has no delimiter.
fn split_key(line: &str) -> Result<Option<(&str, &str)>, &'static str> {
    let quoted = ["\"\"\"", "\"", "`"];
    for mark in quoted {
        let Some(rest) = line.strip_prefix(mark) else {
            continue;
        };
        let Some((key, rest)) = rest.split_once(mark) else {
            return Err("a closing quote behind the key");
        };
        let Some(at) = rest.find(['=', ':']) else {
            return Ok(None);
        };
        return Ok(Some((key.trim(), &rest[at + 1..])));
    }
    match line.find(['=', ':']) {
        Some(0) => Err("a key before the delimiter"),
        Some(at) => Ok(Some((line[..at].trim(), &line[at + 1..]))),
        None => Ok(None),
    }
}

/// Single quotes go only where they stand around a value that has no other.
fn unquote_single(value: &str) -> &str {
    let inner = value.strip_prefix('\'').and_then(|v| v.strip_suffix('\''));
    inner.filter(|v| !v.contains('\'')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value(line: &str) -> String {
        let mut ini = Ini::default();
        ini.read(format!("[client]\n{line}\n").as_bytes()).unwrap();
        ini.get("client", "password").unwrap().to_owned()
    }

    #[test]
    fn values() {
        for (line, expected) in [
            ("password = a b ", "a b"),
            ("password:a=b", "a=b"),
            ("password=", ""),
            ("password", "true"),
            ("password=a#b;c", "a#b;c"),
            ("password=a # no comment", "a # no comment"),
            ("password=\"a # \\\"b\" rest", "a # \"b"),
            ("password=\"a\" b\" c", "a\" b"),
            ("password=`$\\\"` x", "$\\\""),
            ("password=\"\"\"a\"b\"\"\"", "a\"b"),
            ("password=\"a\nb\"", "a\nb"),
            ("password='a'", "a"),
            ("password='a'b'", "'a'b'"),
            ("password='", "'"),
            ("password=a\"b", "a\"b"),
            ("password=ab\\\ncd\\\nef", "abcdef"),
            ("password=ab\\\nuser=cd", "ab\\"),
            ("password=ab\\\n[other]", "ab\\"),
            ("password=ab\\\n", "ab\\"),
            ("\"password\" = a", "a"),
            ("`password`=a", "a"),
            ("password=a\npassword=b", "b"),
        ] {
            assert_eq!(value(line), expected, "{line}");
        }
    }

    #[test]
    fn sections_merge_and_inherit_along_dots() {
        let mut ini = Ini::default();
        ini.set("client", "password", "from the environment");
        let file = "\u{feff}top=1\n[client] ; rest\nuser=a\nhost=h\n[client.x]\nhost=i\n\
                    [client.x.y]\n[mysqld]\n[client]\nuser=b\n!includedir /etc\n[ blanks ]\n";
        ini.read(file.as_bytes()).unwrap();
        let names: Vec<_> = ini.names().collect();
        assert_eq!(
            names,
            ["client", "client.x", "client.x.y", "mysqld", " blanks "]
        );
        assert_eq!(ini.get("client.x.y", "user"), Some("b"));
        assert_eq!(ini.get("client.x.y", "host"), Some("i"));
        assert_eq!(ini.get("client", "password"), Some("from the environment"));
        assert_eq!(ini.get("mysqld", "user"), None);
        assert_eq!(ini.get(DEFAULT, "top"), Some("1"));
    }

    #[test]
    fn errors_tell_the_line_and_not_its_text() {
        for (text, line, part) in [
            ("[client\npassword=secret\n", 1, "`]`"),
            ("\n[client]\n=secret\n", 3, "a key"),
            (
                "[client]\npassword=\"secret\nuser=x\n",
                2,
                "closing double quote",
            ),
            ("[client]\n\"password = secret\n", 2, "closing quote"),
            ("[]\n", 1, "`]`"),
        ] {
            let error = Ini::default().read(text.as_bytes()).unwrap_err();
            assert_eq!(error.line, line, "{text:?}");
            let sentence = error.to_string();
            assert!(sentence.contains(part), "{sentence}");
            assert!(!sentence.contains("secret"), "{sentence}");
        }
        let error = Ini::default().read(b"[client]\npassword=\xff\n");
        assert_eq!(error.unwrap_err().to_string(), "2: expected UTF-8");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = Ini::default().read(&bytes);
        }

        #[test]
        fn no_text_makes_it_panic(text in "[\\[\\]a=\"'`\\\\\n#: ]{0,40}") {
            let _ = Ini::default().read(text.as_bytes());
        }
    }
}
