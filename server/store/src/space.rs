//! Disk space as a store and the blobs see it.

use std::fmt::Debug;

/// The space of the data folder, with a reserve for deletions.
pub trait Space: Debug + Send + Sync {
    /// Whether the disk is nearly full, so that nothing new may be stored.
    fn is_low(&self) -> bool;
    /// Makes room for a deletion: gives up the reserve if the disk is nearly full.
    fn make_room(&self);
    /// Gives up the reserve, because a deletion failed. Returns whether there was one.
    fn give_up_reserve(&self) -> bool;
}
