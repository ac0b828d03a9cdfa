//! D-Bus calls over a local socket, as far as logind and systemd need them: method calls with
//! strings, any reply. See the D-Bus specification, sections "Message protocol" and
//! "Authentication protocol".
//!
//! A library for D-Bus would bring an asynchronous runtime and code generation of its own for a
//! dozen property reads, so this is our own.

use std::io::{self, Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::time::{Duration, Instant};

/// Bytes of a message that are believed. The protocol allows twice as many.
const LONGEST: usize = 64 << 20;
/// Calls that wait for their replies at a time.
const WINDOW: usize = 64;
const USUAL: &str = "unix:path=/var/run/dbus/system_bus_socket";

/// A connection.
pub struct Bus {
    stream: UnixStream,
    serial: u32,
    deadline: Instant,
}

/// One call.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    /// Bus name of the service.
    pub destination: &'a str,
    /// Object.
    pub path: &'a str,
    /// Interface of the method.
    pub interface: &'a str,
    /// Method.
    pub member: &'a str,
    /// Arguments.
    pub arguments: &'a [&'a str],
}

/// A value of a reply.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Any whole number that is not negative.
    Unsigned(u64),
    /// Any signed number.
    Signed(i64),
    /// A boolean.
    Bool(bool),
    /// A double.
    Double(f64),
    /// String, object path or signature.
    Text(String),
    /// Array, structure or dictionary entry.
    List(Vec<Value>),
}

impl Value {
    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if it is one that is not negative.
    pub fn unsigned(&self) -> Option<u64> {
        match self {
            Value::Unsigned(number) => Some(*number),
            _ => None,
        }
    }

    /// The parts, if it has any.
    pub fn list(&self) -> &[Value] {
        match self {
            Value::List(list) => list,
            _ => &[],
        }
    }
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("D-Bus: {what}"))
}

impl Bus {
    /// Connects to the system bus and says hello.
    pub fn system(deadline: Instant) -> io::Result<Self> {
        let given = std::env::var("DBUS_SYSTEM_BUS_ADDRESS").unwrap_or_default();
        let addresses = if given.is_empty() { USUAL } else { &given };
        let mut last = malformed("the address names no socket");
        for address in addresses.split(';').filter(|a| !a.is_empty()) {
            let connected = connect(address).and_then(|stream| Bus::start(stream, deadline));
            let greeted = connected.and_then(|mut bus| {
                let hello = Call {
                    destination: "org.freedesktop.DBus",
                    path: "/org/freedesktop/DBus",
                    interface: "org.freedesktop.DBus",
                    member: "Hello",
                    arguments: &[],
                };
                bus.call(&hello).map(|_| bus)
            });
            match greeted {
                Ok(bus) => return Ok(bus),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Connects to a socket without a bus behind it.
    pub fn private(path: &str, deadline: Instant) -> io::Result<Self> {
        Bus::start(UnixStream::connect(path)?, deadline)
    }

    /// Authenticates with the uid that the kernel vouches for.
    fn start(stream: UnixStream, deadline: Instant) -> io::Result<Self> {
        let mut bus = Bus {
            stream,
            serial: 0,
            deadline,
        };
        let uid = rustix::process::geteuid().as_raw().to_string();
        let hex: String = uid.bytes().map(|b| format!("{b:02x}")).collect();
        bus.write(format!("\0AUTH EXTERNAL {hex}\r\n").as_bytes())?;
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let mut byte = [0];
            bus.read(&mut byte)?;
            line.push(byte[0]);
            if line.len() > 1024 {
                return Err(malformed("the answer to authentication is too long"));
            }
        }
        if !line.starts_with(b"OK ") {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "D-Bus: authentication was refused",
            ));
        }
        bus.write(b"BEGIN\r\n")?;
        Ok(bus)
    }

    fn left(&self) -> io::Result<Duration> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            Err(io::ErrorKind::TimedOut.into())
        } else {
            Ok(left)
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.set_write_timeout(Some(self.left()?))?;
        self.stream.write_all(bytes)
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        self.stream.set_read_timeout(Some(self.left()?))?;
        self.stream.read_exact(buffer)
    }

    /// Makes one call and gives what the reply holds.
    pub fn call(&mut self, call: &Call<'_>) -> io::Result<Vec<Value>> {
        let mut replies = self.call_all(std::slice::from_ref(call))?;
        replies
            .pop()
            .unwrap_or_else(|| Err(malformed("there is no reply")))
    }

    /// Makes many calls without waiting for one before the next. Replies come in the order of the
    /// calls; an error reply is an error of its call only.
    pub fn call_all(&mut self, calls: &[Call<'_>]) -> io::Result<Vec<io::Result<Vec<Value>>>> {
        let mut replies = Vec::with_capacity(calls.len());
        for window in calls.chunks(WINDOW) {
            let first = self.serial.wrapping_add(1);
            let mut bytes = Vec::new();
            for call in window {
                self.serial = self.serial.wrapping_add(1);
                push_call(&mut bytes, call, self.serial);
            }
            self.write(&bytes)?;
            let mut found: Vec<Option<io::Result<Vec<Value>>>> =
                window.iter().map(|_| None).collect();
            while found.iter().any(Option::is_none) {
                let (serial, reply) = self.receive()?;
                let at = serial.wrapping_sub(first) as usize;
                if let Some(place) = found.get_mut(at) {
                    *place = Some(reply);
                }
            }
            replies.extend(found.into_iter().flatten());
        }
        Ok(replies)
    }

    /// The next reply; signals and calls of others are passed over.
    fn receive(&mut self) -> io::Result<(u32, io::Result<Vec<Value>>)> {
        loop {
            let mut head = [0; 16];
            self.read(&mut head)?;
            let rest = rest_length(&head)?;
            let mut message = head.to_vec();
            message.resize(16 + rest, 0);
            self.read(&mut message[16..])?;
            if let Some(reply) = parse_reply(&message)? {
                return Ok(reply);
            }
        }
    }

    /// A property of an object.
    pub fn property(&mut self, destination: &str, path: &str, of: [&str; 2]) -> io::Result<Value> {
        let reply = self.call(&get(destination, path, &of))?;
        reply
            .into_iter()
            .next()
            .ok_or_else(|| malformed("the property has no value"))
    }
}

/// The call that reads a property: interface and name.
pub fn get<'a>(destination: &'a str, path: &'a str, of: &'a [&'a str; 2]) -> Call<'a> {
    Call {
        destination,
        path,
        interface: "org.freedesktop.DBus.Properties",
        member: "Get",
        arguments: of,
    }
}

/// `unix:path=…` or `unix:abstract=…`, with percent escapes.
fn connect(address: &str) -> io::Result<UnixStream> {
    let options = address
        .strip_prefix("unix:")
        .ok_or_else(|| malformed("only unix sockets are known"))?;
    for option in options.split(',') {
        match option.split_once('=') {
            Some(("path", path)) => return UnixStream::connect(unescape(path)),
            Some(("abstract", name)) => {
                let address = SocketAddr::from_abstract_name(unescape(name))?;
                return UnixStream::connect_addr(&address);
            }
            _ => {}
        }
    }
    Err(malformed("the address names no socket"))
}

fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        match after.get(..2).and_then(|h| u8::from_str_radix(h, 16).ok()) {
            Some(byte) => {
                out.push(char::from(byte));
                rest = &after[2..];
            }
            None => {
                out.push('%');
                rest = after;
            }
        }
    }
    out + rest
}

fn align(bytes: &mut Vec<u8>, to: usize) {
    bytes.resize(bytes.len().next_multiple_of(to), 0);
}

fn push_text(bytes: &mut Vec<u8>, text: &str) {
    align(bytes, 4);
    bytes.extend((text.len() as u32).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes.push(0);
}

fn push_signature(bytes: &mut Vec<u8>, signature: &str) {
    bytes.push(signature.len() as u8);
    bytes.extend(signature.as_bytes());
    bytes.push(0);
}

fn push_call(out: &mut Vec<u8>, call: &Call<'_>, serial: u32) {
    let mut body = Vec::new();
    for argument in call.arguments {
        push_text(&mut body, argument);
    }
    let mut fields = Vec::new();
    for (code, kind, text) in [
        (1u8, "o", call.path),
        (2, "s", call.interface),
        (3, "s", call.member),
        (6, "s", call.destination),
    ] {
        align(&mut fields, 8);
        fields.push(code);
        push_signature(&mut fields, kind);
        push_text(&mut fields, text);
    }
    if !call.arguments.is_empty() {
        align(&mut fields, 8);
        fields.push(8);
        push_signature(&mut fields, "g");
        push_signature(&mut fields, &"s".repeat(call.arguments.len()));
    }
    // Little-endian method call without flags, version 1.
    let mut message = vec![b'l', 1, 0, 1];
    message.extend((body.len() as u32).to_le_bytes());
    message.extend(serial.to_le_bytes());
    message.extend((fields.len() as u32).to_le_bytes());
    message.extend(fields);
    align(&mut message, 8);
    message.extend(body);
    out.extend(message);
}

/// Bytes behind the fixed head: header fields, padding, body.
fn rest_length(head: &[u8; 16]) -> io::Result<usize> {
    if head[0] != b'l' {
        return Err(malformed("the message is not little-endian"));
    }
    let number = |at: usize| {
        head.get(at..)
            .and_then(|b| b.first_chunk())
            .map_or(0, |b| u32::from_le_bytes(*b)) as usize
    };
    let (body, fields) = (number(4), number(12));
    let rest = fields
        .checked_next_multiple_of(8)
        .and_then(|f| f.checked_add(body));
    rest.filter(|r| *r <= LONGEST)
        .ok_or_else(|| malformed("the message is too long"))
}

type Reply = (u32, io::Result<Vec<Value>>);

/// Serial of the call and what was answered; `None` for what is no reply.
fn parse_reply(message: &[u8]) -> io::Result<Option<Reply>> {
    const RETURN: u8 = 2;
    const ERROR: u8 = 3;
    let kind = message.get(1).copied().unwrap_or(0);
    if kind != RETURN && kind != ERROR {
        return Ok(None);
    }
    let mut reader = Reader {
        bytes: message,
        at: 12,
    };
    let fields = reader
        .value(&mut Signature("a(yv)"), 0)
        .ok_or_else(|| malformed("malformed header"))?;
    let (mut serial, mut signature, mut error) = (None, "", "");
    for field in fields.list() {
        match field.list() {
            [Value::Unsigned(5), value] => serial = value.unsigned(),
            [Value::Unsigned(8), value] => signature = value.text().unwrap_or(""),
            [Value::Unsigned(4), value] => error = value.text().unwrap_or(""),
            _ => {}
        }
    }
    let Some(serial) = serial.and_then(|s| u32::try_from(s).ok()) else {
        return Ok(None);
    };
    reader
        .align(8)
        .ok_or_else(|| malformed("malformed header"))?;
    if kind == ERROR {
        return Ok(Some((
            serial,
            Err(io::Error::other(format!("D-Bus error {error}"))),
        )));
    }
    let mut rest = Signature(signature);
    let mut values = Vec::new();
    while !rest.0.is_empty() {
        values.push(
            reader
                .value(&mut rest, 0)
                .ok_or_else(|| malformed("malformed body"))?,
        );
    }
    Ok(Some((serial, Ok(values))))
}

/// What is left of a signature.
#[derive(Clone, Copy)]
struct Signature<'a>(&'a str);

impl<'a> Signature<'a> {
    fn take(&mut self) -> Option<u8> {
        let first = *self.0.as_bytes().first()?;
        self.0 = self.0.get(1..)?;
        Some(first)
    }

    /// Takes one complete type off.
    fn one(&mut self) -> Option<Signature<'a>> {
        let bytes = self.0.as_bytes();
        let mut length = bytes.iter().take_while(|b| **b == b'a').count();
        let mut depth = 0usize;
        loop {
            match bytes.get(length)? {
                b'(' | b'{' => depth += 1,
                b')' | b'}' => depth = depth.checked_sub(1)?,
                _ => {}
            }
            length += 1;
            if depth == 0 {
                break;
            }
        }
        let (one, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(Signature(one))
    }
}

/// Reads values, aligned within the whole message.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn align(&mut self, to: usize) -> Option<()> {
        self.at = self.at.checked_next_multiple_of(to)?;
        (self.at <= self.bytes.len()).then_some(())
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.align(N)?;
        let bytes = *self.bytes.get(self.at..)?.first_chunk()?;
        self.at += N;
        Some(bytes)
    }

    fn text(&mut self, length: usize) -> Option<Value> {
        let end = self.at.checked_add(length)?;
        let bytes = self.bytes.get(self.at..end)?;
        // A NUL stands behind the text.
        self.at = end.checked_add(1).filter(|a| *a <= self.bytes.len())?;
        Some(Value::Text(super::names::label_text(bytes).into_owned()))
    }

    fn value(&mut self, signature: &mut Signature<'_>, depth: usize) -> Option<Value> {
        // The protocol allows 64 levels.
        if depth > 64 {
            return None;
        }
        Some(match signature.take()? {
            b'y' => Value::Unsigned(u64::from(u8::from_le_bytes(self.array()?))),
            b'q' => Value::Unsigned(u64::from(u16::from_le_bytes(self.array()?))),
            b'u' | b'h' => Value::Unsigned(u64::from(u32::from_le_bytes(self.array()?))),
            b't' => Value::Unsigned(u64::from_le_bytes(self.array()?)),
            b'n' => Value::Signed(i64::from(i16::from_le_bytes(self.array()?))),
            b'i' => Value::Signed(i64::from(i32::from_le_bytes(self.array()?))),
            b'x' => Value::Signed(i64::from_le_bytes(self.array()?)),
            b'b' => Value::Bool(u32::from_le_bytes(self.array()?) != 0),
            b'd' => Value::Double(f64::from_le_bytes(self.array()?)),
            b's' | b'o' => {
                let length = u32::from_le_bytes(self.array()?) as usize;
                self.text(length)?
            }
            b'g' => {
                let [length] = self.array::<1>()?;
                self.text(usize::from(length))?
            }
            b'v' => {
                let [length] = self.array::<1>()?;
                let Value::Text(inner) = self.text(usize::from(length))? else {
                    return None;
                };
                self.value(&mut Signature(&inner), depth + 1)?
            }
            b'a' => self.list(signature.one()?, depth)?,
            open @ (b'(' | b'{') => {
                let close = if open == b'(' { ')' } else { '}' };
                self.align(8)?;
                let mut parts = Vec::new();
                while !signature.0.starts_with(close) {
                    parts.push(self.value(signature, depth + 1)?);
                }
                signature.take()?;
                Value::List(parts)
            }
            _ => return None,
        })
    }

    fn list(&mut self, element: Signature<'_>, depth: usize) -> Option<Value> {
        let length = u32::from_le_bytes(self.array()?) as usize;
        let alignment = match element.0.as_bytes().first()? {
            b'x' | b't' | b'd' | b'(' | b'{' => 8,
            b'n' | b'q' => 2,
            b'y' | b'g' | b'v' => 1,
            _ => 4,
        };
        self.align(alignment)?;
        let end = self
            .at
            .checked_add(length)
            .filter(|e| *e <= self.bytes.len())?;
        let mut values = Vec::new();
        while self.at < end {
            let before = self.at;
            values.push(self.value(&mut { element }, depth + 1)?);
            // A type without bytes would never come to the end.
            if self.at == before {
                return None;
            }
        }
        (self.at == end).then_some(Value::List(values))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::os::unix::net::UnixListener;

    /// A bus that knows a few answers.
    pub(crate) struct FakeBus {
        pub(crate) folder: tempfile::TempDir,
    }

    /// Gives signature and body for path, member and arguments.
    pub(crate) type Answers = fn(&str, &str, &[String]) -> Option<(&'static str, Vec<u8>)>;

    impl FakeBus {
        pub(crate) fn start(answers: Answers) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let listener = UnixListener::bind(folder.path().join("bus")).unwrap();
            std::thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    std::thread::spawn(move || serve(stream, answers));
                }
            });
            FakeBus { folder }
        }

        pub(crate) fn socket(&self) -> String {
            self.folder.path().join("bus").display().to_string()
        }
    }

    fn serve(mut stream: UnixStream, answers: Answers) {
        let mut line = Vec::new();
        while !line.ends_with(b"BEGIN\r\n") {
            let mut byte = [0];
            if stream.read_exact(&mut byte).is_err() {
                return;
            }
            line.push(byte[0]);
            if line.ends_with(b"\r\n")
                && line.starts_with(b"\0AUTH EXTERNAL ")
                && !line.ends_with(b"BEGIN\r\n")
            {
                stream.write_all(b"OK 1234\r\n").unwrap();
            }
        }
        loop {
            let mut head = [0; 16];
            if stream.read_exact(&mut head).is_err() {
                return;
            }
            let mut message = head.to_vec();
            message.resize(16 + rest_length(&head).unwrap(), 0);
            stream.read_exact(&mut message[16..]).unwrap();
            // A call has the shape of a reply but for its type and serial.
            let serial = u32::from_le_bytes(message[8..12].try_into().unwrap());
            let mut reader = Reader {
                bytes: &message,
                at: 12,
            };
            let fields = reader.value(&mut Signature("a(yv)"), 0).unwrap();
            let field = |code: u64| {
                let found = fields
                    .list()
                    .iter()
                    .find(|f| f.list()[0] == Value::Unsigned(code));
                found
                    .and_then(|f| f.list()[1].text())
                    .unwrap_or("")
                    .to_owned()
            };
            reader.align(8).unwrap();
            let mut arguments = Vec::new();
            for _ in 0..field(8).len() {
                let value = reader.value(&mut Signature("s"), 0).unwrap();
                arguments.push(value.text().unwrap().to_owned());
            }
            let answer = answers(&field(1), &field(3), &arguments);
            stream.write_all(&reply(serial, answer)).unwrap();
        }
    }

    fn reply(serial: u32, answer: Option<(&str, Vec<u8>)>) -> Vec<u8> {
        let mut fields = vec![5];
        push_signature(&mut fields, "u");
        align(&mut fields, 4);
        fields.extend(serial.to_le_bytes());
        align(&mut fields, 8);
        let kind = if answer.is_some() { 2 } else { 3 };
        let (signature, body) = answer.unwrap_or(("", Vec::new()));
        if kind == 2 {
            fields.push(8);
            push_signature(&mut fields, "g");
            push_signature(&mut fields, signature);
        } else {
            fields.push(4);
            push_signature(&mut fields, "s");
            push_text(&mut fields, "org.example.Failed");
        }
        let mut message = vec![b'l', kind, 1, 1];
        message.extend((body.len() as u32).to_le_bytes());
        message.extend(1u32.to_le_bytes());
        message.extend((fields.len() as u32).to_le_bytes());
        message.extend(fields);
        align(&mut message, 8);
        message.extend(body);
        message
    }

    /// The body of a variant that holds a text.
    pub(crate) fn text_variant(text: &str) -> Vec<u8> {
        let mut body = Vec::new();
        push_signature(&mut body, "s");
        push_text(&mut body, text);
        body
    }

    /// The body of a variant that holds a number of 64 bits.
    pub(crate) fn number_variant(number: u64) -> Vec<u8> {
        let mut body = Vec::new();
        push_signature(&mut body, "t");
        align(&mut body, 8);
        body.extend(number.to_le_bytes());
        body
    }

    /// An array of structures of texts (and zeros for `u`).
    pub(crate) fn structures(rows: &[&[&str]], signature: &str) -> Vec<u8> {
        let mut body = vec![0; 8];
        for row in rows {
            align(&mut body, 8);
            let mut texts = row.iter();
            for kind in signature.bytes() {
                match kind {
                    b'u' => {
                        align(&mut body, 4);
                        body.extend([0; 4]);
                    }
                    _ => push_text(&mut body, texts.next().unwrap()),
                }
            }
        }
        let length = (body.len() - 8) as u32;
        body[..4].copy_from_slice(&length.to_le_bytes());
        body
    }

    #[test]
    fn calls_and_replies() {
        let bus = FakeBus::start(|path, member, arguments| match (path, member) {
            ("/a", "Get") => Some(("v", text_variant(&arguments.join("+")))),
            ("/a", "List") => Some(("a(su)", structures(&[&["x"], &["yy"]], "su"))),
            _ => None,
        });
        let mut bus =
            Bus::private(&bus.socket(), Instant::now() + Duration::from_secs(10)).unwrap();
        let value = bus.property("d", "/a", ["i", "Name"]).unwrap();
        assert_eq!(value.text(), Some("i+Name"));
        let list = Call {
            destination: "d",
            path: "/a",
            interface: "i",
            member: "List",
            arguments: &[],
        };
        let reply = bus.call(&list).unwrap();
        let names: Vec<_> = reply[0]
            .list()
            .iter()
            .map(|r| r.list()[0].text().unwrap())
            .collect();
        assert_eq!(names, ["x", "yy"]);
        let calls = vec![get("d", "/a", &["i", "p"]); 200];
        let replies = bus.call_all(&calls).unwrap();
        assert_eq!(replies.len(), 200);
        assert!(replies.iter().all(Result::is_ok));
        let error = bus.property("d", "/b", ["i", "p"]).unwrap_err();
        assert!(error.to_string().contains("org.example.Failed"), "{error}");
    }

    #[test]
    fn a_silent_peer_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let _listener = UnixListener::bind(folder.path().join("bus")).unwrap();
        let path = folder.path().join("bus").display().to_string();
        let deadline = Instant::now() + Duration::from_millis(100);
        assert!(Bus::private(&path, deadline).is_err());
    }

    #[test]
    fn addresses() {
        assert_eq!(unescape("/a%20b%"), "/a b%");
        assert!(connect("tcp:host=x").is_err());
        assert!(connect("unix:guid=1").is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut bytes: Vec<u8>, signature in "[ysav(){}utgbd]{0,12}") {
            let _ = parse_reply(&bytes);
            let mut reader = Reader { bytes: &bytes, at: 0 };
            let _ = reader.value(&mut Signature(&signature), 0);
            if bytes.len() > 2 {
                bytes[1] = 2;
                let _ = parse_reply(&bytes);
            }
        }
    }
}
