//! The runs that this node works on, so that a cancellation or an erasure here reaches their
//! workers at once. Other nodes find out with their next heartbeat.

use super::run::RunCancel;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;
use vultus_core::{FolderId, RunId};

type Runs = Arc<Mutex<HashMap<RunId, Entry>>>;

/// The runs in progress. Cheap to clone.
#[derive(Clone, Default)]
pub struct RunningRuns(Runs);

struct Entry {
    folder: FolderId,
    look_again: Arc<Notify>,
    cancel: RunCancel,
}

/// A run in progress; dropping it takes it off the list.
pub struct Registration {
    runs: Runs,
    run: RunId,
    look_again: Arc<Notify>,
}

impl RunningRuns {
    /// Something of the folder was cancelled or deleted: its runs look at the store and stop what
    /// is not wanted any more.
    pub fn look_again(&self, folder: FolderId) {
        let runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for entry in runs.values().filter(|entry| entry.folder == folder) {
            entry.look_again.notify_one();
        }
    }

    /// Stops all runs; what is not judged goes back to the queue.
    pub fn cancel_all(&self) {
        let runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for entry in runs.values() {
            entry.cancel.cancel_run();
        }
    }

    /// Enters a run; it leaves the list when the registration is dropped.
    pub fn register(&self, run: RunId, folder: FolderId, cancel: &RunCancel) -> Registration {
        let look_again = Arc::new(Notify::new());
        let entry = Entry { folder, look_again: look_again.clone(), cancel: cancel.clone() };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(run, entry);
        Registration { runs: self.0.clone(), run, look_again }
    }
}

impl Registration {
    /// Waits until the store must be looked at.
    pub async fn told(&self) {
        self.look_again.notified().await;
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.run);
    }
}
