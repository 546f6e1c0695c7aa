//! Verifies an installation: reads every referenced blob, and lists the unreferenced ones.

use crate::error::Result;
use futures::TryStreamExt;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use vultus_blobs::keys::{CompanyKey, FolderKey, KeyError, MasterKey};
use vultus_blobs::{BlobError, BlobStore, MIN_AGE};
use vultus_core::clock::Clock;
use vultus_core::{CompanyId, FolderId};
use vultus_store::Store;
use vultus_store::{FolderContents, Scope, Selection};

/// Number of folders that are read at a time.
const BATCH: u32 = 100;

/// Result of a verification.
#[derive(Debug, Default)]
pub struct Verification {
    /// Number of verified folders.
    pub folders: u64,
    /// Number of intact blobs.
    pub blobs: u64,
    /// Number of their plain bytes.
    pub bytes: u64,
    /// The faults.
    pub findings: Vec<Finding>,
    /// Unreferenced blobs that are old enough to be swept.
    pub orphans: Vec<String>,
}

impl Verification {
    /// Whether all referenced blobs exist and are intact. Orphans are no fault: the sweeper deletes
    /// them.
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }
}

/// A fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The folder.
    pub folder: FolderId,
    /// The faulty entity of the folder, such as `medium 0190…`.
    pub what: String,
    /// Key of the blob; `None` if the key of the folder does not open.
    pub blob_key: Option<String>,
    /// The kind of fault.
    pub problem: Problem,
}

/// The kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// The blob does not exist.
    Missing,
    /// It does not decrypt.
    Damaged,
    /// The hash of its plain bytes differs from the one in the store.
    HashDiffers,
    /// The folder's key does not open.
    KeyUnusable,
    /// The folder's media are not encrypted yet.
    NotEncrypted,
}

impl Problem {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Damaged => "damaged",
            Self::HashDiffers => "hash differs",
            Self::KeyUnusable => "key unusable",
            Self::NotEncrypted => "not encrypted",
        }
    }
}

/// A blob that a folder references.
struct Reference {
    key: String,
    what: String,
    sha256: Option<String>,
}

/// Verifies an installation, also while nodes are running. `progress` is called after each folder.
pub async fn verify(
    store: &dyn Store,
    blobs: &BlobStore,
    master: &MasterKey,
    mut progress: impl FnMut(&Verification),
) -> Result<Verification> {
    let mut found = Verification::default();
    let mut referenced = HashSet::new();
    let mut companies = HashMap::new();
    // Taken before the store is read: what is written during the verification is too young to be an
    // orphan.
    let begun = Clock::system().now();
    let mut after = None;
    loop {
        let ids = store.folder_ids(after, BATCH).await?;
        let Some(last) = ids.last() else { break };
        after = Some(*last);
        for contents in store.folders(Scope::Everything, &ids, Selection::CONTENTS).await? {
            for reference in references(&contents) {
                referenced.insert(reference.key);
            }
            verify_folder(store, blobs, master, &mut companies, &contents, &mut found).await?;
            progress(&found);
        }
    }
    let mut listing = blobs.list();
    while let Some((key, written_at)) = listing.try_next().await? {
        if begun - written_at >= MIN_AGE && !referenced.contains(&key) {
            found.orphans.push(key);
        }
    }
    Ok(found)
}

async fn verify_folder(
    store: &dyn Store,
    blobs: &BlobStore,
    master: &MasterKey,
    companies: &mut HashMap<CompanyId, CompanyKey>,
    contents: &FolderContents,
    found: &mut Verification,
) -> Result<()> {
    let folder = &contents.folder;
    found.folders += 1;
    let key =
        match open_key(store, master, companies, folder.company_id, folder.id, &folder.wrapped_key)
            .await?
        {
            Ok(key) => key,
            Err(error) => {
                let problem = if error == KeyError::Missing {
                    Problem::NotEncrypted
                } else {
                    Problem::KeyUnusable
                };
                found.findings.push(Finding {
                    folder: folder.id,
                    what: "its key".to_owned(),
                    blob_key: None,
                    problem,
                });
                return Ok(());
            }
        };
    for reference in references(contents) {
        let problem = match read(blobs, &reference, &key).await? {
            Ok(bytes) => {
                found.blobs += 1;
                found.bytes += bytes;
                continue;
            }
            Err(problem) => problem,
        };
        // It may have been erased after the folder was read.
        let now = store.folders(Scope::Everything, &[folder.id], Selection::CONTENTS).await?.pop();
        if now.is_some_and(|now| references(&now).iter().any(|still| still.key == reference.key)) {
            let blob_key = Some(reference.key);
            found.findings.push(Finding {
                folder: folder.id,
                what: reference.what,
                blob_key,
                problem,
            });
        }
    }
    Ok(())
}

async fn open_key(
    store: &dyn Store,
    master: &MasterKey,
    companies: &mut HashMap<CompanyId, CompanyKey>,
    company: CompanyId,
    folder: FolderId,
    wrapped: &[u8],
) -> Result<std::result::Result<FolderKey, KeyError>> {
    let key = match companies.entry(company) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(unknown) => {
            match master.open(company, &store.company(company).await?.wrapped_key) {
                Ok(key) => unknown.insert(key),
                Err(error) => return Ok(Err(error)),
            }
        }
    };
    Ok(key.open(folder, wrapped))
}

async fn read(
    blobs: &BlobStore,
    reference: &Reference,
    key: &FolderKey,
) -> Result<std::result::Result<u64, Problem>> {
    let opened = async {
        let blob = blobs.open(&reference.key, key).await?;
        Ok((blob.sha256().await?, blob.byte_size()))
    };
    match opened.await {
        Ok((sha256, _))
            if reference.sha256.as_ref().is_some_and(|expected| *expected != sha256) =>
        {
            Ok(Err(Problem::HashDiffers))
        }
        Ok((_, bytes)) => Ok(Ok(bytes)),
        Err(BlobError::NotFound) => Ok(Err(Problem::Missing)),
        Err(BlobError::Damaged(_)) => Ok(Err(Problem::Damaged)),
        Err(error) => Err(error.into()),
    }
}

fn references(contents: &FolderContents) -> Vec<Reference> {
    let mut all = Vec::new();
    for medium in contents.media.members() {
        let (what, sha256) = (format!("medium {}", medium.id), Some(medium.sha256.clone()));
        all.push(Reference { key: medium.blob_key.clone(), what, sha256 });
        if let Some(key) = &medium.thumbnail_key {
            all.push(Reference {
                key: key.clone(),
                what: format!("thumbnail of medium {}", medium.id),
                sha256: None,
            });
        }
    }
    for artifact in contents.artifacts.members() {
        let what = format!("artifact {} of analysis {}", artifact.name, artifact.analysis_id);
        all.push(Reference {
            key: artifact.blob_key.clone(),
            what,
            sha256: Some(artifact.sha256.clone()),
        });
    }
    all
}
