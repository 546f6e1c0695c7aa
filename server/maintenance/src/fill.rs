//! Writing records and blobs into a store that is empty, or that an earlier attempt filled partly.

use super::totals::{Tally, Totals, blob_keys};
use crate::error::{MaintenanceError, Result};
use bytes::Bytes;
use futures::TryStreamExt;
use futures::stream::BoxStream;
use sha2::{Digest, Sha256};
use vultus_blobs::{BlobError, BlobStore};
use vultus_store::Store;
use vultus_store::export::Record;

/// Number of records that are written in one commit.
const BATCH: usize = 100;

/// Writes records in order, each after its blobs: `blob` stores a blob unless it exists, and
/// returns its length. An interrupted attempt leaves the first records, and the next attempt
/// continues after them. A store with other contents is rejected.
pub(super) async fn fill(
    mut records: BoxStream<'_, Result<Record>>,
    store: &dyn Store,
    mut blob: impl AsyncFnMut(&str) -> Result<u64>,
    mut progress: impl FnMut(&Totals),
) -> Result<Totals> {
    let (mut passed, mut batch) = (Tally::default(), Vec::new());
    let mut there = store.export().await?;
    while let Some(found) = there.try_next().await? {
        if records.try_next().await?.as_ref() != Some(&found) {
            return Err(MaintenanceError::Refused(
                "the target store is not empty and contains other data: use a new one".to_owned(),
            ));
        }
        pass(&found, &mut passed, &mut blob).await?;
        progress(passed.so_far());
    }
    loop {
        let record = records.try_next().await?;
        if record.is_none() || batch.len() == BATCH {
            store.import(std::mem::take(&mut batch)).await?;
            progress(passed.so_far());
        }
        let Some(record) = record else { return Ok(passed.finish()) };
        pass(&record, &mut passed, &mut blob).await?;
        batch.push(record);
    }
}

async fn pass(
    record: &Record,
    passed: &mut Tally,
    blob: &mut impl AsyncFnMut(&str) -> Result<u64>,
) -> Result<()> {
    if let Record::Folder(folder) = record {
        for key in blob_keys(folder) {
            passed.blob(blob(&key).await?);
        }
    }
    passed.take(record).map(drop)
}

/// Copies a sealed blob into another storage and reads it again there, unless an earlier attempt
/// did so. Returns its length.
pub(super) async fn place(
    blobs: &BlobStore,
    key: &str,
    len: u64,
    pieces: BoxStream<'_, vultus_blobs::Result<Bytes>>,
) -> Result<u64> {
    match blobs.sealed(key).await {
        Ok((stored, _)) if stored == len => return Ok(len),
        Ok(_) | Err(BlobError::NotFound) => {}
        Err(error) => return Err(error.into()),
    }
    let mut read = Sha256::new();
    blobs.put_sealed(key, Box::pin(pieces.inspect_ok(|piece| read.update(piece)))).await?;
    let mut written = Sha256::new();
    let (_, mut pieces) = blobs.sealed(key).await?;
    while let Some(piece) = pieces.try_next().await? {
        written.update(&piece);
    }
    if read.finalize() != written.finalize() {
        return Err(MaintenanceError::Refused(format!(
            "the file {key} differs from its source after writing: the target storage is faulty"
        )));
    }
    Ok(len)
}
