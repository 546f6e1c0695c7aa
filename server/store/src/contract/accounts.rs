//! Rules of users, sessions and refresh tokens.

use super::fixtures::{World, at, new_id, user_of};
use crate::records::{Company, Rotation, Session};
use crate::{Store, StoreError};
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

/// A taken e-mail is a duplicate, and the error names its user.
pub(crate) async fn taken_email_is_a_duplicate_that_names_its_user(store: Arc<dyn Store>) {
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

/// Failed logins are counted and may lock the account; a new session resets both.
pub(crate) async fn failed_logins_are_counted_until_a_session_begins(store: Arc<dyn Store>) {
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
    world.store.create_session(&session(&world), "first").await.expect("creating a session works");
    assert_eq!(state().await, (0, None));
}

/// A refresh token rotates once. Its reuse revokes the session with all its tokens.
pub(crate) async fn reused_refresh_token_revokes_its_session(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let made = session(&world);
    world.store.create_session(&made, "first").await.expect("creating a session works");
    let rotate = async |old: &str, new: &str| {
        let rotated = world.store.rotate_refresh(old, new, at(10), at(200)).await;
        rotated.expect("rotating works")
    };
    let extended = Session { expires_at: at(200), ..made };
    assert_eq!(rotate("first", "second").await, Rotation::Rotated(extended, world.owner.clone()));
    assert_eq!(world.store.session(made.id).await.expect("reading works"), Some(extended));
    assert_eq!(rotate("first", "stolen").await, Rotation::Reused);
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

/// Tokens of expired and revoked sessions, and unknown tokens, do not rotate.
pub(crate) async fn expired_or_revoked_session_rotates_no_token(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let (expired, revoked) = (session(&world), session(&world));
    world.store.create_session(&expired, "expired").await.expect("creating a session works");
    world.store.create_session(&revoked, "revoked").await.expect("creating a session works");
    world.store.revoke_session(revoked.id).await.expect("revoking works");
    for (token, now) in [("expired", at(100)), ("revoked", at(1)), ("never seen", at(1))] {
        let rotation =
            world.store.rotate_refresh(token, "new", now, at(300)).await.expect("asking works");
        assert_eq!(rotation, Rotation::Unknown, "{token}");
    }
    let rotation =
        world.store.rotate_refresh("new", "newer", at(1), at(300)).await.expect("asking works");
    assert_eq!(rotation, Rotation::Unknown, "a rejected rotation stores no new token");
}

/// A company id can be used once. The key of a company is replaced only if the stored key is the
/// one that the caller read.
pub(crate) async fn company_key_is_replaced_only_if_the_old_one_matches(store: Arc<dyn Store>) {
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
