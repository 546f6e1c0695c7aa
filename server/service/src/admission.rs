//! How much may be in memory at a time: bytes are reserved as they arrive and given back on drop.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use vultus_core::{Error, Result};

/// What a client is told to wait when the budget is used up.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A budget of bytes.
#[derive(Debug, Clone)]
pub(super) struct MemoryBudget {
    used: Arc<AtomicU64>,
    limit: u64,
}

/// Bytes reserved from a budget.
#[derive(Debug)]
pub(super) struct Reserved {
    budget: MemoryBudget,
    bytes: u64,
}

impl MemoryBudget {
    pub(super) fn new(limit: u64) -> Self {
        Self { used: Arc::default(), limit }
    }

    /// A reservation of nothing, to grow.
    pub(super) fn reserve_none(&self) -> Reserved {
        Reserved { budget: self.clone(), bytes: 0 }
    }
}

impl Reserved {
    /// Reserves more, or UNAVAILABLE.
    pub(super) fn grow(&mut self, bytes: u64) -> Result<()> {
        let limit = self.budget.limit;
        let more = |used: u64| used.checked_add(bytes).filter(|&sum| sum <= limit);
        match self.budget.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, more) {
            Ok(_) => {
                self.bytes += bytes;
                Ok(())
            }
            Err(_) => Err(Error::Unavailable {
                message: "the memory for instant checks is in use; try again".to_owned(),
                retry_after: RETRY_AFTER,
            }),
        }
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}
