//! Signed heads of the audit log: proof, kept outside of the database, of what a chain contained at
//! one moment.
//!
//! A signed head is one line of text: `vultus-audit-head-1.<chain>.<number>.<hash>.<time>.<key>.`
//! and an Ed25519 signature over all that precedes it. It holds no secret.

use super::keys::Keys;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use secrecy::ExposeSecret;
use sha2::Sha256;
use time::OffsetDateTime;
use vultus_store::audit::ChainHead;

/// First part of the text: its purpose and version.
const FORM: &str = "vultus-audit-head-1";
/// Separates the parts.
const DOT: char = '.';
/// Longest text that is read.
const LONGEST: usize = 1_000;

/// Signs heads, and verifies them. All nodes of an installation have the same key: it is derived
/// from one of [`Keys`].
pub struct HeadKey(Ed25519KeyPair);

/// A head with the time of its signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedHead {
    /// The head.
    pub head: ChainHead,
    /// When it was signed.
    pub signed_at: OffsetDateTime,
}

/// Why a text is not accepted as a signed head.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// It has not the form of one.
    #[error("not a signed head: expected {FORM}.CHAIN.NUMBER.HASH.TIME.KEY.SIGNATURE")]
    Malformed,
    /// Another installation's key signed it, or a key that was replaced.
    #[error("the head was signed with the key {signed_with}, and this installation has {own}")]
    OtherKey {
        /// The key that the head names.
        signed_with: String,
        /// The key of this installation.
        own: String,
    },
    /// The signature is not that of the key.
    #[error("the signature of the head is wrong: the head was changed")]
    WrongSignature,
}

impl HeadKey {
    /// The key of an installation.
    pub fn new(keys: &Keys) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(keys.downloads.expose_secret())
            .expect("HMAC takes a key of any length");
        mac.update(b"vultus heads of the audit log 1");
        let seed = mac.finalize().into_bytes();
        Self(Ed25519KeyPair::from_seed_unchecked(&seed[..]).expect("the seed has 32 bytes"))
    }

    /// The public key in base64url, for those who verify heads elsewhere.
    pub fn public_key(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.public_key())
    }

    /// A short name of the key.
    fn id(&self) -> String {
        hex::encode(&self.0.public_key().as_ref()[..8])
    }

    /// Signs a head.
    pub fn sign(&self, head: &ChainHead, now: OffsetDateTime) -> String {
        let ChainHead { chain, number, hash } = head;
        let text = format!("{FORM}.{chain}.{number}.{hash}.{}.{}", now.unix_timestamp(), self.id());
        let signature = URL_SAFE_NO_PAD.encode(self.0.sign(text.as_bytes()));
        format!("{text}{DOT}{signature}")
    }

    /// Verifies a signed head.
    pub fn verify(&self, text: &str) -> Result<SignedHead, HeadError> {
        let text = text.trim();
        let malformed = || HeadError::Malformed;
        if text.len() > LONGEST {
            return Err(malformed());
        }
        let (signed, signature) = text.rsplit_once(DOT).ok_or_else(malformed)?;
        let parts: Vec<&str> = signed.split(DOT).collect();
        let [FORM, chain, number, hash, time, key] = parts[..] else { return Err(malformed()) };
        let head = ChainHead {
            chain: chain.parse().map_err(|_| malformed())?,
            number: number.parse().map_err(|_| malformed())?,
            hash: hash.parse().map_err(|_| malformed())?,
        };
        let seconds = time.parse().map_err(|_| malformed())?;
        let signed_at = OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| malformed())?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| malformed())?;
        if key != self.id() {
            return Err(HeadError::OtherKey { signed_with: key.to_owned(), own: self.id() });
        }
        UnparsedPublicKey::new(&ED25519, self.0.public_key())
            .verify(signed.as_bytes(), &signature)
            .map_err(|_| HeadError::WrongSignature)?;
        Ok(SignedHead { head, signed_at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vultus_store::audit::{Chain, Hash};

    fn head() -> ChainHead {
        ChainHead { chain: Chain::Installation, number: 7, hash: Hash([3; 32]) }
    }

    #[test]
    fn signed_head_comes_back_and_a_changed_one_does_not() {
        let key = HeadKey::new(&Keys::ephemeral());
        let now = OffsetDateTime::UNIX_EPOCH + time::Duration::days(20_000);
        let signed = key.sign(&head(), now);
        assert_eq!(key.verify(&signed), Ok(SignedHead { head: head(), signed_at: now }));
        assert_eq!(key.verify(&signed.replacen(".7.", ".8.", 1)), Err(HeadError::WrongSignature));
        assert_eq!(key.verify(&signed[..signed.len() - 6]), Err(HeadError::WrongSignature));
        for malformed in ["", "a.b", &signed.replace("audit", "other"), &"x".repeat(2_000)] {
            assert_eq!(key.verify(malformed), Err(HeadError::Malformed));
        }
    }

    #[test]
    fn head_of_another_installation_is_rejected() {
        let [one, other] = [(); 2].map(|()| HeadKey::new(&Keys::ephemeral()));
        let signed = one.sign(&head(), OffsetDateTime::UNIX_EPOCH);
        assert!(matches!(other.verify(&signed), Err(HeadError::OtherKey { .. })));
    }
}
