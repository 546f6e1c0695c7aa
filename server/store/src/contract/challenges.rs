//! Rules of challenges.

use super::fixtures::{World, at, new_id};
use crate::Store;
use std::sync::Arc;

/// A challenge is used once, also by concurrent requests; other challenges are not affected, and an
/// expired one does not stand in the way of anything.
pub(crate) async fn challenge_is_used_once(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let store = world.store.clone();
    let (first, second) = (new_id(), new_id());
    let uses = (0..8).map(|_| store.use_challenge(first, at(60), at(0)));
    let used = futures::future::try_join_all(uses).await.expect("marking works");
    assert_eq!(used.iter().filter(|used| **used).count(), 1);
    assert!(store.use_challenge(second, at(90), at(1)).await.expect("marking works"));
    assert!(!store.use_challenge(second, at(90), at(89)).await.expect("marking works"));
    assert!(store.use_challenge(new_id(), at(200), at(100)).await.expect("it works"));
}
