//! Passwords: Argon2id with bounded concurrency, and the same work whether the user exists or not.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use rand::seq::IndexedRandom;
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;
use vultus_core::{Error, Result};

/// Memory of one hash, in KiB. OWASP recommends 19 MiB for t=2, p=1.
const MEMORY_KIB: u32 = 19 * 1024;
/// Passes over the memory.
const PASSES: u32 = 2;
/// Lanes.
const LANES: u32 = 1;
/// Minimum length of a new user's password, in characters.
pub const MIN_PASSWORD_CHARS: usize = 12;
/// Maximum length of a password, in bytes.
pub const MAX_PASSWORD_BYTES: usize = 1024;

/// Makes and checks password hashes.
#[derive(Clone)]
pub struct Passwords {
    permits: Arc<Semaphore>,
    decoy: Arc<str>,
}

impl Passwords {
    /// Computes at most `concurrency` hashes at a time; each takes 19 MiB and one processor.
    pub fn new(concurrency: usize) -> Result<Self> {
        let password = SecretString::from("the password of no user");
        Ok(Self {
            permits: Arc::new(Semaphore::new(concurrency.max(1))),
            decoy: hash(&password)?.into(),
        })
    }

    /// The hash of a new password, in PHC string form.
    pub async fn hash(&self, password: SecretString) -> Result<String> {
        self.on_a_thread(move || hash(&password)).await
    }

    /// Whether the password matches the stored hash. Without a hash (unknown user) it does the same
    /// work and returns false.
    pub async fn verify(&self, password: SecretString, stored: Option<String>) -> Result<bool> {
        let decoy = self.decoy.clone();
        self.on_a_thread(move || {
            let exists = stored.is_some();
            let matches = matches(&password, stored.as_deref().unwrap_or(&decoy))?;
            Ok(exists && matches)
        })
        .await
    }

    async fn on_a_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let permits = self.permits.clone();
        // A task: a waiting future that is not polled must not block the semaphore's queue.
        let hashing = tokio::spawn(async move {
            let permit = permits
                .acquire_owned()
                .await
                .map_err(|e| Error::internal("waiting to hash a password", e))?;
            tokio::task::spawn_blocking(move || {
                let result = work();
                drop(permit);
                result
            })
            .await
            .map_err(|e| Error::internal("hashing a password", e))?
        });
        AbortOnDropHandle::new(hashing)
            .await
            .map_err(|e| Error::internal("waiting for the hash of a password", e))?
    }
}

/// Generates an initial password: 20 characters without similar ones, more than 110 bits.
pub fn generate() -> SecretString {
    const ALPHABET: &[u8] = b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    let mut rng = rand::rng();
    let text: String =
        (0..20).filter_map(|_| ALPHABET.choose(&mut rng)).map(|&byte| char::from(byte)).collect();
    text.into()
}

fn argon2() -> Result<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None)
        .map_err(|e| Error::broken(format!("Argon2 parameters: {e}")))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash(password: &SecretString) -> Result<String> {
    let hash = argon2()?
        .hash_password(password.expose_secret().as_bytes())
        .map_err(|e| Error::broken(format!("hashing a password: {e}")))?;
    Ok(hash.to_string())
}

fn matches(password: &SecretString, stored: &str) -> Result<bool> {
    if password.expose_secret().len() > MAX_PASSWORD_BYTES {
        return Ok(false);
    }
    let stored = PasswordHash::new(stored)
        .map_err(|e| Error::broken(format!("reading a stored password hash: {e}")))?;
    match argon2()?.verify_password(password.expose_secret().as_bytes(), &stored) {
        Ok(()) => Ok(true),
        Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
        Err(e) => Err(Error::broken(format!("checking a password: {e}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_of_an_existing_user_matches() {
        let passwords = Passwords::new(2).unwrap();
        let stored = passwords.hash("correct horse battery".into()).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert!(
            passwords.verify("correct horse battery".into(), Some(stored.clone())).await.unwrap()
        );
        assert!(!passwords.verify("wrong horse battery".into(), Some(stored)).await.unwrap());
        assert!(!passwords.verify("the password of no user".into(), None).await.unwrap());
    }

    #[test]
    fn generated_passwords_differ_and_are_long() {
        let (a, b) = (generate(), generate());
        assert_eq!(a.expose_secret().len(), 20);
        assert_ne!(a.expose_secret(), b.expose_secret());
    }
}
