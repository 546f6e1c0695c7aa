//! The lease of a run: its token, and writing the run under it.

use super::collections::{Collections, RUNS};
use super::documents::RunDocument;
use super::fault::Answer;
use super::transaction::Transaction;
use super::values::{count, counted, id, ids, typed};
use mongodb::bson::{Document, Uuid, doc};
use mongodb::options::ReturnDocument;
use vultus_store::LeaseToken;

/// The token of a run that was just claimed.
pub(super) fn token(run: &RunDocument) -> LeaseToken {
    LeaseToken { run_id: typed(run.id), fence: counted(run.fence) }
}

/// The fence of a token as it is stored.
pub(super) fn fence(token: LeaseToken) -> i64 {
    count(token.fence)
}

pub(super) fn log_stale(token: LeaseToken) {
    let (run, fence) = (token.run_id, token.fence);
    tracing::info!(%run, fence, "rejected a write under a stale token");
}

/// Whether the run ended by its last result while the token was current. That never changes again.
pub(super) async fn ended_under(collections: &Collections, token: LeaseToken) -> Answer<bool> {
    let ended = doc! { "_id": id(token.run_id), "fence": fence(token), "state": "DONE" };
    Ok(collections.runs.find_one(ended).await?.is_some())
}

/// Counts one final analysis of the run. After the last one, a run in `state` is done.
pub(super) async fn one_less(
    transaction: &mut Transaction<'_>,
    run: Uuid,
    state: &str,
) -> Answer<()> {
    let Transaction { session, collections, .. } = transaction;
    collections.runs.update_one(doc! { "_id": run }, less(state, 1)).session(session).await?;
    Ok(())
}

/// Writes the run of a token, if it is current, and counts `finals` (maybe 0) final analyses.
/// Returns the run after the write. No other node can claim it during this transaction.
pub(super) async fn write_held(
    transaction: &mut Transaction<'_>,
    token: LeaseToken,
    finals: i64,
) -> Answer<Option<RunDocument>> {
    let Transaction { session, collections, .. } = transaction;
    let update = collections.runs.find_one_and_update(held(token), less("LEASED", finals));
    Ok(update.return_document(ReturnDocument::After).session(session).await?)
}

/// [`write_held`] for several tokens. Returns `None` if one of them is stale.
pub(super) async fn write_all_held(
    transaction: &mut Transaction<'_>,
    writes: &[(LeaseToken, i64)],
) -> Answer<Option<Vec<RunDocument>>> {
    if let [(token, finals)] = writes {
        // The usual case: one command both writes and reads.
        return Ok(write_held(transaction, *token, *finals).await?.map(|run| vec![run]));
    }
    let update = |(token, finals): &(LeaseToken, i64)| {
        doc! { "q": held(*token), "u": less("LEASED", *finals) }
    };
    let updates = writes.iter().map(update).collect();
    if transaction.update(RUNS, updates).await?.found < writes.len() {
        return Ok(None);
    }
    let Transaction { session, collections, .. } = transaction;
    let these = doc! { "_id": { "$in": ids(writes.iter().map(|(token, _)| token.run_id)) } };
    let mut cursor = collections.runs.find(these).session(&mut *session).await?;
    let mut runs = Vec::with_capacity(writes.len());
    while let Some(run) = cursor.next(&mut *session).await.transpose()? {
        runs.push(run);
    }
    Ok(Some(runs))
}

/// Filter of the run of a token while the token is current.
pub(super) fn held(token: LeaseToken) -> Document {
    doc! { "_id": id(token.run_id), "fence": fence(token), "state": "LEASED" }
}

fn less(state: &str, finals: i64) -> Vec<Document> {
    let left = doc! { "$subtract": ["$open_analyses", finals] };
    let is_over = doc! { "$and": [{ "$lte": [&left, 0_i64] }, { "$eq": ["$state", state] }] };
    let state = doc! { "$cond": [is_over, "DONE", "$state"] };
    // A counter, so that every write changes the document and conflicts with a claim.
    let writes = doc! { "$add": [{ "$ifNull": ["$writes", 0_i64] }, 1_i64] };
    vec![doc! { "$set": { "open_analyses": left, "state": state, "writes": writes } }]
}
