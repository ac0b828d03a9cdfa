//! Records as master files have them (RFC 1035, section 5): owner, TTL, class, type and data,
//! separated by tabs.

use super::message::{OPT, Reader, Record, push_char};
use super::names::{CLASSES, TYPES, word};
use base64::Engine;
use std::fmt::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind == OPT {
            return f.write_str(&opt(self));
        }
        let class = word(CLASSES, self.class, "CLASS");
        let kind = word(TYPES, self.kind, "TYPE");
        let data = data(self.kind, &self.data).unwrap_or_else(|| unknown(&self.data));
        write!(f, "{}\t{}\t{class}\t{kind}\t{data}", self.name, self.ttl)
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
        reader.u32()
    }
}

/// RFC 3597
fn unknown(data: &[u8]) -> String {
    match data.is_empty() {
        true => "\\# 0".to_owned(),
        false => format!("\\# {} {}", data.len(), hex(data)),
    }
}

fn opt(record: &Record) -> String {
    let version = record.ttl >> 16 & 0xff;
    let dnssec = if record.ttl & 0x8000 != 0 {
        "; flags: do"
    } else {
        "; flags:"
    };
    format!(
        ";; OPT PSEUDOSECTION:\n; EDNS: version {version}{dnssec}; udp: {}",
        record.class
    )
}

fn hex(data: &[u8]) -> String {
    data.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn upper_hex(data: &[u8]) -> String {
    hex(data).to_ascii_uppercase()
}

fn base64(data: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(data)
}

/// Base 32 with the extended alphabet and without padding (RFC 5155).
fn base32(data: &[u8]) -> String {
    let mut text = String::new();
    for chunk in data.chunks(5) {
        let mut block = [0u8; 8];
        block[3..3 + chunk.len()].copy_from_slice(chunk);
        let bits = u64::from_be_bytes(block);
        for at in 0..(chunk.len() * 8).div_ceil(5) {
            let digit = (bits >> (35 - 5 * at) & 31) as u8;
            text.push(char::from(if digit < 10 {
                b'0' + digit
            } else {
                b'A' + digit - 10
            }));
        }
    }
    text
}

fn quoted(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for byte in bytes {
        push_char(&mut text, *byte, b"\"\\");
    }
    text.push('"');
    text
}

fn strings(reader: &mut Reader<'_>) -> Option<String> {
    let mut parts = Vec::new();
    while !reader.rest().is_empty() {
        parts.push(quoted(reader.string()?));
    }
    Some(parts.join(" "))
}

/// Data of the types that are common; `None` for others and for what is malformed.
fn data(kind: u16, bytes: &[u8]) -> Option<String> {
    let r = &mut Reader::new(bytes);
    Some(match kind {
        1 => Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).to_string(),
        28 => ipv6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)),
        2 | 3 | 4 | 5 | 7 | 8 | 9 | 12 | 23 | 39 => r.name()?,
        6 => {
            let (primary, mail) = (r.name()?, r.name()?);
            let numbers: Option<Vec<String>> =
                (0..5).map(|_| r.u32().map(|n| n.to_string())).collect();
            format!("{primary} {mail} {}", numbers?.join(" "))
        }
        13 => format!("{} {}", quoted(r.string()?), quoted(r.string()?)),
        14 | 17 | 58 => format!("{} {}", r.name()?, r.name()?),
        15 | 18 | 21 | 36 | 107 => format!("{} {}", r.u16()?, r.name()?),
        16 | 56 | 99 | 258 | 261 => strings(r)?,
        33 => format!("{} {} {} {}", r.u16()?, r.u16()?, r.u16()?, r.name()?),
        29 => location(bytes)?,
        35 => {
            let (order, preference) = (r.u16()?, r.u16()?);
            let texts = [r.string()?, r.string()?, r.string()?]
                .map(quoted)
                .join(" ");
            format!("{order} {preference} {texts} {}", r.name()?)
        }
        37 => format!("{} {} {} {}", r.u16()?, r.u16()?, r.u8()?, base64(r.rest())),
        43 | 59 | 32768 | 32769 => {
            format!(
                "{} {} {} {}",
                r.u16()?,
                r.u8()?,
                r.u8()?,
                upper_hex(r.rest())
            )
        }
        44 => format!("{} {} {}", r.u8()?, r.u8()?, upper_hex(r.rest())),
        24 | 46 => signature(r)?,
        47 => format!("{}{}", r.name()?, types(r)?),
        25 | 48 | 57 | 60 => format!("{} {} {} {}", r.u16()?, r.u8()?, r.u8()?, base64(r.rest())),
        49 | 61 => base64(bytes),
        50 => {
            let head = format!("{} {} {} {}", r.u8()?, r.u8()?, r.u16()?, salt(r)?);
            format!("{head} {}{}", base32(r.string()?), types(r)?)
        }
        51 => format!("{} {} {} {}", r.u8()?, r.u8()?, r.u16()?, salt(r)?),
        52 | 53 => format!("{} {} {} {}", r.u8()?, r.u8()?, r.u8()?, hex(r.rest())),
        62 => format!("{} {}{}", r.u32()?, r.u16()?, types(r)?),
        63 => format!("{} {} {} {}", r.u32()?, r.u8()?, r.u8()?, hex(r.rest())),
        64 | 65 => service(r)?,
        108 | 109 => bytes
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect::<Vec<_>>()
            .join("-"),
        256 => format!("{} {} {}", r.u16()?, r.u16()?, quoted(r.rest())),
        257 => format!("{} {} {}", r.u8()?, plain(r.string()?), quoted(r.rest())),
        _ => return None,
    })
}

/// Canonical short form; mapped addresses stand as such.
fn ipv6(address: Ipv6Addr) -> String {
    match address.to_ipv4_mapped() {
        Some(mapped) => format!("::ffff:{mapped}"),
        None => address.to_string(),
    }
}

fn plain(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn salt(r: &mut Reader<'_>) -> Option<String> {
    Some(match r.string()? {
        [] => "-".to_owned(),
        salt => upper_hex(salt),
    })
}

/// RFC 4034, section 3.2
fn signature(r: &mut Reader<'_>) -> Option<String> {
    let covered = word(TYPES, r.u16()?, "TYPE");
    let (algorithm, labels, ttl) = (r.u8()?, r.u8()?, r.u32()?);
    let (expires, begins, tag) = (time(r.u32()?)?, time(r.u32()?)?, r.u16()?);
    let signer = r.name()?;
    let signature = base64(r.rest());
    Some(format!(
        "{covered} {algorithm} {labels} {ttl} {expires} {begins} {tag} {signer} {signature}"
    ))
}

/// `YYYYMMDDHHMMSS`
fn time(seconds: u32) -> Option<String> {
    let time = jiff::Timestamp::from_second(i64::from(seconds)).ok()?;
    Some(time.strftime("%Y%m%d%H%M%S").to_string())
}

/// The bit map of types (RFC 4034, section 4.1.2), each with a blank before it.
fn types(r: &mut Reader<'_>) -> Option<String> {
    let mut text = String::new();
    while !r.rest().is_empty() {
        let window = u16::from(r.u8()?);
        for (at, byte) in r.string()?.iter().enumerate() {
            for bit in (0..8).filter(|bit| byte & (0x80 >> bit) != 0) {
                text.push(' ');
                text.push_str(&word(TYPES, window << 8 | (at as u16) << 3 | bit, "TYPE"));
            }
        }
    }
    Some(text)
}

/// RFC 9460
fn service(r: &mut Reader<'_>) -> Option<String> {
    let mut text = format!("{} {}", r.u16()?, r.name()?);
    while !r.rest().is_empty() {
        let (key, length) = (r.u16()?, r.u16()?);
        let value = r.take(usize::from(length))?;
        // Writing to a String cannot fail.
        let _ = write!(text, " {}", parameter(key, value)?);
    }
    Some(text)
}

fn parameter(key: u16, value: &[u8]) -> Option<String> {
    let r = &mut Reader::new(value);
    let mut list = Vec::new();
    let name = match key {
        0 => {
            while let Some(key) = r.u16() {
                let names = [
                    "mandatory",
                    "alpn",
                    "no-default-alpn",
                    "port",
                    "ipv4hint",
                    "ech",
                    "ipv6hint",
                ];
                let known = names.get(usize::from(key)).map(|n| (*n).to_owned());
                list.push(known.unwrap_or_else(|| format!("key{key}")));
            }
            "mandatory"
        }
        1 => {
            while !r.rest().is_empty() {
                list.push(plain(r.string()?));
            }
            "alpn"
        }
        2 => return Some("no-default-alpn=\"\"".to_owned()),
        3 => {
            list.push(r.u16()?.to_string());
            "port"
        }
        4 => {
            let chunks = value
                .chunks_exact(4)
                .filter_map(|c| <[u8; 4]>::try_from(c).ok());
            list.extend(chunks.map(|c| Ipv4Addr::from(c).to_string()));
            "ipv4hint"
        }
        5 => {
            list.push(base64(value));
            "ech"
        }
        6 => {
            let chunks = value
                .chunks_exact(16)
                .filter_map(|c| <[u8; 16]>::try_from(c).ok());
            list.extend(chunks.map(|c| Ipv6Addr::from(c).to_string()));
            "ipv6hint"
        }
        other => return Some(format!("key{other}={}", quoted(value))),
    };
    Some(format!("{name}=\"{}\"", list.join(",")))
}

/// RFC 1876
fn location(bytes: &[u8]) -> Option<String> {
    let r = &mut Reader::new(bytes);
    let (_, size, horizontal, vertical) = (r.u8()?, r.u8()?, r.u8()?, r.u8()?);
    let (latitude, longitude, altitude) = (r.u32()?, r.u32()?, r.u32()?);
    let angle = |value: u32, positive, negative| {
        let thousandths = i64::from(value) - (1 << 31);
        let side = if thousandths >= 0 { positive } else { negative };
        let magnitude = thousandths.unsigned_abs();
        let (degrees, rest) = (magnitude / 3_600_000, magnitude % 3_600_000);
        format!(
            "{degrees:02} {:02} {:.3} {side}",
            rest / 60_000,
            (rest % 60_000) as f64 / 1000.0
        )
    };
    let metres = (f64::from(altitude) - 10_000_000.0) / 100.0;
    let precision = |byte: u8| {
        let centimetres = u64::from(byte >> 4) * 10u64.pow(u32::from(byte & 15).min(9));
        match centimetres % 100 {
            0 => format!("{}m", centimetres / 100),
            rest => format!("{}.{rest:02}m", centimetres / 100),
        }
    };
    Some(format!(
        "{} {} {metres:.0}m {} {} {}",
        angle(latitude, 'N', 'S'),
        angle(longitude, 'E', 'W'),
        precision(size),
        precision(horizontal),
        precision(vertical)
    ))
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
            (4711, b"\x01\x02", "TYPE4711\t\\# 2 0102"),
            (1, b"\x01", "A\t\\# 1 01"),
        ] {
            assert_eq!(line(kind, data), format!("a.\t60\tIN\t{text}"));
        }
        assert_eq!(base32(b"\xff\x00\xff\x00\xffx"), "VS0FU07VF0");
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
