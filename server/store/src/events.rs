//! Changes of folders. A change names the folder and its revision; readers then read the state.

use tokio::sync::broadcast;
use vultus_core::FolderId;

/// A folder, one of its media or one of its analyses changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FolderChange {
    /// The folder.
    pub folder_id: FolderId,
    /// Its revision after the change; 0 if it was erased.
    pub revision: u64,
    /// False if no analysis in it became final.
    pub may_settle: bool,
}

/// Changes from the moment of subscription on.
#[derive(Debug)]
pub struct ChangeStream(broadcast::Receiver<Change>);

/// Item of a [`ChangeStream`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// One folder changed.
    Folder(FolderChange),
    /// The cases that wait for a decision, or their claims, changed. The erasure of a folder is not
    /// announced by this.
    Cases,
    /// Changes were missed: read every watched folder again.
    Missed,
}

impl ChangeStream {
    /// Creates a stream from a broadcast channel. A backend that notices writes without knowing
    /// their folders sends [`Change::Missed`].
    pub fn new(receiver: broadcast::Receiver<Change>) -> Self {
        Self(receiver)
    }

    /// The next change; `None` once the store is closed.
    pub async fn next(&mut self) -> Option<Change> {
        match self.0.recv().await {
            Ok(change) => Some(change),
            Err(broadcast::error::RecvError::Lagged(_)) => Some(Change::Missed),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[tokio::test]
    async fn slow_reader_is_told_that_it_missed_changes() {
        let (sender, receiver) = broadcast::channel(2);
        let mut changes = ChangeStream::new(receiver);
        let change = |revision| {
            Change::Folder(FolderChange {
                folder_id: Uuid::nil().into(),
                revision,
                may_settle: true,
            })
        };
        for revision in 1..=5 {
            sender.send(change(revision)).unwrap();
        }
        assert_eq!(changes.next().await, Some(Change::Missed));
        assert_eq!(changes.next().await, Some(change(4)));
        assert_eq!(changes.next().await, Some(change(5)));
        drop(sender);
        assert_eq!(changes.next().await, None);
    }
}
