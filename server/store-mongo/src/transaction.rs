//! Transactions: several documents change together or not at all, tried again while others are in
//! the way.

use super::collections::Collections;
use super::fault::{Answer, Fault};
use mongodb::bson::{Bson, Document, doc};
use mongodb::error::UNKNOWN_TRANSACTION_COMMIT_RESULT;
use mongodb::options::{Acknowledgment, ReadConcern, WriteConcern};
use mongodb::{Client, ClientSession};
use std::time::{Duration, Instant};
use vultus_store::{Result, StoreError};

/// No use case tries for longer than this.
pub(super) const PATIENCE: Duration = Duration::from_secs(12);
/// Wait before the second attempt, doubled for each further one up to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(2);
const LONGEST_WAIT: Duration = Duration::from_millis(100);

/// A write is answered once most members have it in their journals.
pub(super) fn durable() -> WriteConcern {
    WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build()
}

/// One transaction, from inside.
pub(super) struct Transaction {
    pub(super) session: ClientSession,
    pub(super) collections: Collections,
    /// Counts from 0. Later attempts look for what the first one takes for unlikely.
    pub(super) attempt: u32,
    undo: bool,
}

impl Transaction {
    /// Whatever was written is not kept; the answer counts all the same.
    pub(super) fn undo<T>(&mut self, answer: T) -> Answer<T> {
        self.undo = true;
        Ok(answer)
    }

    /// Several updates of a collection in one command; how many documents they found or made.
    pub(super) async fn update(
        &mut self,
        collection: &str,
        updates: Vec<Document>,
    ) -> Answer<usize> {
        let command = doc! { "update": collection, "updates": updates };
        let answer =
            self.collections.database.run_command(command).session(&mut self.session).await?;
        // The driver looks at the command's own error only.
        match answer
            .get_array("writeErrors")
            .ok()
            .and_then(|errors| errors.first())
            .and_then(Bson::as_document)
        {
            None => {
                let found = answer.get_i32("n").map(i64::from).or_else(|_| answer.get_i64("n"));
                let found = found.map_err(|error| StoreError::Internal {
                    context: "reading how many documents were written".to_owned(),
                    source: Box::new(error),
                })?;
                Ok(found.try_into().unwrap_or_default())
            }
            Some(error) => Err(Fault::Refused(error.get_i32("code").unwrap_or_default())),
        }
    }
}

/// The attempts at one use case:
///
/// ```text
/// let mut attempts = self.attempts("making a folder");
/// loop {
///     let mut transaction = attempts.begin().await?;
///     let done = work(&mut transaction).await;
///     if let Some(answer) = attempts.end(transaction, done).await? {
///         return Ok(answer);
///     }
/// }
/// ```
pub(super) struct Attempts {
    client: Client,
    collections: Collections,
    context: &'static str,
    began: Instant,
    made: u32,
}

impl Attempts {
    pub(super) fn new(client: Client, collections: Collections, context: &'static str) -> Self {
        Self { client, collections, context, began: Instant::now(), made: 0 }
    }

    /// Counts their time from another moment.
    pub(super) fn since(self, began: Instant) -> Self {
        Self { began, ..self }
    }

    /// Begins an attempt.
    pub(super) async fn begin(&mut self) -> Result<Transaction> {
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
        })
    }

    /// Ends an attempt: the answer, once it is committed; `None` asks for another attempt.
    pub(super) async fn end<T>(
        &mut self,
        mut transaction: Transaction,
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
                // It may be committed or not; asking again is safe, and tells.
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

    async fn abort(&self, mut transaction: Transaction) {
        // The server ends what it is not told to end.
        let _ = self.in_time(async { Ok(transaction.session.abort_transaction().await?) }).await;
    }

    /// Runs a part of the use case within what is left of its time.
    pub(super) async fn in_time<T>(&self, work: impl Future<Output = Answer<T>>) -> Answer<T> {
        let left = (PATIENCE + LONGEST_WAIT).saturating_sub(self.began.elapsed());
        tokio::time::timeout(left, work).await.unwrap_or(Err(Fault::TimeOut))
    }
}

/// Grows, and differs between those that were in one another's way.
fn wait_after(attempts: u32) -> Duration {
    let grown = FIRST_WAIT.saturating_mul(2u32.saturating_pow(attempts.min(16))).min(LONGEST_WAIT);
    grown.mul_f64(0.25 + 0.75 * f64::from(uuid::Uuid::new_v4().as_bytes()[0]) / 255.0)
}

/// A use case that needs no transaction, within its time.
pub(super) async fn alone<T>(
    context: &'static str,
    work: impl Future<Output = Answer<T>>,
) -> Result<T> {
    let done = tokio::time::timeout(PATIENCE, work).await.unwrap_or(Err(Fault::TimeOut));
    done.map_err(|fault| fault.into_store(context))
}
