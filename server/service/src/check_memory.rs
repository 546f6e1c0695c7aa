//! The memory of instant checks: bytes are reserved while an upload arrives and released on drop.
//! A full budget rejects the upload, unlike [`vultus_blobs::MemoryBudget`], which lets it wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use vultus_core::{Error, Result};

/// Time after which a client should retry when the budget is used up.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A budget of bytes. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct CheckMemory {
    used: Arc<AtomicU64>,
    limit: u64,
}

/// Bytes that an upload has reserved from [`CheckMemory`].
#[derive(Debug)]
pub(crate) struct ReservedCheckMemory {
    budget: CheckMemory,
    bytes: u64,
}

impl CheckMemory {
    pub(crate) fn new(limit: u64) -> Self {
        Self { used: Arc::default(), limit }
    }

    /// An empty reservation, to be grown.
    pub(crate) fn reserve_none(&self) -> ReservedCheckMemory {
        ReservedCheckMemory { budget: self.clone(), bytes: 0 }
    }
}

impl ReservedCheckMemory {
    /// Reserves more bytes; UNAVAILABLE if the budget does not hold them.
    pub(crate) fn grow(&mut self, bytes: u64) -> Result<()> {
        let limit = self.budget.limit;
        let more = |used: u64| used.checked_add(bytes).filter(|&sum| sum <= limit);
        match self.budget.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, more) {
            Ok(_) => {
                self.bytes += bytes;
                Ok(())
            }
            Err(_) => Err(Error::Unavailable {
                message: "the memory for instant checks is used up; try again".to_owned(),
                retry_after: RETRY_AFTER,
            }),
        }
    }
}

impl Drop for ReservedCheckMemory {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}
