//! The update that every change of a folder makes.

use super::fault::Answer;
use super::transaction::Transaction;
use super::values::nanoseconds;
use mongodb::bson::{Document, Uuid, doc};
use time::OffsetDateTime;
use vultus_store::StoreError;

/// The update of every change of a folder. It also is the event for the change stream.
pub(super) fn touched(now: Option<OffsetDateTime>) -> Document {
    let mut update = doc! { "$inc": { "revision": 1_i64 } };
    if let Some(now) = now {
        update.insert("$max", doc! { "updated_at": nanoseconds(now) });
    }
    update
}

/// Raises the revision and time of change of a folder, and counts `closed` final analyses.
pub(super) async fn touch(
    transaction: &mut Transaction<'_>,
    folder: Uuid,
    closed: i64,
    now: Option<OffsetDateTime>,
) -> Answer<()> {
    let Transaction { session, collections, .. } = transaction;
    let touched = collections
        .folders
        .update_one(doc! { "_id": folder }, touching(closed, now))
        .session(session)
        .await?;
    match touched.matched_count {
        0 => Err(StoreError::NotFound("folder").into()),
        _ => Ok(()),
    }
}

/// The update of a change that made `closed` analyses final.
pub(super) fn touching(closed: i64, now: Option<OffsetDateTime>) -> Document {
    let mut update = touched(now);
    if let Some(raised) = update.get_document_mut("$inc").ok().filter(|_| closed != 0) {
        raised.insert("open_analyses", -closed);
    }
    update
}
