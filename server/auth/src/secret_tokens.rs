//! Secrets that the server hands out once: keys of service accounts and tokens that reset a
//! password. The store keeps their SHA-256 (see [`crate::refresh_tokens::stored_form`]).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;

/// The beginning of every key of a service account.
const API_KEY: &str = "vlt_";

/// A new key of a service account.
#[derive(Debug)]
pub struct NewApiKey {
    /// The key, which is shown once.
    pub secret: SecretString,
    /// Its beginning, by which people recognize it: 32 of its random bits.
    pub prefix: String,
}

/// Makes a key of a service account: 256 random bits after the prefix.
pub fn new_api_key() -> NewApiKey {
    let prefix = format!("{API_KEY}{}", hex::encode(rand::random::<[u8; 4]>()));
    let secret = format!("{prefix}_{}", random_text());
    NewApiKey { secret: secret.into(), prefix }
}

/// Whether a credential has the form of a key of a service account.
pub fn is_api_key(credential: &str) -> bool {
    credential.starts_with(API_KEY)
}

/// Makes a token that resets a password: 256 random bits.
pub fn new_password_reset() -> SecretString {
    format!("vpr_{}", random_text()).into()
}

fn random_text() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    #[test]
    fn keys_differ_and_begin_with_their_prefix() {
        let (one, other) = (new_api_key(), new_api_key());
        assert_ne!(one.secret.expose_secret(), other.secret.expose_secret());
        assert!(one.secret.expose_secret().starts_with(&format!("{}_", one.prefix)));
        assert!(is_api_key(one.secret.expose_secret()) && !is_api_key("vrt_x"));
        assert_eq!((one.prefix.len(), one.secret.expose_secret().len()), (12, 12 + 1 + 43));
        assert_ne!(new_password_reset().expose_secret(), new_password_reset().expose_secret());
    }
}
