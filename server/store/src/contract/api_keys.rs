//! Rules of keys of service accounts.

use super::fixtures::{World, at, new_id};
use crate::credentials::ApiKey;
use crate::{Store, StoreError};
use std::sync::Arc;
use time::OffsetDateTime;

fn key(world: &World) -> ApiKey {
    ApiKey {
        id: new_id(),
        user_id: world.owner.id,
        name: "Adapter {\"$gt\": \"\"} \0".to_owned(),
        prefix: "vlt_abcdefgh".to_owned(),
        scopes: Some(vec!["folders:read".to_owned()]),
        created_at: at(0),
        expires_at: None,
        revoked_at: None,
        last_used_at: None,
    }
}

async fn found(world: &World, secret: &str) -> ApiKey {
    let found = world.store.api_key_by_secret(secret).await.expect("reading works");
    let (key, user) = found.expect("the key is there");
    assert_eq!(user, world.owner);
    key
}

/// A key is found by its secret and by its id, and listed newest first, in pages.
pub(crate) async fn keys_are_found_and_listed(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let other = world.neighbour().await;
    let mut made = Vec::new();
    for secret in ["a", "b", "c"] {
        let scopes = (secret != "b").then(|| vec!["folders:read".to_owned()]);
        let new = ApiKey { scopes, ..key(&world) };
        world.store.create_api_key(&new, secret).await.expect("creating a key works");
        made.push(new);
    }
    world.store.create_api_key(&key(&other), "o").await.expect("creating a key works");
    assert_eq!(found(&world, "b").await, made[1]);
    assert_eq!(world.store.api_key_by_secret("d").await.expect("reading works"), None);
    let by_id = world.store.api_keys_with_users(&[new_id(), made[2].id]).await;
    assert_eq!(by_id.expect("reading works"), [(made[2].clone(), world.owner.clone())]);
    let list = async |after, limit| {
        let listed = world.store.user_api_keys(world.owner.id, after, limit).await;
        listed.expect("listing works")
    };
    assert_eq!(list(None, 2).await, [made[2].clone(), made[1].clone()]);
    assert_eq!(list(Some(made[1].id), 2).await, [made[0].clone()]);
    let orphan = ApiKey { user_id: new_id(), ..key(&world) };
    let refused = world.store.create_api_key(&orphan, "x").await;
    assert!(matches!(refused, Err(StoreError::NotFound("user"))), "{refused:?}");
}

/// A rotated key ends at the end of the overlap, but not later than before; a key that has ended
/// cannot be rotated.
pub(crate) async fn rotated_key_ends_after_the_overlap(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let rotate = async |old: &ApiKey, ends: OffsetDateTime, secret: &str| {
        let new = ApiKey { created_at: at(10), ..key(&world) };
        world.store.rotate_api_key(old.id, ends, &new, secret).await
    };
    let (endless, ending) = (key(&world), ApiKey { expires_at: Some(at(50)), ..key(&world) });
    for (new, secret) in [(&endless, "endless"), (&ending, "ending")] {
        world.store.create_api_key(new, secret).await.expect("creating a key works");
    }
    rotate(&endless, at(100), "new").await.expect("rotating works");
    rotate(&ending, at(100), "newer").await.expect("rotating works");
    assert_eq!(found(&world, "endless").await.expires_at, Some(at(100)));
    assert_eq!(found(&world, "ending").await.expires_at, Some(at(50)));
    assert!(found(&world, "new").await.is_live(at(1000)));
    world.store.revoke_api_key(endless.id, at(9)).await.expect("revoking works");
    let over = ApiKey { expires_at: Some(at(10)), ..key(&world) };
    world.store.create_api_key(&over, "over").await.expect("creating a key works");
    for ended in [&endless, &over] {
        let refused = rotate(ended, at(100), "never").await;
        assert!(matches!(refused, Err(StoreError::NotFound("key"))), "{refused:?}");
    }
    let none = world.store.api_key_by_secret("never").await.expect("reading works");
    assert_eq!(none, None, "a refused rotation creates no key");
}

/// A key is revoked once, and uses are noted with times that never go back.
pub(crate) async fn key_is_revoked_once_and_notes_its_uses(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let made = key(&world);
    world.store.create_api_key(&made, "a").await.expect("creating a key works");
    for seconds in [20, 10] {
        let uses = [(made.id, at(seconds)), (new_id(), at(seconds))];
        world.store.note_api_key_uses(&uses).await.expect("noting works");
    }
    assert_eq!(found(&world, "a").await.last_used_at, Some(at(20)));
    let revoke = async |seconds| world.store.revoke_api_key(made.id, at(seconds)).await;
    assert!(revoke(30).await.expect("revoking works"));
    assert!(!revoke(40).await.expect("revoking works"));
    assert_eq!(found(&world, "a").await.revoked_at, Some(at(30)));
    let missing = world.store.revoke_api_key(new_id(), at(1)).await;
    assert!(matches!(missing, Err(StoreError::NotFound("key"))), "{missing:?}");
}
