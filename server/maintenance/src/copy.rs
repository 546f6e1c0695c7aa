//! Copying an installation from one store to another of any kind, and its blobs to another storage.

use super::fill::{fill, place};
use super::totals::{Totals, compare, tally};
use crate::error::{MaintenanceError, Result};
use futures::TryStreamExt;
use vultus_blobs::{BlobError, BlobStore};
use vultus_store::Store;

/// A store with its blobs.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// The store.
    pub store: &'a dyn Store,
    /// The blobs.
    pub blobs: &'a BlobStore,
}

/// Copies everything into a store that is empty, or that an earlier attempt filled partly, while no
/// node uses either. Blobs are copied in their encrypted form and read again after writing, unless
/// `copies_blobs` is false because both sides have the same storage of blobs. Afterwards both
/// stores are read and compared.
pub async fn copy(
    from: Place<'_>,
    to: Place<'_>,
    copies_blobs: bool,
    progress: impl FnMut(&Totals),
) -> Result<Totals> {
    let records = Box::pin(from.store.export().await?.map_err(MaintenanceError::from));
    let blob = async |key: &str| {
        let (len, pieces) = match from.blobs.sealed(key).await {
            Err(BlobError::NotFound) => {
                return Err(MaintenanceError::Refused(format!(
                    "the file {key} is missing: run `vultus store verify`"
                )));
            }
            other => other?,
        };
        if copies_blobs { place(to.blobs, key, len, pieces).await } else { Ok(len) }
    };
    let totals = fill(records, to.store, blob, progress).await?;
    let records = totals.without_blobs();
    compare(&records, &tally(to.store).await?, "the copy differs from what was read")?;
    let changed = "the source changed during the copy: stop its nodes, and copy into a new store";
    compare(&records, &tally(from.store).await?, changed)?;
    Ok(totals)
}
