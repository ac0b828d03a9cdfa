//! TLS towards servers, on rustls with ring.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, ring};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use std::sync::{Arc, OnceLock};

/// Files of the flags, empty where not given.
#[derive(Clone, Debug, Default)]
pub struct TlsFiles {
    /// Client certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
    /// Authorities in place of the system's.
    pub authorities: String,
    /// Whether any certificate of a server will do.
    pub skip_verification: bool,
}

/// TLS settings. The files are read at each connection, so that they can be replaced.
#[derive(Debug, Default)]
pub struct Tls {
    files: TlsFiles,
    system: OnceLock<RootCertStore>,
}

impl Tls {
    /// Checks the files.
    pub fn new(files: TlsFiles) -> Result<Self, String> {
        if files.certificate.is_empty() != files.key.is_empty() {
            return Err(
                "expected both of --tls-client-cert-file and --tls-client-key-file, got one"
                    .to_owned(),
            );
        }
        let tls = Tls {
            files,
            system: OnceLock::new(),
        };
        if !tls.files.certificate.is_empty() || !tls.files.authorities.is_empty() {
            tls.config()?;
        }
        Ok(tls)
    }

    /// The settings of the files as they are now.
    pub fn config(&self) -> Result<Arc<ClientConfig>, String> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|e| format!("TLS: {e}"))?;
        let builder = match self.files.skip_verification {
            true => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Anyone(
                    provider.signature_verification_algorithms,
                ))),
            false => builder.with_root_certificates(self.authorities()?),
        };
        if self.files.certificate.is_empty() {
            return Ok(Arc::new(builder.with_no_client_auth()));
        }
        let chain = certificates("--tls-client-cert-file", &self.files.certificate)?;
        let path = &self.files.key;
        let key = PrivateKeyDer::from_pem_slice(&read("--tls-client-key-file", path)?)
            .map_err(|_| format!("--tls-client-key-file {path}: expected a private key in PEM"))?;
        builder
            .with_client_auth_cert(chain, key)
            .map(Arc::new)
            .map_err(|e| format!("--tls-client-cert-file and --tls-client-key-file: {e}"))
    }

    fn authorities(&self) -> Result<RootCertStore, String> {
        if self.files.authorities.is_empty() {
            return Ok(self.system.get_or_init(system_authorities).clone());
        }
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(certificates(
            "--tls-ca-cert-file",
            &self.files.authorities,
        )?);
        if store.is_empty() {
            let path = &self.files.authorities;
            tracing::warn!(
                path,
                "--tls-ca-cert-file holds no certificate, no server can be verified"
            );
        }
        Ok(store)
    }
}

fn system_authorities() -> RootCertStore {
    let mut store = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::debug!(%error, "a certificate of the system was left out");
    }
    store.add_parsable_certificates(found.certs);
    store
}

fn read(flag: &str, path: &str) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|e| format!("{flag}: could not read {path}: {e}"))
}

fn certificates(flag: &str, path: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    CertificateDer::pem_slice_iter(&read(flag, path)?)
        .collect::<Result<_, _>>()
        .map_err(|e| format!("{flag} {path}: expected certificates in PEM: {e}"))
}

/// Verifies that the server has the key of its certificate, whoever that is.
#[derive(Debug)]
struct Anyone(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(certificate: &str, key: &str, authorities: &str) -> TlsFiles {
        TlsFiles {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            authorities: authorities.to_owned(),
            skip_verification: false,
        }
    }

    #[test]
    fn mistakes_are_told_at_start() {
        for (files, part) in [
            (files("cert.pem", "", ""), "got one"),
            (files("", "key.pem", ""), "got one"),
            (files("/nowhere/c", "/nowhere/k", ""), "/nowhere/c"),
            (files("", "", "/nowhere/ca"), "--tls-ca-cert-file"),
        ] {
            let error = Tls::new(files).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn a_file_without_certificates_is_accepted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        std::fs::write(&path, "nothing\n").unwrap();
        assert!(Tls::new(files("", "", path.to_str().unwrap())).is_ok());
    }
}
