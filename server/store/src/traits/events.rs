//! Notifications about writes of all nodes.

use crate::events::ChangeStream;
use async_trait::async_trait;

/// Notifications about writes.
#[async_trait]
pub trait Events: Send + Sync + 'static {
    /// Changes of folders from now on. A slow reader is told that it missed some; it never blocks
    /// a writer.
    fn changes(&self) -> ChangeStream;
    /// Returns when a run may be waiting, also one that another process on the same data queued.
    async fn run_waiting(&self);
}
