//! Netlink requests: dumps of routing tables, links, neighbours, sockets, and generic netlink.
//!
//! The socket and the buffer stay from scrape to scrape; after any error the socket is closed and
//! the next request opens another. See the kernel's `userspace-api/netlink`.

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, sockopt,
};
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// `NLM_F_REQUEST | NLM_F_ACK`: one answer, then an acknowledgement.
pub const GET: u16 = 0x1 | 0x4;
/// `NLM_F_REQUEST | NLM_F_DUMP`: all objects.
pub const DUMP: u16 = 0x1 | 0x300;

/// `NLA_F_NESTED`, which newer families insist on in attributes that hold attributes.
pub const NESTED: u16 = 0x8000;

/// Asks for links.
pub const RTM_GETLINK: u16 = 18;

const NLMSG_NOOP: u16 = 1;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_DUMP_INTR: u16 = 0x10;
const HEADER: usize = 16;

/// The kernel answers from memory; only a lost message could make it silent.
const SILENCE: Duration = Duration::from_secs(2);
/// A dump that a change interrupted is inconsistent and is asked for again.
const TRIES: usize = 3;

/// Which part of the kernel a socket talks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `NETLINK_ROUTE`: links, addresses, routes, neighbours, queueing disciplines.
    Route,
    /// `NETLINK_SOCK_DIAG`: sockets.
    SockDiag,
    /// `NETLINK_GENERIC`: families known by name.
    Generic,
}

/// A connection to the kernel.
pub struct Netlink {
    family: Family,
    socket: Option<OwnedFd>,
    sequence: u32,
    request: Vec<u8>,
    buffer: Vec<u8>,
}

/// One message of an answer.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Message type.
    pub kind: u16,
    /// What follows the header.
    pub payload: &'a [u8],
}

impl Netlink {
    /// Nothing is opened before the first request.
    pub fn new(family: Family) -> Self {
        Netlink {
            family,
            socket: None,
            sequence: 0,
            request: Vec::new(),
            buffer: Vec::new(),
        }
    }

    /// Sends a request ([`GET`] or [`DUMP`]) and calls `each` with every message of the answer.
    /// `restart` is called before a dump that was interrupted is asked for again: what was taken
    /// from it until then has to go.
    pub fn request(
        &mut self,
        kind: u16,
        flags: u16,
        body: &[u8],
        mut restart: impl FnMut(),
        mut each: impl FnMut(Message<'_>),
    ) -> io::Result<()> {
        for attempt in 1.. {
            restart();
            match self.exchange(kind, flags, body, &mut each) {
                Ok(true) => return Ok(()),
                // After the last try the picture of a busy table is better than none.
                Ok(false) if attempt >= TRIES => return Ok(()),
                Ok(false) => {}
                Err(error) => {
                    self.socket = None;
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Whether the answer is consistent.
    fn exchange(
        &mut self,
        kind: u16,
        flags: u16,
        body: &[u8],
        each: &mut impl FnMut(Message<'_>),
    ) -> io::Result<bool> {
        self.send(kind, flags, body)?;
        let mut consistent = true;
        let socket = self.socket.as_ref().ok_or(Errno::NOTCONN)?;
        loop {
            let length = receive(socket, &mut self.buffer)?;
            for message in messages(&self.buffer[..length]) {
                let (sequence, flags, message) = message?;
                if sequence != self.sequence {
                    continue;
                }
                consistent &= flags & NLM_F_DUMP_INTR == 0;
                match message.kind {
                    NLMSG_NOOP => {}
                    NLMSG_DONE => return Ok(consistent),
                    NLMSG_ERROR => return status(message.payload).map(|()| consistent),
                    _ => each(message),
                }
            }
        }
    }

    fn send(&mut self, kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        if self.socket.is_none() {
            self.socket = Some(open(self.family)?);
        }
        let socket = self.socket.as_ref().ok_or(Errno::NOTCONN)?;
        self.request.clear();
        let length = (HEADER + body.len()) as u32;
        self.request.extend(length.to_ne_bytes());
        self.request.extend(kind.to_ne_bytes());
        self.request.extend(flags.to_ne_bytes());
        self.request.extend(self.sequence.to_ne_bytes());
        self.request.extend([0; 4]);
        self.request.extend(body);
        rustix::net::send(socket, &self.request, SendFlags::empty())?;
        Ok(())
    }

    /// Number of a generic netlink family, which the kernel gives out at run time. A family that
    /// does not exist gives ENOENT.
    pub fn generic_family(&mut self, name: &str) -> io::Result<u16> {
        const GENL_ID_CTRL: u16 = 0x10;
        const CTRL_CMD_GETFAMILY: u8 = 3;
        const CTRL_ATTR_FAMILY_ID: u16 = 1;
        const CTRL_ATTR_FAMILY_NAME: u16 = 2;
        let mut body = vec![CTRL_CMD_GETFAMILY, 1, 0, 0];
        push_attribute(
            &mut body,
            CTRL_ATTR_FAMILY_NAME,
            &[name.as_bytes(), b"\0"].concat(),
        );
        let mut id = None;
        self.request(
            GENL_ID_CTRL,
            GET,
            &body,
            || {},
            |message| {
                let attributes = attributes(message.payload.get(4..).unwrap_or_default());
                for (kind, value) in attributes {
                    if kind == CTRL_ATTR_FAMILY_ID {
                        id = u16_of(value);
                    }
                }
            },
        )?;
        id.ok_or_else(|| io::Error::from(Errno::NOENT))
    }
}

fn open(family: Family) -> io::Result<OwnedFd> {
    let protocol: Option<Protocol> = match family {
        // NETLINK_ROUTE is protocol 0.
        Family::Route => None,
        Family::SockDiag => Some(netlink::SOCK_DIAG),
        Family::Generic => Some(netlink::GENERIC),
    };
    let flags = SocketFlags::CLOEXEC;
    let socket =
        rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, protocol)?;
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(SILENCE))?;
    rustix::net::connect(&socket, &netlink::SocketAddrNetlink::new(0, 0))?;
    Ok(socket)
}

fn receive(socket: &OwnedFd, buffer: &mut Vec<u8>) -> io::Result<usize> {
    // The kernel fills dumps in pieces of at most 32 KiB, and one message is never longer.
    buffer.resize(32 * 1024, 0);
    let (_, length) =
        rustix::io::retry_on_intr(|| rustix::net::recv(socket, &mut buffer[..], RecvFlags::TRUNC))?;
    if length > buffer.len() {
        return Err(io::Error::other("a netlink message was cut off"));
    }
    if length == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(length)
}

fn status(payload: &[u8]) -> io::Result<()> {
    match i32_of(payload) {
        Some(0) => Ok(()),
        Some(code) => Err(io::Error::from_raw_os_error(code.wrapping_neg())),
        None => Err(malformed()),
    }
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "malformed netlink message")
}

/// Splits a datagram into (sequence, flags, message).
fn messages(datagram: &[u8]) -> impl Iterator<Item = io::Result<(u32, u16, Message<'_>)>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let parsed = split_message(rest);
        rest = match &parsed {
            Some((.., tail)) => tail,
            None => &[],
        };
        Some(parsed.map(|(s, f, m, _)| (s, f, m)).ok_or_else(malformed))
    })
}

fn split_message(bytes: &[u8]) -> Option<(u32, u16, Message<'_>, &[u8])> {
    let length = u32_of(bytes)? as usize;
    let kind = u16_of(bytes.get(4..)?)?;
    let flags = u16_of(bytes.get(6..)?)?;
    let sequence = u32_of(bytes.get(8..)?)?;
    let payload = bytes.get(HEADER..length)?;
    let tail = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some((sequence, flags, Message { kind, payload }, tail))
}

/// Attributes (`struct rtattr`, `struct nlattr`) as (type, value); flags of the type are removed.
/// Stops at the first malformed one.
pub fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let length = usize::from(u16_of(rest)?);
        let kind = u16_of(rest.get(2..)?)? & 0x3fff;
        let value = rest.get(4..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// Appends an attribute and its padding to a request body.
pub fn push_attribute(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    body.extend(((value.len() + 4) as u16).to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

/// A number in host order from the front of a value; longer values are allowed.
pub fn u16_of(value: &[u8]) -> Option<u16> {
    value.first_chunk().map(|b| u16::from_ne_bytes(*b))
}

/// See [`u16_of`].
pub fn u8_of(value: &[u8]) -> Option<u8> {
    value.first().copied()
}

/// See [`u16_of`].
pub fn u32_of(value: &[u8]) -> Option<u32> {
    value.first_chunk().map(|b| u32::from_ne_bytes(*b))
}

/// See [`u16_of`].
pub fn i32_of(value: &[u8]) -> Option<i32> {
    value.first_chunk().map(|b| i32::from_ne_bytes(*b))
}

/// See [`u16_of`].
pub fn u64_of(value: &[u8]) -> Option<u64> {
    value.first_chunk().map(|b| u64::from_ne_bytes(*b))
}

/// Text up to the first NUL.
pub fn text_of(value: &[u8]) -> std::borrow::Cow<'_, str> {
    let end = memchr::memchr(0, value).unwrap_or(value.len());
    super::names::label_text(&value[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const IFLA_IFNAME: u16 = 3;

    #[test]
    fn lists_the_loopback_link() {
        let mut netlink = Netlink::new(Family::Route);
        for _ in 0..2 {
            let mut names = Vec::new();
            netlink
                .request(
                    RTM_GETLINK,
                    DUMP,
                    &[0; 16],
                    || {},
                    |m| {
                        let attributes = attributes(m.payload.get(16..).unwrap_or_default());
                        names.extend(
                            attributes
                                .filter(|a| a.0 == IFLA_IFNAME)
                                .map(|a| text_of(a.1).into_owned()),
                        );
                    },
                )
                .unwrap();
            assert!(names.contains(&"lo".to_owned()), "{names:?}");
        }
    }

    #[test]
    fn an_error_answer_is_an_error() {
        let mut netlink = Netlink::new(Family::Generic);
        let error = netlink.generic_family("no-such-family").unwrap_err();
        assert_eq!(error.raw_os_error(), Some(Errno::NOENT.raw_os_error()));
        assert_eq!(netlink.generic_family("nlctrl").unwrap(), 0x10);
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes: Vec<u8>) {
            let _ = messages(&bytes).count();
            let _ = attributes(&bytes).count();
            let _ = status(&bytes);
        }
    }
}
