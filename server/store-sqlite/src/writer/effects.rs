//! What to announce once commands are committed.

use vultus_store::events::FolderChange;

/// What to announce once a command is committed.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// Folders that changed.
    pub(crate) changes: Vec<FolderChange>,
    /// A run may be waiting now.
    pub(crate) run_waiting: bool,
    /// The cases that wait, or their claims, changed.
    pub(crate) cases_changed: bool,
    /// The command changed nothing: an earlier request did what it asks for.
    pub(crate) unchanged: bool,
}

/// The last change of each folder, in order. It may settle if one of them may.
pub(super) fn merged(changes: &[FolderChange]) -> Vec<FolderChange> {
    let mut merged: Vec<FolderChange> = Vec::with_capacity(changes.len());
    for change in changes {
        let earlier = merged.iter().position(|other| other.folder_id == change.folder_id);
        let settled = earlier.is_some_and(|at| merged.remove(at).may_settle);
        merged.push(FolderChange { may_settle: change.may_settle || settled, ..*change });
    }
    merged
}
