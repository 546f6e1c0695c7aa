//! Backup into a folder, and restoring it into an empty store of any kind.
//!
//! ```text
//! manifest.json     written last: without it the backup is not complete
//! records.jsonl     one record per line, as of one moment (see vultus_store::export)
//! blobs/…           the blobs in their stored, encrypted form, by their keys
//! ```
//!
//! It contains wrapped keys only: its media cannot be read without the master key. The records are
//! not encrypted.

use super::fill::{fill, place};
use super::totals::{Tally, Totals, blob_keys, compare, tally};
use crate::error::{MaintenanceError, Result, file_error};
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use time::OffsetDateTime;
use vultus_blobs::{BlobError, BlobStore};
use vultus_core::clock::Clock;
use vultus_store::export::{FolderRecord, RECORDS_VERSION, Record};
use vultus_store::{Scope, Selection, Store};

const MANIFEST: &str = "manifest.json";
const RECORDS: &str = "records.jsonl";
const BLOBS: &str = "blobs";

/// Contents of `manifest.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    version: u32,
    created_at: OffsetDateTime,
    #[serde(flatten)]
    totals: Totals,
}

/// Backs an installation up into an empty or new folder, also while nodes are running. Folders that
/// are erased during the backup are not in it.
pub async fn backup(
    store: &dyn Store,
    blobs: &BlobStore,
    target: &Path,
    mut progress: impl FnMut(&Totals),
) -> Result<Totals> {
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
    let written =
        file.into_inner().map_err(|error| file_error("writing", &path)(error.into_error()))?;
    written.sync_all().map_err(file_error("writing", &path))?;
    let totals = tally.finish();
    let manifest = Manifest {
        version: RECORDS_VERSION,
        created_at: Clock::system().now(),
        totals: totals.clone(),
    };
    let path = target.join(MANIFEST);
    let mut file = new_file(&path)?;
    let text = serde_json::to_string_pretty(&manifest)? + "\n";
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(file_error("writing", &path))?;
    File::open(target)
        .and_then(|folder| folder.sync_all())
        .map_err(file_error("writing", target))?;
    Ok(totals)
}

/// Copies the blobs of a folder. Media and artifacts that were erased since the record was read are
/// removed from it. Returns false if the whole folder was erased.
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
                let now = store
                    .folders(Scope::Everything, &[folder.folder.id], Selection::CONTENTS)
                    .await?
                    .pop();
                let Some(now) = now else { return Ok(false) };
                let media: Vec<_> = now.media.members().iter().map(|medium| medium.id).collect();
                let artifacts: Vec<_> =
                    now.artifacts.members().iter().map(|artifact| artifact.id).collect();
                folder.media.retain(|medium| media.contains(&medium.0.id));
                folder.artifacts.retain(|artifact| artifacts.contains(&artifact.0.id));
                if blob_keys(folder).contains(&key) {
                    let text = format!(
                        "a file of folder {} is missing: run `vultus store verify`",
                        folder.folder.id
                    );
                    return Err(MaintenanceError::Refused(text));
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

async fn copy_out(blobs: &BlobStore, key: &str, path: &Path) -> Result<u64> {
    let (_, mut pieces) = blobs.sealed(key).await?;
    if let Some(folder) = path.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(file_error("creating", folder))?;
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

/// Restores a backup into a store that is empty, or that an earlier attempt filled partly.
/// Afterwards the contents of the store are compared with the backup.
pub async fn restore(
    store: &dyn Store,
    blobs: &BlobStore,
    source: &Path,
    progress: impl FnMut(&Totals),
) -> Result<Totals> {
    let path = source.join(MANIFEST);
    let text = match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(MaintenanceError::Refused(format!(
                "{} is no complete backup: {MANIFEST} is missing",
                source.display()
            )));
        }
        other => other.map_err(file_error("reading", &path))?,
    };
    let manifest: Manifest = serde_json::from_str(&text)?;
    if manifest.version > RECORDS_VERSION {
        let text = format!(
            "the backup was made by a newer program (version {} of its records)",
            manifest.version
        );
        return Err(MaintenanceError::Refused(text));
    }
    let path = source.join(RECORDS);
    if hash_of(&path)? != manifest.totals.records_sha256 {
        return Err(MaintenanceError::Refused(format!(
            "{} was changed: its hash differs from the one in the manifest",
            path.display()
        )));
    }
    let lines = BufReader::new(File::open(&path).map_err(file_error("reading", &path))?).lines();
    let records =
        lines.map(|line| Ok(serde_json::from_str(&line.map_err(file_error("reading", &path))?)?));
    let blob = async |key: &str| copy_in(blobs, key, &source.join(BLOBS).join(key)).await;
    let totals = fill(Box::pin(futures::stream::iter(records)), store, blob, progress).await?;
    compare(&manifest.totals, &totals, "the files of the backup differ from its manifest")?;
    compare(
        &totals.without_blobs(),
        &tally(store).await?,
        "the store differs from what was written",
    )?;
    Ok(totals)
}

async fn copy_in(blobs: &BlobStore, key: &str, path: &Path) -> Result<u64> {
    let opened = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
    let (len, file) = opened.map_err(file_error("reading", path))?;
    place(blobs, key, len, vultus_blobs::pieces_of(file)).await
}

fn hash_of(path: &Path) -> Result<String> {
    let mut hasher = Sha256::new();
    let mut file =
        BufReader::with_capacity(1 << 20, File::open(path).map_err(file_error("reading", path))?);
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

fn empty_folder(path: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(file_error("creating", path))?;
    let mut entries = std::fs::read_dir(path).map_err(file_error("reading", path))?;
    if entries.next().is_some() {
        return Err(MaintenanceError::Refused(format!(
            "{} is not empty: a backup needs an empty folder",
            path.display()
        )));
    }
    Ok(())
}

fn new_file(path: &Path) -> Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(file_error("creating", path))
}
