//! One reader of the store's changes for all watches: each is woken for its own folder only.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use vultus_core::FolderId;
use vultus_store::{Change, ChangeStream, FolderChange};

/// Number of watched folders from which those without watches are removed.
const FIRST_PRUNE: usize = 1024;

/// The watched folders. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Hub(Arc<Mutex<Watchers>>);

/// Numbers of changes of a folder since it is watched.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Changes {
    all: u64,
    /// Changes that may have made an analysis final.
    pub(crate) settling: u64,
}

impl Changes {
    fn count(&mut self, change: WakeFor) {
        self.all += 1;
        match change {
            WakeFor::AnyChange => {}
            WakeFor::FinalAnalysis => self.settling += 1,
        }
    }
}

/// What a change may be.
#[derive(Clone, Copy)]
enum WakeFor {
    AnyChange,
    FinalAnalysis,
}

#[derive(Default)]
struct Watchers {
    /// Number of changes of the cases that wait for a decision.
    cases: watch::Sender<u64>,
    by_folder: HashMap<FolderId, watch::Sender<Changes>>,
    prune_at: usize,
}

impl Hub {
    pub(crate) fn watch(&self, id: FolderId) -> watch::Receiver<Changes> {
        let mut watchers = self.0.lock();
        if watchers.by_folder.len() >= watchers.prune_at.max(FIRST_PRUNE) {
            watchers.by_folder.retain(|_, sender| sender.receiver_count() > 0);
            watchers.prune_at = watchers.by_folder.len() * 2;
        }
        watchers.by_folder.entry(id).or_default().subscribe()
    }

    /// Changes of the cases that wait for a decision.
    pub(crate) fn watch_cases(&self) -> watch::Receiver<u64> {
        self.0.lock().cases.subscribe()
    }

    fn wake_for_cases(&self) {
        self.0.lock().cases.send_modify(|changes| *changes += 1);
    }

    fn wake(&self, change: FolderChange) {
        // An erased folder takes its cases with it.
        if change.revision == 0 {
            self.wake_for_cases();
        }
        let wake_for = if change.may_settle { WakeFor::FinalAnalysis } else { WakeFor::AnyChange };
        let mut watchers = self.0.lock();
        match watchers.by_folder.get(&change.folder_id) {
            Some(sender) if sender.receiver_count() > 0 => {
                sender.send_modify(|changes| changes.count(wake_for));
            }
            Some(_) => drop(watchers.by_folder.remove(&change.folder_id)),
            None => {}
        }
    }

    fn wake_all(&self) {
        for sender in self.0.lock().by_folder.values() {
            sender.send_modify(|changes| changes.count(WakeFor::FinalAnalysis));
        }
    }

    /// Passes the store's changes on until the node stops.
    pub(crate) async fn forward(self, mut changes: ChangeStream, stopping: CancellationToken) {
        loop {
            let change = tokio::select! {
                () = stopping.cancelled() => return,
                change = changes.next() => change,
            };
            match change {
                Some(Change::Folder(change)) => self.wake(change),
                Some(Change::Cases) => self.wake_for_cases(),
                Some(Change::Missed) => {
                    self.wake_all();
                    self.wake_for_cases();
                }
                None => return,
            }
        }
    }
}
