//! Locks by key: work with the same key is done one after the other, other work is not delayed.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

type Locks<K> = Arc<Mutex<HashMap<K, Arc<AsyncMutex<()>>>>>;

/// The keys that are locked. Clones share them.
#[derive(Clone)]
pub(crate) struct KeyedLocks<K: Eq + Hash>(Locks<K>);

impl<K: Eq + Hash> Default for KeyedLocks<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

/// Drop guard: unlocks the key, and removes its entry if nothing waits for it.
pub(crate) struct KeyedLock<K: Eq + Hash> {
    locks: Locks<K>,
    key: K,
    guard: Option<OwnedMutexGuard<()>>,
}

impl<K: Eq + Hash + Clone> KeyedLocks<K> {
    /// Waits until nothing else holds this key.
    pub(crate) async fn lock(&self, key: K) -> KeyedLock<K> {
        let lock = self.0.lock().entry(key.clone()).or_default().clone();
        // Made before the wait: work that is dropped while it waits also removes its entry.
        let mut held = KeyedLock { locks: self.0.clone(), key, guard: None };
        held.guard = Some(lock.lock_owned().await);
        held
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }
}

impl<K: Eq + Hash> Drop for KeyedLock<K> {
    fn drop(&mut self) {
        self.guard = None;
        let mut locks = self.locks.lock();
        if locks.get(&self.key).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            locks.remove(&self.key);
        }
    }
}
