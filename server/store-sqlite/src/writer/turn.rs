//! Whether a waiting write is done or withdrawn.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whose turn a command is. The writer takes it, or its caller withdraws it, and the first decides.
#[derive(Debug, Clone, Default)]
pub(super) struct Turn(Arc<AtomicBool>);

impl Turn {
    /// Returns whether the caller of this was the first.
    pub(super) fn take(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }
}
