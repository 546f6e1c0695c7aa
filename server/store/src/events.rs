//! Level-triggered changes: a signal names the folder and its revision; readers re-read the state.

use tokio::sync::broadcast;
use vultus_core::FolderId;

/// A folder, one of its media or one of its analyses changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FolderChange {
    /// The folder.
    pub folder_id: FolderId,
    /// Its revision after the change; 0 when it was erased.
    pub revision: u64,
    /// False: no analysis in it became final.
    pub may_settle: bool,
}

/// Changes from the moment of subscription on.
#[derive(Debug)]
pub struct ChangeStream(broadcast::Receiver<Change>);

/// What a reader of changes gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// One folder.
    Folder(FolderChange),
    /// Some were missed: re-read whatever is watched.
    Missed,
}

impl ChangeStream {
    /// Over a broadcast channel. A backend that sees writes of others without their folders sends
    /// [`Change::Missed`].
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
    async fn a_slow_reader_is_told_that_it_missed_some_and_goes_on_with_the_newest() {
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
