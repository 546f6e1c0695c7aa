//! Rules of users, sessions and refresh tokens.

use super::fixtures::{World, at, new_id, user_of};
use crate::records::{Company, Rotation, Session};
use crate::traits::{Store, StoreError};
use std::sync::Arc;
use vultus_core::User;

fn session(world: &World) -> Session {
    Session {
        id: new_id(),
        user_id: world.owner.id,
        created_at: at(0),
        expires_at: at(100),
        revoked: false,
    }
}

/// A taken e-mail is a duplicate that names its user.
pub async fn a_taken_email_is_a_duplicate_that_names_its_user(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let second = User { email: world.owner.email.clone(), ..user_of(&world.company) };
    let refused = world.store.create_user(&second, "hash").await;
    let Err(StoreError::Duplicate { what: "email", existing }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(existing, world.owner.id.to_string());
    assert_eq!(world.store.count_users().await.expect("counting works"), 1);
    let found = world
        .store
        .user_by_email(&world.owner.email)
        .await
        .expect("reading works")
        .expect("the user is there");
    assert_eq!((found.user, found.password_hash.as_str()), (world.owner.clone(), "$argon2id$hash"));
    assert_eq!(
        world.store.users(&[new_id(), world.owner.id]).await.expect("reading works"),
        vec![world.owner]
    );
}

/// Failed logins are counted and locked, and a session clears them.
pub async fn failed_logins_are_counted_and_cleared_by_a_session(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    for locked_until in [None, Some(at(60))] {
        world
            .store
            .record_failed_login(world.owner.id, locked_until)
            .await
            .expect("recording works");
    }
    let state = || async {
        let found = world
            .store
            .user_by_email(&world.owner.email)
            .await
            .expect("reading works")
            .expect("the user is there");
        (found.failed_logins, found.locked_until)
    };
    assert_eq!(state().await, (2, Some(at(60))));
    world.store.create_session(&session(&world), "first").await.expect("a session is made");
    assert_eq!(state().await, (0, None));
}

/// A refresh token rotates once, and its reuse revokes the session with all of its tokens.
pub async fn a_refresh_token_rotates_once_and_its_reuse_revokes_the_session(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let made = session(&world);
    world.store.create_session(&made, "first").await.expect("a session is made");
    let rotate = |old: &'static str, new: &'static str| {
        let store = Arc::clone(&world.store);
        async move { store.rotate_refresh(old, new, at(10), at(200)).await.expect("rotating works") }
    };
    let extended = Session { expires_at: at(200), ..made };
    assert_eq!(rotate("first", "second").await, Rotation::Rotated(extended, world.owner.clone()));
    assert_eq!(world.store.session(made.id).await.expect("reading works"), Some(extended));
    assert_eq!(rotate("first", "thief's").await, Rotation::Reused);
    assert!(
        world
            .store
            .session(made.id)
            .await
            .expect("reading works")
            .is_some_and(|session| session.revoked)
    );
    assert_eq!(rotate("second", "third").await, Rotation::Unknown, "the whole family is revoked");
}

/// An expired or revoked session, and an unknown token, rotate nothing.
pub async fn an_expired_or_revoked_session_rotates_nothing(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let (expired, revoked) = (session(&world), session(&world));
    world.store.create_session(&expired, "expired").await.expect("a session is made");
    world.store.create_session(&revoked, "revoked").await.expect("a session is made");
    world.store.revoke_session(revoked.id).await.expect("revoking works");
    for (token, now) in [("expired", at(100)), ("revoked", at(1)), ("never seen", at(1))] {
        let rotation =
            world.store.rotate_refresh(token, "new", now, at(300)).await.expect("asking works");
        assert_eq!(rotation, Rotation::Unknown, "{token}");
    }
    let rotation =
        world.store.rotate_refresh("new", "newer", at(1), at(300)).await.expect("asking works");
    assert_eq!(rotation, Rotation::Unknown, "no refused rotation leaves its new token behind");
}

/// A company is made once; its key is replaced only in the place of the one that the caller has
/// seen.
pub async fn a_company_is_made_once_and_its_key_is_replaced_only_in_place_of_the_old_one(
    store: Arc<dyn Store>,
) {
    let world = World::new(store).await;
    let (neighbour, company) = (world.neighbour().await, world.company.clone());
    let other = Company { wrapped_key: b"another".to_vec(), ..company.clone() };
    let refused = world.store.create_company(&other).await;
    let Err(StoreError::Duplicate { what: "company", existing }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(existing, company.id.to_string());
    let mut both = vec![company.clone(), neighbour.company];
    both.sort_by_key(|company| company.id.to_string());
    assert_eq!(world.store.companies().await.expect("reading works"), both);
    let replace = async |old: &[u8], new: &[u8]| {
        world.store.replace_company_key(company.id, old, new).await.expect("replacing works")
    };
    assert!(!replace(b"unseen", b"new").await);
    assert_eq!(world.store.company(company.id).await.expect("reading works"), company);
    assert!(replace(&company.wrapped_key, b"new").await);
    assert_eq!(world.store.company(company.id).await.expect("reading works").wrapped_key, b"new");
}
