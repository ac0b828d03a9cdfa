//! Messages: one question out, any response in.

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Name as it is written, with or without the final dot.
    pub name: String,
    /// Type.
    pub kind: u16,
    /// Class.
    pub class: u16,
}

impl Question {
    /// Encodes the query. The error is a sentence.
    pub fn encode(&self, id: u16, recursion_desired: bool) -> Result<Vec<u8>, String> {
        let mut out = Vec::with_capacity(32 + self.name.len());
        out.extend_from_slice(&id.to_be_bytes());
        out.extend_from_slice(&[u8::from(recursion_desired), 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        push_name(&mut out, &self.name)?;
        out.extend_from_slice(&self.kind.to_be_bytes());
        out.extend_from_slice(&self.class.to_be_bytes());
        Ok(out)
    }
}

/// Labels of a name in presentation form; a backslash escapes a character or three digits.
fn push_name(out: &mut Vec<u8>, name: &str) -> Result<(), String> {
    let start = out.len();
    let mut label: Vec<u8> = Vec::new();
    let bad = |why: &str| format!("bad domain name {name:?}: {why}");
    let mut rest = if name == "." { &[] } else { name.as_bytes() };
    let mut ended = rest.is_empty();
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        ended = false;
        match byte {
            b'\\' => {
                let (byte, after) = unescaped(rest).ok_or_else(|| bad("it ends in a backslash"))?;
                label.push(byte);
                rest = after;
            }
            b'.' => {
                push_label(out, &label).map_err(bad)?;
                label.clear();
                ended = true;
            }
            other => label.push(*other),
        }
    }
    if !ended {
        push_label(out, &label).map_err(bad)?;
    }
    out.push(0);
    match out.len() - start > 255 {
        true => Err(bad("it is longer than 255 bytes")),
        false => Ok(()),
    }
}

/// What is escaped behind a backslash: three digits for a byte, of which the lowest eight bits count,
/// or the byte itself (RFC 1035, section 5.1); and what follows it.
pub fn unescaped(text: &[u8]) -> Option<(u8, &[u8])> {
    match text {
        [a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', rest @ ..] => {
            let digits = [a, b, c].map(|digit| u16::from(digit - b'0'));
            let code = digits[0] * 100 + digits[1] * 10 + digits[2];
            Some((code.to_le_bytes()[0], rest))
        }
        [byte, rest @ ..] => Some((*byte, rest)),
        [] => None,
    }
}

fn push_label(out: &mut Vec<u8>, label: &[u8]) -> Result<(), &'static str> {
    match label.len() {
        0 => Err("a label is empty"),
        1..=63 => {
            out.push(label.len() as u8);
            out.extend_from_slice(label);
            Ok(())
        }
        _ => Err("a label is longer than 63 bytes"),
    }
}

/// A response.
#[derive(Clone, Debug, Default)]
pub struct Message {
    /// Id, that of the query it answers.
    pub id: u16,
    /// Whether it is a response at all.
    pub is_response: bool,
    /// Whether something was left out.
    pub is_truncated: bool,
    /// Whether it ends in the middle of something, which some servers do to truncated ones.
    pub is_cut: bool,
    /// Response code, with the upper bits of an OPT record.
    pub rcode: u16,
    /// Questions repeated.
    pub questions: Vec<Question>,
    /// Answer section.
    pub answer: Vec<Record>,
    /// Authority section.
    pub authority: Vec<Record>,
    /// Additional section, OPT included.
    pub additional: Vec<Record>,
}

/// One record; see [`super::record`] for what its data says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Owner in presentation form, with the final dot.
    pub name: String,
    /// Type.
    pub kind: u16,
    /// Class.
    pub class: u16,
    /// Seconds it may be kept.
    pub ttl: u32,
    /// Data; names within are no longer compressed.
    pub data: Vec<u8>,
}

/// Number of the OPT pseudo record.
pub const OPT: u16 = 41;

impl Message {
    /// Parses a message. The error is a sentence.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let mut reader = Reader { bytes, at: 0 };
        let cut = || "the DNS message is cut off".to_owned();
        let id = reader.u16().ok_or_else(cut)?;
        let flags = reader.u16().ok_or_else(cut)?;
        let mut counts = [0u16; 4];
        for count in &mut counts {
            *count = reader.u16().ok_or_else(cut)?;
        }
        let mut message = Message {
            id,
            is_response: flags & 0x8000 != 0,
            is_truncated: flags & 0x0200 != 0,
            rcode: flags & 0x000f,
            ..Message::default()
        };
        message.is_cut = message.read_sections(&mut reader, counts).is_none();
        if message.is_cut && !message.is_truncated {
            return Err("the DNS message is malformed".to_owned());
        }
        let opt = message.additional.iter().find(|r| r.kind == OPT);
        if let Some(opt) = opt {
            message.rcode |= ((opt.ttl >> 24) as u16) << 4;
        }
        Ok(message)
    }

    /// The records of all sections.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        let sections = [&self.answer, &self.authority, &self.additional];
        sections.into_iter().flatten()
    }

    fn read_sections(&mut self, reader: &mut Reader<'_>, counts: [u16; 4]) -> Option<()> {
        // A header alone is answer enough to some queries.
        if reader.rest().is_empty() {
            return Some(());
        }
        for _ in 0..counts[0] {
            let name = reader.name()?;
            let mut or_zero = || match reader.rest() {
                [] => Some(0),
                _ => reader.u16(),
            };
            self.questions.push(Question {
                name,
                kind: or_zero()?,
                class: or_zero()?,
            });
        }
        let sections = [&mut self.answer, &mut self.authority, &mut self.additional];
        for (section, count) in sections.into_iter().zip(&counts[1..]) {
            for _ in 0..*count {
                if reader.at == reader.bytes.len() {
                    return Some(());
                }
                section.push(reader.record()?);
            }
        }
        Some(())
    }
}

/// Pointers that one name may follow, which may lead anywhere in a message.
const MOST_JUMPS: usize = 126;

/// Where a message is being read.
pub struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Reader<'b> {
    /// Reads from the beginning.
    pub fn new(bytes: &'b [u8]) -> Self {
        Reader { bytes, at: 0 }
    }

    /// What is left.
    pub fn rest(&self) -> &'b [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// The next bytes.
    pub fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let slice = self.bytes.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(slice)
    }

    /// One byte.
    pub fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|b| b[0])
    }

    /// Two bytes.
    pub fn u16(&mut self) -> Option<u16> {
        self.take(2)
            .and_then(|b| b.try_into().ok())
            .map(u16::from_be_bytes)
    }

    /// Four bytes.
    pub fn u32(&mut self) -> Option<u32> {
        self.take(4)
            .and_then(|b| b.try_into().ok())
            .map(u32::from_be_bytes)
    }

    /// A string with its length before it.
    pub fn string(&mut self) -> Option<&'b [u8]> {
        let length = self.u8()?;
        self.take(usize::from(length))
    }

    /// A name in presentation form, with the final dot.
    pub fn name(&mut self) -> Option<String> {
        let mut wire = Vec::new();
        self.wire_name(&mut wire)?;
        Some(presentation(&wire))
    }

    /// Appends a name's labels and their end, uncompressed.
    fn wire_name(&mut self, out: &mut Vec<u8>) -> Option<()> {
        let start = out.len();
        let mut at = self.at;
        let mut jumps = 0;
        loop {
            let length = *self.bytes.get(at)?;
            match length & 0xc0 {
                0x00 => {
                    let end = at + 1 + usize::from(length);
                    out.extend_from_slice(self.bytes.get(at..end)?);
                    at = end;
                    if jumps == 0 {
                        self.at = at;
                    }
                    if length == 0 {
                        return Some(());
                    }
                }
                0xc0 => {
                    let low = *self.bytes.get(at + 1)?;
                    if jumps == 0 {
                        self.at = at + 2;
                    }
                    at = usize::from(length & 0x3f) << 8 | usize::from(low);
                    jumps += 1;
                    if jumps > MOST_JUMPS {
                        return None;
                    }
                }
                _ => return None,
            }
            if out.len() - start > 255 {
                return None;
            }
        }
    }

    fn record(&mut self) -> Option<Record> {
        let name = self.name()?;
        let (kind, class, ttl) = (self.u16()?, self.u16()?, self.u32()?);
        let length = usize::from(self.u16()?);
        let end = self
            .at
            .checked_add(length)
            .filter(|end| *end <= self.bytes.len())?;
        let data = self.data(kind, end)?;
        self.at = end;
        Some(Record {
            name,
            kind,
            class,
            ttl,
            data,
        })
    }

    /// Data up to `end`, names within it uncompressed. Only the types of RFC 1035 and a few that
    /// followed may compress them.
    fn data(&mut self, kind: u16, end: usize) -> Option<Vec<u8>> {
        let (before, names) = match kind {
            2 | 3 | 4 | 5 | 7 | 8 | 9 | 12 | 39 => (0, 1),
            6 | 14 | 17 => (0, 2),
            15 | 18 | 21 | 36 => (2, 1),
            26 => (2, 2),
            33 => (6, 1),
            _ => (end - self.at, 0),
        };
        if self.at == end {
            return Some(Vec::new());
        }
        let mut out = self.take(before)?.to_vec();
        for _ in 0..names {
            if self.at < end {
                self.wire_name(&mut out)?;
            }
        }
        if self.at > end {
            return None;
        }
        out.extend_from_slice(self.take(end - self.at)?);
        Some(out)
    }
}

/// The text of uncompressed labels.
fn presentation(wire: &[u8]) -> String {
    let mut text = String::new();
    let mut rest = wire;
    while let Some((length, tail)) = rest.split_first() {
        let length = usize::from(*length).min(tail.len());
        if length == 0 {
            break;
        }
        for byte in &tail[..length] {
            push_char(&mut text, *byte, b". '@;()\"\\");
        }
        text.push('.');
        rest = &tail[length..];
    }
    match text.is_empty() {
        true => ".".to_owned(),
        false => text,
    }
}

/// One character of presentation form; those of `special` get a backslash.
pub fn push_char(text: &mut String, byte: u8, special: &[u8]) {
    match byte {
        b if special.contains(&b) => {
            text.push('\\');
            text.push(char::from(b));
        }
        b' '..=b'~' => text.push(char::from(byte)),
        b => text.push_str(&format!("\\{b:03}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn queries() {
        let question = |name: &str| Question {
            name: name.to_owned(),
            kind: 1,
            class: 1,
        };
        let bytes = question("Ab.c").encode(0x1234, true).unwrap();
        assert_eq!(
            bytes,
            b"\x12\x34\x01\x00\x00\x01\0\0\0\0\0\0\x02Ab\x01c\0\0\x01\0\x01"
        );
        let parsed = Message::parse(&bytes).unwrap();
        assert_eq!(parsed.questions, [question("Ab.c.")]);
        assert!(!parsed.is_response);
        assert_eq!(
            question("a\\.b.").encode(0, false).unwrap()[12..],
            *b"\x03a.b\0\0\x01\0\x01"
        );
        let name = |text: &str| question(text).encode(0, false).unwrap()[12..].to_owned();
        assert_eq!(name("a\\25")[..4], *b"\x03a25");
        assert_eq!(name("\\065\\256")[..3], *b"\x02A\0");
        assert_eq!(
            question(".").encode(0, false).unwrap()[12..],
            *b"\0\0\x01\0\x01"
        );
        for bad in ["a..b", ".a", &"a".repeat(64), &"a.".repeat(128), "a\\"] {
            assert!(question(bad).encode(0, false).is_err(), "{bad}");
        }
    }

    #[test]
    fn responses_with_compression() {
        let mut bytes = question_bytes();
        bytes[2] = 0x81;
        bytes[3] = 0x83;
        bytes[7] = 1;
        bytes.extend_from_slice(b"\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x04\x01x\xc0\x0c");
        let message = Message::parse(&bytes).unwrap();
        assert_eq!((message.rcode, message.answer.len()), (3, 1));
        let record = &message.answer[0];
        assert_eq!((record.name.as_str(), record.ttl), ("a.b.", 60));
        assert_eq!(record.data, b"\x01x\x01a\x01b\0");
        let cut = &bytes[..bytes.len() - 1];
        assert!(Message::parse(cut).is_err());
        // A header may stand alone, but not announce more questions than there are.
        assert!(Message::parse(&bytes[..12]).is_ok());
        let mut announced = question_bytes();
        announced[5] = 2;
        assert!(Message::parse(&announced).is_err());
        // Between the fields of a question it may end.
        for end in [12 + 5, 12 + 7] {
            assert!(Message::parse(&bytes[..end]).is_ok(), "{end}");
            assert!(Message::parse(&bytes[..end - 1]).is_err(), "{end}");
        }
        let mut truncated = cut.to_vec();
        truncated[2] |= 2;
        assert!(Message::parse(&truncated).unwrap().is_truncated);
    }

    fn question_bytes() -> Vec<u8> {
        let question = Question {
            name: "a.b".to_owned(),
            kind: 1,
            class: 1,
        };
        question.encode(7, true).unwrap()
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, tail: Vec<u8>) {
            let _ = Message::parse(&bytes);
            let mut message = question_bytes();
            message[7] = 2;
            message.extend(tail);
            if let Ok(message) = Message::parse(&message) {
                for record in &message.answer {
                    let _ = record.to_string();
                }
            }
        }
    }
}
