//! The head of an answer, read as Go's client reads it: what that lets pass passes, and what it
//! refuses is refused, because either decides whether a probe succeeds.

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Fields that an answer may have.
const MOST_FIELDS: usize = 16 * 1024;

/// Status, version and headers of an answer.
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// Status code, 0 to 999.
    pub status: u16,
    /// Major and minor version of HTTP.
    pub version: (u8, u8),
    /// Headers, without those that told how the body is framed where they are of no more use.
    pub headers: HeaderMap,
    /// Length of the body in bytes, -1 where the head does not tell it.
    pub content_length: i64,
}

/// Where the body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    Empty,
    /// After so many bytes.
    Length(u64),
    /// After the last chunk.
    Chunked,
    /// With the connection.
    Close,
}

/// Version and status code of the first line.
pub fn status_line(line: &[u8]) -> Result<((u8, u8), u16), String> {
    let bad = || "malformed HTTP response".to_owned();
    let text = String::from_utf8_lossy(line);
    let (protocol, status) = text.split_once(' ').ok_or_else(bad)?;
    let status = status.trim_start_matches(' ');
    let code = status.split(' ').next().unwrap_or_default();
    let code: i32 = match code.len() {
        3 => code.parse().ok(),
        _ => None,
    }
    .filter(|code| *code >= 0)
    .ok_or("malformed HTTP status code")?;
    let digit = |byte: u8| byte.is_ascii_digit().then(|| byte - b'0');
    let version = match protocol.as_bytes() {
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] => digit(*major).zip(digit(*minor)),
        _ => None,
    };
    let version = version.ok_or("malformed HTTP version")?;
    Ok((version, u16::try_from(code).unwrap_or(0)))
}

/// Header fields, line by line.
#[derive(Debug, Default)]
pub struct Fields {
    headers: HeaderMap,
    /// A field that the next line may go on with.
    pending: Option<Vec<u8>>,
}

impl Fields {
    /// Takes a line without its end. The value is whether it was the one that ends the fields.
    pub fn take(&mut self, line: &[u8]) -> Result<bool, String> {
        if matches!(line.first(), Some(b' ' | b'\t')) {
            let pending = self.pending.as_mut().ok_or("malformed first header line")?;
            pending.push(b' ');
            pending.extend_from_slice(trimmed(line));
            return Ok(false);
        }
        if let Some(field) = self.pending.take() {
            self.add(&field)?;
        }
        if line.is_empty() {
            return Ok(true);
        }
        if !line.contains(&b':') {
            return Err("malformed header line: there is no colon".to_owned());
        }
        self.pending = Some(trimmed(line).to_vec());
        Ok(false)
    }

    /// The headers.
    pub fn into_headers(self) -> HeaderMap {
        self.headers
    }

    fn add(&mut self, field: &[u8]) -> Result<(), String> {
        let bad = || "malformed header line".to_owned();
        let colon = field.iter().position(|b| *b == b':').ok_or_else(bad)?;
        let (name, value) = (&field[..colon], without_lead(&field[colon + 1..]));
        let value = HeaderValue::from_bytes(value).map_err(|_| bad())?;
        // A name with a blank is let pass, but no module can name it.
        if name.contains(&b' ') {
            let words = name.split(|b| *b == b' ').filter(|word| !word.is_empty());
            return match words.map(HeaderName::from_bytes).all(|word| word.is_ok()) {
                true => Ok(()),
                false => Err(bad()),
            };
        }
        let name = HeaderName::from_bytes(name).map_err(|_| bad())?;
        if self.headers.len() >= MOST_FIELDS {
            return Err("the answer has too many headers".to_owned());
        }
        self.headers.append(name, value);
        Ok(())
    }
}

/// Without blanks and tabs at the beginning.
fn without_lead(mut line: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = line {
        line = rest;
    }
    line
}

/// Without blanks and tabs at both ends.
fn trimmed(line: &[u8]) -> &[u8] {
    let mut line = without_lead(line);
    while let [rest @ .., b' ' | b'\t'] = line {
        line = rest;
    }
    line
}

impl Head {
    /// Puts a head together, and tells where the body behind it ends.
    pub fn new(
        (version, status): ((u8, u8), u16),
        headers: HeaderMap,
        is_head: bool,
    ) -> Result<(Self, Framing), String> {
        let mut head = Head {
            status,
            version,
            headers,
            content_length: -1,
        };
        let chunked = head.take_transfer_encoding()?;
        let told = head.told_length()?;
        let bodiless = matches!(status, 100..200 | 204 | 304);
        let framing = match told {
            _ if is_head || bodiless => Framing::Empty,
            _ if chunked => {
                head.headers.remove(header::CONTENT_LENGTH);
                head.headers.remove(header::TRAILER);
                Framing::Chunked
            }
            Some(0) => Framing::Empty,
            Some(length) => Framing::Length(length),
            None => Framing::Close,
        };
        head.content_length = match framing {
            Framing::Empty if bodiless && !is_head => 0,
            Framing::Chunked | Framing::Close => -1,
            _ => told
                .and_then(|length| i64::try_from(length).ok())
                .unwrap_or(-1),
        };
        Ok((head, framing))
    }

    /// Whether the body is chunked. HTTP/1.0 knows of no transfer encodings.
    fn take_transfer_encoding(&mut self) -> Result<bool, String> {
        let values: Vec<_> = self
            .headers
            .get_all(header::TRANSFER_ENCODING)
            .iter()
            .collect();
        let chunked = match values.as_slice() {
            [] => return Ok(false),
            _ if self.version < (1, 1) => false,
            [one] if one.as_bytes().eq_ignore_ascii_case(b"chunked") => true,
            _ => return Err("unsupported transfer encoding".to_owned()),
        };
        self.headers.remove(header::TRANSFER_ENCODING);
        Ok(chunked)
    }

    /// `Content-Length`; several must agree.
    fn told_length(&mut self) -> Result<Option<u64>, String> {
        let mut values = self.headers.get_all(header::CONTENT_LENGTH).iter();
        let Some(first) = values.next().cloned() else {
            return Ok(None);
        };
        if values.any(|other| *other != first) {
            return Err("the answer has several values of Content-Length".to_owned());
        }
        self.headers.insert(header::CONTENT_LENGTH, first.clone());
        let digits = first.as_bytes();
        if digits.is_empty() {
            return Ok(None);
        }
        let number = match digits.iter().all(u8::is_ascii_digit) {
            true => first.to_str().ok().and_then(|d| d.parse::<u64>().ok()),
            false => None,
        };
        match number.filter(|n| i64::try_from(*n).is_ok()) {
            Some(number) => Ok(Some(number)),
            None => Err("bad Content-Length".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fields(lines: &[&str]) -> Result<HeaderMap, String> {
        let mut fields = Fields::default();
        for line in lines {
            fields.take(line.as_bytes())?;
        }
        assert!(fields.take(b"")?);
        Ok(fields.into_headers())
    }

    #[test]
    fn status_lines() {
        for (line, told) in [
            ("HTTP/1.1 200 OK", Some(((1, 1), 200))),
            ("HTTP/1.0 404", Some(((1, 0), 404))),
            ("HTTP/3.0  099 x", Some(((3, 0), 99))),
            ("HTTP/1.1 200\tOK", None),
            ("HTTP/1.1 2000 OK", None),
            ("HTTP/1.1 -20 OK", None),
            ("HTTP/10.1 200 OK", None),
            ("http/1.1 200 OK", None),
            ("HTTP/1.1", None),
            ("", None),
        ] {
            assert_eq!(status_line(line.as_bytes()).ok(), told, "{line}");
        }
    }

    #[test]
    fn folded_and_odd_fields() {
        let headers =
            fields(&["X-A: one", "\ttwo ", " ", "x-a:\tb ", "X B: c", "X-C : d"]).unwrap();
        let values: Vec<_> = headers.get_all("x-a").iter().collect();
        assert_eq!(values, ["one two ", "b"]);
        assert_eq!(headers.len(), 2);
        for bad in [
            "no colon",
            ": x",
            "X@A: b",
            "X-A: a\rb",
            "X-A: a\0",
            " X-A: b",
        ] {
            assert!(fields(&[bad]).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn ends_of_bodies() {
        let new = |version, status, is_head, lines: &[&str]| {
            let head = Head::new((version, status), fields(lines).unwrap(), is_head);
            head.map(|(head, framing)| (head.content_length, framing))
                .ok()
        };
        let ok = |lines: &[&str]| new((1, 1), 200, false, lines);
        assert_eq!(ok(&[]), Some((-1, Framing::Close)));
        assert_eq!(ok(&["Content-Length: 4"]), Some((4, Framing::Length(4))));
        assert_eq!(ok(&["Content-Length: 0"]), Some((0, Framing::Empty)));
        assert_eq!(ok(&["Content-Length:"]), Some((-1, Framing::Close)));
        let twice = ["Content-Length: 4", "content-length: 4"];
        assert_eq!(ok(&twice), Some((4, Framing::Length(4))));
        let both = ["Content-Length: 4", "Transfer-Encoding: Chunked"];
        assert_eq!(ok(&both), Some((-1, Framing::Chunked)));
        assert_eq!(
            new((1, 0), 200, false, &both),
            Some((4, Framing::Length(4)))
        );
        assert_eq!(new((1, 1), 204, false, &both), Some((0, Framing::Empty)));
        assert_eq!(new((1, 1), 200, true, &both), Some((4, Framing::Empty)));
        assert_eq!(new((1, 1), 200, true, &[]), Some((-1, Framing::Empty)));
        for bad in [
            "Content-Length: +4",
            "Content-Length: 4, 4",
            "Content-Length: 9223372036854775808",
            "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding:",
        ] {
            assert_eq!(ok(&[bad]), None, "{bad}");
        }
        assert_eq!(ok(&["Content-Length: 4", "Content-Length: 5"]), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(line: Vec<u8>, lines: Vec<Vec<u8>>) {
            let _ = status_line(&line);
            let mut fields = Fields::default();
            let _ = lines.iter().try_for_each(|line| fields.take(line).map(|_| ()));
            let _ = Head::new(((1, 1), 200), fields.into_headers(), false);
        }
    }
}
