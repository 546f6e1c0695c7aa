//! The parts of the node that all runs use.

use std::sync::Arc;
use vultus_blobs::keyring::Keyring;
use vultus_blobs::{BlobStore, MemoryBudget};
use vultus_core::clock::Clock;
use vultus_core::turns::Turns;
use vultus_pools::RunningRuns;
use vultus_pools::worker_pools::WorkerPools;
use vultus_store::Store;

/// The parts of the node that all runs use.
pub(super) struct DispatchContext {
    pub(super) store: Arc<dyn Store>,
    pub(super) blobs: Arc<BlobStore>,
    pub(super) pools: WorkerPools,
    pub(super) running: RunningRuns,
    pub(super) keyring: Keyring,
    pub(super) memory: MemoryBudget,
    pub(super) clock: Clock,
    pub(super) turns: Turns,
}
