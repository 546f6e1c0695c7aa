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

/// What a copy does with the blobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blobs {
    /// Copies them, in their encrypted form, and reads them again after writing.
    Copy,
    /// Leaves them where they are: both sides have the same storage of blobs.
    Share,
}

/// Copies everything into a store that is empty, or that an earlier attempt filled partly, while no
/// node uses either. Afterwards both stores are read and compared.
pub async fn copy(
    from: Place<'_>,
    to: Place<'_>,
    blobs: Blobs,
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
        match blobs {
            Blobs::Copy => place(to.blobs, key, len, pieces).await,
            Blobs::Share => Ok(len),
        }
    };
    let totals = fill(records, to.store, blob, progress).await?;
    let records = totals.without_blobs();
    compare(&records, &tally(to.store).await?, "the copy differs from what was read")?;
    let changed = "the source changed during the copy: stop its nodes, and copy into a new store";
    compare(&records, &tally(from.store).await?, changed)?;
    Ok(totals)
}
