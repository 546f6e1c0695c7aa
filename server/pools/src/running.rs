//! The runs that this node works on. A cancellation or an erasure that happens on this node reaches
//! their workers at once; other nodes notice it at their next heartbeat.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;
use vultus_core::{FolderId, RunId};

use super::run::RunCancel;

type Runs = Arc<Mutex<HashMap<RunId, RunningRun>>>;

/// The runs in progress. Cheap to clone.
#[derive(Clone, Default)]
pub struct RunningRuns(Runs);

struct RunningRun {
    folder: FolderId,
    look_again: Arc<Notify>,
    cancel: RunCancel,
}

/// Drop guard: removes its run from the list.
pub struct Registration {
    runs: Runs,
    run: RunId,
    look_again: Arc<Notify>,
}

impl RunningRuns {
    /// Makes the runs of a folder read the store again, because something in the folder was
    /// cancelled or deleted. They stop what is not wanted any more.
    pub fn look_again(&self, folder: FolderId) {
        let runs = self.0.lock();
        for entry in runs.values().filter(|entry| entry.folder == folder) {
            entry.look_again.notify_one();
        }
    }

    /// Cancels all runs; analyses without a verdict go back to the queue.
    pub fn cancel_all(&self) {
        let runs = self.0.lock();
        for entry in runs.values() {
            entry.cancel.cancel_run();
        }
    }

    /// Adds a run to the list until the registration is dropped.
    pub fn register(&self, run: RunId, folder: FolderId, cancel: &RunCancel) -> Registration {
        let look_again = Arc::new(Notify::new());
        let entry = RunningRun { folder, look_again: look_again.clone(), cancel: cancel.clone() };
        self.0.lock().insert(run, entry);
        Registration { runs: self.0.clone(), run, look_again }
    }
}

impl Registration {
    /// Waits until the run must read the store again.
    pub async fn look_again(&self) {
        self.look_again.notified().await;
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.runs.lock().remove(&self.run);
    }
}
