//! Backup into a folder, and restoring from it: into any kind of store, empty before.
//!
//! ```text
//! manifest.json     written last: without it the backup is not complete
//! records.jsonl     one record per line, as of one moment (see [`crate::export`])
//! blobs/…           the blobs as they lie in storage, encrypted, by their keys
//! ```
//!
//! Keys are in it in wrapped form only: without the master key nobody reads its media. The records are readable.

use super::{MaintenanceError, Result, file_error};
use crate::blobs::{BlobError, BlobStore};
use crate::export::{FolderRecord, RECORDS_VERSION, Record};
use crate::records::Scope;
use crate::traits::Store;
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use time::OffsetDateTime;

const MANIFEST: &str = "manifest.json";
const RECORDS: &str = "records.jsonl";
const BLOBS: &str = "blobs";
/// Records that are written in one step.
const BATCH: usize = 100;

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

/// What `manifest.json` says.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    version: u32,
    created_at: OffsetDateTime,
    #[serde(flatten)]
    totals: Totals,
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
    let media = folder.media.iter().flat_map(|medium| [Some(medium.0.blob_key.clone()), medium.0.thumbnail_key.clone()]);
    let artifacts = folder.artifacts.iter().map(|artifact| Some(artifact.0.blob_key.clone()));
    let mut keys: Vec<String> = media.chain(artifacts).flatten().collect();
    keys.sort();
    keys.dedup();
    keys
}

/// Backs an installation up into a folder that is empty or not there, also beside running nodes. What is erased while it runs is not in
/// it.
pub async fn backup(store: &dyn Store, blobs: &BlobStore, target: &Path, mut progress: impl FnMut(&Totals)) -> Result<Totals> {
    empty_folder(target)?;
    let path = target.join(RECORDS);
    let mut file = BufWriter::new(new_file(&path)?);
    let mut tally = Tally::default();
    let mut records = store.export().await?;
    while let Some(mut record) = records.try_next().await? {
        if let Record::Folder(folder) = &mut record
            && !copy_blobs(store, blobs, folder, target, &mut tally).await?
        {
            continue;
        }
        file.write_all(tally.take(&record)?.as_bytes()).map_err(file_error("writing", &path))?;
        progress(tally.so_far());
    }
    let written = file.into_inner().map_err(|error| file_error("writing", &path)(error.into_error()))?;
    written.sync_all().map_err(file_error("writing", &path))?;
    let totals = tally.finish();
    let manifest = Manifest { version: RECORDS_VERSION, created_at: OffsetDateTime::now_utc(), totals: totals.clone() };
    let path = target.join(MANIFEST);
    let mut file = new_file(&path)?;
    let text = serde_json::to_string_pretty(&manifest)? + "\n";
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(file_error("writing", &path))?;
    File::open(target).and_then(|folder| folder.sync_all()).map_err(file_error("writing", target))?;
    Ok(totals)
}

/// Copies the blobs of a folder. What was erased since the records were read is taken out of the record; false: the whole folder was.
async fn copy_blobs(
    store: &dyn Store,
    blobs: &BlobStore,
    folder: &mut FolderRecord,
    target: &Path,
    tally: &mut Tally,
) -> Result<bool> {
    for key in blob_keys(folder) {
        match copy_out(blobs, &key, &target.join(BLOBS).join(&key)).await {
            Ok(bytes) => tally.blob(bytes),
            Err(MaintenanceError::Blobs(BlobError::NotFound)) => {
                let now = store.folders(Scope::Everything, &[folder.folder.id]).await?.pop();
                let Some(now) = now else { return Ok(false) };
                let media: Vec<_> = now.media.iter().map(|medium| medium.id).collect();
                let artifacts: Vec<_> = now.artifacts.iter().map(|artifact| artifact.id).collect();
                folder.media.retain(|medium| media.contains(&medium.0.id));
                folder.artifacts.retain(|artifact| artifacts.contains(&artifact.0.id));
                if blob_keys(folder).contains(&key) {
                    let text = format!("a file of folder {} is missing: `vultus store verify` says more", folder.folder.id);
                    return Err(MaintenanceError::Refused(text));
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

async fn copy_out(blobs: &BlobStore, key: &str, path: &Path) -> Result<u64> {
    let mut pieces = blobs.sealed(key).await?;
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(file_error("making", folder))?;
    }
    let mut file = new_file(path)?;
    let mut bytes = 0;
    while let Some(piece) = pieces.try_next().await? {
        file.write_all(&piece).map_err(file_error("writing", path))?;
        bytes += piece.len() as u64;
    }
    file.sync_all().map_err(file_error("writing", path))?;
    Ok(bytes)
}

/// Restores a backup into a store that is empty. Afterwards the store holds exactly what the backup says.
pub async fn restore(store: &dyn Store, blobs: &BlobStore, source: &Path, mut progress: impl FnMut(&Totals)) -> Result<Totals> {
    let path = source.join(MANIFEST);
    let text = match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(MaintenanceError::Refused(format!("{} is no complete backup: it has no {MANIFEST}", source.display())));
        }
        other => other.map_err(file_error("reading", &path))?,
    };
    let manifest: Manifest = serde_json::from_str(&text)?;
    if manifest.version > RECORDS_VERSION {
        let text = format!("the backup was made by a newer program (version {} of its records)", manifest.version);
        return Err(MaintenanceError::Refused(text));
    }
    refuse_filled(store).await?;
    let path = source.join(RECORDS);
    if hash_of(&path)? != manifest.totals.records_sha256 {
        return Err(MaintenanceError::Refused(format!(
            "{} is not the file that the manifest names: it was changed",
            path.display()
        )));
    }
    let mut lines = BufReader::new(File::open(&path).map_err(file_error("reading", &path))?).lines();
    let (mut tally, mut batch) = (Tally::default(), Vec::new());
    loop {
        let line = lines.next().transpose().map_err(file_error("reading", &path))?;
        if line.is_none() || batch.len() == BATCH {
            store.import(std::mem::take(&mut batch)).await?;
            progress(tally.so_far());
        }
        let Some(line) = line else { break };
        let record: Record = serde_json::from_str(&line)?;
        if let Record::Folder(folder) = &record {
            for key in blob_keys(folder) {
                tally.blob(copy_in(blobs, &key, &source.join(BLOBS).join(&key)).await?);
            }
        }
        tally.take(&record)?;
        batch.push(record);
    }
    let totals = tally.finish();
    compare(&manifest.totals, &totals, "the backup's files are not those that its manifest names")?;
    let stored = self::tally(store).await?;
    let without_blobs = Totals { blobs: 0, blob_bytes: 0, ..totals.clone() };
    compare(&without_blobs, &stored, "the store holds something else than was written")?;
    Ok(totals)
}

async fn copy_in(blobs: &BlobStore, key: &str, path: &Path) -> Result<u64> {
    let file = File::open(path).map_err(file_error("reading", path))?;
    Ok(blobs.put_sealed(key, crate::blobs::pieces_of(file)).await?)
}

fn hash_of(path: &Path) -> Result<String> {
    let mut hasher = Sha256::new();
    let mut file = BufReader::with_capacity(1 << 20, File::open(path).map_err(file_error("reading", path))?);
    loop {
        let bytes = file.fill_buf().map_err(file_error("reading", path))?;
        if bytes.is_empty() {
            return Ok(hex::encode(hasher.finalize()));
        }
        hasher.update(bytes);
        let count = bytes.len();
        file.consume(count);
    }
}

/// Refuses a store that holds something.
pub(super) async fn refuse_filled(store: &dyn Store) -> Result<()> {
    if store.companies().await?.is_empty() {
        return Ok(());
    }
    Err(MaintenanceError::Refused("the store to be filled is not empty: use a new one".to_owned()))
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

fn empty_folder(path: &Path) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(file_error("making", path))?;
    let mut entries = std::fs::read_dir(path).map_err(file_error("reading", path))?;
    if entries.next().is_some() {
        return Err(MaintenanceError::Refused(format!("{} is not empty: a backup needs a folder of its own", path.display())));
    }
    Ok(())
}

fn new_file(path: &Path) -> Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(file_error("making", path))
}
