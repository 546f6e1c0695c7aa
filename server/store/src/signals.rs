//! Notifications within a process, for backends: changes of folders, and that a run may be waiting.

use crate::events::Change;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, broadcast};

/// Number of changes that a slow reader may lag behind before it misses some.
const CHANGES_KEPT: usize = 1024;

/// Sends notifications to all readers of a store.
#[derive(Debug)]
pub struct Signals {
    changes: Mutex<Option<broadcast::Sender<Change>>>,
    runs: Notify,
}

impl Default for Signals {
    fn default() -> Self {
        Self {
            changes: Mutex::new(Some(broadcast::Sender::new(CHANGES_KEPT))),
            runs: Notify::new(),
        }
    }
}

impl Signals {
    fn sender(&self) -> MutexGuard<'_, Option<broadcast::Sender<Change>>> {
        self.changes.lock()
    }

    /// Changes from now on. The stream is empty once the store is closed.
    pub fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.sender().as_ref().map_or_else(|| broadcast::channel(1).1, broadcast::Sender::subscribe)
    }

    /// Waits until a run may be waiting.
    pub async fn run_waiting(&self) {
        self.runs.notified().await;
    }

    /// Ends all subscriptions.
    pub fn close(&self) {
        self.sender().take();
        self.wake_for_runs();
    }

    /// Sends a change to all readers.
    pub fn send(&self, change: Change) {
        if let Some(sender) = self.sender().as_ref() {
            // An error means that there is no reader.
            let _ = sender.send(change);
        }
    }

    /// Wakes all waiters, because a run may be waiting.
    pub fn wake_for_runs(&self) {
        // All current waiters, and the next one: it may be between a claim that found nothing and
        // its wait.
        self.runs.notify_waiters();
        self.runs.notify_one();
    }
}
