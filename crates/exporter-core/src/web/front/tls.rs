//! TLS as the web configuration file describes it, on rustls with ring.

use super::file::TlsSection;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, SupportedKxGroup, WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, CipherSuite, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    ServerConfig, SignatureScheme, SupportedCipherSuite, SupportedProtocolVersion,
};
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use x509_parser::extensions::GeneralName;

/// Bytes of a connection up to the version that its client speaks at most: a record's head, a
/// message's head, and two bytes of version. TLS 1.3 names itself elsewhere and 1.2 here.
pub const OPENING: usize = 11;

/// Whether a connection opens with the hello of a client that knows nothing newer than TLS 1.1.
pub fn is_too_old(opening: &[u8; OPENING]) -> bool {
    let [
        kind,
        major,
        _,
        _,
        _,
        message,
        _,
        _,
        _,
        client_major,
        client_minor,
    ] = *opening;
    (kind, major, message) == (22, 3, 1) && (client_major, client_minor) < (3, 3)
}

/// A stream of which some bytes have been read already.
pub struct Begun<S> {
    read: Vec<u8>,
    stream: S,
}

impl<S> Begun<S> {
    /// Puts the bytes back.
    pub fn new(read: &[u8], stream: S) -> Self {
        Begun {
            read: read.to_vec(),
            stream,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Begun<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let some = self.read.len().min(buf.remaining());
        if some > 0 {
            buf.put_slice(&self.read[..some]);
            self.read.drain(..some);
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Begun<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// PEM texts that the section points to.
pub struct Material {
    /// Certificate chain.
    pub certificate: Vec<u8>,
    /// Private key.
    pub key: Vec<u8>,
    /// Authorities of client certificates.
    pub client_ca: Option<Vec<u8>>,
}

/// Makes the configuration.
pub fn server_config(
    section: &TlsSection,
    material: &Material,
    http2: bool,
) -> Result<ServerConfig, String> {
    let provider = Arc::new(provider(section)?);
    let versions = versions(section)?;
    let verifier = client_verifier(section, material, &provider)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&material.certificate).collect();
    let chain = chain.map_err(|e| format!("failed to load X509KeyPair: certificate: {e}"))?;
    let key = PrivateKeyDer::from_pem_slice(&material.key)
        .map_err(|e| format!("failed to load X509KeyPair: key: {e}"))?;
    let builder = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions)
        .map_err(|e| format!("tls_server_config: {e}"))?;
    let builder = match verifier {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|e| format!("failed to load X509KeyPair: {e}"))?;
    config.alpn_protocols = match http2 && may_offer_http2(section, &versions) {
        true => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        false => vec![b"http/1.1".to_vec()],
    };
    Ok(config)
}

/// HTTP/2 over TLS 1.2 asks for a certain suite; without it clients that insist on the standard
/// would be turned away.
fn may_offer_http2(section: &TlsSection, versions: &[&SupportedProtocolVersion]) -> bool {
    let wanted = |name: &String| {
        name.starts_with("TLS_ECDHE_") && name.ends_with("_WITH_AES_128_GCM_SHA256")
    };
    let has_it = section.cipher_suites.is_empty() || section.cipher_suites.iter().any(wanted);
    let fine = has_it || !versions.contains(&&rustls::version::TLS12);
    if !fine {
        tracing::warn!(
            "HTTP/2 is not offered: cipher_suites has no TLS_ECDHE_*_WITH_AES_128_GCM_SHA256"
        );
    }
    fine
}

/// The place of a version among all.
fn rank(word: &str) -> Result<u8, String> {
    match word {
        "TLS10" => Ok(0),
        "TLS11" => Ok(1),
        "TLS12" => Ok(2),
        "TLS13" => Ok(3),
        other => Err(format!(
            "unknown TLS version: {other}, expected TLS10, TLS11, TLS12 or TLS13"
        )),
    }
}

/// Versions between the two words; rustls has none before TLS 1.2.
fn versions(section: &TlsSection) -> Result<Vec<&'static SupportedProtocolVersion>, String> {
    let min = rank(section.min_version.as_deref().unwrap_or("TLS12"))?;
    let max = rank(section.max_version.as_deref().unwrap_or("TLS13"))?;
    if min > max {
        return Err("tls_server_config: min_version is above max_version".to_owned());
    }
    if min < 2 {
        tracing::warn!("TLS 1.0 and 1.1 are not supported, TLS 1.2 is the least version");
    }
    let all = [(2, &rustls::version::TLS12), (3, &rustls::version::TLS13)];
    let usable: Vec<_> = all
        .iter()
        .filter(|v| (min..=max).contains(&v.0))
        .map(|v| v.1)
        .collect();
    match usable.is_empty() {
        true => {
            Err("tls_server_config: max_version leaves no version that is supported".to_owned())
        }
        false => Ok(usable),
    }
}

/// Names as the configuration file has them. Those without a suite are accepted and ignored:
/// rustls has no CBC.
const SUITES: [(&str, Option<CipherSuite>); 13] = [
    ("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", None),
    ("TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", None),
    ("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", None),
    ("TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", None),
    (
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        Some(CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ),
    (
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        Some(CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    ),
    (
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        Some(CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    ),
    (
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        Some(CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    ),
    (
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        Some(CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    ),
    (
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        Some(CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
    ),
    (
        "TLS_AES_128_GCM_SHA256",
        Some(CipherSuite::TLS13_AES_128_GCM_SHA256),
    ),
    (
        "TLS_AES_256_GCM_SHA384",
        Some(CipherSuite::TLS13_AES_256_GCM_SHA384),
    ),
    (
        "TLS_CHACHA20_POLY1305_SHA256",
        Some(CipherSuite::TLS13_CHACHA20_POLY1305_SHA256),
    ),
];

fn provider(section: &TlsSection) -> Result<CryptoProvider, String> {
    let mut provider = ring::default_provider();
    if !section.cipher_suites.is_empty() {
        provider.cipher_suites = suites(&section.cipher_suites, &provider.cipher_suites)?;
    }
    if !section.curve_preferences.is_empty() {
        provider.kx_groups = curves(&section.curve_preferences)?;
    }
    Ok(provider)
}

fn known_suite(name: &str) -> Result<Option<CipherSuite>, String> {
    let known = SUITES.iter().find(|s| s.0 == name);
    known
        .map(|(_, suite)| *suite)
        .ok_or_else(|| format!("unknown cipher: {name}"))
}

/// The list governs TLS 1.2 only; the suites of TLS 1.3 are always there.
fn suites(
    names: &[String],
    all: &[SupportedCipherSuite],
) -> Result<Vec<SupportedCipherSuite>, String> {
    let is_13 = |suite: &SupportedCipherSuite| suite.tls13().is_some();
    let mut chosen: Vec<SupportedCipherSuite> = all.iter().copied().filter(is_13).collect();
    for name in names {
        let found = known_suite(name)?.and_then(|id| all.iter().find(|s| s.suite() == id));
        match found {
            Some(suite) if is_13(suite) => {}
            Some(suite) => chosen.push(*suite),
            None => tracing::warn!(name, "cipher suite is not supported and left out"),
        }
    }
    Ok(chosen)
}

/// The group of a curve's name, where there is one.
fn curve(name: &str) -> Result<Option<&'static dyn SupportedKxGroup>, String> {
    match name {
        "CurveP256" => Ok(Some(ring::kx_group::SECP256R1)),
        "CurveP384" => Ok(Some(ring::kx_group::SECP384R1)),
        "X25519" => Ok(Some(ring::kx_group::X25519)),
        "CurveP521" => Ok(None),
        other => Err(format!(
            "unknown curve: {other}, expected CurveP256, CurveP384, CurveP521 or X25519"
        )),
    }
}

fn curves(names: &[String]) -> Result<Vec<&'static dyn SupportedKxGroup>, String> {
    let mut chosen = Vec::new();
    for name in names {
        match curve(name)? {
            Some(group) => chosen.push(group),
            None => tracing::warn!(name, "curve is not supported and left out"),
        }
    }
    match chosen.is_empty() {
        true => Err("curve_preferences leaves no curve that is supported".to_owned()),
        false => Ok(chosen),
    }
}

/// Checks every word of the section, so that mistakes are told before missing files are.
pub fn check_words(section: &TlsSection) -> Result<(), String> {
    for version in [&section.min_version, &section.max_version] {
        rank(version.as_deref().unwrap_or("TLS12"))?;
    }
    for name in &section.cipher_suites {
        known_suite(name)?;
    }
    for name in &section.curve_preferences {
        curve(name)?;
    }
    policy(section).map(drop)
}

/// Whether client certificates are verified and whether there must be one; `None` where they are
/// not asked for.
fn policy(section: &TlsSection) -> Result<Option<(bool, bool)>, String> {
    Ok(Some(
        match section.client_auth_type.as_deref().unwrap_or("") {
            "" | "NoClientCert" => return Ok(None),
            "RequestClientCert" => (false, false),
            "RequireAnyClientCert" | "RequireClientCert" => (false, true),
            "VerifyClientCertIfGiven" => (true, false),
            "RequireAndVerifyClientCert" => (true, true),
            other => return Err(format!("invalid ClientAuth: {other}")),
        },
    ))
}

fn client_verifier(
    section: &TlsSection,
    material: &Material,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, String> {
    let Some((verified, mandatory)) = policy(section)? else {
        return match material.client_ca {
            Some(_) => {
                Err("Client CA's have been configured without a Client Auth Policy".to_owned())
            }
            None => Ok(None),
        };
    };
    let chain = match verified {
        true => Some(chain_verifier(material, provider)?),
        false => None,
    };
    Ok(Some(Arc::new(Verifier {
        chain,
        // Whoever has to be one of these names has to show a certificate.
        mandatory: mandatory || section.client_allowed_sans.is_some(),
        allowed: section.client_allowed_sans.clone(),
        algorithms: provider.signature_verification_algorithms,
    })))
}

fn chain_verifier(
    material: &Material,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let mut roots = RootCertStore::empty();
    match &material.client_ca {
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|e| format!("client_ca: {e}"))?;
                roots
                    .add(certificate)
                    .map_err(|e| format!("client_ca: {e}"))?;
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
        }
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .allow_unauthenticated()
        .build()
        .map_err(|e| format!("client_ca: {e}"))
}

/// Client certificates by policy: perhaps a chain, perhaps certain names.
#[derive(Debug)]
struct Verifier {
    chain: Option<Arc<dyn ClientCertVerifier>>,
    mandatory: bool,
    allowed: Option<Vec<String>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.as_ref().map_or(&[], |c| c.root_hint_subjects())
    }

    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if let Some(chain) = &self.chain {
            chain.verify_client_cert(end_entity, intermediates, now)?;
        }
        let allowed = self.allowed.as_deref();
        if allowed.is_some_and(|allowed| !names(end_entity).iter().any(|n| allowed.contains(n))) {
            return Err(Error::InvalidCertificate(
                CertificateError::ApplicationVerificationFailure,
            ));
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Alternative names of a certificate: DNS names, e-mail addresses, IP addresses and URIs.
fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok((_, parsed)) = x509_parser::parse_x509_certificate(certificate) else {
        return Vec::new();
    };
    let Ok(Some(alternative)) = parsed.subject_alternative_name() else {
        return Vec::new();
    };
    let names = alternative.value.general_names.iter();
    names
        .filter_map(|name| match name {
            GeneralName::DNSName(n) | GeneralName::RFC822Name(n) | GeneralName::URI(n) => {
                Some((*n).to_owned())
            }
            GeneralName::IPAddress(bytes) => ip(bytes).map(|ip| ip.to_string()),
            _ => None,
        })
        .collect()
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(change: impl FnOnce(&mut TlsSection)) -> TlsSection {
        let mut section = TlsSection::default();
        change(&mut section);
        section
    }

    #[test]
    fn clients_of_another_time() {
        let hello = |version: [u8; 2]| [22, 3, 1, 2, 0, 1, 0, 1, 252, version[0], version[1]];
        assert!(is_too_old(&hello([3, 0])) && is_too_old(&hello([3, 2])));
        assert!(!is_too_old(&hello([3, 3])) && !is_too_old(&[0; OPENING]));
    }

    #[test]
    fn versions_by_words() {
        let both = versions(&TlsSection::default()).unwrap();
        assert_eq!(both.len(), 2);
        for (min, max, part) in [
            ("TLS9", "TLS13", "TLS9"),
            ("TLS13", "TLS12", "above"),
            ("TLS10", "TLS11", "no version"),
        ] {
            let section = section(|s| {
                s.min_version = Some(min.to_owned());
                s.max_version = Some(max.to_owned());
            });
            assert!(
                versions(&section).unwrap_err().contains(part),
                "{min} {max}"
            );
        }
    }

    #[test]
    fn suites_and_curves_by_names() {
        let names = |list: &[&str]| list.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let chosen = section(|s| {
            s.cipher_suites = names(&[
                "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
                "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            ]);
            s.curve_preferences = names(&["CurveP521", "X25519"]);
        });
        let provider = provider(&chosen).unwrap();
        assert_eq!(
            (provider.cipher_suites.len(), provider.kx_groups.len()),
            (4, 1)
        );
        for bad in [
            section(|s| s.cipher_suites = names(&["TLS_RSA_WITH_RC4_128_SHA"])),
            section(|s| s.curve_preferences = names(&["CurveP521"])),
            section(|s| s.curve_preferences = names(&["P256"])),
        ] {
            assert!(super::provider(&bad).is_err());
        }
    }

    #[test]
    fn names_of_certificates() {
        let key = rcgen::KeyPair::generate().unwrap();
        let names_in = vec!["a.example".to_owned(), "192.0.2.1".to_owned()];
        let certificate = rcgen::CertificateParams::new(names_in)
            .unwrap()
            .self_signed(&key)
            .unwrap();
        assert_eq!(names(certificate.der()), ["a.example", "192.0.2.1"]);
        assert_eq!(
            names(&CertificateDer::from(vec![1, 2, 3])),
            [] as [String; 0]
        );
    }
}
