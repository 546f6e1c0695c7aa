//! Encrypts the data of versions before encryption: every folder gets a key, and its blobs are
//! written again, encrypted. An interrupted run can be repeated and continues with the remaining
//! folders.

use crate::error::{MaintenanceError, Result, file_error};
use std::collections::HashMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use vultus_blobs::keys::{CompanyKey, FolderKey, MasterKey};
use vultus_blobs::{BlobError, BlobStore, StoredBlob};
use vultus_core::clock::Clock;
use vultus_core::{CompanyId, FolderId};
use vultus_store::{Accounts, Folders, StoreError};
use vultus_store::{FolderContents, Scope, Selection};
use vultus_store_sqlite::SqliteStore;

/// Number of folders that are read at a time.
const BATCH: u32 = 100;
/// Size of a read.
const BUFFER: usize = 1 << 20;

/// Result of encrypting.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Encrypted {
    /// Number of folders that got a key.
    pub folders: u64,
    /// Number of encrypted blobs.
    pub blobs: u64,
    /// Number of referenced blobs that did not exist.
    pub missing: u64,
}

/// Encrypts all plain folders. `plain` is the folder with the plain blobs; the encrypted ones are
/// written to `blobs`. A plain file is deleted as soon as nothing references it; its bytes may stay
/// on the disk until they are overwritten.
pub async fn encrypt(
    store: &SqliteStore,
    blobs: &BlobStore,
    plain: &Path,
    master: &MasterKey,
    mut progress: impl FnMut(Encrypted),
) -> Result<Encrypted> {
    let mut companies = HashMap::new();
    for company in store.companies().await? {
        let mut wrapped = company.wrapped_key;
        if wrapped.is_empty() {
            wrapped = master.make_company_key(company.id);
            if !store.replace_company_key(company.id, b"", &wrapped).await? {
                return Err(MaintenanceError::Refused(
                    "another process is encrypting the same data: wait until it ends".to_owned(),
                ));
            }
        }
        companies.insert(company.id, master.open(company.id, &wrapped)?);
    }
    let mut done = Encrypted::default();
    loop {
        let ids = store.plain_folders(BATCH).await?;
        if ids.is_empty() {
            return Ok(done);
        }
        for contents in store.folders(Scope::Everything, &ids, Selection::CONTENTS).await? {
            let company = company_of(&companies, contents.folder.company_id)?;
            encrypt_folder(store, blobs, plain, company, &contents, &mut done).await?;
            progress(done);
        }
    }
}

fn company_of(companies: &HashMap<CompanyId, CompanyKey>, id: CompanyId) -> Result<&CompanyKey> {
    companies.get(&id).ok_or(StoreError::NotFound("company").into())
}

async fn encrypt_folder(
    store: &SqliteStore,
    blobs: &BlobStore,
    plain: &Path,
    company: &CompanyKey,
    contents: &FolderContents,
    done: &mut Encrypted,
) -> Result<()> {
    let id: FolderId = contents.folder.id;
    let wrapped = company.make_folder_key(id);
    let key = Arc::new(company.open(id, &wrapped)?);
    let mut renamed = Vec::new();
    let media = contents.media.members().iter().flat_map(|medium| {
        [
            Some((&medium.blob_key, Some(&medium.sha256))),
            medium.thumbnail_key.as_ref().map(|key| (key, None)),
        ]
    });
    let artifacts = contents
        .artifacts
        .members()
        .iter()
        .map(|artifact| Some((&artifact.blob_key, Some(&artifact.sha256))));
    for (old, sha256) in media.chain(artifacts).flatten() {
        if renamed.iter().any(|(known, _)| known == old) {
            continue;
        }
        match encrypt_file(blobs, &plain.join(old), &key).await? {
            Some(stored) if sha256.is_some_and(|expected| expected != stored.sha256()) => {
                let text = format!(
                    "the hash of {} differs from the one in the store: folder {id} is not changed",
                    plain.join(old).display()
                );
                return Err(MaintenanceError::Refused(text));
            }
            Some(stored) => {
                renamed.push((old.clone(), stored.key().to_owned()));
                done.blobs += 1;
            }
            None => done.missing += 1,
        }
    }
    if store.give_folder_key(id, &wrapped, &renamed).await? {
        done.folders += 1;
    }
    let old: Vec<String> = renamed.into_iter().map(|(old, _)| old).collect();
    blobs.delete_unreferenced(store, &old, Clock::system().now()).await.map_err(
        |error| match error {
            vultus_blobs::DeletionError::Blobs(error) => MaintenanceError::from(error),
            vultus_blobs::DeletionError::Store(error) => error.into(),
        },
    )?;
    Ok(())
}

async fn encrypt_file(
    blobs: &BlobStore,
    path: &Path,
    key: &Arc<FolderKey>,
) -> Result<Option<StoredBlob>> {
    let mut file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(file_error("reading", path)(error)),
    };
    let mut spool = blobs.spool(u64::MAX);
    let mut buffer = vec![0; BUFFER];
    loop {
        let count = file.read(&mut buffer).map_err(file_error("reading", path))?;
        if count == 0 {
            break;
        }
        spool.write(&buffer[..count]).await?;
    }
    let stored: std::result::Result<StoredBlob, BlobError> =
        blobs.commit(&spool.finish().await?, key).await;
    Ok(Some(stored?))
}
