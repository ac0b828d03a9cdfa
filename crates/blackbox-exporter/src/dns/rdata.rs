//! The data of records in master files, by type. A record that ends before all of its fields counts
//! as if those that lack were empty or 0, as in the original's library.

use super::message::{Reader, push_char, unescaped};
use super::names::{TYPES, word};
use crate::hex::hex;
use base64::Engine;
use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

/// One field of a record's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Name,
    U8,
    U16,
    U32,
    /// The number of a type, as its word.
    Type,
    /// Seconds since the epoch as `YYYYMMDDHHMMSS`.
    Time,
    V4,
    V6,
    /// A string with its length before it, in quotes.
    Quoted,
    /// The same without quotes.
    Bare,
    /// Such strings up to the end.
    Strings,
    /// What is left, in quotes.
    Octets,
    /// What is left in base 64.
    Base64,
    /// What is left in hexadecimal digits.
    Hex,
    UpperHex,
    /// Bytes joined by hyphens.
    Hyphens,
    /// Eight bytes in groups of two.
    Groups,
    UpperGroups,
    /// A salt with its length before it.
    Salt,
    /// A hash with its length before it, in base 32.
    Hash,
    /// The bit map of types, up to the end.
    Types,
    CertificateType,
    Algorithm,
    /// Options of OPT: a code, a length and what it is the length of.
    Options,
    /// Data whose fields depend on each other.
    Location,
    Parameters,
    Prefixes,
    HostIdentity,
    Gateway,
    Relay,
}

use Field::*;

/// The fields of a type; `None` where it is not known.
fn fields(kind: u16) -> Option<&'static [Field]> {
    Some(match kind {
        1 => &[V4],
        28 => &[V6],
        2 | 3 | 4 | 5 | 7 | 8 | 9 | 12 | 23 | 39 => &[Name],
        6 => &[Name, Name, U32, U32, U32, U32, U32],
        13 | 20 => &[Quoted, Quoted],
        14 | 17 | 58 => &[Name, Name],
        15 | 18 | 21 | 36 | 107 => &[U16, Name],
        16 | 56 | 99 | 258 | 261 => &[Strings],
        19 => &[Bare],
        24 | 46 => &[Type, U8, U8, U32, Time, Time, U16, Name, Base64],
        25 | 48 | 57 | 60 => &[U16, U8, U8, Base64],
        26 => &[U16, Name, Name],
        27 => &[Bare, Bare, Bare],
        29 => &[Location],
        30 | 47 => &[Name, Types],
        31 | 32 => &[UpperHex],
        33 => &[U16, U16, U16, Name],
        35 => &[U16, U16, Quoted, Quoted, Quoted, Name],
        37 => &[CertificateType, U16, Algorithm, Base64],
        41 => &[Options],
        42 => &[Prefixes],
        43 | 59 | 32768 | 32769 => &[U16, U8, U8, UpperHex],
        44 => &[U8, U8, UpperHex],
        45 => &[Gateway],
        49 | 61 => &[Base64],
        50 => &[U8, U8, U16, Salt, Hash, Types],
        51 => &[U8, U8, U16, Salt],
        52 | 53 => &[U8, U8, U8, Hex],
        55 => &[HostIdentity],
        62 => &[U32, U16, Types],
        63 => &[U32, U8, U8, Hex],
        64 | 65 => &[U16, Name, Parameters],
        100 => &[Quoted],
        101 | 102 => &[U32],
        104 => &[U16, Groups],
        105 => &[U16, V4],
        106 => &[U16, UpperGroups],
        108 | 109 => &[Hyphens],
        128 | 255 => &[],
        256 => &[U16, U16, Octets],
        257 => &[U8, Bare, Octets],
        260 => &[Relay],
        _ => return None,
    })
}

/// The text of data; `None` where the type is not known, `Some(None)` where the data is malformed.
pub fn text(kind: u16, data: &[u8]) -> Option<Option<String>> {
    let fields = fields(kind)?;
    if data.is_empty() && fields.len() == 1 {
        return Some(Some(String::new()));
    }
    let r = &mut Reader::new(data);
    let mut text = String::new();
    for (at, field) in fields.iter().enumerate() {
        let Some(value) = read(*field, r) else {
            return Some(None);
        };
        // A list brings the blank before each of its items.
        let joined = at > 0 && !matches!(field, Types | Parameters);
        text.push_str(if joined { " " } else { "" });
        text.push_str(&value);
    }
    Some(r.rest().is_empty().then_some(text))
}

fn read(field: Field, r: &mut Reader<'_>) -> Option<String> {
    if r.rest().is_empty() {
        return Some(empty(field).to_owned());
    }
    Some(match field {
        Name => r.name()?,
        U8 => r.u8()?.to_string(),
        U16 => r.u16()?.to_string(),
        U32 => r.u32()?.to_string(),
        Type => word(TYPES, r.u16()?, "TYPE"),
        Time => time(r.u32()?)?,
        V4 => v4(r)?,
        V6 => v6(r)?,
        Quoted => quoted(r.string()?),
        Bare => escaped(r.string()?, b"\"\\"),
        Strings => strings(r)?,
        Octets => octets(all(r)),
        Base64 => base64(all(r)),
        Hex => hex(all(r)),
        UpperHex => hex(all(r)).to_ascii_uppercase(),
        Hyphens => joined(all(r), 1, "-"),
        Groups => joined(r.take(8)?, 2, ":"),
        UpperGroups => joined(r.take(8)?, 2, ":").to_ascii_uppercase(),
        Salt => match r.string()? {
            [] => "-".to_owned(),
            salt => hex(salt).to_ascii_uppercase(),
        },
        Hash => base32(r.string()?),
        Types => types(r)?,
        CertificateType => numbered(CERTIFICATES, r.u16()?),
        Algorithm => numbered(ALGORITHMS, u16::from(r.u8()?)),
        Options => {
            while !r.rest().is_empty() {
                let (_, length) = (r.u16()?, r.u16()?);
                r.take(usize::from(length))?;
            }
            String::new()
        }
        Location => location(r)?,
        Parameters => parameters(r)?,
        Prefixes => prefixes(r)?,
        HostIdentity => host_identity(r)?,
        Gateway => {
            let (precedence, kind, algorithm) = (r.u8()?, r.u8()?, r.u8()?);
            let gateway = gateway(r, kind)?;
            format!(
                "{precedence} {kind} {algorithm} {gateway} {}",
                base64(all(r))
            )
        }
        Relay => {
            let (precedence, kind) = (r.u8()?, r.u8()?);
            let gateway = gateway(r, kind & 0x7f)?;
            format!("{precedence} {} {} {gateway}", kind >> 7, kind & 0x7f)
        }
    })
}

/// A field that is not there.
fn empty(field: Field) -> &'static str {
    match field {
        U8 | U16 | U32 | CertificateType | Algorithm => "0",
        Type => "None",
        Time => "19700101000000",
        Quoted | Octets => "\"\"",
        Salt => "-",
        Groups | UpperGroups => "0000:0000:0000:0000",
        _ => "",
    }
}

const CERTIFICATES: &[(&str, u16)] = &[
    ("PKIX", 1),
    ("SPKI", 2),
    ("PGP", 3),
    ("IPIX", 4),
    ("ISPKI", 5),
    ("IPGP", 6),
    ("ACPKIX", 7),
    ("IACPKIX", 8),
    ("URI", 253),
    ("OID", 254),
];

const ALGORITHMS: &[(&str, u16)] = &[
    ("RSAMD5", 1),
    ("DH", 2),
    ("DSA", 3),
    ("RSASHA1", 5),
    ("DSA-NSEC3-SHA1", 6),
    ("RSASHA1-NSEC3-SHA1", 7),
    ("RSASHA256", 8),
    ("RSASHA512", 10),
    ("ECC-GOST", 12),
    ("ECDSAP256SHA256", 13),
    ("ECDSAP384SHA384", 14),
    ("ED25519", 15),
    ("ED448", 16),
    ("INDIRECT", 252),
    ("PRIVATEDNS", 253),
    ("PRIVATEOID", 254),
];

/// The word of a number, or the number.
fn numbered(table: &[(&'static str, u16)], number: u16) -> String {
    word(table, number, "")
}

fn all<'b>(r: &mut Reader<'b>) -> &'b [u8] {
    let rest = r.rest();
    r.take(rest.len()).unwrap_or_default()
}

/// Groups of bytes in hexadecimal digits with something between them.
fn joined(data: &[u8], size: usize, between: &str) -> String {
    data.chunks(size).map(hex).collect::<Vec<_>>().join(between)
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

fn v4(r: &mut Reader<'_>) -> Option<String> {
    let bytes = <[u8; 4]>::try_from(r.take(4)?).ok()?;
    Some(Ipv4Addr::from(bytes).to_string())
}

/// Canonical short form; mapped addresses stand as such.
fn v6(r: &mut Reader<'_>) -> Option<String> {
    let address = Ipv6Addr::from(<[u8; 16]>::try_from(r.take(16)?).ok()?);
    Some(match address.to_ipv4_mapped() {
        Some(mapped) => format!("::ffff:{mapped}"),
        None => address.to_string(),
    })
}

fn quoted(bytes: &[u8]) -> String {
    format!("\"{}\"", escaped(bytes, b"\"\\"))
}

/// Bytes in quotes; a backslash among them escapes what follows it.
fn octets(bytes: &[u8]) -> String {
    let mut plain = Vec::new();
    let mut rest = bytes;
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        if *byte != b'\\' {
            plain.push(*byte);
        } else if let Some((escaped, after)) = unescaped(tail) {
            plain.push(escaped);
            rest = after;
        }
    }
    quoted(&plain)
}

fn strings(r: &mut Reader<'_>) -> Option<String> {
    let mut parts = Vec::new();
    while !r.rest().is_empty() {
        parts.push(quoted(r.string()?));
    }
    Some(parts.join(" "))
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

/// RFC 9460, each with a blank before it.
fn parameters(r: &mut Reader<'_>) -> Option<String> {
    let mut text = String::new();
    let mut least = 0;
    while !r.rest().is_empty() {
        let (key, length) = (r.u16()?, r.u16()?);
        // They stand in order, none twice.
        if u32::from(key) < least {
            return None;
        }
        least = u32::from(key) + 1;
        let value = parameter(key, r.take(usize::from(length))?)?;
        // Writing to a String cannot fail.
        let _ = write!(text, " {}=\"{value}\"", parameter_name(key));
    }
    Some(text)
}

fn parameter_name(key: u16) -> String {
    let names = [
        "mandatory",
        "alpn",
        "no-default-alpn",
        "port",
        "ipv4hint",
        "ech",
        "ipv6hint",
        "dohpath",
        "ohttp",
    ];
    let name = names.get(usize::from(key));
    name.map_or_else(|| format!("key{key}"), |name| (*name).to_owned())
}

fn parameter(key: u16, value: &[u8]) -> Option<String> {
    let r = &mut Reader::new(value);
    let mut list = Vec::new();
    while !r.rest().is_empty() {
        list.push(match key {
            0 => parameter_name(r.u16()?),
            1 => escaped_protocol(r.string()?),
            3 => r.u16()?.to_string(),
            4 => v4(r)?,
            5 => base64(all(r)),
            6 => v6(r)?,
            2 | 8 => return None,
            _ => escaped(all(r), b"\"; \\"),
        });
    }
    Some(list.join(","))
}

fn escaped(bytes: &[u8], special: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        push_char(&mut text, *byte, special);
        text
    })
}

/// A comma and a backslash in an item of a list are escaped twice.
fn escaped_protocol(bytes: &[u8]) -> String {
    let parts = bytes.iter().map(|byte| match byte {
        b',' => "\\\\\\044".to_owned(),
        b'\\' => "\\\\\\092".to_owned(),
        byte => escaped(&[*byte], b"\"; "),
    });
    parts.collect()
}

/// RFC 3123
fn prefixes(r: &mut Reader<'_>) -> Option<String> {
    let mut list = Vec::new();
    while !r.rest().is_empty() {
        let (family, prefix, length) = (r.u16()?, r.u8()?, r.u8()?);
        let bytes = r.take(usize::from(length & 0x7f))?;
        let mut padded = [0; 16];
        padded.get_mut(..bytes.len())?.copy_from_slice(bytes);
        let address = match (family, prefix) {
            (1, 0..=32) => v4(&mut Reader::new(&padded))?,
            (2, 0..=128) => v6(&mut Reader::new(&padded))?,
            _ => return None,
        };
        let not = if length & 0x80 != 0 { "!" } else { "" };
        list.push(format!("{not}{family}:{address}/{prefix}"));
    }
    Some(list.join(" "))
}

/// RFC 8005
fn host_identity(r: &mut Reader<'_>) -> Option<String> {
    let (length, algorithm, key_length) = (r.u8()?, r.u8()?, r.u16()?);
    let tag = hex(r.take(usize::from(length))?);
    let key = base64(r.take(usize::from(key_length))?);
    let mut text = format!("{algorithm} {tag} {key}");
    while !r.rest().is_empty() {
        text = format!("{text} {}", r.name()?);
    }
    Some(text)
}

/// A gateway by its type (RFC 4025, section 2.3).
fn gateway(r: &mut Reader<'_>, kind: u8) -> Option<String> {
    match kind {
        0 => Some(".".to_owned()),
        1 => v4(r),
        2 => v6(r),
        3 => r.name(),
        _ => None,
    }
}

/// RFC 1876
fn location(r: &mut Reader<'_>) -> Option<String> {
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
    let metres = f64::from(altitude) / 100.0 - 100_000.0;
    let digits = if altitude % 100 == 0 { 0 } else { 2 };
    // A digit and a power of ten, in centimetres.
    let precision = |byte: u8| match (byte >> 4, usize::from(byte & 15)) {
        (digit, 0) => format!("0.{digit:02}m"),
        (digit, 1) => format!("0.{:02}m", digit * 10),
        (digit, power) => format!("{digit}{}m", "0".repeat(power - 2)),
    };
    Some(format!(
        "{} {} {metres:.digits$}m {} {} {}",
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

    #[test]
    fn texts() {
        let ok = |kind: u16, data: &[u8]| text(kind, data).unwrap().unwrap();
        for (kind, data, expected) in [
            (6, &b"\x01m\0\x01h\0\0\0\0\x01"[..], "m. h. 1 0 0 0 0"),
            (15, b"\0\x0a", "10 "),
            (1, b"", ""),
            (19, b"\x03311", "311"),
            (257, b"\0\x03a\xbe\"x", "0 a\\190\\\" \"x\""),
            (20, b"\x0215", "\"15\" \"\""),
            (
                29,
                b"\0\x12\x16\x13\x80\x0f\x42\x40\x7f\xb3\xb4\xc0\0\x98\x9b\x52",
                "00 16 40.000 N 01 23 20.000 W 12.34m 1m 10000m 10m",
            ),
            (37, b"\0\x01\0\x0c\x08a", "PKIX 12 RSASHA256 YQ=="),
            (42, b"\0\x01\x18\x83\x01\x02\x03", "!1:1.2.3.0/24"),
            (45, b"\x0a\x03\x02\x01g\0a", "10 3 2 g. YQ=="),
            (55, b"\x01\x02\0\x01ab\x01r\0", "2 61 Yg== r."),
            (
                65,
                b"\0\x01\0\0\x01\0\x04\x03a,\\",
                "1 . alpn=\"a\\\\\\044\\\\\\092\"",
            ),
            (65, b"\0\x01\0\0\x07\0\x02/x", "1 . dohpath=\"/x\""),
            (
                104,
                b"\0\x01\x72\x17\xa6\x93\xa4\x56\xf0\x3a",
                "1 7217:a693:a456:f03a",
            ),
            (256, b"\0\x01\0\x02a\"\\066\\", "1 2 \"a\\\"B\""),
            (260, b"\x0a\x81\x01\x02\x03\x04", "10 1 1 1.2.3.4"),
            (128, b"", ""),
        ] {
            assert_eq!(ok(kind, data), expected);
        }
        for (kind, data) in [
            (1, &b"\x01\x02\x03"[..]),
            (2, b"\x01n\0z"),
            (16, b"\x05ab"),
            (255, b"x"),
            (42, b"\0\x01\x21\x01\x01"),
            (41, b"\0\x0a\0\x08ab"),
            (65, b"\0\x01\0\0\x03\0\x02\0\x50\0\x01\0\0"),
        ] {
            assert_eq!(text(kind, data), Some(None));
        }
        assert_eq!(text(4711, b"x"), None);
        assert_eq!(base32(b"\xff\x00\xff\x00\xffx"), "VS0FU07VF0");
    }

    proptest! {
        #[test]
        fn no_data_makes_it_panic(kind in 0u16..300, data: Vec<u8>) {
            let _ = text(kind, &data);
        }
    }
}
