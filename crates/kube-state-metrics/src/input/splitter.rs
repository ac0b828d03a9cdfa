//! Takes lists apart while they arrive: each object is handed on as soon as its last byte is there,
//! so that no list is ever held as a whole.

/// A part of a JSON text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// An object of a list. With it comes the list as far as it was read, closed behind `items`.
    Item {
        /// The object.
        json: &'a [u8],
        /// The list without its objects.
        list: &'a [u8],
    },
    /// A whole document: an object that is no list, or a list without its objects.
    Document(&'a [u8]),
}

/// Splits JSON documents, one behind the other.
#[derive(Debug, Default)]
pub struct Splitter {
    /// The document under way, without the objects of its list.
    document: Vec<u8>,
    /// The object under way, as far as it came before this piece of input.
    item: Vec<u8>,
    /// Open braces and brackets of the document.
    depth: usize,
    /// Open braces of the object.
    item_depth: usize,
    in_items: bool,
    in_string: bool,
    escaped: bool,
    /// Where the last text of the document begins that stands directly in it.
    key: Option<usize>,
    /// Whether the list had objects.
    is_list: bool,
}

/// What takes parts.
type Take<'t> = &'t mut dyn FnMut(Part<'_>) -> Result<(), String>;

impl Splitter {
    /// Takes more of the input.
    ///
    /// # Errors
    /// What cannot be the beginning of a JSON object, and whatever `take` returns.
    pub fn push(&mut self, bytes: &[u8], take: Take<'_>) -> Result<(), String> {
        let mut at = 0;
        while at < bytes.len() {
            at = match self.item_depth {
                0 => self.outside(bytes, at, take)?,
                _ => self.inside(bytes, at, take)?,
            };
        }
        Ok(())
    }

    /// The input is over.
    ///
    /// # Errors
    /// The input ends within a document.
    pub fn finish(self) -> Result<(), String> {
        match self.depth {
            0 => Ok(()),
            _ => Err("unexpected end of JSON text: it was cut off".to_owned()),
        }
    }

    /// One byte that belongs to the document.
    fn outside(&mut self, bytes: &[u8], at: usize, take: Take<'_>) -> Result<usize, String> {
        let byte = bytes[at];
        if self.in_string {
            self.document.push(byte);
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return Ok(at + 1);
        }
        match byte {
            b'{' if self.in_items => {
                (self.item_depth, self.is_list) = (1, true);
                return self.inside_from(bytes, at, at + 1, take);
            }
            b' ' | b'\n' | b'\r' | b'\t' => return Ok(at + 1),
            b',' if self.in_items => return Ok(at + 1),
            b']' if self.in_items => self.in_items = false,
            _ if self.in_items => return Err("items: expected objects".to_owned()),
            b'[' if self.depth == 1 && self.is_items() => self.in_items = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            b'"' => {
                self.in_string = true;
                if self.depth == 1 {
                    self.key = Some(self.document.len());
                }
            }
            _ => {}
        }
        if self.depth == 0 && byte != b'}' {
            return Err("expected a JSON object".to_owned());
        }
        self.document.push(byte);
        if self.depth == 0 {
            take(Part::Document(&self.document))?;
            self.document.clear();
            (self.key, self.is_list) = (None, false);
        }
        Ok(at + 1)
    }

    /// Whether what comes now is the value of `items` of the document.
    fn is_items(&self) -> bool {
        let key = self.key.and_then(|start| self.document.get(start..));
        key == Some(b"\"items\":")
    }

    fn inside(&mut self, bytes: &[u8], at: usize, take: Take<'_>) -> Result<usize, String> {
        self.inside_from(bytes, at, at, take)
    }

    /// Goes to the end of the object that begins at `start`, or began before this input.
    fn inside_from(
        &mut self,
        bytes: &[u8],
        start: usize,
        mut at: usize,
        take: Take<'_>,
    ) -> Result<usize, String> {
        loop {
            if self.escaped && at < bytes.len() {
                self.escaped = false;
                at += 1;
            }
            let rest = bytes.get(at..).unwrap_or_default();
            let found = match self.in_string {
                true => memchr::memchr2(b'"', b'\\', rest),
                false => memchr::memchr3(b'"', b'{', b'}', rest),
            };
            let Some(found) = found else {
                self.item.extend_from_slice(&bytes[start..]);
                return Ok(bytes.len());
            };
            at += found + 1;
            match bytes[at - 1] {
                b'"' => self.in_string = !self.in_string,
                b'\\' => self.escaped = true,
                b'{' => self.item_depth += 1,
                _ => self.item_depth -= 1,
            }
            if self.item_depth == 0 {
                self.hand_on(&bytes[start..at], take)?;
                return Ok(at);
            }
        }
    }

    fn hand_on(&mut self, tail: &[u8], take: Take<'_>) -> Result<(), String> {
        let open = self.document.len();
        self.document.extend_from_slice(b"]}");
        let list = &self.document[..];
        let result = if self.item.is_empty() {
            take(Part::Item { json: tail, list })
        } else {
            self.item.extend_from_slice(tail);
            take(Part::Item {
                json: &self.item,
                list,
            })
        };
        self.item.clear();
        self.document.truncate(open);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Splits text that comes in pieces of `size` bytes.
    fn split(text: &str, size: usize) -> Result<Vec<String>, String> {
        let mut splitter = Splitter::default();
        let mut parts = Vec::new();
        for piece in text.as_bytes().chunks(size) {
            splitter.push(piece, &mut |part| {
                parts.push(match part {
                    Part::Item { json, list } => format!(
                        "{} of {}",
                        String::from_utf8_lossy(json),
                        String::from_utf8_lossy(list)
                    ),
                    Part::Document(json) => String::from_utf8_lossy(json).into_owned(),
                });
                Ok(())
            })?;
        }
        splitter.finish()?;
        Ok(parts)
    }

    #[test]
    fn lists_and_objects() {
        let text = r#"{"kind":"L","metadata":{"items":[1]}, "items" : [ {"a":"}\"{"}, {"b":{}} ],
            "x":"items"}{"c":[{}],"d":"\\"}"#;
        for size in 1..40 {
            let parts = split(text, size).unwrap();
            assert_eq!(
                parts,
                [
                    r#"{"a":"}\"{"} of {"kind":"L","metadata":{"items":[1]},"items":[]}"#,
                    r#"{"b":{}} of {"kind":"L","metadata":{"items":[1]},"items":[]}"#,
                    r#"{"kind":"L","metadata":{"items":[1]},"items":[],"x":"items"}"#,
                    r#"{"c":[{}],"d":"\\"}"#,
                ],
                "{size}"
            );
        }
        assert_eq!(
            split(r#"{"items":null}"#, 3).unwrap(),
            [r#"{"items":null}"#]
        );
        assert_eq!(split("", 3).unwrap(), [""; 0]);
    }

    #[test]
    fn what_is_cut_off_or_no_object() {
        for text in [
            "{",
            r#"{"items":[{"#,
            r#"{"items":[{}"#,
            r#"{"items":[{}]"#,
            "[]",
            "1",
            "]",
            r#"{"items":[1]}"#,
        ] {
            assert!(split(text, 2).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(text in r#"[{}\[\]":,\\aitems]{0,60}"#, size in 1usize..9) {
            let _ = split(&text, size);
        }
    }
}
