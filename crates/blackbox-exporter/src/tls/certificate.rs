//! The parts of a certificate that signatures are made over and checked with.

use x509_parser::prelude::{FromDer, X509Certificate};

/// One element of DER: its content and what follows it.
fn element(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (_, rest) = der.split_first()?;
    let (length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(*length), rest),
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
            let length = bytes.iter().fold(0usize, |l, b| l << 8 | usize::from(*b));
            (length, rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// The content of a bit string without its count of unused bits.
fn bits(content: &[u8]) -> Option<&[u8]> {
    content.strip_prefix(&[0])
}

/// A public key: the content of its algorithm identifier, and its bits.
#[derive(Clone, Copy, Debug)]
pub struct PublicKey<'c> {
    /// Algorithm and parameters.
    pub algorithm: &'c [u8],
    /// The key.
    pub bits: &'c [u8],
}

/// What a certificate's issuer signed.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'c> {
    /// The signed bytes.
    pub message: &'c [u8],
    /// Algorithm and parameters.
    pub algorithm: &'c [u8],
    /// The signature.
    pub signature: &'c [u8],
}

impl<'c> PublicKey<'c> {
    /// Takes a subject public key info apart.
    pub fn parse(spki: &'c [u8]) -> Option<Self> {
        let (content, _) = element(spki)?;
        let (algorithm, rest) = element(content)?;
        let (key, _) = element(rest)?;
        Some(PublicKey {
            algorithm,
            bits: bits(key)?,
        })
    }
}

impl<'c> Signed<'c> {
    /// Takes a certificate apart.
    pub fn parse(der: &'c [u8]) -> Option<Self> {
        let (content, _) = element(der)?;
        let (_, after) = element(content)?;
        let message = &content[..content.len() - after.len()];
        let (algorithm, rest) = element(after)?;
        let (signature, _) = element(rest)?;
        Some(Signed {
            message,
            algorithm,
            signature: bits(signature)?,
        })
    }
}

/// The public key of a certificate.
pub fn public_key(der: &[u8]) -> Option<PublicKey<'_>> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    PublicKey::parse(certificate.tbs_certificate.subject_pki.raw)
}

/// When a certificate ends, in seconds since the epoch.
pub fn not_after(der: &[u8]) -> Option<i64> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    Some(certificate.validity().not_after.timestamp())
}
