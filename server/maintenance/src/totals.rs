//! Counts and hashes of an installation's contents, to compare a copy with its source.

use crate::error::{MaintenanceError, Result};
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use vultus_store::Store;
use vultus_store::export::{FolderRecord, Record};

/// Counts and hashes of contents.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Number of records of each kind.
    pub records: BTreeMap<String, u64>,
    /// SHA-256 over the records, one JSON object per line.
    pub records_sha256: String,
    /// Number of blobs.
    pub blobs: u64,
    /// Their stored bytes.
    pub blob_bytes: u64,
}

impl Totals {
    /// The totals of the records only.
    pub(super) fn without_blobs(&self) -> Self {
        Self { blobs: 0, blob_bytes: 0, ..self.clone() }
    }
}

/// Counts and hashes records and blobs one after the other.
#[derive(Default)]
pub(super) struct Tally {
    hasher: Sha256,
    totals: Totals,
}

impl Tally {
    /// Adds a record and returns its line.
    pub(super) fn take(&mut self, record: &Record) -> Result<String> {
        let line = serde_json::to_string(record)? + "\n";
        self.hasher.update(&line);
        *self.totals.records.entry(record.kind().to_owned()).or_default() += 1;
        Ok(line)
    }

    /// Adds a blob of this length.
    pub(super) fn blob(&mut self, bytes: u64) {
        self.totals.blobs += 1;
        self.totals.blob_bytes += bytes;
    }

    /// The totals so far.
    pub(super) fn so_far(&self) -> &Totals {
        &self.totals
    }

    pub(super) fn finish(self) -> Totals {
        Totals { records_sha256: hex::encode(self.hasher.finalize()), ..self.totals }
    }
}

/// The totals of the current contents of a store, without blobs.
pub(super) async fn tally(store: &dyn Store) -> Result<Totals> {
    let mut tally = Tally::default();
    let mut records = store.export().await?;
    while let Some(record) = records.try_next().await? {
        tally.take(&record)?;
    }
    Ok(tally.finish())
}

/// The keys of the blobs that a folder references.
pub(super) fn blob_keys(folder: &FolderRecord) -> Vec<String> {
    let media = folder
        .media
        .iter()
        .flat_map(|medium| [Some(medium.0.blob_key.clone()), medium.0.thumbnail_key.clone()]);
    let artifacts = folder.artifacts.iter().map(|artifact| Some(artifact.0.blob_key.clone()));
    let mut keys: Vec<String> = media.chain(artifacts).flatten().collect();
    keys.sort();
    keys.dedup();
    keys
}

/// Fails if the totals differ from the expected ones.
pub(super) fn compare(expected: &Totals, found: &Totals, what: &str) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    let text = format!(
        "{what}: expected {:?} with sha256 {}, found {:?} with sha256 {}",
        expected.records, expected.records_sha256, found.records, found.records_sha256
    );
    Err(MaintenanceError::Refused(text))
}
