//! Secret keys in the data folder: made once, readable by the server's user alone.

use secrecy::{ExposeSecret, SecretSlice};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Length of every key, in bytes.
pub const KEY_BYTES: usize = 32;

/// The keys of this installation.
pub struct Keys {
    /// Signs access tokens (HMAC-SHA256).
    pub tokens: SecretSlice<u8>,
    /// Signs download links (HMAC-SHA256).
    pub downloads: SecretSlice<u8>,
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
    /// Reads the keys of a data folder, and makes those that are missing.
    pub fn open(data_dir: &Path) -> Result<Self, KeyError> {
        let folder = data_dir.join("keys");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(|source| KeyError::Io {
            path: folder.clone(),
            action: "making the folder",
            source,
        })?;
        Ok(Self { tokens: key(&folder.join("tokens.key"))?, downloads: key(&folder.join("downloads.key"))? })
    }

    /// Keys for tests: random, in memory only.
    pub fn ephemeral() -> Self {
        Self { tokens: random_key(), downloads: random_key() }
    }
}

fn key(path: &Path) -> Result<SecretSlice<u8>, KeyError> {
    match read(path) {
        Err(KeyError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => make(path),
        other => other,
    }
}

fn read(path: &Path) -> Result<SecretSlice<u8>, KeyError> {
    let failed = |source| KeyError::Io { path: path.to_owned(), action: "reading", source };
    let mut file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyError::TooOpen { path: path.to_owned(), mode });
    }
    let mut bytes = Vec::with_capacity(KEY_BYTES);
    file.read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() != KEY_BYTES {
        return Err(KeyError::WrongLength { path: path.to_owned(), found: bytes.len() });
    }
    Ok(bytes.into())
}

fn make(path: &Path) -> Result<SecretSlice<u8>, KeyError> {
    let failed = |source| KeyError::Io { path: path.to_owned(), action: "writing", source };
    let key = random_key();
    // Written under another name first: a crash in between leaves no short key behind.
    let unfinished = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished).map_err(failed)?;
    file.write_all(key.expose_secret()).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    fs::rename(&unfinished, path).map_err(failed)?;
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
        let mode = fs::metadata(folder.path().join("keys/tokens.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        Keys::open(folder.path()).unwrap();
        fs::set_permissions(folder.path().join("keys/tokens.key"), fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(Keys::open(folder.path()), Err(KeyError::TooOpen { mode: 0o644, .. })));
    }
}
