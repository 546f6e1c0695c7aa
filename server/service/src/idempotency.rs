//! One request at a time per idempotency key: of concurrent requests with the same key the first
//! one works and the others replay it. Between nodes the store decides.

use crate::keyed_locks::{KeyedLock, KeyedLocks};
use vultus_core::UserId;
use vultus_store::IdempotencyKey;

type KeyName = (UserId, String, String);

/// The keys whose requests are in progress. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct IdempotencyLocks(KeyedLocks<KeyName>);

impl IdempotencyLocks {
    /// Waits until no other request holds this key.
    pub(crate) async fn lock(&self, key: Option<&IdempotencyKey>) -> Option<KeyedLock<KeyName>> {
        let key = key?;
        Some(self.0.lock((key.user_id, key.operation.clone(), key.key.clone())).await)
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
        assert!(locks.0.is_empty());
    }
}
