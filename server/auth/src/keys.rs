//! Secret keys in a folder: generated once, readable by the server's user only. All nodes of a
//! cluster need the same keys; a fingerprint in the store reveals a node with different ones.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use sha2::Sha256;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use vultus_blobs::keys::MasterKey;

/// Length of every key, in bytes.
pub const KEY_BYTES: usize = 32;
/// Maximum length that is read from a key file, longer than any form of a key.
const LONGEST_KEY_FILE: u64 = 1 << 10;

/// The keys of this installation.
pub struct Keys {
    /// The root of keyed hashes and challenges (HMAC-SHA256), and of the first key that signs
    /// access tokens (see [`crate::signing_keys`]).
    pub tokens: SecretSlice<u8>,
    /// Signs download links (HMAC-SHA256).
    pub downloads: SecretSlice<u8>,
}

/// Source of the master key.
#[derive(Debug, Clone)]
pub enum MasterKeySource {
    /// 64 hexadecimal digits.
    Text(SecretString),
    /// A file with the key, raw or as hexadecimal digits.
    File(PathBuf),
}

/// Why keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A key file cannot be read or written.
    #[error("key file {path}: {action} failed")]
    Io {
        /// The file.
        path: PathBuf,
        /// The failed action.
        action: &'static str,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Other users can read a key file.
    #[error("key file {path} is readable by other users (mode {mode:o}); it must have mode 600")]
    TooOpen {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The master key is missing, but the store contains data that are encrypted with it.
    #[error(
        "there is no master key at {path}, but the store is encrypted with one: copy the key to \
         this path, or set blobs.master_key_file"
    )]
    NoMaster {
        /// The expected path.
        path: PathBuf,
    },
    /// The name of a file in the folder of signing keys says no time.
    #[error(
        "signing key file {path} must be named by the Unix time from which it signs, such as \
         1893456000.key"
    )]
    WrongName {
        /// The file.
        path: PathBuf,
    },
    /// The text is not 64 hexadecimal digits.
    #[error("VULTUS_MASTER_KEY must be 64 hexadecimal digits")]
    NotHex,
    /// The file does not contain a key.
    #[error("key file {path} has {found} bytes instead of {KEY_BYTES}")]
    WrongLength {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        found: usize,
    },
}

impl Keys {
    /// Reads the keys of a folder; generates missing ones.
    pub fn open(folder: &Path) -> Result<Self, KeyError> {
        make_folder_of(&folder.join("any"))?;
        Ok(Self {
            tokens: key(&folder.join("tokens.key"))?,
            downloads: key(&folder.join("downloads.key"))?,
        })
    }

    /// Identifies the keys without revealing them.
    pub fn fingerprint(&self) -> String {
        let of = |key: &SecretSlice<u8>| {
            let mut mac = Hmac::<Sha256>::new_from_slice(key.expose_secret())
                .expect("HMAC takes a key of any length");
            mac.update(b"vultus fingerprint of a key");
            hex::encode(&mac.finalize().into_bytes()[..8])
        };
        format!("{}-{}", of(&self.tokens), of(&self.downloads))
    }

    /// Keys for tests: random, in memory only.
    pub fn ephemeral() -> Self {
        Self { tokens: random_key(), downloads: random_key() }
    }
}

impl MasterKeySource {
    /// Writes the key as text to a new file that only its owner can read.
    pub fn copy_to(&self, target: &Path) -> Result<(), KeyError> {
        let failed = |source| KeyError::Io { path: target.to_owned(), action: "writing", source };
        self.open(false)?;
        let text = match self {
            Self::Text(text) => text.expose_secret().to_owned(),
            Self::File(path) => {
                let bytes = read_any(path)?;
                let bytes = bytes.expose_secret();
                if bytes.len() == KEY_BYTES {
                    hex::encode(bytes)
                } else {
                    String::from_utf8_lossy(bytes).into_owned()
                }
            }
        };
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(target)
            .map_err(failed)?;
        file.write_all(text.trim().as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
    }

    /// Reads the master key. With `may_make`, generates a missing file; pass it only if nothing is
    /// encrypted yet.
    pub fn open(&self, may_make: bool) -> Result<MasterKey, KeyError> {
        match self {
            Self::Text(text) => parse_hex(text.expose_secret().as_bytes()).ok_or(KeyError::NotHex),
            Self::File(path) => {
                let bytes = match read_any(path) {
                    Err(KeyError::Io { source, .. })
                        if source.kind() == io::ErrorKind::NotFound =>
                    {
                        if !may_make {
                            return Err(KeyError::NoMaster { path: path.clone() });
                        }
                        make_folder_of(path)?;
                        make(path)?
                    }
                    other => other?,
                };
                let found = bytes.expose_secret().len();
                let raw =
                    <&[u8; KEY_BYTES]>::try_from(bytes.expose_secret()).ok().map(MasterKey::new);
                raw.or_else(|| parse_hex(bytes.expose_secret()))
                    .ok_or(KeyError::WrongLength { path: path.clone(), found })
            }
        }
    }
}

fn parse_hex(text: &[u8]) -> Option<MasterKey> {
    let mut bytes = [0; KEY_BYTES];
    hex::decode_to_slice(text.trim_ascii(), &mut bytes).ok()?;
    Some(MasterKey::new(&bytes))
}

pub(crate) fn make_folder_of(path: &Path) -> Result<(), KeyError> {
    let Some(folder) = path.parent() else { return Ok(()) };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|source| {
        KeyError::Io { path: folder.to_owned(), action: "creating the folder", source }
    })
}

fn key(path: &Path) -> Result<SecretSlice<u8>, KeyError> {
    match read(path) {
        Err(KeyError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => make(path),
        other => other,
    }
}

pub(crate) fn read(path: &Path) -> Result<SecretSlice<u8>, KeyError> {
    let bytes = read_any(path)?;
    let found = bytes.expose_secret().len();
    if found == KEY_BYTES {
        Ok(bytes)
    } else {
        Err(KeyError::WrongLength { path: path.to_owned(), found })
    }
}

fn read_any(path: &Path) -> Result<SecretSlice<u8>, KeyError> {
    let failed = |source| KeyError::Io { path: path.to_owned(), action: "reading", source };
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyError::TooOpen { path: path.to_owned(), mode });
    }
    let mut bytes = Vec::with_capacity(KEY_BYTES);
    file.take(LONGEST_KEY_FILE).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes.into())
}

pub(crate) fn make(path: &Path) -> Result<SecretSlice<u8>, KeyError> {
    let failed = |source| KeyError::Io { path: path.to_owned(), action: "writing", source };
    let key = random_key();
    // Written to a temporary name, then linked: a crash leaves no partial key, and if several nodes
    // share the folder, all use the key that was linked first.
    let unfinished = path.with_extension(format!("{}.new", uuid::Uuid::now_v7()));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unfinished)
        .map_err(failed)?;
    file.write_all(key.expose_secret()).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    let linked = fs::hard_link(&unfinished, path);
    fs::remove_file(&unfinished).map_err(failed)?;
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return read(path),
        other => other.map_err(failed)?,
    }
    if let Some(folder) = path.parent() {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
    }
    Ok(key)
}

fn random_key() -> SecretSlice<u8> {
    Vec::from(rand::random::<[u8; KEY_BYTES]>()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_generated_once_and_readable_by_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let first = Keys::open(folder.path()).unwrap();
        let second = Keys::open(folder.path()).unwrap();
        assert_eq!(first.tokens.expose_secret(), second.tokens.expose_secret());
        assert_ne!(first.tokens.expose_secret(), first.downloads.expose_secret());
        let mode = fs::metadata(folder.path().join("tokens.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn nodes_that_start_together_share_the_same_keys() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Keys::open(folder.path()).unwrap().fingerprint();
        let prints: Vec<String> = std::thread::scope(|scope| {
            let nodes: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            nodes.into_iter().map(|node| node.join().unwrap()).collect()
        });
        assert!(prints.iter().all(|print| *print == prints[0]), "{prints:?}");
        assert_ne!(Keys::ephemeral().fingerprint(), prints[0]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "no temporary file remains");
    }

    #[test]
    fn key_readable_by_others_is_rejected() {
        let folder = tempfile::tempdir().unwrap();
        Keys::open(folder.path()).unwrap();
        fs::set_permissions(folder.path().join("tokens.key"), fs::Permissions::from_mode(0o644))
            .unwrap();
        assert!(matches!(Keys::open(folder.path()), Err(KeyError::TooOpen { mode: 0o644, .. })));
    }

    #[test]
    fn master_key_is_made_only_on_request_and_read_in_both_forms() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys/master.key");
        let file = MasterKeySource::File(path.clone());
        assert!(matches!(file.open(false), Err(KeyError::NoMaster { .. })));
        let company = vultus_core::CompanyId(uuid::Uuid::now_v7());
        let wrapped = file.open(true).unwrap().make_company_key(company);
        assert!(file.open(false).unwrap().open(company, &wrapped).is_ok());
        let text = hex::encode(fs::read(&path).unwrap());
        assert!(
            MasterKeySource::Text(text.clone().into())
                .open(false)
                .unwrap()
                .open(company, &wrapped)
                .is_ok()
        );
        fs::write(&path, format!("{text}\n")).unwrap();
        assert!(file.open(false).unwrap().open(company, &wrapped).is_ok());
        assert!(matches!(MasterKeySource::Text("short".into()).open(false), Err(KeyError::NotHex)));
        fs::write(&path, "short").unwrap();
        assert!(matches!(file.open(true), Err(KeyError::WrongLength { found: 5, .. })));
    }
}
