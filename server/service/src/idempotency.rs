//! One at a time per idempotency key: of concurrent requests with the same key the first works and
//! the others replay it. Between nodes the store decides.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use vultus_core::UserId;
use vultus_store::IdempotencyKey;

type Name = (UserId, String, String);
type Locks = Arc<Mutex<HashMap<Name, Arc<AsyncMutex<()>>>>>;

/// The keys that are being worked on.
#[derive(Default)]
pub(super) struct Turns(Locks);

/// A turn; dropping it lets the next one go on.
pub(super) struct Turn {
    locks: Locks,
    name: Name,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Turns {
    /// Waits until no other request works on this key.
    pub(super) async fn wait(&self, key: Option<&IdempotencyKey>) -> Option<Turn> {
        let key = key?;
        let name = (key.user_id, key.operation.clone(), key.key.clone());
        let lock = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(name.clone())
            .or_default()
            .clone();
        // Made before the wait: a request that is given up while it waits cleans up, too.
        let mut turn = Turn { locks: self.0.clone(), name, guard: None };
        turn.guard = Some(lock.lock_owned().await);
        Some(turn)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.guard = None;
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
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
    async fn requests_with_one_key_take_turns_and_leave_nothing() {
        let turns = Turns::default();
        let key = IdempotencyKey {
            user_id: UserId(Uuid::from_u128(1)),
            operation: "createFolder".into(),
            key: "k".into(),
            fingerprint: String::new(),
        };
        let first = turns.wait(Some(&key)).await;
        let mut second = Box::pin(turns.wait(Some(&key)));
        assert!(futures::poll!(second.as_mut()).is_pending());
        drop(first);
        drop(second.await);
        assert!(turns.0.lock().unwrap().is_empty());
    }
}
