//! An installation moved from one store to another, of any kind: records, and blobs where these lie elsewhere too.

use super::Result;
use super::archive::{Tally, Totals, blob_keys, compare, refuse_filled, tally};
use crate::blobs::BlobStore;
use crate::export::Record;
use crate::traits::Store;
use futures::TryStreamExt;

/// Records that are written in one step.
const BATCH: usize = 100;

/// A store with its blobs.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// The store.
    pub store: &'a dyn Store,
    /// The blobs.
    pub blobs: &'a BlobStore,
}

/// Copies everything into a store that is empty, while no node works on either. Blobs are copied as they are, encrypted; where both sides
/// have the same storage of blobs, `copies_blobs` is false. Afterwards both stores are read and compared.
pub async fn copy(from: Place<'_>, to: Place<'_>, copies_blobs: bool, mut progress: impl FnMut(&Totals)) -> Result<Totals> {
    refuse_filled(to.store).await?;
    let (mut passed, mut batch) = (Tally::default(), Vec::new());
    let mut records = from.store.export().await?;
    loop {
        let record = records.try_next().await?;
        if record.is_none() || batch.len() == BATCH {
            to.store.import(std::mem::take(&mut batch)).await?;
            progress(passed.so_far());
        }
        let Some(record) = record else { break };
        if let (Record::Folder(folder), true) = (&record, copies_blobs) {
            for key in blob_keys(folder) {
                passed.blob(to.blobs.put_sealed(&key, from.blobs.sealed(&key).await?).await?);
            }
        }
        passed.take(&record)?;
        batch.push(record);
    }
    let totals = passed.finish();
    let without_blobs = Totals { blobs: 0, blob_bytes: 0, ..totals.clone() };
    compare(&without_blobs, &tally(to.store).await?, "the copy differs from what was read")?;
    compare(
        &without_blobs,
        &tally(from.store).await?,
        "the source was changed while it was copied: stop its nodes and start again",
    )?;
    Ok(totals)
}
