//! Transactions: several documents change together or not at all. Conflicts with other transactions
//! are retried.

use super::audit;
use super::collections::Collections;
use super::fault::{Answer, Fault};
use futures::future::BoxFuture;
use mongodb::bson::{Bson, Document, doc};
use mongodb::error::UNKNOWN_TRANSACTION_COMMIT_RESULT;
use mongodb::options::{Acknowledgment, ReadConcern, WriteConcern};
use mongodb::{Client, ClientSession};
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};
use vultus_store::audit::{Chain, NewEntry};
use vultus_store::{Result, StoreError};

/// Maximum time of a use case, with all its attempts.
pub(super) const PATIENCE: Duration = Duration::from_secs(12);
/// Wait before the second attempt, doubled for each further one up to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(2);
const LONGEST_WAIT: Duration = Duration::from_millis(100);

/// A write is answered once most members have it in their journals.
pub(super) fn durable() -> WriteConcern {
    WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build()
}

/// An open transaction. `'env` is the lifetime of what the work borrows: it tells the compiler that
/// the borrows of [`Attempts::run`]'s closure outlive every transaction that is passed to it.
pub(super) struct Transaction<'env> {
    pub(super) session: ClientSession,
    pub(super) collections: Collections,
    /// Counts from 0. Later attempts check first for what the first attempt assumes not to exist.
    pub(super) attempt: u32,
    undo: bool,
    /// The use case changed nothing: an earlier request did what it asks for.
    pub(super) unchanged: bool,
    environment: PhantomData<&'env ()>,
}

impl Transaction<'_> {
    /// Discards what the transaction wrote, and returns the answer nevertheless.
    pub(super) fn undo<T>(&mut self, answer: T) -> Answer<T> {
        self.undo = true;
        Ok(answer)
    }

    /// Writes the entry about the use case, unless it changed nothing.
    async fn record(&mut self, entry: &NewEntry, chain: Answer<Chain>) -> Answer<()> {
        if self.undo || self.unchanged {
            return Ok(());
        }
        audit::insert(self, &[entry.waiting(chain?)]).await
    }

    /// Sends several updates of a collection in one command.
    pub(super) async fn update(
        &mut self,
        collection: &str,
        updates: Vec<Document>,
    ) -> Answer<Updated> {
        let command = doc! { "update": collection, "updates": updates };
        let answer =
            self.collections.database.run_command(command).session(&mut self.session).await?;
        // The driver reports the error of the command only, not those of its updates.
        match answer
            .get_array("writeErrors")
            .ok()
            .and_then(|errors| errors.first())
            .and_then(Bson::as_document)
        {
            None => Ok(Updated {
                found: count_of(&answer, "n")?,
                modified: count_of(&answer, "nModified")?,
            }),
            Some(error) => Err(Fault::Refused(error.get_i32("code").unwrap_or_default())),
        }
    }
}

/// What a command of updates did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Updated {
    /// Documents that matched or were inserted.
    pub(super) found: usize,
    /// Documents whose contents changed.
    pub(super) modified: usize,
}

fn count_of(answer: &Document, name: &str) -> Answer<usize> {
    let count = answer.get_i32(name).map(i64::from).or_else(|_| answer.get_i64(name));
    let count = count.map_err(|error| StoreError::Internal {
        context: "reading how many documents were written".to_owned(),
        source: Box::new(error),
    })?;
    Ok(count.try_into().unwrap_or_default())
}

/// The attempts at one use case, such as
/// `self.attempts("creating a folder").run(move |t| create_folder(t, folder).boxed())`.
pub(super) struct Attempts {
    client: Client,
    collections: Collections,
    context: &'static str,
    began: Instant,
    made: u32,
    /// Written with what the use case changes.
    entry: Option<Arc<NewEntry>>,
}

impl Attempts {
    pub(super) fn new(client: Client, collections: Collections, context: &'static str) -> Self {
        Self { client, collections, context, began: Instant::now(), made: 0, entry: None }
    }

    /// Writes an entry of the audit log with what the use case changes.
    pub(super) fn recording(self, entry: Option<Arc<NewEntry>>) -> Self {
        Self { entry, ..self }
    }

    /// Measures their time from another moment.
    pub(super) fn since(self, began: Instant) -> Self {
        Self { began, ..self }
    }

    /// Runs `work` in a transaction until an attempt is committed, it fails for another reason than
    /// a conflict, or [`PATIENCE`] is over.
    pub(super) async fn run<'env, T>(
        mut self,
        work: impl for<'t> Fn(&'t mut Transaction<'env>) -> BoxFuture<'t, Answer<T>>,
    ) -> Result<T> {
        loop {
            let mut transaction = self.begin().await?;
            let done = match &self.entry {
                None => work(&mut transaction).await,
                Some(entry) => {
                    // The change may delete the object that tells the chain.
                    let chain = audit::chain(&mut transaction, entry.chain).await;
                    match work(&mut transaction).await {
                        Ok(done) => transaction.record(entry, chain).await.map(|()| done),
                        Err(fault) => Err(fault),
                    }
                }
            };
            if let Some(answer) = self.end(transaction, done).await? {
                return Ok(answer);
            }
        }
    }

    /// Begins an attempt.
    pub(super) async fn begin<'env>(&mut self) -> Result<Transaction<'env>> {
        let begun = async {
            let mut session = self.client.start_session().await?;
            session
                .start_transaction()
                .read_concern(ReadConcern::snapshot())
                .write_concern(durable())
                .await?;
            Ok::<_, Fault>(session)
        };
        let session = self.in_time(begun).await.map_err(|fault| fault.into_store(self.context))?;
        self.made += 1;
        Ok(Transaction {
            session,
            collections: self.collections.clone(),
            attempt: self.made - 1,
            undo: false,
            unchanged: false,
            environment: PhantomData,
        })
    }

    /// Ends an attempt. Returns the answer once it is committed, and `None` if another attempt is
    /// needed.
    pub(super) async fn end<T>(
        &mut self,
        mut transaction: Transaction<'_>,
        done: Answer<T>,
    ) -> Result<Option<T>> {
        let fault = match done {
            Ok(answer) if transaction.undo => {
                self.abort(transaction).await;
                return Ok(Some(answer));
            }
            Ok(answer) => match self.commit(&mut transaction.session).await {
                Ok(()) => return Ok(Some(answer)),
                Err(fault) => fault,
            },
            Err(fault) => {
                self.abort(transaction).await;
                fault
            }
        };
        if !fault.is_conflict() || self.began.elapsed() >= PATIENCE {
            return Err(fault.into_store(self.context));
        }
        tokio::time::sleep(wait_after(self.made)).await;
        Ok(None)
    }

    async fn commit(&self, session: &mut ClientSession) -> Answer<()> {
        loop {
            match self.in_time(async { Ok(session.commit_transaction().await?) }).await {
                // It may be committed or not. Committing again is safe, and returns which.
                Err(Fault::Driver(error))
                    if error.contains_label(UNKNOWN_TRANSACTION_COMMIT_RESULT)
                        && self.began.elapsed() < PATIENCE =>
                {
                    tokio::time::sleep(LONGEST_WAIT).await;
                }
                other => return other,
            }
        }
    }

    async fn abort(&self, mut transaction: Transaction<'_>) {
        // If this fails, the server ends the transaction by itself.
        let _ = self.in_time(async { Ok(transaction.session.abort_transaction().await?) }).await;
    }

    /// Runs a part of the use case within its remaining time.
    pub(super) async fn in_time<T>(&self, work: impl Future<Output = Answer<T>>) -> Answer<T> {
        let left = (PATIENCE + LONGEST_WAIT).saturating_sub(self.began.elapsed());
        tokio::time::timeout(left, work).await.unwrap_or(Err(Fault::TimeOut))
    }
}

/// Exponential back-off with jitter, so that conflicting transactions do not meet again.
fn wait_after(attempts: u32) -> Duration {
    let grown = FIRST_WAIT.saturating_mul(2u32.saturating_pow(attempts.min(16))).min(LONGEST_WAIT);
    grown.mul_f64(0.25 + 0.75 * f64::from(uuid::Uuid::new_v4().as_bytes()[0]) / 255.0)
}

/// Runs a use case that needs no transaction, for at most [`PATIENCE`].
pub(super) async fn without_transaction<T>(
    context: &'static str,
    work: impl Future<Output = Answer<T>>,
) -> Result<T> {
    let done = tokio::time::timeout(PATIENCE, work).await.unwrap_or(Err(Fault::TimeOut));
    done.map_err(|fault| fault.into_store(context))
}
