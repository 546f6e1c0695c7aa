//! What an installation holds, counted and hashed: to compare two sides of a copy.

use super::{MaintenanceError, Result};
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use vultus_store::Store;
use vultus_store::export::{FolderRecord, Record};

/// What was written or read.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Records by what they are.
    pub records: BTreeMap<String, u64>,
    /// SHA-256 over the records, one JSON object per line.
    pub records_sha256: String,
    /// Blobs.
    pub blobs: u64,
    /// Their bytes in storage.
    pub blob_bytes: u64,
}

impl Totals {
    /// Of the records alone.
    pub(super) fn without_blobs(&self) -> Self {
        Self { blobs: 0, blob_bytes: 0, ..self.clone() }
    }
}

/// Counts and hashes records as they pass.
#[derive(Default)]
pub(super) struct Tally {
    hasher: Sha256,
    totals: Totals,
}

impl Tally {
    /// Takes a record; gives its line.
    pub(super) fn take(&mut self, record: &Record) -> Result<String> {
        let line = serde_json::to_string(record)? + "\n";
        self.hasher.update(&line);
        *self.totals.records.entry(record.kind().to_owned()).or_default() += 1;
        Ok(line)
    }

    /// Takes a blob of this length.
    pub(super) fn blob(&mut self, bytes: u64) {
        self.totals.blobs += 1;
        self.totals.blob_bytes += bytes;
    }

    /// So far, for those who watch.
    pub(super) fn so_far(&self) -> &Totals {
        &self.totals
    }

    pub(super) fn finish(self) -> Totals {
        Totals { records_sha256: hex::encode(self.hasher.finalize()), ..self.totals }
    }
}

/// The totals of what a store holds now, without blobs.
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

/// Refuses totals that are not the expected ones.
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
