//! The operating system, from `os-release` of the root file system (os-release(5)).

use crate::host::Host;
use crate::kernel::read_once;
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Error, Scrape};
use exporter_core::dialect::strconv::parse_float;
use exporter_core::exposition::{Arena, Family};
use std::collections::HashMap;
use std::path::PathBuf;

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

const LABELS: &[&str] = &[
    "build_id",
    "id",
    "id_like",
    "image_id",
    "image_version",
    "name",
    "pretty_name",
    "variant",
    "variant_id",
    "version",
    "version_codename",
    "version_id",
];
static INFO: Family = Family::gauge(
    "node_os_info",
    LABELS,
    "What the operating system is, constant 1.",
);
static VERSION: Family = Family::gauge(
    "node_os_version",
    &["id", "id_like", "name"],
    "Leading number of the version of the operating system.",
);
static SUPPORT_END: Family = Family::gauge(
    "node_os_support_end_timestamp_seconds",
    &[],
    "End of support in seconds since the epoch.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&INFO, &VERSION, &SUPPORT_END]
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    let root = host.root.as_os_str().to_owned();
    let files = ["/etc/os-release", "/usr/lib/os-release"].map(|file| {
        let mut path = root.clone();
        path.push(file);
        PathBuf::from(path)
    });
    let mut last: Option<(Vec<u8>, HashMap<String, String>)> = None;
    Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
        for file in &files {
            let contents = match read_once(file) {
                Ok(contents) => contents,
                Err(unread) if unread.is_missing() => continue,
                Err(unread) => return Err(unread.into()),
            };
            if last.as_ref().is_none_or(|l| l.0 != contents) {
                let parsed = parse(&contents).map_err(|e| format!("{}: {e}", file.display()))?;
                last = Some((contents, parsed));
            }
            if let Some((_, release)) = &last {
                return put(out, release);
            }
        }
        Err(Error::no_data("there is no os-release"))
    }))
}

fn put(out: &mut Arena, release: &HashMap<String, String>) -> Result<(), Error> {
    let value = |key: &str| release.get(key).map_or("", String::as_str);
    let end = match value("SUPPORT_END") {
        "" => None,
        date => Some(midnight(date)?),
    };
    let labels: Vec<String> = LABELS.iter().map(|l| l.to_uppercase()).collect();
    let values: Vec<&str> = labels.iter().map(|l| value(l)).collect();
    out.put(&INFO, &values, 1.0);
    if let Some(end) = end {
        out.put(&SUPPORT_END, &[], end);
    }
    let version = leading_number(value("VERSION_ID"));
    if version > 0.0 {
        out.put(
            &VERSION,
            &[value("ID"), value("ID_LIKE"), value("NAME")],
            version,
        );
    }
    Ok(())
}

/// The first second of a day in UTC.
fn midnight(text: &str) -> Result<f64, Error> {
    let date = text.parse::<jiff::civil::Date>().ok();
    let date = date.filter(|_| text.len() == "YYYY-MM-DD".len());
    let date = date
        .ok_or_else(|| format!("os-release: expected SUPPORT_END as YYYY-MM-DD, got {text:?}"))?;
    let time = date.to_zoned(jiff::tz::TimeZone::UTC);
    Ok(time.map_err(Error::failed)?.timestamp().as_second() as f64)
}

/// Digits, perhaps a point and more digits.
fn leading_number(text: &str) -> f64 {
    let digits = |t: &str| t.bytes().take_while(u8::is_ascii_digit).count();
    let whole = digits(text);
    if whole == 0 {
        return 0.0;
    }
    let rest = text[whole..].strip_prefix('.').map_or(0, |r| 1 + digits(r));
    parse_float(&text[..whole + rest]).unwrap_or(0.0)
}

/// Reads assignments in the syntax of a shell, quotes and escapes included.
pub fn parse(contents: &[u8]) -> Result<HashMap<String, String>, String> {
    let text = String::from_utf8_lossy(contents);
    let mut release = HashMap::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let at = |why: &str| format!("line {}: {why}", number + 1);
        let (key, value) = line
            .split_once('=')
            .ok_or_else(|| at("expected KEY=VALUE"))?;
        let key = key.trim();
        let key = key
            .strip_prefix("export ")
            .map(str::trim)
            .filter(|k| !k.is_empty())
            .unwrap_or(key);
        let legal = |c: char| c.is_alphanumeric() || "_./".contains(c);
        if !key.starts_with(|c: char| c.is_alphabetic() || c == '_') || !key.chars().all(legal) {
            return Err(at(&format!("{key:?} is no name of a variable")));
        }
        let value = unquote(value.trim()).map_err(|why| at(&why))?;
        release.remove(key);
        if !value.is_empty() {
            release.insert(key.to_owned(), value);
        }
    }
    Ok(release)
}

fn unquote(text: &str) -> Result<String, String> {
    let mut value = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let tail = &rest[c.len_utf8()..];
        match c {
            '#' => {
                value.truncate(value.trim_end().len());
                break;
            }
            '\'' => {
                let (literal, after) = tail
                    .split_once('\'')
                    .ok_or("a single quote is not closed")?;
                for c in literal.chars() {
                    value.push(printable(c)?);
                }
                rest = after;
            }
            '"' => rest = double_quoted(tail, &mut value)?,
            c => {
                value.push(printable(c)?);
                rest = tail;
            }
        }
    }
    Ok(value)
}

/// Control characters stand in values as escapes only.
fn printable(c: char) -> Result<char, String> {
    match c < ' ' {
        true => Err("control characters are not allowed".to_owned()),
        false => Ok(c),
    }
}

fn double_quoted<'a>(text: &'a str, value: &mut String) -> Result<&'a str, String> {
    let mut units: Vec<u16> = Vec::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        let escaped = if c == '\\' {
            chars.next().map(|(_, e)| e)
        } else {
            None
        };
        if escaped == Some('u') {
            let digits: String = chars.by_ref().take(4).map(|(_, d)| d).collect();
            let unit = u16::from_str_radix(&digits, 16)
                .ok()
                .filter(|_| digits.len() == 4);
            units.push(unit.ok_or("\\u wants four hexadecimal digits")?);
            continue;
        }
        value.push_str(&String::from_utf16_lossy(&std::mem::take(&mut units)));
        match (c, escaped) {
            ('"', _) => return Ok(&text[at + 1..]),
            ('\\', Some(e @ ('"' | '\\' | '/'))) => value.push(e),
            ('\\', Some('b')) => value.push('\u{8}'),
            ('\\', Some('f')) => value.push('\u{c}'),
            ('\\', Some('n')) => value.push('\n'),
            ('\\', Some('r')) => value.push('\r'),
            ('\\', Some('t')) => value.push('\t'),
            ('\\', _) => return Err("an escape is not known".to_owned()),
            (c, _) => value.push(printable(c)?),
        }
    }
    Err("a double quote is not closed".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;
    use proptest::prelude::*;

    #[test]
    fn what_it_is() {
        let tree = Tree::new().file("root/usr/lib/os-release", "NAME=\"Debian GNU/Linux\"\nVERSION_ID='12.5a'\nID=debian # x\nSUPPORT_END=2026-06-10\n");
        let root = tree.path("root").display().to_string();
        let mut host = tree.host(&[]);
        host.root = root.into();
        let mut collector = new(&host).unwrap();
        crate::testing::run(&mut *collector).expect(
            "node_os_info{build_id=\"\",id=\"debian\",id_like=\"\",image_id=\"\",image_version=\"\",name=\"Debian GNU/Linux\",pretty_name=\"\",variant=\"\",variant_id=\"\",version=\"\",version_codename=\"\",version_id=\"12.5a\"} 1\n\
             node_os_support_end_timestamp_seconds 1781049600\n\
             node_os_version{id=\"debian\",id_like=\"\",name=\"Debian GNU/Linux\"} 12.5\n",
        );
        for version in [".5", "x", "0"] {
            tree.write("root/usr/lib/os-release", format!("VERSION_ID={version}\n"));
            assert!(
                !crate::testing::run(&mut *collector)
                    .text
                    .contains("node_os_version")
            );
        }
        tree.write("root/usr/lib/os-release", "SUPPORT_END=2026-6-1\n");
        crate::testing::run(&mut *collector).expect_whole_failure("YYYY-MM-DD");
        Tree::new().collect("os", &[]).expect_no_data();
    }

    #[test]
    fn grammar() {
        let one =
            |text: &str| parse(text.as_bytes()).map(|r| r.get("A").cloned().unwrap_or_default());
        for (text, value) in [
            ("A=b", Some("b")),
            ("export A=b", Some("b")),
            ("A = 'x y'\"z\"", Some("x yz")),
            ("A=\"\\u00e9\\\"\"", Some("é\"")),
            ("A=\"\\$\"", None),
            ("A=\"x", None),
            ("A='x", None),
            ("A", None),
            ("1A=b", None),
            ("A=\"\\n\"", Some("\n")),
            ("A=\"\t\"", None),
            ("A=b\tc", None),
            ("A=b # c\td", Some("b")),
        ] {
            assert_eq!(one(text).ok().as_deref(), value, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, text: String) {
            let _ = (parse(&bytes), unquote(&text), leading_number(&text));
        }
    }
}
