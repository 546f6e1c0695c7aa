//! The cryptography of `jsonwebtoken`: HMAC with SHA-256 and Ed25519 to sign and verify, and the
//! public-key signatures of other issuers to verify only.
//!
//! The providers that the crate brings hold private RSA keys (RUSTSEC-2023-0071). Which algorithms
//! a token may have is decided by its validation, and checked again here.

use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result};
use jsonwebtoken::signature::{Error as SignatureError, Signer, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind, EncodingKey};
use ring::signature::{
    self as ring_signature, Ed25519KeyPair, RsaPublicKeyComponents, UnparsedPublicKey,
};
use sha2::Sha256;

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: signer,
    verifier_factory: verifier,
    // Private keys of other kinds are never read.
    key_utils: KeyUtils::new_unimplemented(),
};

/// Makes `jsonwebtoken` use this provider in the whole process; later calls change nothing.
pub(super) fn install() {
    // An error says that a provider is installed already: this one, the only one that there is.
    let _ = PROVIDER.install_default();
}

fn signer(algorithm: &Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>> {
    match algorithm {
        Algorithm::HS256 => Ok(Box::new(HmacSha256::new(key.as_bytes())?)),
        Algorithm::EdDSA => Ok(Box::new(Ed25519Signer(
            Ed25519KeyPair::from_seed_unchecked(key.as_bytes())
                .map_err(|_| ErrorKind::InvalidKeyFormat)?,
        ))),
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    }
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    if *algorithm == Algorithm::HS256 {
        return Ok(Box::new(HmacSha256::new(key.try_get_as_bytes()?)?));
    }
    let key = match key.kind() {
        DecodingKeyKind::SecretOrDer(bytes) => PublicKey::Point(bytes.clone()),
        DecodingKeyKind::RsaModulusExponent { n, e } => {
            PublicKey::Rsa(RsaPublicKeyComponents { n: n.clone(), e: e.clone() })
        }
    };
    Ok(Box::new(PublicVerifier { algorithm: *algorithm, key }))
}

struct HmacSha256(Hmac<Sha256>);

impl HmacSha256 {
    fn new(key: &[u8]) -> Result<Self> {
        Ok(Self(Hmac::new_from_slice(key).map_err(|_| ErrorKind::InvalidKeyFormat)?))
    }

    fn over(&self, message: &[u8]) -> Hmac<Sha256> {
        self.0.clone().chain_update(message)
    }
}

impl Signer<Vec<u8>> for HmacSha256 {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, SignatureError> {
        Ok(self.over(message).finalize().into_bytes().to_vec())
    }
}

impl Verifier<Vec<u8>> for HmacSha256 {
    fn verify(
        &self,
        message: &[u8],
        signature: &Vec<u8>,
    ) -> std::result::Result<(), SignatureError> {
        // Compares in constant time.
        self.over(message).verify_slice(signature).map_err(|_| SignatureError::new())
    }
}

impl JwtSigner for HmacSha256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtVerifier for HmacSha256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

struct Ed25519Signer(Ed25519KeyPair);

impl Signer<Vec<u8>> for Ed25519Signer {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, SignatureError> {
        Ok(self.0.sign(message).as_ref().to_vec())
    }
}

impl JwtSigner for Ed25519Signer {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

enum PublicKey {
    /// An Ed25519 key, or an uncompressed point of a curve.
    Point(Vec<u8>),
    Rsa(RsaPublicKeyComponents<Vec<u8>>),
}

struct PublicVerifier {
    algorithm: Algorithm,
    key: PublicKey,
}

impl Verifier<Vec<u8>> for PublicVerifier {
    fn verify(
        &self,
        message: &[u8],
        signature: &Vec<u8>,
    ) -> std::result::Result<(), SignatureError> {
        let verified = match (&self.key, self.algorithm) {
            (PublicKey::Point(key), Algorithm::EdDSA) => {
                UnparsedPublicKey::new(&ring_signature::ED25519, key).verify(message, signature)
            }
            (PublicKey::Point(key), Algorithm::ES256) => {
                UnparsedPublicKey::new(&ring_signature::ECDSA_P256_SHA256_FIXED, key)
                    .verify(message, signature)
            }
            (PublicKey::Point(key), Algorithm::ES384) => {
                UnparsedPublicKey::new(&ring_signature::ECDSA_P384_SHA384_FIXED, key)
                    .verify(message, signature)
            }
            (PublicKey::Rsa(key), Algorithm::RS256) => {
                key.verify(&ring_signature::RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
            (PublicKey::Rsa(key), Algorithm::RS384) => {
                key.verify(&ring_signature::RSA_PKCS1_2048_8192_SHA384, message, signature)
            }
            (PublicKey::Rsa(key), Algorithm::RS512) => {
                key.verify(&ring_signature::RSA_PKCS1_2048_8192_SHA512, message, signature)
            }
            (PublicKey::Rsa(key), Algorithm::PS256) => {
                key.verify(&ring_signature::RSA_PSS_2048_8192_SHA256, message, signature)
            }
            _ => return Err(SignatureError::new()),
        };
        verified.map_err(|_| SignatureError::new())
    }
}

impl JwtVerifier for PublicVerifier {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}
