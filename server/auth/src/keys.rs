//! Secret keys in a folder: made once, readable by the server's user alone. The nodes of a cluster
//! must have the same ones; a fingerprint in the store shows when they have not.

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
/// More than a key in any form has.
const LONGEST_KEY_FILE: u64 = 1 << 10;

/// The keys of this installation.
pub struct Keys {
    /// Signs access tokens (HMAC-SHA256).
    pub tokens: SecretSlice<u8>,
    /// Signs download links (HMAC-SHA256).
    pub downloads: SecretSlice<u8>,
}

/// Where the master key comes from.
#[derive(Debug, Clone)]
pub enum MasterKeySource {
    /// 64 hexadecimal digits.
    Text(SecretString),
    /// A file.
    File(PathBuf),
}

/// Why the keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It could not be read or written.
    #[error("key file {path}: {action} failed")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was being done.
        action: &'static str,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Others may read it.
    #[error("key file {path} can be read by others (mode {mode:o}); it must have mode 600")]
    TooOpen {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The master key is missing, and there are data that it opens.
    #[error(
        "there is no master key at {path}, but the store was made with one: put it there, or name it by blobs.master_key_file"
    )]
    NoMaster {
        /// Where it is looked for.
        path: PathBuf,
    },
    /// The text is not a key.
    #[error("VULTUS_MASTER_KEY must be 64 hexadecimal digits")]
    NotHex,
    /// It is not a key.
    #[error("key file {path} holds {found} bytes instead of {KEY_BYTES}")]
    WrongLength {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        found: usize,
    },
}

impl Keys {
    /// Reads the keys of a folder, and makes those that are missing.
    pub fn open(folder: &Path) -> Result<Self, KeyError> {
        make_folder_of(&folder.join("any"))?;
        Ok(Self {
            tokens: key(&folder.join("tokens.key"))?,
            downloads: key(&folder.join("downloads.key"))?,
        })
    }

    /// Tells keys apart and gives nothing of them away.
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
    /// Writes the key, as text, into a new file for its owner alone.
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

    /// Reads the master key. A file that is missing is made if `may_make` says so: if nothing was
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

fn make_folder_of(path: &Path) -> Result<(), KeyError> {
    let Some(folder) = path.parent() else { return Ok(()) };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|source| {
        KeyError::Io { path: folder.to_owned(), action: "making the folder", source }
    })
}

fn key(path: &Path) -> Result<SecretSlice<u8>, KeyError> {
    match read(path) {
        Err(KeyError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => make(path),
        other => other,
    }
}

fn read(path: &Path) -> Result<SecretSlice<u8>, KeyError> {
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

fn make(path: &Path) -> Result<SecretSlice<u8>, KeyError> {
    let failed = |source| KeyError::Io { path: path.to_owned(), action: "writing", source };
    let key = random_key();
    // Written under a name of its own first: a crash in between leaves no short key behind, and of
    // several nodes that share the folder the first one's key is everybody's.
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
    fn keys_are_made_once_for_the_owner_alone_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let first = Keys::open(folder.path()).unwrap();
        let second = Keys::open(folder.path()).unwrap();
        assert_eq!(first.tokens.expose_secret(), second.tokens.expose_secret());
        assert_ne!(first.tokens.expose_secret(), first.downloads.expose_secret());
        let mode = fs::metadata(folder.path().join("tokens.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn nodes_that_start_together_in_one_folder_have_the_same_keys() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Keys::open(folder.path()).unwrap().fingerprint();
        let prints: Vec<String> = std::thread::scope(|scope| {
            let nodes: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            nodes.into_iter().map(|node| node.join().unwrap()).collect()
        });
        assert!(prints.iter().all(|print| *print == prints[0]), "{prints:?}");
        assert_ne!(Keys::ephemeral().fingerprint(), prints[0]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing else is left");
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        Keys::open(folder.path()).unwrap();
        fs::set_permissions(folder.path().join("tokens.key"), fs::Permissions::from_mode(0o644))
            .unwrap();
        assert!(matches!(Keys::open(folder.path()), Err(KeyError::TooOpen { mode: 0o644, .. })));
    }

    #[test]
    fn a_master_key_is_made_only_where_nothing_needs_one_and_read_in_both_forms() {
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
