//! Refresh tokens: random at a login, then each derived from the one before. The store keeps
//! their SHA-256.
//!
//! A client whose answer was lost sends its token again and gets the same successor, which
//! nothing has to store. Without the secret of the installation no successor can be computed.

use super::keys::Keys;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice};
use sha2::{Digest, Sha256};
use std::net::IpAddr;

/// Makes refresh tokens.
pub struct RefreshTokens(SecretSlice<u8>);

impl RefreshTokens {
    /// Tokens that depend on the secrets of the installation.
    pub fn new(keys: &Keys) -> Self {
        Self(SecretSlice::from(keys.tokens.expose_secret().to_vec()))
    }

    /// The first token of a session: 256 random bits.
    pub fn first(&self) -> String {
        text(&rand::random::<[u8; 32]>())
    }

    /// The token that replaces `token`.
    pub fn successor(&self, token: &str) -> String {
        text(&self.mac("vultus refresh successor", &[token]))
    }

    /// Identifies a client to the store, which learns neither its address nor its program.
    pub fn client(&self, address: IpAddr, agent: &str) -> String {
        let mac = self.mac("vultus refresh client", &[&address.to_string(), agent]);
        hex::encode(&mac[..16])
    }

    fn mac(&self, purpose: &str, parts: &[&str]) -> Vec<u8> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.expose_secret())
            .expect("HMAC takes a key of any length");
        for part in std::iter::once(&purpose).chain(parts) {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac.finalize().into_bytes().to_vec()
    }
}

fn text(bytes: &[u8]) -> String {
    format!("vrt_{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// The form of a secret token that the store keeps. Tokens are random, so that a plain hash
/// suffices.
pub fn stored_form(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn successors_are_the_same_for_the_same_token_and_installation() {
        let keys = Keys::ephemeral();
        let (tokens, elsewhere) = (RefreshTokens::new(&keys), RefreshTokens::new(&keys));
        let (one, other) = (tokens.first(), tokens.first());
        assert_ne!(one, other);
        assert_eq!(tokens.successor(&one), elsewhere.successor(&one));
        assert_ne!(tokens.successor(&one), tokens.successor(&other));
        let foreign = RefreshTokens::new(&Keys::ephemeral());
        assert_ne!(tokens.successor(&one), foreign.successor(&one));
    }

    #[test]
    fn clients_differ_by_address_and_program() {
        let tokens = RefreshTokens::new(&Keys::ephemeral());
        let [here, there] = [1, 2].map(|host| IpAddr::V4(Ipv4Addr::new(203, 0, 113, host)));
        assert_eq!(tokens.client(here, "a"), tokens.client(here, "a"));
        assert_ne!(tokens.client(here, "a"), tokens.client(there, "a"));
        assert_ne!(tokens.client(here, "a"), tokens.client(here, "b"));
    }

    #[test]
    fn stored_form_hides_the_token() {
        let token = RefreshTokens::new(&Keys::ephemeral()).first();
        assert_eq!(stored_form(&token).len(), 64);
        assert!(!stored_form(&token).contains(&token));
    }
}
