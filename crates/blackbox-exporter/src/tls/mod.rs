//! TLS as a client, with what the peer showed at hand.

mod certificate;
mod labels;
mod legacy;
mod stream;
mod verify;

pub use stream::Ending;
pub use verify::Roots;

use crate::config::{TlsOptions, TlsVersion};
use exporter_core::exposition::{Arena, Family};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, ServerName, SignatureVerificationAlgorithm, UnixTime,
};
use rustls::{
    CipherSuite, ClientConfig, DigitallySignedStruct, ProtocolVersion, SignatureScheme,
    SupportedProtocolVersion,
};
use std::net::Ipv4Addr;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use verify::Verified;

static EARLIEST: Family = Family::gauge(
    "probe_ssl_earliest_cert_expiry",
    &[],
    "End of the certificate that ends first of those that the peer presented, in seconds since the \
     epoch.",
);
static LAST_CHAIN: Family = Family::gauge(
    "probe_ssl_last_chain_expiry_timestamp_seconds",
    &[],
    "End of the verified chain that lasts longest, in seconds since the epoch; far in the past where \
     none was verified.",
);
static CHAIN_INFO: Family = Family::gauge(
    "probe_ssl_last_chain_info",
    &[
        "fingerprint_sha256",
        "issuer",
        "serialnumber",
        "subject",
        "subjectalternative",
    ],
    "Constant 1, labelled with the certificate of the peer.",
);
static VERSION: Family = Family::gauge(
    "probe_tls_version_info",
    &["version"],
    "Constant 1, labelled with the version of TLS.",
);
static CIPHER: Family = Family::gauge(
    "probe_tls_cipher_info",
    &["cipher"],
    "Constant 1, labelled with the cipher suite.",
);

/// Families of TLS.
pub static FAMILIES: &[&Family] = &[&EARLIEST, &LAST_CHAIN, &CHAIN_INFO, &VERSION, &CIPHER];

/// What the original's clock says where there is no time at all: the first of January of the year 1.
const NO_TIME: f64 = -62_135_596_800.0;

/// What a handshake told.
#[derive(Clone, Debug)]
pub struct Session {
    presented: Vec<CertificateDer<'static>>,
    /// End of the longest verified chain.
    last_chain: Option<i64>,
    version: ProtocolVersion,
    cipher: CipherSuite,
    /// Whether HTTP/2 was agreed on (RFC 7301).
    pub is_http2: bool,
}

/// Which series a prober exposes.
#[derive(Clone, Copy, Debug)]
pub struct Shown {
    /// The end of the longest chain.
    pub last_chain: bool,
    /// The cipher suite.
    pub cipher: bool,
}

impl Session {
    /// Puts the series.
    pub fn put(&self, out: &mut Arena, shown: Shown) {
        if let Some(earliest) = earliest(&self.presented) {
            out.put(&EARLIEST, &[], earliest as f64);
        }
        if shown.last_chain {
            let end = self.last_chain.map_or(NO_TIME, |seconds| seconds as f64);
            out.put(&LAST_CHAIN, &[], end);
        }
        put_info(&self.presented, out);
        let version = match self.version {
            ProtocolVersion::TLSv1_2 => "TLS 1.2",
            ProtocolVersion::TLSv1_3 => "TLS 1.3",
            _ => "unknown",
        };
        out.put(&VERSION, &[version], 1.0);
        if shown.cipher {
            out.put(&CIPHER, &[&cipher_name(self.cipher)], 1.0);
        }
    }
}

fn put_info(presented: &[CertificateDer<'_>], out: &mut Arena) {
    if let Some(labels) = presented.first().and_then(|leaf| labels::of(leaf)) {
        let values = [
            labels.fingerprint.as_str(),
            &labels.issuer,
            &labels.serial,
            &labels.subject,
            &labels.names,
        ];
        out.put(&CHAIN_INFO, &values, 1.0);
    }
}

/// Puts when the first presented certificate ends, where the handshake failed over it.
pub fn put_rejected(presented: &[CertificateDer<'_>], out: &mut Arena) {
    if let Some(earliest) = earliest(presented) {
        out.put(&EARLIEST, &[], earliest as f64);
    }
}

fn earliest(presented: &[CertificateDer<'_>]) -> Option<i64> {
    let ends = presented
        .iter()
        .filter_map(|der| certificate::not_after(der));
    ends.min()
}

/// The name in the registry of IANA.
fn cipher_name(cipher: CipherSuite) -> String {
    match cipher.as_str() {
        Some(name) => name.replacen("TLS13_", "TLS_", 1),
        None => format!("0x{:04X}", u16::from(cipher)),
    }
}

/// Why there is no session.
#[derive(Debug)]
pub struct Failed {
    /// A sentence.
    pub why: String,
    /// What the peer presented, where that was refused.
    pub presented: Vec<CertificateDer<'static>>,
}

impl From<String> for Failed {
    fn from(why: String) -> Self {
        Failed {
            why,
            presented: Vec::new(),
        }
    }
}

/// A stream after its handshake.
pub type Stream<S> = Ending<TlsStream<S>>;

/// Makes a handshake. `name` is what the certificate must be for; an address is not sent as server
/// name.
pub async fn connect<S>(
    options: &TlsOptions,
    name: &str,
    protocols: &[&[u8]],
    stream: S,
) -> Result<(Stream<S>, Session), Failed>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let name = match options.server_name.as_str() {
        "" => name,
        configured => configured,
    };
    let verifier = Arc::new(Verifier {
        name: name.to_owned(),
        roots: match options.insecure_skip_verify {
            true => None,
            false => Some(roots(options)?),
        },
        algorithms: PROVIDER.signature_verification_algorithms,
        seen: Mutex::default(),
    });
    let mut config = base_config(options)?;
    config
        .dangerous()
        .set_certificate_verifier(verifier.clone());
    config.alpn_protocols = protocols.iter().map(|p| p.to_vec()).collect();
    let connector = TlsConnector::from(Arc::new(config));
    let result = connector.connect(server_name(name), stream).await;
    let seen = std::mem::take(&mut *verifier.lock());
    match result {
        Ok(stream) => {
            let connection = stream.get_ref().1;
            let session = Session {
                presented: seen.presented,
                last_chain: seen.last_chain,
                version: connection
                    .protocol_version()
                    .unwrap_or(ProtocolVersion::Unknown(0)),
                cipher: connection
                    .negotiated_cipher_suite()
                    .map_or(CipherSuite::Unknown(0), |s| s.suite()),
                is_http2: connection.alpn_protocol() == Some(b"h2"),
            };
            Ok((Ending(stream), session))
        }
        Err(error) => Err(match seen.rejected {
            Some(why) => Failed {
                why,
                presented: seen.presented,
            },
            None => Failed::from(format!("TLS handshake: {error}")),
        }),
    }
}

/// Checks that the files and texts of the settings can be used.
pub fn check(options: &TlsOptions) -> Result<(), String> {
    base_config(options)?;
    if !options.ca.is_empty() || !options.ca_file.is_empty() {
        roots(options)?;
    }
    Ok(())
}

/// What the library sends as server name. What cannot be one is verified all the same, by the
/// verifier, which knows the text.
fn server_name(name: &str) -> ServerName<'static> {
    let name = name.trim_end_matches('.');
    let name = name.split('%').next().unwrap_or_default();
    ServerName::try_from(name.to_owned())
        .unwrap_or(ServerName::IpAddress(Ipv4Addr::UNSPECIFIED.into()))
}

/// Cipher suites in the order of Go's client, which decides where the server leaves it to the client.
static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
    use rustls::crypto::ring::cipher_suite::{
        TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256,
    };
    let mut provider = ring::default_provider();
    provider.cipher_suites = vec![
        TLS13_AES_128_GCM_SHA256,
        TLS13_AES_256_GCM_SHA384,
        TLS13_CHACHA20_POLY1305_SHA256,
        TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ];
    Arc::new(provider)
});

/// A configuration without authorities; the verifier has them.
fn base_config(options: &TlsOptions) -> Result<ClientConfig, String> {
    if let Some(key) = options.reference {
        return Err(format!(
            "tls_config: {key}: there is no secret manager to ask"
        ));
    }
    let versions = versions(options)?;
    match client_certificate(options)? {
        None => anonymous(&versions),
        identity => new_config(&versions, identity),
    }
}

fn new_config(versions: &Versions, identity: Option<Identity>) -> Result<ClientConfig, String> {
    let builder = ClientConfig::builder_with_provider(PROVIDER.clone())
        .with_protocol_versions(versions)
        .map_err(|e| format!("tls_config: {e}"))?
        .with_root_certificates(rustls::RootCertStore::empty());
    let mut config = match identity {
        Some((chain, key)) => builder
            .with_client_auth_cert(chain, key)
            .map_err(|e| format!("tls_config: client certificate: {e}"))?,
        None => builder.with_no_client_auth(),
    };
    // Every probe makes a full handshake, or there would be no certificates to tell of.
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// A configuration without client certificate. They differ in their versions only and are kept: making
/// one allocates a store of sessions that no probe uses.
fn anonymous(versions: &Versions) -> Result<ClientConfig, String> {
    type Kept = Vec<(Vec<ProtocolVersion>, ClientConfig)>;
    static KEPT: Mutex<Kept> = Mutex::new(Vec::new());
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let wanted = versions.iter().map(|v| v.version);
    if let Some((_, config)) = kept.iter().find(|k| wanted.clone().eq(k.0.iter().copied())) {
        return Ok(config.clone());
    }
    let config = new_config(versions, None)?;
    kept.push((wanted.collect(), config.clone()));
    Ok(config)
}

/// Versions of TLS that are offered.
type Versions = [&'static SupportedProtocolVersion];

fn versions(options: &TlsOptions) -> Result<Vec<&'static SupportedProtocolVersion>, String> {
    let min = options.min_version.unwrap_or(TlsVersion::Tls12);
    let max = options.max_version.unwrap_or(TlsVersion::Tls13);
    let all = [
        (TlsVersion::Tls12, &rustls::version::TLS12),
        (TlsVersion::Tls13, &rustls::version::TLS13),
    ];
    let usable = all.iter().filter(|v| (min..=max).contains(&v.0));
    let usable: Vec<_> = usable.map(|v| v.1).collect();
    match usable.is_empty() {
        true => Err("tls_config: no version lies between min_version and max_version".to_owned()),
        false => Ok(usable),
    }
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn client_certificate(options: &TlsOptions) -> Result<Option<Identity>, String> {
    let certificate = material("cert_file", &options.cert, &options.cert_file)?;
    let key = material("key_file", &options.key.0, &options.key_file)?;
    let (Some(certificate), Some(key)) = (certificate, key) else {
        return Ok(None);
    };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&certificate).collect();
    let chain = chain.map_err(|e| format!("tls_config: certificate: {e}"))?;
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|e| format!("tls_config: key: {e}"))?;
    Ok(Some((chain, key)))
}

/// A PEM text of the file as it is now.
fn material(what: &str, inline: &str, file: &str) -> Result<Option<Vec<u8>>, String> {
    match (inline, file) {
        ("", "") => Ok(None),
        ("", file) => std::fs::read(file)
            .map(Some)
            .map_err(|e| format!("tls_config: {what} {file}: {e}")),
        (inline, _) => Ok(Some(inline.as_bytes().to_vec())),
    }
}

/// The authorities of the module, or those of the system.
fn roots(options: &TlsOptions) -> Result<Arc<Roots>, String> {
    static SYSTEM: LazyLock<Arc<Roots>> = LazyLock::new(|| {
        let found = rustls_native_certs::load_native_certs();
        Arc::new(Roots::new(found.certs))
    });
    match material("ca_file", &options.ca, &options.ca_file)? {
        None => Ok(SYSTEM.clone()),
        Some(pem) => parsed(&pem),
    }
}

/// Authorities of a PEM text; those used last are kept.
fn parsed(pem: &[u8]) -> Result<Arc<Roots>, String> {
    type Kept = Vec<(Vec<u8>, Arc<Roots>)>;
    static KEPT: Mutex<Kept> = Mutex::new(Vec::new());
    let digest = ::ring::digest::digest(&::ring::digest::SHA256, pem)
        .as_ref()
        .to_vec();
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, roots)) = kept.iter().find(|k| k.0 == digest) {
        return Ok(roots.clone());
    }
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .filter_map(Result::ok)
        .collect();
    if certificates.is_empty() {
        return Err("tls_config: the CA holds no certificate in PEM".to_owned());
    }
    let roots = Arc::new(Roots::new(certificates));
    if kept.len() >= 16 {
        kept.remove(0);
    }
    kept.push((digest, roots.clone()));
    Ok(roots)
}

/// Keeps what the peer presents, and verifies it as Go does.
#[derive(Debug)]
struct Verifier {
    name: String,
    /// `None` accepts anything.
    roots: Option<Arc<Roots>>,
    algorithms: WebPkiSupportedAlgorithms,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    presented: Vec<CertificateDer<'static>>,
    last_chain: Option<i64>,
    rejected: Option<String>,
}

impl Verifier {
    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let bad = || rustls::Error::from(rustls::CertificateError::BadSignature);
        let key = certificate::public_key(certificate).ok_or_else(bad)?;
        let mapping = self.algorithms.mapping.iter();
        let known = mapping.filter(|m| m.0 == signed.scheme).flat_map(|m| m.1);
        let all = known.copied().chain(legacy::of(signed.scheme));
        let fitting: Vec<_> = all
            .filter(|a| a.public_key_alg_id().as_ref() == key.algorithm)
            .collect();
        // Who lets any certificate pass can do without what the library cannot check.
        if self.roots.is_none() && (fitting.is_empty() || legacy::is_short(key)) {
            return Ok(HandshakeSignatureValid::assertion());
        }
        let verifies = |a: &&dyn SignatureVerificationAlgorithm| {
            a.verify_signature(key.bits, message, signed.signature())
                .is_ok()
        };
        match fitting.iter().any(verifies) {
            true => Ok(HandshakeSignatureValid::assertion()),
            false => Err(bad()),
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let mut seen = self.lock();
        let presented = std::iter::once(end_entity).chain(intermediates);
        seen.presented = presented.map(|c| c.clone().into_owned()).collect();
        if !seen
            .presented
            .iter()
            .all(|der| labels::are_well_formed(der))
        {
            return Err(rustls::CertificateError::BadEncoding.into());
        }
        let Some(roots) = &self.roots else {
            return Ok(ServerCertVerified::assertion());
        };
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        match verify::verify(&seen.presented, &self.name, roots, now, self.algorithms.all) {
            Ok(Verified { last_chain }) => {
                seen.last_chain = Some(last_chain);
                Ok(ServerCertVerified::assertion())
            }
            Err(rejected) => {
                let error = rejected.error;
                seen.rejected = Some(format!(
                    "tls: failed to verify certificate: x509: {}",
                    rejected.why
                ));
                Err(error.into())
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.check_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.check_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let mut schemes = self.algorithms.supported_schemes();
        if self.roots.is_none() {
            schemes.push(SignatureScheme::ECDSA_NISTP521_SHA512);
        }
        schemes
    }
}
