//! Notifications about writes.

use crate::Cases;
use async_trait::async_trait;
use vultus_store::{ChangeStream, Events};

/// Maximum wait for a run before the caller checks again: leases and retry times expire without a
/// write, and the change stream may be lost.
const MAX_WAIT: std::time::Duration = std::time::Duration::from_secs(1);

#[async_trait]
impl Events for Cases {
    fn changes(&self) -> ChangeStream {
        ChangeStream::new(self.signals.subscribe())
    }

    async fn run_waiting(&self) {
        // Timeout and wake-up mean the same: the caller checks again.
        let _ = tokio::time::timeout(MAX_WAIT, self.signals.run_waiting()).await;
    }
}
