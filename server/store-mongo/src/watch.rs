//! The change stream: writes of all nodes become notifications in this process. A lost stream is
//! resumed; if that is not possible, readers are told that they missed changes.

use super::collections::{ANALYSES, FOLDERS, RUNS};
use super::fault::code;
use super::values::{counted, typed};
use futures::StreamExt;
use mongodb::Database;
use mongodb::bson::{Uuid, doc};
use mongodb::change_stream::ChangeStream;
use mongodb::change_stream::event::ResumeToken;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use vultus_store::events::{Change, FolderChange};
use vultus_store::signals::Signals;

/// Wait before a lost stream is reopened.
const AGAIN: Duration = Duration::from_millis(250);
/// Codes of the server: the stream cannot be resumed, for example because the oplog does not reach
/// back far enough.
const LOST: [i32; 4] = [136, 222, 280, 286];

/// The needed fields of an event.
#[derive(Debug, Deserialize)]
pub(super) struct Event {
    #[serde(rename = "operationType")]
    operation: String,
    ns: Namespace,
    #[serde(rename = "documentKey")]
    key: Key,
    revision: Option<i64>,
    /// The number of analyses that are not final, if it changed.
    open: Option<i64>,
}

#[derive(Debug, Deserialize)]
struct Namespace {
    coll: String,
}

#[derive(Debug, Deserialize)]
struct Key {
    #[serde(rename = "_id")]
    id: Uuid,
}

/// Opens the stream of changes from now on, or after a token.
pub(super) async fn open(
    database: &Database,
    after: Option<ResumeToken>,
) -> mongodb::error::Result<ChangeStream<Event>> {
    let folders = doc! {
        "ns.coll": FOLDERS,
        "operationType": { "$in": ["insert", "update", "replace", "delete"] },
    };
    let runs = doc! {
        "ns.coll": RUNS,
        "$or": [
            { "operationType": "insert" },
            { "updateDescription.updatedFields.state": "QUEUED" },
        ],
    };
    // What makes an analysis a case: `cases::fields`, and the claim.
    let names = ["waits_since", "claim", "decided_at"];
    let is_set = names.map(|name| {
        doc! { format!("updateDescription.updatedFields.{name}"): { "$exists": true } }
    });
    let mut of_cases = is_set.to_vec();
    of_cases.push(doc! { "updateDescription.removedFields": { "$in": names.to_vec() } });
    let cases = doc! { "ns.coll": ANALYSES, "operationType": "update", "$or": of_cases };
    let needed = doc! {
        "operationType": 1,
        "ns": 1,
        "documentKey": 1,
        "revision": {
            "$ifNull": ["$updateDescription.updatedFields.revision", "$fullDocument.revision"],
        },
        "open": "$updateDescription.updatedFields.open_analyses",
    };
    let stages =
        [doc! { "$match": { "$or": [folders, runs, cases] } }, doc! { "$project": needed }];
    Ok(database.watch().pipeline(stages).resume_after(after).await?.with_type())
}

/// Passes events on until `stop` is cancelled.
pub(super) async fn pass_on(
    database: Database,
    mut stream: ChangeStream<Event>,
    signals: Arc<Signals>,
    stop: CancellationToken,
) {
    let mut token = stream.resume_token();
    loop {
        let event = tokio::select! {
            () = stop.cancelled() => return,
            event = stream.next() => event,
        };
        match event {
            Some(Ok(event)) => {
                token = stream.resume_token();
                tell(&signals, &event);
            }
            lost => {
                if let Some(Err(error)) = &lost {
                    tracing::warn!(
                        error = error as &dyn std::error::Error,
                        "the change stream was lost"
                    );
                }
                let forgotten = lost.and_then(Result::err).is_some_and(|error| is_lost(&error));
                let resumed = token.take().filter(|_| !forgotten);
                stream = tokio::select! {
                    () = stop.cancelled() => return,
                    reopened = reopen(&database, resumed, &signals) => reopened,
                };
                token = stream.resume_token();
            }
        }
    }
}

/// Retries until the stream is open.
async fn reopen(
    database: &Database,
    mut token: Option<ResumeToken>,
    signals: &Signals,
) -> ChangeStream<Event> {
    loop {
        match open(database, token.clone()).await {
            Ok(stream) => {
                if token.is_none() {
                    signals.send(Change::Missed);
                }
                signals.wake_for_runs();
                tracing::info!(resumed = token.is_some(), "the change stream was reopened");
                return stream;
            }
            Err(error) if is_lost(&error) => token = None,
            Err(_) => tokio::time::sleep(AGAIN).await,
        }
    }
}

fn is_lost(error: &mongodb::error::Error) -> bool {
    code(error).is_some_and(|code| LOST.contains(&code))
}

fn tell(signals: &Signals, event: &Event) {
    match event.ns.coll.as_str() {
        RUNS => return signals.wake_for_runs(),
        ANALYSES => return signals.send(Change::Cases),
        _ => {}
    }
    // A deleted folder has no revision. An update without a revision is followed, in the same
    // transaction, by one with it.
    let revision = if event.operation == "delete" { Some(0) } else { event.revision };
    if let Some(revision) = revision {
        let may_settle = event.open.is_some() || event.operation == "delete";
        signals.send(Change::Folder(FolderChange {
            folder_id: typed(event.key.id),
            revision: counted(revision),
            may_settle,
        }));
    }
}
