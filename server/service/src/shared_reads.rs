//! One read for all who watch a folder with the same rights: whoever asks joins the read that has
//! not begun yet, and the next begins when the one before it has ended. A change that wakes
//! thousands so costs two reads, and everybody gets a state from after the question.

use super::Services;
use super::types::FolderContents;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use vultus_core::{Error, FolderId, Result};
use vultus_store::Scope;

type Key = (Scope, FolderId);
type Pending = watch::Sender<Option<Outcome>>;

/// The folders that are being read: a task is at work on each. Its value is the next read, if
/// anybody waits for one.
#[derive(Default)]
pub(super) struct SharedReads(Mutex<HashMap<Key, Option<Pending>>>);

/// What all who share a read get.
#[derive(Debug, Clone)]
enum Outcome {
    Found(Arc<FolderContents>),
    Missing,
    Unavailable {
        message: String,
        retry_after: Duration,
    },
    /// The cause is in the log.
    Failed,
}

impl Outcome {
    fn of(read: Result<FolderContents>) -> Self {
        match read {
            Ok(contents) => Self::Found(Arc::new(contents)),
            Err(Error::NotFound { .. }) => Self::Missing,
            Err(Error::Unavailable { message, retry_after }) => {
                Self::Unavailable { message, retry_after }
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "reading a folder for those who watch it failed");
                Self::Failed
            }
        }
    }

    fn into_result(self) -> Result<Arc<FolderContents>> {
        match self {
            Self::Found(contents) => Ok(contents),
            Self::Missing => Err(Error::NotFound { what: "folder", argument: None }),
            Self::Unavailable { message, retry_after } => {
                Err(Error::Unavailable { message, retry_after })
            }
            Self::Failed => Err(Error::broken("a shared read of a folder failed")),
        }
    }
}

impl SharedReads {
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Option<Pending>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the read that is waited for. `None`: there is none, and the task of the folder ends.
    fn begin(&self, key: Key) -> Option<Pending> {
        let mut reads = self.lock();
        let pending = reads.get_mut(&key).and_then(Option::take);
        if pending.is_none() {
            reads.remove(&key);
        }
        pending
    }
}

impl Services {
    /// A folder as it is after this call, read together with all others who ask for it.
    pub(super) async fn shared_contents(
        &self,
        scope: Scope,
        id: FolderId,
    ) -> Result<Arc<FolderContents>> {
        let key = (scope, id);
        let mut is_first = false;
        let mut outcome = {
            let mut reads = self.inner.shared_reads.lock();
            let next = reads.entry(key).or_insert_with(|| {
                is_first = true;
                None
            });
            next.get_or_insert_with(|| watch::Sender::new(None)).subscribe()
        };
        if is_first {
            // A task: those who wait may go unpolled, and none of them reads for the others.
            tokio::spawn(self.clone().read_for_all(key));
        }
        let outcome = outcome.wait_for(Option::is_some).await.ok().and_then(|seen| seen.clone());
        outcome
            .ok_or_else(|| Error::broken("a shared read of a folder was given up"))?
            .into_result()
    }

    async fn read_for_all(self, key: Key) {
        let leaving = Leaving { services: &self, key };
        while let Some(pending) = self.inner.shared_reads.begin(key) {
            let outcome = Outcome::of(self.contents_of(key.0, key.1).await);
            pending.send_replace(Some(outcome));
        }
        // The entry is gone, and may be another task's already.
        std::mem::forget(leaving);
    }
}

/// Drop guard: a task that is aborted or panics takes its entry along, so that those who wait get
/// an error and the next one starts a new task.
struct Leaving<'s> {
    services: &'s Services,
    key: Key,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.services.inner.shared_reads.lock().remove(&self.key);
    }
}
