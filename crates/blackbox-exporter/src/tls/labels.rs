//! A certificate in labels.

use crate::hex::hex;
use x509_parser::asn1_rs::{Tag, ToDer};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// Values of the labels of `probe_ssl_last_chain_info`.
#[derive(Debug, PartialEq, Eq)]
pub struct Labels {
    /// SHA-256 of the certificate in lower-case hexadecimal digits.
    pub fingerprint: String,
    /// Who issued it.
    pub issuer: String,
    /// Its number in hexadecimal digits, whole bytes.
    pub serial: String,
    /// Whom it names.
    pub subject: String,
    /// DNS names, joined by commas.
    pub names: String,
}

/// Reads a certificate.
pub fn of(der: &[u8]) -> Option<Labels> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let digest = ring::digest::digest(&ring::digest::SHA256, der);
    let serial = certificate.raw_serial();
    let magnitude = match serial {
        [0, rest @ ..] if !rest.is_empty() => rest,
        whole => whole,
    };
    let alternative = certificate.subject_alternative_name().ok().flatten();
    let names = alternative.iter().flat_map(|a| &a.value.general_names);
    let names = names.filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(*name),
        _ => None,
    });
    Some(Labels {
        fingerprint: hex(digest.as_ref()),
        issuer: name(certificate.issuer()),
        serial: if magnitude == [0] {
            String::new()
        } else {
            hex(magnitude)
        },
        subject: name(certificate.subject()),
        names: names.collect::<Vec<_>>().join(","),
    })
}

/// Attributes with a short name, in the order that Go prints them in, and whether several values
/// stand side by side.
const KNOWN: [(&str, &str, bool); 9] = [
    ("2.5.4.5", "SERIALNUMBER", false),
    ("2.5.4.3", "CN", false),
    ("2.5.4.11", "OU", true),
    ("2.5.4.10", "O", true),
    ("2.5.4.17", "POSTALCODE", true),
    ("2.5.4.9", "STREET", true),
    ("2.5.4.7", "L", true),
    ("2.5.4.8", "ST", true),
    ("2.5.4.6", "C", true),
];

/// A distinguished name as Go's `pkix.Name` prints it.
fn name(name: &X509Name<'_>) -> String {
    let attributes: Vec<_> = name
        .iter_attributes()
        .map(|a| (a.attr_type().to_id_string(), a))
        .collect();
    let mut parts = Vec::new();
    for (oid, short, several) in KNOWN {
        let values = attributes.iter().filter(|a| a.0 == oid);
        let values: Vec<String> = values
            .filter_map(|a| text(a.1))
            .map(|value| format!("{short}={}", escape(&value)))
            .collect();
        match (several, values.last()) {
            (true, Some(_)) => parts.push(values.join("+")),
            (false, Some(last)) if !last.ends_with('=') => parts.push(last.clone()),
            _ => {}
        }
    }
    let others = attributes
        .iter()
        .rev()
        .filter(|a| KNOWN.iter().all(|k| k.0 != a.0));
    parts.extend(others.map(|(oid, attribute)| match text(attribute) {
        Some(value) => format!("{oid}={}", escape(&value)),
        None => format!("{oid}=#{}", hex(&der(attribute))),
    }));
    parts.join(",")
}

/// The value of an attribute as it stands in the certificate.
fn der(attribute: &AttributeTypeAndValue<'_>) -> Vec<u8> {
    attribute.attr_value().to_der_vec().unwrap_or_default()
}

/// The value of an attribute; `None` where its type is none of the strings that Go knows.
fn text(attribute: &AttributeTypeAndValue<'_>) -> Option<String> {
    let bytes = attribute.attr_value().data;
    match attribute.attr_value().header.tag() {
        Tag::BmpString => {
            let units = bytes
                .chunks_exact(2)
                .map(|c| u16::from_be_bytes([c[0], c[1]]));
            let text = String::from_utf16_lossy(&units.collect::<Vec<_>>());
            Some(text.strip_suffix('\0').map_or(text.clone(), str::to_owned))
        }
        // Taken for Latin-1.
        Tag::T61String => Some(bytes.iter().copied().map(char::from).collect()),
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::NumericString => {
            Some(String::from_utf8_lossy(bytes).into_owned())
        }
        _ => None,
    }
}

/// Whether the strings of a certificate's names have only characters that their types allow, as
/// far as Go insists.
pub fn are_well_formed(der: &[u8]) -> bool {
    let Ok((_, certificate)) = X509Certificate::from_der(der) else {
        return false;
    };
    let names = [certificate.subject(), certificate.issuer()];
    let mut attributes = names.into_iter().flat_map(X509Name::iter_attributes);
    attributes.all(|attribute| {
        let bytes = attribute.attr_value().data;
        match attribute.attr_value().header.tag() {
            Tag::PrintableString => bytes
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || b" '()+,-./:=?*&".contains(b)),
            Tag::NumericString => bytes.iter().all(|b| b.is_ascii_digit() || *b == b' '),
            Tag::Ia5String => bytes.is_ascii(),
            Tag::Utf8String => std::str::from_utf8(bytes).is_ok(),
            Tag::BmpString => bytes.len() % 2 == 0,
            _ => true,
        }
    })
}

fn escape(value: &str) -> String {
    let mut out = String::new();
    let last = value.chars().count().saturating_sub(1);
    for (at, c) in value.chars().enumerate() {
        let special = ",+\"\\<>;".contains(c)
            || (c == '#' && at == 0)
            || (c == ' ' && (at == 0 || at == last));
        if special {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair, SerialNumber};

    #[test]
    fn names_are_printed_in_a_fixed_order() {
        let names = [
            "a.test".to_owned(),
            "127.0.0.1".to_owned(),
            "b.test".to_owned(),
        ];
        let mut params = CertificateParams::new(names).unwrap();
        params.serial_number = Some(SerialNumber::from_slice(&[0x0a, 0xbc]));
        let mut dn = rcgen::DistinguishedName::new();
        dn.push(DnType::CountryName, "DE");
        dn.push(DnType::CommonName, "a, b");
        dn.push(DnType::OrganizationName, "#o ");
        dn.push(DnType::CustomDnType(vec![1, 2, 3]), "x");
        params.distinguished_name = dn;
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let labels = of(certificate.der()).unwrap();
        assert_eq!(labels.subject, "CN=a\\, b,O=\\#o\\ ,C=DE,1.2.3=x");
        assert_eq!(labels.issuer, labels.subject);
        assert_eq!(labels.names, "a.test,b.test");
        assert_eq!(labels.serial, "0abc");
        assert_eq!(labels.fingerprint.len(), 64);
        assert!(are_well_formed(certificate.der()));
    }

    /// DER of a subject with one attribute, 1.2.3, whose value has a tag and a content.
    fn subject(tag: u8, content: &[u8]) -> Vec<u8> {
        let wrap = |tag: u8, content: &[u8]| [&[tag, content.len() as u8], content].concat();
        let value = wrap(tag, content);
        let pair = [&[6, 2, 0x2a, 3][..], &value].concat();
        wrap(0x30, &wrap(0x31, &wrap(0x30, &pair)))
    }

    #[test]
    fn values_by_type() {
        for (tag, content, text) in [
            (12, "ü".as_bytes(), "1.2.3=ü"),
            (20, b"\xfc", "1.2.3=ü"),
            (30, b"\0a\0b", "1.2.3=ab"),
            (26, b"xyz", "1.2.3=#1a0378797a"),
            (28, b"\0\0\0x", "1.2.3=#1c0400000078"),
            (2, b"\x05", "1.2.3=#020105"),
        ] {
            let der = subject(tag, content);
            let parsed = X509Name::from_der(&der).unwrap().1;
            assert_eq!(name(&parsed), text);
        }
    }
}
