//! The keys of blobs. The master key of the installation wraps the keys of the companies, a
//! company's key wraps the keys of its folders, and a folder's key wraps the content key in the
//! header of each of its blobs. The store contains wrapped keys only. Once a folder's key is
//! erased, no copy of its blobs can be read.
//!
//! A wrapped key is `version ‖ nonce ‖ AES-256-GCM(key)`. Its owner is associated data, so that
//! it cannot be used in place of another key.

use crate::error::BlobError;
use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use vultus_core::{CompanyId, FolderId};
use zeroize::Zeroizing;

/// Length of every key, in bytes.
pub const KEY_BYTES: usize = 32;
/// Current version of wrapped keys.
const VERSION: u8 = 1;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
/// Length of a wrapped key, in bytes.
pub(super) const WRAPPED_BYTES: usize = 1 + NONCE_BYTES + KEY_BYTES + TAG_BYTES;

/// Shape of a key: a UUID, two hexadecimal digits, a SHA-256 in hexadecimal.
const KEY_PART_BYTES: [usize; 3] = [36, 2, 64];

/// Key material. It is overwritten when dropped, and never printed.
pub(super) type Secret = Zeroizing<[u8; KEY_BYTES]>;

/// Why a wrapped key cannot be unwrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is missing: the data are of a version that did not encrypt.
    #[error("the data are not encrypted yet; `vultus store migrate` encrypts them")]
    Missing,
    /// It was wrapped under another key or for another owner, or was changed.
    #[error("a key does not open with this master key")]
    Wrong,
    /// A newer program wrapped it.
    #[error("a key was wrapped by a newer program (version {0})")]
    Newer(u8),
}

/// The key that an operator configures, the same for all nodes of a store.
pub struct MasterKey(Secret);

/// A company's key.
pub struct CompanyKey {
    id: CompanyId,
    key: Secret,
}

/// The keys that are derived from a folder's key.
pub struct FolderKey {
    company: CompanyId,
    names: Secret,
    contents: Secret,
}

impl MasterKey {
    /// Creates a key from its bytes.
    pub fn new(bytes: &[u8; KEY_BYTES]) -> Self {
        Self(Zeroizing::new(*bytes))
    }

    /// Creates a key for a new company and returns it wrapped.
    pub fn make_company_key(&self, id: CompanyId) -> Vec<u8> {
        wrap(&self.0, &company_label(id), &random())
    }

    /// Unwraps the key of a company.
    pub fn open(&self, id: CompanyId, wrapped: &[u8]) -> Result<CompanyKey, KeyError> {
        Ok(CompanyKey { id, key: unwrap(&self.0, &company_label(id), wrapped)? })
    }

    /// Wraps the key of a company under another master key.
    pub fn rewrap(&self, to: &Self, id: CompanyId, wrapped: &[u8]) -> Result<Vec<u8>, KeyError> {
        Ok(wrap(&to.0, &company_label(id), &unwrap(&self.0, &company_label(id), wrapped)?))
    }
}

impl CompanyKey {
    /// Creates a key for a new folder and returns it wrapped.
    pub fn make_folder_key(&self, id: FolderId) -> Vec<u8> {
        wrap(&self.key, &self.folder_label(id), &random())
    }

    /// Unwraps the key of a folder.
    pub fn open(&self, id: FolderId, wrapped: &[u8]) -> Result<FolderKey, KeyError> {
        let key = unwrap(&self.key, &self.folder_label(id), wrapped)?;
        let derived = |label: &[u8]| {
            let mut out = Zeroizing::new([0; KEY_BYTES]);
            out.copy_from_slice(&mac(&key[..], label));
            out
        };
        Ok(FolderKey {
            company: self.id,
            names: derived(b"vultus/names/1"),
            contents: derived(b"vultus/contents/1"),
        })
    }

    fn folder_label(&self, id: FolderId) -> Vec<u8> {
        [b"vultus/folder-key/1".as_slice(), self.id.0.as_bytes(), id.0.as_bytes()].concat()
    }
}

impl FolderKey {
    /// Name of a blob of the folder: `company/<2 hex>/<hmac>` with the HMAC-SHA256 over the
    /// lower-case hexadecimal SHA-256 of the bytes. The same bytes have one name within a folder,
    /// and unrelated names in two folders.
    pub fn blob_key(&self, sha256: &str) -> String {
        let name = hex::encode(mac(&self.names[..], sha256.as_bytes()));
        format!("{}/{}/{name}", self.company, &name[..2])
    }

    /// Wraps the content key of a blob; `label` identifies the blob.
    pub(super) fn wrap(&self, label: &[u8], content: &Secret) -> Vec<u8> {
        wrap(&self.contents, label, content)
    }

    /// Unwraps the content key of a blob.
    pub(super) fn unwrap(&self, label: &[u8], wrapped: &[u8]) -> Result<Secret, KeyError> {
        unwrap(&self.contents, label, wrapped)
    }
}

macro_rules! never_printed {
    ($($name:ident)+) => {
        $(impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(secret)"))
            }
        })+
    };
}

never_printed!(MasterKey CompanyKey FolderKey);

/// Checks the shape of a key. Fails with `NotFound` if [`FolderKey::blob_key`] cannot have made it.
pub fn checked(key: &str) -> crate::error::Result<&str> {
    let parts: Vec<&str> = key.split('/').collect();
    let plain = |part: &str| {
        part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b) || b == b'-')
    };
    if parts.iter().map(|part| part.len()).ne(KEY_PART_BYTES)
        || !parts.iter().all(|part| plain(part))
    {
        return Err(BlobError::NotFound);
    }
    Ok(key)
}

fn company_label(id: CompanyId) -> Vec<u8> {
    [b"vultus/company-key/1".as_slice(), id.0.as_bytes()].concat()
}

fn mac(key: &[u8], bytes: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(bytes);
    mac.finalize().into_bytes().into()
}

/// A new random key.
pub(super) fn random() -> Secret {
    Zeroizing::new(rand::random())
}

fn cipher(key: &Secret) -> Aes256Gcm {
    Aes256Gcm::new_from_slice(&key[..]).expect("the key has 32 bytes")
}

fn wrap(under: &Secret, label: &[u8], key: &Secret) -> Vec<u8> {
    let nonce: [u8; NONCE_BYTES] = rand::random();
    let payload = Payload { msg: &key[..], aad: label };
    let sealed = cipher(under)
        .encrypt(&Nonce::from(nonce), payload)
        .expect("32 bytes are not too many for AES-GCM");
    [&[VERSION][..], &nonce, &sealed].concat()
}

fn unwrap(under: &Secret, label: &[u8], wrapped: &[u8]) -> Result<Secret, KeyError> {
    match wrapped {
        [] => return Err(KeyError::Missing),
        [VERSION, ..] if wrapped.len() == WRAPPED_BYTES => {}
        [VERSION, ..] | [0, ..] => return Err(KeyError::Wrong),
        [version, ..] => return Err(KeyError::Newer(*version)),
    }
    let (nonce, sealed) = wrapped[1..].split_at(NONCE_BYTES);
    let nonce = Nonce::try_from(nonce).map_err(|_| KeyError::Wrong)?;
    let opened = cipher(under)
        .decrypt(&nonce, Payload { msg: sealed, aad: label })
        .map_err(|_| KeyError::Wrong)?;
    let opened = Zeroizing::new(opened);
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    key.copy_from_slice(&opened);
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn company(n: u128) -> CompanyId {
        CompanyId(Uuid::from_u128(n))
    }

    fn folder(n: u128) -> FolderId {
        FolderId(Uuid::from_u128(n))
    }

    #[test]
    fn wrapped_key_opens_for_its_owner_and_master_only() {
        let (master, other) = (MasterKey::new(&[1; 32]), MasterKey::new(&[2; 32]));
        let wrapped = master.make_company_key(company(1));
        assert!(master.open(company(1), &wrapped).is_ok());
        assert_eq!(master.open(company(2), &wrapped).unwrap_err(), KeyError::Wrong);
        assert_eq!(other.open(company(1), &wrapped).unwrap_err(), KeyError::Wrong);
        let key = master.open(company(1), &wrapped).unwrap();
        let of_folder = key.make_folder_key(folder(1));
        let name = key.open(folder(1), &of_folder).unwrap().blob_key("ab");
        assert_eq!(key.open(folder(2), &of_folder).unwrap_err(), KeyError::Wrong);
        let rewrapped = master.rewrap(&other, company(1), &wrapped).unwrap();
        assert_eq!(master.open(company(1), &rewrapped).unwrap_err(), KeyError::Wrong);
        let same = other.open(company(1), &rewrapped).unwrap();
        assert_eq!(same.open(folder(1), &of_folder).unwrap().blob_key("ab"), name);
        assert_ne!(
            key.open(folder(2), &key.make_folder_key(folder(2))).unwrap().blob_key("ab"),
            name
        );
    }

    #[test]
    fn changed_missing_and_newer_keys_have_different_errors() {
        let master = MasterKey::new(&[1; 32]);
        let wrapped = master.make_company_key(company(1));
        for at in 0..wrapped.len() {
            let mut changed = wrapped.clone();
            changed[at] ^= 3;
            assert!(master.open(company(1), &changed).is_err(), "byte {at}");
        }
        assert_eq!(master.open(company(1), &[]).unwrap_err(), KeyError::Missing);
        assert_eq!(master.open(company(1), &wrapped[..9]).unwrap_err(), KeyError::Wrong);
        assert_eq!(master.open(company(1), &[9; WRAPPED_BYTES]).unwrap_err(), KeyError::Newer(9));
        assert_eq!(format!("{master:?}"), "MasterKey(secret)");
    }
}
