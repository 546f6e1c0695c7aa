//! One read of the store for all clients that watch the same part of a folder with the same rights.
//! A caller joins the next read that has not begun; it begins when the current read ends. A change
//! that wakes thousands of clients thus costs two reads, and each client gets a state newer than
//! its question.

use crate::folders::folder_contents;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use vultus_core::{Error, FolderId, Result};
use vultus_store::{FolderContents, Folders, Scope, Selection};

type Key = (Scope, FolderId, Selection);
type PendingRead = watch::Sender<Option<Outcome>>;

/// Folder reads that several callers share. Cheap to clone.
#[derive(Clone)]
pub(crate) struct SharedReads(Arc<State>);

struct State {
    store: Arc<dyn Folders>,
    /// The folders that a task is reading, each with the next read if a caller waits for one.
    reads: Mutex<HashMap<Key, Option<PendingRead>>>,
}

/// The result of a read, for each caller that shares it.
#[derive(Debug, Clone)]
enum Outcome {
    Found(Arc<FolderContents>),
    Missing,
    Unavailable {
        message: String,
        retry_after: Duration,
    },
    /// The cause is logged.
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
                tracing::error!(error, "could not read a folder for its subscriptions");
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
    pub(crate) fn new(store: Arc<dyn Folders>) -> Self {
        Self(Arc::new(State { store, reads: Mutex::default() }))
    }

    /// A folder as it is after this call, read together with all other callers that ask for it.
    pub(crate) async fn contents(
        &self,
        scope: Scope,
        id: FolderId,
        selection: Selection,
    ) -> Result<Arc<FolderContents>> {
        let key = (scope, id, selection);
        let mut is_first = false;
        let mut outcome = {
            let mut reads = self.0.reads.lock();
            let next = reads.entry(key).or_insert_with(|| {
                is_first = true;
                None
            });
            next.get_or_insert_with(|| watch::Sender::new(None)).subscribe()
        };
        if is_first {
            // A task: a caller may not be polled, so that no caller can read for the others.
            tokio::spawn(self.clone().read_for_all(key));
        }
        let outcome = outcome.wait_for(Option::is_some).await.ok().and_then(|seen| seen.clone());
        outcome.ok_or_else(|| Error::broken("a shared read of a folder was aborted"))?.into_result()
    }

    async fn read_for_all(self, key: Key) {
        let guard = EntryGuard { state: &self.0, key };
        while let Some(pending) = self.begin(key) {
            let (scope, id, selection) = key;
            let read = folder_contents(self.0.store.as_ref(), scope, id, selection).await;
            pending.send_replace(Some(Outcome::of(read)));
        }
        // `begin` removed the entry; a new one may belong to another task already.
        std::mem::forget(guard);
    }

    /// Takes the read that callers wait for. If no caller waits, removes the folder's entry, and
    /// its task ends.
    fn begin(&self, key: Key) -> Option<PendingRead> {
        let mut reads = self.0.reads.lock();
        let pending = reads.get_mut(&key).and_then(Option::take);
        if pending.is_none() {
            reads.remove(&key);
        }
        pending
    }
}

/// Drop guard: if the task panics or is aborted, removes its entry so that waiting callers get an
/// error instead of hanging, and the next caller starts a new task.
struct EntryGuard<'s> {
    state: &'s State,
    key: Key,
}

impl Drop for EntryGuard<'_> {
    fn drop(&mut self) {
        self.state.reads.lock().remove(&self.key);
    }
}
