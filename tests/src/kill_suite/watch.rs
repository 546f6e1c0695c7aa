//! Watches the database while the cluster works: how often each analysis becomes final, and how
//! long runs wait for a node.

use super::{Stage, nanoseconds};
use crate::cluster::DATABASE;
use crate::process::wait_until;
use futures::{StreamExt, TryStreamExt};
use mongodb::bson::{Bson, Document, doc};
use mongodb::change_stream::ChangeStream;
use mongodb::change_stream::event::{ChangeStreamEvent, ResumeToken};
use mongodb::options::ReadConcern;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Interval between two queries for waiting runs.
const INTERVAL: Duration = Duration::from_millis(250);
/// Timeout of a query. The database then counts as not answering.
const NO_ANSWER: Duration = Duration::from_secs(1);

/// Counts with a change stream how often each analysis becomes final.
pub(super) struct Finals(JoinHandle<()>);

type Events = ChangeStream<ChangeStreamEvent<Document>>;

impl Finals {
    /// Opens the change stream. Must be called before the first analysis is requested.
    pub(super) async fn begin(client: mongodb::Client, stage: Arc<Stage>) -> Self {
        let events = open(&client, None).await;
        Self(tokio::spawn(count(client, events, stage)))
    }

    pub(super) async fn end(self) {
        self.0.abort();
        let _ = self.0.await;
    }
}

/// Opens the change stream after a resume token. Every write of a verdict, failure or cancellation
/// sets `finished_at`.
async fn open(client: &mongodb::Client, after: Option<ResumeToken>) -> Events {
    let analyses = client.database(DATABASE).collection::<Document>("analyses");
    let ends =
        doc! { "$match": { "updateDescription.updatedFields.finished_at": { "$exists": true } } };
    wait_until("the change stream to open", || async {
        analyses.watch().pipeline([ends.clone()]).resume_after(after.clone()).await.ok()
    })
    .await
}

async fn count(client: mongodb::Client, mut events: Events, stage: Arc<Stage>) {
    let mut token = events.resume_token();
    loop {
        while let Some(Ok(event)) = events.next().await {
            token = events.resume_token();
            let key = event.document_key.expect("an update event has a document key");
            let id = match key.get("_id") {
                Some(Bson::Binary(id)) => <[u8; 16]>::try_from(id.bytes.as_slice()).ok(),
                _ => None,
            };
            *stage.finals.lock().entry(id.expect("an analysis has a UUID")).or_default() += 1;
            stage.open.add_permits(1);
        }
        events = open(&client, token.clone()).await;
    }
}

/// The longest time that a run waited for a node after its lease had expired or its turn had come.
/// While the database does not answer, no node can take a run: the time counts from the next
/// answer.
pub(super) async fn longest_stuck(client: mongodb::Client, over: CancellationToken) -> Duration {
    let database = client.database(DATABASE);
    let runs = database.collection::<Document>("runs");
    let mut answers_since = Instant::now();
    let mut longest = Duration::ZERO;
    let mut tick = tokio::time::interval(INTERVAL);
    while over.run_until_cancelled(tick.tick()).await.is_some() {
        let now = nanoseconds();
        // Runs that any node could take.
        let left = doc! {
            "state": { "$in": ["QUEUED", "LEASED"] },
            "ready_at": { "$lte": now },
            "turn_at": { "$lte": now },
        };
        let found = async {
            runs.find(left)
                .read_concern(ReadConcern::majority())
                .await?
                .try_collect::<Vec<Document>>()
                .await
        };
        let Ok(Ok(left)) = tokio::time::timeout(NO_ANSWER, found).await else {
            answers_since = Instant::now();
            continue;
        };
        for run in left {
            let of = |name: &str| run.get_i64(name).unwrap_or_default();
            let waited = now - of("ready_at").max(of("turn_at"));
            let waited = Duration::from_nanos(u64::try_from(waited).unwrap_or_default());
            longest = longest.max(waited.min(answers_since.elapsed()));
        }
    }
    longest
}
