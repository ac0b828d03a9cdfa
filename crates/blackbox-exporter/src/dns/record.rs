//! Records as master files have them (RFC 1035, section 5): owner, TTL, class, type and data,
//! separated by tabs.

use super::message::{OPT, Reader, Record};
use super::names::{CLASSES, TYPES, word};
use super::rdata;
use crate::hex::hex;
use std::fmt;
use std::net::IpAddr;

const NULL: u16 = 10;

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, ttl, data) = (&self.name, self.ttl, &self.data);
        let kind = word(TYPES, self.kind, "TYPE");
        let class = word(CLASSES, self.class, "CLASS");
        match (self.kind, rdata::text(self.kind, data)) {
            (OPT, _) => f.write_str(&opt(self)),
            // It stands in no master file.
            (NULL, _) => write!(
                f,
                ";{name}\t{ttl}\t{class}\t{kind}\t{}",
                String::from_utf8_lossy(data)
            ),
            (_, Some(text)) => {
                let text = text.unwrap_or_default();
                write!(f, "{name}\t{ttl}\t{class}\t{kind}\t{text}")
            }
            // RFC 3597
            (kind, None) => {
                let (class, length, data) = (self.class, data.len(), hex(data));
                write!(
                    f,
                    "{name}\t{ttl}\tCLASS{class}\tTYPE{kind}\t\\# {length} {data}"
                )
            }
        }
    }
}

impl Record {
    /// The address of an A or AAAA record.
    pub fn address(&self) -> Option<IpAddr> {
        match (self.kind, self.data.len()) {
            (1, 4) => <[u8; 4]>::try_from(&self.data[..]).ok().map(IpAddr::from),
            (28, 16) => <[u8; 16]>::try_from(&self.data[..]).ok().map(IpAddr::from),
            _ => None,
        }
    }

    /// The serial of an SOA record.
    pub fn serial(&self) -> Option<u32> {
        let mut reader = Reader::new(&self.data);
        (self.kind == 6).then_some(())?;
        reader.name()?;
        reader.name()?;
        reader.u32().or(Some(0))
    }

    /// Whether the data has the form of its type, as far as that is known.
    pub fn is_well_formed(&self) -> bool {
        rdata::text(self.kind, &self.data) != Some(None)
    }
}

fn opt(record: &Record) -> String {
    let (version, flags) = (record.ttl >> 16 & 0xff, record.ttl & 0xffff);
    let known = match (flags & 0x8000 != 0, flags & 0x4000 != 0) {
        (true, true) => " do, co",
        (true, false) => " do",
        _ => "",
    };
    // The second flag is one only beside the first.
    let mask = if known == " do, co" { 0x3fff } else { 0x7fff };
    let others = match flags & mask {
        0 => String::new(),
        others => format!(" MBZ: {others:#06x},"),
    };
    format!(
        "\n;; OPT PSEUDOSECTION:\n; EDNS: version {version}; flags:{known};{others} udp: {}",
        record.class
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(kind: u16, data: &[u8]) -> String {
        let record = Record {
            name: "a.".to_owned(),
            kind,
            class: 1,
            ttl: 60,
            data: data.to_owned(),
        };
        record.to_string()
    }

    #[test]
    fn lines() {
        for (kind, data, text) in [
            (1, &b"\x7f\0\0\x01"[..], "A\t127.0.0.1"),
            (
                28,
                b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01",
                "AAAA\t2001:db8::1",
            ),
            (5, b"\x01b\0", "CNAME\tb."),
            (15, b"\0\x0a\x02mx\0", "MX\t10 mx."),
            (16, b"\x02a\"\x03b c", "TXT\t\"a\\\"\" \"b c\""),
            (
                6,
                b"\x01m\0\x01h\0\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\x05",
                "SOA\tm. h. 1 2 3 4 5",
            ),
            (33, b"\0\x01\0\x02\0\x50\x01t\0", "SRV\t1 2 80 t."),
            (257, b"\0\x05issueca.org", "CAA\t0 issue \"ca.org\""),
            (43, b"\x12\x34\x08\x02\xab\xcd", "DS\t4660 8 2 ABCD"),
            (47, b"\x01b\0\0\x01\x40", "NSEC\tb. A"),
            (
                65,
                b"\0\x01\0\0\x01\0\x03\x02h2\0\x03\0\x02\x01\xbb",
                "HTTPS\t1 . alpn=\"h2\" port=\"443\"",
            ),
        ] {
            assert_eq!(line(kind, data), format!("a.\t60\tIN\t{text}"));
        }
        let unknown = "a.\t60\tCLASS1\tTYPE4711\t\\# 2 0102";
        assert_eq!(line(4711, b"\x01\x02"), unknown);
        assert_eq!(line(10, b"abc"), ";a.\t60\tIN\tNULL\tabc");
        let opt = "\n;; OPT PSEUDOSECTION:\n; EDNS: version 0; flags:; MBZ: 0x003c, udp: 1";
        assert_eq!(line(OPT, b""), opt);
    }

    #[test]
    fn serials() {
        let record = Record {
            name: ".".to_owned(),
            kind: 6,
            class: 1,
            ttl: 0,
            data: b"\0\0\0\0\0\x2a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec(),
        };
        assert_eq!(record.serial(), Some(42));
    }

    proptest! {
        #[test]
        fn no_data_makes_it_panic(kind in 0u16..300, data: Vec<u8>) {
            let _ = line(kind, &data);
        }
    }
}
