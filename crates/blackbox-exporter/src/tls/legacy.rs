//! RSA keys of 1024 bits, which old devices and their authorities still have: Go accepts them, the
//! TLS library by itself does not.

use super::certificate::PublicKey;
use ring::signature::{
    RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
    RsaParameters, UnparsedPublicKey,
};
use rustls::SignatureScheme;
use rustls::pki_types::{
    AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id,
};

/// Algorithms beyond those of the library.
pub static ALL: &[&dyn SignatureVerificationAlgorithm] = &[
    &Rsa {
        signature: alg_id::RSA_PKCS1_SHA256,
        parameters: &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
    },
    &Rsa {
        signature: alg_id::RSA_PKCS1_SHA512,
        parameters: &RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
    },
];

/// The algorithm of a handshake's signature.
pub fn of(scheme: SignatureScheme) -> Option<&'static dyn SignatureVerificationAlgorithm> {
    match scheme {
        SignatureScheme::RSA_PKCS1_SHA256 => Some(ALL[0]),
        SignatureScheme::RSA_PKCS1_SHA512 => Some(ALL[1]),
        _ => None,
    }
}

/// Whether a key is one of RSA that is shorter than what the library takes, 2048 bits.
pub fn is_short(key: PublicKey<'_>) -> bool {
    let is_rsa = key.algorithm == alg_id::RSA_ENCRYPTION.as_ref();
    is_rsa && key.bits.len() < 2048 / 8
}

#[derive(Debug)]
struct Rsa {
    signature: AlgorithmIdentifier,
    parameters: &'static RsaParameters,
}

impl SignatureVerificationAlgorithm for Rsa {
    fn verify_signature(
        &self,
        key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        UnparsedPublicKey::new(self.parameters, key)
            .verify(message, signature)
            .map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::RSA_ENCRYPTION
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.signature
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    // A key of 1024 bits that was made for this test, and its signature of "message".
    const KEY: &str = "\
        MIGJAoGBALqDMJqlitjO6M6bgSJeEvUbZWNbOTvSDskJIw7JMWQzs3eNBRQN7tEx8PyhG0KQxAnnK6sN\
        WzW/GtH7JndbUJzkZSfe5EFoiqtmYouhriIIZdX7AeSOyI1jjQdQxSkVs17iNJnZx4njFzvIMBSWt0on\
        tUQ+TZzuhiYW3lQuifQhAgMBAAE=";
    const SIGNATURE: &str = "\
        ZB6Xqw3NjxOylcPVhEFJjALE4wkKMQufra0lQre0Etd5Xay7I5touEF4f+msqBliqO+/YYqM2o3S8rxr\
        APUfjDaClUBTMQJNR4gYfhJ3SoZ85qJONlYaTRFRT4E/VRs8l1YfQ9WuAhjnMCpolOo3AtX9Dj0eNlhc\
        N5rKZ1LRT0U=";

    #[test]
    fn short_keys() {
        let key = STANDARD.decode(KEY).unwrap();
        let signature = STANDARD.decode(SIGNATURE).unwrap();
        let sha256 = of(SignatureScheme::RSA_PKCS1_SHA256).unwrap();
        assert!(
            sha256
                .verify_signature(&key, b"message", &signature)
                .is_ok()
        );
        assert!(
            sha256
                .verify_signature(&key, b"massage", &signature)
                .is_err()
        );
        let sha512 = of(SignatureScheme::RSA_PKCS1_SHA512).unwrap();
        assert!(
            sha512
                .verify_signature(&key, b"message", &signature)
                .is_err()
        );
        let algorithm = alg_id::RSA_ENCRYPTION;
        let algorithm = algorithm.as_ref();
        assert!(is_short(PublicKey {
            algorithm,
            bits: &key
        }));
        assert!(of(SignatureScheme::RSA_PSS_SHA256).is_none());
    }
}
