//! What tells the readers of one store in this process about writes: changes of folders, and that a
//! run may be waiting.

use crate::events::Change;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, broadcast};

/// Changes that a slow reader may be behind, before it is told that it missed some.
const CHANGES_KEPT: usize = 1024;

/// What tells others of writes.
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
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes from now on; none once closed.
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

    /// Tells all who listen.
    pub fn send(&self, change: Change) {
        if let Some(sender) = self.sender().as_ref() {
            // An error says that nobody listens.
            let _ = sender.send(change);
        }
    }

    /// A run may be waiting.
    pub fn wake_for_runs(&self) {
        // All who wait now, and the next one who comes: it may be between a claim that found
        // nothing and its wait.
        self.runs.notify_waiters();
        self.runs.notify_one();
    }
}
