//! The keys that sign access tokens (Ed25519), and their rotation.
//!
//! The first key is derived from `tokens.key`, so that nodes with copies of the keys agree on it.
//! Further ones are files of the folder `signing`, whose names say from which second of Unix time
//! they sign. A key that was replaced still verifies until the tokens that it signed have expired,
//! unless it was replaced at once, because others may know it. Nodes reread the folder.

use super::keys::{KeyError, Keys, make, make_folder_of, read};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use parking_lot::RwLock;
use ring::signature::{Ed25519KeyPair, KeyPair};
use secrecy::{ExposeSecret, SecretSlice};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use time::{Duration, OffsetDateTime};

/// Name of the folder in the folder of keys.
const FOLDER: &str = "signing";
/// Ending of the name of a key that replaces its predecessors.
const KEY: &str = ".key";
/// Ending of the name of a key that is the only one from its time on.
const SOLE_KEY: &str = ".sole.key";
/// Time after which a key that was replaced is deleted: longer than any access token lives.
const KEPT: Duration = Duration::days(2);

/// What becomes of the older keys when a key begins to sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlap {
    /// They verify until their tokens have expired.
    UntilExpiry,
    /// They verify nothing any more.
    None,
}

/// A key that signs access tokens.
pub struct SigningKey {
    id: String,
    seed: SecretSlice<u8>,
    public: Vec<u8>,
    signs_from: OffsetDateTime,
    overlap: Overlap,
}

/// What may be told about a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyInfo {
    /// Its id, `kid` in the headers of tokens.
    pub id: String,
    /// From when it signs; `None` for the first key.
    pub signs_from: Option<OffsetDateTime>,
    /// What it does at present.
    pub state: KeyState,
}

/// What a key does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// It will sign.
    Next,
    /// It signs.
    Signs,
    /// It verifies the tokens that it signed.
    Verifies,
    /// It is not used any more.
    Retired,
}

/// A public key in the form of RFC 8037.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PublicJwk {
    kty: &'static str,
    crv: &'static str,
    x: String,
    kid: String,
    alg: &'static str,
    #[serde(rename = "use")]
    usage: &'static str,
}

impl SigningKey {
    fn new(
        seed: SecretSlice<u8>,
        signs_from: OffsetDateTime,
        overlap: Overlap,
        path: &Path,
    ) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.expose_secret()).map_err(|_| {
            KeyError::WrongLength { path: path.to_owned(), found: seed.expose_secret().len() }
        })?;
        let public = pair.public_key().as_ref().to_vec();
        Ok(Self { id: thumbprint(&public), seed, public, signs_from, overlap })
    }

    /// The id, `kid` in the headers of tokens.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The secret seed.
    pub(crate) fn seed(&self) -> &[u8] {
        self.seed.expose_secret()
    }

    /// The public key.
    pub(crate) fn public(&self) -> &[u8] {
        &self.public
    }

    fn jwk(&self) -> PublicJwk {
        PublicJwk {
            kty: "OKP",
            crv: "Ed25519",
            x: URL_SAFE_NO_PAD.encode(&self.public),
            kid: self.id.clone(),
            alg: "EdDSA",
            usage: "sig",
        }
    }
}

/// The thumbprint of RFC 7638 over the members that RFC 8037 names.
fn thumbprint(public: &[u8]) -> String {
    let x = URL_SAFE_NO_PAD.encode(public);
    let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    URL_SAFE_NO_PAD.encode(Sha256::digest(canonical))
}

/// The keys of an installation. Clones share them.
#[derive(Clone)]
pub struct SigningKeys(Arc<State>);

struct State {
    first: SecretSlice<u8>,
    /// `None`: in memory only.
    folder: Option<PathBuf>,
    /// In the order in which they sign; never empty.
    keys: RwLock<Arc<[Arc<SigningKey>]>>,
}

impl SigningKeys {
    /// Reads the keys of a folder of keys.
    pub fn open(keys: &Keys, folder: &Path) -> Result<Self, KeyError> {
        Self::with_folder(keys, Some(folder.join(FOLDER)))
    }

    /// The first key alone, for tests.
    pub fn ephemeral(keys: &Keys) -> Self {
        Self::with_folder(keys, None).expect("a derived key has the length of a seed")
    }

    fn with_folder(keys: &Keys, folder: Option<PathBuf>) -> Result<Self, KeyError> {
        let mut mac = Hmac::<Sha256>::new_from_slice(keys.tokens.expose_secret())
            .expect("HMAC takes a key of any length");
        mac.update(b"vultus first key of access tokens");
        let first = SecretSlice::from(mac.finalize().into_bytes().to_vec());
        let state = State { first, folder, keys: RwLock::new(Arc::from([])) };
        *state.keys.write() = state.read()?;
        Ok(Self(Arc::new(state)))
    }

    /// Reads the folder again. Returns whether the keys are others now.
    pub fn reload(&self) -> Result<bool, KeyError> {
        let read = self.0.read()?;
        let mut keys = self.0.keys.write();
        let is_news = !keys.iter().map(|key| &key.id).eq(read.iter().map(|key| &key.id));
        *keys = read;
        Ok(is_news)
    }

    fn all(&self) -> Arc<[Arc<SigningKey>]> {
        self.0.keys.read().clone()
    }

    /// The key that signs at `now`.
    pub(crate) fn signer(&self, now: OffsetDateTime) -> Arc<SigningKey> {
        let keys = self.all();
        let at = keys.iter().rposition(|key| key.signs_from <= now).unwrap_or(0);
        keys[at].clone()
    }

    /// The key with this id, if tokens that live as long as `lifetime` and are signed by it may be
    /// valid at `now`.
    pub(crate) fn verifier(
        &self,
        id: &str,
        lifetime: Duration,
        now: OffsetDateTime,
    ) -> Option<Arc<SigningKey>> {
        let keys = self.all();
        let at = keys.iter().position(|key| key.id == id)?;
        match state_of(&keys, at, lifetime, now) {
            // A node whose clock is ahead may sign with the next key already.
            KeyState::Next | KeyState::Signs | KeyState::Verifies => Some(keys[at].clone()),
            KeyState::Retired => None,
        }
    }

    /// The newest key that has replaced all earlier ones at once.
    pub fn sole(&self, now: OffsetDateTime) -> Option<String> {
        let keys = self.all();
        let mut in_force = keys.iter().rev().filter(|key| key.signs_from <= now);
        in_force.find(|key| key.overlap == Overlap::None).map(|key| key.id.clone())
    }

    /// Whether tokens of the key with this id may be valid: it was not replaced at once.
    pub fn is_accepted(&self, id: &str, now: OffsetDateTime) -> bool {
        let keys = self.all();
        let at = keys.iter().position(|key| key.id == id);
        at.is_some_and(|at| !is_replaced_at_once(&keys, at, now))
    }

    /// All keys, in the order in which they sign.
    pub fn list(&self, lifetime: Duration, now: OffsetDateTime) -> Vec<KeyInfo> {
        let keys = self.all();
        let info = |(at, key): (usize, &Arc<SigningKey>)| KeyInfo {
            id: key.id.clone(),
            signs_from: (at > 0).then_some(key.signs_from),
            state: state_of(&keys, at, lifetime, now),
        };
        keys.iter().enumerate().map(info).collect()
    }

    /// The public keys with which tokens may be verified at `now` or later.
    pub fn public_keys(&self, lifetime: Duration, now: OffsetDateTime) -> Vec<PublicJwk> {
        let keys = self.all();
        let mut public = Vec::new();
        for (at, key) in keys.iter().enumerate() {
            if state_of(&keys, at, lifetime, now) != KeyState::Retired {
                public.push(key.jwk());
            }
        }
        public
    }

    /// Makes a key that signs from a time on, and deletes keys that were replaced long ago. Returns
    /// the id of the new key.
    pub fn rotate(
        &self,
        signs_from: OffsetDateTime,
        overlap: Overlap,
        now: OffsetDateTime,
    ) -> Result<String, KeyError> {
        let Some(folder) = &self.0.folder else {
            let source = io::Error::from(io::ErrorKind::NotFound);
            return Err(KeyError::Io { path: PathBuf::new(), action: "writing", source });
        };
        let second = signs_from.unix_timestamp();
        let signs_from = OffsetDateTime::UNIX_EPOCH + Duration::seconds(second);
        let ending = match overlap {
            Overlap::UntilExpiry => KEY,
            Overlap::None => SOLE_KEY,
        };
        let path = folder.join(format!("{second}{ending}"));
        make_folder_of(&path)?;
        let seed = match path.exists() {
            // Rotated twice within a second.
            true => read(&path)?,
            false => make(&path)?,
        };
        let made = SigningKey::new(seed, signs_from, overlap, &path)?;
        self.0.delete_older_than(now - KEPT)?;
        self.reload()?;
        Ok(made.id)
    }
}

fn state_of(
    keys: &[Arc<SigningKey>],
    at: usize,
    lifetime: Duration,
    now: OffsetDateTime,
) -> KeyState {
    if is_replaced_at_once(keys, at, now) {
        return KeyState::Retired;
    }
    match keys.get(at + 1) {
        Some(next) if next.signs_from + lifetime <= now => KeyState::Retired,
        Some(next) if next.signs_from <= now => KeyState::Verifies,
        _ if keys[at].signs_from > now => KeyState::Next,
        _ => KeyState::Signs,
    }
}

fn is_replaced_at_once(keys: &[Arc<SigningKey>], at: usize, now: OffsetDateTime) -> bool {
    keys[at + 1..].iter().any(|key| key.overlap == Overlap::None && key.signs_from <= now)
}

impl State {
    fn read(&self) -> Result<Arc<[Arc<SigningKey>]>, KeyError> {
        let seed = SecretSlice::from(self.first.expose_secret().to_vec());
        let derived = Path::new("tokens.key");
        let beginning = OffsetDateTime::UNIX_EPOCH;
        let first = SigningKey::new(seed, beginning, Overlap::UntilExpiry, derived)?;
        let known = self.keys.read().clone();
        let mut keys = vec![Arc::new(first)];
        for (path, signs_from, overlap) in self.files()? {
            let is_this =
                |key: &&Arc<SigningKey>| key.signs_from == signs_from && key.overlap == overlap;
            keys.push(match known.iter().skip(1).find(is_this) {
                Some(known) => known.clone(),
                None => Arc::new(SigningKey::new(read(&path)?, signs_from, overlap, &path)?),
            });
        }
        Ok(keys.into())
    }

    /// The files, in the order of their times.
    fn files(&self) -> Result<Vec<(PathBuf, OffsetDateTime, Overlap)>, KeyError> {
        let Some(folder) = &self.folder else { return Ok(Vec::new()) };
        let failed = |source| KeyError::Io { path: folder.clone(), action: "reading", source };
        let mut files = Vec::new();
        let entries = match std::fs::read_dir(folder) {
            // Nothing was rotated yet. The folder of the keys may be read-only.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(files),
            other => other.map_err(failed)?,
        };
        for entry in entries {
            let path = entry.map_err(failed)?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if !name.ends_with(KEY) {
                // Another node is writing a key.
                continue;
            }
            let (text, overlap) = match name.strip_suffix(SOLE_KEY) {
                Some(text) => (text, Overlap::None),
                None => (name.trim_end_matches(KEY), Overlap::UntilExpiry),
            };
            let second = text.parse().ok();
            let signs_from = second.and_then(|s| OffsetDateTime::from_unix_timestamp(s).ok());
            let Some(signs_from) = signs_from else { return Err(KeyError::WrongName { path }) };
            files.push((path, signs_from, overlap));
        }
        files.sort_by(|one, other| (one.1, &one.0).cmp(&(other.1, &other.0)));
        Ok(files)
    }

    /// Deletes the keys whose successors have been signing since before this time.
    fn delete_older_than(&self, time: OffsetDateTime) -> Result<(), KeyError> {
        let files = self.files()?;
        for (at, (path, ..)) in files.iter().enumerate() {
            if files.get(at + 1).is_some_and(|(_, next, _)| *next < time) {
                let failed =
                    |source| KeyError::Io { path: path.clone(), action: "deleting", source };
                std::fs::remove_file(path).map_err(failed)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
