//! Passwords: Argon2id on a fixed number of threads, and the same work whether the user exists or
//! not.

use crate::hashing::HashingThreads;
use crate::strength;
use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use rand::seq::IndexedRandom;
use secrecy::{ExposeSecret, SecretString};
use std::net::IpAddr;
use std::sync::Arc;
use vultus_core::{Error, Result};

/// Memory of one hash, in KiB. OWASP recommends 19 MiB for t=2, p=1.
const MEMORY_KIB: u32 = 19 * 1024;
/// Passes over the memory.
const PASSES: u32 = 2;
/// Lanes.
const LANES: u32 = 1;
/// Length of a hash, in bytes.
const HASH_BYTES: usize = 32;
/// Length of a salt, in bytes.
const SALT_BYTES: usize = 16;
/// Minimum length of a new user's password, in characters.
pub const MIN_PASSWORD_CHARS: usize = 12;
/// Maximum length of a password, in bytes.
pub const MAX_PASSWORD_BYTES: usize = 1024;

pub use crate::hashing::HashOwner;

/// A password that a person chose.
pub struct ChosenPassword {
    /// The password.
    pub password: SecretString,
    /// What others know of its user, such as the name.
    pub known: Vec<String>,
    /// The argument that errors name.
    pub argument: &'static str,
}

/// Makes and checks password hashes. Clones share the threads.
#[derive(Clone)]
pub struct Passwords {
    threads: Arc<HashingThreads>,
    decoy: Arc<str>,
}

impl Passwords {
    /// Computes at most `concurrency` hashes at a time; each takes 19 MiB and one processor.
    pub fn new(concurrency: usize) -> Result<Self> {
        let password = SecretString::from("the password of no user");
        Ok(Self {
            threads: Arc::new(HashingThreads::start(concurrency)?),
            decoy: hash(&password, &mut Vec::new())?.into(),
        })
    }

    /// The hash of a generated password, in PHC string form.
    pub async fn hash(&self, password: SecretString, owner: HashOwner) -> Result<String> {
        self.threads.run(owner, move |memory| hash(&password, memory)).await
    }

    /// The hash of a chosen password. Refuses one that is easy to guess; to estimate that takes
    /// processor time, too, and so it is done on the same threads.
    pub async fn hash_chosen(&self, chosen: ChosenPassword, owner: HashOwner) -> Result<String> {
        let check_and_hash = move |memory: &mut Vec<Block>| {
            let ChosenPassword { password, known, argument } = &chosen;
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            strength::check_new(password, &known, argument)?;
            hash(password, memory)
        };
        self.threads.run(owner, check_and_hash).await
    }

    /// Whether the password, sent from an address, matches the stored hash. Without a hash (unknown
    /// user) it does the same work and returns false.
    pub async fn verify(
        &self,
        password: SecretString,
        stored: Option<String>,
        from: IpAddr,
    ) -> Result<bool> {
        let decoy = self.decoy.clone();
        let check = move |memory: &mut Vec<Block>| {
            let exists = stored.is_some();
            let matches = matches(&password, stored.as_deref().unwrap_or(&decoy), memory)?;
            Ok(exists && matches)
        };
        self.threads.run(HashOwner::Address(from), check).await
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

fn hash(password: &SecretString, memory: &mut Vec<Block>) -> Result<String> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(HASH_BYTES))
        .map_err(|e| Error::broken(format!("Argon2 parameters: {e}")))?;
    let salt = Salt::new(&rand::random::<[u8; SALT_BYTES]>())
        .map_err(|e| Error::broken(format!("making a salt: {e}")))?;
    let output = derived(password, &salt, &params, Algorithm::Argon2id, Version::V0x13, memory)?;
    let params = ParamsString::try_from(&params)
        .map_err(|e| Error::broken(format!("Argon2 parameters: {e}")))?;
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params,
        salt: Some(salt),
        hash: Some(output),
    };
    Ok(hash.to_string())
}

fn matches(password: &SecretString, stored: &str, memory: &mut Vec<Block>) -> Result<bool> {
    if password.expose_secret().len() > MAX_PASSWORD_BYTES {
        return Ok(false);
    }
    let broken = |what: &dyn std::fmt::Display| {
        Error::broken(format!("reading a stored password hash: {what}"))
    };
    let stored = PasswordHash::new(stored).map_err(|e| broken(&e))?;
    let algorithm = Algorithm::try_from(stored.algorithm.as_str()).map_err(|e| broken(&e))?;
    let version = stored.version.map(Version::try_from).transpose().map_err(|e| broken(&e))?;
    let params = Params::try_from(&stored).map_err(|e| broken(&e))?;
    let (Some(salt), Some(expected)) = (&stored.salt, &stored.hash) else {
        return Err(broken(&"it has no salt or no hash"));
    };
    let version = version.unwrap_or_default();
    // `Output` is compared in constant time.
    Ok(derived(password, salt, &params, algorithm, version, memory)? == *expected)
}

/// Computes a hash in `memory`, which is allocated once and then reused.
fn derived(
    password: &SecretString,
    salt: &Salt,
    params: &Params,
    algorithm: Algorithm,
    version: Version,
    memory: &mut Vec<Block>,
) -> Result<Output> {
    let hashing = |e: &dyn std::fmt::Display| Error::broken(format!("hashing a password: {e}"));
    if memory.len() < params.block_count() {
        memory.resize(params.block_count(), Block::new());
    }
    let mut output = vec![0; params.output_len().unwrap_or(HASH_BYTES)];
    Argon2::new(algorithm, version, params.clone())
        .hash_password_into_with_memory(
            password.expose_secret().as_bytes(),
            salt,
            &mut output,
            memory.as_mut_slice(),
        )
        .map_err(|e| hashing(&e))?;
    Output::new(&output).map_err(|e| hashing(&e))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[tokio::test]
    async fn only_the_right_password_of_an_existing_user_matches() {
        let passwords = Passwords::new(2).unwrap();
        let stored =
            passwords.hash("correct horse battery".into(), HashOwner::Installation).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        let matches = async |password: &str, stored: Option<&String>| {
            passwords.verify(password.into(), stored.cloned(), HERE).await.unwrap()
        };
        assert!(matches("correct horse battery", Some(&stored)).await);
        assert!(!matches("wrong horse battery", Some(&stored)).await);
        assert!(!matches("the password of no user", None).await);
    }

    #[tokio::test]
    async fn hash_of_the_reference_implementation_matches() {
        // From `argon2` of Debian: echo -n password | argon2 somesalt -id -t 2 -m 16 -p 1 -e
        let stored = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ\
                      $CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        let passwords = Passwords::new(1).unwrap();
        let verified = passwords.verify("password".into(), Some(stored.to_owned()), HERE).await;
        assert!(verified.unwrap());
    }

    #[test]
    fn generated_passwords_differ_and_are_long() {
        let (a, b) = (generate(), generate());
        assert_eq!(a.expose_secret().len(), 20);
        assert_ne!(a.expose_secret(), b.expose_secret());
    }
}
