//! One request at a time per idempotency key: of concurrent requests with the same key the first
//! one works and the others replay it. Between nodes the store decides.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use vultus_core::UserId;
use vultus_store::IdempotencyKey;

type KeyName = (UserId, String, String);
type LocksByKey = Arc<Mutex<HashMap<KeyName, Arc<AsyncMutex<()>>>>>;

/// The keys whose requests are in progress. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct IdempotencyLocks(LocksByKey);

/// Drop guard: unlocks the key, and removes its entry if no request waits for it.
pub(crate) struct IdempotencyLock {
    locks: LocksByKey,
    name: KeyName,
    guard: Option<OwnedMutexGuard<()>>,
}

impl IdempotencyLocks {
    /// Waits until no other request holds this key.
    pub(crate) async fn lock(&self, key: Option<&IdempotencyKey>) -> Option<IdempotencyLock> {
        let key = key?;
        let name = (key.user_id, key.operation.clone(), key.key.clone());
        let lock = self.0.lock().entry(name.clone()).or_default().clone();
        // Made before the wait: a request that is dropped while it waits also removes its entry.
        let mut held = IdempotencyLock { locks: self.0.clone(), name, guard: None };
        held.guard = Some(lock.lock_owned().await);
        Some(held)
    }
}

impl Drop for IdempotencyLock {
    fn drop(&mut self) {
        self.guard = None;
        let mut locks = self.locks.lock();
        if locks.get(&self.name).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            locks.remove(&self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[tokio::test]
    async fn requests_with_one_key_wait_and_leave_no_entry() {
        let locks = IdempotencyLocks::default();
        let key = IdempotencyKey {
            user_id: UserId(Uuid::from_u128(1)),
            operation: "createFolder".into(),
            key: "k".into(),
            fingerprint: String::new(),
        };
        let first = locks.lock(Some(&key)).await;
        let mut second = Box::pin(locks.lock(Some(&key)));
        assert!(futures::poll!(second.as_mut()).is_pending());
        drop(first);
        drop(second.await);
        assert!(locks.0.lock().is_empty());
    }
}
